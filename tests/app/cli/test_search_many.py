"""`cladescope search --queries`: many queries from the command line."""

import json

import numpy as np
import pyarrow as pa
import pytest

from cladescope.taxonomy import RANKS

COLUMNS = ["query", "position", "score", "image_id", "uri", *RANKS, "common_name"]


def test_a_folder_is_searched_for_picture_by_picture(run, store, photos):
    (photos / "bad.jpg").write_text("no picture")
    ended = run("search", store.path, "--queries", photos, "-k", 2, "--csv")
    assert ended.status == 0
    assert list(ended.rows[0]) == COLUMNS
    assert [(row["query"], row["position"]) for row in ended.rows] == [
        (str(photos / f"good{n}.jpg"), str(position)) for n in range(6) for position in (1, 2)
    ]
    single = run("search", store.path, "--image", photos / "good3.jpg", "-k", 2, "--json").json["hits"]
    for row, hit in zip(ended.rows[6:8], single, strict=True):
        assert {name: row[name] for name in COLUMNS[3:]} == {name: hit[name] or "" for name in COLUMNS[3:]}
        assert float(row["score"]) == pytest.approx(hit["score"], abs=1e-5)
    assert f"left out: {photos / 'bad.jpg'}: not a picture" in ended.err
    assert "1 of 7 queries could not be used" in ended.err
    document = run("search", store.path, "--queries", photos, "-k", 2, "--json").json
    assert [hit["image_id"] for hit in document["hits"]] == [row["image_id"] for row in ended.rows]
    assert (document["n_queries"], document["n_hits"], len(document["failures"])) == (6, 12, 1)
    shown = run("search", store.path, "--queries", photos, "-k", 2).out.splitlines()
    assert len(shown) == 6 + 12
    assert shown[0].endswith("good0.jpg")
    assert shown[1].split()[0] == f"{float(ended.rows[0]['score']):.4f}"


def test_vectors_are_searched_for_row_by_row(run, store, tmp_path):
    np.save(tmp_path / "q.npy", np.random.default_rng(0).standard_normal((3, 960)))
    rows = run("search", store.path, "--queries", tmp_path / "q.npy", "-k", 2, "--csv").rows
    assert [row["query"] for row in rows] == ["0", "0", "1", "1", "2", "2"]
    out = tmp_path / "hits.arrow"
    ended = run("search", store.path, "--queries", tmp_path / "q.npy", "-k", 2, "--out", out)
    assert ended.out == f"3 queries, 6 hits: {out}\n"
    with pa.memory_map(str(out)) as file:
        table = pa.ipc.open_file(file).read_all()
    assert table.column_names == COLUMNS
    assert table.column("image_id").to_pylist() == [row["image_id"] for row in rows]
    again = ("search", store.path, "--queries", tmp_path / "q.npy", "--out", out)
    assert "is there already" in run(*again).err
    told = json.loads(run(*again, "--overwrite", "--json").out)
    assert (told["queries"], told["hits"], told["failures"]) == (3, 30, [])


def test_no_hits_are_a_header_and_a_word(run, store, tmp_path):
    np.save(tmp_path / "q.npy", np.ones((2, 960)))
    ended = run("search", store.path, "--queries", tmp_path / "q.npy", "--where", "width < 0", "--csv")
    assert (ended.out, ended.rows) == (",".join(COLUMNS) + "\n", [])
    assert "no hits" in ended.err
    empty = run("search", store.path, "--queries", tmp_path / "q.npy", "--where", "width < 0", "--json").json
    assert (empty["hits"], empty["n_queries"]) == ([], 2)


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (["--queries", "q", "--text", "a bird"], "--queries searches for each query alone: leave out --text"),
        (["--queries", "q", "--not-id", "a"], "--queries searches for each query alone: leave out --not-id"),
        (["--queries", "q", "--near", "1,2,3"], "--queries searches for each query alone: leave out --near"),
        (["--queries", "q", "--sheet", "s.png"], "--queries searches for each query alone: leave out --sheet"),
        (["--id", "a", "--out", "hits.arrow"], "--out is of --queries"),
        (["--id", "a", "--strict"], "--strict is of --queries"),
        (["--queries", "q", "--json", "--csv"], "give one of --json and --csv"),
    ],
)
def test_options_of_one_query_and_of_many_do_not_mix(misused, store, arguments, reason):
    assert reason in misused("search", store.path, *arguments)


def test_queries_that_cannot_be_used_are_one_line(fails, store, tmp_path, photos):
    np.save(tmp_path / "q.npy", np.ones((2, 5)))
    np.save(tmp_path / "zero.npy", np.zeros((2, 960)))
    (photos / "bad.jpg").write_text("no picture")
    for given, reason in [
        ([tmp_path / "q.npy"], "has vectors of 5 numbers, the store of 960"),
        ([tmp_path / "zero.npy", "--csv"], "none of the 2 queries"),
        ([tmp_path / "gone.parquet"], "no such file"),
        ([photos, "--strict", "--csv"], "bad.jpg: not a picture"),
    ]:
        assert reason in fails("search", store.path, "--queries", *given)


def test_hits_of_an_unknown_ending_are_wrong_usage(misused, store, tmp_path, photos):
    said = misused("search", store.path, "--queries", photos, "--out", tmp_path / "hits.doc")
    assert "does not end in .csv or .json or .arrow or .parquet" in said
