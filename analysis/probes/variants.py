"""Whether differences within a species (sex, life stage) lie apart from the differences between species."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from cladescope.errors import InputError

MOST = 200
"""Pictures of a species that are looked at; of more as many are drawn."""
SPLITS = 2
"""How often the pictures of a species are halved."""

Parts = Callable[[Int[np.ndarray, " n"]], tuple[Float[np.ndarray, " s"], Float[np.ndarray, " s"]]]
"""Of the variants of pictures, numerator and denominator for each species."""


@dataclass(frozen=True, eq=False)
class _Species:
    """Pictures of one species, as products of their vectors with each other, within and without the directions between species."""

    rows: Int[np.ndarray, " m"]
    along: Float[np.ndarray, "m m"]
    apart: Float[np.ndarray, "m m"]
    orders: tuple[Int[np.ndarray, " m"], ...]
    """For each split an order in which pictures go to one half and the other in turn."""


class Variants:
    """Vectors of pictures of two variants (0 and 1), made ready for measuring how these differ within each species.

    With U the directions that hold `kept` of the variance of the species' means, and d the difference of the variants' means in a species:
    `explained` is |U'd|^2 / |d|^2, `fisher` (m_0 - m_1)^2 / (v_0 + v_1) along d once U is taken out. Gu et al. 2025, BioCLIP 2,
    https://arxiv.org/abs/2505.23883, section 5; the reading is ours, since their code is unpublished.

    d points to wherever the pictures at hand differ, and the more dimensions there are, the farther apart they are along it by chance. So the
    Fisher ratio is cross-fitted: each half of a species' pictures is measured along the d of the other half, and a difference that has the
    other sign there counts as negative. Where variants say nothing it is about 0; compare it with `shuffled` ones.

    Memory: 16 bytes for each pair of at most `MOST` pictures of each species.
    """

    def __init__(self, species: list[_Species], n: int) -> None:
        """Of species as `of` makes them, and so many pictures."""
        self._species, self._n = species, n

    @classmethod
    def of(
        cls, vectors: Float[np.ndarray, "n d"], species: Int[np.ndarray, " n"], *, kept: float = 0.95, seed: int = 0
    ) -> "Variants":
        """Of n pictures of some species."""
        rng = np.random.default_rng([seed, 6])
        names = np.unique(species)
        means = np.stack([vectors[species == name].mean(axis=0) for name in names])
        _, size, directions = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
        share = np.cumsum(size**2) / max(float((size**2).sum()), 1e-30)
        basis = directions[: int(np.searchsorted(share, kept)) + 1] if len(names) > 1 else directions[:0]
        found = []
        for name in names:
            rows = np.flatnonzero(species == name)
            if len(rows) > MOST:
                rows = np.sort(rng.choice(rows, MOST, replace=False))
            own = vectors[rows].astype(np.float64)
            inner = own @ basis.T
            along = inner @ inner.T
            orders = tuple(rng.permutation(len(rows)) for _ in range(SPLITS))
            found.append(_Species(rows, along, own @ own.T - along, orders))
        return cls(found, len(species))

    def usable(self, variant: Int[np.ndarray, " n"]) -> list[_Species]:
        """The species with two pictures of both variants. Raises InputError where there is none."""
        found = [one for one in self._species if min(np.bincount(variant[one.rows], minlength=2)) >= 2]
        if not found:
            raise InputError(
                "no species has two pictures of both variants: label more pictures, or leave the variant out"
            )
        return found

    def shuffled(self, variant: Int[np.ndarray, " n"], rng: np.random.Generator) -> Int[np.ndarray, " n"]:
        """The variants given out anew among the pictures of each species."""
        found = variant.copy()
        for one in self._species:
            found[one.rows] = rng.permutation(variant[one.rows])
        return found

    def explained(self, variant: Int[np.ndarray, " n"]) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, " s"]]:
        """For each usable species the share of the difference that lies along the differences between species, and 1."""
        found = []
        for one in self.usable(variant):
            weights = _difference(variant[one.rows], np.ones(len(one.rows), bool))
            inside, outside = float(weights @ one.along @ weights), float(weights @ one.apart @ weights)
            found.append(inside / (inside + outside) if inside + outside > 0 else 0.0)
        return np.array(found), np.ones(len(found))

    def fisher(self, variant: Int[np.ndarray, " n"]) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, " s"]]:
        """For each usable species the squared distance of the variants, with its sign, and the sum of their variances, cross-fitted."""
        squares, spreads = [], []
        for one in self.usable(variant):
            own = variant[one.rows]
            halved = [_cross_fitted(one.apart, own, order) for order in one.orders]
            means = [float(values[own == 0].mean() - values[own == 1].mean()) for values in halved]
            squares.append(np.mean([mean * abs(mean) for mean in means]))
            spreads.append(np.mean([values[own == side].var(ddof=1) for values in halved for side in (0, 1)]) * 2)
        return np.array(squares), np.array(spreads)


def ratio(above: Float[np.ndarray, " s"], below: Float[np.ndarray, " s"]) -> float:
    """The ratio of the sums: one species in which pictures hardly differ does not decide alone.

    >>> ratio(np.array([1.0, 3.0]), np.array([2.0, 2.0]))
    1.0
    """
    return float(above.sum() / max(float(below.sum()), 1e-30))


def _cross_fitted(
    products: Float[np.ndarray, "m m"], variant: Int[np.ndarray, " m"], order: Int[np.ndarray, " m"]
) -> Float[np.ndarray, " m"]:
    """Each picture along the difference of the variants in the half that it is not of, from the middle between these."""
    first = np.zeros(len(variant), bool)
    for side in (0, 1):
        own = order[variant[order] == side]
        first[own[::2]] = True
    values = np.zeros(len(variant))
    for half in (first, ~first):
        weights, middle = _difference(variant, half), _difference(variant, half, sign=1) / 2
        along = products @ weights
        if (length := float(weights @ along)) > 0:
            values[~half] = (along[~half] - middle @ along) / np.sqrt(length)
    return values


def _difference(
    variant: Int[np.ndarray, " m"], among: Bool[np.ndarray, " m"], *, sign: int = -1
) -> Float[np.ndarray, " m"]:
    """Weights of pictures in the mean of variant 0 among some, less (or plus) that of variant 1."""
    found = np.zeros(len(variant))
    for side, factor in ((0, 1), (1, sign)):
        own = among & (variant == side)
        found[own] = factor / own.sum()
    return found
