"""Whatever a user gives wrong is answered with one clear line, and nothing is lost."""

import logging
import os
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

import cladescope.app.cli
import cladescope.app.cli.output
from cladescope.embedding.encoder import Encoder
from cladescope.index.store import Store
from tests.app.cli.command_line import png_that_claims


def test_the_good_pictures_of_a_mixed_folder_go_in_and_each_bad_one_has_its_reason(run, photos, tmp_path):
    whole = (photos / "good0.jpg").read_bytes()
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (photos / "text.jpg").write_text("this is no picture")
    (photos / "bomb.png").write_bytes(png_that_claims(60_000, 60_000))
    Image.new("RGB", (1, 10_000)).save(photos / "thin.png")
    (photos / "notes.txt").write_text("seen at the lake")
    store = tmp_path / "s"
    ended = run("embed", photos, "--store", store)
    assert ended.status == 0
    assert f"each failure with its reason: cladescope info {store} --failures" in ended.err
    document = run("info", store, "--json").json
    assert (document["images"], document["failures"]) == (6, 5)
    reasons = {Path(row["uri"]).name: row["reason"] for row in run("info", store, "--failures").rows}
    expected = {
        "empty.jpg": "empty file: 0 bytes",
        "cut.jpg": "truncated",
        "text.jpg": "not a picture",
        "bomb.png": "60000 x 60000 pixels: too large",
        "thin.png": "1 x 10000 pixels: too thin",
    }
    assert reasons.keys() == expected.keys()
    for name, reason in expected.items():
        assert reason in reasons[name]


def test_a_folder_of_bad_pictures_only_is_a_failure(run, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "text.jpg").write_text("this is no picture")
    ended = run("embed", tmp_path / "photos", "--store", tmp_path / "s")
    assert ended.status == 1
    assert ended.err.splitlines()[-1].startswith("error: none of 1 record could be used")


def test_the_summary_counts_failures_by_reason_and_not_by_picture(run, photos, tmp_path):
    for number in range(4):
        Image.new("RGB", (1, 1000 + number)).save(photos / f"thin{number}.png")
        (photos / f"broken{number}.jpg").symlink_to("nowhere.jpg")
    document = run("embed", photos, "--store", tmp_path / "s", "--json").json
    assert document["failures"] == {"decode: too thin": 4, "list: is a broken link": 4}


@pytest.mark.parametrize(
    "content, reason",
    [
        ("", "is empty: expected a header"),
        ("path,class\n", "has a header and no rows"),
        ("number,species\n1,Parus major\n", "found no column of pictures among 'number', 'species'"),
        ("path,class,cls\na.jpg,Aves,Aves\n", "columns 'class' and 'cls' both give the class"),
    ],
)
def test_a_manifest_that_cannot_be_used_makes_no_store(fails, tmp_path, content, reason):
    (tmp_path / "m.csv").write_text(content)
    assert reason in fails("embed", tmp_path / "m.csv", "--store", tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_rows_of_a_manifest_that_cannot_be_used_stand_in_the_ledger(run, photos, tmp_path):
    rows = ["a,good0.jpg", "b,missing.jpg", "c,", "a,good1.jpg", "d,nowhere://e.jpg", "f,good2.jpg"]
    (photos / "m.csv").write_text("\n".join(["id,path", *rows]))
    assert run("embed", photos / "m.csv", "--store", tmp_path / "s", "--json").json["embedded"] == 2
    reasons = {(row["image_id"], row["stage"]): row["reason"] for row in run("info", tmp_path / "s", "--failures").rows}
    assert reasons.keys() == {("b", "read"), ("c", "list"), ("a", "identity"), ("d", "list")}
    assert "no such file" in reasons["b", "read"]
    assert "image_id 'a' of record 4 came before" in reasons["a", "identity"]
    assert "addresses of nowhere:// are not opened for a table" in reasons["d", "list"]


def test_a_source_that_is_not_there_or_empty_makes_no_store(fails, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no such file or folder" in fails("embed", tmp_path / "missing", "--store", tmp_path / "s")
    assert "found no pictures" in fails("embed", tmp_path / "empty", "--store", tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_a_limit_of_nothing_embeds_nothing(run, photos, tmp_path):
    assert run("embed", photos, "--store", tmp_path / "s", "--limit", 0, "--json").json["records"] == 0
    assert run("info", tmp_path / "s", "--json").json["images"] == 0


def test_a_file_of_no_vectors_is_refused_in_a_line(fails, tmp_path):
    for name, reason in {
        "t.npy": "no .npy array",
        "t.parquet": "no Parquet table",
        "t.csv": "neither .parquet",
    }.items():
        (tmp_path / name).write_text("nonsense")
        assert reason in fails("import", tmp_path / name, "--store", tmp_path / "s", "--encoder", "x")
    assert not (tmp_path / "s").exists()


# Paths


def test_paths_may_hold_blanks_and_any_letters(run, photos, tmp_path):
    folder = tmp_path / "Fotos vögel" / "日本 x"
    folder.mkdir(parents=True)
    shutil.copy(photos / "good0.jpg", folder / "Blåmejse 1.jpg")
    store, sheet = tmp_path / "Speicher ö 1", tmp_path / "Blatt ü 1.png"
    assert run("embed", tmp_path / "Fotos vögel", "--store", store).status == 0
    answer = run("search", store, "--image", folder / "Blåmejse 1.jpg", "--sheet", sheet, "--json").json
    assert answer["hits"][0]["uri"] == str(folder / "Blåmejse 1.jpg")
    assert sheet.exists()


def test_relative_paths_mean_the_same_pictures_from_anywhere(run, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("embed", "photos", "--store", "s", "--json").json["embedded"] == 6
    monkeypatch.chdir(photos)
    assert run("embed", ".", "--store", "../s", "--json").json["already_stored"] == 6


# Stores that cannot be used


@pytest.mark.parametrize("verb", [("info",), ("index",), ("search", "--id", "x")])
def test_what_is_no_store_is_called_so_by_every_verb(fails, tmp_path, verb):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    for name, reason in {"missing": "does not exist", "folder": "is no store", "file": "is a file"}.items():
        assert reason in fails(verb[0], tmp_path / name, *verb[1:])


def test_a_store_is_not_made_where_something_else_stands(fails, photos, tmp_path):
    before = sorted(photos.iterdir())
    assert "is no empty folder (it holds good0.jpg" in fails("embed", photos, "--store", photos)
    assert "is a file" in fails("embed", photos, "--store", photos / "good0.jpg")
    assert sorted(photos.iterdir()) == before


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b'{"format_version": "1"}', b'{"format_version": 1}']
)
def test_a_damaged_description_is_named(fails, store, photos, content):
    (store.path / "store.json").write_bytes(content)
    for command in (("info", store.path), ("embed", photos, "--store", store.path)):
        assert "store.json cannot be read" in fails(*command)


def test_a_store_of_a_newer_format_asks_for_an_upgrade(fails, store):
    (store.path / "store.json").write_text('{"format_version": 99}')
    assert "store format 99" in fails("info", store.path)


def test_damaged_rows_are_an_error_of_the_store_and_not_of_the_program(fails, store, query):
    for path in (store.path / "lance" / "images.lance" / "data").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    for command in (("info",), ("search", "--image", query)):
        reason = fails(command[0], store.path, *command[1:])
        assert "could not be read" in reason
        assert ".rs:" not in reason


def test_rows_whose_description_is_lost_are_not_given_another_encoder(fails, store, clades, checkpoint):
    (store.path / "store.json").unlink()
    reason = fails("embed", clades / "metadata.csv", "--store", store.path, "--encoder", checkpoint)
    assert "no empty folder (it holds lance)" in reason


def test_a_description_that_a_full_disk_cut_short_does_not_bar_the_next_run(run, photos, tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "store.json.new").write_text('{"form')
    assert run("embed", photos, "--store", tmp_path / "s").status == 0


def test_vectors_of_two_encoders_never_mix(fails, store, clades, checkpoint, query):
    reason = fails("embed", clades / "metadata.csv", "--store", store.path, "--encoder", checkpoint)
    assert "use the encoder pixels, or another store" in reason
    assert Store.open(store.path).count() == 48


def test_an_empty_store_is_searched_without_hits(run, fails, photos, query, tmp_path):
    store = tmp_path / "s"
    run("embed", photos, "--store", store, "--limit", 0)
    ended = run("search", store, "--image", query)
    assert (ended.status, ended.out) == (0, "")
    assert "no hits" in ended.err
    assert run("search", store, "--image", query, "--json").json["hits"] == []
    assert run("index", store).status == 0
    assert "0 vectors: an index needs at least 2" in fails("index", store, "--kind", "hnsw")
    assert "no ranks are recorded" in fails("search", store, "--image", query, "--within", "Aves")


def test_a_second_writer_is_turned_away_and_readers_are_not(run, store, clades, query):
    with store.writing():
        refused = run("embed", clades, "--store", store.path)
        assert (refused.status, refused.out) == (75, "")
        assert refused.err.splitlines()[-1].startswith("error: another job is writing")
        assert run("index", store.path, "--kind", "flat").status == 0
        assert run("search", store.path, "--image", query).status == 0
        assert run("info", store.path).status == 0


def test_a_job_that_finds_the_store_made_meanwhile_uses_it(run, clades, tmp_path, monkeypatch):
    make = Store.create.__func__

    def made_by_another(cls, path, card):
        make(cls, path, card)
        return make(cls, path, card)

    monkeypatch.setattr(Store, "create", classmethod(made_by_another))
    assert run("embed", clades / "metadata.csv", "--store", tmp_path / "s", "--json").json["embedded"] == 48


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_to_write_is_named(fails, photos, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o555)
    assert "no permission to write" in fails("embed", photos, "--store", tmp_path / "closed" / "s")


# Queries that cannot be answered


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (["--image", "QUERY", "--where", "genus ="], "is not a condition in SQL (Required keyword"),
        (["--image", "QUERY", "--where", "genus = 1"], "is not a condition in SQL (Received literal"),
        (
            ["--image", "QUERY", "--where", "1=1; drop table images"],
            "is not a condition in SQL (a semicolon ends it",
        ),
        (["--image", "QUERY", "--where", "wingspan > 3"], "no column 'wingspan'"),
        (["--image", "QUERY", "--within", ""], "holds an empty name"),
        (["--image", "missing.jpg"], "the query picture missing.jpg cannot be used: no such file"),
        (["--id", "nobody"], "no image_id 'nobody'"),
        (["--text", "a bird"], "encoder 'pixels' has no text side"),
    ],
)
def test_a_query_that_cannot_be_answered_says_why(fails, store, query, arguments, reason):
    line = fails("search", store.path, *[str(query) if given == "QUERY" else given for given in arguments])
    assert reason in line
    assert ".rs:" not in line


def test_a_query_is_checked_before_an_encoder_is_loaded(fails, store, query, monkeypatch):
    monkeypatch.setattr(Store, "encoder", None)
    for arguments, reason in [
        (["--image", query, "missing.jpg"], "no such file: missing.jpg"),
        (["--image", query, "--within", "Nowhere"], "unknown taxon 'Nowhere'"),
        (["--image", query, "--where", "wingspan > 3"], "no column 'wingspan'"),
    ]:
        assert reason in fails("search", store.path, *arguments)


def test_nothing_is_embedded_beside_vectors_of_an_unknown_encoder(run, fails, vectors, photos, tmp_path):
    run("import", vectors, "--store", tmp_path / "s", "--encoder", "unknown")
    assert "unknown encoder: embed these pictures into another store" in fails(
        "embed", photos, "--store", tmp_path / "s"
    )


def test_a_query_picture_that_cannot_be_decoded_is_named(fails, store, tmp_path):
    (tmp_path / "text.jpg").write_text("this is no picture")
    assert "text.jpg cannot be used: not a picture" in fails("search", store.path, "--image", tmp_path / "text.jpg")


def test_an_unknown_clade_is_answered_with_names_like_it(fails, store, query):
    family = store.search(images=[query], k=1).hits[0].taxon.path[4]
    reason = fails("search", store.path, "--image", query, "--within", family[:-1])
    assert "did you mean" in reason
    assert family in reason


def test_an_encoder_that_does_not_exist_is_refused(fails, photos, tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("nonsense", "missing/folder"):
        assert f"no encoder '{name}'" in fails("embed", photos, "--store", tmp_path / "s", "--encoder", name)
    reason = fails("embed", photos, "--store", tmp_path / "s", "--encoder", tmp_path / "empty")
    assert "holds no open_clip_config.json" in reason
    assert not (tmp_path / "s").exists()


# Wrong usage


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (["nonsense"], "No such command"),
        (["embed", "photos"], "--store"),
        (["embed", "a.jpg", "b.jpg", "c.jpg", "--store", "s"], "found 3 sources, expected one: quote a pattern"),
        (["embed", "photos", "--store", "s", "--limit", "-1"], "--limit"),
        (["embed", "photos", "--store", "s", "--batch-size", "0"], "--batch-size"),
        (["embed", "photos", "--store", "s", "--device", "tpu"], "'auto', 'cpu', 'cuda'"),
        (["search", "s"], "give a query: --image, --text, --id or --taxon"),
        (["search", "s", "--not-image", "a.jpg"], "give a query: --image, --text, --id or --taxon"),
        (["search", "s", "--id", "a", "--not-weight", "0.2"], "--not-weight is of --not-image"),
        (["search", "s", "--image", "a.jpg", "--not-image", "b.jpg", "c.jpg"], "--not-image takes one value; repeat"),
        (
            ["search", "s", "--queries", "a.jpg", "b.jpg"],
            "--queries takes one value; repeat --not-image and --image, quote",
        ),
        (["search", "s", "--id", "a", "--per", "genus"], "--per is of --at-most"),
        (["search", "s", "--id", "a", "--at-most", "2", "--per", "tribe"], "'tribe' is not one of"),
        (["search", "s", "--id", "a", "--near", "50;11;5"], "found '50;11;5' for --near, expected LAT,LON,KM"),
        (["search", "s", "--id", "a", "--json", "--csv"], "give one of --json and --csv"),
        (["search", "s", "a.jpg"], "there is no picture a.jpg: name a file, or search for words with --text"),
        (["search", "s", "--image", "a.jpg", "-k", "0"], "-k"),
        (["index", "s", "--target-recall", "2"], "must lie in 0 to 1"),
        (["simulate", "c", "--species", "0"], "--species"),
        (["import", "emb.parquet", "--store", "s"], "--encoder unknown"),
    ],
)
def test_wrong_usage_says_what_is_expected(misused, tmp_path, monkeypatch, arguments, reason):
    monkeypatch.chdir(tmp_path)
    assert reason in misused(*arguments)
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_where_an_error_came_from(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["cladescope", "info", str(tmp_path), "--debug"])
    with pytest.raises(cladescope.errors.StoreError):
        cladescope.app.cli.main()


def test_logging_is_as_before_once_a_command_has_ended(run, store):
    loggers = [logging.getLogger(), logging.getLogger("cladescope")]
    before = [(list(logger.handlers), logger.level, logger.propagate) for logger in loggers]
    run("info", store.path)
    run("info", store.path / "nowhere")
    assert [(list(logger.handlers), logger.level, logger.propagate) for logger in loggers] == before


# What an operating system does to a job


# Values and places of options, looked at before anything is loaded


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (["predict", "PHOTOS", "--classifier", "none.safetensors"], "--classifier: there is no file none.safetensors"),
        (["predict", "PHOTOS", "--taxa", "none.csv"], "--taxa: there is no file none.csv"),
        (["predict", "PHOTOS", "--calibrate-on", "PHOTOS"], "is no store (it has no store.json)"),
        (["predict", "PHOTOS", "--risk", "2"], "--risk: found '2', expected a number from 0 to 1"),
        (["fit", "PHOTOS", "--out", "none/c.safetensors"], "--out: none is no folder"),
        (["fit", "PHOTOS", "--out", "c.txt"], "--out: c.txt does not end in .safetensors"),
        (["fit", "PHOTOS", "--out", "/dev/null/c.safetensors"], "--out: /dev/null is no folder"),
        (["search", "s", "--id", "a", "--sheet", "a.doc"], "--sheet: a.doc does not end in .png or .jpg"),
        (["search", "s", "--queries", "PHOTOS", "--out", "a.doc"], "a.doc does not end in .csv or .json or .arrow or"),
        (["map", "s", "--out", "/dev/null/map"], "--out: /dev/null is a file, expected a folder"),
        (["map", "s", "--out", "m", "--place", "none"], "--place: there is no store none"),
        (["audit", "s", "--out", "a", "--against", "PHOTOS"], "is no store (it has no store.json)"),
        (["audit", "s", "--out", "a", "--limit", "3"], "--limit: found '3', expected a number from 10 on"),
        (["probe", "s", "--out", "p", "--tree", "none.nwk"], "--tree: there is no file none.nwk"),
        (["report", "s", "--out", "p", "--tree", "none.nwk"], "--tree: there is no file none.nwk"),
        (["export", "s", "--out", "e", "--about", "none.json"], "--about: there is no file none.json"),
        (["embed", "PHOTOS", "--store", "s", "--backbone", "none"], "--backbone: there is no folder none"),
        (["embed", "PHOTOS", "--store", "s", "--shard", "0/3"], "found the shard 0/3, expected one of 1/3 to 3/3"),
        (["embed", "PHOTOS", "--store", "s", "--devices", "x"], "found the device 'x'"),
        (["embed", "PHOTOS", "--store", "s", "--devices", ""], "found the device ''"),
        (["embed", "PHOTOS", "--store", "s", "--shards", "3"], "shards are for the executor ray"),
    ],
)
def test_what_an_option_never_takes_is_refused_before_anything_is_loaded(
    run, photos, tmp_path, monkeypatch, arguments, reason
):
    def load(*given, **named):
        raise AssertionError("nothing is to be loaded")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Encoder, "load", load)
    monkeypatch.setattr(Store, "open", load)
    before = sorted(tmp_path.rglob("*"))
    ended = run(*[photos if one == "PHOTOS" else one for one in arguments])
    assert (ended.status, ended.out) == (2, "")
    (line,) = ended.err.splitlines()
    assert reason in line
    assert sorted(tmp_path.rglob("*")) == before
