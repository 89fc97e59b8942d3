"""The table `origins`: which source listed a picture, what its file and its labels were then, and whether it is gone.

It is made by the first job that needs it; stores of earlier versions lack it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cladescope.index import remote, tables
from cladescope.index.literals import is_one_of, quote
from cladescope.schema import ORIGIN_SCHEMA

NAME = "origins"
KEYS = ["address", "image_id"]
BLOCK_ROWS = 1 << 15
LISTED_AT_ONCE = 1 << 14


def find(store_path: Path) -> Any | None:
    """The table of a store, None where it has none."""
    if remote.url_of(store_path) is not None:
        is_there = NAME in tables.connect(store_path).list_tables().tables
    else:
        is_there = (store_path / "lance" / f"{NAME}.lance").is_dir()
    return make(store_path) if is_there else None


def make(store_path: Path) -> Any:
    """The table of a store, made where there is none."""
    return tables.open_or_make(tables.connect(store_path), NAME, ORIGIN_SCHEMA)


def scan(table: Any, columns: Sequence[str], condition: str | None = None) -> Iterator[pa.RecordBatch]:
    """Some columns of the rows under a condition, in blocks."""
    query = table.search().select(list(columns))
    if condition is not None:
        query = query.where(condition)
    yield from query.to_batches(BLOCK_ROWS)


def listed(table: Any, columns: Sequence[str], address: str) -> Iterator[pa.RecordBatch]:
    """Some columns of all that one source listed, in little memory; nobody may write to the table meanwhile."""
    for batch in tables.in_slices(table, [*dict.fromkeys(["address", *columns])]):
        own = batch.filter(pc.equal(batch.column("address"), address))
        if own.num_rows:
            yield own.select(list(columns))


def of_address(address: str, image_ids: Sequence[str] | None = None) -> str:
    """The condition for what one source listed, or for some pictures of it."""
    condition = f"address = {quote(address)}"
    return condition if image_ids is None else f"{condition} AND {is_one_of('image_id', image_ids)}"


def note(table: Any, rows: pa.Table, *, new: bool) -> None:
    """Note rows; those that are not `new` take the place of what was noted of the same picture and source."""
    if not rows.num_rows:
        return
    if new:
        table.add(rows)
    else:
        table.merge_insert(KEYS).when_matched_update_all().when_not_matched_insert_all().execute(rows)


def forget(table: Any, image_ids: Sequence[str], address: str | None = None) -> None:
    """Strike out pictures, of one source or of all."""
    for start in range(0, len(image_ids), LISTED_AT_ONCE):
        some = image_ids[start : start + LISTED_AT_ONCE]
        table.delete(is_one_of("image_id", some) if address is None else of_address(address, some))
