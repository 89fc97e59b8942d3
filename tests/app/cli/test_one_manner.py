"""One manner for all verbs: the same options, with the same words and the same meaning, wherever they make sense.

The table is made from the commands themselves. What a verb lacks is listed here with its reason, and nothing else may be lacking.
"""

import re

import pytest
import typer

from cladescope.app.cli import VERBS, app

COMMANDS = typer.main.get_group(app).commands
OPTIONS = ("out", "overwrite", "json", "csv", "sheet")
MAKES = {
    "predict": "answers, a row each", "fit": "a classifier", "undo": "counts of what was turned back", "embed": "rows of a store",
    "search": "hits, a row each", "index": "an index in the store, and its card", "info": "what a store holds, with rows by rank",
    "duplicates": "pairs, a row each", "audit": "tables, contact sheets and a page", "verify": "checks, a row each",
    "map": "coordinates, figures and a page", "report": "a page and its numbers", "probe": "numbers, a row each",
    "evaluate": "figures, vectors and a page", "relabel": "labels in a store", "delete": "rows out of a store",
    "commit": "rows of a store", "import": "rows of a store", "compact": "a store's tables, written anew",
    "serve": "answers to requests, until it is stopped", "explore": "a page, until it is stopped", "export": "tables of a store's rows", "share": "a page in a folder", "publish": "a collection of a database", "pack": "one file that names pictures", "suggest": "pictures to label, a row each", "train": "an encoder", "curate": "a data set in a folder",
    "taxonomy": "a backbone, or names, a row each", "demo": "an example of all steps", "simulate": "pictures and their tree",
    "sources": "kinds of sources, a row each", "doctor": "a few lines about this machine",
}  # fmt: skip
"""What each verb does, in words."""
IN_STORE = "what it makes is in the store, and it prints counts"
IN_FOLDER = "its rows are tables in the folder of --out"
NOT_PICTURES = "its results are no pictures"
FEW = "its rows are few and the same for everybody here: the shell's > file keeps them"
LACKS = {
    **{(verb, one): IN_STORE for verb in ("embed", "import", "index", "relabel", "delete", "commit", "compact") for one in ("out", "overwrite", "csv", "sheet")},
    **{("undo", one): "it puts back what a log says, and prints counts" for one in ("out", "overwrite", "csv", "sheet")},
    ("publish", "out"): "what it makes is in a database, named by --url and --collection",
    ("share", "csv"): "pictures.csv in the folder of --out has a row a picture",
    ("share", "sheet"): "its pictures are in the folder of --out",
    ("publish", "csv"): "it prints counts",
    ("publish", "sheet"): NOT_PICTURES,
    ("suggest", "csv"): "--out writes its rows as CSV, with a column to fill in",
    **{(verb, one): "it answers requests, and prints where" for verb in ("serve", "explore") for one in ("out", "overwrite", "csv", "sheet")},
    ("pack", "csv"): "it makes one file, and tells of it in a few lines",
    ("pack", "sheet"): NOT_PICTURES,
    ("fit", "csv"): "it makes one classifier, and tells of it in a few lines",
    ("fit", "sheet"): NOT_PICTURES,
    ("info", "sheet"): NOT_PICTURES,
    ("audit", "csv"): IN_FOLDER,
    ("audit", "sheet"): "its contact sheets are in the folder of --out",
    **{(verb, one): FEW for verb in ("verify", "sources", "doctor") for one in ("out", "overwrite")},
    **{(verb, "sheet"): NOT_PICTURES for verb in ("verify", "sources", "doctor", "probe", "report", "evaluate", "taxonomy", "export", "train")},
    ("doctor", "csv"): "it is a list of names and values: --json has them for programs",
    ("map", "csv"): IN_FOLDER,
    ("map", "sheet"): "its figures are in the folder of --out",
    ("report", "csv"): "probe prints the same numbers",
    ("evaluate", "csv"): "its tables have several shapes: results.json in the folder of --out has all figures",
    ("evaluate", "overwrite"): "its folder gathers evaluations: what is evaluated again takes the place of what it was, the rest stays",
    ("export", "csv"): "--format csv writes its rows",
    ("train", "csv"): "it makes one encoder, and tells of it in a few lines",
    ("train", "overwrite"): "hours of a run are never deleted: --resume goes on, or another folder is chosen",
    ("curate", "csv"): IN_FOLDER,
    ("curate", "overwrite"): "hours of work are never deleted: it goes on with what is there, and --redo makes a stage anew",
    ("curate", "sheet"): "its pictures are in shards",
    ("demo", "overwrite"): "it goes on with an earlier demo, and deletes nothing",
    ("demo", "csv"): "it is an example: search prints such rows",
    ("demo", "sheet"): "its contact sheet is in the folder of --out",
    ("simulate", "out"): "its folder is its argument",
    ("simulate", "overwrite"): "the same numbers give the same files: it draws what is missing, and refuses a folder of others",
    ("simulate", "csv"): "metadata.csv in its folder has the rows",
    ("simulate", "sheet"): "it makes the pictures themselves",
}  # fmt: skip
"""What a verb lacks, and why."""


MOMENT = r"\d{4}-\d\d-\d\dT[\d:.]+"
"""When something was made, which is another time the next time."""


def option_of(verb, name):
    """An option of a verb by its name on the command line; `duplicates --list` is its --out."""
    return next((one for one in COMMANDS[verb].params if f"--{name}" in one.opts), None)


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_has_an_option_or_there_is_a_reason_why_not(verb, name):
    assert (option_of(verb, name) is None) == ((verb, name) in LACKS)


def test_the_table_knows_every_verb_and_no_other():
    assert set(MAKES) == set(VERBS)
    assert {verb for verb, _ in LACKS} <= set(VERBS)


@pytest.mark.parametrize("name", ["overwrite", "json", "csv"])
def test_an_option_has_the_same_words_everywhere(name):
    said = {option_of(verb, name).help for verb in VERBS if option_of(verb, name) is not None}
    assert len(said) == 1, said


@pytest.mark.parametrize("verb", [verb for verb in VERBS if option_of(verb, "out") is not None])
def test_what_is_written_is_called_a_file_or_a_folder_for_something(verb):
    one = option_of(verb, "out")
    kind = "older" if one.metavar == "DIR" else "ile"
    assert re.match(rf"(build: )?([Nn]ew f|F){kind} for ", one.help), one.help


@pytest.mark.parametrize("verb", [verb for verb in VERBS if option_of(verb, "sheet") is not None])
def test_a_sheet_is_a_picture_that_is_drawn(verb):
    one = option_of(verb, "sheet")
    assert (one.metavar, one.help.split()[0]) == ("FILE.png|.jpg", "Draw")


def test_rows_go_to_a_file_as_they_would_be_printed(run, fails, misused, store, query, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.txt").write_text("owl\nmoth\n")
    run("fit", store.path, "--rank", "genus", "--calibration", 0, "--out", "c.safetensors")
    for verb, words in {
        "search": [store.path, query, "-k", "3"],
        "predict": [query, "--classifier", "c.safetensors", "--rank", "genus"],
        "info": [store.path],
    }.items():
        for ending in ("csv", "json"):
            printed = run(verb, *words, f"--{ending}")
            written = run(verb, *words, "--out", f"{verb}.{ending}")
            assert (written.status, written.out) == (0, ""), written.err
            assert written.err.splitlines()[-1] == f"written to {verb}.{ending}"
            kept = (tmp_path / f"{verb}.{ending}").read_text()
            assert re.sub(MOMENT, "", kept) == re.sub(MOMENT, "", printed.out)
            assert "(--overwrite)" in fails(verb, *words, "--out", f"{verb}.{ending}")
            assert run(verb, *words, "--out", f"{verb}.{ending}", "--overwrite").status == 0
        assert "--out x.csv is for CSV: leave out --json" in misused(verb, *words, "--out", "x.csv", "--json")
    assert not (tmp_path / "x.csv").exists()


def test_no_file_is_left_where_no_picture_could_be_named(run, photos, tmp_path):
    (photos / "bad.jpg").write_text("no picture")
    ended = run("predict", photos / "bad.jpg", "--out", tmp_path / "names.csv")
    assert ended.status == 1
    assert ended.err.splitlines()[-1].startswith(f"error: {photos / 'bad.jpg'}: not a picture")
    assert not (tmp_path / "names.csv").exists()


@pytest.mark.parametrize("verb", ["verify", "sources", "probe", "taxonomy"])
def test_csv_has_a_row_for_each_row_that_is_printed(run, store, clades, tmp_path, verb):
    names = ["Parus major", "Nobody known"]
    run("taxonomy", "build", clades / "metadata.csv", "--out", tmp_path / "b")
    words, n, column = {
        "verify": ([store.path], None, "check"),
        "sources": ([], None, "source"),
        "probe": ([store.path, "--out", tmp_path / "p", "--permutations", 1], None, "probe"),
        "taxonomy": (["match", *names, "--backbone", tmp_path / "b"], 2, "asked"),
    }[verb]
    ended = run(verb, *words, "--csv")
    assert ended.status == 0, ended.err
    assert len(ended.rows) == n if n else len(ended.rows) > 3
    assert all(row[column] for row in ended.rows)
