"""What a service counts of itself, in Prometheus' text format.

Names and units by https://prometheus.io/docs/practices/naming/.
"""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the histogram: thumbnails take a millisecond, searches some ten, classifiers of large stores a minute."""
_REQUEST, _ENCODER = ("route", "method", "status"), ("encoder",)


class Tally:
    """Counts that threads add to at once, in a registry of its own: several services in one process do not mix."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = self._counter("http_requests", "Requests answered, by route, method and status.", _REQUEST)
        self._seconds = self._counter("http_request_seconds", "Seconds that their answers took.", _REQUEST)
        self._durations = Histogram(
            "cladescope_http_request_duration_seconds",
            "How long answers took, by route.",
            ["route"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self._batches = self._counter("encode_batches", "Batches that an encoder computed.", _ENCODER)
        self._items = self._counter("encode_items", "Pictures and texts in these batches.", _ENCODER)
        self._encoding = self._counter("encode_seconds", "Seconds that these batches took.", _ENCODER)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered. `route` is its pattern, so that ids do not make metrics without end."""
        self._requests.labels(route, method, status).inc()
        self._seconds.labels(route, method, status).inc(seconds)
        self._durations.labels(route).observe(seconds)

    def batch(self, encoder: str, n_items: int, seconds: float) -> None:
        """An encoder computed a batch."""
        self._batches.labels(encoder).inc()
        self._items.labels(encoder).inc(n_items)
        self._encoding.labels(encoder).inc(seconds)

    def watch(self, gauges: Callable[[], Iterable[GaugeMetricFamily]]) -> None:
        """Let what a function finds be told too; it is called whenever the metrics are asked for."""
        self._registry.register(_Asked(gauges))

    def text(self) -> str:
        r"""All metrics.

        >>> tally = Tally()
        >>> tally.request("/health", "GET", 200, 0.25)
        >>> tally.text().splitlines()[2]
        'cladescope_http_requests_total{method="GET",route="/health",status="200"} 1.0'
        """
        return generate_latest(_WithoutBirths(self._registry)).decode()

    def _counter(self, name: str, told: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"cladescope_{name}_total", told, labels, registry=self._registry)


class _Asked:
    """Gauges that are found when they are asked for."""

    def __init__(self, gauges: Callable[[], Iterable[GaugeMetricFamily]]) -> None:
        self.collect = gauges

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that they are not asked for before there is a service."""
        return []


class _WithoutBirths:
    """The metrics of a registry without the times at which each was first counted, which are as many lines again."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        """Each family, with those samples."""
        for metric in self._registry.collect():
            metric.samples = [one for one in metric.samples if not one.name.endswith("_created")]
            yield metric
