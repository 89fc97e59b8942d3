"""How far off answers are, against sets of ancestors and walks from the root."""

import numpy as np
import pytest

from cladescope.analysis.measures.mistakes import mistake_height, shared_taxa
from cladescope.errors import InputError


@pytest.fixture
def codes():
    """Answers that stop early, and true taxa with ranks left out, in a binary tree of four ranks."""
    rng = np.random.default_rng(0)
    answers, truth = (rng.integers(8, size=(200, 1)) >> np.array([3, 2, 1, 0]) for _ in range(2))
    answers[rng.random(200) < 0.3, 2:] = -1
    truth[rng.random(200) < 0.2, 1] = -1
    truth[rng.random(200) < 0.2, 3] = -1
    return answers, truth


def test_shared_taxa_are_those_of_sets_of_ancestors(codes):
    counts = []
    for answer, true in zip(*codes, strict=True):
        a = {(rank, code) for rank, code in enumerate(answer) if code >= 0}
        t = {(rank, code) for rank, code in enumerate(true) if code >= 0}
        counts.append((len(a & t), len(a), len(t)))
    np.testing.assert_array_equal(np.stack(shared_taxa(*codes), axis=1), counts)


def test_the_height_of_a_mistake_is_that_of_a_walk_from_the_root(codes):
    heights = []
    for answer, true in zip(*codes, strict=True):
        lowest = 0
        for rank in range(4):
            if true[rank] >= 0 and answer[rank] != true[rank]:
                break
            if true[rank] >= 0:
                lowest = rank + 1
        heights.append(4 - lowest if true[3] >= 0 else np.nan)
    np.testing.assert_array_equal(mistake_height(*codes), heights)
    assert len(set(heights)) > 4


def test_a_right_answer_has_no_height():
    assert mistake_height(np.array([[0, 1]]), np.array([[0, 1]])).tolist() == [0]


def test_no_truth_is_an_error():
    nothing = np.full((2, 3), -1)
    with pytest.raises(InputError, match="none of 2"):
        shared_taxa(nothing, nothing)
    with pytest.raises(InputError, match="none of 2"):
        mistake_height(nothing, nothing)


def test_a_tree_of_one_lineage_is_measured():
    only = np.zeros((1, 3), np.int64)  # every taxon the first of its rank
    assert [part.tolist() for part in shared_taxa(only, only)] == [[3], [3], [3]]
    assert mistake_height(only, only).tolist() == [0]
    assert mistake_height(np.ones((1, 3), np.int64), only).tolist() == [3]
