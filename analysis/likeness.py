"""Words for how alike two pictures are, by what is usual among the pictures of a store; they say nothing of kinship."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from cladescope.arrays import has_direction, normalise
from cladescope.index.live_gallery import LiveGallery
from cladescope.index.neighbour_graph import nearest_others
from cladescope.index.store import Store

VERY, LIKE, HARDLY = "very like", "like", "hardly like"
ASKED, AMONG = 500, 20_000
"""Pictures that are asked for their nearest, and those among which it is sought."""
LEAST = 20
"""Pictures from which on words are given: fewer show nothing of what is usual."""
FEW = 0.05
"""Share of the pictures whose nearest is called hardly like."""
SPREADS = 2.0
"""Robust standard deviations above the median of two pictures drawn at random, from which on two are alike."""


@dataclass(frozen=True)
class Likeness:
    """From which cosine on two pictures are called like and very like; of one encoder's vectors of one store."""

    like: float
    very: float
    n_pictures: int
    """Pictures that say what is usual."""

    def word(self, score: float) -> str:
        """The word for a cosine.

        >>> [Likeness(0.4, 0.7, 99).word(score) for score in (0.9, 0.7, 0.5, 0.1)]
        ['very like', 'very like', 'like', 'hardly like']
        """
        return VERY if score >= self.very else LIKE if score >= self.like else HARDLY


def likeness(vectors: Float[np.ndarray, "n d"], *, seed: int = 0) -> Likeness | None:
    """What is usual among the unit vectors of some pictures; None for fewer than `LEAST`.

    Very like: at least as alike as half of `ASKED` pictures are to the one nearest to them. Hardly like: less alike than 19 in 20 of
    them are to that one, or no more alike than two pictures drawn at random, up to `SPREADS` robust standard deviations above their
    median (1.4826 MAD; Rousseeuw and Croux 1993, https://doi.org/10.1080/01621459.1993.10476408). 2 q n d operations.

    >>> found = likeness(normalise(np.random.default_rng(0).normal(size=(40, 64)).repeat(2, axis=0)))
    >>> [found.word(score) for score in (1.0, 0.7, 0.0)]
    ['very like', 'hardly like', 'hardly like']
    """
    n = len(vectors)
    if n < LEAST:
        return None
    rows = np.sort(np.random.default_rng(seed).choice(n, min(n, ASKED), replace=False))
    nearest, _ = nearest_others(vectors, rows, 1)
    some = vectors[rows].astype(np.float32, copy=False)
    pairs = (some @ some.T)[np.triu_indices(len(rows), 1)]
    middle = float(np.median(pairs))
    spread = 1.4826 * float(np.median(np.abs(pairs - middle)))
    like = max(middle + SPREADS * spread, float(np.quantile(nearest, FEW)))
    return Likeness(like=like, very=max(like, float(np.median(nearest))), n_pictures=n)


def likeness_of_store(store: Store, *, seed: int = 0) -> Likeness | None:
    """Of a store's pictures, or of `AMONG` of them drawn at random; a nearest picture is then farther than it is among all.

    They are taken from where they are searched. None, too, of a store that is larger than memory, all of which would have to be read.
    """
    gallery = store.searcher.gallery
    if not isinstance(gallery, LiveGallery):
        return None
    vectors = gallery.drawn(AMONG, seed=seed)
    return likeness(normalise(vectors[has_direction(vectors)]), seed=seed)


def likeness_of_answer(store: Store, asked: Mapping[str, object]) -> Likeness | None:
    """For the scores of a query to a store; None where it is not made of pictures alone: texts, taxa and differences have scores of their own.

    `asked` are the arguments of a search.
    """
    others = [name for name, value in asked.items() if value and name not in ("images", "image_id", "not_weight")]
    return None if others or not (asked.get("images") or asked.get("image_id")) else likeness_of_store(store)
