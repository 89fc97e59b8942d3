"""How far from everything known: strangers are told, known pictures keep their names, and a broken measure shows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf

from cladescope.analysis.classify.answers import Answers
from cladescope.analysis.classify.calibrate import fit_calibrated
from cladescope.analysis.classify.class_gallery import ClassGallery
from cladescope.analysis.classify.known import DOUBT, Known, judge, known_of, why_far
from cladescope.analysis.classify.said import EMPTY, NAMED
from cladescope.errors import InputError
from cladescope.schema import NOT_KNOWN

DIM, N_CLASSES, SPREAD = 24, 8, 0.06


def clusters(rng, n, classes=range(N_CLASSES)):
    """Vectors about a corner of the cube for each class, and their classes."""
    labels = rng.choice(list(classes), n)
    corners = np.random.default_rng(7).normal(size=(3 * N_CLASSES, DIM))
    corners /= np.linalg.norm(corners, axis=1, keepdims=True)
    return corners[labels] + rng.normal(scale=SPREAD, size=(n, DIM)), labels


def share_named(known, vectors):
    return 1 - known.is_far(vectors).mean()


@pytest.fixture(scope="module")
def known():
    return known_of(*clusters(np.random.default_rng(0), 600))


@pytest.fixture(scope="module")
def strangers():
    return clusters(np.random.default_rng(1), 200, range(N_CLASSES, 3 * N_CLASSES))[0]


def test_of_more_pictures_as_many_as_are_asked_say_how_near_is_usual(monkeypatch):
    """The way of stores of more than 20,000 pictures: those drawn say nearly what all would, and of new pictures as many are called far."""
    rng = np.random.default_rng(5)
    middles = rng.normal(size=(6, 8))

    def draw(n):
        classes = np.arange(n) % 6
        return middles[classes] + rng.normal(scale=0.4, size=(n, 8)), classes

    vectors, classes = draw(3000)
    whole = known_of(vectors, classes)
    monkeypatch.setattr("cladescope.analysis.classify.known.MOST_ASKED", 600)
    some = known_of(vectors, classes)
    assert (len(whole.held), len(some.held)) == (3000, 600)
    new, _ = draw(4000)
    for known in (whole, some):
        assert known.is_far(new, doubt=0.1).mean() == pytest.approx(0.1, abs=0.04)


def test_two_hundred_strangers_get_no_name_and_known_pictures_keep_theirs(known, strangers):
    fresh = clusters(np.random.default_rng(2), 2000)[0]
    assert share_named(known, strangers) < 0.02
    assert 1 - share_named(known, fresh) < DOUBT + 0.015


def test_a_broken_rejection_lets_strangers_through(known, strangers):
    rng = np.random.default_rng(3)
    broken = Known(known.means, rng.permutation(known.axes.ravel()).reshape(known.axes.shape), known.held - 1e6)
    assert share_named(broken, strangers) > 0.9
    elsewhere = Known(known.means[:, ::-1].copy(), known.axes, known.held)
    assert share_named(elsewhere, clusters(rng, 200)[0]) < 0.1


@given(st.integers(0, 1000), st.floats(0.01, 0.5))
def test_at_most_the_doubt_of_pictures_like_those_held_is_far(seed, doubt):
    angles = np.random.default_rng(seed).uniform(0, np.pi, 60)
    vectors, line = np.stack([np.cos(angles), np.sin(angles)], axis=1), np.eye(2, dtype=np.float32)
    nearness = Known(line[:1], line, np.zeros(1, np.float32)).nearness(vectors)
    far = [
        Known(line[:1], line, np.sort(np.delete(nearness, new))).is_far(vectors[new : new + 1], doubt=doubt)[0]
        for new in range(60)
    ]
    assert np.mean(far) <= doubt
    assert Known(line[:1], line, nearness).can_tell(doubt) == (doubt >= 1 / 61)


def test_a_picture_is_asked_about_means_without_its_kin():
    rng = np.random.default_rng(4)
    vectors, labels = clusters(rng, 60)
    twice, classes = np.concatenate([vectors, vectors]), np.concatenate([labels, labels])
    apart, together = known_of(twice, classes), known_of(twice, classes, kin=np.tile(np.arange(60), 2))
    assert np.median(together.held) < np.median(apart.held) - 5


@pytest.mark.parametrize("n", [16, DIM, 200])
def test_nearness_is_the_distance_that_scikit_learn_has_with_more_and_fewer_pictures_than_dimensions(n):
    rng = np.random.default_rng(5)
    vectors, _ = clusters(rng, n, range(2))
    classes = np.arange(n) % 2
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    means = np.stack([unit[classes == one].mean(axis=0) for one in range(2)])
    inside = np.sqrt(n / 2 / (n / 2 - 1))  # a mean's own pictures lie nearer to it
    width = LedoitWolf(assume_centered=True).fit(inside * (unit - means[classes]))
    asked = rng.normal(size=(50, DIM))
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    expected = -np.min([width.mahalanobis(asked - mean) for mean in means], axis=0)
    np.testing.assert_allclose(known_of(vectors, classes).nearness(asked), expected, rtol=1e-3)


def test_pictures_of_new_classes_of_three_are_not_all_taken_for_known():
    """Means made of two and of three have own pictures at different distances; new ones are no farther for it."""
    share = []
    for draw in range(10):
        rng = np.random.default_rng(draw)
        points, classes = rng.normal(size=(100, 32)), np.repeat(np.arange(100), 3)
        known = known_of(points[classes] + 2 * rng.normal(size=(300, 32)), classes, seed=draw)
        asked = points[rng.integers(100, size=1000)] + 2 * rng.normal(size=(1000, 32))
        share.append(known.is_far(asked, doubt=0.1).mean())
    assert 0.01 < np.mean(share) <= 0.1


def test_classes_of_one_picture_and_pictures_that_are_all_alike_tell_nothing():
    assert known_of(np.eye(3), np.arange(3)) is None
    assert known_of(np.ones((40, 3)), np.arange(40) % 2) is None


def test_more_classes_never_make_a_picture_farther(known, strangers):
    fewer = known.only(np.arange(N_CLASSES) < 3)
    assert (fewer.nearness(strangers) <= known.nearness(strangers) + 1e-2).all()


def test_a_stranger_keeps_its_nearest_guess_beside_the_verdict(known, strangers):
    vectors, labels = clusters(np.random.default_rng(0), 600)
    classes = fit_calibrated(vectors, labels, [f"class {number}" for number in range(N_CLASSES)]).classes
    plane = np.zeros(DIM + 1, np.float32)
    for verdict, offset in ((NOT_KNOWN, -1.0), (EMPTY, 1.0)):
        plane[-1] = offset
        judged = Answers(classes, known=Known(known.means, known.axes, known.held, plane))
        (row,) = next(judged.of(strangers[:1]))
        guess = next(Answers(classes).of(strangers[:1]))[0]
        assert (row["verdict"], row["classification"]) == (verdict, "")
        assert (row["nearest"], row["nearest_score"]) == (guess["classification"], pytest.approx(guess["score"]))
        assert row["score"] <= DOUBT
        assert next(judged.of(vectors[:1]))[0]["verdict"] == NAMED


def test_why_pictures_have_no_name_and_what_would_name_them_is_said(known):
    answers = Answers(ClassGallery(np.eye(DIM, dtype=np.float32)[:2], ("a", "b"), 1.0), known=known)
    (line,) = answers.why({NAMED: 8, NOT_KNOWN: 2})
    assert line.startswith("2 of 10 pictures are not known, farther from everything known than 97 %")
    assert "closed_set names them all, doubt 0.01 more of them" in line
    assert answers.why({NAMED: 10}) == []


def test_a_small_doubt_is_not_said_to_be_none():
    (line,) = why_far({NAMED: 8, NOT_KNOWN: 2}, 0.0002)
    assert "than over 99.9 % of the pictures" in line


def test_what_cannot_tell_says_so(known):
    assert judge(known, fitted=True, closed_set=False, doubt=DOUBT) == (DOUBT, ())
    assert judge(known, fitted=True, closed_set=True, doubt=DOUBT) == (None, ())
    nothing, (note,) = judge(None, fitted=True, closed_set=False, doubt=DOUBT)
    assert nothing is None
    assert "too few classes of this classifier have two pictures: fit on more to have strangers told" in note
    nothing, (note,) = judge(None, fitted=True, closed_set=False, doubt=DOUBT, is_earlier=True)
    assert nothing is None
    assert "of an earlier version and keeps no distances: fit it anew" in note
    few = Known(known.means, known.axes, known.held[:9])
    nothing, (note,) = judge(few, fitted=True, closed_set=False, doubt=DOUBT)
    assert nothing is None
    assert "9 pictures are too few to tell at a doubt of 0.03: fit on more, or ask for doubt 0.1" in note


@pytest.mark.parametrize("doubt", [0.0, 1.0, -1.0, float("nan")])
def test_a_doubt_that_is_no_share_is_refused(known, strangers, doubt):
    with pytest.raises(InputError, match="expected a share above 0 and below 1"):
        known.is_far(strangers, doubt=doubt)


def test_parts_that_do_not_fit_are_refused(known):
    with pytest.raises(InputError, match="expected at least one of each"):
        Known(known.means, known.axes, known.held[:0])
    with pytest.raises(InputError, match="not finite"):
        Known(known.means * np.inf, known.axes, known.held)
    with pytest.raises(InputError, match="plane of empty frames has 3 numbers"):
        Known(known.means, known.axes, known.held, np.zeros(3, np.float32))
