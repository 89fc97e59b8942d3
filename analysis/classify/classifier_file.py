"""A fitted classifier as one file: class vectors or labelled vectors, and all that says where they come from.

The file is `.safetensors` with a JSON text and a hash of all parts in its header; nothing in it is run when it is read. This
module writes and reads it; `fitting` fits what it holds, `classifier_parts` says what each part must be.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int, Real, UInt64
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

import cladescope
from cladescope.analysis.classify.back_off import BackOff
from cladescope.analysis.classify.class_gallery import ClassGallery
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.classifier_parts import check_parts, hash_parts
from cladescope.analysis.classify.known import Known
from cladescope.analysis.classify.neighbour_vote import NeighbourVote
from cladescope.analysis.classify.settings import Setting
from cladescope.embedding.encoder import EncoderCard
from cladescope.errors import InputError, StoreError
from cladescope.files import replacing
from cladescope.outputs import check_out_file
from cladescope.taxonomy.taxon import Taxon

FORMAT_VERSION = 2
"""Raised when an older reader would misunderstand a file."""

_KEY, _HASH_KEY = "cladescope.classifier", "cladescope.hash"


@dataclass(frozen=True, kw_only=True, eq=False)
class Classifier:
    """Fitted classes, the encoder whose vectors they compare, and how they were fitted."""

    classes: ClassGallery | NeighbourVote
    method: str
    target: str
    """The rank that was fitted, or the column of labels."""
    card: EncoderCard
    store: str
    """Path of the store that the pictures are of."""
    data_version: int
    """The store's version when they were read."""
    vectors: str | None = None
    """Name of the vectors that were read, of a further encoder of the store, which `card` describes; None for the store's own."""
    counts: Int[np.ndarray, " c"]
    """Pictures that each class was fitted on."""
    back_off: BackOff | None = None
    """Where answers stop; None where labels are no taxa or nothing was held out."""
    known: Known | None = None
    """How far from everything known a picture may be; None in files of earlier versions, and where no picture told."""
    made_with: UInt64[np.ndarray, " m"] | None = None
    """Numbers of the pictures that it was made with (`made_with.picture_numbers`), in order; None in files of earlier versions."""
    kappa: float = 0.0
    """Pseudo-pictures by which a class leans on the taxon above it."""
    setting: Setting | None = None
    """The number of the method (k, C, alpha), and how it was chosen; None for a method without one, and in files of earlier versions."""
    text_weight: float = 0.0
    """How much the texts of the classes count beside their pictures."""
    backbone: Mapping[str, str] = field(default_factory=dict)
    """Release and hash of the backbone that gave the classes their names; empty without one."""
    created: str = ""
    """Date and time of writing; empty before."""
    version: str = cladescope.__version__

    @property
    def labels(self) -> Sequence[str]:
        """What each class is called."""
        return self.classes.labels

    @property
    def tree(self) -> ClassTree | None:
        """The classes as taxa; None where they are plain labels."""
        return self.classes.tree

    def probabilities(self, vectors: Real[np.ndarray, "q d"]) -> Float32[np.ndarray, "q c"]:
        """Of each class for each picture; see `ClassGallery.probabilities`."""
        return self.classes.probabilities(vectors)

    def only(self, rows: Bool[np.ndarray, " c"]) -> "Classifier":
        """Some of the classes; where answers stop stays as all of them decided it. Raises InputError for none."""
        known = self.known if self.known is None or len(self.known.means) != len(rows) else self.known.only(rows)
        return replace(self, classes=self.classes.only(rows), counts=self.counts[rows], known=known)

    def check(self, card: EncoderCard) -> None:
        """Raise StoreError unless vectors of this encoder may be asked about."""
        if (difference := card.difference(self.card)) is not None:
            raise StoreError(
                f"the classifier was fitted to vectors of {self.card.name!r}: {difference}: "
                "fit one on a store of this encoder"
            )


def save_classifier(classifier: Classifier, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a classifier, whole or not at all, and return the path.

    Raises TakenError where something stands there already, unless it may be replaced; InputError where the place cannot be written.
    """
    target = Path(path)
    check_out_file(target, overwrite=overwrite)
    classes = classifier.classes
    arrays: dict[str, np.ndarray | None] = {
        "vectors": classes.vectors,
        "counts": classifier.counts,
        "made_with": classifier.made_with,
    }
    if classifier.back_off is not None:
        arrays |= classifier.back_off.parts()
    if classifier.known is not None:
        arrays |= {f"known_{name}": getattr(classifier.known, name) for name in ("means", "axes", "held")}
    if isinstance(classes, NeighbourVote):
        arrays |= {"classes": classes.classes, "vectors": classes.vectors.astype(np.float16)}
    else:
        arrays |= {"bias": classes.bias, "centre": classes.centre, "log_prior": classes.log_prior}
    tree, common_names = classes.tree, getattr(classes, "common_names", None)
    about = {
        "format_version": FORMAT_VERSION,
        "method": classifier.method,
        "target": classifier.target,
        "encoder": classifier.card.to_dict(),
        "store": classifier.store,
        "data_version": classifier.data_version,
        "vectors": classifier.vectors,
        "labels": list(classes.labels),
        "taxa": None if tree is None else [tree.class_taxon(row).path for row in range(tree.n_classes)],
        "common_names": None if common_names is None else list(common_names),
        "scale": classes.scale,
        "k": getattr(classes, "k", None),
        "kappa": classifier.kappa,
        "setting": None if classifier.setting is None else classifier.setting.to_dict(),
        "text_weight": classifier.text_weight,
        "backbone": dict(classifier.backbone),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "cladescope": cladescope.__version__,
        "has_hash": True,
    }
    held = {name: np.ascontiguousarray(array) for name, array in arrays.items() if array is not None}
    text = json.dumps(about)
    header = {_KEY: text, _HASH_KEY: hash_parts(text, held)}
    try:
        with replacing(target) as draft:
            draft.write_bytes(save(held, metadata=header))
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}: choose another path") from error
    return target


def load_classifier(path: str | Path) -> Classifier:
    """The classifier that `save_classifier` wrote.

    Raises InputError where the file is missing, damaged, something else or of a newer format.
    """
    source = Path(path)
    if not source.is_file():
        raise InputError(f"{source} is not a file: make a classifier with fit")
    try:
        with safe_open(source, framework="numpy") as file:
            header: dict[str, str] = file.metadata() or {}
            arrays: dict[str, np.ndarray] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError, MemoryError) as error:
        raise InputError(f"{source} cannot be read ({error}): expected a file that fit has written") from error
    if _KEY not in header:
        raise InputError(f"{source} holds no classifier: expected a file that fit has written")
    try:
        about: dict[str, Any] = json.loads(header[_KEY])
        if about["format_version"] <= FORMAT_VERSION:
            if about.get("has_hash", _HASH_KEY in header) and header.get(_HASH_KEY) != hash_parts(header[_KEY], arrays):
                raise ValueError("it is not as it was written")
            check_parts(about, arrays)
            return _classifier(about, arrays)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        found = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise InputError(f"{source} is damaged ({found}): fit it anew") from error
    raise InputError(
        f"{source} has classifier format {about['format_version']}, this version of cladescope reads up to "
        f"{FORMAT_VERSION}: upgrade it"
    )


def _classifier(about: dict[str, Any], arrays: dict[str, np.ndarray]) -> Classifier:
    labels = tuple(about["labels"])
    tree = None if about["taxa"] is None else ClassTree.from_taxa([Taxon(tuple(path)) for path in about["taxa"]])
    classes: ClassGallery | NeighbourVote
    if "classes" in arrays:
        vote = NeighbourVote(arrays["vectors"], arrays["classes"], labels, k=about["k"], tree=tree)
        classes = replace(vote, scale=about["scale"])
    else:
        names = None if about["common_names"] is None else tuple(about["common_names"])
        optional = {name: arrays.get(name) for name in ("bias", "centre", "log_prior")}
        classes = ClassGallery(arrays["vectors"], labels, about["scale"], tree=tree, common_names=names, **optional)
    return Classifier(
        classes=classes,
        method=about["method"],
        target=about["target"],
        card=EncoderCard.from_dict(about["encoder"]),
        store=about["store"],
        data_version=about["data_version"],
        vectors=_vectors(about),
        counts=arrays["counts"],
        back_off=BackOff.of_parts(arrays),
        known=None
        if "known_means" not in arrays
        else Known(*(arrays[f"known_{name}"] for name in ("means", "axes", "held"))),
        made_with=arrays.get("made_with"),
        kappa=about["kappa"],
        setting=Setting.of_dict(about.get("setting")),
        text_weight=about["text_weight"],
        backbone=_backbone(about),
        created=about["created"],
        version=about["cladescope"],
    )


def _vectors(about: dict[str, Any]) -> str | None:
    """Files of earlier versions name none."""
    told = about.get("vectors")
    return None if told is None else str(told)


def _backbone(about: dict[str, Any]) -> dict[str, str]:
    """Files of earlier versions say nothing of a backbone."""
    told = about.get("backbone") or {}
    return {name: str(told[name]) for name in ("release", "hash") if name in told}
