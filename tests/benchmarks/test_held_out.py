"""The benchmark of encoders on held-out pictures: its few-shot by picture, and its differences between two encoders."""

import importlib

import numpy as np
import pytest

from cladescope.analysis.measures import accuracy
from tests.conftest import REPOSITORY


@pytest.fixture
def held_out(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    return importlib.import_module("held_out")


@pytest.mark.parametrize("k", [1, 5])
def test_few_shot_by_picture_is_that_of_the_metrics(held_out, k):
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat([7, 3, 11, 5, 20], [9, 8, 12, 30, 8]))
    vectors = rng.normal(size=(30, 6))[labels] + rng.normal(size=(len(labels), 6))
    right = held_out.few_shot_right(vectors, labels, k=k)
    np.testing.assert_array_equal(held_out.share_right(right), accuracy.simple_shot(vectors, labels, k=k))
    assert np.isnan(right).sum(axis=1).tolist() == [5 * k] * held_out.FOLDS


def test_the_difference_of_two_encoders_is_paired_by_picture(held_out):
    rng = np.random.default_rng(1)
    worse = rng.random(400) < 0.6
    better = worse | (rng.random(400) < 0.1)
    text = held_out.difference(better, worse)
    mean, low, high = (float(part.strip("[],")) for part in text.split())
    assert mean == pytest.approx(100 * (better.mean() - worse.mean()), abs=0.05)
    assert 0 < low < mean < high
    # Side by side the two intervals overlap: what is hard for one is hard for the other.
    assert accuracy.bootstrap_interval(better)[0] < accuracy.bootstrap_interval(worse)[1]


def test_few_shot_differences_resample_pictures_and_not_folds(held_out):
    right = np.full((5, 40), np.nan)
    right[:, 4:] = 1.0
    other = right - (np.arange(40) < 22)
    low, high = accuracy.paired_difference(np.ones(36), 1.0 - (np.arange(36) < 18))
    assert held_out.difference(right, other) == f"+50.0 [{100 * low:+.1f}, {100 * high:+.1f}]"


def test_tables_have_a_dash_where_an_encoder_has_no_such_score(held_out):
    ones, zeros = np.ones(4, bool), np.zeros(4, bool)
    found = {"a": {"zero-shot seen": ones, "centroid": ones}, "b": {"centroid": zeros}}
    scores, differences = held_out.tables(found, against="b")
    assert scores == (
        ["score, %", "a", "b"],
        [
            ["zero-shot seen", "100.0 [100.0, 100.0]", "-"],
            ["centroid", "100.0 [100.0, 100.0]", "0.0 [0.0, 0.0]"],
        ],
    )
    assert differences == (
        ["difference, points", "a - b"],
        [["zero-shot seen", "-"], ["centroid", "+100.0 [+100.0, +100.0]"]],
    )
    assert len(held_out.tables(found, against=None)) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tiny", ("tiny", "tiny")),
        ("ours=runs/a/export", ("ours", "runs/a/export")),
        ("timm:m?weights=w.safetensors", ("timm:m?weights=w.safetensors",) * 2),
        ("backbone=timm:m?weights=w.safetensors", ("backbone", "timm:m?weights=w.safetensors")),
    ],
)
def test_encoders_may_have_a_label(held_out, text, expected):
    assert held_out.labelled(text) == expected
