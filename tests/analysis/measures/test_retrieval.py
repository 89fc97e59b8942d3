"""Retrieval of the benchmark, beside scikit-learn and plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from cladescope.analysis.measures import retrieval as retrieval_module
from cladescope.analysis.measures.average_precision import average_precision
from cladescope.analysis.measures.retrieval import retrieval
from cladescope.errors import InputError


def vectors_of(n, d=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


@given(seed=st.integers(0, 10_000), n=st.integers(3, 30), classes=st.integers(1, 5))
def test_retrieval_is_that_of_plain_loops(seed, n, classes):
    rng = np.random.default_rng(seed)
    vectors, code = rng.normal(size=(n, 4)), rng.integers(-1, classes, n)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = {}
    for query in range(n):
        others = [row for row in range(n) if row != query]
        relevant = np.array([code[row] == code[query] for row in others])
        if code[query] < 0 or not relevant.any():
            continue
        scores = unit[others] @ unit[query]
        first = relevant[np.argsort(-scores, kind="stable")]
        expected[query] = (first[:1].any(), first[:5].any(), average_precision_score(relevant, scores))
    if not expected:
        with pytest.raises(InputError, match="nothing to find again"):
            retrieval(vectors, {"label": code})
        return
    found = retrieval(vectors, {"label": code}, ks=[1, 5]).outcomes
    assert np.flatnonzero(found["label mAP"].asked).tolist() == list(expected)
    for place, name in enumerate(("recall@1", "recall@5", "mAP")):
        ours = found[f"label {name}"].scored[list(expected)]
        assert ours == pytest.approx([float(values[place]) for values in expected.values()], abs=1e-9)


def test_blocks_change_no_ranking(monkeypatch):
    vectors, code = vectors_of(50), np.arange(50) % 4
    whole = retrieval(vectors, {"label": code}).outcomes
    monkeypatch.setattr(retrieval_module, "BLOCK_BYTES", 32 * 50 * 7)
    parts = retrieval(vectors, {"label": code}).outcomes
    assert all((whole[name].scored == parts[name].scored).all() for name in whole)


def test_duplicates_find_each_other_and_singletons_are_not_asked():
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    found = retrieval(vectors, {"label": np.array([5, 5, 2]), "genus": np.array([-1, -1, 0])}).outcomes
    assert found["label recall@1"].value == found["label mAP"].value == 1.0
    assert found["label mAP"].asked.tolist() == [1, 1, 0]
    assert not any(name.startswith("genus") for name in found)


def test_a_list_that_holds_all_relevant_first_has_precision_one():
    assert average_precision(np.array([[True, True, False]])).tolist() == [1.0]


def test_average_precision_is_scikit_learns():
    relevant = np.random.default_rng(0).random((5, 30)) < 0.3
    wanted = [average_precision_score(row, -np.arange(30)) for row in relevant]
    np.testing.assert_allclose(average_precision(relevant), wanted)


def test_a_list_without_anything_relevant_has_no_precision():
    assert np.isnan(average_precision(np.zeros((1, 4), bool)))
    assert np.isnan(average_precision(np.zeros((1, 0), bool)))


def test_unless_told_otherwise_the_first_five_and_ten_are_looked_at_and_the_first_is_told():
    vectors = np.array([[1.0, 0.0], [0.9, 0.1], [0.6, 0.5], [0.0, 1.0]])
    found = retrieval(vectors, {"label": np.array([0, 1, 0, 1])})
    assert list(found.outcomes) == ["label recall@1", "label recall@5", "label recall@10", "label mAP"]
    assert found.first.tolist() == [1, 0, 1, 2]


def test_kin_are_neither_found_nor_strangers():
    vectors = np.array([[1.0, 0.0], [1.0, 0.01], [0.9, 0.3], [0.0, 1.0]])
    code, kin = np.array([0, 0, 0, 1]), np.array([4, 4, 9, 9])
    found = retrieval(vectors, {"label": code}, kin=kin, ks=[1]).outcomes
    assert found["label recall@1"].asked.tolist() == [1, 1, 1, 0]
    # The first asks 2 and 3, and finds 2; the third asks 0 and 1, both of its class.
    assert found["label mAP"].scored.tolist() == found["label recall@1"].scored.tolist() == [1, 1, 1, 0]
    opposed = retrieval(vectors * [1, -1] * np.array([[1], [1], [-1], [1]]), {"label": code}, kin=kin, ks=[1])
    # Its kin is nearer to the third, but last: behind pictures that point the other way.
    assert opposed.first.tolist() == [3, 3, 0, 1]
