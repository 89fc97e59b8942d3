"""Words for scores: what they are held against."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.analysis.likeness import HARDLY, LEAST, LIKE, VERY, likeness, likeness_of_store
from cladescope.arrays import normalise


def pictures(vectors):
    return normalise(vectors)


def of_classes(n_classes, each, noise, seed=0):
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(n_classes, 64)).repeat(each, axis=0)
    return middles + noise * rng.normal(size=middles.shape)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), noise=st.floats(0.01, 3), each=st.integers(1, 6))
def test_a_higher_score_never_has_a_lesser_word(seed, noise, each):
    found = likeness(pictures(of_classes(30, each, noise, seed)))
    order = [HARDLY, LIKE, VERY]
    words = [order.index(found.word(score)) for score in np.linspace(-1, 1, 41).tolist()]
    assert words == sorted(words)
    assert words[0] == 0


def test_half_of_the_nearest_are_very_like_and_a_twentieth_hardly_where_classes_stand_apart():
    vectors = pictures(of_classes(20, 10, 0.7))
    found = likeness(vectors)
    scores = vectors @ vectors.T
    nearest = np.sort(scores - 2 * np.eye(200, dtype=np.float32), axis=1)[:, -1]
    said = [found.word(float(score)) for score in nearest]
    assert said.count(VERY) == pytest.approx(100, abs=2)
    assert said.count(HARDLY) == pytest.approx(10, abs=2)
    apart = scores[np.arange(200)[:, None] // 10 != np.arange(200) // 10]
    assert np.mean([found.word(float(score)) == HARDLY for score in apart[:2000]]) > 0.99


def test_strangers_are_never_very_like_by_being_the_nearest_there_is():
    found = likeness(pictures(of_classes(200, 1, 0.0)))
    assert found.like > 0.2, "two spreads of 64 random directions"


def test_few_pictures_have_no_words(store):
    assert likeness(pictures(np.eye(LEAST - 1))) is None
    assert likeness_of_store(store) is not None
