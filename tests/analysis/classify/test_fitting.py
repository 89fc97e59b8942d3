"""Few-shot against scikit-learn, loops, and what must not change."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from cladescope.analysis.classify.calibrate import Asked, best_scale, fit_calibrated, mean_surprise
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.draws import draw_share, draw_shots
from cladescope.analysis.classify.few_shot import Prototypes, SimpleShot
from cladescope.analysis.classify.fitting import METHODS, fit_classes, with_texts
from cladescope.analysis.classify.shrinkage import kappa_of, shrunk_means
from cladescope.errors import InputError
from cladescope.taxonomy.taxon import RANKS, Taxon


def units(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def cl2n(vectors, centre):
    return units(units(vectors) - centre)


@pytest.fixture
def clusters():
    """Vectors of 12 classes around their own points: 240 to learn from, 120 to ask."""
    rng = np.random.default_rng(0)
    middles = rng.normal(size=(12, 16))
    classes = np.arange(360) % 12
    vectors = (middles[classes] + rng.normal(size=(360, 16))).astype(np.float32)
    return vectors[:240], classes[:240], vectors[240:], classes[240:]


NAMES = tuple(f"class {row:02}" for row in range(12))


def test_simpleshot_predicts_what_nearest_centroid_does_on_cl2n_vectors(clusters):
    support, classes, queries, _ = clusters
    centre = units(support).mean(axis=0)
    expected = NearestCentroid().fit(cl2n(support, centre), classes).predict(cl2n(queries, centre))
    ours = fit_classes(support, classes, NAMES).probabilities(queries).argmax(axis=1)
    np.testing.assert_array_equal(ours, expected)


def test_prototypes_are_the_nearest_means_by_cosine(clusters):
    support, classes, queries, _ = clusters
    means = np.stack([units(support)[classes == label].mean(axis=0) for label in range(12)])
    ours = fit_classes(support, classes, NAMES, method="prototypes").probabilities(queries).argmax(axis=1)
    np.testing.assert_array_equal(ours, (units(queries) @ units(means).T).argmax(axis=1))


def test_regressions_are_scikit_learns(clusters):
    support, classes, queries, _ = clusters
    for few in (slice(None), classes < 2):
        x, y = units(support)[few], classes[few]
        names = NAMES[: y.max() + 1]
        model = LogisticRegression(C=10.0, max_iter=1000).fit(x, y)
        ours = fit_classes(x, y, names, method="logistic", scale=1.0)
        np.testing.assert_allclose(
            ours.probabilities(queries), model.predict_proba(units(queries)), rtol=1e-3, atol=1e-5
        )
        ridge = RidgeClassifier(alpha=1.0).fit(x, y).predict(units(queries))
        ours = fit_classes(x, y, names, method="ridge")
        np.testing.assert_array_equal(ours.probabilities(queries).argmax(axis=1), ridge)


def test_neighbours_vote_as_scikit_learns(clusters):
    support, classes, queries, _ = clusters
    x = units(support).astype(np.float16).astype(np.float32)
    model = KNeighborsClassifier(5, metric="cosine", weights=lambda distances: np.exp(10.0 * (1 - distances)))
    expected = model.fit(x, classes).predict_proba(units(queries))
    ours = fit_classes(support, classes, NAMES, method="knn", k=5, scale=10.0)
    np.testing.assert_allclose(ours.probabilities(queries), expected, atol=2e-3)


@pytest.mark.parametrize("method", METHODS)
def test_equally_near_classes_give_the_first(method):
    support, classes = np.eye(4, dtype=np.float32), np.array([0, 1, 2, 3])
    asked = np.ones((1, 4), np.float32)
    assert fit_classes(support, classes, NAMES[:4], method=method, k=4).probabilities(asked).argmax() in (
        (0,) if method in ("simpleshot", "prototypes", "knn") else range(4)
    )


def test_half_precision_and_block_size_change_no_mean(clusters, monkeypatch):
    support, classes, *_ = clusters
    half = support.astype(np.float16)
    whole = SimpleShot().fit(half.astype(np.float32), classes)
    monkeypatch.setattr("cladescope.analysis.classify.few_shot._ROWS", 7)
    np.testing.assert_allclose(SimpleShot().fit(half, classes).sums_, whole.sums_, atol=1e-5)


@pytest.mark.parametrize("method", [SimpleShot, Prototypes])
def test_a_class_added_equals_a_refit_about_the_same_centre(clusters, method):
    support, classes, *_ = clusters
    most = classes < 11
    means = method().fit(support[most], classes[most])
    centre = means.centre_
    means.add_class(11, support[~most])
    if method is Prototypes:
        np.testing.assert_allclose(means.sums_, Prototypes().fit(support, classes).sums_, atol=1e-5)
    else:
        np.testing.assert_array_equal(means.centre_, centre)
        np.testing.assert_allclose(means.means_[-1], cl2n(support[~most], centre).mean(axis=0), atol=1e-5)


def species(family, genus, name):
    return Taxon(("Animalia", None, None, None, family, genus, f"{genus} {name}"))


TAXA = [species("F", "G", "a"), species("F", "G", "b"), species("F", "H", "c"), species("E", "K", "d")]


def test_shrinkage_is_the_recursion_written_as_a_loop():
    tree = ClassTree.from_taxa(TAXA)
    rng = np.random.default_rng(0)
    sums, counts, kappa = rng.normal(size=(4, 3)), np.array([1, 4, 2, 3]), 1.5

    def mean_of(taxon):
        inside = [row for row in range(4) if taxon.contains(TAXA[row])]
        n, mean = counts[inside].sum(), sums[inside].sum(axis=0) / counts[inside].sum()
        if taxon.parent is None:
            return mean
        return (n * mean + kappa * mean_of(taxon.parent)) / (n + kappa)

    expected = np.stack([mean_of(taxon) for taxon in TAXA])
    np.testing.assert_allclose(shrunk_means(tree, sums, counts, kappa=kappa), expected)
    np.testing.assert_array_equal(shrunk_means(tree, sums, counts, kappa=0.0), sums / counts[:, None])
    with pytest.raises(InputError, match="kappa is -1.0"):
        shrunk_means(tree, sums, counts, kappa=-1.0)


def test_kappa_is_the_ratio_of_the_variances_that_made_the_data():
    rng = np.random.default_rng(0)
    taxa = [species("F", f"G{genus:02}", str(one)) for genus in range(30) for one in range(5)]
    genera = rng.normal(size=(30, 400))
    middles = np.repeat(genera, 5, axis=0) + 0.3 * rng.normal(size=(150, 400))
    classes = np.repeat(np.arange(150), 4)
    vectors = middles[classes] + 0.6 * rng.normal(size=(600, 400))
    means = Prototypes().fit(vectors, classes)
    found = kappa_of(ClassTree.from_taxa(taxa), means.sums_, means.counts_)
    assert found == pytest.approx(0.6**2 / 0.3**2, rel=0.1)


def test_calibration_holds_out_a_share_and_leaves_each_class_a_picture():
    classes = np.array([0] * 10 + [1] * 2 + [2])
    held = draw_share(classes, 0.5)
    assert np.bincount(classes[held], minlength=3).tolist() == [5, 1, 0]
    assert not draw_share(classes, 0.0).any()
    assert np.bincount(classes[draw_shots(classes, 2)]).tolist() == [2, 2, 1]
    with pytest.raises(InputError, match="share held out is 1"):
        draw_share(classes, 1.0)


def test_the_scale_is_where_the_true_classes_are_likeliest(clusters):
    support, classes, queries, truth = clusters
    fitted = fit_classes(support, classes, NAMES)
    scores, scale = fitted.scores(queries), best_scale([Asked(fitted, queries, truth)])

    def loss(at):
        return -np.log(softmax(at * scores, axis=1)[np.arange(len(truth)), truth]).mean()

    assert loss(scale) <= min(map(loss, np.geomspace(0.1, 1000, 200))) + 1e-4


def test_pictures_asked_in_parts_say_what_they_say_at_once(clusters):
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


def test_texts_are_added_to_the_scores_as_in_a_sum_of_two_classifiers(clusters):
    support, classes, queries, _ = clusters
    texts = np.random.default_rng(4).normal(size=(len(NAMES), support.shape[1]))
    few_shot = fit_classes(support, classes, NAMES, scale=1.0)
    mixed = with_texts(few_shot, texts, 0.7)
    unit = texts / np.linalg.norm(texts, axis=1, keepdims=True)
    expected = few_shot.scores(queries) + 0.7 * few_shot.prepared(queries) @ (unit - unit.mean(axis=0)).T
    np.testing.assert_allclose(mixed.scores(queries), expected, atol=1e-5)


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


def test_bad_input_is_one_clear_line(clusters):
    support, classes, *_ = clusters
    with pytest.raises(InputError, match="at least two"):
        fit_classes(support[:3], np.zeros(3, int), ("one",))
    with pytest.raises(InputError, match="unknown method 'svm'"):
        fit_classes(support, classes, NAMES, method="svm")
    with pytest.raises(InputError, match="'nobody' has no picture"):
        fit_classes(support, classes, (*NAMES, "nobody"))
    with pytest.raises(InputError, match="no direction"):
        fit_classes(np.where(classes[:, None] == 3, np.nan, support), classes, NAMES)
    with pytest.raises(InputError, match="shrinkage needs"):
        fit_classes(support, classes, NAMES, kappa=1.0)
