"""The scale of probabilities and what pictures say that the classes were not learnt from."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import log_loss

from cladescope.analysis.classify import calibrate
from cladescope.analysis.classify.calibrate import Asked, Learnt, best_scale, fit_apart, fit_calibrated, mean_surprise
from cladescope.analysis.classify.class_gallery import ClassGallery
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.fitting import fit_classes
from cladescope.errors import InputError
from cladescope.taxonomy.taxon import RANKS
from tests.analysis.classify.clusters import NAMES, TAXA, clusters  # noqa: F401 - a fixture


def test_classes_are_asked_only_about_pictures_that_they_have_not_learnt_from(clusters):  # noqa: F811
    vectors, classes, *_ = clusters
    learnt = []

    def learn(chosen):
        learnt.append(np.flatnonzero(chosen))
        return Learnt(fit_classes(vectors[chosen], classes[chosen], NAMES), np.bincount(classes[chosen]), 0.0)

    kept, asked = fit_apart(learn, vectors, classes, share=0.2)
    (given,), (part,) = learnt, asked
    assert part.classes is kept.classes
    np.testing.assert_array_equal(part.vectors, np.delete(vectors, given, axis=0))
    np.testing.assert_array_equal(part.truth, np.delete(classes, given))
    assert fit_apart(learn, vectors, classes, share=0.0)[1] == []


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


def test_pictures_asked_in_parts_say_what_they_say_at_once(clusters):  # noqa: F811
    support, classes, queries, truth = clusters
    fitted = fit_classes(support, classes, NAMES)
    parts = [Asked(fitted, queries[rows], truth[rows]) for rows in (slice(0, 50), slice(50, None))]
    assert best_scale(parts) == pytest.approx(best_scale([Asked(fitted, queries, truth)]))
    assert mean_surprise(parts) == pytest.approx(mean_surprise([Asked(fitted, queries, truth)]))


def test_calibrated_pictures_are_asked_as_they_are_and_as_strangers():
    rng = np.random.default_rng(0)
    classes = np.arange(80) % 4
    vectors = rng.normal(size=(4, 8))[classes] + 0.1 * rng.normal(size=(80, 8))
    made = fit_calibrated(vectors, classes, ("a", "b", "c", "d"), tree=ClassTree.from_taxa(TAXA), kappa=None)
    n = len(made.right)
    assert (n, len(made.back_off.seen), len(made.back_off.unseen)) == (16, 16, 16)
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
        mean_surprise([Asked(made.classes, vectors, classes)]),
        log_loss(classes, made.classes.probabilities(vectors)),
        rtol=1e-4,
    )
    plain = fit_calibrated(vectors, classes, ("a", "b", "c", "d"))
    assert list(plain.by_rank()) == ["label"]
    assert fit_calibrated(vectors, classes, ("a", "b", "c", "d"), share=0.0).by_rank() == {}


def test_what_decides_and_what_is_asked_later_stand_alike(monkeypatch):
    rng = np.random.default_rng(0)
    classes = np.arange(300) % 6
    vectors = np.eye(8)[classes] + rng.normal(scale=0.3, size=(300, 8))
    seen = []
    blocks = calibrate._blocks
    monkeypatch.setattr(calibrate, "_blocks", lambda part, taxa, known: seen.append(known) or blocks(part, taxa, known))
    made = fit_calibrated(vectors, classes, [str(one) for one in range(6)])
    np.testing.assert_array_equal(made.known.standing(vectors), seen[-1].standing(vectors))
