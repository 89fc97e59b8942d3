"""Several encoders of one store, as a user chooses among them."""

import json
import shutil

import pytest

from cladescope.embedding.encoder import Encoder
from cladescope.index.store import Store
from tests.index.toy import Toy


@pytest.fixture
def toy(monkeypatch):
    """An encoder `toy` that can be named on the command line."""
    load = Encoder.load
    by_name = staticmethod(lambda name, **options: Toy() if name == "toy" else load(name, **options))
    monkeypatch.setattr(Encoder, "load", by_name)


def test_two_encoders_in_one_pass_are_searched_and_indexed_by_name(run, toy, clades, query, tmp_path):
    store = tmp_path / "s"
    made = run("embed", clades / "metadata.csv", "--store", store, "--encoder", "pixels", "--encoder", "toy", "--json")
    assert (made.status, made.json["embedded"]) == (0, 48)
    assert "vectors toy of 48 pictures: encoder toy, 48 numbers" in run("info", store).out
    scores = {}
    for name in ("pixels", "toy"):
        first, second, *_ = run("search", store, "--image", query, "--vectors", name, "--json").json["hits"]
        assert first["uri"] == str(query)
        scores[name] = second["score"]
    assert scores["pixels"] != scores["toy"]
    assert run("index", store, "--vectors", "toy", "--kind", "flat", "--json").json["dim"] == 48
    assert (
        run("search", store, "--image", query, "--vectors", "toy", "--json").json["hits"][1]["score"] == scores["toy"]
    )
    assert run("verify", store).status == 0


def test_pictures_that_are_stored_get_further_vectors_and_the_summary_says_how_many(run, toy, clades, tmp_path):
    store = tmp_path / "s"
    run("embed", clades / "metadata.csv", "--store", store, "--encoder", "pixels")
    ended = run("embed", clades / "metadata.csv", "--store", store, "--encoder", "pixels", "--encoder", "toy")
    assert ended.status == 0
    (line,) = [line for line in ended.out.splitlines() if line.startswith("of these and others, given further vectors")]
    assert line.split()[-1] == "48"
    ended = run("embed", clades / "metadata.csv", "--store", store, "--json")
    assert (ended.json["already_stored"], ended.json["filled"]) == (48, 0)


def test_further_vectors_of_pictures_that_processes_decode_are_the_same(run, toy, clades, tmp_path):
    vectors = []
    for how in ("threads", "processes"):
        embed = ("embed", clades / "metadata.csv", "--store", tmp_path / how, "--decode", how)
        run(*embed, "--encoder", "pixels")
        filled = run(*embed, "--encoder", "pixels", "--encoder", "toy", "--json").json
        assert (filled["filled"], filled["decoded"]) == (48, {} if how == "threads" else {"in processes": 48})
        named = Store.open(tmp_path / how, vectors="toy")
        vectors.append(
            {row["uri"]: row["vector"] for rows in named.scan(["uri", "vector"]) for row in rows.to_pylist()}
        )
    assert vectors[0] == vectors[1]


def test_programs_see_what_was_filled_apart_from_what_was_embedded(run, toy, clades, tmp_path):
    store, events, metrics = tmp_path / "s", tmp_path / "e.jsonl", tmp_path / "m.prom"
    run("embed", clades / "metadata.csv", "--store", store, "--encoder", "pixels")
    told = ("--progress", events, "--metrics", metrics, "--profile", "--json")
    ended = run("embed", clades / "metadata.csv", "--store", store, "--encoder", "pixels", "--encoder", "toy", *told)
    last = json.loads(events.read_text().splitlines()[-1])
    counts = {"done": 96, "total": 96, "embedded": 0, "already_stored": 48, "failed": 0, "filled": 48, "unfilled": 0}
    assert {name: last[name] for name in counts} == counts
    assert {name: last["summary"][name] for name in ("records", "embedded", "filled")} == {
        "records": 48,
        "embedded": 0,
        "filled": 48,
    }
    found = {
        line.partition("{")[0]: float(line.split()[-1]) for line in metrics.read_text().splitlines() if line[0] != "#"
    }
    measured = {"source_records": 48, "records_total": 48, "pictures_embedded_total": 0, "pictures_failed_total": 0,
                "pictures_filled_total": 48, "pictures_unfilled_total": 0}  # fmt: skip
    assert {name: found[f"cladescope_job_{name}"] for name in measured} == measured
    assert ended.json["stages"]["encode"]["n"] == 48
    assert ended.json["encode_seconds"] > 0
    assert ended.json["pictures_per_second"] > 0
    assert "not known" not in ended.err


def test_pictures_that_cannot_be_filled_are_no_failures_of_the_source(run, toy, clades, tmp_path):
    store, events = tmp_path / "s", tmp_path / "e.jsonl"
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a", "b", "c"):
        shutil.copy(next(clades.glob("images/*/*.jpg")), folder / f"{name}.jpg")
    run("embed", folder, "--store", store, "--encoder", "pixels")
    other = tmp_path / "other"
    folder.rename(other)
    other.mkdir(exist_ok=True)
    (tmp_path / "new").mkdir()
    shutil.copy(other / "a.jpg", tmp_path / "new" / "n.jpg")
    two = ("--encoder", "pixels", "--encoder", "toy")
    ended = run("embed", tmp_path / "new", "--store", store, *two, "--progress", events, "--json")
    last = json.loads(events.read_text().splitlines()[-1])
    assert (last["failed"], ended.json["failed"]) == (0, 0)
    assert last["unfilled"] == sum(ended.json["unfilled"].values())
    assert last["done"] == last["total"]


def test_queries_of_a_file_are_compared_with_vectors_of_a_name(run, toy, clades, tmp_path):
    store = tmp_path / "s"
    run("embed", clades / "metadata.csv", "--store", store, "--encoder", "pixels", "--encoder", "toy")
    ended = run("search", store, "--queries", clades / "metadata.csv", "-k", 1, "--vectors", "toy", "--json")
    assert {round(hit["score"], 3) for hit in ended.json["hits"]} == {1.0}


def test_a_name_that_no_vectors_have_is_told_those_that_there_are(fails, store, query):
    reason = fails("search", store.path, "--image", query, "--vectors", "nobody")
    assert reason == "error: the store has no vectors 'nobody': it has those of pixels"


def test_probes_of_vectors_of_one_store_are_compared_by_name(run, toy, clades, tmp_path):
    store = tmp_path / "s"
    run("embed", clades / "metadata.csv", "--store", store, "--encoder", "pixels", "--encoder", "toy")
    ended = run("probe", store, "--compare", "toy", "--permutations", 3, "--all", "--out", tmp_path / "probes")
    assert ended.status == 0
    assert f"{store} (toy)" in ended.out
