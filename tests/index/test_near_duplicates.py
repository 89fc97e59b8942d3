import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.arrays import normalise
from cladescope.errors import InputError
from cladescope.index import cell_join, cells, link_forest
from cladescope.index.clusters import cluster, components, groups
from cladescope.index.near_duplicates import Check, near_duplicates


def scattered(n=600, d=24, seed=0, spread=0.15):
    """Unit vectors about a centre for every six of them, so that chains of near ones form."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((max(1, n // 6), d))
    return normalise((centres[rng.integers(len(centres), size=n)] + spread * rng.standard_normal((n, d))).astype("f4"))


def threshold_in_a_gap(scores, wanted):
    """A cosine near the one wanted that no pair has, nor nearly."""
    ordered = np.unique(scores[np.abs(scores - wanted) < 0.05])
    if len(ordered) < 2:
        return wanted
    widest = np.diff(ordered).argmax()
    return float(ordered[widest : widest + 2].mean())


def union_find(n, pairs):
    """The plain oracle: sets of rows, joined pair by pair."""
    parent = list(range(n))

    def root(row):
        while parent[row] != row:
            row = parent[row]
        return row

    for one, other in pairs:
        parent[root(int(one))] = root(int(other))
    found = {}
    for row in range(n):
        found.setdefault(root(row), set()).add(row)
    return {frozenset(rows) for rows in found.values() if len(rows) > 1}


def as_sets(n, links):
    return {frozenset(group.tolist()) for group in groups(n, links)}


def in_many_cells(monkeypatch, rows=50):
    monkeypatch.setattr(cells, "ONE_CELL_UP_TO", rows)


@given(
    n=st.integers(0, 80),
    d=st.integers(1, 6),
    seed=st.integers(0, 10**6),
    wanted=st.floats(-0.5, 1.0),
    copies=st.integers(0, 30),
    half=st.booleans(),
    one_cell=st.booleans(),
    dense=st.sampled_from([0, 2, 16]),
)
@settings(max_examples=25)
def test_groups_are_those_of_all_pairs_joined_one_by_one(n, d, seed, wanted, copies, half, one_cell, dense):
    rng = np.random.default_rng(seed)
    vectors = normalise(rng.standard_normal((n, d)).astype(np.float32))
    if n:
        vectors = np.concatenate([vectors, vectors[rng.integers(n, size=copies)]])
        rng.shuffle(vectors)
    vectors = vectors.astype(np.float16 if half else np.float32)
    unit = normalise(vectors)
    scores = unit @ unit.T
    threshold = min(threshold_in_a_gap(scores, wanted), 1 - 1e-5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "ONE_CELL_UP_TO", 1000 if one_cell else 1)
        patch.setattr(cell_join, "_DENSE", dense)
        found = near_duplicates(vectors, threshold, probes=10**6)
    assert found.n_cut == 0
    pairs = np.argwhere(np.triu(scores >= threshold, 1))
    assert as_sets(len(vectors), found.links) == union_find(len(vectors), pairs)
    distinct = np.unique(vectors, axis=0)
    assert found.n_copies == len(vectors) - len(distinct)
    between = normalise(distinct) @ normalise(distinct).T
    assert found.n_pairs == np.triu(between >= threshold, 1).sum()
    np.testing.assert_allclose(found.scores, scores[tuple(found.links.T)], atol=1e-6)


@pytest.mark.parametrize("dense", [0, 10**6])
def test_links_are_the_strongest_that_join_the_same(monkeypatch, dense):
    monkeypatch.setattr(cell_join, "_DENSE", dense)
    in_many_cells(monkeypatch)
    vectors = scattered(300, spread=0.4)
    found = near_duplicates(vectors, 0.5, probes=1000)
    assert 100 < len(found.links) < found.n_pairs
    scores = vectors @ vectors.T
    for higher in (0.6, 0.7, 0.8, 0.9):
        pairs = np.argwhere(np.triu(scores >= higher, 1))
        assert as_sets(300, found.links[found.scores >= higher]) == union_find(300, pairs)


def test_nothing_is_missed_among_many_cells(monkeypatch):
    in_many_cells(monkeypatch)
    vectors = scattered(2000)
    found = near_duplicates(vectors, 0.9, checked_rows=500)
    scores = vectors @ vectors.T
    pairs = np.argwhere(np.triu(scores >= 0.9, 1))
    assert found.n_cut == 0
    assert found.n_pairs == len(pairs) > 500
    assert as_sets(2000, found.links) == union_find(2000, pairs)
    rows = np.random.default_rng([0, 1]).choice(2000, 500, replace=False)
    near = (scores[rows] >= 0.9).sum(axis=1) - 1
    n_near = int(near.sum())
    assert found.check == Check(500, int((near > 0).sum()), n_near, n_near, n_near)


def test_a_bad_search_for_candidates_is_told_by_the_share_found(monkeypatch):
    in_many_cells(monkeypatch)
    vectors = scattered(3000, d=6, spread=2.0)
    good, bad = (near_duplicates(vectors, 0.95, probes=probes).check for probes in (1000, 1))
    assert good.share == 1
    assert good.interval[0] > 0.98
    assert bad.share < 0.9
    assert bad.interval[1] < 0.95
    assert bad.found <= bad.together < bad.pairs


def test_the_share_found_is_that_of_all_pairs(monkeypatch):
    in_many_cells(monkeypatch)
    vectors = scattered(1500, d=6, spread=2.0)
    found = near_duplicates(vectors, 0.95, probes=1, checked_rows=1500)
    scores = np.triu(vectors @ vectors.T, 1)
    assert found.check.pairs == 2 * (scores >= 0.95).sum()
    assert found.check.found == 2 * found.n_pairs
    joined = components(1500, found.links)
    assert found.check.together == 2 * ((scores >= 0.95) & (joined[:, None] == joined)).sum()


def test_a_set_without_pairs_has_no_share(monkeypatch):
    in_many_cells(monkeypatch, 10)
    check = near_duplicates(np.eye(60, dtype=np.float32), 0.5).check
    assert (check.pairs, check.share, check.interval) == (0, None, None)


def test_thousands_of_copies_are_compared_once(monkeypatch):
    in_many_cells(monkeypatch)
    monkeypatch.setattr(cell_join, "_dense", None)
    vectors = np.concatenate([scattered(200, spread=1.0), np.repeat(scattered(1, seed=9), 5000, axis=0)])
    found = near_duplicates(vectors, 0.99)
    assert (found.n_copies, found.n_pairs) == (4999, 0)
    assert as_sets(5200, found.links) == {frozenset(range(200, 5200))}


def test_pairs_that_explode_leave_a_forest(monkeypatch):
    in_many_cells(monkeypatch)
    monkeypatch.setattr(link_forest, "LEAST_ROOM", 100)
    vectors = normalise(np.ones(16, np.float32) + 0.01 * scattered(1500, d=16, spread=1.0))
    found = near_duplicates(vectors, 0.9, probes=3)
    assert found.n_cut == 1500
    assert found.n_pairs > 20_000
    assert len(found.links) == 1499


def test_vectors_may_lie_in_a_file(tmp_path, monkeypatch):
    in_many_cells(monkeypatch)
    vectors = scattered(500).astype(np.float16)
    np.save(tmp_path / "vectors.npy", vectors)
    mapped = near_duplicates(np.load(tmp_path / "vectors.npy", mmap_mode="r"), 0.9)
    np.testing.assert_array_equal(mapped.links, near_duplicates(vectors, 0.9).links)


def test_the_representative_is_the_medoid():
    vectors = scattered(40, spread=0.3)
    rows = np.arange(3, 33)
    among = vectors[rows] @ vectors[rows].T
    found = cluster(vectors, rows)
    assert found.representative == rows[among.sum(axis=1).argmax()]
    np.testing.assert_allclose(found.scores, among[among.sum(axis=1).argmax()], atol=1e-6)


@pytest.mark.parametrize("threshold", [1.1, -2.0, float("nan")])
def test_a_threshold_that_is_no_cosine_is_refused(threshold):
    with pytest.raises(InputError, match="expected a cosine"):
        near_duplicates(np.eye(2, dtype=np.float32), threshold)


def test_a_vector_without_direction_is_refused():
    with pytest.raises(InputError, match="no direction"):
        near_duplicates(np.array([[1, 0], [0, 0], [0, 1]], np.float32), 0.9)
