"""How far a job is, on stderr: bars on a terminal, lines every ten seconds elsewhere, nothing with `--quiet`.

Steps that are over soon are not told: a bar comes after `PATIENCE` seconds. All bars of a command stand together.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cladescope.app.cli.output import say, talk_console
from cladescope.shown import shown
from cladescope.steps import Tell, is_listened_to

if TYPE_CHECKING:
    from cladescope.embedding.summary import Progress as JobProgress

LOG_SECONDS = 10.0
"""Between two lines of a log."""
PATIENCE = 1.0
"""Seconds for which nothing is shown of a step."""


@contextmanager
def job_progress(noun: str) -> Iterator["Callable[[JobProgress], None]"]:
    """How far a job is that tells its own progress: how fast, how long still, and what failed; nothing with `--quiet`."""
    if not is_listened_to():
        yield lambda state: None
    elif sys.stderr.isatty():
        with _bars.shown(noun, None, patience=None) as bar:

            def show(state: "JobProgress") -> None:
                left = "" if state.eta is None else f", {state.eta:.0f} s left"
                failed = f", {state.failed:,} failed" if state.failed else ""
                bar.show(state.done, state.total, f", {state.rate:.0f}/s{left}{failed}")

            yield show
    else:
        yield _Lines(noun)


@contextmanager
def told(words: str, total: int | None) -> Iterator[Tell]:
    """A step, as `cladescope.steps` has it."""
    if sys.stderr.isatty():
        with _bars.shown(words, total, patience=PATIENCE) as bar:
            yield lambda done: bar.show(done, total)
    else:
        lines = _StepLines(words, total)
        try:
            yield lines
        finally:
            lines.end()


class _Lines:
    """Progress as lines of a log."""

    def __init__(self, noun: str) -> None:
        self.noun, self.next = noun, LOG_SECONDS

    def __call__(self, state: "JobProgress") -> None:
        if state.seconds < self.next:
            return
        self.next = state.seconds + LOG_SECONDS
        total = f" of {state.total:,}" if state.total is not None else ""
        eta = f", {state.eta:.0f} s to go" if state.eta is not None else ""
        failed = f", {state.failed:,} failed" if state.failed else ""
        say(f"{self.noun} {state.done:,}{total}, {state.rate:.0f} per second{eta}{failed}")


class _StepLines:
    """A step as lines of a log, also while it says nothing of itself."""

    def __init__(self, words: str, total: int | None) -> None:
        self._words, self._total, self._began = words, total, time.monotonic()
        self._done, self._next = 0, LOG_SECONDS
        self._timer = self._wait()

    def __call__(self, done: int) -> None:
        self._done = done
        self._say()

    def end(self) -> None:
        """The step is over."""
        self._timer.cancel()
        if (seconds := time.monotonic() - self._began) >= LOG_SECONDS:
            say(f"{self._words}: {seconds:.0f} s")

    def _wait(self) -> threading.Timer:
        timer = threading.Timer(max(LOG_SECONDS, 0.1), self._again)
        timer.daemon = True
        timer.start()
        return timer

    def _again(self) -> None:
        self._say()
        self._timer = self._wait()

    def _say(self) -> None:
        if (seconds := time.monotonic() - self._began) >= self._next:
            self._next = seconds + LOG_SECONDS
            far = f" {_far(self._done, self._total)}" if self._done else ""
            say(f"{self._words}{far}, for {seconds:.0f} s")


class _Bar:
    """A line of the display, there once its time has come."""

    def __init__(self, bars: "_Bars", words: str, total: int | None, patience: float | None) -> None:
        """It comes after `patience` seconds; with None once something is done."""
        self._bars, self._words, self._state = bars, shown(words), (0, total, "")
        self._task: Any = None
        self._is_over = False
        self._waits = patience is None
        self._timer = threading.Timer(patience or 0.0, self._begin)
        self._timer.daemon = True
        if patience:
            self._timer.start()
        elif not self._waits:
            self._begin()

    def _begin(self) -> None:
        with self._bars.lock:
            if not self._is_over:
                done, total, note = self._state
                far = _far(done, total) + note
                self._task = self._bars.display().add_task(self._words, completed=done, total=total, note=far)

    def show(self, done: int, total: int | None, note: str = "") -> None:
        """It is so far."""
        self._state = (done, total, note)
        if self._waits and self._task is None:
            self._begin()
        elif self._task is not None:
            self._bars.display().update(self._task, completed=done, total=total, note=_far(done, total) + note)

    def end(self) -> None:
        """It is over."""
        self._timer.cancel()
        with self._bars.lock:
            self._is_over = True
            if self._task is not None:
                self._bars.display().remove_task(self._task)


def _far(done: int, total: int | None) -> str:
    """How much is done.

    >>> _far(1200, 5000), _far(3, None), _far(0, None)
    ('1,200 of 5,000', '3', '')
    """
    return f"{done:,} of {total:,}" if total else f"{done:,}" if done else ""


class _Bars:
    """The one display of this process, for as long as something is shown."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._display: Any = None
        self._n_shown = 0

    def display(self) -> Any:
        """Rich's display, started when it is first asked for."""
        if self._display is None:
            from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
            from rich.text import Text

            class Far(ProgressColumn):
                """How far, how fast and how long still; of a step that does not say, for how long it lasts."""

                def render(self, task: Task) -> Text:
                    note = str(task.fields["note"])
                    return Text(note if "/s" in note else f"{note}{', ' * bool(note)}{task.elapsed or 0:.0f} s")

            self._display = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=8),
                Far(),
                console=talk_console(),
                transient=True,
            )
            self._display.start()
        return self._display

    @contextmanager
    def shown(self, words: str, total: int | None, *, patience: float | None) -> Iterator[_Bar]:
        """A bar while the block runs."""
        with self.lock:
            self._n_shown += 1
        bar = _Bar(self, words, total, patience)
        try:
            yield bar
        finally:
            bar.end()
            with self.lock:
                self._n_shown -= 1
                if not self._n_shown and self._display is not None:
                    self._display.stop()
                    self._display = None


_bars = _Bars()
