"""Several encoders as one: a picture is read and decoded once, and each encoder sees what its own transform makes of it.

To the encode loop that is one encoder, whose vector is the vectors of all, one behind the other; `dims` says where each ends, so that each is
made of unit length.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from cladescope.arrays import has_direction
from cladescope.embedding.encoder import Encoder, EncoderCard
from cladescope.embedding.transform import ImageTransform


@dataclass(frozen=True, slots=True, kw_only=True)
class SeveralTransforms(ImageTransform):
    """The transforms of several encoders; `size` is that of a square with as many pixels as all make."""

    parts: tuple[ImageTransform, ...]

    @classmethod
    def of(cls, parts: Sequence[ImageTransform]) -> "SeveralTransforms":
        """Transforms of which there is at least one."""
        side = isqrt(sum(part.size**2 for part in parts) - 1) + 1
        return cls(size=side, mean=parts[0].mean, std=parts[0].std, parts=tuple(parts))

    @property
    def min_side(self) -> int:
        """As large as the largest wants it."""
        return max(part.min_side for part in self.parts)

    def apply(
        self, image: Image.Image, box: tuple[float, float, float, float] | None = None
    ) -> UInt8[np.ndarray, "1 w 3"]:
        """What each transform makes of a picture, all pixels in one row, one behind the other."""
        return np.concatenate([part.apply(image, box).reshape(1, -1, 3) for part in self.parts], axis=1)

    def split(self, batch: UInt8[np.ndarray, "b 1 w 3"]) -> list[UInt8[np.ndarray, "b _ _ 3"]]:
        """The pictures that each encoder sees."""
        found, start = [], 0
        for part in self.parts:
            stop = start + part.size**2
            found.append(np.ascontiguousarray(batch[:, 0, start:stop]).reshape(len(batch), part.size, part.size, 3))
            start = stop
        return found


class SeveralEncoders(Encoder):
    """Encoders that see each picture together. Memory: that of all of them."""

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        """At least one."""
        self.encoders = tuple(encoders)
        self.dims = tuple(encoder.dim for encoder in encoders)
        """Lengths of their vectors, in the order in which they stand in a vector of all."""
        self.card = EncoderCard(
            name=" + ".join(encoder.card.name for encoder in encoders),
            dim=sum(self.dims),
            weight_hash=None,
            transform=SeveralTransforms.of([encoder.transform for encoder in encoders]),
            has_text=False,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of all encoders."""
        return tuple(note for encoder in self.encoders for note in encoder.notes)

    @property
    def ways(self) -> list[dict[str, object]]:
        """Those of all encoders."""
        return [way for encoder in self.encoders for way in encoder.ways]

    def encode_pixels(self, batch: UInt8[np.ndarray, "b 1 w 3"]) -> Float32[np.ndarray, "b d"]:
        """Vectors of all encoders, one behind the other; where one has no direction, none is a number.

        >>> from cladescope.embedding.encoders.pixels import Pixels
        >>> both = SeveralEncoders([Pixels(), Pixels()])
        >>> both.encode_pixels(both.transform.apply(Image.new("RGB", (64, 48), "teal"))[None]).shape
        (1, 1920)
        """
        assert isinstance(self.transform, SeveralTransforms)
        parts = zip(self.encoders, self.transform.split(batch), strict=True)
        made = [encoder.encode_pixels(pixels) for encoder, pixels in parts]
        vectors = np.concatenate(made, axis=1)
        vectors[~np.logical_and.reduce([has_direction(part) for part in made])] = np.nan
        return vectors
