"""The table `failures`: one note a record that could not be embedded, until it is.

A stored picture has no row here, but for stage `identity`: there a record was refused that repeats another's id.
"""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cladescope.index.literals import is_one_of
from cladescope.schema import FAILURE_SCHEMA


def clear(notes: Any, uris: pa.ChunkedArray) -> None:
    """Strike out what is noted of some pictures."""
    if len(uris) and notes.count_rows():
        notes.delete(is_one_of("uri", uris.to_pylist()))


def note(notes: Any, failures: pa.Table) -> None:
    """Note failures, each once, in place of what was noted of the same pictures before; refused records add to it."""
    if not failures.num_rows:
        return
    retried = failures.filter(pc.not_equal(failures.column("stage"), "identity"))
    if retried.num_rows and notes.count_rows():
        notes.delete(f"({is_one_of('uri', retried.column('uri').to_pylist())}) AND stage != 'identity'")
    keys = list(FAILURE_SCHEMA.names)
    distinct = failures.group_by(keys).aggregate([]).select(keys).cast(FAILURE_SCHEMA)
    notes.merge_insert(keys).when_not_matched_insert_all().execute(distinct)


def mend(notes: Any, stored: Iterable[pa.RecordBatch]) -> int:
    """Strike out pictures that are stored, as a job of an earlier version left them when it was killed at a bad moment.

    `stored` holds the column `uri` of the stored pictures. Returns how many pictures were in both tables; memory grows with
    the notes.
    """
    noted = notes.search().where("stage != 'identity'").select(["uri"]).to_arrow().column("uri").combine_chunks()
    if not len(noted):
        return 0
    both = {
        uri for batch in stored for uri in batch.column("uri").filter(pc.is_in(batch.column("uri"), noted)).to_pylist()
    }
    if both:
        notes.delete(f"({is_one_of('uri', sorted(both))}) AND stage != 'identity'")
    return len(both)
