"""What the search benchmarks count: ties are found, recall is that of the rows that a filter lets pass, queries are from outside."""

import importlib

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from PIL import Image

from cladescope.taxonomy import RANKS
from tests.conftest import REPOSITORY


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    return importlib.import_module


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def gallery():
    rng = np.random.default_rng(0)
    return unit(rng.standard_normal((300, 16))).astype(np.float16), unit(rng.standard_normal((7, 16))).astype(
        np.float32
    )


def test_equal_scores_count_as_found_whichever_of_them_came(script, gallery):
    measures = script("search_measures")
    vectors, queries = gallery
    copies = np.repeat(vectors[:30], 10, axis=0)
    truth = measures.truth_of(copies, queries, 5)
    best = (queries @ vectors[:30].astype(np.float32).T).argmax(1)
    found = best[:, None] * 10 + np.array([9, 3, 4, 8, 7])
    np.testing.assert_array_equal(measures.recalls(copies, truth, found), 1)
    twice = np.repeat(found[:, :1], 5, axis=1)
    np.testing.assert_allclose(measures.recalls(copies, truth, twice), 0.2)


def test_recall_is_the_share_of_the_exact_neighbours(script, gallery):
    measures = script("search_measures")
    vectors, queries = gallery
    truth = measures.truth_of(vectors, queries, 10)
    exact = np.argsort(-(queries @ vectors.astype(np.float32).T), axis=1)
    np.testing.assert_allclose(measures.recalls(vectors, truth, exact[:, :10]), 1)
    np.testing.assert_allclose(measures.recalls(vectors, truth, exact[:, 3:13]), 0.7)
    np.testing.assert_allclose(measures.recalls(vectors, truth, np.full((7, 10), -1)), 0)


def test_recall_under_a_filter_is_that_of_the_rows_that_pass(script, gallery):
    measures = script("search_measures")
    vectors, queries = gallery
    mask = np.arange(300) % 50 == 0
    truth = measures.truth_of(vectors, queries, 10, mask)
    passing = np.broadcast_to(np.pad(np.flatnonzero(mask), (0, 4), constant_values=-1), (7, 10))
    np.testing.assert_allclose(measures.recalls(vectors, truth, passing), 1)
    assert set(measures.truth_of(vectors, queries, 10, np.zeros(300, bool)).n_due) == {0}


def test_the_least_breadth_that_meets_a_level_is_taken(script):
    measures = script("search_measures")
    values = measures.ladder(10, 100)
    assert values[0] == 10
    assert values[-1] == 100
    assert (np.diff(values) > 0).all()
    for target in (0.2, 0.55, 1.0):
        value, recall = measures.least_meeting(values, lambda value: value / 100, target)
        assert recall >= target
        assert all(other / 100 < target for other in values if other < value)
    assert measures.least_meeting(values, lambda value: value / 200, 0.6) is None


def test_no_picture_has_views_in_the_gallery_and_among_the_queries(script, tmp_path, monkeypatch):
    vectors = script("search_vectors")
    monkeypatch.setattr(vectors, "HELD_OUT", 4)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 120, 3), np.uint8)).save(tmp_path / "a.png")
    names = [f"{number}.png" for number in range(10)]
    table = pa.table({"file": names, **{rank: ["x"] * 9 + [""] for rank in RANKS}, "common_name": [""] * 10})
    pa.csv.write_csv(table, tmp_path / "m.csv")
    gallery, kept_out = vectors.split(tmp_path / "m.csv")
    assert sorted(gallery["file"].to_pylist() + kept_out["file"].to_pylist()) == sorted(names)
    assert kept_out.num_rows == 4
    assert gallery["common_name"].null_count == 6
    views = [vectors.view_of(tmp_path / "a.png", (5, view)) for view in range(6)]
    assert views[0].size == (120, 80)
    assert len({view.tobytes() for view in views}) == 6
    assert vectors.view_of(tmp_path / "a.png", (5, 3)).tobytes() == views[3].tobytes()


def test_the_first_rows_are_a_gallery_and_a_store_of_any_size(script, tmp_path):
    vectors = script("search_vectors")
    folder = tmp_path / "organisms"
    folder.mkdir()
    rng = np.random.default_rng(0)
    labels = {name: ["a", None, "b"] for name in (*RANKS, "common_name")}
    pq.write_table(pa.table({"file": ["x.jpg", "y.jpg", "z.jpg"], **labels}), folder / "pictures.parquet")
    for view in range(2):
        np.save(folder / f"view-{view:03}.npy", unit(rng.standard_normal((3, 8))).astype(np.float16))
    for name in ("queries", "texts"):
        np.save(folder / f"{name}.npy", unit(rng.standard_normal((2, 8))).astype(np.float32))
    data = vectors.load(tmp_path, 5)
    assert data.vectors.shape == (5, 8)
    assert data.rows["image_id"].to_pylist()[3] == "x.jpg?view=1"
    np.testing.assert_array_equal(data.vectors[3], np.load(folder / "view-001.npy")[0])
    with pytest.raises(SystemExit, match="holds 6 real vectors, and 7 are asked for"):
        vectors.load(tmp_path, 7)
