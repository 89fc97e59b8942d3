"""Many queries, each on its own: vectors of a file or an array, or pictures of any source, in blocks."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from jaxtyping import Float32

from cladescope.embedding.encode import encoded
from cladescope.embedding.given import AnyPicture, as_records
from cladescope.embedding.records import Record, ignored_by, left_out_of, notes_of
from cladescope.embedding.sources import open_source
from cladescope.embedding.sources.query_vectors import QueryVectors, of_array, open_query_vectors
from cladescope.embedding.sources.unit_vectors import unit_vectors
from cladescope.errors import InputError
from cladescope.index.fitting_vectors import fitting_vectors
from cladescope.index.store import Store


class QueryBlock(NamedTuple):
    """Some queries that follow one another."""

    names: pa.Array
    """Row numbers from 0, or the addresses of pictures."""
    vectors: Float32[np.ndarray, "b d"]
    """Of unit length."""
    failures: list[str]
    """Of each query among them that cannot be used its row or address, and why."""


@dataclass(frozen=True, kw_only=True)
class Queries:
    """Queries of one kind, in order."""

    name: str
    """What they are called in messages."""
    is_pictures: bool
    total: int | None
    """How many they are; None where that is not known before they are read."""
    blocks: Callable[[int], Iterator[QueryBlock]] = field(repr=False)
    """All of them, at most so many at a time."""
    notes: Callable[[], tuple[str, ...]] = field(default=tuple, repr=False)
    """What a user should know of how they were read, in lines; whole after they were."""


def open_queries(
    given: str | Path | np.ndarray | Sequence[AnyPicture],
    store: Store,
    *,
    column: str | None = None,
    allowed: Collection[str] = (),
) -> Queries:
    """Queries for a store: a file of vectors, an array of them (floats of shape (queries, d)), a source of pictures, or pictures.

    A .parquet or .npy file of vectors is one as `open_query_vectors` says, `column` names its column. The pictures of another store
    are not encoded again. Anything else is opened by `open_source`, to which `allowed` goes, and encoded by the store's encoder.

    Raises InputError for what is none of these, holds no query, or has vectors of another length; StoreError for a store of another encoder.
    """
    dim = store.card.dim
    if isinstance(given, np.ndarray) and given.dtype != np.uint8:
        if given.ndim != 2:
            raise InputError(f"the queries have the shape {given.shape}: expected an array of shape (queries, {dim})")
        return _of_vectors(of_array(given, dim=dim))
    if isinstance(given, str | Path):
        path = Path(given)
        if path.suffix.lower() in (".npy", ".parquet") and "://" not in str(given) and not path.exists():
            raise InputError(f"no such file: {path}: give a file of vectors, a table of pictures or a folder")
        if (vectors := open_query_vectors(path, dim=dim, column=column)) is not None:
            return _of_vectors(vectors)
        if (path / "store.json").is_file():
            return _of_store(fitting_vectors(Store.open(path), store.card), store)
        source = open_source(given, allowed=allowed)

        def notes() -> tuple[str, ...]:
            lost = {**left_out_of(source), **{f"files ending in {end}": n for end, n in ignored_by(source).items()}}
            told = [f"left out: {', '.join(f'{words} {n:,}' for words, n in lost.items())}"] if lost else []
            return (*notes_of(source), *told)

        return _of_pictures(source.records, store, name=str(given), total=source.count(), notes=notes)
    if not isinstance(given, Iterable):
        raise InputError(
            f"found a value of type {type(given).__name__}, expected queries: a file, a folder, an array of vectors or a list of pictures"
        )
    pictures = [given] if isinstance(given, np.ndarray) and given.ndim < 4 else list(given)
    if not pictures:
        raise InputError("the list of queries is empty: give pictures, or vectors as an array")
    return _of_pictures(lambda: as_records(pictures), store, name="the list", total=len(pictures))


def _of_vectors(source: QueryVectors) -> Queries:
    def blocks(size: int) -> Iterator[QueryBlock]:
        first = 0
        for lists in source.batches(size):
            units, usable, reasons = unit_vectors(lists, source.dim)
            rows = np.flatnonzero(usable) + first
            failures = [f"row {first + row}: {reasons[row]}" for row in sorted(reasons)]
            yield QueryBlock(pa.array(rows, pa.int64()), units.astype(np.float32, copy=False), failures)
            first += len(lists)

    return Queries(name=source.name, is_pictures=False, total=source.n_rows, blocks=blocks)


def _of_store(other: Store, store: Store) -> Queries:
    store.check(other.card)

    def blocks(size: int) -> Iterator[QueryBlock]:
        for batch in other.scan(["uri", "vector"], block_rows=size):
            units, usable, reasons = unit_vectors(batch.column("vector"), other.card.dim)
            failures = [f"{batch.column('uri')[row].as_py()}: {reasons[row]}" for row in sorted(reasons)]
            names = batch.column("uri").filter(pa.array(usable))
            yield QueryBlock(names, units.astype(np.float32, copy=False), failures)

    return Queries(name=str(other.path), is_pictures=True, total=other.count(), blocks=blocks)


def _of_pictures(
    records: Callable[[], Iterable[Record]],
    store: Store,
    *,
    name: str,
    total: int | None,
    notes: Callable[[], tuple[str, ...]] = tuple,
) -> Queries:
    def blocks(size: int) -> Iterator[QueryBlock]:
        for batch in encoded(records(), store.encoder):
            failures = [f"{failure.record.uri}: {failure.reason}" for failure in batch.failures]
            names = pa.array([record.uri for record in batch.records], pa.string())
            yield QueryBlock(names[:size], batch.vectors[:size], failures)
            for start in range(size, len(names), size):
                yield QueryBlock(names[start : start + size], batch.vectors[start : start + size], [])

    return Queries(name=name, is_pictures=True, total=total, blocks=blocks, notes=notes)
