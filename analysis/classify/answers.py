"""What a classifier says of pictures, as rows: the k best taxa of a rank, bins of labels, or the deepest sure taxon.

The columns are pybioclip's (https://github.com/Imageomics/pybioclip), so that what reads its files reads ours.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import SupportsFloat, SupportsIndex

import numpy as np
from jaxtyping import Float, Int, Real

from cladescope.analysis.classify.back_off import BackOff
from cladescope.analysis.classify.best_taxa import BLOCK_PICTURES, best_taxa
from cladescope.analysis.classify.class_gallery import Classes, ClassGallery, block_rows
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.drift import Drift
from cladescope.analysis.classify.known import DOUBT, Known, check_doubt, why_far
from cladescope.analysis.classify.said import ASIDE, EMPTY, NAMED, NOT_SURE, name_said
from cladescope.analysis.classify.zero_shot import best
from cladescope.errors import InputError, TaxonError
from cladescope.schema import NOT_KNOWN
from cladescope.shown import counted_of
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
        doubt: float | None = DOUBT,
        others: bool = False,
    ) -> None:
        """`rank` is ignored for plain labels. What is `known` decides which pictures are too far for a name, at a `doubt`, if one is given.

        With a `risk` a picture gets one answer, at the rank or above it, where it is sure enough; with `others` one that is named at
        the rank has up to `k`, the less likely ones too.

        Raises InputError where no class has the rank, nothing was calibrated for a risk, or the doubt is no share.
        """
        if doubt is not None:
            check_doubt(doubt)
        self.known, self.doubt, self.others = known, doubt, others
        self.classes, self.k, self.back_off, self.risk = classes, k, back_off, risk
        self.tree = classes.tree
        self.drift = None if known is None or risk is None else Drift(known.held)
        """Whether the pictures asked about since `start_over` are like those that decided where answers stop."""
        self.rank = None if self.tree is None else rank
        self.columns = (*columns(self.rank), *ASIDE)
        self.labels: Sequence[str] = classes.labels
        self._gallery = (
            classes if isinstance(classes, ClassGallery) and self.tree is not None and risk is None else None
        )
        self.bins: Int[np.ndarray, " c"] | None = None
        """Which of the `labels` each class counts towards; None where each is its own."""
        if bins is not None:
            self.labels = tuple(dict.fromkeys(bins))
            place = {label: number for number, label in enumerate(self.labels)}
            self.bins = np.array([place[label] for label in bins])
        if risk is not None and back_off is None:
            raise InputError("a risk needs labelled pictures for calibration: give a store of them to calibrate on")
        self.paths = ClassTree.flat(len(classes.labels)) if self.tree is None and risk is not None else self.tree
        """The tree that answers go down: of plain labels with a risk one of a single rank; else None for these."""
        if self.tree is not None and self.rank is not None:
            self._nodes = self.tree.at(self.rank)
            has_name = len(self._nodes) if risk is None else (self.tree.rank <= RANK_INDEX[self.rank]).any()
            if not has_name:
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
        named = self._all_named(vectors)
        if self.known is None or self.doubt is None:
            yield from named
            return
        chances, empty = self.known.chances(vectors), self.known.looks_empty(vectors)
        for found, chance, is_empty in zip(named, chances, empty, strict=True):
            if chance > self.doubt:
                yield found
            else:
                yield [self._aside(found[0], EMPTY if is_empty else NOT_KNOWN, float(chance))]

    def start_over(self) -> None:
        """Forget what was asked about, before another batch."""
        if self.drift is not None:
            self.drift.start_over()

    def why(self, counts: Mapping[str, int], above: int = 0) -> list[str]:
        """Why pictures have no name, or none at the rank asked for, and which setting would name them, a sentence each.

        From their number by verdict, and that of those that are named `above` the rank.
        """
        said = [] if self.doubt is None else why_far(counts, self.doubt)
        if self.drift is not None and self.risk is not None:
            said += self.drift.said(self.risk)
        n, total = counts.get(NOT_SURE, 0), sum(counts.values())
        if self.back_off is None or self.risk is None or not n + above:
            return said
        more = self.back_off.more(self.risk)
        if above:
            said.append(
                f"{counted_of(above, total, 'picture')} named above the {self.rank} only: a narrower name would be wrong too often "
                f"(risk {self.risk:g}); {more} goes further; the nearest guess stands beside each"
            )
        if n and self.paths is not None:
            said.append(f"{counted_of(n, total, 'picture')} not sure: {self.back_off.why(self.paths, self.risk)}")
        return said

    def _aside(self, guess: Prediction, verdict: str, score: float) -> Prediction:
        """No name, and the guess that would have been one."""
        nearest, near = guess.get("nearest", name_said(guess)), guess.get("nearest_score", guess["score"])
        blank: Prediction = dict.fromkeys(self.columns, "")
        return blank | {"score": score, "verdict": verdict, "nearest": nearest, "nearest_score": near}

    def _all_named(self, vectors: Real[np.ndarray, "q d"]) -> Iterator[list[Prediction]]:
        if self.risk is not None:
            yield from self._sure(vectors, self.risk)
            return
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
        else:
            rolled = self.tree.roll_up(probabilities)
            del probabilities
            at_rank = rolled.T[self._nodes].T
            for row, places in enumerate(best(at_rank, self.k)):
                yield [self._prediction(self.tree, self._nodes[place], float(at_rank[row, place])) for place in places]

    def _sure(self, vectors: Real[np.ndarray, "q d"], risk: float) -> Iterator[list[Prediction]]:
        """Of each picture the narrowest name that is sure enough, none below the rank; where it is another one, the narrowest aside."""
        assert self.back_off is not None
        assert self.paths is not None
        standing = None
        if self.known is not None and self.drift is not None:
            nearness = self.known.nearness(vectors)
            self.drift.note(nearness)
            standing = self.known.standing_of(nearness)
        probabilities = self.classes.probabilities(vectors)
        whole, sure_whole = self.back_off.paths(self.paths, probabilities, standing)
        deepest = len(RANKS) if self.rank is None else RANK_INDEX[self.rank] + 1
        path, sure = whole[:, :deepest], sure_whole[:, :deepest]
        threshold = self.back_off.threshold(risk)
        rolled = self.paths.roll_up(probabilities) if self.others and self.k > 1 else None
        for row in range(len(vectors)):
            if (path[row] < 0).all():  # the taxa of its path lack a name at the rank and above it
                first = int((whole[row] >= 0).argmax())
                near = float(sure_whole[row, first])
                nearest = self.paths.taxon(whole[row, first]).name
                yield [self._aside({"nearest": nearest, "nearest_score": near, "score": near}, NOT_SURE, 1.0)]
                continue
            # Nodes are counted rank by rank: the greatest is the deepest.
            end = int(path[row].argmax())
            is_sure = np.nan_to_num(sure[row], nan=-1.0) >= threshold
            guess = self.called(path[row, end], sure[row, end])
            if not is_sure.any():
                yield [self._aside(guess, NOT_SURE, 1.0)]
                continue
            place = int(np.flatnonzero(is_sure & (path[row] >= 0))[-1])
            if place != end:
                aside = {"nearest": name_said(guess), "nearest_score": guess["score"]}
                yield [self.called(path[row, place], sure[row, place]) | aside]
                continue
            found = [guess]
            if rolled is not None and end == deepest - 1:
                nodes = self.paths.at(RANKS[end])
                nodes = nodes[nodes != path[row, end]]
                if len(nodes):
                    chances = rolled[row, nodes]
                    (places,) = best(chances[None], self.k - 1)
                    stand = None if standing is None else float(standing[row])
                    scores = np.minimum(self.back_off.sure_at(end, chances[places], stand), sure[row, end])
                    found += [self.called(nodes[one], score) for one, score in zip(places, scores, strict=True)]
            yield found

    def called(self, node: SupportsIndex, score: SupportsFloat) -> Prediction:
        """A node of the tree, or the plain label that it stands for."""
        if self.tree is not None:
            return self._prediction(self.tree, node, float(score))
        assert self.paths is not None
        row = int(self.paths.taxon(node).name)
        label = self.labels[row] if self.bins is None else self.labels[self.bins[row]]
        return {"classification": label, "score": float(score), "verdict": NAMED}

    def _plain(self, probabilities: Float[np.ndarray, "q c"]) -> Iterator[list[Prediction]]:
        if self.bins is not None:
            summed = np.zeros((len(probabilities), len(self.labels)), probabilities.dtype)
            np.add.at(summed.T, self.bins, probabilities.T)
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
