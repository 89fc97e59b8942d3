"""Which pictures a job need not do again: those of the store, and ids that the job itself has met.

Ids are sought by bisection in sorted 64-bit fingerprints (`SortedRows`), a chunk of records at a time; no row becomes a Python
object. What is found so is believed only once the ids themselves were compared. Measured over 20 million stored rows by
benchmarks/start.py; see docs/pipeline.md.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int, UInt8, UInt32, UInt64

from cladescope.embedding.sorted_rows import UNKNOWN_ROW, SortedRows, half, hashed, salted

STORED, MET, LISTED, GONE, SEEN, STAMPED = (1 << bit for bit in range(6))
"""What is known of a picture, as bits: stored before the job; met by it; listed by its source before (`Origins`), and then gone from it; seen in
it now; its file's time is known."""
_LAST_KEY = (1 << 64) - 1


@runtime_checkable
class PictureStore(Protocol):
    """What `KnownPictures` asks of a store."""

    def stored_ids(self) -> Iterator[pa.RecordBatch]:
        """`image_id` and `_rowid` of every stored picture, in the same order whenever it is asked."""

    def ids_at(self, row_ids: Sequence[int]) -> pa.Table:
        """`_rowid`, `image_id` and `uri` of those of some rows that are there."""

    def rows_by_id(self, image_ids: Sequence[str], columns: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Some columns of some pictures."""

    def origins(
        self, columns: Sequence[str], *, address: str | None = None, image_ids: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """What sources listed."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of some records."""

    is_stored: Bool[np.ndarray, " n"]
    """Stored before the job began, and not refused."""
    refused: Mapping[int, str]
    """Why a record cannot have its id, by its place among those asked for."""
    elsewhere: frozenset[int] = frozenset()
    """Those of `refused` whose id is stored for another address."""
    apart: tuple[str, ...] = ()
    """Ids that were found to have the fingerprint of another."""

    @property
    def is_new(self) -> Bool[np.ndarray, " n"]:
        """Neither stored nor refused."""
        new = ~self.is_stored
        new[list(self.refused)] = False
        return new


class KnownPictures:
    """Which pictures are stored, and which ids a job has met, so that no id is used twice.

    A row of `rows` is of one id. Its key is the id's fingerprint, of 64 bits; among 20 million ids the chance that two have the same is 1 in
    100,000, and the later of them gets a key of its own. So an id whose fingerprint is found is compared with the one that the row is of, as the
    store has it, before it is taken for that.

    Memory: 21 bytes a stored row, and as many a record that was not stored; and the ids of those records that are not stored yet, or failed.

    >>> from cladescope.index.store import Store
    >>> known = KnownPictures(Store.open("photos.store"))  # doctest: +SKIP
    >>> found = known.check(pa.array(["b", "b"]), pa.array(["/b.jpg", "/c.jpg"]), np.array([2, 3]))  # doctest: +SKIP
    >>> found.is_stored.tolist(), found.refused  # doctest: +SKIP
    ([False, False], {1: "image_id 'b' of record 3 came before, for another picture: ids must be unique"})
    """

    def __init__(self, store: PictureStore) -> None:
        """Reads which pictures are stored."""
        self._store = store
        self._own: dict[str, int] = {}
        """Ids that have a key of their own, which is not their fingerprint."""
        self._crowded: UInt64[np.ndarray, " n"] = np.empty(0, np.uint64)
        """Fingerprints of these."""
        self._texts: dict[int, str] = {}
        """The id of a key, where the store has it not; and of each key that is no fingerprint."""
        self._next = _LAST_KEY
        self.rows = SortedRows(
            {"row": np.uint32, "stamp": np.uint32, "said": np.uint32, "known": np.uint8},
            ((hashed(batch.column("image_id")), _stored(batch)) for batch in store.stored_ids()),
        )
        """A row a picture: where it is stored, else the fingerprint of its address; and what `Origins` notes."""
        self._met_elsewhere = SortedRows({"uri": np.uint32})
        self._tell_apart_stored()

    def _tell_apart_stored(self) -> None:
        """Keys of their own for stored ids that have the fingerprint of an earlier one."""
        crowded = self.rows.repeated()
        if not len(crowded):
            return
        first: dict[int, str] = {}
        for batch in self._store.stored_ids():
            keys = hashed(batch.column("image_id"))
            columns = _stored(batch)
            for place in np.flatnonzero(np.isin(keys, crowded)).tolist():
                image_id = batch.column("image_id")[place].as_py()
                if first.setdefault(int(keys[place]), image_id) != image_id and image_id not in self._own:
                    own = np.array([self._give_own(image_id)], np.uint64)
                    self.rows.add(own, **{name: values[place : place + 1] for name, values in columns.items()})

    def _give_own(self, image_id: str) -> int:
        """A key of its own for an id, of which there is no row yet."""
        while self.rows.find(np.array([self._next], np.uint64))[0] >= 0:
            self._next -= 1
        key, self._next = self._next, self._next - 1
        self._own[image_id], self._texts[key] = key, image_id
        self._crowded = np.union1d(self._crowded, hashed(pa.array([image_id], pa.string())))
        return key

    def keys_of(self, image_ids: pa.Array) -> UInt64[np.ndarray, " n"]:
        """The keys of ids that are stored or were met; of another id it may be that of one that has its fingerprint."""
        keys = hashed(image_ids).copy()
        if self._own:
            for place in np.flatnonzero(np.isin(keys, self._crowded)).tolist():
                keys[place] = self._own.get(image_ids[place].as_py(), int(keys[place]))
        return keys

    def check(self, image_ids: pa.Array, uris: pa.Array, numbers: Int[np.ndarray, " n"]) -> Checked:
        """What is known of records with these ids and addresses, in the source's order; they have then been met.

        `numbers` are their places in the source, for messages. Peak memory: some 400 bytes a record.
        """
        image_ids, uris = image_ids.cast(pa.string()), uris.cast(pa.string())
        keys, uri_there, apart = self._told_apart(image_ids)
        places, uri = self.rows.find(keys), half(salted(uris))
        _, firsts, groups = np.unique(keys, return_index=True, return_inverse=True)
        first = firsts[groups]
        known = self.known_of(places)
        is_stored, is_met = (known & STORED) > 0, (known & MET) > 0
        is_there = _equal(uris, uri_there)
        again = is_met | (np.arange(len(keys)) != first)
        taken = is_stored & ~is_there & ~again
        same = np.where(
            is_met,
            self._is_met_address(keys, places, uri, is_there, is_stored),
            _equal(uris, uris.take(pa.array(first))),
        )
        self._meet(image_ids, keys, uri, places, ~again, taken, is_stored)
        refused = {}
        for row in np.flatnonzero(again | taken).tolist():
            image_id = image_ids[row].as_py()
            if again[row]:
                whose = "the same picture" if same[row] else "another picture"
                why = f"of record {numbers[row]} came before, for {whose}"
            else:
                why = "is stored for another picture"
            refused[row] = f"image_id {image_id!r} {why}: ids must be unique"
        return Checked(is_stored & ~(again | taken), refused, frozenset(np.flatnonzero(taken).tolist()), apart)

    def _told_apart(self, image_ids: pa.Array) -> tuple[UInt64[np.ndarray, " n"], pa.Array, tuple[str, ...]]:
        """Keys of ids, one an id; the addresses of those that are stored; and the ids that got a key of their own for it."""
        keys = self.keys_of(image_ids)
        places = self.rows.find(keys)
        is_own, uris = self._are_owners(image_ids, keys, places)
        apart = []
        for place in np.flatnonzero((places >= 0) & ~is_own).tolist():
            image_id = image_ids[place].as_py()
            if image_id not in self._own:
                self._give_own(image_id)
                apart.append(image_id)
            keys[place] = self._own[image_id]
        while True:
            _, firsts, groups = np.unique(keys, return_index=True, return_inverse=True)
            strange = ~_equal(image_ids, image_ids.take(pa.array(firsts[groups]))) & (self.rows.find(keys) < 0)
            if not strange.any():
                return keys, uris, tuple(apart)
            image_id = image_ids[int(np.flatnonzero(strange)[0])].as_py()
            keys[_equal(image_ids, pa.array([image_id] * len(image_ids), pa.string()))] = self._give_own(image_id)
            apart.append(image_id)

    def _are_owners(
        self, image_ids: pa.Array, keys: UInt64[np.ndarray, " n"], places: Int[np.ndarray, " n"]
    ) -> tuple[Bool[np.ndarray, " n"], pa.Array]:
        """Which ids are those that the rows at these places are of, and the addresses of those that are stored."""
        is_stored = (self.known_of(places) & STORED) > 0
        at = np.full(len(places), UNKNOWN_ROW, np.uint32)
        at[is_stored] = self.rows.take("row", places[is_stored])
        there = self._store.ids_at(np.unique(at[at != UNKNOWN_ROW]).tolist())
        order = np.argsort(there.column("_rowid").to_numpy())
        sorted_rows = there.column("_rowid").to_numpy()[order]
        found = np.searchsorted(sorted_rows, at)
        is_read = found < len(sorted_rows)
        is_read[is_read] = sorted_rows[found[is_read]] == at[is_read]
        taken = pa.array(np.where(is_read, order[np.where(is_read, found, 0)] if len(order) else 0, 0), mask=~is_read)
        ids, uris = (there.column(name).combine_chunks().take(taken) for name in ("image_id", "uri"))
        is_own = _equal(image_ids, ids)
        rest = np.flatnonzero((places >= 0) & ~is_own).tolist()
        return (is_own, uris) if not rest else self._asked(image_ids, keys, places, is_own, uris, rest)

    def _asked(
        self, image_ids: pa.Array, keys: UInt64[np.ndarray, " n"], places: Int[np.ndarray, " n"], is_own: Bool[np.ndarray, " n"],
        uris: pa.Array, rest: Sequence[int],
    ) -> tuple[Bool[np.ndarray, " n"], pa.Array]:  # fmt: skip
        """The same of the rest: ids that the job met, that only sources listed, whose row was written anew, or that are others."""
        names = {place: image_ids[place].as_py() for place in rest}
        found = self._store.rows_by_id(sorted(set(names.values())), ["uri"])
        known, told = self.known_of(places), uris.to_pylist()
        only_listed = (known & LISTED > 0) & (known & (STORED | MET) == 0)
        asked = sorted({one for place, one in names.items() if only_listed[place] and one not in found})
        batches = self._store.origins(["image_id"], image_ids=asked) if asked else ()
        listed = {one for batch in batches for one in batch.column("image_id").to_pylist()}
        for place, image_id in names.items():
            key = int(keys[place])
            if only_listed[place] and image_id in listed:  # of several the first that is met
                self._texts.setdefault(key, image_id)
            is_own[place] = self._texts[key] == image_id if key in self._texts else image_id in found
            if is_own[place] and image_id in found:
                told[place] = found[image_id]["uri"]
        return is_own, pa.array(told, pa.string())

    def known_of(self, places: Int[np.ndarray, " n"]) -> UInt8[np.ndarray, " n"]:
        """What is known of the pictures at places of `rows`, as bits; 0 where the place is -1."""
        known, there = np.zeros(len(places), np.uint8), places >= 0
        known[there] = self.rows.take("known", places[there])
        return known

    def note(self, places: Int[np.ndarray, " n"], bits: int) -> None:
        """Note more of the pictures at places of `rows`."""
        self.rows.put("known", places, self.rows.take("known", places) | np.uint8(bits))

    def committed(self, image_ids: Iterable[str]) -> None:
        """These are stored now, and the store tells their ids."""
        ids = [one for one in image_ids if one not in self._own]
        for key, image_id in zip(hashed(pa.array(ids, pa.string())).tolist(), ids, strict=True):
            if self._texts.get(key) == image_id:
                del self._texts[key]

    def _is_met_address(
        self, keys: UInt64[np.ndarray, " n"], places: Int[np.ndarray, " n"], uri: UInt32[np.ndarray, " n"],
        is_there: Bool[np.ndarray, " n"], is_stored: Bool[np.ndarray, " n"],
    ) -> Bool[np.ndarray, " n"]:  # fmt: skip
        """Whether ids were met with these addresses, told by 32 bits of these where they are not stored: a word of a message hangs on it."""
        same, new = is_there.copy(), (places >= 0) & ~is_stored
        same[new] = self.rows.take("row", places[new]) == uri[new]
        elsewhere = self._met_elsewhere.find(keys)
        moved = elsewhere >= 0
        same[moved] = self._met_elsewhere.take("uri", elsewhere[moved]) == uri[moved]
        return same

    def _meet(
        self, image_ids: pa.Array, keys: UInt64[np.ndarray, " n"], uri: UInt32[np.ndarray, " n"], places: Int[np.ndarray, " n"],
        is_first: Bool[np.ndarray, " n"], taken: Bool[np.ndarray, " n"], is_stored: Bool[np.ndarray, " n"],
    ) -> None:  # fmt: skip
        there = is_first & (places >= 0)
        self.note(places[there], MET)
        self.rows.put("row", places[there & ~is_stored], uri[there & ~is_stored])
        self._met_elsewhere.add(keys[taken], uri=uri[taken])
        self._texts |= dict(
            zip(
                keys[is_first & ~is_stored].tolist(),
                image_ids.filter(pa.array(is_first & ~is_stored)).to_pylist(),
                strict=True,
            )
        )
        new = is_first & (places < 0)
        self.rows.add(keys[new], row=uri[new], known=np.full(int(new.sum()), MET, np.uint8))


def _stored(batch: pa.RecordBatch) -> dict[str, np.ndarray]:
    """Columns of the rows of stored pictures."""
    rows = np.minimum(batch.column("_rowid").to_numpy(), np.uint64(UNKNOWN_ROW)).astype(np.uint32)
    return {"row": rows, "known": np.full(batch.num_rows, STORED, np.uint8)}


def _equal(one: pa.Array, other: pa.Array) -> Bool[np.ndarray, " n"]:
    """Where two columns have the same text."""
    found: Bool[np.ndarray, " n"] = pc.equal(one, other).fill_null(False).to_numpy(zero_copy_only=False)
    return found
