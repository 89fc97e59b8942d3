"""Pictures to label next: each strategy against what it says of itself, on points whose structure is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.analysis.classify.few_shot import SimpleShot
from cladescope.analysis.classify.next_pictures import COPY, STRATEGIES, next_pictures
from cladescope.errors import InputError


def clouds(sizes, d=16, spread=0.3, seed=0):
    """Unit vectors about unit points, and the number of each one's cloud."""
    rng = np.random.default_rng(seed)
    middles = np.linalg.qr(rng.normal(size=(d, d)))[0][: len(sizes)]
    classes = np.repeat(np.arange(len(sizes)), sizes)
    found = middles[classes] + rng.normal(scale=spread / np.sqrt(d), size=(len(classes), d))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32), classes


def test_the_smallest_margins_come_first():
    vectors, _ = clouds([20] * 3)
    margin = np.random.default_rng(1).permutation(60) / 60
    found = next_pictures(vectors, 10, strategy="uncertainty", margin=margin)
    np.testing.assert_array_equal(found, np.argsort(margin)[:10])


def test_typical_pictures_are_one_of_each_cloud_and_lie_in_its_midst():
    vectors, classes = clouds([30] * 8)
    found = next_pictures(vectors, 8, strategy="typical")
    assert sorted(classes[found]) == list(range(8))
    for row in found:
        own = vectors[classes == classes[row]]
        middle = own.mean(axis=0)
        assert vectors[row] @ middle > np.median(own @ middle)


def test_clouds_that_have_a_label_wait_for_the_others():
    vectors, classes = clouds([30] * 8)
    labelled = vectors[np.isin(classes, [0, 1, 2])][::10]
    for strategy in ("typical", "diverse"):
        rest = np.flatnonzero(~np.isin(np.arange(len(vectors)), np.flatnonzero(np.isin(classes, [0, 1, 2]))[::10]))
        found = rest[next_pictures(vectors[rest], 5, strategy=strategy, labelled=labelled)]
        assert np.isin(classes[found], [3, 4, 5, 6, 7]).mean() >= 0.8, strategy


def test_diverse_ones_cover_more_clouds_than_random_ones():
    vectors, classes = clouds([200, *[4] * 12])
    covered = {
        strategy: np.mean(
            [len(set(classes[next_pictures(vectors, 13, strategy=strategy, seed=seed)])) for seed in range(20)]
        )
        for strategy in ("diverse", "typical", "random")
    }
    assert covered["diverse"] > covered["random"] + 3
    assert covered["typical"] > covered["random"] + 3


def test_both_takes_unsure_pictures_of_different_clouds():
    vectors, classes = clouds([50, 50, 50])
    margin = np.where(classes == 2, 1.0, 0.0)
    found = next_pictures(vectors, 20, strategy="both", margin=margin)
    assert set(classes[found]) == {0, 1}
    assert 4 <= (classes[found] == 0).sum() <= 16


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(n=st.integers(1, 40), seed=st.integers(0, 5))
@settings(max_examples=8, deadline=None)
def test_proposals_are_different_not_copies_and_not_kin_whatever_the_strategy(strategy, n, seed):
    vectors, _ = clouds([6] * 4, seed=seed)
    vectors = np.concatenate([vectors, vectors[:9]])
    kin = np.arange(33)
    kin[20:24] = 20
    margin = np.linspace(0, 1, 33)
    labelled = vectors[:2]
    found = next_pictures(vectors, n, strategy=strategy, margin=margin, labelled=labelled, kin=kin, seed=seed)
    # 24 pictures, less two labelled ones, of which 20 to 23 are kin.
    assert len(found) == min(n, 19)
    assert len(set(kin[found])) == len(found)
    near = vectors[found] @ np.concatenate([vectors[found], labelled]).T
    near[np.arange(len(found)), np.arange(len(found))] = 0
    assert (near < COPY).all()
    again = next_pictures(vectors, n, strategy=strategy, margin=margin, labelled=labelled, kin=kin, seed=seed)
    np.testing.assert_array_equal(found, again)


def test_equal_pictures_are_proposed_once_and_no_picture_is_no_proposal():
    same = np.tile(np.eye(4, dtype=np.float32)[:1], (30, 1))
    for strategy in STRATEGIES:
        assert len(next_pictures(same, 5, strategy=strategy, margin=np.zeros(30))) == 1
        assert len(next_pictures(same[:0], 5, strategy=strategy, margin=np.zeros(0))) == 0


def test_few_labels_of_typical_pictures_teach_more_than_as_many_of_any():
    """Clouds of unequal size, as collections are: after 15 labels the one knows nearly all 15 kinds."""
    vectors, classes = clouds([80, 60, 40, *[10] * 12], spread=0.8)

    def accuracy(strategy, seed):
        rows = next_pictures(vectors, 15, strategy=strategy, seed=seed)
        kinds = [np.flatnonzero(classes == one) for one in range(15)]
        right = SimpleShot().fit(vectors[rows], classes[rows]).predict(vectors) == classes
        return np.mean([right[rows_of].mean() for rows_of in kinds])

    typical, random = (np.mean([accuracy(strategy, seed) for seed in range(5)]) for strategy in ("typical", "random"))
    assert typical > random + 0.2


def test_bad_input_is_one_line():
    with pytest.raises(InputError, match="unknown strategy 'best': expected one of typical"):
        next_pictures(np.eye(3, dtype=np.float32), 1, strategy="best")
    with pytest.raises(InputError, match="the strategy both asks a classifier how sure it is"):
        next_pictures(np.eye(3, dtype=np.float32), 1, strategy="both")
