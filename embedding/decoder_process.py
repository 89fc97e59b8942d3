"""One process that decodes pictures for a job: bytes go to it through a socket, pixels come back.

A socket took no more time than shared memory, leaves nothing behind in /dev/shm and does not fail where that is small; both sides
copy outside of the interpreter's lock. The process is a fresh interpreter, never a fork of the job with its threads. It decodes one
picture after another until the job closes the socket, and ends with the job, however that ends.
"""

import contextlib
import fcntl
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
from typing import Final, Literal

import numpy as np
from PIL import Image

from cladescope.embedding.decode import Picture
from cladescope.embedding.prepare import Made, Whole, made_of, unexpected, whole_of
from cladescope.embedding.transform import ImageTransform
from cladescope.errors import PictureError

START_SECONDS = 120.0
"""How long a process may take to begin; on an idle machine it is a second."""
Wanted = Literal["made", "whole"]

_SIZE: Final = struct.Struct("<Q")
_ASKED: Final = struct.Struct("<?Q")
"""Whether the whole picture is wanted, and the bytes of its file, which follow."""
_ANSWERED: Final = struct.Struct("<IQ")
"""Bytes of a pickle, and of pixels; both follow."""
_TIMEOUT: Final = struct.Struct("ll")
"""A `timeval` of the system."""
_HELLO: Final = b"ready"


class DecoderProcess:
    """A process that decodes pictures for one transform; one thread at a time may ask it."""

    def __init__(self, transform: ImageTransform, *, with_tags: bool, seconds: float) -> None:
        """Starts it, and waits until it is ready. A picture may take so many seconds.

        Raises OSError where it cannot be started, EOFError where it ends at once, TimeoutError where it is not ready in `START_SECONDS`.
        """
        own, its = socket.socketpair()
        end, alive = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _program(its.fileno(), end)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                pass_fds=[its.fileno(), end], start_new_session=True, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
            )  # fmt: skip
        except BaseException:
            own.close()
            os.close(alive)
            raise
        finally:
            its.close()
            os.close(end)
        self._socket, self._alive = own, alive
        try:
            self._patience(START_SECONDS)
            told = pickle.dumps((transform, with_tags))
            _send(own, _SIZE.pack(len(told)), told)
            _receive(own, len(_HELLO))
            self._patience(seconds)
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def ask(self, data: bytes, wanted: Wanted) -> Made | Whole:
        """What `made_of` or `whole_of` makes of a file.

        Raises PictureError as they do, TimeoutError where it takes too long, EOFError or OSError where the process has ended. After the last three it is of no use.
        """
        _send(self._socket, _ASKED.pack(wanted == "whole", len(data)), data)
        n_pickle, n_pixels = _ANSWERED.unpack(_receive(self._socket, _ANSWERED.size))
        problem, shape, values = pickle.loads(_receive(self._socket, n_pickle))
        if problem is not None:
            raise PictureError(problem)
        pixels = np.empty(shape, np.uint8)
        assert pixels.nbytes == n_pixels, "as many pixels as it says"
        _receive_into(self._socket, pixels.data.cast("B"))
        if wanted == "made":
            return Made(pixels, *values)
        hashed, width, height, tags = values
        image = Image.frombuffer("RGB", (shape[1], shape[0]), pixels, "raw", "RGB", 0, 1)
        return hashed, Picture(image, width, height), tags

    def kill(self) -> int:
        """End it at once; whoever waits for its answer is told. Its exit status, negative for a signal, is its own where it had ended."""
        self._process.kill()
        return self._process.wait()

    def end(self, *, wait: float = 0.0) -> int:
        """End it, if it has not ended after so many seconds, and let go of it; its exit status as `kill` has it."""
        try:
            status = self._process.wait(wait)
        except subprocess.TimeoutExpired:
            status = self.kill()
        self._socket.close()
        with contextlib.suppress(OSError):
            os.close(self._alive)
        return status

    def _patience(self, seconds: float) -> None:
        """How long the socket waits. The system's own limits leave it blocking, so that a call moves all there is."""
        limit = _TIMEOUT.pack(int(seconds), int(seconds % 1 * 1e6))
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._socket.setsockopt(socket.SOL_SOCKET, option, limit)


def _program(fd: int, end: int) -> str:
    """What the interpreter runs: with the job's own path, not with the folder that it is called in."""
    return f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import main; main({fd}, {end})"


def main(fd: int, end: int) -> None:
    """Decode what comes through the socket `fd`, until its other side is closed; `end` is a pipe that is closed when the job has ended."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the job is told, and says when it needs no more
    # Where the job ends in whatever way, the system ends this process, also in the midst of a decoder that never returns.
    fcntl.fcntl(end, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(end, fcntl.F_SETFL, fcntl.fcntl(end, fcntl.F_GETFL) | os.O_ASYNC)
    asked = socket.socket(
        fileno=os.dup(fd)
    )  # the other stays open, so that the job sees it closed when this process has really ended
    with contextlib.suppress(EOFError, ConnectionError):
        transform, with_tags = pickle.loads(_receive(asked, *_SIZE.unpack(_receive(asked, _SIZE.size))))
        asked.sendall(_HELLO)
        while True:
            whole, n = _ASKED.unpack(_receive(asked, _ASKED.size))
            data = _receive(asked, n)
            problem, pixels, values = _answer(data, transform, whole=whole, with_tags=with_tags)
            told = pickle.dumps((problem, pixels.shape, values))
            _send(asked, _ANSWERED.pack(len(told), pixels.nbytes), told, pixels.data.cast("B"))
            del data, pixels


def _answer(
    data: bytes, transform: ImageTransform, *, whole: bool, with_tags: bool
) -> tuple[str | None, np.ndarray, tuple[object, ...]]:
    """What is wrong with a picture, if anything is; its pixels, and what else is made of it."""
    try:
        if whole:
            hashed, picture, tags = whole_of(data, with_tags=with_tags)
            return None, np.asarray(picture.image), (hashed, picture.width, picture.height, tags)
        made = made_of(data, transform, with_tags=with_tags)
        return None, np.ascontiguousarray(made.pixels), (made.content_hash, made.width, made.height, made.tags)
    except PictureError as error:
        return str(error), np.empty(0, np.uint8), ()
    except Exception as error:  # noqa: BLE001 - whatever a decoder raises, it is one picture's affair
        return unexpected(error), np.empty(0, np.uint8), ()


def _send(to: socket.socket, *parts: bytes | memoryview) -> None:
    try:
        for part in parts:
            to.sendall(part)
    except BlockingIOError:
        raise TimeoutError from None


def _receive(of: socket.socket, n: int) -> bytes:
    """So many bytes. Raises EOFError where the other side was closed, TimeoutError where they do not come."""
    found: list[bytes] = []
    while n:
        try:
            found.append(of.recv(n, socket.MSG_WAITALL))
        except BlockingIOError:
            raise TimeoutError from None
        if not found[-1]:
            raise EOFError
        n -= len(found[-1])
    return found[0] if len(found) == 1 else b"".join(found)


def _receive_into(of: socket.socket, room: memoryview) -> None:
    """As many bytes as there is room for; raises as `_receive` does."""
    while room:
        try:
            n = of.recv_into(room, len(room), socket.MSG_WAITALL)
        except BlockingIOError:
            raise TimeoutError from None
        if not n:
            raise EOFError
        room = room[n:]
