"""The benchmark of back-off: the information that its answers tell."""

import importlib

import numpy as np

from tests.conftest import REPOSITORY


def test_information_is_that_of_the_classes_that_an_answer_leaves(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    back_off = importlib.import_module("back_off")
    rng = np.random.default_rng(0)
    answers = rng.integers(8, size=(200, 1)) >> np.array([3, 2, 1, 0])
    answers[rng.random(200) < 0.3, 2:] = -1
    leaves = np.arange(8)[:, None] >> np.array([3, 2, 1, 0])
    right = np.random.default_rng(1).random(len(answers)) < 0.7
    left = [8 if (row < 0).all() else 2 ** (3 - np.flatnonzero(row >= 0)[-1]) for row in answers]
    np.testing.assert_allclose(
        back_off.information_gained(leaves, answers, right), np.where(right, 3 - np.log2(left), 0)
    )
