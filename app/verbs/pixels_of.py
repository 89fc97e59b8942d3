"""Pictures of a store or a folder, drawn at random, as an encoder sees them."""

import hashlib
from collections.abc import Iterator
from typing import cast

import numpy as np
from jaxtyping import Float32, UInt8

from cladescope.app.verbs.given import AnyStore, is_store, opened
from cladescope.app.verbs.meant import opened_places, records_of
from cladescope.embedding.encode import encoded
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.given import AnyPicture
from cladescope.embedding.records import Record
from cladescope.embedding.transform import ImageTransform
from cladescope.errors import InputError
from cladescope.shown import counted
from cladescope.steps import step

MOST = 640
"""Pictures that are read, at most."""


def pixels_of(place: AnyStore, encoder: Encoder, *, seed: int) -> tuple[UInt8[np.ndarray, "n h w 3"], tuple[str, ...]]:
    """Pictures of a place as the encoder's transform gives them, of copies one; and a sentence on those that could not be read.

    Memory: 3 size^2 bytes for each of `MOST`. Raises InputError for a place that is not there or has no picture that can be read,
    StoreError as `Store.open`.
    """
    failures: list[str] = []
    folder = cast(AnyPicture, place)
    records = list(_stored(place) if is_store(place) else records_of(opened_places([folder], ()), failures))
    order = np.random.default_rng(seed).permutation(len(records))
    seen = _Seen(encoder)
    with step("reading pictures for int8", total=min(MOST, len(records))) as tell:
        done = 0
        for batch in encoded((records[row] for row in order[:MOST]), seen):
            failures += [f"{failure.record.uri}: {failure.reason}" for failure in batch.failures]
            tell(done := done + len(batch.records) + len(batch.failures))
    if not seen.pictures:
        raise InputError(f"{place} has no picture that can be read: give others to calibrate on")
    told = [f"{counted(len(failures), 'picture')} could not be read, such as {failures[0]}"] if failures else []
    return np.stack(list(seen.pictures.values())), tuple(told)


class _Seen:
    """An encoder that keeps the pictures it is given."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.pictures: dict[bytes, UInt8[np.ndarray, "h w 3"]] = {}
        """By a hash of their pixels."""

    @property
    def dim(self) -> int:
        """That of the encoder."""
        return self._encoder.dim

    @property
    def transform(self) -> ImageTransform:
        """That of the encoder."""
        return self._encoder.transform

    def encode_pixels(self, batch: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"]:
        """Nothing of use: any vector of unit length."""
        for one in batch:
            self.pictures.setdefault(hashlib.blake2b(one.tobytes(), digest_size=16).digest(), one.copy())
        vectors = np.zeros((len(batch), self.dim), np.float32)
        vectors[:, 0] = 1.0
        return vectors


def _stored(place: AnyStore) -> Iterator[Record]:
    for batch in opened(place).scan(["image_id", "uri", "source"]):
        for row in batch.to_pylist():
            yield Record(image_id=row["image_id"], uri=row["uri"], source=row["source"])
