"""A job that is watched by programs: a line of JSON now and then, a file of metrics, and how it ended.

Watching never stops a job: where a file cannot be written any more one line says so, and the job goes on. docs/pipeline.md
describes the lines and the metrics.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import typer

import cladescope
from cladescope.app.cli.metrics import forget_drafts, write_metrics
from cladescope.app.cli.output import json_text, say
from cladescope.app.cli.progress import job_progress
from cladescope.app.cli.statuses import status_of
from cladescope.errors import InputError, UsageError
from cladescope.nearest import did_you_mean

if TYPE_CHECKING:
    from cladescope.embedding.pipeline import EmbedSummary, Progress

WATCH_SECONDS = 2.0
"""How often a job tells how far it is."""
AUTO, JSON, NONE = "auto", "json", "none"
LINES = ".jsonl"


@dataclass(kw_only=True)
class Watch:
    """What is told of one job, and to whom."""

    verb: str
    source: str
    store: str
    how: str = AUTO
    """`auto`: a bar or lines for people; `json`: lines of JSON on stderr; `none`; or a file of lines of JSON."""
    metrics: Path | None = None
    """A file of metrics in Prometheus' text format, replaced in one step."""
    job: str = field(default_factory=lambda: uuid4().hex)
    summary: "EmbedSummary | None" = None
    """What the job did, once that is known."""

    def __post_init__(self) -> None:
        """Raises InputError for a way of telling that there is not, or a place that cannot be written."""
        self._started = self._moved = time.time()
        self._next = 0.0
        self._state: Progress | None = None
        self._lines = None if self.how in (AUTO, JSON, NONE) else Path(self.how)
        if self._lines is not None and self._lines.suffix != LINES:
            words = (AUTO, JSON, NONE)
            raise UsageError(
                f"found {self.how!r} for the progress, expected auto, json, none or a file *{LINES}{did_you_mean(self.how, words)}"
            )
        for path in filter(None, (self._lines, self.metrics)):
            if not path.absolute().parent.is_dir():
                raise InputError(f"there is no folder {path.absolute().parent} to write {path.name} to: make it first")

    @contextmanager
    def told(self, noun: str) -> Iterator[Callable[["Progress"], None]]:
        """What a job calls with its progress."""
        if self.how in (JSON, NONE):
            yield self._note
            return
        with job_progress(noun) as show:

            def both(state: "Progress") -> None:
                show(state)
                self._note(state)

            yield both

    def begin(self) -> None:
        """The job begins."""
        about = {"verb": self.verb, "source": self.source, "store": self.store, "cladescope": cladescope.__version__}
        if self.metrics is not None:
            forget_drafts(self.metrics)
        self._say("start", about)
        self._measure()

    def _note(self, state: "Progress") -> None:
        self._state, self._moved = state, time.time()
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + WATCH_SECONDS
            self._say("progress", _counts(state))
            self._measure()

    def end(self, exit_status: int, error: str | None) -> None:
        """The job has ended."""
        stopped = self.summary is not None and self.summary.stopped
        status = "stopped" if stopped else "failed" if exit_status else "done"
        counts = {} if self._state is None else _counts(self._state)
        summary = None if self.summary is None else self.summary.to_dict()
        self._say("end", {**counts, "status": status, "exit_status": exit_status, "error": error, "summary": summary})
        self._measure(exit_status)

    def _say(self, event: str, values: Mapping[str, Any]) -> None:
        if self.how in (AUTO, NONE):
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json_text({"event": event, "time": now, "job": self.job, **values})
        if self._lines is None:
            if self.how == JSON:
                say(line)
            return
        try:
            with self._lines.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            say(f"no more progress in {self._lines}: {error.strerror or error}")
            self._lines, self.how = None, NONE

    def _measure(self, exit_status: int | None = None) -> None:
        if self.metrics is None:
            return
        labels = {"verb": self.verb, "store": self.store, "source": self.source}
        try:
            times = {"started": self._started, "moved": self._moved}
            write_metrics(self.metrics, labels, self._state, **times, exit_status=exit_status)
        except OSError as error:
            say(f"no more metrics in {self.metrics}: {error.strerror or error}")
            self.metrics = None


@contextmanager
def watched(watch: Watch) -> Iterator[Watch]:
    """Tell how a job begins and ends, whatever it ends by."""
    watch.begin()
    try:
        yield watch
    except typer.Exit as ended:
        watch.end(ended.exit_code, None)
        raise
    except BaseException as error:
        watch.end(status_of(error), str(error).partition("\n")[0] or type(error).__name__)
        raise
    watch.end(0, None)


def _counts(state: "Progress") -> dict[str, Any]:
    return {
        "done": state.done,
        "total": state.total,
        "embedded": state.embedded,
        "already_stored": state.already_stored,
        "failed": state.failed,
        "filled": state.filled,
        "unfilled": state.unfilled,
        "seconds": round(state.seconds, 3),
        "per_second": round(state.rate, 2),
        "eta_seconds": None if state.eta is None else round(state.eta, 1),
    }
