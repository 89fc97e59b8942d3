"""How far a picture lies from everything that a classifier knows, and whether that is too far for a name.

A classifier chooses among its classes and says nothing of what is none of them: a softmax gives a blank frame a species too
(Hendrycks & Gimpel 2017, https://arxiv.org/abs/1610.02136). Here the nearest class mean says how near a picture is to anything
known, and pictures that the means were not made of say how near is usual. Nothing here chooses a name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Real

from cladescope.analysis.classify.said import EMPTY
from cladescope.analysis.measures.class_sums import class_sums
from cladescope.analysis.shares import percent
from cladescope.arrays import blocks, normalise
from cladescope.errors import InputError
from cladescope.schema import NOT_KNOWN
from cladescope.shown import counted_of

DOUBT = 0.03
"""Share of pictures of known taxa that may be left without a name, unless another is asked for."""
MOST_ASKED = 20_000
"""Pictures that say how near is usual, at most."""

_BLOCK = 4096
FOLDS = 5
"""Parts of which each is asked about what the others tell."""

FARTHEST = 20.0
"""Quarter widths from the median of known pictures within which it counts how far one lies."""

_ROUNDING = 1e-6
_LEAST_WIDTH = 1e-6


@dataclass(frozen=True, eq=False)
class Known:
    """Class means in a space in which classes are equally wide, and how near to them other pictures of these classes lie.

    The nearness of a picture is minus its squared Mahalanobis distance to the nearest class mean (Lee et al. 2018, A simple
    unified framework for detecting out-of-distribution samples, https://arxiv.org/abs/1807.03888, on the encoder's vectors; the
    covariance is shrunk). A picture is far if the share of `held` that is no nearer than it, counted with itself, is at most a
    `doubt`: so of new pictures of the same kind as `held` at most that share is called far (conformal p-value, Vovk et al. 2005,
    Algorithmic Learning in a Random World, section 2.4). `benchmarks/not_known.py` compares other measures of nearness.

    >>> axes = np.eye(2, dtype=np.float16)
    >>> known = Known(axes, axes, np.linspace(-0.5, 0.0, 99, dtype=np.float32))
    >>> known.is_far(np.array([[1.0, 0.1], [-1.0, -1.0]]), doubt=0.03)
    array([False,  True])
    """

    means: Float[np.ndarray, "c m"]
    """Of the classes, after `axes`."""
    axes: Float[np.ndarray, "d m"]
    """What a picture's vector of unit length is multiplied with."""
    held: Float32[np.ndarray, " n"]
    """Nearness of pictures of known taxa, lowest first."""
    empty: Float32[np.ndarray, " weights"] | None = None
    """A plane between empty frames and pictures of organisms: weights for a unit vector, and the offset; None where none is known."""

    def __post_init__(self) -> None:
        """Raises InputError where a part is empty, not finite, or does not fit."""
        if not len(self.means) or not len(self.held):
            raise InputError("what is known has no class or no picture: expected at least one of each")
        if not all(np.isfinite(part).all() for part in (self.means, self.axes, self.held)):
            raise InputError("what is known has numbers that are not finite: make it anew")
        if self.means.shape[1] != self.axes.shape[1]:
            raise InputError(
                f"means have {self.means.shape[1]} numbers and {self.axes.shape[1]} axes: expected as many"
            )
        if self.empty is not None and len(self.empty) != len(self.axes) + 1:
            raise InputError(f"the plane of empty frames has {len(self.empty)} numbers: expected {len(self.axes) + 1}")

    def only(self, rows: Bool[np.ndarray, " c"]) -> "Known":
        """What is known of some of the classes. Raises InputError for none."""
        return replace(self, means=self.means[rows])

    def and_held(self, nearness: Float32[np.ndarray, " n"]) -> "Known":
        """The same, with the nearness of further pictures of known taxa that the means were not made of."""
        return replace(self, held=np.sort(np.concatenate([self.held, nearness])))

    def nearness(
        self, vectors: Real[np.ndarray, "q d"], without: Bool[np.ndarray, "q c"] | None = None
    ) -> Float32[np.ndarray, " q"]:
        """Of each picture to the nearest class, or to the nearest that is not taken out for it (-inf if all are).

        Memory: 4 c bytes for each of 4,096 pictures at a time.
        """
        moved = normalise(vectors).astype(np.float32, copy=False) @ self.axes.astype(np.float32, copy=False)
        return _nearest(moved, self.means.astype(np.float32, copy=False), without)

    def standing(
        self, vectors: Real[np.ndarray, "q d"], without: Bool[np.ndarray, "q c"] | None = None
    ) -> Float64[np.ndarray, " q"]:
        """`standing_of` the nearness of each picture."""
        return self.standing_of(self.nearness(vectors, without))

    def standing_of(self, nearness: Float32[np.ndarray, " q"]) -> Float64[np.ndarray, " q"]:
        """Nearness in terms of pictures of known taxa: 0 is that of their median, -1 as far below as a quarter of them lies, or farther.

        Cut at -`FARTHEST`: beyond that all is equally strange.
        """
        quarter, median = np.quantile(self.held.astype(np.float64), (0.25, 0.5))
        width = max(median - quarter, _ROUNDING)
        found: Float64[np.ndarray, " q"] = np.clip((nearness - median) / width, -FARTHEST, FARTHEST)
        return found

    def chances(self, vectors: Real[np.ndarray, "q d"]) -> Float64[np.ndarray, " q"]:
        """Share of the pictures of known taxa that lie as far as each picture, or farther; it counts as one of them."""
        below = np.searchsorted(self.held, self.nearness(vectors) + _ROUNDING, side="right")
        chances: Float64[np.ndarray, " q"] = (below + 1) / (len(self.held) + 1)
        return chances

    def is_far(self, vectors: Real[np.ndarray, "q d"], *, doubt: float = DOUBT) -> Bool[np.ndarray, " q"]:
        """Whether each picture is too far for a name. Raises InputError for a doubt outside (0, 1)."""
        check_doubt(doubt)
        far: Bool[np.ndarray, " q"] = self.chances(vectors) <= doubt
        return far

    def looks_empty(self, vectors: Real[np.ndarray, "q d"]) -> Bool[np.ndarray, " q"]:
        """Whether each picture lies on the side of empty frames; False where no such side is known."""
        if self.empty is None:
            return np.zeros(len(vectors), bool)
        side: Bool[np.ndarray, " q"] = normalise(vectors) @ self.empty[:-1] + self.empty[-1] > 0
        return side

    def can_tell(self, doubt: float) -> bool:
        """Whether there are pictures enough to call any far: 1 / doubt, less itself."""
        return 1 / (len(self.held) + 1) <= doubt


def check_doubt(doubt: float) -> None:
    """Raise InputError unless a doubt is a share above 0 and below 1."""
    if not 0.0 < doubt < 1.0:
        raise InputError(f"the doubt is {doubt}: expected a share above 0 and below 1, such as {DOUBT}")


def known_of(
    vectors: Real[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    kin: Int[np.ndarray, " n"] | None = None,
    *,
    seed: int = 0,
) -> Known | None:
    """What labelled pictures tell: the classes' means and common width, and how near pictures lie that neither was made of.

    In `FOLDS` rounds a part of the pictures is asked about means and width made of the others; pictures with equal numbers in
    `kin` are in one part, and one whose class has no other picture is not asked. None where there is nothing to ask, or pictures do not
    differ within classes.

    >>> rng = np.random.default_rng(0)
    >>> classes = np.arange(60) % 2
    >>> known = known_of(np.eye(4)[classes] + rng.normal(scale=0.1, size=(60, 4)), classes)
    >>> len(known.held), known.is_far(np.eye(4)).tolist()
    (60, [False, False, True, True])
    """
    _, family = np.unique(np.arange(len(classes)) if kin is None else kin, return_inverse=True)
    parts = np.random.default_rng(seed).permutation(int(family.max()) + 1)[family] % FOLDS
    found = known_by_parts(vectors, classes, parts, seed=seed)
    return None if found is None else found[0]


def known_by_parts(
    vectors: Real[np.ndarray, "n d"], classes: Int[np.ndarray, " n"], parts: Int[np.ndarray, " n"], *, seed: int = 0
) -> tuple[Known, dict[int, Known]] | None:
    """What all pictures tell, and for each part what the others tell of the same: how near pictures lie is asked of each part about the others.

    Pictures of the part -1 tell and are not asked. A class that is in one part only has a mean of 0 among what the others tell: leave it
    out there. At most `MOST_ASKED` pictures, drawn at random, are asked, and as many say how wide classes are. None as `known_of`.
    Memory: 4 n d bytes, and 32 d^2.
    """
    rng = np.random.default_rng([seed, 11])
    unit = normalise(vectors).astype(np.float32, copy=False)
    chosen = np.ones(len(unit), bool)
    if len(unit) > MOST_ASKED:
        chosen[:] = False
        chosen[rng.choice(len(unit), MOST_ASKED, replace=False)] = True
    made, held = {}, []
    for number in np.unique(parts[parts >= 0]).tolist():
        rest = parts != number
        there = np.bincount(classes[rest], minlength=int(classes.max()) + 1) > 0
        asked = ~rest & there[classes] & chosen
        told = _means_and_axes(unit, classes, rest, chosen) if rest.any() else None
        if told is None:
            continue
        made[number] = told
        if asked.any():
            without = None if there.all() else np.broadcast_to(~there, (int(asked.sum()), len(there)))
            held.append(_nearest(unit[asked] @ told[1], told[0], without))
    whole = _means_and_axes(unit, classes, np.ones(len(unit), bool), chosen) if held else None
    if whole is None:
        return None
    near = np.sort(np.concatenate(held))
    return Known(*whole, near), {number: Known(*one, near) for number, one in made.items()}


def _means_and_axes(
    unit: Float32[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    told: Bool[np.ndarray, " n"],
    wide: Bool[np.ndarray, " n"],
) -> tuple[Float32[np.ndarray, "c d"], Float32[np.ndarray, "d d"]] | None:
    """Means of the classes of the pictures `told`, on axes on which those `wide` among them spread evenly about the mean of their class.

    None if none spreads. The covariance leans on that of a ball: Ledoit & Wolf 2004, https://doi.org/10.1016/S0047-259X(03)00096-4, by scikit-learn.
    """
    sums, counts = class_sums(unit[told], classes[told])
    means = np.zeros((int(classes.max()) + 1, unit.shape[1]))
    means[: len(sums)] = sums / np.maximum(counts, 1)[:, None]
    counts = np.pad(counts, (0, len(means) - len(counts)))
    some = told & wide & (counts[classes] > 1)
    size = counts[classes[some]]
    # A picture that its mean was made of lies nearer to it than others do: by (size - 1) / size of the variance.
    apart = (unit[some] - means[classes[some]]) * np.sqrt(size / (size - 1))[:, None].astype(np.float32)
    if not len(apart) or not np.abs(apart).max() > _ROUNDING:
        return None
    axes = _even_axes(apart).astype(np.float32)
    return (means @ axes).astype(np.float32), axes


def _even_axes(apart: Real[np.ndarray, "n d"]) -> Float[np.ndarray, "d d"]:
    """Axes on which pictures that lie so far from their means spread evenly: an inverse square root of the shrunk covariance.

    Across the directions in which fewer pictures than dimensions differ at all the covariance is the ball's alone.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    n, d = apart.shape
    ball = ledoit_wolf_shrinkage(apart, assume_centered=True)
    if n < d:  # the pictures span all in which they differ
        widths, weights = np.linalg.eigh(apart @ apart.T / n)
        kept = widths > _LEAST_WIDTH * widths.max()
        widths, axes = widths[kept], apart.T @ weights[:, kept] / np.sqrt(n * widths[kept])
    else:
        widths, axes = np.linalg.eigh(apart.T @ apart / n)
    rest = ball * np.square(apart).sum() / (n * d)
    widths = (1 - ball) * widths + rest
    least = _LEAST_WIDTH * widths.max()
    factors, rest_factor = 1 / np.sqrt(np.maximum(widths, least)), 1 / np.sqrt(max(rest, least))
    even: Float[np.ndarray, "d d"] = (axes * (factors - rest_factor)) @ axes.T + rest_factor * np.eye(d)
    return even


def _nearest(
    moved: Float32[np.ndarray, "q m"],
    means: Float32[np.ndarray, "c m"],
    without: Bool[np.ndarray, "q c"] | None = None,
) -> Float32[np.ndarray, " q"]:
    """Minus the squared distance to the nearest mean that is not taken out."""
    found = np.empty(len(moved), np.float32)
    lengths = np.einsum("cm,cm->c", means, means)
    for start, stop in blocks(len(moved), size=_BLOCK):
        part = moved[start:stop]
        near = 2 * part @ means.T - lengths
        if without is not None:
            near[without[start:stop]] = -np.inf
        found[start:stop] = near.max(axis=1) - np.einsum("qm,qm->q", part, part)
    return found


def judge(
    known: Known | None, *, fitted: bool, closed_set: bool, doubt: float, is_earlier: bool = False
) -> tuple[float | None, tuple[str, ...]]:
    """The doubt at which a picture is too far for a name, None where nothing decides that, and what the user should know then.

    A `closed_set` asks for nothing to decide. Classifiers fitted by an earlier version know no distances, nor do those of which hardly a class
    has two pictures, nor names that an encoder was not trained on.
    """
    if closed_set:
        return None, ()
    if known is None:
        whose = "no pictures of these taxa are known: fit a classifier"
        if fitted:
            whose = "too few classes of this classifier have two pictures: fit on more"
        if is_earlier:
            whose = "this classifier is of an earlier version and keeps no distances: fit it anew"
        return None, (f"every picture gets a name, also one of something else: {whose} to have strangers told",)
    if not known.can_tell(doubt):
        return None, (
            f"every picture gets a name, also one of something else: {len(known.held):,} pictures are too few to tell at a doubt of "
            f"{doubt:g}: fit on more, or ask for doubt {1.01 / (len(known.held) + 1):.2g}",
        )
    return doubt, ()


def why_far(counts: Mapping[str, int], doubt: float) -> list[str]:
    """What the user should know of pictures without a name, a sentence each: why, and what would name them."""
    n = sum(counts.values())
    said = []
    if far := counts.get(NOT_KNOWN, 0):
        said.append(
            f"{counted_of(far, n, 'picture')} not known, farther from everything known than {percent(1 - doubt)} of the pictures of "
            f"known taxa: closed_set names them all, doubt {doubt / 3:.2g} more of them; the nearest guess stands beside each"
        )
    if empty := counts.get(EMPTY, 0):
        said.append(
            f"{counted_of(empty, n, 'picture')} empty: far from everything known, and like frames without an organism"
        )
    return said
