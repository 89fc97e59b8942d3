"""Which ids and contents a store already has, in 16 bytes a row, so that a job of any size can skip finished work."""

import hashlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from jaxtyping import UInt64

MERGE_AT = 1 << 16


def hash64(text: str) -> int:
    """A 64-bit fingerprint of a text, the same in every process.

    >>> hash64("tit") == hash64("tit") != hash64("tot")
    True
    """
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


class HashMap:
    """A map from 64-bit keys to 64-bit values: sorted arrays, with a small dict in front for what came last.

    Memory: 16 bytes an entry, and some 100 more for each of the last 65,536.

    >>> seen = HashMap(); seen[5] = 7
    >>> seen.get(5), seen.get(6), len(seen)
    (7, None, 1)
    """

    def __init__(self) -> None:
        self._keys: UInt64[np.ndarray, " n"] = np.empty(0, np.uint64)
        self._values: UInt64[np.ndarray, " n"] = np.empty(0, np.uint64)
        self._recent: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._keys) + len(self._recent)

    def get(self, key: int) -> int | None:
        """The value of a key, or None."""
        if key in self._recent:
            return self._recent[key]
        place = int(np.searchsorted(self._keys, np.uint64(key)))
        if place < len(self._keys) and int(self._keys[place]) == key:
            return int(self._values[place])
        return None

    def __contains__(self, key: int) -> bool:
        return self.get(key) is not None

    def __setitem__(self, key: int, value: int) -> None:
        assert key not in self, "entries are set once"
        self._recent[key] = value
        if len(self._recent) >= MERGE_AT:
            self._merge()

    def update(self, entries: Iterable[tuple[int, int]]) -> None:
        """Set many entries; where a key comes again its first value stands."""
        for key, value in entries:
            if key not in self:
                self[key] = value

    def _merge(self) -> None:
        n = len(self._recent)
        keys = np.concatenate([self._keys, np.fromiter(self._recent.keys(), np.uint64, n)])
        values = np.concatenate([self._values, np.fromiter(self._recent.values(), np.uint64, n)])
        order = np.argsort(keys, kind="stable")
        self._keys, self._values = keys[order], values[order]
        self._recent = {}


class KnownPictures:
    """Which pictures are stored, and which ids a job has met, so that no id is used twice.

    >>> known = KnownPictures([])
    >>> known.refuse("a", "/a.jpg", 1), known.refuse("a", "/b.jpg", 2)
    (None, "image_id 'a' of record 2 came before, for another picture: ids must be unique")
    """

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        """`batches` hold the columns `image_id` and `uri` of stored rows."""
        self._stored, self._met = HashMap(), HashMap()
        for batch in batches:
            ids, uris = (batch.column(name).to_pylist() for name in ("image_id", "uri"))
            self._stored.update((hash64(id_), hash64(uri)) for id_, uri in zip(ids, uris, strict=True))

    def refuse(self, image_id: str, uri: str, number: int) -> str | None:
        """Why record `number` cannot have its id, or None where it can; it has then been met."""
        key, own = hash64(image_id), hash64(uri)
        earlier = self._met.get(key)
        if earlier is not None:
            whose = "the same picture" if earlier == own else "another picture"
            return f"image_id {image_id!r} of record {number} came before, for {whose}: ids must be unique"
        self._met[key] = own
        if self._stored.get(key) not in (None, own):
            return f"image_id {image_id!r} is stored for another picture: ids must be unique"
        return None

    def is_stored(self, image_id: str) -> bool:
        """Whether a picture of this id was stored before the job began."""
        return hash64(image_id) in self._stored
