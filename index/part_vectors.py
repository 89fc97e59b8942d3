"""Vectors of further encoders that a part of a store holds, on their way into the store, where they may have other names."""

import pyarrow as pa
import pyarrow.compute as pc

from cladescope.index.literals import is_one_of
from cladescope.index.named_vectors import called, column_of, lacking
from cladescope.index.several_sink import make_room
from cladescope.index.store import Store
from cladescope.schema import vector_type


class PartVectors:
    """Those of one part. Made while the store is held, which then has columns for them."""

    def __init__(self, store: Store, part: Store) -> None:
        """Makes room for them."""
        held = part.named
        names = called(held.values(), store.card, store.named)
        make_room(store, dict(zip(names, held.values(), strict=True)))
        self._store, self._columns = store, dict(zip(map(column_of, held), map(column_of, names), strict=True))
        self._dims = [card.dim for card in held.values()]
        self._lacking = [name for name in names if store.count_rows(lacking([name]))]

    @property
    def fields(self) -> list[pa.Field]:
        """Columns of the part that hold them."""
        return [pa.field(column, vector_type(dim)) for column, dim in zip(self._columns, self._dims, strict=True)]

    def named(self, rows: pa.Table) -> pa.Table:
        """Rows of the part, with their vectors under the names that the store has for these."""
        return rows.rename_columns([self._columns.get(name, name) for name in rows.column_names])

    def without(self, rows: pa.Table) -> pa.Table:
        """Rows without any vectors, in the store's names."""
        return rows.drop_columns(["vector", *self._columns.values()])

    def fill(self, rows: pa.Table) -> int:
        """Give stored pictures, of the same contents as these rows, those vectors of them that they lack; to how many."""
        filled: set[str] = set()
        for name in self._lacking:
            column = column_of(name)
            given = rows.filter(pc.is_valid(rows.column(column))).select(["image_id", column])
            without = f"({lacking([name])}) AND {is_one_of('image_id', given.column('image_id').to_pylist())}"
            ids = [one for batch in self._store.scan(["image_id"], condition=without) for one in batch[0].to_pylist()]
            if ids:
                self._store.update(given.filter(pc.is_in(given.column("image_id"), pa.array(ids, pa.string()))))
                filled.update(ids)
        return len(filled)
