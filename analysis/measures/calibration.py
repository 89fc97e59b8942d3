"""Whether probabilities are to be believed: calibration error, and risk against coverage.

Arrays in, floats out. `confidence` is the probability of each answer and `right` whether it was right, at any one rank.
"""

import numpy as np
from jaxtyping import Bool, Float

from cladescope.errors import InputError


def calibration_error(
    confidence: Float[np.ndarray, " n"], right: Bool[np.ndarray, " n"], *, n_bins: int = 15, equal_mass: bool = False
) -> float:
    """Mean distance of confidence and share of right answers over bins, weighted by the pictures of each; lower is better.

    Bins are of equal width, (0, 1/b], (1/b, 2/b], ..., or with `equal_mass` of equally many pictures. Naeini et al. 2015,
    Obtaining Well Calibrated Probabilities Using Bayesian Binning; Guo et al. 2017, https://arxiv.org/abs/1706.04599, eq. 3.

    Raises InputError for no picture, or a confidence outside [0, 1].

    >>> round(calibration_error(np.array([0.9, 0.9, 0.1]), np.array([True, False, False])), 3)
    0.3
    """
    _check(confidence, right)
    n = len(confidence)
    if equal_mass:
        bins = np.empty(n, np.int64)
        bins[np.argsort(confidence, kind="stable")] = np.arange(n) * n_bins // n
    else:
        bins = np.clip(np.ceil(confidence * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    gaps = np.bincount(bins, weights=confidence.astype(np.float64) - right, minlength=n_bins)
    return float(np.abs(gaps).sum() / n)


def risk_coverage(
    confidence: Float[np.ndarray, " n"], right: Bool[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Coverage and risk: the share of answers given, surest first, and the share of these that are wrong.

    Of equally sure answers the earlier row comes first. The mean of the risks is AURC, the area under the curve: Geifman &
    El-Yaniv 2017, https://arxiv.org/abs/1705.08500.

    >>> coverage, risk = risk_coverage(np.array([0.9, 0.2]), np.array([True, False]))
    >>> coverage, risk
    (array([0.5, 1. ]), array([0. , 0.5]))
    """
    _check(confidence, right)
    given = np.arange(1, len(right) + 1)
    wrong = ~right[np.argsort(-confidence, kind="stable")]
    return given / len(right), np.cumsum(wrong) / given


def _check(confidence: Float[np.ndarray, " n"], right: Bool[np.ndarray, " n"]) -> None:
    if not len(right) or not ((confidence >= 0) & (confidence <= 1 + 1e-5)).all():
        raise InputError(f"{len(right)} answers: expected at least one, and confidences from 0 to 1")
