"""How many requests a client may send: a bucket of tokens for each, filled at a steady rate."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

KEPT_CLIENTS = 10_000
"""Clients that are remembered, those seen last; some 200 bytes each."""


class RateLimit:
    """Lets each client send `burst` requests at once and `rate` a second in the long run."""

    def __init__(self, rate: float, burst: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, client: str) -> float:
        """Seconds until a client may send its request; 0 where it may now, and the request is counted then.

        >>> limit = RateLimit(1.0, 2, clock=lambda: 5.0)
        >>> limit.wait("a"), limit.wait("a"), limit.wait("a"), limit.wait("b")
        (0.0, 0.0, 1.0, 0.0)
        """
        now = self._clock()
        with self._lock:
            tokens, seen = self._buckets.pop(client, (float(self._burst), now))
            tokens = min(float(self._burst), tokens + (now - seen) * self._rate)
            short = max(0.0, 1.0 - tokens)
            self._buckets[client] = (tokens if short else tokens - 1.0, now)
            while len(self._buckets) > KEPT_CLIENTS:
                self._buckets.popitem(last=False)
        return short / self._rate
