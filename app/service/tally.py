"""What a service counts of itself, in Prometheus' text format.

https://prometheus.io/docs/instrumenting/exposition_formats/; names and units by https://prometheus.io/docs/practices/naming/.
"""

import threading
from collections import Counter
from collections.abc import Iterator

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_REQUESTS, _SECONDS = "cladescope_http_requests_total", "cladescope_http_request_seconds_total"
HELP = {
    _REQUESTS: "Requests answered, by route, method and status.",
    _SECONDS: "Seconds that their answers took.",
    "cladescope_encode_batches_total": "Batches that an encoder computed.",
    "cladescope_encode_items_total": "Pictures and texts in these batches.",
    "cladescope_encode_seconds_total": "Seconds that these batches took.",
}
"""Every metric, all of them counters."""


class Tally:
    """Counts that threads add to at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: Counter[tuple[str, str, int]] = Counter()
        self._encoded: dict[str, list[float]] = {}

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered. `route` is its pattern, so that ids do not make metrics without end."""
        with self._lock:
            self._requests[route, method, status] += 1
            self._seconds[route, method, status] += seconds  # type: ignore[assignment]

    def batch(self, encoder: str, n_items: int, seconds: float) -> None:
        """An encoder computed a batch."""
        with self._lock:
            sums = self._encoded.setdefault(encoder, [0, 0, 0.0])
            for place, value in enumerate((1, n_items, seconds)):
                sums[place] += value

    def text(self) -> str:
        r"""All metrics.

        >>> tally = Tally()
        >>> tally.request("/health", "GET", 200, 0.25)
        >>> tally.text().splitlines()[2]
        'cladescope_http_requests_total{route="/health",method="GET",status="200"} 1'
        """
        with self._lock:
            return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        for name, told in HELP.items():
            yield f"# HELP {name} {told}"
            yield f"# TYPE {name} counter"
            if name in (_REQUESTS, _SECONDS):
                counts = self._requests if name == _REQUESTS else self._seconds
                for (route, method, status), value in sorted(counts.items()):
                    labels = f'route="{_escaped(route)}",method="{_escaped(method)}",status="{status}"'
                    yield f"{name}{{{labels}}} {value}"
            else:
                place = list(HELP).index(name) - 2
                for encoder, sums in sorted(self._encoded.items()):
                    yield f'{name}{{encoder="{_escaped(encoder)}"}} {sums[place]}'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
