"""Which pictures a job need not do again: those of the store, and ids that the job itself has met.

Ids are sought by bisection in sorted 64-bit fingerprints (`SortedRows`), a chunk of records at a time; no row becomes a Python
object. Measured over 20 million stored rows by benchmarks/start.py; see docs/pipeline.md.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int, UInt8, UInt64

from cladescope.embedding.sorted_rows import SortedRows, half, hashed

STORED, MET, LISTED, GONE, SEEN, STAMPED = (1 << bit for bit in range(6))
"""What is known of a picture, as bits: stored before the job; met by it; listed by its source before (`Origins`), and then gone from it; seen in
it now; its file's time is known."""


_ALIKE = "image_id {!r} has the fingerprint of another that is stored: rename the file, or give it another id"


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of some records."""

    is_stored: Bool[np.ndarray, " n"]
    """Stored before the job began, and not refused."""
    refused: Mapping[int, str]
    """Why a record cannot have its id, by its place among those asked for."""
    elsewhere: frozenset[int] = frozenset()
    """Those of `refused` whose id is stored for another address."""

    @property
    def is_new(self) -> Bool[np.ndarray, " n"]:
        """Neither stored nor refused."""
        new = ~self.is_stored
        new[list(self.refused)] = False
        return new


class KnownPictures:
    """Which pictures are stored, and which ids a job has met, so that no id is used twice.

    Memory: 21 bytes a stored row, and as many a record that was not stored. Fingerprints of ids are of 64 bits: among 20 million
    ids the chance that two are taken for one is 1 in 100,000. The later of the two is refused then, and nothing else is touched. Those of
    addresses, which are compared where ids are equal, are of 32.

    >>> known = KnownPictures([pa.record_batch({"image_id": ["a"], "uri": ["/a.jpg"]})])
    >>> found = known.check(pa.array(["a", "b", "b"]), pa.array(["/a.jpg", "/b.jpg", "/c.jpg"]), np.array([1, 2, 3]))
    >>> found.is_stored.tolist(), found.refused
    ([True, False, False], {2: "image_id 'b' of record 3 came before, for another picture: ids must be unique"})
    """

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        """`batches` hold the columns `image_id` and `uri` of stored rows."""
        self.rows = SortedRows(
            {"uri": np.uint32, "stamp": np.uint32, "said": np.uint32, "known": np.uint8},
            (
                (
                    hashed(batch.column("image_id")),
                    {"uri": half(hashed(batch.column("uri"))), "known": np.full(batch.num_rows, STORED, np.uint8)},
                )
                for batch in batches
            ),
        )
        """A row a picture: the fingerprint of its address, and what `Origins` notes."""
        self._met_elsewhere = SortedRows({"uri": np.uint32})

    def check(
        self,
        image_ids: pa.Array,
        uris: pa.Array,
        numbers: Int[np.ndarray, " n"],
        *,
        stored: Callable[[Sequence[str]], Collection[str]] | None = None,
    ) -> Checked:
        """What is known of records with these ids and addresses, in the source's order; they have then been met.

        `numbers` are their places in the source, for messages. `stored` tells which of some ids are stored, word for word: it is
        asked of those whose address is another. Peak memory: some 200 bytes a record.
        """
        keys, uri = hashed(image_ids), half(hashed(uris))
        _, firsts, groups = np.unique(keys, return_index=True, return_inverse=True)
        first = firsts[groups]
        places = self.rows.find(keys)
        there, known = places >= 0, self.known_of(places)
        is_stored, is_met = (known & STORED) > 0, (known & MET) > 0
        uri_there = uri.copy()
        uri_there[there] = self.rows.take("uri", places[there])
        before = np.where(is_met, self._met_uri(keys, uri_there), uri[first])
        again = is_met | (np.arange(len(keys)) != first)
        taken = is_stored & (uri != uri_there) & ~again
        alike = _alike(image_ids, taken, stored)
        taken &= ~alike
        self._meet(keys, uri, places, ~(again | alike), taken, is_stored)
        refused = {row: _ALIKE.format(image_ids[row].as_py()) for row in np.flatnonzero(alike).tolist()}
        for row in np.flatnonzero(again | taken).tolist():
            image_id = image_ids[row].as_py()
            if again[row]:
                whose = "the same picture" if uri[row] == before[row] else "another picture"
                why = f"of record {numbers[row]} came before, for {whose}"
            else:
                why = "is stored for another picture"
            refused[row] = f"image_id {image_id!r} {why}: ids must be unique"
        return Checked(is_stored & ~(again | taken | alike), refused, frozenset(np.flatnonzero(taken).tolist()))

    def known_of(self, places: Int[np.ndarray, " n"]) -> UInt8[np.ndarray, " n"]:
        """What is known of the pictures at places of `rows`, as bits; 0 where the place is -1."""
        known, there = np.zeros(len(places), np.uint8), places >= 0
        known[there] = self.rows.take("known", places[there])
        return known

    def note(self, places: Int[np.ndarray, " n"], bits: int) -> None:
        """Note more of the pictures at places of `rows`."""
        self.rows.put("known", places, self.rows.take("known", places) | np.uint8(bits))

    def _met_uri(self, keys: UInt64[np.ndarray, " n"], otherwise: np.ndarray) -> np.ndarray:
        """Fingerprints of the addresses with which ids were met, where that is not the one that is stored."""
        places, found = self._met_elsewhere.find(keys), otherwise.copy()
        found[places >= 0] = self._met_elsewhere.take("uri", places[places >= 0])
        return found

    def _meet(
        self,
        keys: UInt64[np.ndarray, " n"],
        uri: np.ndarray,
        places: Int[np.ndarray, " n"],
        is_first: Bool[np.ndarray, " n"],
        taken: Bool[np.ndarray, " n"],
        is_stored: Bool[np.ndarray, " n"],
    ) -> None:
        there = is_first & (places >= 0)
        self.note(places[there], MET)
        self.rows.put("uri", places[there & ~is_stored], uri[there & ~is_stored])
        self._met_elsewhere.add(keys[taken], uri=uri[taken])
        new = is_first & (places < 0)
        self.rows.add(keys[new], uri=uri[new], known=np.full(int(new.sum()), MET, np.uint8))


def _alike(
    image_ids: pa.Array, asked: Bool[np.ndarray, " n"], stored: Callable[[Sequence[str]], Collection[str]] | None
) -> Bool[np.ndarray, " n"]:
    """Which of some ids that seem to be stored are not, but have the fingerprint of one that is."""
    alike = np.zeros(len(asked), np.bool_)
    if stored is not None and asked.any():
        ids = image_ids.filter(pa.array(asked)).to_pylist()
        there = set(stored(ids))
        alike[asked] = [one not in there for one in ids]
    return alike
