"""What encoders computed by torch share: batches in parts on a CPU, begun ahead of time on a GPU."""

from abc import abstractmethod
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from cladescope.embedding.encoder import Encoder, EncoderCard
from cladescope.embedding.encoders.parts import LARGEST_PART, in_parts
from cladescope.embedding.encoders.weights import Normaliser, memory_errors, unit_vectors_of


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
        return in_parts(lambda part: self.begin_pixels(part)(), batch, self.part)

    @torch.inference_mode()
    def begin_pixels(self, batch: UInt8[np.ndarray, "b h w 3"]) -> Callable[[], Float32[np.ndarray, "b d"]]:
        """Send a batch to the device; what comes back waits for its vectors."""
        with memory_errors(len(batch)):
            return unit_vectors_of(self.features(self._normaliser(batch)))
