"""A table of text that is kept in a temporary file, so that it can be read again and again however it came about."""

import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cladescope.errors import InputError

BATCH_ROWS = 4096
GROUP_ROWS = 4 * BATCH_ROWS
"""Rows that are written together; a row group is what writing takes memory for."""


class KeptText:
    """Rows of text in a Parquet file, which is removed with the object.

    >>> kept = KeptText(["file"], [pa.record_batch({"file": ["a.jpg", None]})])
    >>> kept.n_rows, [batch.to_pylist() for batch in kept.batches()]
    (2, [[{'file': 'a.jpg'}, {'file': None}]])
    """

    def __init__(
        self, columns: Sequence[str], batches: Iterable[pa.RecordBatch], *, notices: Iterable[str] = ()
    ) -> None:
        """Writes all `batches`, whose columns are in this order and can be read as text. Raises InputError where the disk is full.

        `notices` say how the files were read that the rows come from.
        """
        self.columns = tuple(columns)
        self.notices = tuple(notices)
        self.n_rows = 0
        self._folder = Path(tempfile.mkdtemp(prefix="cladescope-table-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        schema = pa.schema([(name, pa.string()) for name in columns])
        try:
            with pq.ParquetWriter(self._folder / "rows.parquet", schema) as writer:
                for batch in batches:
                    texts = [column.cast(pa.string()) for column in batch.columns]
                    writer.write_batch(pa.RecordBatch.from_arrays(texts, schema=schema), row_group_size=GROUP_ROWS)
                    self.n_rows += batch.num_rows
        except OSError as error:
            raise InputError(no_room(error)) from error

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows in their order, every value a string or null."""
        with pq.ParquetFile(self._folder / "rows.parquet", pre_buffer=False, buffer_size=2**20) as table:
            yield from table.iter_batches(batch_size=BATCH_ROWS)


def no_room(error: Exception) -> str:
    """One line that says that temporary files cannot be written.

    >>> no_room(OSError(28, "No space left on device"))
    'tables cannot be kept in ... ([Errno 28] No space left on device): give TMPDIR a folder with more space'
    """
    text = " ".join(str(error).split())[:200]
    return f"tables cannot be kept in {tempfile.gettempdir()} ({text}): give TMPDIR a folder with more space"
