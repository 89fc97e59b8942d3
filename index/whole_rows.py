"""Rows of a store kept whole while they are out of it, with all their vectors and with what sources listed of them; and put back."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from cladescope.index import origins
from cladescope.index.files import disk_errors
from cladescope.index.literals import is_one_of
from cladescope.index.tables import reading
from cladescope.index.widening import as_stored
from cladescope.schema import ORIGIN_SCHEMA

if TYPE_CHECKING:
    from cladescope.index.store import Store

IDS_AT_ONCE = 4096


def whole_rows(store: "Store", image_ids: Sequence[str]) -> tuple[pa.Table, pa.Table]:
    """The rows of some pictures with every column that is stored, vectors of further encoders too, and what is noted of their origins.

    Memory: the rows.
    """
    table = store.tables["images"]
    rows, listed = [table.schema.empty_table()], [ORIGIN_SCHEMA.empty_table()]
    for start in range(0, len(image_ids), IDS_AT_ONCE):
        some = list(image_ids[start : start + IDS_AT_ONCE])
        condition = is_one_of("image_id", some)
        with reading(store.path, condition):
            rows.append(table.search().select(table.schema.names).where(condition).limit(len(some)).to_arrow())
        listed += [pa.Table.from_batches([one]) for one in store.origins(ORIGIN_SCHEMA.names, image_ids=some)]
    return pa.concat_tables([one.select(table.schema.names) for one in rows]), pa.concat_tables(
        [one.select(ORIGIN_SCHEMA.names).cast(ORIGIN_SCHEMA) for one in listed]
    )


def put_back(store: "Store", rows: pa.Table, listed: pa.Table) -> int:
    """Put rows of `whole_rows` back, but those of pictures that are there again, and return how many. Call it while `writing`.

    They stand behind the others and have new row ids. Columns that came since are null in them.

    Raises StoreError where the disk is full or cannot be written.
    """
    table = store.tables["images"]
    ids = rows.column("image_id").to_pylist()
    there: set[str] = set()
    for start in range(0, len(ids), IDS_AT_ONCE):
        there |= store.rows_by_id(ids[start : start + IDS_AT_ONCE], []).keys()
    away = [one for one in ids if one not in there]
    if not away:
        return 0
    chosen = pa.array(away, pa.string())
    rows = as_stored(rows.filter(pc.is_in(rows.column("image_id"), value_set=chosen)), table.schema)
    lacking = {
        field.name: pa.nulls(rows.num_rows, field.type) for field in table.schema if field.name not in rows.column_names
    }
    whole = pa.table(
        [lacking[name] if name in lacking else rows.column(name) for name in table.schema.names], schema=table.schema
    )
    with disk_errors(store.path):
        # Vectors of further encoders that a row lacks are null, which LanceDB calls bad.
        table.merge_insert("image_id").when_not_matched_insert_all().execute(whole, on_bad_vectors="null")
    listed = listed.filter(pc.is_in(listed.column("image_id"), value_set=chosen))
    if listed.num_rows and origins.NAME in store.tables:
        store.note_origins(listed, new=False)
    return len(away)
