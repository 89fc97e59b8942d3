"""The interval of a share that was counted in a sample."""

from math import sqrt

Z = 1.959964
"""Standard errors to either side that hold 95 % of a normal distribution."""


def wilson(share: float, trials: float) -> tuple[float, float]:
    """Bounds at 95 % of a share found in so many independent trials; they hold the share, and lie in 0 to 1.

    The score interval of Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953.

    >>> low, high = wilson(1.0, 30.0)
    >>> round(low, 4), high
    (0.8865, 1.0)
    """
    below = 1 + Z**2 / trials
    middle = (share + Z**2 / (2 * trials)) / below
    half = Z / below * sqrt(share * (1 - share) / trials + Z**2 / (4 * trials**2))
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))
