"""Whether differences within a species (sex, life stage) lie apart from the differences between species."""

import numpy as np
from jaxtyping import Float, Int

from cladescope.errors import InputError


def variant_separation(
    vectors: Float[np.ndarray, "n d"],
    species: Int[np.ndarray, " n"],
    variant: Int[np.ndarray, " n"],
    *,
    kept: float = 0.95,
) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, " s"]]:
    """For each species with two pictures of both variants (0 and 1): explained-variance ratio and Fisher ratio.

    With U the directions that hold `kept` of the variance of the species' means, and d the difference of the variants' means:
    |U'd|^2 / |d|^2, and (m_0 - m_1)^2 / (v_0 + v_1) along d once U is taken out. Gu et al. 2025, BioCLIP 2,
    https://arxiv.org/abs/2505.23883, section 5; the reading is ours, since their code is unpublished.

    Raises InputError where no species has both variants.
    """
    names = np.unique(species)
    means = np.stack([vectors[species == name].mean(axis=0) for name in names])
    _, size, directions = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    share = np.cumsum(size**2) / max(float((size**2).sum()), 1e-30)
    basis = directions[: int(np.searchsorted(share, kept)) + 1] if len(names) > 1 else directions[:0]
    explained, fisher = [], []
    for name in names:
        sides = [vectors[(species == name) & (variant == side)] for side in (0, 1)]
        if min(map(len, sides)) < 2:
            continue
        d = sides[0].mean(axis=0) - sides[1].mean(axis=0)
        if not (length := float(d @ d)):
            continue
        explained.append(float(((basis @ d) ** 2).sum()) / length)
        apart = d - basis.T @ (basis @ d)
        along = [side @ apart for side in sides]
        spread = float(along[0].var(ddof=1) + along[1].var(ddof=1))
        fisher.append(float(along[0].mean() - along[1].mean()) ** 2 / spread if spread else np.nan)
    if not explained:
        raise InputError("no species has two pictures of both variants: label more pictures, or leave the variant out")
    return np.array(explained), np.array(fisher)
