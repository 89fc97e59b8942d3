"""Joins of tables of text that need not fit in memory: DuckDB joins and sorts on the disk, we name the columns and count.

A door that has to put several files together reads each into a `Joining`, asks it for counts, and takes the rows of one SELECT as
a table of text, which `cladescope.embedding.sources.delimited.typed_text` gives types like any other.
"""

import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from cladescope.delimited import DelimitedText
from cladescope.embedding.sources.kept import GROUP_ROWS, KeptText, no_room
from cladescope.errors import InputError

MEMORY = "700MB"
"""What DuckDB may take; more is written to the disk."""
THREADS = 2
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Joining:
    """Tables in a temporary database on the disk, which is removed when the `with` block ends.

    Memory: `MEMORY`, and a few blocks of text. Disk: the columns that are read, compressed, and as much again for the join.

    >>> import io
    >>> from contextlib import nullcontext
    >>> text = lambda content: DelimitedText("t.csv", lambda: nullcontext(io.BytesIO(content)))
    >>> with Joining() as joining:
    ...     joining.read("seen", text(b"id,name\\n7,Parus major\\n8,Apus apus\\n"), {"id": "id", "name": "name"})
    ...     joining.read("media", text(b"of,url\\n8,https://a.org/1.jpg\\n9,\\n"), {"of": "of", "url": "url"})
    ...     lost = joining.count("FROM media WHERE of NOT IN (SELECT id FROM seen)")
    ...     rows = joining.rows("SELECT url, name FROM media JOIN seen ON of = id ORDER BY media.line")
    >>> lost, next(rows.batches()).to_pylist()
    (1, [{'url': 'https://a.org/1.jpg', 'name': 'Apus apus'}])
    """

    def __init__(self) -> None:
        """Makes an empty database in the system's folder for temporary files."""
        self._folder = Path(tempfile.mkdtemp(prefix="cladescope-join-"))
        self._removed = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._n_rows: dict[str, int] = {}
        self._notices: list[str] = []
        import duckdb

        self._no_room = (duckdb.OutOfMemoryException, duckdb.IOException)
        self._database: duckdb.DuckDBPyConnection = duckdb.connect(
            str(self._folder / "tables.duckdb"),
            config={
                "memory_limit": MEMORY,
                "threads": THREADS,
                "temp_directory": str(self._folder / "spilled"),
                "preserve_insertion_order": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "python_enable_replacements": False,
            },
        )
        self._database.execute("SET enable_progress_bar = false")  # it would stand among the results

    def __enter__(self) -> "Joining":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
        self._removed()

    def read(self, table: str, text: DelimitedText, columns: Mapping[str, str]) -> None:
        """Put some columns of a text into a table, which is made, or grows where it is there with the same columns.

        `columns` gives the text's column for each column of the table: VARCHAR, empty values null. A further column, `line`,
        numbers the rows of the table from 1. Names are letters, digits and `_`.

        Raises InputError where the text does, or where the disk is full.
        """
        assert all(map(_NAME.fullmatch, (table, *columns))), "such names need no more than quotes in SQL"
        self._notices.extend(text.notices)
        wanted = list(dict.fromkeys(columns.values()))
        schema = pa.schema([("line", pa.int64()), *((name, pa.string()) for name in columns)])
        failed: list[InputError] = []

        def numbered() -> Iterator[pa.RecordBatch]:
            try:
                for batch in text.batches(wanted):
                    start = self._n_rows.get(table, 0) + 1
                    lines = pa.array(range(start, start + batch.num_rows), pa.int64())
                    self._n_rows[table] = start + batch.num_rows - 1
                    named = [batch.column(column) for column in columns.values()]
                    yield pa.RecordBatch.from_arrays([lines, *named], schema=schema)
            except InputError as error:  # else DuckDB would tell it in words of its own
                failed.append(error)
                raise

        make = f"INSERT INTO {table}" if table in self._n_rows else f"CREATE TABLE {table} AS"
        self._n_rows.setdefault(table, 0)
        self._database.register("incoming", pa.RecordBatchReader.from_batches(schema, numbered()))
        try:
            self.run(f"{make} SELECT * FROM incoming")
        except Exception:
            if failed:
                raise failed[0] from None
            raise
        finally:
            self._database.unregister("incoming")

    def has(self, table: str) -> bool:
        """Whether there is a table of that name."""
        return bool(self.run(f"SELECT 1 FROM duckdb_tables() WHERE table_name = '{table}'"))

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        """Do one statement, and return its few rows. Raises InputError where the disk or the memory does not suffice."""
        try:
            return self._database.execute(sql).fetchall()
        except self._no_room as error:
            raise InputError(no_room(error)) from error

    def count(self, what: str) -> int:
        """How many rows there are of `SELECT count(*) {what}`."""
        return int(self.run(f"SELECT count(*) {what}")[0][0])

    def rows(self, *selects: str) -> KeptText:
        """Rows of one SELECT after the other, all as text and kept apart from the database; each must state its order.

        Many wide rows are better had by several SELECTs of a range each: a sort of all would go to the disk, uncompressed.

        Raises InputError where the disk or the memory does not suffice.
        """
        assert all(re.search(r"\bORDER BY\b", select) for select in selects), (
            "a rerun must give the rows in the same order"
        )
        try:
            columns = self._database.sql(selects[0]).columns
            return KeptText(columns, self._batches(selects), notices=self._notices)
        except self._no_room as error:
            raise InputError(no_room(error)) from error

    def _batches(self, selects: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for select in selects:
            yield from self._database.sql(select).to_arrow_reader(GROUP_ROWS)
