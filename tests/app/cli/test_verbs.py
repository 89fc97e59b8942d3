"""What a user is shown works as shown."""

import re
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

import cladescope.app.cli
import cladescope.app.cli.output
import cladescope.app.cli.progress
from cladescope.index.store import Store


def test_the_five_commands_of_the_readme_work_in_turn(run, clades, query, tmp_path):
    store, sheet = tmp_path / "photos.store", tmp_path / "hits.png"
    embedded = run("embed", clades / "metadata.csv", "--store", store)
    assert (embedded.status, "pictures a second" in embedded.out) == (0, True)
    counted = run("info", store)
    assert counted.out.startswith("48 pictures, 0 failures")
    assert "species    12        48" in counted.out
    indexed = run("index", store)
    assert "48 vectors of 512 numbers" in indexed.out
    found = run("search", store, "--image", query, "--sheet", sheet)
    assert found.status == 0
    assert "consensus:" in found.out
    clade = Store.open(store).search(images=[query], k=1).hits[0].taxon.path[4]
    narrowed = run("search", store, "--image", query, "--within", clade, "--json")
    assert {hit["family"] for hit in narrowed.json["hits"]} == {clade}


def test_embedding_twice_embeds_nothing_the_second_time(run, clades, tmp_path):
    command = ("embed", clades / "metadata.csv", "--store", tmp_path / "s", "--json")
    first, second = run(*command).json, run(*command).json
    assert (first["embedded"], first["already_stored"]) == (48, 0)
    assert (second["embedded"], second["already_stored"]) == (0, 48)


def test_info_tells_of_the_latest_jobs_in_local_time(run, photos, tmp_path, monkeypatch):
    (photos / "bad.jpg").write_text("no picture")
    for _ in range(7):
        run("embed", photos, "--store", tmp_path / "s")
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        lines = run("info", tmp_path / "s").out.splitlines()
    finally:
        monkeypatch.undo()
        time.tzset()
    latest = run("info", tmp_path / "s", "--json").json["runs"][-1]["started"]
    there = datetime.fromisoformat(latest) + timedelta(hours=5, minutes=45)
    assert lines[0].startswith("6 pictures, 1 failure (--failures lists them)")
    assert lines[-6] == "2 earlier jobs: --json lists them"
    assert lines[-1] == f"{there:%Y-%m-%d %H:%M} embed {photos}: done"


def test_a_stored_picture_finds_itself_first(run, store, query):
    hit = run("search", store.path, "--image", query, "--json").json["hits"][0]
    assert hit["score"] > 0.999
    assert Path(hit["uri"]) == query


def test_several_pictures_make_one_query(run, store, clades):
    paths = sorted(clades.glob("images/*/*.jpg"))
    one, two = paths[0], paths[-1]

    def scores(*arguments):
        hits = run("search", store.path, *arguments, "-k", 48, "--json").json["hits"]
        return {hit["uri"]: hit["score"] for hit in hits}

    both = scores("--image", one, two)
    alone = [scores("--image", path) for path in (one, two)]
    # The query is the normalised mean, so its scores are in proportion to the sums of the others'.
    sums = {uri: alone[0][uri] + alone[1][uri] for uri in both}
    ratio = both[str(one)] / sums[str(one)]
    assert both == pytest.approx({uri: ratio * value for uri, value in sums.items()}, abs=1e-4)
    assert both == scores("--image", one, "--image", two)


def test_a_stored_picture_named_by_id_is_not_among_its_hits(run, store, query):
    own = run("search", store.path, "--image", query, "-k", 1, "--json").json["hits"][0]["image_id"]
    hits = run("search", store.path, "--id", own, "-k", 48, "--json").json["hits"]
    assert len(hits) == 47
    assert own not in {hit["image_id"] for hit in hits}


def test_a_narrow_terminal_gets_fewer_columns_and_nobody_an_empty_one(run, store, query, monkeypatch):
    monkeypatch.chdir(query.parents[2])

    def shown(width):
        monkeypatch.setattr(cladescope.app.cli.output, "WIDE", width)
        head, *hits, _ = run("search", store.path, "--image", query, "-k", 3, "--keep-query").out.splitlines()
        return head.split(), [hit.split()[-1] for hit in hits]

    place = str(query.relative_to(query.parents[2]))
    wide, paths = shown(200)
    assert wide == ["score", "likeness", "taxon", "common", "name", "family", "order", "picture"]
    assert paths[0] == place, "below this folder a path is short"
    narrow, paths = shown(len(place) + 50)
    assert narrow[:3] + narrow[-1:] == ["score", "likeness", "taxon", "picture"]
    assert "order" not in narrow
    assert paths[0] == place, "and is not broken"


def test_columns_without_a_value_are_not_shown(run, photos, tmp_path):
    run("embed", photos, "--store", tmp_path / "s")
    head = run("search", tmp_path / "s", "--image", photos / "good0.jpg").out.splitlines()[0]
    assert head.split() == ["score", "picture"], "without taxa, and too few for words"


def test_hits_come_as_csv(run, store, query):
    ended = run("search", store.path, "--image", query, "--csv", "-k", 3)
    assert [row["position"] for row in ended.rows] == ["1", "2", "3"]
    assert Path(ended.rows[0]["uri"]) == query
    assert ended.rows[0]["species"]


def test_csv_without_hits_has_the_same_header(run, store, query):
    some = run("search", store.path, "--image", query, "--csv")
    none = run("search", store.path, "--image", query, "--csv", "--where", "width < 0")
    assert none.rows == []
    assert none.out.splitlines() == some.out.splitlines()[:1]


def test_a_sheet_is_a_picture_of_query_and_hits(run, store, query, tmp_path):
    ended = run("search", store.path, "--image", query, "--sheet", tmp_path / "hits.png", "-k", 4)
    assert ended.status == 0
    with Image.open(tmp_path / "hits.png") as sheet:
        assert min(sheet.size) > 100


def test_a_condition_narrows_and_a_reserved_word_needs_no_quotes(run, store, query):
    order = store.search(images=[query], k=1).hits[0].taxon.path[3]
    hits = run("search", store.path, "--image", query, "--where", f"order = '{order}'", "-k", 48, "--json").json["hits"]
    assert {hit["order"] for hit in hits} == {order}


def test_more_hits_than_pictures_gives_every_picture(run, store, query):
    assert len(run("search", store.path, "--image", query, "-k", 1000, "--json").json["hits"]) == 48


def test_an_index_answers_once_it_is_built_and_no_more_when_removed(run, store, query):
    built = run("index", store.path, "--kind", "hnsw")
    assert built.out.startswith("# Index `hnsw`")
    assert "index hnsw: 48 vectors" in run("info", store.path).out
    search = ("search", store.path, "--image", query, "--json")
    answer = run(*search).json
    assert answer["method"] == "hnsw"
    assert Path(answer["hits"][0]["uri"]) == query
    assert run(*search, "--exact").json["method"] == "exact"
    assert run("index", store.path, "--kind", "flat").out.startswith("# Index `flat`")
    assert run(*search).json["method"] == "exact", "a flat index compares all"
    assert "the earlier index was removed" in run("index", store.path, "--kind", "none").out
    assert run(*search).json["method"] == "exact"


def test_imported_vectors_are_searched_by_id(run, vectors, tmp_path):
    store = tmp_path / "imported"
    assert re.search(r"imported +20\n", run("import", vectors, "--store", tmp_path / "other", "--encoder", "x").out)
    ended = run("import", vectors, "--store", store, "--encoder", "someones-encoder", "--json")
    assert (ended.json["embedded"], ended.json["encoder"]) == (20, "someones-encoder")
    hits = run("search", store, "--id", "u3", "-k", 20, "--json").json["hits"]
    assert {hit["image_id"] for hit in hits} == {f"u{n}" for n in range(20)} - {"u3"}
    assert run("import", vectors, "--store", store, "--json").json["already_stored"] == 20


def test_a_text_finds_pictures_where_the_encoder_has_a_text_side(run, clades, checkpoint, tmp_path):
    store = tmp_path / "s"
    assert run("embed", clades, "--store", store, "--encoder", checkpoint, "--limit", 6).status == 0
    answer = run("search", store, "--text", "a photo of a bird", "--json").json
    assert len(answer["hits"]) == 6
    assert answer["query"]["text"] == "a photo of a bird"


def test_a_simulation_prints_the_path_of_its_manifest(run, tmp_path):
    ended = run("simulate", tmp_path / "clades", "--species", 2, "--images", 2, "--size", 32)
    manifest = Path(ended.out.strip())
    assert len(manifest.read_text().splitlines()) == 5
    assert "4 pictures of 2 species" in ended.err


def test_a_long_simulation_says_how_far_it_is(run, tmp_path, monkeypatch):
    monkeypatch.setattr(cladescope.app.cli.progress, "LOG_SECONDS", 0.0)
    ended = run("simulate", tmp_path / "clades", "--species", 2, "--images", 2, "--size", 32)
    assert [line.partition(",")[0] for line in ended.err.splitlines()[:2]] == ["drawn 2 of 4", "drawn 4 of 4"]


def test_doctor_names_what_the_machine_offers(run):
    assert "torch" in run("doctor").out
    assert run("doctor", "--json").json["memory_gb"] > 0.5


def test_the_demo_embeds_indexes_and_searches_what_it_simulated(run, tmp_path):
    ended = run("demo", "--out", tmp_path / "demo")
    assert ended.status == 0
    assert "600 pictures in" in ended.out
    assert "$ cladescope search" in ended.err
    assert (tmp_path / "demo" / "hits.png").exists()


def test_a_demo_over_one_by_another_encoder_says_so(run, store, tmp_path, monkeypatch):
    monkeypatch.setattr("cladescope.app.verbs.demo.simulate", lambda *_, **__: tmp_path / "metadata.csv")
    (tmp_path / "demo").mkdir()
    store.path.rename(tmp_path / "demo" / "clades.store")
    ended = run("demo", "--out", tmp_path / "demo")
    assert ended.status == 1
    assert "demo with another encoder: delete it, or" in ended.err.splitlines()[-1]


def test_every_verb_prints_one_json_document_and_nothing_else(run, store, photos, vectors, query, tmp_path):
    (photos / "bad.jpg").write_text("no picture")
    commands = {
        "simulate": [tmp_path / "c", "--species", 2, "--images", 1, "--size", 32],
        "embed": [photos, "--store", tmp_path / "s"],
        "import": [vectors, "--store", tmp_path / "i", "--encoder", "unknown"],
        "info": [tmp_path / "s"],
        "verify": [tmp_path / "s"],
        "index": [store.path, "--kind", "hnsw"],
        "search": [store.path, "--image", query, "--sheet", tmp_path / "x.png"],
        "doctor": [],
        "sources": [],
    }
    own = {
        *("audit", "delete", "demo", "evaluate", "export", "fit", "map", "predict", "probe", "relabel", "report"),
        *(
            "commit",
            "compact",
            "curate",
            "duplicates",
            "explore",
            "pack",
            "publish",
            "serve",
            "share",
            "suggest",
            "taxonomy",
            "train",
            "undo",
        ),
    }
    assert set(cladescope.app.cli.VERBS) == {*commands, *own}  # these have tests of their own
    for verb, arguments in commands.items():
        ended = run(verb, *arguments, "--json")
        assert (ended.status, isinstance(ended.json, dict)) == (0, True), verb
    assert run("info", tmp_path / "s", "--failures", "--json").json["failures"][0]["stage"] == "decode"
    assert run("index", store.path, "--kind", "flat", "--json").json["kind"] == "flat"
