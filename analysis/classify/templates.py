"""The zero-shot protocol: each class is told by its name in 81 sentences, and pictures are given the nearest names.

Stevens et al. 2024, BioCLIP, https://arxiv.org/abs/2311.18803; sentences of Radford et al. 2021, CLIP,
https://arxiv.org/abs/2103.00020, as open_clip keeps them, after BioCLIP's own.
"""

import re
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Int64

from cladescope.analysis.benchmark.tasks import TaskClass
from cladescope.analysis.measures.accuracy import BLOCK_BYTES
from cladescope.analysis.measures.outcomes import Outcome
from cladescope.arrays import blocks, normalise
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.prompts import TEXT_TYPES, name_of
from cladescope.errors import InputError

TEXT_KINDS = ("asis", *TEXT_TYPES)
"""What a class may be called: as the task writes it, or by BioCLIP's types of text."""
CLEAN = "clean"
"""The kind beside `asis` in which names are cleaned."""
TOP_K = (1, 3, 5)

_TEXT_BATCH = 1024
_WITHOUT_COMMON_NAME = {"com": "sci", "sci_com": "sci", "taxon_com": "taxon"}
_NAME_AND_AUTHORS = re.compile(r"([A-Z][a-zëï-]+ [a-zëï][a-zëï-]+),? (.+)")
_AUTHOR = re.compile(r"\(?[^\W\d_a-z][\w.'-]*\.?\)?,?|&|ex|et|in|f\.|\(?\d{4}\)?,?|de|van|von", re.UNICODE)


def class_text(one: TaskClass, kind: str) -> str:
    """What a class is called.

    `asis` is the task's own label and `clean` the same cleaned; the others are BioCLIP's, of the class's taxon. A class
    without a common name goes by its scientific name, or by its names at all ranks, alone.

    Raises InputError for an unknown kind, and where the task gives the class no ranks.

    >>> class_text(TaskClass(label="Lamium_galeobdolon"), "clean")
    'Lamium galeobdolon'
    """
    if kind not in (*TEXT_KINDS, CLEAN):
        raise InputError(f"found the text kind {kind!r}, expected one of {', '.join(TEXT_KINDS)}")
    if kind == "asis":
        return one.label
    if kind == CLEAN:
        return clean(one.label)
    if one.taxon is None:
        raise InputError(
            f"the task gives no ranks for the class {one.label!r}, so that it has no {kind!r} text: use --text asis, "
            "or add the ranks (docs/evaluation.md)"
        )
    if not one.common_name:
        kind = _WITHOUT_COMMON_NAME.get(kind, kind)
    return name_of(one.taxon, kind, common_name=one.common_name)


def clean(label: str) -> str:
    """A label with blanks for underscores, and a binomial without authors and year.

    >>> clean("Tomato___Late_blight"), clean("Mycena crocata (Schrad.) P.Kumm."), clean("Amanita muscaria (L.) Lam., 1783")
    ('Tomato Late blight', 'Mycena crocata', 'Amanita muscaria')
    >>> clean("Piper Betle (Betel)"), clean("Yellow warbler (Dendroica)")
    ('Piper Betle (Betel)', 'Yellow warbler (Dendroica)')
    """
    name = " ".join(label.replace("_", " ").split())
    found = _NAME_AND_AUTHORS.fullmatch(name)
    if found is None:
        return name
    words = found[2].split()
    inside_only = found[2].startswith("(") and found[2].endswith(")") and not re.search(r"[.\d]", found[2])
    return found[1] if not inside_only and all(map(_AUTHOR.fullmatch, words)) else name


def templates() -> tuple[Callable[[str], str], ...]:
    """BioCLIP's sentence and the 80 of CLIP for ImageNet.

    >>> len(templates()), templates()[0]("Parus major"), templates()[1]("Parus major")
    (81, 'a photo of Parus major.', 'a bad photo of a Parus major.')
    """
    from open_clip import OPENAI_IMAGENET_TEMPLATES  # loads torch

    return ("a photo of {}.".format, *OPENAI_IMAGENET_TEMPLATES)


def name_vectors(encoder: Encoder, names: Sequence[str]) -> Float[np.ndarray, "c d"]:
    """For each name the mean of the unit vectors of its 81 sentences, brought to unit length.

    Memory: 4 c d bytes, and a batch of texts. Raises EncoderError where the encoder has no text side.
    """
    sentences = templates()
    means = np.zeros((len(names), encoder.card.dim))
    for start, stop in blocks(len(names), size=max(1, _TEXT_BATCH // len(sentences))):
        texts = [sentence(name) for name in names[start:stop] for sentence in sentences]
        encoded = normalise(encoder.encode_texts(texts))
        means[start:stop] = encoded.reshape(stop - start, len(sentences), -1).mean(axis=1)
    return normalise(means.astype(np.float32))


def zero_shot(
    vectors: Float[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    asked: Bool[np.ndarray, " n"],
    class_vectors: Float[np.ndarray, "c d"],
    *,
    kind: str,
    ks: Sequence[int] = TOP_K,
) -> dict[str, Outcome]:
    """Whether each picture's class is among the k nearest class vectors, under names such as `asis top-1`.

    Of equally near classes the one with the smaller number comes first, so that an encoder which tells nothing apart
    gains nothing. Memory: 4 n d bytes and a block of `BLOCK_BYTES`.

    >>> vectors = np.array([[1.0, 0.2], [0.3, 1.0]])
    >>> found = zero_shot(vectors, np.array([0, 0]), np.array([True, True]), np.eye(2), kind="asis", ks=[1, 2])
    >>> found["asis top-1"].value, found["asis top-2"].value
    (0.5, 1.0)
    """
    places = positions(normalise(vectors), class_vectors, classes)
    return {f"{kind} top-{k}": Outcome(((places < k) & asked).astype(float), asked.astype(float)) for k in ks}


def positions(
    vectors: Float[np.ndarray, "n d"], class_vectors: Float[np.ndarray, "c d"], classes: Int[np.ndarray, " n"]
) -> Int64[np.ndarray, " n"]:
    """How many classes come before each picture's own, by score.

    >>> positions(np.array([[1.0, 0.2]]), np.eye(2), np.array([1]))
    array([1])
    """
    c = len(class_vectors)
    places = np.empty(len(vectors), np.int64)
    for start, stop in blocks(len(vectors), size=max(1, BLOCK_BYTES // (16 * c))):
        scores = vectors[start:stop] @ class_vectors.T
        own = classes[start:stop, None]
        score = np.take_along_axis(scores, own, axis=1)
        places[start:stop] = ((scores > score) | ((scores == score) & (np.arange(c) < own))).sum(axis=1)
    return places


def answers(texts: Sequence[str]) -> tuple[list[str], Int64[np.ndarray, " c"]]:
    """The different texts, and which of them is each class's: classes of the same text are one answer.

    >>> answers(["lion", "puma", "lion"])
    (['lion', 'puma'], array([0, 1, 0]))
    """
    different = list(dict.fromkeys(texts))
    number = {text: place for place, text in enumerate(different)}
    return different, np.array([number[text] for text in texts], np.int64)
