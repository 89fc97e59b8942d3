"""The scale of probabilities and what pictures say that the classes were not learnt from."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from cladescope.analysis.classify import calibrate
from cladescope.analysis.classify.asked_apart import Asked, Learnt, fit_apart
from cladescope.analysis.classify.calibrate import fit_calibrated
from cladescope.analysis.classify.class_gallery import ClassGallery
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.fitting import fit_classes, fit_present
from cladescope.analysis.classify.scales import best_scale, chosen, halved, surprise_of
from cladescope.errors import InputError
from cladescope.taxonomy.taxon import RANKS
from tests.analysis.classify.clusters import NAMES, TAXA, clusters  # noqa: F401 - a fixture


def learning(vectors, classes, labels):
    """What `fit_apart` is given, and the rows of each call."""
    learnt = []

    def learn(chosen):
        learnt.append(chosen)
        counts = np.bincount(classes[chosen], minlength=len(labels))
        return Learnt(fit_present(fit_classes, vectors[chosen], classes[chosen], labels, None), counts, 0.0)

    return learn, learnt


def test_pictures_held_out_for_good_are_asked_and_taught_to_nothing(clusters):  # noqa: F811
    vectors, classes, *_ = clusters
    learn, learnt = learning(vectors, classes, NAMES)
    apart = fit_apart(learn, vectors, classes, share=0.2)
    (given,), (part,) = learnt, apart.asked
    assert part.classes is apart.kept.classes
    np.testing.assert_array_equal(part.vectors, vectors[~given])
    np.testing.assert_array_equal(part.truth, classes[~given])
    np.testing.assert_array_equal(apart.told, given)
    assert fit_apart(learn, vectors, classes, share=0.0).asked == ()


@given(st.lists(st.integers(1, 7), min_size=3, max_size=9), st.booleans(), st.integers(0, 99))
def test_asked_in_turn_each_picture_is_asked_once_about_classes_of_others(sizes, has_kin, seed):
    classes = np.repeat(np.arange(len(sizes)), sizes)
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(len(classes), 6))
    kin = rng.integers(max(2, len(classes) // 2), size=len(classes)) if has_kin else None
    learn, learnt = learning(vectors, classes, [str(one) for one in range(len(sizes))])
    apart = fit_apart(learn, vectors, classes, kin=kin, seed=seed)
    assert apart.told.all()
    assert learnt[0].all()
    asked = np.concatenate([part.vectors for part in apart.asked]) if apart.asked else np.empty((0, 6))
    assert len(np.unique(asked, axis=0)) == len(asked)
    for part in apart.asked:
        rows = apart.parts == part.part
        np.testing.assert_array_equal(part.vectors, vectors[rows])
        told = next(chosen for chosen in learnt[1:] if not (chosen & rows).any() and (chosen | rows).all())
        absent = np.bincount(classes[told], minlength=len(sizes)) == 0
        assert (part.absent is None) == (not absent.any())
        assert part.absent is None or (part.absent == absent).all()
        if absent.any():
            assert (part.classes.probabilities(part.vectors)[:, absent] == 0).all()
        assert kin is None or not np.isin(kin[rows], kin[told]).any()
    if not has_kin and min(sizes) > 1:
        assert (apart.parts >= 0).all(), "classes of two pictures take part too"


def test_of_pictures_that_are_not_given_all_are_asked_and_of_other_classes_those_given_in_turn():
    classes = np.repeat(np.arange(4), [3, 3, 10, 10])
    vectors = np.random.default_rng(0).normal(size=(26, 6))
    given = np.ones(26, bool)
    given[9:16] = given[19:] = False
    learn, _ = learning(vectors, classes, list("abcd"))
    apart = fit_apart(learn, vectors, classes, given=given)
    np.testing.assert_array_equal(apart.kept.counts, [3, 3, 3, 3])
    assert apart.asked[0].part is None
    np.testing.assert_array_equal(apart.asked[0].vectors, vectors[~given])
    in_turn = np.concatenate([part.truth for part in apart.asked[1:]])
    assert sorted(in_turn.tolist()) == [0, 0, 0, 1, 1, 1]


def test_each_part_has_the_scale_of_the_others(clusters):  # noqa: F811
    support, classes, queries, truth = clusters
    fitted = fit_classes(support, classes, NAMES)
    parts = [Asked(fitted, queries[rows], truth[rows]) for rows in (slice(0, 40), slice(40, 80), slice(80, None))]
    found = chosen(parts)
    assert found.scale == pytest.approx(best_scale([Asked(fitted, queries, truth)]), rel=1e-6)
    for place, (scale, _) in enumerate(found.of_parts):
        others = [part for number, part in enumerate(parts) if number != place]
        assert scale == pytest.approx(best_scale(others), rel=1e-6)
    halves = halved(Asked(fitted, queries, truth, kin=np.arange(len(truth)) // 3))
    assert sorted(map(len, halves))[0] > len(truth) // 4
    assert not set(halves[0].kin) & set(halves[1].kin)


def test_the_scale_is_where_the_true_classes_are_likeliest(clusters):  # noqa: F811
    support, classes, queries, truth = clusters
    fitted = fit_classes(support, classes, NAMES)
    scores, scale = fitted.scores(queries), best_scale([Asked(fitted, queries, truth)])

    def loss(at):
        return -np.log(softmax(at * scores, axis=1)[np.arange(len(truth)), truth]).mean()

    assert loss(scale) <= min(map(loss, np.geomspace(0.1, 1000, 200))) + 1e-4


@pytest.mark.parametrize("n_wrong", [1, 2, 5, 10])
def test_a_few_sure_mistakes_do_not_make_answers_certain(n_wrong):
    # A loss with a ceiling for each picture would be least where every answer has all the probability.
    angles = np.linspace(0.05, 0.7, 100)
    pictures = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    truth = np.zeros(100, np.int64)
    truth[:n_wrong] = 1
    gallery = ClassGallery(np.eye(2, dtype=np.float32), ("tit", "crow"), 1.0)

    def loss(scale):
        return log_loss(truth, softmax(scale * pictures, axis=1), labels=[0, 1])

    assert loss(best_scale([Asked(gallery, pictures, truth)])) <= min(map(loss, np.geomspace(0.01, 300, 500))) + 1e-4


def test_votes_are_scaled_as_other_scores_are(clusters):  # noqa: F811
    support, classes, queries, truth = clusters
    vote = fit_classes(support, classes, NAMES, method="knn", k=7)
    scale = best_scale([Asked(vote, queries, truth)])

    def loss(at):
        found = replace(vote, scale=float(at)).probabilities(queries)[np.arange(len(truth)), truth]
        return -np.log(np.maximum(found, 1e-6)).mean()

    assert loss(scale) <= min(map(loss, np.geomspace(0.1, 1000, 200))) + 1e-3


def test_calibrated_pictures_are_asked_as_they_are_and_as_strangers():
    rng = np.random.default_rng(0)
    classes = np.arange(80) % 4
    vectors = rng.normal(size=(4, 8))[classes] + 0.1 * rng.normal(size=(80, 8))
    made = fit_calibrated(vectors, classes, ("a", "b", "c", "d"), tree=ClassTree.from_taxa(TAXA), kappa=None)
    n = len(made.right)
    assert (n, len(made.back_off.seen), len(made.back_off.unseen), made.in_turn) == (80, 80, 80, 80)
    assert made.counts.tolist() == [20, 20, 20, 20], "no picture is lost"
    split = fit_calibrated(vectors, classes, ("a", "b", "c", "d"), tree=ClassTree.from_taxa(TAXA), share=0.2)
    assert (len(split.right), split.counts.tolist(), split.in_turn) == (16, [16, 16, 16, 16], 0)
    assert made.right.mean() > 0.9
    # Nothing but a wrong genus or family is left to a stranger.
    assert made.back_off.unseen.mean() > made.back_off.seen.mean()


@pytest.mark.parametrize("helpful", [True, False])
def test_texts_count_as_much_as_held_out_pictures_say(helpful):
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(6, 16))
    classes = np.arange(240) % 6
    vectors = truth[classes] + 3 * rng.normal(size=(240, 16))
    texts = truth if helpful else rng.normal(size=truth.shape)
    names = tuple("abcdef")
    made = fit_calibrated(vectors, classes, names, texts=texts, share=0.95)
    plain = fit_calibrated(vectors, classes, names, share=0.95)
    assert (made.text_weight > 0.5) == helpful
    assert made.right.mean() >= plain.right.mean() + (0.1 if helpful else -0.05)
    with pytest.raises(InputError, match="texts can be mixed with class means, not with knn"):
        fit_calibrated(vectors, classes, names, texts=texts, method="knn")
    with pytest.raises(InputError, match="no picture is held out to choose the weight of texts"):
        fit_calibrated(vectors, classes, names, texts=texts, share=0.0)


def test_what_held_out_pictures_say_is_told_for_each_rank():
    rng = np.random.default_rng(0)
    classes = np.arange(80) % 4
    vectors = rng.normal(size=(4, 8))[classes] + rng.normal(size=(80, 8))
    made = fit_calibrated(vectors, classes, ("a", "b", "c", "d"), tree=ClassTree.from_taxa(TAXA))
    answered = made.by_rank()
    assert list(answered) == [
        rank for place, rank in enumerate(RANKS) if any(len(t.path) > place and t.path[place] for t in TAXA)
    ]
    shares = [right.mean() for _, right in answered.values()]
    assert shares == sorted(shares, reverse=True)
    np.testing.assert_allclose(
        surprise_of(Asked(made.classes, vectors, classes))(made.classes.scale).mean(),
        log_loss(classes, made.classes.probabilities(vectors)),
        rtol=1e-4,
    )
    plain = fit_calibrated(vectors, classes, ("a", "b", "c", "d"))
    assert list(plain.by_rank()) == ["label"]
    assert fit_calibrated(vectors, classes, ("a", "b", "c", "d"), share=0.0).by_rank() == {}


@pytest.mark.parametrize("share", [None, 0.2])
def test_what_decides_and_what_is_asked_later_stand_alike(monkeypatch, share):
    rng = np.random.default_rng(0)
    classes = np.arange(300) % 6
    vectors = np.eye(8)[classes] + rng.normal(scale=0.3, size=(300, 8))
    seen = []
    blocks = calibrate._blocks
    monkeypatch.setattr(calibrate, "_blocks", lambda part, taxa: seen.append(part) or blocks(part, taxa))
    made = fit_calibrated(vectors, classes, [str(one) for one in range(6)], share=share)
    assert len(made.known.held) == 300
    for part in seen:
        np.testing.assert_array_equal(part.known.held, made.known.held)
    if share is None:
        # Each picture is as near to what others told as the pictures that say how near is usual.
        near = np.sort(np.concatenate([part.known.nearness(part.vectors) for part in seen]))
        np.testing.assert_allclose(near, made.known.held, rtol=1e-5)
    else:
        assert all(part.known is made.known for part in seen)


@pytest.mark.parametrize("method", ["simpleshot", "logistic", "ridge", "knn"])
def test_classes_of_one_picture_keep_the_scale_that_they_were_fitted_with(method):
    vectors = np.eye(10) + np.random.default_rng(0).normal(scale=0.1, size=(10, 10))
    labels = [str(one) for one in range(10)]
    made = fit_calibrated(vectors, np.arange(10), labels, method=method)
    assert made.alone == 10
    assert made.classes.scale == fit_classes(vectors, np.arange(10), labels, method=method).scale
    if method == "simpleshot":
        with pytest.raises(InputError, match="no picture can choose the weight of texts, all being the only ones"):
            fit_calibrated(vectors, np.arange(10), labels, texts=np.eye(10))


def test_the_only_picture_of_a_class_stands_no_farther_than_new_ones_of_it_will(monkeypatch):
    """Without its class it lies far from all: wrong names of it would all be unsure, those of new pictures are not."""
    rng = np.random.default_rng(0)
    classes = np.r_[np.repeat(np.arange(5), 20), np.arange(5, 25)]
    vectors = rng.normal(size=(25, 16))[classes] + 0.3 * rng.normal(size=(120, 16))
    seen = []
    blocks = calibrate._blocks
    monkeypatch.setattr(
        calibrate, "_blocks", lambda part, taxa: seen.append((part, list(blocks(part, taxa)))) or seen[-1][1]
    )
    fit_calibrated(vectors, classes, [str(one) for one in range(25)])
    stand, apart, truth = (
        np.concatenate(found)
        for found in zip(*((block[2], block[3], part.truth) for part, (block,) in seen), strict=True)
    )
    alone = truth >= 5
    assert (apart[alone] < -5).all()
    assert (stand[alone] == 0).all()
    assert (stand[~alone] < 0).any()


def test_pictures_that_were_not_given_and_the_only_ones_of_their_classes_stand_on_one_measure():
    """No given picture of a class of several is asked in turn, yet what is known has to say how near is usual."""
    rng = np.random.default_rng(0)
    classes = np.r_[np.repeat(np.arange(5), 20), np.arange(5, 25)]
    given = np.r_[np.tile(np.arange(20) < 3, 5), np.ones(20, bool)]
    vectors = rng.normal(size=(25, 16))[classes] + 0.5 * rng.normal(size=(120, 16))
    made = fit_calibrated(vectors, classes, [str(one) for one in range(25)], given=given)
    assert (made.in_turn, made.alone, len(made.right)) == (20, 20, 105)
    assert len(made.known.held) == 15 + 85
    assert made.back_off.confidence.weights is not None


def test_pictures_that_were_not_given_have_the_scale_of_their_other_half_beside_those_asked_in_turn(monkeypatch):
    rng = np.random.default_rng(0)
    classes = np.r_[np.repeat(np.arange(5), 40), np.repeat(np.arange(5, 9), 2)]
    given = np.r_[np.tile(np.arange(40) < 3, 5), np.ones(8, bool)]
    vectors = rng.normal(size=(9, 16))[classes] + rng.normal(size=(208, 16))
    seen = []
    blocks = calibrate._blocks
    monkeypatch.setattr(calibrate, "_blocks", lambda part, taxa: seen.append(part) or blocks(part, taxa))
    made = fit_calibrated(vectors, classes, [str(one) for one in range(9)], given=given)
    assert sorted(len(part) for part in seen if part.part is None) == [92, 93]
    assert all(part.classes.scale == pytest.approx(made.classes.scale, rel=0.35) for part in seen if part.part is None)


def test_uncalibrated_logistic_regression_is_as_sure_as_scikit_learn_has_it():
    rng = np.random.default_rng(0)
    classes = np.arange(90) % 3
    vectors = rng.normal(size=(3, 6))[classes] + rng.normal(size=(90, 6))
    made = fit_calibrated(vectors, classes, ("a", "b", "c"), method="logistic", share=0.0)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = LogisticRegression(C=10.0, max_iter=1000).fit(unit, classes).predict_proba(unit)
    np.testing.assert_allclose(made.classes.probabilities(vectors), expected, atol=1e-4)


@pytest.mark.parametrize("sizes", [[40] * 4 + [2] * 40, [1] * 30 + [20] * 3], ids=["long tail", "single pictures"])
def test_of_any_law_of_class_sizes_new_pictures_are_misnamed_no_more_often_than_asked(sizes):
    risk, wrong = 0.1, []
    for draw in range(30):
        rng = np.random.default_rng(draw)
        points = rng.normal(size=(len(sizes), 16))
        classes = np.repeat(np.arange(len(sizes)), sizes)
        labels = [str(one) for one in range(len(sizes))]
        made = fit_calibrated(points[classes] + rng.normal(size=(len(classes), 16)), classes, labels, seed=draw)
        truth = rng.choice(classes, 300)
        vectors = points[truth] + rng.normal(size=(300, 16))
        tree = ClassTree.flat(len(sizes))
        nodes, _ = made.back_off.closed_set().answer(
            tree, made.classes.probabilities(vectors), risk, made.known.standing(vectors)
        )
        wrong.append(np.mean((nodes >= 0) & (nodes != tree.class_node[truth])))
    assert np.mean(wrong) <= risk + 3 * np.std(wrong) / np.sqrt(len(wrong))
