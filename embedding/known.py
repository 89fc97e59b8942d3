"""Which pictures and contents a job need not do again: those of the store, and ids that the job itself has met.

Ids are looked up by joins of Polars over 64-bit fingerprints, a chunk of records at a time; no row becomes a Python object.
Measured for a million stored ids and a million records of which half are stored, in chunks of 4,096, on two cores: 0.4 s to
load and 2.4 s to look up with Polars, at 41 MB and 30 MB; 0.2 s and 3.1 s, at 62 MB and 27 MB, with DuckDB; 10 s and 17 s with
SQLite on disk or with sorted arrays and a dict, id by id; 13 s to look up with `IN` conditions of LanceDB, 7 s with its
scalar index, which must be built and kept besides. A join passes over every id that is known, 3 ms a million, so a chunk
should not be small.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

import numpy as np
import polars as pl
import pyarrow as pa
from jaxtyping import Bool, Float, Int, UInt64

MOST_PIECES = 64
"""Pieces of a growing table that are joined into one: many slow a join down."""


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

    Memory: 16 bytes a stored row and as many a record met. Fingerprints are of 64 bits: among 20 million ids the chance
    that two are taken for one is 1 in 100,000.

    >>> known = KnownPictures([pa.record_batch({"image_id": ["a"], "uri": ["/a.jpg"]})])
    >>> found = known.check(pa.array(["a", "b", "b"]), pa.array(["/a.jpg", "/b.jpg", "/c.jpg"]), np.array([1, 2, 3]))
    >>> found.is_stored.tolist(), found.refused
    ([True, False, False], {2: "image_id 'b' of record 3 came before, for another picture: ids must be unique"})
    """

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        """`batches` hold the columns `image_id` and `uri` of stored rows."""
        pieces = [_fingerprints(batch.column("image_id"), batch.column("uri")) for batch in batches]
        self._stored = (
            pl.concat(pieces) if pieces else _fingerprints(pa.array([], pa.string()), pa.array([], pa.string()))
        )
        self._met = self._stored.clear()

    def check(self, image_ids: pa.Array, uris: pa.Array, numbers: Int[np.ndarray, " n"]) -> Checked:
        """What is known of records with these ids and addresses, in the source's order; they have then been met.

        `numbers` are their places in the source, for messages. Peak memory: some 200 bytes a record.
        """
        asked = _fingerprints(image_ids, uris).with_row_index("row")
        first = asked.unique("id", keep="first", maintain_order=True)
        met, stored = (_of_ids(table, first["id"]) for table in (self._met, self._stored))
        self._met = _grown(self._met, first.filter(~_among(first["id"], met["id"])).select("id", "uri"))
        found = asked
        for name, table in {"first": first, "met": met, "stored": stored}.items():
            renamed = table.rename({column: f"{name}_{column}" for column in table.columns if column != "id"})
            found = found.join(renamed, on="id", how="left", maintain_order="left")
        again = found["met_uri"].is_not_null() | (found["row"] != found["first_row"])
        same = found["uri"] == found["met_uri"].fill_null(found["first_uri"])
        is_stored = found["stored_uri"].is_not_null()
        taken = (is_stored & (found["uri"] != found["stored_uri"])).fill_null(False) & ~again
        refused = {}
        for row in (again | taken).arg_true().to_list():
            image_id = image_ids[row].as_py()
            if again[row]:
                whose = "the same picture" if same[row] else "another picture"
                before = f"of record {numbers[row]} came before, for {whose}"
            else:
                before = "is stored for another picture"
            refused[row] = f"image_id {image_id!r} {before}: ids must be unique"
        elsewhere = frozenset(taken.arg_true().to_list())
        return Checked((is_stored & ~again & ~taken).to_numpy(), refused, elsewhere)

    def is_stored(self, image_ids: pa.Array) -> Bool[np.ndarray, " n"]:
        """Which ids were stored before the job began; nothing is met by it."""
        return _among(hashed(image_ids), self._stored["id"]).to_numpy()


@runtime_checkable
class ContentStore(Protocol):
    """What `KnownContents` asks of a store."""

    def scan(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Some columns of every stored picture."""

    def vectors_by_content(self, hashes: Iterable[str]) -> dict[str, Float[np.ndarray, " d"]]:
        """Stored vectors of pictures of the same content."""


class KnownContents:
    """Vectors of contents that were encoded before, so that none is encoded twice.

    Contents are sought by bisection, a batch at a time: microseconds, however many are stored. Memory: 8 bytes a stored
    picture, twice that for a moment at each commit, and the vectors that wait for one.
    """

    def __init__(self, store: ContentStore) -> None:
        """Reads the content hashes of `store`."""
        self._store = store
        keys = [hashed(batch.column("content_hash").drop_null()).to_numpy() for batch in store.scan(["content_hash"])]
        self._stored: UInt64[np.ndarray, " n"] = np.sort(np.concatenate([np.empty(0, np.uint64), *keys]))
        self._waiting: dict[str, Float[np.ndarray, " d"]] = {}

    def vectors(self, contents: Set[str]) -> Mapping[str, Float[np.ndarray, " d"]]:
        """The vectors of those contents that have one: at hand where they wait for a commit, else from the store."""
        found = {content: self._waiting[content] for content in contents & self._waiting.keys()}
        missing = sorted(contents - found.keys())
        keys = hashed(pa.array(missing, pa.string())).to_numpy()
        stored = np.searchsorted(self._stored, keys, "right") > np.searchsorted(self._stored, keys, "left")
        if stored.any():
            found |= self._store.vectors_by_content([missing[row] for row in np.flatnonzero(stored)])
        return found

    def encoded(self, contents: Iterable[str], vectors: Iterable[Float[np.ndarray, " d"]]) -> None:
        """Note what was encoded and is not stored yet."""
        self._waiting |= dict(zip(contents, vectors, strict=True))

    def committed(self) -> None:
        """All that was noted is stored now."""
        new = np.sort(hashed(pa.array(list(self._waiting), pa.string())).to_numpy())
        self._stored = np.insert(self._stored, np.searchsorted(self._stored, new), new)
        self._waiting = {}


def hashed(texts: pa.Array) -> pl.Series:
    """Fingerprints of texts, of 64 bits; they hold in one process."""
    return cast(pl.Series, pl.from_arrow(texts)).hash()


def _fingerprints(image_ids: pa.Array, uris: pa.Array) -> pl.DataFrame:
    return pl.DataFrame({"id": hashed(image_ids), "uri": hashed(uris)})


def _of_ids(table: pl.DataFrame, ids: pl.Series) -> pl.DataFrame:
    """Rows with these ids; of several with one id the first."""
    return table.filter(_among(table["id"], ids)).unique("id", keep="first", maintain_order=True)


def _among(values: pl.Series, others: pl.Series) -> pl.Series:
    return values.is_in(others.implode())


def _grown(table: pl.DataFrame, more: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([table, more], rechunk=table.n_chunks() >= MOST_PIECES)
