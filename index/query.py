"""A picture to search with, read apart from being encoded: a wrong path is told before an encoder is loaded."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from cladescope.embedding.encoder import Encoder
from cladescope.embedding.locations import read_bytes
from cladescope.errors import PictureError


@dataclass(frozen=True, slots=True)
class QueryPicture:
    """A picture's content, and where it came from."""

    content: bytes | Image.Image
    place: str | None
    """Path or URI; None for a picture that was given as such."""

    @classmethod
    def read(cls, image: str | Path | bytes | Image.Image) -> "QueryPicture":
        """The picture at a path or URI, or one that is there already.

        Raises PictureError, naming it, where it cannot be read.
        """
        if not isinstance(image, str | Path):
            return cls(image, None)
        with _named(str(image)):
            return cls(read_bytes(str(image)), str(image))

    def encode(self, encoder: Encoder) -> Float[np.ndarray, " d"]:
        """The picture's vector, of unit length. Raises PictureError, naming it, where it cannot be decoded."""
        with _named(self.place):
            unit: Float[np.ndarray, " d"] = encoder.encode_images([self.content])[0]
        return unit


@contextmanager
def _named(place: str | None) -> Iterator[None]:
    try:
        yield
    except PictureError as error:
        name = f" {place}" if place is not None else ""
        raise PictureError(f"the query picture{name} cannot be used: {error}") from error
