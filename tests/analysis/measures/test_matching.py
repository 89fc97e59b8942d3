"""Groups matched to classes, against every way to match them."""

from itertools import permutations

import numpy as np
import pytest

from cladescope.analysis.measures.matching import rightly_grouped
from cladescope.errors import InputError


def best_of_all(groups, classes):
    """The most pictures that any way to give groups different classes gets right."""
    names, labels = np.unique(groups), np.unique(classes)
    padded = [*labels.tolist(), *[None] * max(0, len(names) - len(labels))]
    return max(
        sum(given[np.flatnonzero(names == group)[0]] == own for group, own in zip(groups, classes, strict=True))
        for given in permutations(padded, len(names))
    )


@pytest.mark.parametrize("n_groups, n_classes", [(3, 3), (5, 3), (2, 5), (1, 2)])
def test_as_many_are_right_as_in_the_best_of_all_matchings(n_groups, n_classes):
    rng = np.random.default_rng(n_groups)
    for _ in range(20):
        classes = rng.integers(0, n_classes, 30) * 10 - 3
        groups = np.where(rng.random(30) < 0.5, (classes + 3) // 10 % n_groups, rng.integers(0, n_groups, 30)) + 7
        right = rightly_grouped(groups, classes)
        assert right.sum() == best_of_all(groups, classes)
        of_group = {group: set(classes[right & (groups == group)].tolist()) for group in groups.tolist()}
        given = [one for said in of_group.values() for one in said]
        assert all(len(said) <= 1 for said in of_group.values())
        assert len(given) == len(set(given)), "no class has two groups"


def test_names_of_groups_mean_nothing_and_shuffled_classes_score_less():
    classes = np.repeat(np.arange(10), 20)
    assert rightly_grouped((classes * 7 + 3) % 10, classes).all()
    shuffled = np.random.default_rng(0).permutation(classes)
    assert rightly_grouped(classes, shuffled).mean() < 0.3


def test_no_picture_is_refused():
    with pytest.raises(InputError, match="no picture to match"):
        rightly_grouped(np.zeros(0, np.int64), np.zeros(0, np.int64))
