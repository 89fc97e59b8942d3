"""A job's progress as metrics in Prometheus' text format, for the textfile collector of its node_exporter.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/; names and units by
https://prometheus.io/docs/practices/naming/. A collector reads whatever `*.prom` lies in its folder, at any moment, so a file
appears whole, under its own name, and may be read by all that the process's mask lets read.
"""

import contextlib
import math
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import cladescope
from cladescope.files import process_runs

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from cladescope.embedding.pipeline import Progress

PREFIX = "cladescope_job"
METRICS = {
    "info": ("gauge", "Always 1; its labels say which version runs the job."),
    "start_time_seconds": ("gauge", "When the job began, in seconds since 1970."),
    "last_progress_time_seconds": ("gauge", "When the job was last known to move, in seconds since 1970."),
    "end_time_seconds": ("gauge", "When the job ended, in seconds since 1970; absent while it runs."),
    "running": ("gauge", "1 while the job runs, 0 once it has ended."),
    "exit_status": ("gauge", "Exit status of the job: 0 done, 1 failed, 75 stopped; absent while it runs."),
    "source_records": ("gauge", "Records of the source; absent where that is not known."),
    "records_total": ("counter", "Records that came to an end: embedded, stored before, or failed."),
    "pictures_embedded_total": ("counter", "Pictures that were given a vector by this job."),
    "pictures_filled_total": ("counter", "Pictures stored before that were given vectors of further encoders."),
    "pictures_unfilled_total": ("counter", "Pictures stored before that could not be given these."),
    "pictures_failed_total": ("counter", "Records that could not be embedded by this job."),
    "pictures_per_second": ("gauge", "Pictures embedded a second, lately."),
    "remaining_seconds": ("gauge", "Time still to go at the pace of late; absent where that is not known."),
}
"""Every metric, after `cladescope_job_`: its type and its line of help. Files of several jobs must agree in these."""


def write_metrics(
    path: Path,
    labels: Mapping[str, str],
    state: "Progress | None",
    *,
    started: float,
    moved: float,
    exit_status: int | None,
) -> None:
    """Put a job's metrics in place of those before; `state` is None before the first progress, `exit_status` while it runs.

    Raises OSError where they cannot be written.
    """
    # No name of a draft may end in .prom, and a draft is no private file, as those of `tempfile` are.
    draft = path.with_name(f"{_before(path)}{os.getpid()}")
    try:
        written = text(labels, state, started=started, moved=moved, exit_status=exit_status)
        draft.write_text(written, encoding="utf-8")
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def forget_drafts(path: Path) -> None:
    """Delete what jobs left beside a file of metrics that were killed as they wrote it."""
    with contextlib.suppress(OSError):
        for draft in path.absolute().parent.iterdir():
            process = draft.name.removeprefix(_before(path))
            if draft.name.startswith(_before(path)) and process.isdecimal() and not process_runs(int(process)):
                draft.unlink(missing_ok=True)


def _before(path: Path) -> str:
    """How the name of a draft begins, before the number of its process; as long as a name may be."""
    return f".{path.name[-60:]}."


def text(
    labels: Mapping[str, str], state: "Progress | None", *, started: float, moved: float, exit_status: int | None
) -> str:
    """A file of metrics, of a job that began and moved last at these times; what is not known has no line.

    >>> text({"store": "a b"}, None, started=1.0, moved=1.0, exit_status=0).splitlines()[3:6]
    ['# HELP cladescope_job_start_time_seconds When the job began, in seconds since 1970.', '# TYPE cladescope_job_start_time_seconds gauge', 'cladescope_job_start_time_seconds{store="a b"} 1.0']
    """
    from prometheus_client import generate_latest  # loads a web server, which few commands need

    values: dict[str, int | float | None] = {
        "info": 1,
        "start_time_seconds": started,
        "last_progress_time_seconds": moved,
        "end_time_seconds": None if exit_status is None else time.time(),
        "running": int(exit_status is None),
        "exit_status": exit_status,
        "source_records": None if state is None or state.total is None else state.total - state.to_fill,
        "records_total": 0 if state is None else state.done - state.filled - state.unfilled,
        "pictures_embedded_total": 0 if state is None else state.embedded,
        "pictures_filled_total": 0 if state is None else state.filled,
        "pictures_unfilled_total": 0 if state is None else state.unfilled,
        "pictures_failed_total": 0 if state is None else state.failed,
        "pictures_per_second": 0 if state is None else state.rate,
        "remaining_seconds": None if state is None else state.eta,
    }
    return generate_latest(_Known(values, {name: _utf8(told) for name, told in labels.items()})).decode()


class _Known:
    """What `prometheus_client` collects: the values that are known, each with a job's labels."""

    def __init__(self, values: Mapping[str, int | float | None], labels: Mapping[str, str]) -> None:
        self._values, self._labels = values, labels

    def collect(self) -> Iterator["Metric"]:
        """A family of one sample for each known value."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        for name, (kind, told) in METRICS.items():
            value = self._values[name]
            if value is None or not math.isfinite(value):
                continue
            own = {**self._labels, "version": cladescope.__version__} if name == "info" else self._labels
            family = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
            metric = family(f"{PREFIX}_{name}", told, labels=list(own))
            metric.add_metric(list(own.values()), value)
            yield metric


def _utf8(text: str) -> str:
    """A text with half of a surrogate pair, which no UTF-8 has, as an escape.

    >>> _utf8("half \\ud83d") == "half \\\\ud83d"
    True
    """
    return text.encode("utf-8", "backslashreplace").decode()
