"""Whether pictures to be named are like those that decided how sure is enough: what is promised holds for no others."""

import numpy as np
from jaxtyping import Float32, Real

LEVEL = 0.001
"""Of batches like the pictures that decided, one in a thousand is called unlike them."""
FEWEST = 20
"""Pictures below which nothing is said."""
MOST = 20_000
"""Pictures of which is kept how near they lie."""


class Drift:
    """How near the pictures of a batch lie to all that is known, beside pictures of known taxa that nothing was learnt from.

    By the two-sample test of Kolmogorov and Smirnov, one-sided: farther alone is a reason for doubt. It takes pictures for independent of
    each other: many of one scene may ring the alarm where pictures of many scenes would not.

    >>> drift = Drift(np.linspace(-1.0, 0.0, 200, dtype=np.float32))
    >>> drift.note(np.linspace(-1.0, 0.0, 50))
    >>> drift.p_value() > 0.5
    True
    >>> drift.note(np.full(50, -3.0))
    >>> drift.p_value() < 0.001
    True
    """

    def __init__(self, held: Float32[np.ndarray, " n"]) -> None:
        """Of the nearness of pictures that decided (`Known.held`)."""
        self._held = held
        self._found: list[np.ndarray] = []
        self._n = 0

    def note(self, nearness: Real[np.ndarray, " q"]) -> None:
        """Count further pictures of the batch."""
        if self._n < MOST:
            self._found.append(nearness[: MOST - self._n])
            self._n += len(self._found[-1])

    def start_over(self) -> None:
        """Forget the batch."""
        self._found, self._n = [], 0

    def p_value(self) -> float | None:
        """How often as many pictures like those that decided lie as far; None for too few of either."""
        if self._n < FEWEST or len(self._held) < FEWEST:
            return None
        from scipy.stats import ks_2samp

        found = ks_2samp(np.concatenate(self._found), self._held, alternative="greater")
        return float(found.pvalue)

    def said(self, risk: float) -> list[str]:
        """What a user should know of the batch: nothing, or that the promise is void."""
        p_value = self.p_value()
        if p_value is None or p_value > LEVEL:
            return []
        return [
            f"these pictures lie farther from what is known than those that decided how sure is enough (p {max(p_value, 1e-6):.1g}): other kinds, places or "
            f"cameras, so that no risk of {risk:.2g} is promised for them"
        ]
