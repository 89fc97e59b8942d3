"""What a class of a task is called in zero-shot: its label, the label cleaned, or one of BioCLIP's types of text.

Stevens et al. 2024, BioCLIP, https://arxiv.org/abs/2311.18803.
"""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from cladescope.analysis.benchmark.tasks import TaskClass
from cladescope.embedding.prompts import TEXT_TYPES, name_of
from cladescope.errors import InputError

TEXT_KINDS = ("asis", *TEXT_TYPES)
"""What a class may be called: as the task writes it, or by BioCLIP's types of text."""
CLEAN = "clean"
"""The kind beside `asis` in which names are cleaned."""

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
            f"the task gives no ranks for the class {one.label!r}, so that it has no {kind!r} text: use the text kind asis, "
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


def different_texts(texts: Sequence[str]) -> tuple[list[str], Int64[np.ndarray, " c"]]:
    """The different texts, and which of them is each class's: classes of the same text are one answer.

    >>> different_texts(["lion", "puma", "lion"])
    (['lion', 'puma'], array([0, 1, 0]))
    """
    different = list(dict.fromkeys(texts))
    number = {text: place for place, text in enumerate(different)}
    return different, np.array([number[text] for text in texts], np.int64)
