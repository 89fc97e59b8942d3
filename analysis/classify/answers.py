"""What a classifier says of pictures, as rows: the k best taxa of a rank, bins of labels, or the deepest sure taxon.

The columns are pybioclip's (https://github.com/Imageomics/pybioclip), so that what reads its files reads ours.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import SupportsIndex

import numpy as np
from jaxtyping import Float, Int, Real

from cladescope.analysis.classify.answer_paths import walk
from cladescope.analysis.classify.back_off import BackOff
from cladescope.analysis.classify.best_taxa import BLOCK_PICTURES, best_taxa
from cladescope.analysis.classify.class_gallery import Classes, ClassGallery, block_rows
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.known import DOUBT, Known, check_doubt, why_far
from cladescope.analysis.classify.said import ASIDE, EMPTY, NAMED, NOT_SURE, name_said
from cladescope.analysis.classify.zero_shot import best
from cladescope.errors import InputError, TaxonError
from cladescope.schema import NOT_KNOWN
from cladescope.taxonomy.taxon import RANK_INDEX, RANKS

Prediction = dict[str, str | float]
"""One thing that is said of a picture: column to value, with the score that it is likely by."""


def columns(rank: str | None) -> tuple[str, ...]:
    """Columns of answers at a rank, of plain labels for None; `file_name` comes before them.

    >>> columns("class"), columns(None)
    (('kingdom', 'phylum', 'class', 'score'), ('classification', 'score'))
    """
    if rank is None:
        return ("classification", "score")
    if rank not in RANK_INDEX:
        raise TaxonError(f"found {rank!r}, expected a rank: {', '.join(RANKS)}")
    if rank == "species":
        return (*RANKS[:-1], "species_epithet", "species", "common_name", "score")
    return (*RANKS[: RANK_INDEX[rank] + 1], "score")


class Answers:
    """Turns a classifier's probabilities into answers: k for each picture, or one with a risk."""

    def __init__(
        self,
        classes: Classes,
        *,
        rank: str | None = "species",
        k: int = 5,
        bins: Sequence[str] | None = None,
        back_off: BackOff | None = None,
        risk: float | None = None,
        known: Known | None = None,
        doubt: float = DOUBT,
    ) -> None:
        """`rank` is ignored for plain labels; what is `known` decides which pictures are too far for a name, at a `doubt`.

        Raises InputError where no class has the rank, a risk has no tree, or the doubt is no share.
        """
        check_doubt(doubt)
        self.known, self.doubt = known, doubt
        self.classes, self.k, self.back_off, self.risk = classes, k, back_off, risk
        self.tree = classes.tree
        self.rank = None if self.tree is None else "species" if risk is not None else rank
        self.columns = (*columns(self.rank), *ASIDE)
        self.labels: Sequence[str] = classes.labels
        self._gallery = (
            classes if isinstance(classes, ClassGallery) and self.tree is not None and risk is None else None
        )
        self._bin: Int[np.ndarray, " c"] | None = None
        if bins is not None:
            self.labels = tuple(dict.fromkeys(bins))
            place = {label: number for number, label in enumerate(self.labels)}
            self._bin = np.array([place[label] for label in bins])
        if risk is not None and (self.tree is None or back_off is None):
            raise InputError(
                "a risk needs classes that are taxa, and labelled pictures: give taxa, and a store of labelled pictures to calibrate on"
            )
        if self.tree is not None and self.rank is not None:
            self._nodes = self.tree.at(self.rank)
            if risk is None and not len(self._nodes):
                there = [name for name in RANKS if len(self.tree.at(name))]
                raise InputError(f"no class has a {self.rank}: ask for the rank {', '.join(there)}")
            # Of classes that are one taxon the first.
            self._class_of = np.full(len(self.tree), -1, np.int32)
            self._class_of[self.tree.class_node[::-1]] = np.arange(self.tree.n_classes - 1, -1, -1)

    @property
    def block_rows(self) -> int:
        """Pictures that are best given to `of` together; of many classes as many as fit some hundred MB."""
        return BLOCK_PICTURES if self._gallery is not None else min(1024, block_rows(self.classes))

    def of(self, vectors: Real[np.ndarray, "q d"]) -> Iterator[list[Prediction]]:
        """The answers for each picture of a block, best first; of one that is not named one, with the nearest guess aside.

        Its score is how likely a picture of something known is to lie so far (`Known.chances`); where no name reaches the
        risk it is 1: that it is some organism. Memory: as `best_taxa` for class vectors and a rank, else that of the block's
        probabilities and roll-up.
        """
        if self.known is None:
            yield from self._all_named(vectors)
            return
        chances, empty = self.known.chances(vectors), self.known.looks_empty(vectors)
        for found, chance, is_empty in zip(self._all_named(vectors), chances, empty, strict=True):
            if chance > self.doubt:
                yield found
            else:
                yield [self._aside(found[0], EMPTY if is_empty else NOT_KNOWN, float(chance))]

    def why(self, counts: Mapping[str, int]) -> list[str]:
        """Why pictures have no name and which setting would name them, a sentence each; from their number by verdict."""
        said = why_far(counts, self.doubt)
        if (
            (n := counts.get(NOT_SURE, 0))
            and self.back_off is not None
            and self.risk is not None
            and self.tree is not None
        ):
            said.append(
                f"{n:,} of {sum(counts.values()):,} pictures are not sure: {self.back_off.why(self.tree, self.risk)}"
            )
        return said

    def _aside(self, guess: Prediction, verdict: str, score: float) -> Prediction:
        """No name, and the guess that would have been one."""
        nearest, near = guess.get("nearest", name_said(guess)), guess.get("nearest_score", guess["score"])
        blank: Prediction = dict.fromkeys(self.columns, "")
        return blank | {"score": score, "verdict": verdict, "nearest": nearest, "nearest_score": near}

    def _all_named(self, vectors: Real[np.ndarray, "q d"]) -> Iterator[list[Prediction]]:
        if self._gallery is not None and self.tree is not None and self.rank is not None:
            for chances, nodes in zip(*best_taxa(self._gallery, vectors, self.rank, self.k), strict=True):
                yield [
                    self._prediction(self.tree, node, float(chance))
                    for node, chance in zip(nodes, chances, strict=True)
                ]
            return
        probabilities = self.classes.probabilities(vectors)
        if self.tree is None:
            yield from self._plain(probabilities)
        elif self.risk is not None and self.back_off is not None:
            nodes, chances = self.back_off.answer(self.tree, probabilities, self.risk)
            guesses = iter(self._narrowest(self.tree, probabilities[nodes < 0]))
            for node, chance in zip(nodes, chances, strict=True):
                if node < 0:
                    yield [self._aside(next(guesses), NOT_SURE, float(chance))]
                else:
                    yield [self._prediction(self.tree, node, float(chance))]
        else:
            rolled = self.tree.roll_up(probabilities)
            del probabilities
            at_rank = rolled.T[self._nodes].T
            for row, places in enumerate(best(at_rank, self.k)):
                yield [self._prediction(self.tree, self._nodes[place], float(at_rank[row, place])) for place in places]

    def _narrowest(self, tree: ClassTree, probabilities: Float[np.ndarray, "q c"]) -> Iterator[Prediction]:
        """The end of each picture's path down the tree, and its probability."""
        path, chances = walk(tree, probabilities)
        # Nodes are counted rank by rank: the greatest is the deepest.
        for place, row in enumerate(path):
            end = int(row.argmax())
            yield self._prediction(tree, row[end], float(chances[place, end]))

    def _plain(self, probabilities: Float[np.ndarray, "q c"]) -> Iterator[list[Prediction]]:
        if self._bin is not None:
            summed = np.zeros((len(probabilities), len(self.labels)), probabilities.dtype)
            np.add.at(summed.T, self._bin, probabilities.T)
            probabilities = summed
        for row, places in enumerate(best(probabilities, self.k)):
            yield [
                {"classification": self.labels[place], "score": float(probabilities[row, place]), "verdict": NAMED}
                for place in places
            ]

    def _prediction(self, tree: ClassTree, node: SupportsIndex, score: float) -> Prediction:
        found: Prediction = dict.fromkeys(columns(self.rank), "")
        found |= {"score": float(score), "verdict": NAMED}
        taxon = tree.taxon(int(node))
        found |= {rank: name or "" for rank, name in zip(RANKS, taxon.path, strict=False) if rank in found}
        if taxon.rank == "species":
            genus, _, epithet = taxon.name.partition(" ")
            found["species_epithet"] = epithet or genus
            found["genus"] = found["genus"] or (genus if epithet else "")
        if "common_name" in found and (row := self._class_of[int(node)]) >= 0:
            names = getattr(self.classes, "common_names", None)
            found["common_name"] = (names[row] if names else None) or ""
        return found
