"""What lies behind a share of right answers, against loops over questions."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from cladescope.analysis.benchmark.details import details_of
from cladescope.analysis.benchmark.scoring import shared_codes
from cladescope.analysis.measures.answers import Answers
from cladescope.analysis.measures.calibration import calibration_error

CODES = np.full((6, 7), -1)
CODES[:, 4:] = [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3], [1, 3, 4], [1, 3, -1]]
"""Six classes of two families; the last is known to its genus only."""
FAMILY, GENUS, SPECIES = 4, 5, 6


@pytest.fixture
def asked():
    """40 pictures of six classes, each asked up to three times, and what they were given."""
    rng = np.random.default_rng(0)
    own = rng.integers(0, 6, 40)
    rows = rng.permutation(np.repeat(np.arange(40), rng.integers(0, 4, 40)))
    named = np.where(rng.random(len(rows)) < 0.5, own[rows], rng.integers(0, 6, len(rows)))
    return own, Answers(rows, named, confidence=rng.random(len(rows)))


def found_of(own, answers, n_training=None):
    n_training = np.full(len(own), 5) if n_training is None else n_training
    return details_of(answers, own, n_training, answer_codes=CODES, own_codes=CODES[own])


def test_each_rank_is_right_where_the_taxa_are_the_same(asked):
    own, answers = asked
    found = found_of(own, answers).by_rank
    assert list(found) == ["family", "genus", "species"]
    for rank, place in (("family", FAMILY), ("genus", GENUS), ("species", SPECIES)):
        pairs = [
            (CODES[named, place], CODES[own[row], place])
            for row, named in zip(answers.rows, answers.named, strict=True)
        ]
        expected = np.mean([named == true for named, true in pairs if true >= 0])
        assert found[rank].value == pytest.approx(expected)
    assert found["family"].value > found["genus"].value


def test_precision_recall_and_height_are_those_of_paths(asked):
    own, answers = asked
    found = found_of(own, answers).by_tree
    shared = n_named = n_true = 0
    heights = []
    for row, named in zip(answers.rows, answers.named, strict=True):
        a, t = ({(rank, code) for rank, code in enumerate(CODES[one]) if code >= 0} for one in (named, own[row]))
        shared, n_named, n_true = shared + len(a & t), n_named + len(a), n_true + len(t)
        if CODES[own[row], SPECIES] >= 0:
            heights.append(3 - len(a & t))
    assert found["precision"].value == pytest.approx(shared / n_named)
    assert found["recall"].value == pytest.approx(shared / n_true)
    assert found["F"].value == pytest.approx(2 * shared / (n_named + n_true))
    assert found["height"].value == pytest.approx(np.mean(heights))
    assert found["severity"].value == pytest.approx(np.mean([height for height in heights if height]))


def test_confidence_is_judged_question_by_question(asked):
    own, answers = asked
    found = found_of(own, answers)
    right = answers.named == own[answers.rows]
    assert found.confidence["Brier"].value == pytest.approx(brier_score_loss(right, answers.confidence))
    assert found.calibration_error == calibration_error(answers.confidence, right)
    without = found_of(own, Answers(answers.rows, answers.named))
    assert (without.confidence, without.calibration_error) == ({}, None)


def test_classes_with_many_and_with_few_pictures_are_told_apart(asked):
    own, answers = asked
    found = found_of(own, answers, np.array([101, 100, 20, 19, 1, 0])[own]).by_class
    right = answers.named == own[answers.rows]
    share = [right[own[answers.rows] == one].mean() for one in range(6)]
    assert {name: outcome.value for name, outcome in found.items()} == pytest.approx(
        {"macro": np.mean(share), "head": share[0], "middle": np.mean(share[1:3]), "tail": np.mean(share[3:])}
    )


def test_classes_without_taxa_have_no_ranks():
    nothing = np.full((2, 7), -1)
    found = details_of(
        Answers(np.array([0, 1]), np.array([0, 0])),
        np.array([0, 1]),
        np.array([1, 1]),
        answer_codes=nothing,
        own_codes=nothing,
    )
    assert (found.by_rank, found.by_tree) == ({}, {})
    assert found.by_class["macro"].value == 0.5


def test_without_mistakes_there_is_no_severity():
    answers = Answers(np.array([0, 1]), np.array([0, 1]))
    found = details_of(answers, np.array([0, 1]), np.array([1, 1]), answer_codes=CODES[:2], own_codes=CODES[:2])
    assert "severity" not in found.by_tree
    assert found.by_tree["height"].value == 0


def test_an_answer_for_several_classes_has_the_taxa_that_they_share():
    number = np.array([0, 0, 1, 1, 2, 2])
    assert shared_codes(CODES, number)[:, FAMILY:].tolist() == [[0, 0, -1], [-1, -1, -1], [1, 3, -1]]
