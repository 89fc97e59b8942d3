"""The benchmark of encoders on pictures that a run has not seen: differences between two encoders, and its tables."""

import importlib

import numpy as np
import pytest

from cladescope.analysis.measures.bootstrap import bootstrap_interval
from cladescope.analysis.measures.outcomes import Outcome
from tests.conftest import REPOSITORY


@pytest.fixture
def encoder_accuracy(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    return importlib.import_module("encoder_accuracy")


def test_the_difference_of_two_encoders_is_paired_by_picture(encoder_accuracy):
    rng = np.random.default_rng(1)
    worse = rng.random(400) < 0.6
    better = worse | (rng.random(400) < 0.1)
    text = encoder_accuracy.difference(encoder_accuracy.once(better), encoder_accuracy.once(worse))
    mean, low, high = (float(part.strip("[],")) for part in text.split())
    assert mean == pytest.approx(100 * (better.mean() - worse.mean()), abs=0.051)
    assert 0 < low < mean < high
    # Side by side the two intervals overlap: what is hard for one is hard for the other.
    assert bootstrap_interval(better)[0] < bootstrap_interval(worse)[1]


def test_few_shot_differences_resample_pictures_and_not_folds(encoder_accuracy):
    asked = np.where(np.arange(40) < 4, 0.0, 1.0 + np.arange(40) % 5)
    right, other = Outcome(asked, asked), Outcome(asked * (np.arange(40) >= 22), asked)
    low, high = bootstrap_interval((np.arange(36) < 18).astype(float))
    assert encoder_accuracy.difference(right, other) == f"+50.0 [{100 * low:+.1f}, {100 * high:+.1f}]"


def test_tables_have_a_dash_where_an_encoder_has_no_such_score(encoder_accuracy):
    ones, zeros = (encoder_accuracy.once(np.full(4, right)) for right in (True, False))
    found = {"a": {"zero-shot seen": ones, "centroid": ones}, "b": {"centroid": zeros}}
    scores, differences = encoder_accuracy.tables(found, against="b")
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
    assert len(encoder_accuracy.tables(found, against=None)) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tiny", ("tiny", "tiny")),
        ("ours=runs/a/export", ("ours", "runs/a/export")),
        ("timm:m?weights=w.safetensors", ("timm:m?weights=w.safetensors",) * 2),
        ("backbone=timm:m?weights=w.safetensors", ("backbone", "timm:m?weights=w.safetensors")),
    ],
)
def test_encoders_may_have_a_label(encoder_accuracy, text, expected):
    assert encoder_accuracy.labelled(text) == expected
