"""Zero-shot: class vectors from the names of taxa or from a user's labels, and the best taxa of a rank.

A picture is compared with the text of every class; probabilities are summed along the tree (`class_tree`), so that taxa
whose label ends at a higher rank take part. Radford et al. 2021, CLIP, https://arxiv.org/abs/2103.00020, section 3.1;
texts as in Stevens et al. 2024, BioCLIP, https://arxiv.org/abs/2311.18803.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Float16, Int
from platformdirs import user_cache_path

from cladescope.analysis.classify.class_gallery import ClassGallery
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.templates import name_vectors
from cladescope.analysis.classify.text_column import MadeTexts, TextColumn
from cladescope.arrays import blocks
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.prompts import name_of, prompt
from cladescope.errors import InputError
from cladescope.files import replacing
from cladescope.index.files import disk_errors

TEXT_TYPE = "taxon_com"
"""Names at all ranks and the common name: the fullest text that BioCLIP's encoders are trained on."""
BLOCK_TEXTS = 4096
"""Texts that are encoded and kept together: what a killed run need not do again."""


def default_cache() -> Path:
    """Folder of class vectors where this system keeps caches; on Linux `~/.cache/cladescope/class-vectors`."""
    return user_cache_path("cladescope", appauthor=False) / "class-vectors"


def taxon_gallery(
    encoder: Encoder,
    table: pa.Table,
    *,
    text_type: str = TEXT_TYPE,
    templates: bool = False,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ClassGallery:
    """Class vectors of taxa, in their order; the table is as `taxon_lists.taxa_table` makes it.

    A taxon is told in BioCLIP's one sentence, or with `templates` as the mean over 81 (see `classify.templates`).

    Vectors are float16, 2 c d bytes, beside about 300 bytes a taxon for names and the tree. They are kept in `cache` under
    the encoder's weights and the texts, block by block, so that they are made once and a killed run goes on; None keeps
    nothing.

    Raises EncoderError for an encoder without text side, InputError for an unknown text type.
    """
    scale = encoder.text_scale
    tree, common = ClassTree.from_table(table), TextColumn(table["common_name"])
    tell = name_of if templates else prompt
    texts = MadeTexts(len(table), lambda row: tell(tree.class_taxon(row), text_type, common_name=common[row]))
    vectors = text_vectors(encoder, texts, templates=templates, cache=cache, progress=progress)
    return ClassGallery(vectors, tree.names(), scale, tree=tree, common_names=common)


def gallery_of(vectors: Float[np.ndarray, "c d"], table: pa.Table, scale: float) -> ClassGallery:
    """Taxa whose class vectors are there already, in the order of the table, which is as `taxon_gallery` has it.

    Raises TaxonError for a row without any rank, InputError for another number of vectors than of rows.

    >>> table = pa.table({"class": ["Aves"], "common_name": ["birds"]})
    >>> gallery_of(np.ones((1, 2), np.float32), table, 1.0).labels[0]
    'Aves'
    """
    tree = ClassTree.from_table(table)
    common = TextColumn(table["common_name"])
    return ClassGallery(vectors, tree.names(), scale, tree=tree, common_names=common)


def label_gallery(encoder: Encoder, labels: Sequence[str]) -> ClassGallery:
    """Class vectors of labels of any kind, each the mean over 81 sentences; they hang from no tree.

    Raises EncoderError for an encoder without text side.
    """
    scale = encoder.text_scale
    return ClassGallery(name_vectors(encoder, labels).astype(np.float32), tuple(labels), scale)


def text_vectors(
    encoder: Encoder,
    texts: Sequence[str],
    *,
    templates: bool = False,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Float16[np.ndarray, "t d"]:
    """Vectors of texts, of unit length, in float16; read from `cache` where they were made before.

    With `templates` the texts are names, and each vector is the mean over the 81 sentences with that name.

    A block's file is named by the SHA-256 of the encoder's identity and of its texts, so that nothing stale is ever read;
    an encoder whose weights have no hash has no cache. A damaged file is made anew.

    Raises EncoderError where the encoder gives numbers that are not finite, StoreError where the cache cannot be written.
    """
    found = np.empty((len(texts), encoder.card.dim), np.float16)
    for start, stop in blocks(len(texts), size=BLOCK_TEXTS):
        part = texts[start:stop]
        told = "\0".join([encoder.card.identity, *(["81 sentences"] if templates else []), *part])
        keep = cache is not None and encoder.card.weight_hash is not None
        path = cache / f"{hashlib.sha256(told.encode()).hexdigest()}.npy" if keep and cache is not None else None
        kept = None if path is None else _load(path, (stop - start, encoder.card.dim))
        if kept is None:
            encode = partial(name_vectors, encoder) if templates else encoder.encode_texts
            kept = encode(part).astype(np.float16)
            if path is not None and np.isfinite(kept).all():
                _save(path, kept)
        found[start:stop] = kept
        if progress is not None:
            progress(stop, len(texts))
    return found


def _load(path: Path, shape: tuple[int, int]) -> Float16[np.ndarray, "t d"] | None:
    try:
        kept: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return kept if kept.shape == shape and kept.dtype == np.float16 and np.isfinite(kept).all() else None


def _save(path: Path, vectors: Float16[np.ndarray, "t d"]) -> None:
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as draft:
            np.save(draft, vectors, allow_pickle=False)


def best(scores: Float[np.ndarray, "q m"], k: int) -> Int[np.ndarray, "q k_or_m"]:
    """Columns of the k highest scores of each row, highest first, ties by the smaller column; all where there are fewer.

    >>> best(np.array([[0.2, 0.5, 0.3]]), 2)
    array([[1, 2]])
    """
    if not scores.shape[1]:
        raise InputError("nothing to choose from: expected at least one class")
    k = min(k, scores.shape[1])
    columns = np.empty((len(scores), k), np.int64)
    for row, values in enumerate(scores):
        options = np.flatnonzero(values >= np.partition(values, -k)[-k])
        columns[row] = options[np.argsort(-values[options], kind="stable")[:k]]
    return columns
