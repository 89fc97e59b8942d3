"""Several encoders of one store, as a user chooses among them."""

import pytest

from cladescope.embedding.encoder import Encoder
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
