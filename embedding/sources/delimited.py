"""Reading CSV and TSV: what type each column is, and the rows, batch by batch.

A delimited file says nothing of types, so it is read twice: `survey` decides each column's type from all of
its values, `read_batches` reads rows of those types. Memory is a few blocks of `BLOCK_BYTES`, whatever the
file's length.
"""

import codecs
import csv
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from cladescope.embedding.locations import open_location, suffix_of
from cladescope.errors import InputError

BLOCK_BYTES = 2**21
"""Bytes parsed at a time; no row may be longer."""

_WHOLE = r"^(0|-?[1-9][0-9]{0,18})$"
_NUMBER = r"^-?(0|[1-9][0-9]*|0?\.[0-9]+|0\.|[1-9][0-9]*\.[0-9]*|0\.[0-9]+)([eE][+-]?[0-9]+)?$|^(?i:nan)$"
_LONG = r"^-?[0-9]{16,}$"


@dataclass(frozen=True, slots=True)
class Survey:
    """What a first reading of a delimited file found."""

    schema: pa.Schema
    """int64 where every value is a whole number, float64 where every value is a number, else string."""
    n_rows: int


def header(uri: str) -> pa.Schema:
    """Names of the columns, all as text, without reading the rows.

    Raises InputError if the file is missing, empty or not UTF-8.
    """
    with _reader(uri, {}) as reader:
        return pa.schema([(name, pa.string()) for name in reader.schema.names])


def survey(uri: str) -> Survey:
    """Type of every column and number of rows, by reading the whole file once.

    A whole number is one that gives the same text when written again, so a leading zero keeps a column text.
    So do numbers of more than 15 digits that do not fit int64: a float would change them. A column without
    values is text.

    Raises InputError if the file is missing, empty, not UTF-8, without rows, or has a row with another number
    of values than its header.
    """
    n_rows = 0
    kinds: dict[str, _Kind] = {}
    for batch in read_batches(uri, {name: pa.string() for name in header(uri).names}):
        n_rows += batch.num_rows
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            kinds[name] = kinds.get(name, _Kind()).narrowed(column)
    if n_rows == 0:
        raise InputError(f"{uri} has a header and no rows: expected one row a picture")
    return Survey(pa.schema([(name, kind.arrow_type()) for name, kind in kinds.items()]), n_rows)


def read_batches(uri: str, types: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
    """Rows in the file's order, columns of the given types; an empty value is null.

    Raises InputError as `survey` does, and if a value is not of its column's type.
    """
    with _reader(uri, types) as reader:
        yield from reader


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the values of one column have been so far."""

    n_values: int = 0
    whole: bool = True
    number: bool = True
    long: bool = False

    def narrowed(self, column: pa.Array) -> "_Kind":
        values = column.drop_null()
        if not (self.number and len(values)):
            return self
        number = pc.all(pc.match_substring_regex(values, _NUMBER)).as_py()
        whole = self.whole and number and pc.all(pc.match_substring_regex(values, _WHOLE)).as_py()
        long = self.long or (number and pc.any(pc.match_substring_regex(values, _LONG)).as_py())
        return _Kind(self.n_values + len(values), whole and (not long or _fits(values)), number, long)

    def arrow_type(self) -> pa.DataType:
        if self.n_values and self.whole:
            return pa.int64()
        return pa.float64() if self.n_values and self.number and not self.long else pa.string()


def _fits(values: pa.Array) -> bool:
    """Whether whole numbers fit int64."""
    try:
        values.cast(pa.int64())
    except pa.ArrowInvalid:
        return False
    return True


@contextmanager
def _reader(uri: str, types: Mapping[str, pa.DataType]) -> Iterator[pv.CSVStreamingReader]:
    read_options = pv.ReadOptions(block_size=BLOCK_BYTES)
    parse_options = pv.ParseOptions(delimiter=_delimiter(uri), newlines_in_values=True)
    convert_options = pv.ConvertOptions(
        column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=True
    )
    with open_location(uri) as stream:
        try:
            with pv.open_csv(stream, read_options, parse_options, convert_options) as reader:
                yield reader
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise InputError(_explanation(uri, error)) from error


def _delimiter(uri: str) -> str:
    return "\t" if suffix_of(uri) == ".tsv" else ","


def _explanation(uri: str, error: Exception) -> str:
    """What is wrong with a file that could not be parsed, found by reading it again, slowly."""
    with open_location(uri) as stream:
        if not stream.read(1):
            return f"{uri} is empty: expected a header and one row a picture"
    place = _not_utf8(uri)
    if place is not None:
        return f"{uri} is not UTF-8: {place}; save it as UTF-8 (in a spreadsheet: 'CSV UTF-8')"
    with open_location(uri) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        lines = csv.reader(text, delimiter=_delimiter(uri))
        try:
            n_columns = len(next(lines))
            for values in lines:
                if values and len(values) != n_columns:
                    return (
                        f"line {lines.line_num} of {uri} has {len(values)} values, its header {n_columns}: "
                        "put values that contain the separator in double quotes"
                    )
        except csv.Error as worse:
            return f"line {lines.line_num} of {uri} cannot be read: {worse}"
    return f"cannot read {uri}: {' '.join(str(error).split())}"


def _not_utf8(uri: str) -> str | None:
    """Where a file stops being UTF-8, or None if it never does."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0
    with open_location(uri) as stream:
        while block := stream.read(BLOCK_BYTES):
            if offset == 0 and block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                return "it starts with the mark of UTF-16"
            waiting = len(decoder.getstate()[0])
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                return f"byte 0x{error.object[error.start]:02X} at offset {offset - waiting + error.start}"
            offset += len(block)
        return f"it ends inside a character at offset {offset}" if decoder.getstate()[0] else None
