"""Decoding in processes, for machines with more cores than the threads of one interpreter keep busy: as many as work is there for.

Pictures are read and their order is kept by the job's threads (`embedding.workers`), each of which asks a process of its own and waits. What
comes back is the same, bit by bit, as what the thread would have made itself. A process that hangs is ended, one that dies is replaced.
"""

import os
import signal
import threading
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from cladescope.embedding.encoder import Encoder
from cladescope.embedding.portions import ComputesApart
from cladescope.embedding.prepare import Made, Whole, too_long
from cladescope.embedding.several import SeveralEncoders
from cladescope.embedding.transform import ImageTransform
from cladescope.errors import EncoderError, PictureError

if TYPE_CHECKING:
    from cladescope.embedding.decoder_process import DecoderProcess, Wanted

DecodeIn = Literal["auto", "threads", "processes"]
"""Where pictures are decoded on the processor."""
AUTO_WORKERS = 32
"""`auto` uses processes where as many pictures or more are decoded at the same time, and the encoder computes on a device of its own:
with fewer, threads keep the cores busy over pictures of a camera's size (by reckoning: docs/benchmarks.md)."""
AUTO_AFTER = 2_000
"""Pictures that `auto` decodes in threads first: fewer are not worth the start of processes."""
TRIES = 3
"""How often a picture is decoded whose process dies, and how often a process is started that is ended while it begins."""
MOST_DEAD = 32
"""Processes that may die one after another, without a picture between them, before a job gives up."""
LAST_SECONDS = 10.0
"""How long the end of a process is waited for that has closed its socket."""

AT_START: Final = "while starting"
HERE: Final = "in threads"
APART: Final = "in processes"


class Decoders:
    """The processes of a job, started when a thread has a picture and none is idle: never more than threads ask at the same time.

    Memory: that of an interpreter with Pillow and numpy (some 100 MB each, half of it shared), and of one picture each.
    """

    def __init__(self, transform: ImageTransform, *, with_tags: bool, seconds: float, is_auto: bool = False) -> None:
        """None is started yet; with `is_auto` none is for the first `AUTO_AFTER` pictures, nor where that fails. A picture may take so many seconds.

        Raises EncoderError where the system has no sockets that a process inherits.
        """
        if os.name != "posix":
            raise EncoderError("pictures are decoded in processes on Linux and macOS only: decode in threads")
        self.counts: Counter[str] = Counter()
        """Pictures decoded `in processes`, and in threads by the reason."""
        self._transform, self._with_tags, self._seconds, self._is_auto = transform, with_tags, seconds, is_auto
        self._lock = threading.Lock()
        self._idle: list[DecoderProcess] = []
        self._busy: set[DecoderProcess] = set()
        self._is_closed = False
        self._most = self._n_started = self._n_hung = self._n_dead_in_a_row = 0
        self._dead: Counter[str] = Counter()
        self._start_seconds = 0.0
        self._why_not: str | None = None

    def __enter__(self) -> "Decoders":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def pids(self) -> list[int]:
        """Numbers of the processes that are there."""
        with self._lock:
            return [process.pid for process in (*self._idle, *self._busy)]

    def take(self) -> bool:
        """Whether the next picture is for a process; it is counted."""
        with self._lock:
            is_here = self._is_auto and (self.counts[HERE] < AUTO_AFTER or self._why_not is not None)
            self.counts[HERE if is_here else APART] += 1
        return not is_here

    def made_of(self, data: bytes) -> Made | None:
        """As `prepare.made_of` makes it of a file; None where it is to be made here, for `auto` could start no process.

        Raises PictureError as that does, for a picture that takes too long, and for one whose process dies `TRIES` times; EncoderError where
        processes cannot be started, or die again and again.
        """
        made = self._asked(data, "made")
        assert isinstance(made, Made | None)
        return made

    def whole_of(self, data: bytes) -> Whole | None:
        """As `prepare.whole_of` makes it of a file. The rest is as in `made_of`."""
        found = self._asked(data, "whole")
        assert not isinstance(found, Made)
        return found

    def close(self) -> None:
        """End all processes. Threads that still wait for one get an EncoderError."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
            busy = list(self._busy)
        for process in idle:
            process.end()
        for process in busy:
            process.kill()  # the thread that asks it lets go of it

    def notes(self) -> tuple[str, ...]:
        """What became of it, in lines."""
        found = (
            []
            if self._why_not is None
            else [f"decoded in threads, for processes could not be started ({self._why_not})"]
        )
        if self._n_started:
            n, here = self.counts[APART], self.counts[HERE]
            before = f", {here:,} before in threads" * bool(here)
            each = f"each began in {self._start_seconds / self._n_started:.1f} s"
            found.append(f"decoded in processes: {n:,} pictures, by at most {self._most} at a time, {each}{before}")
        if self._dead:
            how = ", ".join(f"{status} {n:,}" for status, n in self._dead.items())
            found.append(
                f"processes that decode pictures died: {self._dead.total():,} ({how}); they were replaced, and their pictures decoded anew"
            )
        if self._n_hung:
            found.append(
                f"processes that hung in a picture for {self._seconds:g} seconds were ended and replaced: {self._n_hung:,}"
            )
        return tuple(found)

    def _asked(self, data: bytes, wanted: "Wanted") -> Made | Whole | None:
        died = ""
        for _ in range(TRIES):
            process = self._taken()
            if process is None:
                return None
            try:
                found = process.ask(data, wanted)
            except PictureError:
                self._give_back(process)
                raise
            except TimeoutError:
                self._let_go(process)
                self._n_hung += 1
                raise PictureError(too_long(self._seconds)) from None
            except (EOFError, OSError):
                died = self._noted(process)
            except BaseException:
                self._let_go(process)
                raise
            else:
                self._give_back(process)
                return found
        raise PictureError(f"{TRIES} processes died of it ({died}): open and save it with other software")

    def _taken(self) -> "DecoderProcess | None":
        """An idle process, or a new one; None where none can be started and threads may do it."""
        with self._lock:
            self._check()
            if self._why_not is not None:
                return None
            if self._idle:
                process = self._idle.pop()
                self._busy.add(process)
                return process
        began = time.monotonic()
        try:
            process = self._started()
        except (EOFError, OSError) as error:
            why = str(error) or ("it ends at once" if isinstance(error, EOFError) else "it does not begin")
            if not self._is_auto:
                raise EncoderError(
                    f"a process that decodes pictures cannot be started ({why}): decode in threads"
                ) from error
            with self._lock:
                self._why_not = why
            return None
        with self._lock:
            self._busy.add(process)
            self._n_started += 1
            self._start_seconds += time.monotonic() - began
            self._most = max(self._most, len(self._busy) + len(self._idle))
            is_closed = self._is_closed
        if is_closed:
            self._let_go(process)
            self._check()
        return process

    def _started(self) -> "DecoderProcess":
        """A new process. One that is ended while it begins is counted and replaced, `TRIES` times in all; raises as `DecoderProcess` does."""
        from cladescope.embedding.decoder_process import DecoderProcess

        start = partial(DecoderProcess, self._transform, with_tags=self._with_tags, seconds=self._seconds)
        for n_ended in range(TRIES):
            try:
                process = start()
            except (EOFError, ConnectionError) as error:
                ended = error
                continue
            with self._lock:
                self._dead += Counter({AT_START: n_ended})
            return process
        raise ended

    def _check(self) -> None:
        if self._is_closed:
            raise EncoderError("the job has ended: its pictures are decoded no more")

    def _give_back(self, process: "DecoderProcess") -> None:
        """A process that is idle now; after the end nobody needs it."""
        with self._lock:
            self._n_dead_in_a_row = 0
            if not self._is_closed:
                self._busy.discard(process)
                self._idle.append(process)
                return
        self._let_go(process)

    def _let_go(self, process: "DecoderProcess", *, wait: float = 0.0) -> int:
        with self._lock:
            self._busy.discard(process)
        return process.end(wait=wait)

    def _noted(self, process: "DecoderProcess") -> str:
        """Note a process that died, and what of. Raises EncoderError where too many have."""
        status = self._let_go(process, wait=LAST_SECONDS)
        how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        with self._lock:
            if self._is_closed:
                return how
            self._dead[how] += 1
            self._n_dead_in_a_row += 1
            n = self._n_dead_in_a_row
        if n > MOST_DEAD:
            raise EncoderError(
                f"{n} processes that decode pictures died one after another, the last of {how}: see to the memory, or decode in threads; "
                "what is stored stays"
            )
        return how


def decoders_for(
    encoder: Encoder, decode_in: DecodeIn, *, workers: int, with_tags: bool, seconds: float
) -> Decoders | None:
    """The processes that decode for an encoder; None where threads do.

    `auto` uses them from `AUTO_WORKERS` pictures at a time on, where the encoder computes on a device of its own, and after `AUTO_AFTER` pictures.
    On a processor decoding and encoding share the cores, so that one interpreter is not the limit.

    Raises EncoderError where processes are wanted and the system cannot have them.

    >>> from cladescope.embedding.encoders.pixels import Pixels
    >>> decoders_for(Pixels(), "auto", workers=64, with_tags=False, seconds=120.0) is None
    True
    """
    is_auto = decode_in == "auto"
    if decode_in == "threads" or (
        is_auto and not (os.name == "posix" and workers >= AUTO_WORKERS and _is_apart(encoder))
    ):
        return None
    return Decoders(encoder.transform, with_tags=with_tags, seconds=seconds, is_auto=is_auto)


def _is_apart(encoder: Encoder) -> bool:
    """Whether an encoder, or one of several, computes on a device of its own."""
    some = encoder.encoders if isinstance(encoder, SeveralEncoders) else (encoder,)
    return any(isinstance(one, ComputesApart) and one.computes_apart for one in some)
