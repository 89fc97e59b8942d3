"""Pictures read and decoded in threads, in the records' order. One that hangs becomes a failure, and its thread is left behind."""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from cladescope.embedding.ahead import LEAVE_SECONDS, STOP_SECONDS, Room, ahead
from cladescope.embedding.idle import Idle
from cladescope.embedding.prepare import Entering, Failure, Prepared, Step, too_long
from cladescope.embedding.records import Record
from cladescope.embedding.stages import Stages
from cladescope.errors import EncoderError

LISTED_BYTES = 4096
"""What a record without a picture takes while it waits, at a guess from above."""
MOST_HUNG = 32
"""Pictures that may hang before a job gives up: each keeps a thread, and perhaps a core, until the process ends."""
DECODING: Final = ("decode", "decode apart")
"""Steps of which there are as many at the same time as there are workers."""

Outcome = Prepared | Failure
Preparing = Callable[[Record, Entering], Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many threads prepare pictures, and how much of their work may wait."""

    workers: int
    """Pictures decoded at the same time."""
    readers: int
    """Pictures read at the same time, beside these."""
    carried_bytes: int
    """Bytes of pictures that records carry which may wait to be decoded; one may always."""
    pixel_bytes: int
    """Bytes of one decoded picture, as the encoder takes it."""
    ahead_bytes: int
    """Bytes of decoded pictures that may wait for the encoder."""
    picture_seconds: float
    """Longest that a decoder may take for a picture, or a disk to read it."""


def prepared_ahead(
    records: Iterable[Record | Failure],
    prepared: Preparing,
    limits: Limits,
    stages: Stages,
    *,
    stop: threading.Event,
    given_up: Callable[[Record, str], None],
) -> Iterator[Outcome]:
    """What becomes of each record, in order. The records are listed in one thread and prepared in others, as `limits` has it.

    A picture that is at one step of `prepared` for too long is a failure; `given_up` is told of it. No thread can be ended from
    outside, so the one that hangs stays, with its picture, until its decoder returns or the process ends, and another takes
    its place. Once `stop` is set nothing more comes.

    Raises EncoderError where more than `MOST_HUNG` pictures hang, and what `records` raises, after what came before it.
    """
    pool = _Pool(prepared, limits, stages, given_up)
    tasks = ahead(
        pool.submitted(records),
        size=lambda task: LISTED_BYTES if isinstance(task, Failure) else limits.pixel_bytes,
        most_bytes=limits.ahead_bytes,
        name="list",
        meter=stages.list,
        stop=stop,
    )
    try:
        for task in tasks:
            outcome = pool.outcome(task, stop)
            if outcome is None:
                return
            del task
            yield outcome
            del outcome  # only the consumer may hold its pixels
    finally:
        pool.carried.close()
        tasks.close()
        pool.close()


def listed(record: Record | Failure) -> Record | Failure:
    """A record; or the failure that it is where it has no picture to read."""
    if isinstance(record, Failure) or record.problem is None:
        return record
    return Failure(record, "list", record.problem)


class _Task:
    """One record on its way to its pixels. A thread settles what became of it, or else the clock does."""

    def __init__(self, record: Record, pool: "_Pool") -> None:
        self.record: Record | None = record
        self.bare = record if record.data is None else replace(record, data=None)
        self.carried_bytes = record.carried_bytes
        self.outcome: Outcome | BaseException | None = None
        self.is_done = threading.Event()
        self.step: Step | None = None
        self.began = 0.0
        self._pool, self._lock = pool, threading.Lock()

    @contextmanager
    def entering(self, step: Step) -> Iterator[None]:
        """A step of the work; as many pictures are decoded at the same time as there are workers."""
        is_gated = step in DECODING
        meter = self._pool.stages.of(step)
        if is_gated:
            self._pool.enter_gate()
        with self._lock:
            if self.outcome is not None:  # given up before
                if is_gated:
                    self._pool.leave_gate()
                raise TimeoutError
            self.step, self.began = step, time.monotonic()
        try:
            with meter.at_work():
                yield
            meter.done()
        finally:
            with self._lock:
                self.step = None
                if is_gated and self.outcome is None:
                    self._pool.leave_gate()

    def settle(self, outcome: Outcome | BaseException) -> bool:
        """Say what became of the record; whether nobody has before."""
        with self._lock:
            if self.outcome is not None:
                return False
            self.outcome = outcome
            if self.step in DECODING:
                self._pool.leave_gate()  # its thread will not
        self._pool.idle.change(held=-1)
        self.is_done.set()
        return True

    def late_at(self, seconds: float) -> Step | None:
        """The step that it is at for longer than that.

        Servers are asked with a patience of their own (`embedding.web`), and decoders in processes are ended by theirs (`embedding.decoders`).
        """
        with self._lock:
            is_late = self.step in ("read", "decode") and time.monotonic() - self.began > seconds
            return self.step if is_late else None


class _Pool:
    """Threads that are made as they are needed. They end with the process, whatever they do."""

    def __init__(
        self, prepared: Preparing, limits: Limits, stages: Stages, given_up: Callable[[Record, str], None]
    ) -> None:
        self.stages = stages
        stages.read.places, stages.decode.places = limits.workers + limits.readers, limits.workers
        self.idle = Idle(stages)
        self._gate = threading.Semaphore(limits.workers)
        self._prepared, self._limits, self._given_up = prepared, limits, given_up
        self.carried = Room(limits.carried_bytes)
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self._at_work: set[_Task] = set()
        self._n_hung = 0

    def enter_gate(self) -> None:
        """Wait for a place where pictures are decoded."""
        self.idle.change(waiting=1)
        self._gate.acquire()
        self.idle.change(waiting=-1, decoded=1)

    def leave_gate(self) -> None:
        """Leave it to another."""
        self.idle.change(decoded=-1)
        self._gate.release()

    def submitted(self, records: Iterable[Record | Failure]) -> Iterator[_Task | Failure]:
        """A task a record, which the threads have been given."""
        for record in self.stages.list.timed(records, "at work"):
            self.stages.list.done()
            record = listed(record)
            if isinstance(record, Failure):
                yield record
                continue
            with self.stages.list.blocked():
                if record.carried_bytes and not self.carried.enter(record.carried_bytes):
                    return
            task = _Task(record, self)
            del record  # only the task may hold what it carries
            if not self._idle.acquire(blocking=False) and len(self._threads) < self._most_threads:
                self._start()
            self._tasks.put(task)
            yield task
            del task

    @property
    def _most_threads(self) -> int:
        return self._limits.workers + self._limits.readers + self._n_hung

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name=f"decode-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            record, task.record = task.record, None
            assert record is not None
            self.idle.change(held=1)
            self._at_work.add(task)
            outcome: Outcome | BaseException
            try:
                outcome = self._prepared(record, task.entering)
            except BaseException as error:  # noqa: BLE001 - a fault of ours: the consumer's thread raises it
                outcome = error
            del record  # what it carried is free before there is room for another
            self._at_work.discard(task)
            if not task.settle(outcome):
                return  # another thread has taken this one's place
            self.carried.leave(task.carried_bytes)
            del task, outcome
            self._idle.release()

    def outcome(self, task: _Task | Failure, stop: threading.Event) -> Outcome | None:
        """What became of a record, once that is known; None where `stop` was set before."""
        if isinstance(task, Failure):
            return task
        while not task.is_done.wait(STOP_SECONDS):
            if stop.is_set():
                return None
            for one in self._at_work.copy():  # another may hang where this one has to get through
                if step := one.late_at(self._limits.picture_seconds):
                    self._give_up(one, step)
        if isinstance(task.outcome, BaseException):
            raise task.outcome
        return task.outcome

    def _give_up(self, task: _Task, step: Step) -> None:
        stage = "decode" if step == "decode" else "read"
        reason = too_long(self._limits.picture_seconds)
        self._at_work.discard(task)
        if not task.settle(Failure(task.bare, stage, reason)):
            return
        self._n_hung += 1
        self.carried.leave(task.carried_bytes)
        self._given_up(task.bare, reason)
        if self._n_hung > MOST_HUNG:
            raise EncoderError(
                f"{self._n_hung} pictures took longer than {self._limits.picture_seconds:g} seconds to {stage}, the last of them "
                f"{task.bare.uri}: see to the disk or the decoder, or allow more; what is stored stays"
            )
        self._start()

    def close(self) -> None:
        """Nothing more is wanted: threads end when they have done what they are doing, and are waited for a moment."""
        while True:
            try:
                self._tasks.get_nowait()
            except queue.Empty:
                break
        for _ in self._threads:
            self._tasks.put(None)
        deadline = time.monotonic() + (0.0 if self._n_hung else LEAVE_SECONDS)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
