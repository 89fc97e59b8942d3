"""A store that takes vectors of several encoders at once: what the encode loop has as one vector is split into its columns."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float

from cladescope.embedding.encoder import EncoderCard
from cladescope.index import identity
from cladescope.index.files import disk_errors
from cladescope.index.literals import is_one_of
from cladescope.index.named_vectors import OWN, column_of
from cladescope.index.store import Store
from cladescope.index.vector_block import vector_block
from cladescope.schema import vector_type


class SeveralSink:
    """What a job sees of a store that it fills with vectors of several encoders; all but vectors is the store's own affair."""

    def __init__(self, store: Store, vectors: Mapping[str | None, EncoderCard]) -> None:
        """`vectors` gives encoders, in their order, by the names of their vectors, None for the store's own."""
        self._store, self._vectors = store, vectors
        self._dims = {column_of(name): card.dim for name, card in vectors.items()}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def add_fields(self, fields: Iterable[pa.Field]) -> None:
        """As `Store.add_fields`, and make room for vectors that the store has no column for yet."""
        self._store.add_fields(fields)
        make_room(self._store, {name: card for name, card in self._vectors.items() if name is not None})

    def write(self, images: pa.Table, failures: pa.Table, *, out: Sequence[str] = ()) -> None:
        """As `Store.write`, with a vector of all encoders in each row."""
        place = images.schema.get_field_index(OWN)
        if place >= 0:
            joined = _joined(images.column(place))
            images = images.remove_column(place)
            for column, part in zip(self._dims, self._split(joined), strict=True):
                images = images.append_column(column, part)
        self._store.write(images, failures, out=out)

    def _split(self, joined: Float[np.ndarray, "n d"]) -> Iterator[pa.Array]:
        stops = np.cumsum(list(self._dims.values()))
        for part in np.split(joined, stops[:-1], axis=1):
            flat = pa.array(np.ascontiguousarray(part).ravel(), pa.float16())
            yield pa.FixedSizeListArray.from_arrays(flat, part.shape[1])

    def fill(self, image_ids: Sequence[str], vectors: Float[np.ndarray, "n d"]) -> None:
        """Give stored pictures their vectors, in one commit."""
        parts = self._split(vectors.astype(np.float16))
        columns = dict(zip(self._dims, parts, strict=True))
        self._store.update(pa.table({"image_id": pa.array(image_ids, pa.string()), **columns}))

    def scan(self, columns: Sequence[str], *, condition: str | None = None) -> Iterator[pa.RecordBatch]:
        """Some columns of every stored picture, or of those under a condition."""
        return self._store.scan(columns, condition=condition)

    def vectors_by_content(
        self, hashes: Iterable[str], *, row_ids: Sequence[int] | None = None
    ) -> dict[str, Float[np.ndarray, " d"]]:
        """As `Store.vectors_by_content`: vectors of all encoders, one behind the other, of pictures that have one of each."""
        table, wanted = self._store.tables["images"], set(hashes)
        columns = ["content_hash", *self._dims]
        with disk_errors(self._store.path):
            if row_ids is None:
                query = table.search().select(columns).where(is_one_of("content_hash", wanted))
                batches = query.to_batches(1 << 12)
            else:
                batches = table.take_row_ids(list(row_ids)).select(columns).to_arrow().to_batches()
            found: dict[str, Float[np.ndarray, " d"]] = {}
            for batch in batches:
                # Dropped as nulls before the numbers are read: a null has numbers, too.
                whole = batch.filter(reduce(pc.and_, [pc.is_valid(batch.column(name)) for name in self._dims]))
                joined = np.concatenate([vector_block(whole, name) for name in self._dims], axis=1)
                found |= dict(zip(whole.column("content_hash").to_pylist(), joined, strict=True))
        return {content: vector for content, vector in found.items() if content in wanted}


def make_room(store: Store, vectors: Mapping[str, EncoderCard]) -> None:
    """Columns for vectors of further encoders, by their names, where a store has none yet. Call it while the store is held."""
    held = store.named
    for name, card in vectors.items():
        if name in held:
            continue
        column = column_of(name)
        with disk_errors(store.path):
            table = store.tables["images"]
            if column in table.schema.names:  # of a job that was killed before it said whose they are
                table.drop_columns([column])
            table.add_columns([pa.field(column, vector_type(card.dim))])
        identity.add(store.path, name, card)


def _joined(column: pa.ChunkedArray) -> Float[np.ndarray, "n d"]:
    if not len(column):
        return np.empty((0, column.type.list_size), np.float16)
    return np.concatenate([vector_block(pa.record_batch({OWN: chunk})) for chunk in column.chunks])
