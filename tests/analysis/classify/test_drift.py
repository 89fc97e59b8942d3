"""The alarm for pictures that are unlike those that decided: silent at its level, and loud where a promise breaks."""

import numpy as np
import pytest

from cladescope.analysis.classify.answers import Answers
from cladescope.analysis.classify.calibrate import fit_calibrated
from cladescope.analysis.classify.drift import FEWEST, LEVEL, Drift
from cladescope.analysis.classify.said import NAMED


def pictures(rng, n, noise):
    points = np.random.default_rng(5).normal(size=(10, 32))
    classes = rng.integers(10, size=n)
    return points[classes] + noise * rng.normal(size=(n, 32)), classes


@pytest.fixture(scope="module")
def made():
    vectors, classes = pictures(np.random.default_rng(0), 400, 1.0)
    return fit_calibrated(vectors, classes, [f"class {number}" for number in range(10)])


def answers_of(made):
    return Answers(made.classes, k=1, back_off=made.back_off, risk=0.1, known=made.known, doubt=None)


def test_pictures_like_those_that_decided_ring_seldom():
    rng = np.random.default_rng(1)
    rung = 0
    for _ in range(2000):
        drift = Drift(np.sort(rng.normal(size=150)).astype(np.float32))
        drift.note(rng.normal(size=60))
        rung += bool(drift.said(0.1))
    assert rung <= LEVEL * 2000 + 3 * np.sqrt(LEVEL * 2000)


def test_a_risk_that_the_number_of_pictures_gave_is_told_in_two_digits():
    drift = Drift(np.arange(150, dtype=np.float32))
    drift.note(np.full(60, -1000.0))
    (said,) = drift.said(1 / 46)
    assert said.endswith("no risk of 0.022 is promised for them")


def test_pictures_of_a_worse_camera_ring_where_the_promise_breaks(made):
    answers = answers_of(made)
    for noise, breaks in ((1.0, False), (2.5, True)):
        answers.start_over()
        vectors, truth = pictures(np.random.default_rng(2), 300, noise)
        rows = [found[0] for found in answers.of(vectors)]
        named = np.array([row["verdict"] == NAMED for row in rows])
        wrong = [row["classification"] != f"class {own}" for row, own in zip(rows, truth, strict=True)]
        assert (np.mean(named & wrong) > 0.1) == breaks
        said = [line for line in answers.why({NAMED: int(named.sum())}) if "no risk of 0.1 is promised" in line]
        assert bool(said) == breaks
    answers.start_over()
    list(answers.of(vectors[: FEWEST - 1]))
    assert answers.drift.p_value() is None
