"""Names are data: no text of a file name, label or table is an instruction to a terminal, a spreadsheet or Rich."""

import csv
import io
import json
import re
import shutil
import sys
import unicodedata

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.app.cli import output, progress
from cladescope.embedding.pipeline import Progress
from cladescope.steps import listening
from tests.conftest import REPOSITORY

ANY_TEXT = st.text(st.characters(exclude_categories=()) | st.sampled_from("\x1b\x9b\n\r\t\u202e\u2066[]/$={}"))
NASTY = [
    "tit[bold]1", "[/b]", "[link=x]", "a\x1b[2Jb", "\x1b]0;title\x07", "c\x9b31m", "\u202egpj", ":smile:", "{0} {x}",
    "=cmd|' /C calc'!A0", "+1+1", "@SUM(A1)", "$\\alpha$", "<b>x</b>", "two\nlines", "car\rriage", "tab\tbed",
]  # fmt: skip


class Terminal(io.StringIO):
    """What a terminal would be sent."""

    def isatty(self):
        return True


def printed(call, *, terminal=False):
    """What a call writes to stdout and stderr."""
    out, err = (Terminal(), Terminal()) if terminal else (io.StringIO(), io.StringIO())
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = out, err
    try:
        call()
    finally:
        sys.stdout, sys.stderr = before
    return out.getvalue(), err.getvalue()


def instructs(text):
    return [c for c in text if (unicodedata.category(c) in ("Cc", "Cs") and c != "\n") or c in "\u202e\u2066\u2028"]


@given(ANY_TEXT)
def test_any_name_is_printed_on_one_line_without_instructions(name):
    for call in (lambda: output.say(name), lambda: output.print_line(name)):
        text = "".join(printed(call))
        assert instructs(text) == []
        assert text.count("\n") == 1
        text.encode()


@given(ANY_TEXT, ANY_TEXT)
def test_any_name_stands_in_a_table_as_it_is_spelt(head, name):
    text, _ = printed(lambda: output.print_table([head, "n"], [(name, 1)]))
    assert instructs(text) == []
    if re.fullmatch(r"[!-~]+", name):
        assert name in text


@given(ANY_TEXT)
def test_a_bar_on_a_terminal_takes_any_name(noun):
    def run():
        with listening(progress.told), progress.job_progress(noun) as show:
            show(Progress(done=1, total=2, embedded=1, failed=0, seconds=1.0))

    sent = printed(run, terminal=True)[1]
    assert "\x9b" not in sent
    assert "\x07" not in sent
    assert "\u202e" not in sent


def test_markup_in_names_is_printed_and_not_obeyed():
    text, _ = printed(lambda: output.print_table(["name"], [(name,) for name in NASTY]))
    for name in ("tit[bold]1", "[/b]", "[link=x]", ":smile:", "{0} {x}", r"a\x1b[2Jb", r"two\nlines"):
        assert name in text


@given(st.lists(st.fixed_dictionaries({"a": ANY_TEXT, "b": ANY_TEXT}), max_size=4))
def test_json_gives_names_back_as_they_were(rows):
    text, _ = printed(lambda: output.print_json({"rows": rows}))
    assert instructs(text) == []
    assert json.loads(text) == json.loads(json.dumps({"rows": rows}))


READ = st.text(st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from('\r\n",;'))


def test_csv_on_a_terminal_shows_escapes_where_a_file_has_the_characters(capsys, monkeypatch):
    for terminal, uri in ((True, r"tit\x1b[2J.png"), (False, "tit\x1b[2J.png")):
        monkeypatch.setattr(sys.stdout, "isatty", lambda terminal=terminal: terminal)
        output.CsvTable(["uri"]).add([{"uri": "tit\x1b[2J.png"}])
        assert capsys.readouterr().out == f"uri\n{uri}\n"


@given(st.lists(st.tuples(READ, READ), max_size=4))
def test_csv_is_faithful_by_default(rows):
    text, _ = printed(lambda: output.CsvTable(["a", "b"]).add({"a": a, "b": b} for a, b in rows))
    assert [tuple(row.values()) for row in csv.DictReader(io.StringIO(text, newline=""))] == rows


@pytest.fixture
def nasty_store(run, clades, tmp_path):
    """A store by `pixels` whose files, taxa and own columns have the worst of names."""
    folder, lines = tmp_path / "nasty", []
    folder.mkdir()
    picture = sorted(clades.glob("images/*/*.jpg"))[0]
    for number, name in enumerate(NASTY):
        path = folder / f"{number}{name.replace('/', '_')}.jpg"
        shutil.copy(picture, path)
        lines.append(
            {"id": f"{name} {number}", "path": str(path), "genus": f"G{name}", "common_name": name, "own": name}
        )
    pq.write_table(pa.Table.from_pylist(lines), tmp_path / "m.parquet")
    assert run("embed", tmp_path / "m.parquet", "--store", tmp_path / "nasty.store", "--encoder", "pixels").status == 0
    return tmp_path / "nasty.store"


def test_every_verb_shows_the_worst_of_names(run, nasty_store, tmp_path):
    picture = next((tmp_path / "nasty").glob("0*.jpg"))
    (tmp_path / "labels.txt").write_text("tit[bold]\n[/b]\n")
    run("fit", nasty_store, "--rank", "genus", "--out", tmp_path / "c.safetensors")
    commands = [
        ("search", nasty_store, "--image", picture, "-k", 20, "--sheet", tmp_path / "sheet.png"),
        ("search", nasty_store, "--image", picture, "-k", 20, "--json"),
        ("predict", nasty_store, "--classifier", tmp_path / "c.safetensors", "--rank", "genus"),
        ("predict", nasty_store, "--classifier", tmp_path / "c.safetensors", "--rank", "genus", "--json"),
        ("info", nasty_store),
        ("info", nasty_store, "--json"),
        ("search", nasty_store, "--id", "\x1b[31mno\u202e[/b]"),
        ("search", tmp_path / "\x1b[31mno\u202e[/b]", "--id", "x"),
        ("search", nasty_store, "--within", "\x1b[31mno\u202e[/b]", "--id", "x"),
        ("\x1b[31mno\u202e",),
        ("search", nasty_store, "--\x1b[31mno\u202e"),
        ("search", nasty_store, "-k", "\x1b[31mno\u202e"),
    ]
    for command in commands:
        ended = run(*command)
        assert instructs(ended.out + ended.err) == [], command
        assert "unexpected" not in ended.err, command
    found = run("search", nasty_store, "--image", picture, "-k", 20, "--keep-query")
    assert found.status == 0
    assert "0tit[bold]1.jpg" in found.out


def test_csv_is_faithful_unless_asked_otherwise(run, nasty_store):
    search = ("search", nasty_store, "--id", "tit[bold]1 0", "-k", 20)
    own = {row["own"] for row in run(*search, "--csv").rows}
    assert {"=cmd|' /C calc'!A0", "+1+1", "@SUM(A1)", "a\x1b[2Jb"} <= own
    safe = {row["own"] for row in run(*search, "--safe-csv").rows}
    assert {"'=cmd|' /C calc'!A0", "'+1+1", "'@SUM(A1)", "a\x1b[2Jb"} <= safe
    assert not {name for name in safe if name.startswith(("=", "+", "@"))}


def test_failures_are_listed_safely_too(run, photos, tmp_path, misused):
    (photos / "=1+1.jpg").write_text("no picture")
    (photos / "m.csv").write_text("id,path\n=cmd,=1+1.jpg\n")
    run("embed", photos / "m.csv", "--store", tmp_path / "s")
    listed = ("info", tmp_path / "s", "--failures")
    assert run(*listed).rows[0]["image_id"] == "=cmd"
    assert run(*listed, "--safe-csv").rows[0]["image_id"] == "'=cmd"
    assert "--safe-csv is of --failures" in misused("info", tmp_path / "s", "--safe-csv")


def test_tables_of_an_audit_are_faithful_unless_asked_otherwise(run, nasty_store, tmp_path):
    audit = ("audit", nasty_store, "--out", tmp_path / "audit", "--overwrite")
    for options, first in (((), "=cmd|' /C calc'!A0 9"), (("--safe-csv",), "'=cmd|' /C calc'!A0 9")):
        assert run(*audit, *options).status == 0
        with (tmp_path / "audit" / "duplicates.csv").open(newline="") as file:
            assert first in {row["image_id"] for row in csv.DictReader(file)}


def test_verbs_print_through_one_place():
    files = [path for path in (REPOSITORY / "app" / "cli").glob("*.py") if path.name != "output.py"]
    assert len(files) > 15
    for path in files:
        found = re.findall(r"typer\.s?echo|(?<![\w.])print\(|Console\(", path.read_text())
        assert found == (["typer.echo"] if path.name == "__init__.py" else []), path.name
