"""The records of a source that a job has to do, asked for a chunk at a time, in the thread that lists while others encode."""

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from itertools import count
from typing import TypeGuard

import numpy as np
import pyarrow as pa

from cladescope.embedding.in_step import InStep
from cladescope.embedding.job import StoredJob
from cladescope.embedding.prepare import Failure
from cladescope.embedding.records import Record
from cladescope.embedding.stages import Meter

CHUNK_RECORDS = 8192
CHUNK_BYTES = 4 * 2**20
"""Records whose ids are looked up together: so many, or fewer where they carry so many bytes of pictures and words."""
CHUNK_SECONDS = 0.2
"""And no longer than that, so that pictures of a slow source do not wait for many others."""


class Turns:
    """One thread at a time reads or writes what a job knows of its store, and none once the job, a `with` block, is over."""

    def __init__(self) -> None:
        """Nobody has a turn."""
        self.listed_all = False
        """Whether the source was listed to its end."""
        self._lock, self._is_over = threading.Lock(), False

    @contextmanager
    def turn(self, waiting: AbstractContextManager[None] | None = None) -> Iterator[bool]:
        """A turn; it gives whether the job still runs. It is waited for within `waiting`."""
        with waiting or nullcontext():
            self._lock.acquire()
        try:
            yield not self._is_over
        finally:
            self._lock.release()

    def __enter__(self) -> None:
        """The job begins."""

    def __exit__(self, *error: object) -> None:
        """Wait for the turn that is taken; whoever comes now finds the job over."""
        with self._lock:
            self._is_over = True


def wanted(
    records: Iterable[Record | Failure],
    job: StoredJob,
    step: InStep | None,
    turns: Turns,
    stop: threading.Event,
    meter: Meter,
) -> Iterator[Record | Failure]:
    """The records without those that are stored as they are; one whose id is taken is a failure. It ends early once `stop` is set.

    `meter` counts all as work; what of it was waiting for a turn, it counts as blocked.
    """
    numbers = count(1)
    for chunk in chunks(records):
        asked = [(record, number) for record, number in zip(chunk, numbers, strict=False) if has_picture(record)]
        with turns.turn(meter.blocked(out_of="at work")) as goes_on:
            if not goes_on:
                return
            checked = job.check(
                pa.array([record.image_id for record, _ in asked], pa.string()),
                pa.array([record.uri for record, _ in asked], pa.string()),
                np.array([number for _, number in asked], np.int64),
            )
            new, held = (None, set()) if step is None else step.choose([record for record, _ in asked], checked)
        del asked  # a picture that is carried must be let go when it is decoded
        places = count()
        n_stored = job.summary.already_stored
        while chunk:
            if stop.is_set():
                return
            record = chunk.popleft()
            job.summary.records += 1
            if isinstance(record, Failure) or record.problem is not None:
                if step is not None and isinstance(record, Failure):
                    step.is_whole = False
                yield record
                continue
            place = next(places)
            if place in held or (new is None and checked.is_stored[place]):
                job.summary.already_stored += 1
            elif place in checked.refused and (new is None or place not in new):
                yield Failure(replace(record, data=None), "identity", checked.refused[place])
            else:
                yield record
            del record
        if job.summary.already_stored > n_stored:
            with turns.turn(meter.blocked(out_of="at work")):
                job.report()
    turns.listed_all = True


def has_picture(record: Record | Failure) -> TypeGuard[Record]:
    """Whether a record may have a picture to read."""
    return isinstance(record, Record) and record.problem is None


def chunks(records: Iterable[Record | Failure]) -> Iterator[deque[Record | Failure]]:
    """The records in chunks, each of what comes in `CHUNK_SECONDS` or what makes it full; only a chunk holds what they carry.

    >>> [len(chunk) for chunk in chunks(Record(image_id=f"{n}", uri=f"/{n}", source="s") for n in range(3))]
    [3]
    """
    chunk: deque[Record | Failure] = deque()
    carried, began = 0, time.monotonic()
    for record in records:
        chunk.append(record)
        carried += record.carried_bytes + record.said_bytes if isinstance(record, Record) else 0
        if len(chunk) >= CHUNK_RECORDS or carried >= CHUNK_BYTES or time.monotonic() - began >= CHUNK_SECONDS:
            yield chunk
            chunk, carried, began = deque(), 0, time.monotonic()
        del record
    if chunk:
        yield chunk
