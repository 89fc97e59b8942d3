"""Work in the background: maps, audits and probes are made one after another in one thread, and anyone can see how far they are."""

import itertools
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from cladescope import steps
from cladescope.app.service.refusal import RefusalError
from cladescope.errors import CladescopeError

logger = logging.getLogger(__name__)

Kind = Literal["embed", "map", "audit", "probes"]
State = Literal["running", "done", "failed"]
STOP_SECONDS = 20.0
"""How long a job may take to end once it is told to stop; its thread dies with the process then."""
STOPPED = "it was stopped before its end: start it again"
WRONG = "something went wrong inside the service: its log says more"


class StoppedError(Exception):
    """Raised within a job that is told to stop."""


@dataclass(eq=False, kw_only=True)
class Job:
    """Something that is made in the background. `running` also means that it waits for its turn."""

    id: int
    kind: Kind
    store: str
    key: str
    """What tells it from other jobs of its kind on the same store: a version, the name of vectors."""
    do: "Do" = field(repr=False)
    state: State = "running"
    done: int | None = None
    total: int | None = None
    """How much there is to do in its present step, and how much of it is done; None where that is not known."""
    told: str = "waiting for its turn"
    """What is done now, in words."""
    summary: str = "done"
    """What `told` is once it is done."""
    problem: str | None = None
    """Why it failed, a sentence."""
    result: Any = None
    """What it made; None until it is done."""
    stopping: threading.Event = field(default_factory=threading.Event, repr=False)
    ended: threading.Event = field(default_factory=threading.Event, repr=False)

    def at(self, told: str, done: int | None = None, total: int | None = None) -> None:
        """Say what the job does now and how far it is. Raises StoppedError where it is to stop: a job need not catch that."""
        if self.stopping.is_set():
            raise StoppedError
        self.told, self.done, self.total = told, done, total

    def shown(self) -> dict[str, Any]:
        """As `GET work` tells it."""
        words = ("kind", "store", "state", "done", "total", "told", "problem")
        return {"id": str(self.id), **{word: getattr(self, word) for word in words}}


Do = Callable[[Job], Any]
"""Does the work of a job, which it is given to tell how far it is (`Job.at`), and returns what it made."""


class Work:
    """Jobs by what they make: there is one of a (kind, store, key), and who asks for it again gets the same.

    One thread does them in turn, so that the machine has cores left for requests. Steps that libraries tell (`cladescope.steps`) are the job's.
    """

    def __init__(self) -> None:
        self._jobs: dict[tuple[str, str, str], Job] = {}
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._is_stopped = False

    def begin(self, kind: Kind, store: str, key: str, do: Do, *, again: bool = False, aside: bool = False) -> Job:
        """The job of this kind, store and key; it is begun where there is none, or, with `again`, where the one there is has ended.

        A job `aside` has a thread of its own, so that none waits for it: for what takes hours and mostly waits itself.
        """
        with self._lock:
            found = self._jobs.get((kind, store, key))
            if found is not None and (found.state == "running" or not again):
                return found
            job = Job(id=next(self._ids), kind=kind, store=store, key=key, do=do)
            self._jobs.pop((kind, store, key), None)
            self._jobs[kind, store, key] = job
            if self._is_stopped:
                _end(job, problem=STOPPED)
            elif aside:
                self._start(lambda: _run(job), f"{kind} {store}")
            else:
                self._queue.put(job)
                if not any(thread.name == "work" for thread in self._threads):
                    self._start(self._work, "work")
            return job

    def find(self, kind: Kind, store: str, key: str) -> Job | None:
        """The job of this kind, store and key; None where it was never begun."""
        return self._jobs.get((kind, store, key))

    @property
    def jobs(self) -> list[Job]:
        """All jobs, those begun last first."""
        with self._lock:
            return sorted(self._jobs.values(), key=lambda job: -job.id)

    def stop(self) -> None:
        """Tell every job to stop, and wait for them, at most `STOP_SECONDS` in all; what waits its turn fails."""
        with self._lock:
            self._is_stopped = True
            for job in self._jobs.values():
                job.stopping.set()
            self._queue.put(None)
            threads = list(self._threads)
        for thread in threads:
            thread.join(STOP_SECONDS / len(threads))

    def _start(self, target: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            _run(job)


def _run(job: Job) -> None:
    try:
        job.at("beginning")
        with steps.listening(lambda words, total: _hearing(job, words, total)):
            job.result = job.do(job)
    except StoppedError:
        _end(job, problem=STOPPED)
    except (CladescopeError, RefusalError) as error:
        logger.info("the %s of %s failed: %s", job.kind, job.store, error)
        _end(job, problem=" ".join(str(error).split()))
    except Exception:
        logger.exception("the %s of %s failed", job.kind, job.store)
        _end(job, problem=WRONG)
    else:
        _end(job, problem=None)


def _end(job: Job, *, problem: str | None) -> None:
    job.problem = problem
    job.told = job.summary if problem is None else "failed"
    job.state = "done" if problem is None else "failed"
    job.ended.set()


@contextmanager
def _hearing(job: Job, words: str, total: int | None) -> Iterator[steps.Tell]:
    job.at(words, None if total is None else 0, total)
    yield lambda done: job.at(words, done, total)
