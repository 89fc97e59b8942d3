"""The pictures at one rank, and how a probe that is a mean over pictures becomes a number with interval and null."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from cladescope.analysis.measures.bootstrap import bootstrap_interval
from cladescope.analysis.measures.by_class import balanced_mean
from cladescope.analysis.measures.permutations import permuted
from cladescope.analysis.pictures import Pictures
from cladescope.analysis.probes.result import N_RESAMPLES, ProbeResult, of_null
from cladescope.errors import InputError
from cladescope.schema import LABEL

SLOW_PERMUTATIONS = 40
"""Most permutations of a probe whose null costs as much as itself: with fewer than 39 no 95 % lie between two of them."""
Items = dict[tuple[str, str | None], tuple[Float[np.ndarray, " m"], Int[np.ndarray, " m"], Int[np.ndarray, " m"]]]
"""By probe and rank the values of single pictures, their rows and groups: what a paired comparison needs."""


@dataclass(frozen=True, eq=False, kw_only=True)
class MeasuredRank:
    """What the probes of one rank share. Raises InputError where the rank has fewer than two taxa."""

    pictures: Pictures
    rank: str
    n_permutations: int
    seed: int
    items: Items = field(default_factory=dict)
    """Values of single pictures, to which each result adds its own."""

    def __post_init__(self) -> None:
        if self.n_taxa < 2:
            found = "one value only" if self.n_taxa else "no value"
            raise InputError(f"rank {self.rank} has {found}: expected at least two taxa")

    @cached_property
    def labels(self) -> Int[np.ndarray, " n"]:
        """Number of each picture's taxon, -1 for none."""
        return self.pictures.labels(self.rank)

    @cached_property
    def known(self) -> Int[np.ndarray, " m"]:
        """Rows of the pictures that have the rank."""
        return np.flatnonzero(self.labels >= 0)

    @cached_property
    def n_taxa(self) -> int:
        """Taxa of the rank."""
        return len(np.unique(self.labels[self.known]))

    @property
    def few_permutations(self) -> int:
        """Permutations of a probe whose null costs as much as itself."""
        return min(self.n_permutations, SLOW_PERMUTATIONS)

    @property
    def about(self) -> dict[str, Any]:
        """What every result of the rank says."""
        return {"n_taxa": self.n_taxa, "n_left_out": len(self.labels) - len(self.known), "rank": self.rank}

    def shuffler(self, rows: Int[np.ndarray, " m"]) -> Callable[[np.random.Generator], Int[np.ndarray, " m"]]:
        """Gives the labels of some pictures that have the rank out anew: among pictures where the rank is the narrowest, else among species.

        Pictures of one species resemble each other, so that what is told of a higher rank comes species by species: were labels given
        to single pictures, the spread by chance would be too small, and knowing species would count as knowing their families.
        """
        labels = self.labels[rows]
        if self.is_of_pictures:
            return lambda rng: np.asarray(rng.permutation(labels))
        _, first, unit = np.unique(self.pictures.lineage[rows], return_index=True, return_inverse=True)
        own = labels[first]
        return lambda rng: np.asarray(rng.permutation(own)[unit])

    @property
    def is_of_pictures(self) -> bool:
        """Whether labels are given to pictures, and not to whole species."""
        return self.rank in ("species", LABEL)

    def null(
        self,
        statistic: Callable[[Int[np.ndarray, " m"]], float],
        found: float,
        rows: Int[np.ndarray, " m"],
        *,
        slow: bool = False,
    ) -> dict[str, Any]:
        """What a result tells of a statistic of the labels of `rows`, were they given out anew; with `slow` of `few_permutations`."""
        times, shuffled = self.few_permutations if slow else self.n_permutations, self.shuffler(rows)
        return of_null(
            permuted(lambda rng: statistic(shuffled(rng)), found, n_permutations=times, seed=self.seed), times
        )

    def result(
        self,
        probe: str,
        values: Float[np.ndarray, " m"],
        rows: Int[np.ndarray, " m"],
        statistic: Callable[[Int[np.ndarray, " size"]], float],
        *,
        moved: Int[np.ndarray, " size"],
        reference: str,
        meaning: str,
        slow: bool = False,
    ) -> ProbeResult:
        """A probe that is the mean of `values`, one for each picture in `rows`.

        `statistic` is the same mean with other labels of the pictures in the rows `moved`.
        """
        groups = self.pictures.lineage[rows]
        self.items[probe, self.rank] = (values, rows, groups)
        low, high = bootstrap_interval(values, groups=groups, n_resamples=N_RESAMPLES, seed=self.seed)
        return ProbeResult(
            probe=probe, value=float(values.mean()), low=low, high=high,
            balanced=balanced_mean(values, self.labels[rows]), by_species=balanced_mean(values, groups), n_images=len(rows), reference=reference, meaning=meaning,
            sampled=len(rows) if len(rows) < len(self.known) else None, **self.about,
            **self.null(statistic, float(values.mean()), moved, slow=slow),
        )  # fmt: skip
