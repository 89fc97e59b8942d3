"""The reader of delimited text: the same text comes out, or an error; never something else."""

import codecs
import contextlib
import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pyarrow as pa
import pyarrow.csv as pv
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cladescope.delimited import DelimitedText, Dialect, local_opener, pieces
from cladescope.delimited.dialect import DELIMITERS
from cladescope.delimited.quotes import look_at_quotes
from cladescope.errors import InputError

VALUES = st.text(st.sampled_from('ab1 é,\t;|"\n\r\\-.“'), max_size=6) | st.text(max_size=4)
CODECS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]


def opened(path: Path, content: bytes) -> DelimitedText:
    path.write_bytes(content)
    return DelimitedText(str(path), local_opener(path))


def rows_of(text: DelimitedText) -> list[list[str]]:
    batches = [batch.to_pydict() for batch in text.batches()]
    return [[v or "" for v in row] for batch in batches for row in zip(*batch.values(), strict=True)]


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(VALUES, min_size=n, max_size=n), min_size=1, max_size=6)),
    st.sampled_from(DELIMITERS),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONE]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(CODECS),
    st.sampled_from([".csv", ".tsv", ".txt"]),
    st.sampled_from([3, 2**19]),
)
@example([["half\nb", 'x"']], "\t", csv.QUOTE_MINIMAL, "\n", "utf-8", ".tsv", 3)
@example([['"a"']], ",", csv.QUOTE_NONE, "\n", "utf-8", ".csv", 3)
def test_any_table_comes_out_as_it_was_written_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str]],
    delimiter: str,
    style: Literal[0, 1, 3],
    line_end: str,
    codec: str,
    suffix: str,
    n_bytes: int,
) -> None:
    header = ["file", "species", "note", "plot"][: len(rows[0])]
    written = io.StringIO(newline="")
    if style == csv.QUOTE_NONE:
        plain = [row for row in rows if not any(mark in value for value in row for mark in (delimiter, "\n", "\r"))]
        quotes = delimiter != "\t" and any(value.startswith('"') for row in plain for value in row)
        written.write("".join(delimiter.join(row) + line_end for row in [header, *plain] if any(row) and not quotes))
        rows = [row for row in plain if any(row) and not quotes]
    else:
        csv.writer(written, delimiter=delimiter, quoting=style, lineterminator=line_end).writerows([header, *rows])
        lines = io.StringIO(written.getvalue(), newline="")
        if list(csv.reader(lines, delimiter=delimiter)) != [header, *rows]:
            return  # Python's writer leaves a line end of another kind without quotes
    try:
        content = written.getvalue().encode(codec)
    except UnicodeEncodeError:
        return
    with contextlib.suppress(InputError), pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_BYTES", n_bytes)
        text = opened(tmp_path_factory.mktemp("t") / f"t{suffix}", content)
        if rows:
            assert text.columns == tuple(header)
        found = rows_of(text)
        quoted_tabs = delimiter == "\t" and style != csv.QUOTE_NONE and '"' in written.getvalue()
        if quoted_tabs and found != rows:
            # Text that is separated by tabs is unquoted unless a value shows otherwise: its quotes are letters then.
            assert [[v.replace('"', "") for v in row] for row in found] == [
                [v.replace('"', "") for v in row] for row in rows
            ]
        else:
            assert found == rows


@pytest.mark.parametrize("mark", DELIMITERS)
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt"])
def test_the_delimiter_is_found_whatever_the_ending(tmp_path: Path, mark: str, suffix: str) -> None:
    text = opened(tmp_path / f"t{suffix}", mark.join(["file", "species"]).encode() + b"\n" + f"a{mark}b\n".encode())
    assert (text.delimiter, text.columns, rows_of(text)) == (mark, ("file", "species"), [["a", "b"]])


def test_a_comma_in_a_value_does_not_win_over_the_delimiter_that_cuts_every_row_alike(tmp_path: Path) -> None:
    text = opened(tmp_path / "t.csv", b"file;lat, lon;note\na;1,5;wet, cold, dark\nb;2,5;x\n")
    assert rows_of(text) == [["a", "1,5", "wet, cold, dark"], ["b", "2,5", "x"]]


def test_excels_line_about_the_separator_is_obeyed(tmp_path: Path) -> None:
    text = opened(tmp_path / "t.csv", codecs.BOM_UTF8 + b"sep=;\r\nfile;note\r\na;b,c\r\n")
    assert (text.columns, rows_of(text)) == (("file", "note"), [["a", "b,c"]])


def test_quotes_are_letters_in_text_separated_by_tabs_unless_the_text_shows_that_they_are_not(tmp_path: Path) -> None:
    gbif = b'file\tplace\na\tMILL "NORTH" SIDE\nb\t"half\nc\tplain\nd\t6" wide\n'
    assert rows_of(opened(tmp_path / "g.tsv", gbif)) == [
        ["a", 'MILL "NORTH" SIDE'],
        ["b", '"half'],
        ["c", "plain"],
        ["d", '6" wide'],
    ]
    pairs = b'file\tplace\na\t"half\nb\thalf"\n'
    assert rows_of(opened(tmp_path / "p.tsv", pairs)) == [["a", '"half'], ["b", 'half"']]
    pandas = b'file\tplace\na\t"two\nlines"\nb\t"6"" wide"\n'
    assert rows_of(opened(tmp_path / "q.tsv", pandas)) == [["a", "two\nlines"], ["b", '6" wide']]
    of_r = b'"file"\t"place"\n"a"\t"NORTH"\n'
    assert rows_of(opened(tmp_path / "r.tsv", of_r)) == [["a", "NORTH"]]


def test_mixed_line_ends_and_blank_lines_are_no_rows(tmp_path: Path) -> None:
    assert rows_of(opened(tmp_path / "t.csv", b"file,n\r\na,1\n\nb,2\r\nc,3\r")) == [["a", "1"], ["b", "2"], ["c", "3"]]


def test_a_word_that_means_missing_is_null_and_kept_in_quotes_where_asked(tmp_path: Path) -> None:
    text = opened(tmp_path / "t.csv", b'genus,n\nNA,1\n"NA",2\nna,3\n')
    kept = text.table(missing=("NA",), keep_quoted=True)
    assert kept["genus"].to_pylist() == [None, "NA", "na"]
    assert text.table(missing=("NA",))["genus"].to_pylist() == [None, None, "na"]


@pytest.mark.parametrize("quote", [b"", b'"'])
def test_a_field_of_many_megabytes_is_refused_with_its_line(tmp_path: Path, quote: bytes) -> None:
    with pytest.raises(InputError, match="line 2 of .* is longer than 4 MiB"):
        opened(tmp_path / "t.csv", b"file,note\na," + quote + b"x" * 9_000_000 + quote + b"\n")


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is empty"),
        (b"\n\n \n", "is empty"),
        (codecs.BOM_UTF8, "is empty"),
        (b"a,a\n1,2\n", "'a' twice"),
        (b"a,b\n", "no rows"),
    ],
)
def test_a_text_without_a_table_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        opened(tmp_path / "t.csv", content).table()


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        DelimitedText("gone.csv", local_opener(tmp_path / "gone.csv"))


@pytest.mark.parametrize("codec", ["utf-8", "cp1252", "utf-16"])
@pytest.mark.parametrize("note", ["plain", '"two\nlines"', '5" wide'])
def test_arrow_reads_a_file_or_memory_of_its_own_whatever_the_encoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str, note: str
) -> None:
    # A thread of Arrow's that reads in a stream of Python's while the interpreter ends ends it with SIGABRT.
    given_files: list[object] = []

    def noting(read: Callable[..., object]) -> Callable[..., object]:
        def noted(file: object, *options: object) -> object:
            given_files.append(file)
            return read(file, *options)

        return noted

    own = {"open_csv": noting(pv.open_csv), "read_csv": noting(pv.read_csv)}
    monkeypatch.setattr("cladescope.delimited.text.pv", SimpleNamespace(**{**vars(pv), **own}))
    wide = f'file,genus,note\na.png,Caféus,{note}\nb.png,Bufo,"x\ny"\n'
    text = opened(tmp_path / "m.csv", wide.encode(codec))
    assert rows_of(text) == [["a.png", "Caféus", note.strip('"')], ["b.png", "Bufo", "x\ny"]]
    assert given_files
    assert all(isinstance(file, pa.OSFile | pa.BufferReader) for file in given_files)


@pytest.mark.parametrize("n_bytes", [1, 7, 64])
def test_a_text_cut_into_pieces_anywhere_gives_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_bytes: int
) -> None:
    rows = [["a", "x"], ["\ufeffb", 'six "feet"'], ["c", "two\r\nlines, and\n\nmore"], ["é", ""], ["", "\r"]]
    written = io.StringIO(newline="")
    csv.writer(written).writerows([["file", "note"], *rows])
    content = codecs.BOM_UTF8 + b"\r\n" + written.getvalue().encode()
    whole = opened(tmp_path / "t.csv", content)
    monkeypatch.setattr(pieces, "PIECE_BYTES", n_bytes)
    assert rows_of(whole) == rows
    assert rows_of(opened(tmp_path / "t.csv", content)) == rows


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from('a,"\n\r'), max_size=40))
@example('"a,b\n\n"c",d\n')
def test_quotes_looked_at_as_arrays_are_those_of_the_csv_module(text: str) -> None:
    found = look_at_quotes(io.BytesIO(text.encode()), ",", 2)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        assert not found.regular
        return
    lines = [re.split("\r\n|\r|\n", ",".join(row)) for row in rows]
    if found.regular:
        assert found.line_ends == any(len(several) > 1 for several in lines)
        taken_in = [several for several in lines if len(several) > 1 and {one.count(",") for one in several} == {1}]
        assert found.swallowing == bool(taken_in)


def test_a_dialect_that_is_known_is_not_sought(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a;b\n"x;1\n,;2\n')
    plain = DelimitedText(str(path), local_opener(path), dialect=Dialect(";", quoted=False))
    assert rows_of(plain) == [['"x', "1"], [",", "2"]]
    path.write_text("a,b\n1;2\n")
    with pytest.raises(InputError, match=r"line 1 of .*t\.csv has 1 values, its header 2"):
        rows_of(DelimitedText(str(path), local_opener(path), dialect=Dialect(",", quoted=True, skipped=-1)))
