"""One delimited text: its columns, and its rows as text, batch by batch; pyarrow parses, the rules are ours.

Nothing is merged and nothing is swallowed: a row of another length, a quote that is not closed and a quote that has taken in
whole rows are errors with their line.
"""

import codecs
import csv
import io
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.csv as pv

from cladescope.delimited.dialect import HEAD_BYTES, Dialect, find_dialect, tab_quotes
from cladescope.delimited.encoding import LINE_BYTES, ByteStream, Encoding, Opener, find_encoding, recoded
from cladescope.delimited.gzipped import native, unpacked
from cladescope.delimited.nameless import stand_ins, with_values
from cladescope.delimited.pieces import in_threads, row_pieces
from cladescope.delimited.quotes import look_at_quotes
from cladescope.errors import InputError

logger = logging.getLogger(__name__)

MAX_COLUMNS = 4096
_LINE_END = re.compile(r"\r\n|\r|\n")


def local_opener(path: Path) -> Opener:
    """Opens a file on this machine; raises InputError where that cannot be done."""

    @contextmanager
    def opened() -> Iterator[ByteStream]:
        try:
            if path.exists() and not (path.is_file() or path.is_dir()):
                raise InputError(f"{path} is a pipe or a device, not a file: name a file that is there")
            with path.open("rb") as stream:
                yield stream
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}: name a file that is there") from error

    return opened


class DelimitedText:
    """A CSV, TSV or other delimited text, whose delimiter, quoting and encoding are found; compressed with gzip or not.

    Reading takes memory for a few pieces of `pieces.PIECE_BYTES`, or of a row where rows are longer, whatever the file's length.
    """

    columns: tuple[str, ...]
    """Names as the header has them, without those of `n_nameless` columns."""
    n_nameless: int
    """Columns that have neither a name nor a value, and are passed over."""
    n_bytes: int
    """Length of the file."""
    notices: tuple[str, ...]
    """What was assumed of the encoding, where the file does not say it."""

    def __init__(self, place: str, opener: Opener, *, dialect: Dialect | None = None) -> None:
        """`place` names the file in messages. The file is read once or twice, to know its encoding and its quotes.

        `dialect` says how lines are rows where that is known beforehand; otherwise it is found.

        Raises InputError if it is missing, empty, no text, of more than `MAX_COLUMNS` columns, or if its quotes are damaged.
        """
        self._place, self._opener = place, unpacked(place, opener)
        self._encoding: Encoding = find_encoding(place, self._opener)
        self.n_bytes = self._encoding.n_bytes
        self.notices = () if self._encoding.notice is None else (self._encoding.notice,)
        for notice in self.notices:
            logger.warning("%s", notice)
        with self._open() as stream:
            head = stream.read(HEAD_BYTES)
        text = head.decode("utf-8", "ignore").removeprefix("\ufeff")
        if not text.strip():
            raise InputError(f"{place} is empty: expected a header and rows")
        self._dialect: Dialect = dialect or find_dialect(text, place, whole=len(head) < HEAD_BYTES)
        self._header_names = tuple(self._header())
        self.columns = self._names = stand_ins(self._header_names)
        if len(self.columns) > MAX_COLUMNS:
            raise InputError(
                f"{place} has {len(self.columns):,} columns: expected at most {MAX_COLUMNS:,}; leave out those not needed"
            )
        self._line_ends = False
        self._in_pieces = True
        if self._encoding.has_quotes and (dialect is None or dialect.quoted):
            self._decide_quotes()
        self._settle_nameless()

    @property
    def delimiter(self) -> str:
        """What separates the values."""
        return self._dialect.delimiter

    def batches(
        self, columns: Sequence[str] | None = None, *, missing: Iterable[str] = (), keep_quoted: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Rows in the file's order, every value a string, an empty one null; of some columns only where these are named.

        Values that are one of `missing`, letter for letter, are null too; with `keep_quoted` not those in quotes.

        Raises InputError for a row of another length, with its line.
        """
        parse = pv.ParseOptions(
            delimiter=self._dialect.delimiter,
            quote_char='"' if self._dialect.quoted else False,
            newlines_in_values=self._line_ends,
        )
        options = partial(
            pv.ConvertOptions,
            column_types=dict.fromkeys([*self._header_names, *self._names], pa.string()),
            null_values=["", *missing],
            strings_can_be_null=True,
            quoted_strings_can_be_null=not keep_quoted,
        )
        places = [self._names.index(name) for name in (self.columns if columns is None else columns)]
        headed = partial(_chosen, names=self._names, places=places)
        with self._open() as stream:
            try:
                if self._in_pieces:
                    chosen = options(include_columns=[self._names[place] for place in places])
                    work = partial(_parsed, names=self._names, parse=parse, first=options(), others=chosen)
                    for found, is_first in in_threads(work, self._pieces(stream)):
                        yield from map(headed, found) if is_first else found
                else:
                    read = pv.ReadOptions(block_size=LINE_BYTES, skip_rows=max(0, self._dialect.skipped))
                    with _for_arrow(stream) as source, pv.open_csv(source, read, parse, options()) as reader:
                        yield from map(headed, reader)
            except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
                self._check_lines()
                raise InputError(f"cannot read {self._place}: {' '.join(str(error).split())[:200]}") from error

    def table(self, *, missing: Iterable[str] = (), keep_quoted: bool = False) -> pa.Table:
        """All rows of a small text, as `batches` gives them. Raises InputError where a column's name occurs twice, or there is no row."""
        if twice := next((name for name in self.columns if self.columns.count(name) > 1), None):
            raise InputError(f"{self._place} has the column {twice!r} twice: rename one of them")
        schema = pa.schema([(name, pa.string()) for name in self.columns])
        found = pa.Table.from_batches(self.batches(missing=missing, keep_quoted=keep_quoted), schema)
        if not found.num_rows:
            raise InputError(f"{self._place} has a header and no rows: expected at least one row")
        return found

    @contextmanager
    def _open(self) -> Iterator[ByteStream]:
        """The text as UTF-8; a mark is passed over by who reads it."""
        with self._opener() as stream:
            yield stream if self._encoding.codec == "utf-8-sig" else recoded(stream, self._encoding.codec)

    def _pieces(self, stream: ByteStream) -> Iterator[tuple[memoryview, bool]]:
        """The text in whole rows, and whether a piece begins with the header."""
        is_first, has_sep = True, self._dialect.skipped > 0
        for piece in row_pieces(stream, quoted=self._dialect.quoted and self._line_ends):
            text = piece[bytes(piece[:64]).index(b"\n") + 1 :] if has_sep else piece
            has_sep = False
            if bytes(text[:64]).strip(b"\r\n") or bytes(text).strip(b"\r\n"):  # blank lines are no rows
                yield text, is_first
                is_first = False

    def _settle_nameless(self) -> None:
        """One nameless column may hold values, and keeps its empty name; the others are passed over."""
        nameless = [name for name in self._names if name.startswith("\0")]
        kept = with_values(self.batches(nameless), nameless, self._place) if nameless else None
        self._names = tuple("" if name == kept else name for name in self._names)
        self.columns = tuple(name for name in self._names if not name.startswith("\0"))
        self.n_nameless = len(self._names) - len(self.columns)

    def _header(self) -> list[str]:
        for _, values in self._rows():
            return values
        raise InputError(f"{self._place} is empty: expected a header and rows")

    def _decide_quotes(self) -> None:
        if not self._dialect.quoted:
            if not self._tabs_are_quoted():
                return
            self._dialect = replace(self._dialect, quoted=True)
        with self._open() as stream:
            quotes = look_at_quotes(stream, self._dialect.delimiter, len(self._names))
        self._line_ends = quotes.line_ends
        if quotes.swallowing or not quotes.regular:
            self._line_ends = self._check_lines()
            self._in_pieces = quotes.regular or not self._line_ends

    def _tabs_are_quoted(self) -> bool:
        needed = False
        with self._open() as stream:
            rest = b""
            while block := stream.read(LINE_BYTES):
                part, line_end, rest = (rest + block).rpartition(b"\n")
                found = tab_quotes((part + line_end).decode(), len(self._names)) if b'"' in part else None
                if found is False:
                    return False
                needed = needed or found is True
        found = tab_quotes(rest.decode(), len(self._names))
        return found is not False and (needed or found is True)

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Rows that are not blank with the number of the line on which each ends, slowly and strictly."""
        csv.field_size_limit(max(csv.field_size_limit(), LINE_BYTES))  # a value may be as long as a row
        style: Literal[0, 3] = csv.QUOTE_MINIMAL if self._dialect.quoted else csv.QUOTE_NONE
        with self._open() as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
            for _ in range(self._dialect.skipped):
                text.readline()
            rows = csv.reader(text, delimiter=self._dialect.delimiter, quoting=style, strict=True)
            line = self._dialect.skipped
            try:
                for values in rows:
                    line = rows.line_num + self._dialect.skipped
                    if values:
                        yield line, values
            except csv.Error as error:
                raise InputError(
                    f"the row that begins on line {line + 1} of {self._place} cannot be read ({error}): "
                    "close its quote, or double one that is part of a value"
                ) from error
            finally:
                text.detach()

    def _check_lines(self) -> bool:
        """Whether a row has several lines. Raises InputError at the first row of another length, or whose quotes have taken in other rows."""
        before = self._dialect.skipped
        several = False
        n_columns = len(self._names)
        for line, values in self._rows():
            if len(values) != n_columns:
                raise InputError(
                    f"line {line} of {self._place} has {len(values)} values, its header {n_columns}: "
                    "put values that contain the separator in double quotes, and leave out lines above the header"
                )
            lines = _LINE_END.split(self._dialect.delimiter.join(values))
            several = several or len(lines) > 1
            if len(lines) > 1 < n_columns and {one.count(self._dialect.delimiter) for one in lines} == {n_columns - 1}:
                raise InputError(
                    f"line {before + 1} of {self._place} opens a quote that is closed on line {line}, and each line in "
                    f"between is a row of {n_columns} values: remove or double the quote, or the line end within it"
                )
            before = line
        return several


def _parsed(
    piece: tuple[memoryview, bool],
    names: Sequence[str],
    parse: pv.ParseOptions,
    first: pv.ConvertOptions,
    others: pv.ConvertOptions,
) -> tuple[list[pa.RecordBatch], bool]:
    """Rows of a piece of text, and whether it was the first one, which has the header."""
    text, is_first = piece
    if (
        not is_first and bytes(text[:3]) == codecs.BOM_UTF8
    ):  # of a value, but Arrow drops it at the start of what it is given
        text = memoryview(b"\n" + text)
    read = pv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=None if is_first else [*names])
    try:
        table = pv.read_csv(pa.BufferReader(text), read, parse, first if is_first else others)
    except pa.ArrowInvalid as error:
        if is_first and "Empty CSV" in str(error):  # so pyarrow calls a header without a line end
            return [], True
        raise
    return table.to_batches(), is_first


def _chosen(batch: pa.RecordBatch, names: Sequence[str], places: Sequence[int]) -> pa.RecordBatch:
    """The columns at some places, by other names than the header has."""
    return pa.RecordBatch.from_arrays(
        [batch.column(place) for place in places], names=[names[place] for place in places]
    )


@contextmanager
def _for_arrow(stream: ByteStream) -> Iterator[pa.NativeFile]:
    """A stream as a file that is Arrow's own: one on the disk opened anew, any other copied to a temporary file first.

    Arrow's threads read ahead, also after an error. In a file of Python's they may enter an interpreter that is ending, and the
    process ends with SIGABRT in place of our error.
    """
    if (file := native(stream)) is not None:
        yield file
        return
    raw = stream.raw if isinstance(stream, io.BufferedReader) else None
    if isinstance(raw, io.FileIO) and not isinstance(raw.name, int):
        with pa.OSFile(os.fspath(raw.name)) as file:
            yield file
        return
    with tempfile.NamedTemporaryFile(prefix="cladescope-", suffix=".csv") as copy:
        shutil.copyfileobj(stream, copy, LINE_BYTES)
        copy.flush()
        with pa.OSFile(copy.name) as file:
            yield file
