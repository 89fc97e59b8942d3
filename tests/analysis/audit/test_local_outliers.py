"""The local outlier factor against scikit-learn's, and as a second way to outliers of an audit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import LocalOutlierFactor

from cladescope.analysis.audit.local_outliers import local_outlier_factor, sparsest
from cladescope.analysis.audit.row_words import lines_of
from cladescope.analysis.audit.run import audit
from cladescope.arrays import normalise
from cladescope.errors import InputError
from tests.analysis.audit.test_audit import clade, numbers, photo_store, pictures_of  # noqa: F401
from tests.app.cli.command_line import misused, run  # noqa: F401


@pytest.mark.parametrize("n, k", [(60, 20), (200, 10), (12, 20)])
def test_factors_are_those_of_scikit_learn(n, k):
    vectors = normalise(np.random.default_rng(n).normal(size=(n, 6)).astype(np.float32))
    theirs = LocalOutlierFactor(n_neighbors=min(k, n - 1), algorithm="brute").fit(vectors.astype(np.float64))
    np.testing.assert_allclose(local_outlier_factor(vectors, k=k), -theirs.negative_outlier_factor_, rtol=1e-4)


def test_beside_many_copies_not_everything_is_an_outlier():
    rng = np.random.default_rng(1)
    vectors = normalise(rng.normal(size=(100, 6)).astype(np.float32))
    vectors[:30] = vectors[0]
    copies = local_outlier_factor(vectors)
    assert np.isfinite(copies).all()
    assert copies[30:].max() < 12
    assert copies[:30] == pytest.approx(1)
    assert local_outlier_factor(np.ones((30, 3)) / np.sqrt(3)) == pytest.approx(1)


@settings(max_examples=50, deadline=None)
@given(
    factors=st.lists(st.sampled_from([0.5, 1.0, 1.5, 2.0, 9.0]), min_size=1, max_size=30), share=st.floats(0.01, 0.5)
)
def test_never_more_than_the_share_and_none_as_dense_as_its_neighbours(factors, share):
    factors = np.array(factors)
    found = sparsest(factors, share)
    assert found.sum() <= share * len(factors) + 1e-9
    assert (factors[found] > 1).all()
    assert factors[found].min(initial=np.inf) > factors[~found].max(initial=0)


def noisy_set():
    vectors, lineages = clade()
    noisy = [5, 100, 301]
    vectors[noisy] = normalise(np.random.default_rng(3).standard_normal((3, vectors.shape[1])).astype(np.float32))
    return vectors, lineages, set(noisy)


def test_of_pictures_without_names_those_that_lie_apart_are_found():
    vectors, lineages, noisy = noisy_set()
    found = audit(pictures_of(vectors, [[None] * 7] * len(lineages)), only=["outliers"], lof=0.01)
    by_lof = [row for row in found.outliers if row["by"] != "distance"]
    assert set(numbers(by_lof)) == noisy
    assert found.summary["outliers_by_lof"] == 3
    assert len(numbers(found.outliers)) == len(set(numbers(found.outliers)))
    assert all(row["lof"] > 1 for row in by_lof)


def test_a_picture_that_is_found_both_ways_is_told_once():
    vectors, lineages, noisy = noisy_set()
    plain = audit(pictures_of(vectors, lineages), only=["outliers"])
    found = audit(pictures_of(vectors, lineages), only=["outliers"], lof=0.02)
    assert "by" not in plain.outliers[0]
    assert "lof" not in plain.summary
    kept = [row for row in found.outliers if row["by"] != "lof"]
    assert numbers(kept) == numbers(plain.outliers) == numbers(found.outliers[: len(kept)])
    assert {row["by"] for row in found.outliers if int(row["image_id"][1:]) in noisy} == {"both"}
    assert found.summary["outliers"] == len({row["image_id"] for row in found.outliers})
    alone = [row for row in found.outliers if row["by"] == "lof"]
    assert [row["lof"] for row in alone] == sorted((row["lof"] for row in alone), reverse=True)
    assert found.summary["outliers_by_lof"] <= 0.02 * len(vectors)


def test_words_say_what_an_outlier_was_compared_with():
    row = {"lineage": "Aves", "z": 4.0, "compared_within": "species"}
    assert lines_of(row)[1:] == ["compared with all of its species"]
    assert lines_of({**row, "by": "both"})[1:] == [
        "compared with all of its species",
        "apart from all others, whatever their name",
    ]
    assert lines_of({**row, "by": "lof"})[1:] == ["apart from all others, whatever their name"]


def test_so_few_pictures_that_none_could_be_are_audited():
    vectors, lineages = clade()
    found = audit(pictures_of(vectors[:3], lineages[:3]), only=["outliers"], lof=0.1)
    assert found.outliers == []


@pytest.mark.parametrize("share", [0.0, 0.6, -1.0, float("nan")])
def test_what_is_no_share_is_refused(share):
    vectors, lineages = clade()
    with pytest.raises(InputError, match="expected a share"):
        audit(pictures_of(vectors, lineages), lof=share)


def test_a_factor_without_outliers_is_refused(misused, photo_store, tmp_path):  # noqa: F811
    vectors, lineages = clade()
    with pytest.raises(InputError, match="add outliers to only"):
        audit(pictures_of(vectors, lineages), only=["duplicates"], lof=0.1)
    out = tmp_path / "out"
    assert "add --only outliers" in misused("audit", photo_store.path, "--out", out, "--only", "leaks", "--lof", 0.1)
    assert "--lof is 2" in misused("audit", photo_store.path, "--out", out, "--lof", 2)


def test_the_verb_tells_how_many(run, photo_store, tmp_path):  # noqa: F811
    ended = run("audit", photo_store.path, "--out", tmp_path / "out", "--only", "outliers", "--lof", 0.1)
    assert ended.status == 0, ended.err
    assert "by the local outlier factor" in ended.out
    assert "at most 0.1 of all" in ended.out
