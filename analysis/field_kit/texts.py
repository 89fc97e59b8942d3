"""What a field kit says in words: names and ranks of everything that can be answered, and the verdicts."""

from dataclasses import dataclass
from typing import Final

from cladescope.analysis.classify.answers import Answers, columns
from cladescope.analysis.classify.said import EMPTY, NAMED, NOT_SURE
from cladescope.schema import LABEL, NOT_KNOWN

VERDICTS: Final = (NAMED, NOT_SURE, NOT_KNOWN, EMPTY)
"""In the order of their numbers in a kit."""
BEFORE: Final = ("file_name", "name", "rank", "confidence", "nearest")
"""Columns before those of the ranks: what is said and how likely it is, and the narrowest guess where that is another."""


@dataclass(frozen=True)
class Texts:
    """A row for each thing that can be said: every taxon or label, and then every verdict but the first, which names nothing itself."""

    names: tuple[tuple[str, str], ...]
    """Name and rank; of a verdict its word."""
    beside: tuple[tuple[str, ...], ...]
    """The ranks above, and what else stands in columns of their own."""
    columns: tuple[str, ...]
    """Of `beside`."""
    n_answers: int
    """Rows that are taxa or labels."""


def texts_of(answers: Answers) -> Texts:
    """What a kit of these answers can say."""
    beside: tuple[str, ...] = ()
    if answers.tree is not None:
        tree = answers.tree
        taxa = [tree.taxon(node) for node in range(len(tree))]
        names = [(taxon.name, taxon.rank) for taxon in taxa]
        beside = tuple(one for one in columns(answers.rank) if one != "score")
        # What lies below the rank asked for is a nearest guess at most, and says its name only.
        said = [answers.called(node, 1.0) if taxon.rank in beside else {} for node, taxon in enumerate(taxa)]
        rows = [tuple(str(one.get(column, "")) for column in beside) for one in said]
    else:
        labels = answers.labels
        if answers.paths is not None:
            labels = [str(answers.called(node, 1.0)["classification"]) for node in range(len(answers.paths))]
        names = [(label, LABEL) for label in labels]
        rows = [() for _ in labels]
    silent = VERDICTS[1:]
    return Texts(
        names=(*names, *((word, "") for word in silent)),
        beside=(*rows, *(("",) * len(beside) for _ in silent)),
        columns=beside,
        n_answers=len(rows),
    )
