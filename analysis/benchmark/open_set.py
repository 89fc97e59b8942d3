"""biobench's head for FungiCLEF: SimpleShot, and a distance beyond which a picture is of no class that was taught.

`src/biobench/openset.py` and `simpleshot.py` of github.com/samuelstevens/biobench; Lee et al. 2018, A Simple Unified Framework for Detecting
Out-of-Distribution Samples, https://arxiv.org/abs/1807.03888; Wang et al. 2019, SimpleShot, https://arxiv.org/abs/1911.04623.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from cladescope.analysis.measures import BLOCK_BYTES
from cladescope.analysis.measures.class_sums import class_sums
from cladescope.analysis.measures.simple_shot import simple_shot_labels
from cladescope.arrays import blocks

OPEN_SET = "open-set"
LEVEL = 0.95
"""Share of the chi-squared distribution, of as many degrees as there are dimensions, that counts as known."""


@dataclass(frozen=True, eq=False)
class OpenAnswers:
    """What the head says of each vector that is asked."""

    named: Int[np.ndarray, " m"]
    """The nearest class."""
    far: Bool[np.ndarray, " m"]
    """Whether it is of none, by the Mahalanobis distance to the nearest class mean."""
    far_as_published: Bool[np.ndarray, " m"]
    """The same by the published code, which takes the diagonal of the inverse covariance alone."""


def open_set_answers(
    train: Float[np.ndarray, "n d"], classes: Int[np.ndarray, " n"], test: Float[np.ndarray, "m d"]
) -> OpenAnswers:
    """The nearest class mean, centred and of unit length, and whether all class means are too far.

    The covariance is that of all training vectors (Ledoit & Wolf's), not within classes, as published. Vectors that are asked may be means.
    Memory: 8 d (n + m + d) bytes, and blocks of the distances to all classes.

    >>> rng = np.random.default_rng(0)
    >>> train = np.r_[rng.normal([5, 0], 0.1, (20, 2)), rng.normal([0, 5], 0.1, (20, 2))]
    >>> found = open_set_answers(train, np.repeat([7, 3], 20), np.array([[5.0, 0.0], [30.0, 30.0]]))
    >>> found.named[0], found.far
    (np.int64(7), array([False,  True]))
    """
    from scipy.stats import chi2
    from sklearn.covariance import LedoitWolf

    number = np.unique(classes, return_inverse=True)[1]
    sums, counts = class_sums(train, number)
    means = sums / counts[:, None]
    inverse = np.asarray(LedoitWolf().fit(np.asarray(train, np.float64)).precision_, np.float64)
    asked = np.asarray(test, np.float64)
    most = chi2.ppf(LEVEL, df=train.shape[1])
    return OpenAnswers(
        named=simple_shot_labels(train, classes, test),
        far=_nearest(asked, means, inverse) > most,
        far_as_published=_nearest(asked, means, np.diag(np.diag(inverse))) > most,
    )


def _nearest(
    asked: Float64[np.ndarray, "m d"], means: Float64[np.ndarray, "c d"], inverse: Float64[np.ndarray, "d d"]
) -> Float64[np.ndarray, " m"]:
    """Squared Mahalanobis distance of each vector to the nearest mean."""
    turned = means @ inverse
    own = np.einsum("cd,cd->c", turned, means)
    nearest = np.empty(len(asked))
    for start, stop in blocks(len(asked), size=max(1, BLOCK_BYTES // (8 * sum(means.shape)))):
        block = asked[start:stop]
        length = np.einsum("md,md->m", block @ inverse, block)
        nearest[start:stop] = length + (own - 2 * block @ turned.T).min(axis=1)
    return nearest
