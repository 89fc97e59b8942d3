"""Batches in portions that an encoder's device has memory for: halved where it has not, and nothing is lost."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

from cladescope.errors import CladescopeError, DeviceFullError, EncoderError

logger = logging.getLogger(__name__)

_SAID: Final = ("out of memory", "can't allocate memory", "failed to allocate memory", "bad allocation", "bad_alloc")
"""What torch, ONNX Runtime and OpenVINO say, in errors of many kinds, where memory is short."""


@runtime_checkable
class _Encoding(Protocol):
    def encode_pixels(self, batch: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"]: ...


@runtime_checkable
class ComputesApart(Protocol):
    """An encoder that may compute on a device of its own, while the processor does something else."""

    @property
    def computes_apart(self) -> bool:
        """Whether it does."""

    def begin_pixels(self, batch: UInt8[np.ndarray, "b h w 3"]) -> Callable[[], Float32[np.ndarray, "b d"]]:
        """Begin with a batch; what comes back waits for its vectors."""


class Portions:
    """Passes batches to an encoder, and remembers how many pictures at a time its device has memory for.

    >>> from cladescope.embedding.encoder import Encoder
    >>> portions = Portions(Encoder.load("pixels"))
    >>> portions.encode(np.zeros((5, 128, 128, 3), np.uint8)).shape, portions.most
    ((5, 960), None)
    """

    def __init__(self, encoder: _Encoding) -> None:
        """No batch was too large yet."""
        self.most: int | None = None
        """Pictures at a time, once a batch was too large."""
        self._encoder = encoder
        self.computes_apart = isinstance(encoder, ComputesApart) and encoder.computes_apart
        """Whether another batch can be made ready while one is computed."""

    def begin(self, pixels: UInt8[np.ndarray, "b h w 3"]) -> Callable[[], Float32[np.ndarray, "b d"]]:
        """Begin with a batch; what comes back waits for its vectors. On the processor itself they are computed now."""
        if self.most is None and self.computes_apart and isinstance(self._encoder, ComputesApart):
            try:
                waiting = self._encoder.begin_pixels(pixels)
            except Exception as error:
                if not is_memory_error(error):
                    raise
            else:
                return partial(self._end, waiting, pixels)
        vectors = self.encode(pixels)
        return lambda: vectors

    def _end(
        self, waiting: Callable[[], Float32[np.ndarray, "b d"]], pixels: UInt8[np.ndarray, "b h w 3"]
    ) -> Float32[np.ndarray, "b d"]:
        """The vectors of a batch that was begun; where memory was short in the midst of it, it is done anew."""
        try:
            return waiting()
        except Exception as error:
            if not is_memory_error(error):
                raise
        return self.encode(pixels)

    def encode(self, pixels: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"]:
        """The vectors of a batch. Raises EncoderError where not even one picture fits."""
        found: list[Float32[np.ndarray, "p d"]] = []
        start = 0
        while start < len(pixels):
            n = min(self.most or len(pixels), len(pixels) - start)
            if (vectors := self._tried(pixels[start : start + n])) is not None:
                found.append(vectors)
                start += n
            elif n == 1:
                raise EncoderError(
                    "the device is out of memory with a single picture: free its memory, or use the device cpu; what is stored stays"
                )
            else:
                self.most = n // 2
                logger.warning("the device is out of memory with %d pictures a batch: it gets %d", n, self.most)
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _tried(self, pixels: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"] | None:
        """The vectors, or None where memory is short; what the attempt held is free then."""
        try:
            return self._encoder.encode_pixels(pixels)
        except Exception as error:
            if not is_memory_error(error):
                raise
        return None


def is_memory_error(error: BaseException) -> bool:
    """Whether an error says that memory is short, whatever library raised it.

    >>> is_memory_error(RuntimeError("DefaultCPUAllocator: can't allocate memory")), is_memory_error(ValueError("memory"))
    (True, False)
    """
    if isinstance(error, CladescopeError):
        return isinstance(error, DeviceFullError)
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(said in text for said in _SAID)
