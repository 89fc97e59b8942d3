"""What encoders computed by torch share: batches in parts on a CPU, begun ahead of time on a GPU."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from cladescope.embedding.encoder import Encoder, EncoderCard
from cladescope.embedding.encoders.parts import LARGEST_PART, SHARE, SideBySide, in_parts
from cladescope.embedding.encoders.weights import Normaliser, memory_errors, unit_vectors_of
from cladescope.embedding.ways import Compute, Way, ways_of
from cladescope.processor import n_cores


class TorchEncoder(Encoder):
    """A model whose picture side is `features`, computed in inference mode."""

    def __init__(self, card: EncoderCard, normaliser: Normaliser, *, part: int = LARGEST_PART) -> None:
        """`part` pictures are computed at a time on a CPU."""
        self.card, self.part = card, part
        self._normaliser = normaliser

    @abstractmethod
    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Vectors of normalised pictures, of any length."""

    @property
    def _can_compile(self) -> bool:  # type: ignore[override]
        return self.computes_apart

    @property
    def normaliser(self) -> Normaliser:
        """What makes the model's input of pixels."""
        return self._normaliser

    @property
    def computes_apart(self) -> bool:
        """Whether it computes on a GPU."""
        return self._normaliser.device.type != "cpu"

    def encode_pixels(self, batch: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"]:
        """Vectors of the picture side; unit length."""
        if self.computes_apart:
            return self.begin_pixels(batch)()
        return in_parts(self._part, batch, self.part)

    @property
    def default_way(self) -> Way:
        """Parts that all threads of torch share."""
        return Way(part=self.part, side_by_side=1, threads=torch.get_num_threads())

    @property
    def other_ways(self) -> tuple[Way, ...]:
        """Smaller parts, and threads that each compute their own; no more threads than torch has, which may be fewer than cores."""
        cores = min(n_cores(), torch.get_num_threads())
        found = ways_of(part=self.part, share=SHARE, cores=cores)
        return tuple(way for way in found if way != self.default_way)

    @property
    def engine(self) -> Mapping[str, str]:
        """Torch."""
        return {"torch": torch.__version__, "threads": str(torch.get_num_threads())}

    def in_way(self, way: Way) -> Compute:
        """What computes vectors of unit length in a way."""
        if way.side_by_side == 1:
            return lambda batch: in_parts(self._part, batch, way.part)
        parts = SideBySide(
            self._part, size=way.part, n_threads=way.side_by_side, begin=lambda: torch.set_num_threads(way.threads)
        )

        def compute(batch: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"]:
            with _threads(way.threads):
                return parts(batch)

        return compute

    def _part(self, part: UInt8[np.ndarray, "p h w 3"]) -> Float32[np.ndarray, "p d"]:
        return self.begin_pixels(part)()

    @torch.inference_mode()
    def begin_pixels(self, batch: UInt8[np.ndarray, "b h w 3"]) -> Callable[[], Float32[np.ndarray, "b d"]]:
        """Send a batch to the device; what comes back waits for its vectors."""
        with memory_errors(len(batch)):
            return unit_vectors_of(self.features(self._normaliser(batch)))


@contextmanager
def _threads(n: int) -> Iterator[None]:
    """So many threads an operation of torch's; partly that is the whole process's, so that it is put back behind each batch."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
