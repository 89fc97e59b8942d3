"""Which of a ranked list of rows are shown: at most so many of a taxon, and none below a score."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cladescope.errors import InputError
from cladescope.index.facets import check_rank
from cladescope.schema import LABEL
from cladescope.taxonomy import RANKS, Taxon
from cladescope.taxonomy.spelling import fold


@dataclass(frozen=True, kw_only=True)
class Picking:
    """What the hits of a search must meet beside being near."""

    k: int
    at_most: int | None = None
    """Hits of one taxon of the rank `per`; None for any number."""
    per: str = "species"
    min_score: float | None = None

    def __post_init__(self) -> None:
        if self.k < 1:
            raise InputError(f"k is {self.k}: ask for at least 1 hit")
        if self.at_most is not None and self.at_most < 1:
            raise InputError(f"at_most is {self.at_most}: ask for at least 1 hit of a taxon")
        check_rank(self.per)
        if self.min_score is not None and not -1 <= self.min_score <= 1:
            raise InputError(f"min_score is {self.min_score}: expected a cosine, from -1 to 1")

    @property
    def takes_all(self) -> bool:
        """Whether the first k are what is wanted."""
        return self.at_most is None and self.min_score is None

    def of(self, scores: Sequence[float], taxa: Sequence[Taxon | str | None]) -> list[int]:
        """Places of the first k of some rows, best first, that may be shown; a text is a label.

        Rows that lack the rank count together where what is known of them above it is the same.

        >>> tits = [Taxon.from_ranks({"species": name}) for name in ("Parus major", "Parus major", "Parus ater")]
        >>> Picking(k=2, at_most=1).of([0.9, 0.8, 0.7], tits)
        [0, 2]
        >>> Picking(k=2, min_score=0.85).of([0.9, 0.8, 0.7], tits)
        [0]
        """
        taken: Counter[tuple[str, ...]] = Counter()
        chosen: list[int] = []
        for place, (score, taxon) in enumerate(zip(scores, taxa, strict=True)):
            if len(chosen) == self.k or (self.min_score is not None and score < self.min_score):
                break
            if self.at_most is not None:
                group = self._group(taxon)
                if taken[group] == self.at_most:
                    continue
                taken[group] += 1
            chosen.append(place)
        return chosen

    def is_settled(self, n_chosen: int, lowest: float) -> bool:
        """Whether rows below a score could add nothing to so many chosen ones."""
        return n_chosen == self.k or (self.min_score is not None and lowest < self.min_score)

    def note(self, n_chosen: int, n_seen: int) -> str | None:
        """What a user should know of a list that is shorter than asked for, or cut; None where it is as asked."""
        if self.min_score is not None and n_chosen == self.k:
            return f"{self.k:,} hits reach the score {self.min_score:g}, and there may be more: ask for a larger k"
        if self.at_most is not None and n_chosen < self.k and self.min_score is None:
            return (
                f"{n_chosen:,} of {self.k:,} hits: all {n_seen:,} pictures were looked at, "
                f"and at most {self.at_most:,} of each {self.per} shown"
            )
        return None

    def _group(self, taxon: Taxon | str | None) -> tuple[str, ...]:
        """The path down to the rank, as taxa are compared, or the label."""
        if self.per == LABEL:
            return (fold(str(taxon or "")),)
        assert not isinstance(taxon, str)
        depth = RANKS.index(self.per) + 1
        path = () if taxon is None else taxon.key[:depth]
        return (*path, *[""] * (depth - len(path)))
