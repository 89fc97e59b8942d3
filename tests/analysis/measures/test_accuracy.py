"""Metrics against scikit-learn and plain loops; ties, blocks and missing ranks as documented."""

import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, top_k_accuracy_score
from sklearn.neighbors import NearestCentroid, NearestNeighbors

from cladescope.analysis.measures import accuracy
from cladescope.analysis.measures.accuracy import (
    accuracy_by_frequency,
    agreement,
    bootstrap_interval,
    centroid_accuracy,
    macro_accuracy,
    nearest_agreement,
    nearest_agreement_between,
    paired_difference,
    simple_shot,
    top_k_accuracy,
)
from cladescope.errors import InputError
from tests.conftest import REPOSITORY


def clusters(n_classes=6, n_each=9, d=12, *, spread=0.6, seed=0, names=None):
    """Vectors around class means, away from the origin, and their labels, shuffled."""
    rng = np.random.default_rng(seed)
    names = np.arange(n_classes) * 4 + 3 if names is None else np.asarray(names)
    labels = rng.permutation(np.repeat(names, n_each))
    means = 0.5 + rng.normal(size=(n_classes, d))
    vectors = means[np.searchsorted(np.sort(names), labels)] + spread * rng.normal(size=(len(labels), d))
    return vectors, labels


def units(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def simple_shot_by_loops(vectors, labels, k, fold):
    """SimpleShot as written down in the reference: lists of features, one image at a time."""
    features: dict[int, list[np.ndarray]] = {}
    for vector, label in zip(vectors, labels, strict=True):
        features.setdefault(int(label), []).append(vector / np.linalg.norm(vector))
    state = random.getstate()
    random.seed(fold)
    support, test = {}, {}
    for label, copy in {label: list(some) for label, some in features.items()}.items():
        random.shuffle(copy)
        support[label], test[label] = copy[:k], copy[k:]
    random.setstate(state)
    mean = np.mean([vector for some in support.values() for vector in some], axis=0)

    def centred(vector):
        return (vector - mean) / np.linalg.norm(vector - mean)

    centroids = {label: np.mean([centred(vector) for vector in some], axis=0) for label, some in support.items()}
    right = [
        min(centroids, key=lambda name: np.linalg.norm(centred(vector) - centroids[name])) == label
        for label, some in test.items()
        for vector in some
    ]
    return np.mean(right)


@pytest.mark.parametrize("k", [1, 5])
def test_simple_shot_equals_the_reference_image_by_image(k):
    vectors, labels = clusters(spread=1.2)
    expected = [simple_shot_by_loops(vectors, labels, k, fold) for fold in range(5)]
    np.testing.assert_allclose(simple_shot(vectors, labels, k=k), expected, rtol=0, atol=1e-12)
    assert len(set(expected)) > 1


def test_simple_shot_with_another_seed_draws_the_folds_from_there_on():
    vectors, labels = clusters(spread=1.2)
    np.testing.assert_array_equal(
        simple_shot(vectors, labels, k=1, folds=2, seed=3), simple_shot(vectors, labels, k=1)[3:]
    )


def test_simple_shot_does_not_depend_on_the_names_of_the_classes():
    vectors, labels = clusters(n_classes=4, spread=1.2, names=[3, 7, 11, 15])
    renamed = np.array([{3: 90, 7: -5, 11: 2, 15: 40}[label] for label in labels.tolist()])
    np.testing.assert_array_equal(simple_shot(vectors, labels, k=2), simple_shot(vectors, renamed, k=2))


def test_a_class_of_k_images_or_fewer_is_never_asked_for_but_may_be_answered():
    base, labels = clusters(n_classes=3, n_each=8, spread=0.05, names=[3, 7, 11])
    assert simple_shot(base, labels, k=2).tolist() == [1.0] * 5
    decoy = np.concatenate([base, base[labels == 3][:1]])  # a class of one that looks like class 3
    named = np.append(labels, 99)
    expected = [simple_shot_by_loops(decoy, named, 2, fold) for fold in range(5)]
    np.testing.assert_allclose(simple_shot(decoy, named, k=2), expected, rtol=0, atol=1e-12)
    assert simple_shot(decoy, named, k=2).mean() < 1


def test_simple_shot_refuses_what_leaves_nothing_to_test():
    vectors, labels = clusters(n_each=5)
    with pytest.raises(InputError, match=r"no class has more than 5 images \(the largest has 5\): nothing is left"):
        simple_shot(vectors, labels, k=5)
    with pytest.raises(InputError, match="no class has more than 1 images"):
        simple_shot(np.empty((0, 3)), np.empty(0, np.int64), k=1)
    with pytest.raises(InputError, match="k is 0 and folds 5: both must be at least 1"):
        simple_shot(vectors, labels, k=0)
    with pytest.raises(InputError, match="have no direction"):
        simple_shot(np.zeros_like(vectors), labels, k=1)


def test_identical_vectors_are_all_given_to_the_class_that_appears_first():
    labels = np.array([7, 7, 7, 3, 3, 3, 3])
    assert simple_shot(np.ones((7, 4)), labels, k=1, folds=1).tolist() == [2 / 5]


def test_half_precision_vectors_are_measured_nearly_as_double():
    vectors, labels = clusters(n_each=30, spread=1.0)
    difference = simple_shot(vectors, labels, k=5) - simple_shot(vectors.astype(np.float16), labels, k=5)
    assert np.abs(difference).max() <= 0.02


def test_centroid_accuracy_equals_the_nearest_centroid_of_scikit_learn_after_centring():
    vectors, labels = clusters(spread=1.2)
    test, test_labels = clusters(spread=1.6)
    mean = units(vectors).mean(axis=0)
    model = NearestCentroid().fit(units(units(vectors) - mean), labels)
    expected = model.score(units(units(test) - mean), test_labels)
    assert centroid_accuracy(vectors, labels, test, test_labels) == pytest.approx(expected, abs=1e-12)
    assert 0.3 < expected < 1


def test_a_test_image_of_a_class_without_training_images_counts_as_wrong():
    vectors, labels = clusters(n_classes=3, spread=0.05, names=[3, 7, 11])
    unknown = labels.copy()
    unknown[:9] = 50
    assert centroid_accuracy(vectors, labels, vectors, labels) == 1.0
    assert centroid_accuracy(vectors, labels, vectors, unknown) == pytest.approx(18 / 27)


def test_training_and_test_images_of_different_classes_are_refused():
    vectors, labels = clusters()
    with pytest.raises(InputError, match="54 test images and 54 training images share no class"):
        centroid_accuracy(vectors, labels, vectors, labels + 1)
    with pytest.raises(InputError, match="0 test images"):
        centroid_accuracy(vectors, labels, vectors[:0], labels[:0])


def codes_of(labels):
    """Ranks: one for all, pairs of classes, the class with a third missing, and one that nobody has."""
    species = np.where(np.arange(len(labels)) % 3 == 0, -1, labels)
    return np.stack([np.zeros_like(labels), labels // 8, species, np.full_like(labels, -1)], axis=1)


def agreement_by_loops(codes, other_codes):
    shares = []
    for rank in range(codes.shape[1]):
        pairs = [(own, other) for own, other in zip(codes[:, rank], other_codes[:, rank], strict=True) if own != -1]
        shares.append(np.mean([own == other for own, other in pairs]) if pairs else np.nan)
    return np.array(shares)


def test_nearest_agreement_equals_the_nearest_neighbours_of_scikit_learn():
    vectors, labels = clusters(spread=1.2)
    codes = codes_of(labels)
    model = NearestNeighbors(n_neighbors=1, metric="cosine").fit(vectors)
    others = model.kneighbors(return_distance=False)[:, 0]  # without X: a row is not its own neighbour
    expected = agreement_by_loops(codes, codes[others])
    np.testing.assert_allclose(nearest_agreement(vectors, codes), expected)
    assert expected[0] == 1
    assert 0 < expected[2] < expected[1] < 1


def test_nearest_agreement_of_queries_in_a_gallery_equals_that_of_scikit_learn():
    queries, query_labels = clusters(spread=1.6, n_each=4)
    gallery, gallery_labels = clusters(spread=1.2)
    model = NearestNeighbors(n_neighbors=1, metric="cosine").fit(gallery)
    others = model.kneighbors(queries, return_distance=False)[:, 0]
    expected = agreement_by_loops(codes_of(query_labels), codes_of(gallery_labels)[others])
    found = nearest_agreement_between(queries, codes_of(query_labels), gallery, codes_of(gallery_labels))
    np.testing.assert_allclose(found, expected)


@given(st.integers(2, 40), st.integers(1, 4000), st.integers(1, 50), st.integers(0, 5))
@settings(max_examples=40)
def test_blocks_of_any_size_find_the_same_neighbours(n, block_bytes, gallery_rows, seed):
    vectors = np.random.default_rng(seed).integers(-3, 4, (n, 5)) + 0.5
    codes = np.arange(n)[:, None] // 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accuracy, "BLOCK_BYTES", block_bytes)
        patch.setattr(accuracy, "_GALLERY_ROWS", gallery_rows)
        nearest = accuracy._nearest(units(vectors), units(vectors), itself=True)
        blocked = agreement(codes, codes[nearest])
    assert not (nearest == np.arange(n)).any()
    cosines = units(vectors) @ units(vectors).T
    np.fill_diagonal(cosines, -np.inf)
    np.testing.assert_allclose(cosines[np.arange(n), nearest], cosines.max(axis=1))
    np.testing.assert_array_equal(blocked, agreement_by_loops(codes, codes[nearest]))


def test_small_blocks_do_not_change_few_shot_accuracies(monkeypatch):
    vectors, labels = clusters(spread=1.2)
    whole = simple_shot(vectors, labels, k=2)
    monkeypatch.setattr(accuracy, "BLOCK_BYTES", 1)
    np.testing.assert_array_equal(simple_shot(vectors, labels, k=2), whole)


def test_duplicates_find_each_other_and_equal_neighbours_the_smaller_row():
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_array_equal(accuracy._nearest(vectors, vectors, itself=True), [1, 0, 0, 0])


def test_the_length_of_a_vector_does_not_matter():
    vectors, labels = clusters(spread=1.2)
    lengths = np.random.default_rng(0).uniform(0.1, 10, (len(labels), 1))
    codes = codes_of(labels)
    np.testing.assert_array_equal(nearest_agreement(vectors, codes), nearest_agreement(vectors * lengths, codes))


def test_a_neighbour_without_the_rank_is_of_another_taxon():
    np.testing.assert_array_equal(agreement(np.array([[4], [4], [-1]]), np.array([[-1], [4], [-1]])), [0.5])


def test_one_image_and_no_gallery_have_no_neighbours():
    one, codes = np.ones((1, 2)), np.zeros((1, 1), np.int64)
    with pytest.raises(InputError, match=r"1 image\(s\): at least two are needed"):
        nearest_agreement(one, codes)
    with pytest.raises(InputError, match="1 queries and a gallery of 0: neither may be empty"):
        nearest_agreement_between(one, codes, one[:0], codes[:0])


@pytest.mark.parametrize("k", [1, 3, 5, 7])
def test_top_k_accuracy_equals_that_of_scikit_learn(k):
    rng = np.random.default_rng(k)
    scores, labels = rng.normal(size=(200, 8)), rng.integers(0, 8, 200)
    expected = top_k_accuracy_score(labels, scores, k=k, labels=np.arange(8))
    assert top_k_accuracy(scores, labels, k) == pytest.approx(expected)


@given(st.integers(1, 6), st.integers(1, 7), st.integers(0, 100))
def test_equal_scores_come_in_the_order_of_their_columns(c, k, seed):
    rng = np.random.default_rng(seed)
    scores, labels = rng.integers(0, 3, (20, c)), rng.integers(0, c, 20)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert top_k_accuracy(scores, labels, k) == pytest.approx((best == labels[:, None]).any(axis=1).mean())


def test_scores_that_are_all_alike_earn_no_more_than_chance():
    assert top_k_accuracy(np.zeros((5, 5)), np.arange(5), 1) == pytest.approx(0.2)


@pytest.mark.parametrize(
    "scores, labels, k, message",
    [
        (np.zeros((2, 3)), [0, 3], 1, "labels go from 0 to 3, expected columns of the scores: 0 to 2"),
        (np.zeros((2, 3)), [-1, 0], 1, "labels go from -1 to 0"),
        (np.array([[0, np.nan], [0, 1]]), [0, 0], 1, "scores of 1 of 2 images are NaN"),
        (np.zeros((2, 3)), [0, 0], 0, "k is 0: it must be at least 1"),
        (np.zeros((0, 3)), [], 1, "no scores: there is nothing to measure"),
    ],
)
def test_scores_that_cannot_be_measured_are_refused(scores, labels, k, message):
    with pytest.raises(InputError) as refusal:
        top_k_accuracy(scores, np.array(labels, np.int64), k)
    assert message in str(refusal.value)


def test_macro_accuracy_equals_the_balanced_accuracy_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels = rng.choice([3, 7, 20], 300, p=[0.9, 0.07, 0.03])
    predictions = np.where(rng.random(300) < 0.6, labels, 7)
    assert macro_accuracy(predictions, labels) == pytest.approx(balanced_accuracy_score(labels, predictions))


def test_a_class_that_is_only_predicted_does_not_count_in_macro_accuracy():
    assert macro_accuracy(np.array([3, 99, 7]), np.array([3, 3, 7])) == pytest.approx(0.75)
    with pytest.raises(InputError, match="no predictions"):
        macro_accuracy(np.empty(0, np.int64), np.empty(0, np.int64))


def right_or_wrong(rng):
    return (rng.random(150) < 0.7).astype(np.float64)


def skewed(rng):
    return rng.exponential(0.7, 150)


@pytest.mark.parametrize("draw", [right_or_wrong, skewed])
def test_the_interval_holds_the_true_mean_about_as_often_as_it_says(draw):
    rng = np.random.default_rng(0)
    intervals = [bootstrap_interval(draw(rng), level=0.8, n_resamples=300, seed=seed) for seed in range(200)]
    coverage = np.mean([low <= 0.7 <= high for low, high in intervals])
    assert 0.72 <= coverage <= 0.88  # 0.8 within 2.8 standard errors


def test_both_ways_of_resampling_give_the_same_interval():
    values = np.array([0.0] * 120 + [1.0] * 80)
    jittered = values + np.linspace(0, 1e-9, 200)  # all distinct: images are drawn one by one
    few, many = (bootstrap_interval(some, n_resamples=20_000) for some in (values, jittered))
    np.testing.assert_allclose(few, many, rtol=0, atol=0.006)
    half_width = 1.96 * np.sqrt(0.4 * 0.6 / 200)
    np.testing.assert_allclose(few, [0.4 - half_width, 0.4 + half_width], rtol=0, atol=0.01)


def test_resamples_in_blocks_are_those_of_one_block(monkeypatch):
    values = np.random.default_rng(0).normal(size=100)
    whole = bootstrap_interval(values, n_resamples=50)
    monkeypatch.setattr(accuracy, "BLOCK_BYTES", 8 * 100 * 7)
    assert bootstrap_interval(values, n_resamples=50) == whole


def test_an_interval_is_repeatable_and_another_seed_gives_another():
    values = np.random.default_rng(0).normal(size=100)
    assert bootstrap_interval(values, seed=1) == bootstrap_interval(values, seed=1)
    assert bootstrap_interval(values, seed=1) != bootstrap_interval(values, seed=2)


def test_values_that_are_all_equal_leave_no_doubt():
    assert bootstrap_interval(np.array([True, True, True])) == (1.0, 1.0)


def test_a_paired_difference_sees_what_two_intervals_side_by_side_do_not():
    rng = np.random.default_rng(0)
    hardness = rng.random(400)
    a, b = hardness < 0.72, hardness < 0.66
    assert bootstrap_interval(b)[1] > bootstrap_interval(a)[0]
    low, high = paired_difference(a, b)
    assert 0 < low < a.mean() - b.mean() < high
    low, high = paired_difference(b, a)
    assert high < 0
    assert paired_difference(a, a) == (0.0, 0.0)


@pytest.mark.parametrize(
    "values, changes, message",
    [
        ([], {}, "0 values: expected at least one, all of them finite"),
        ([0.5, np.nan], {}, "2 values: expected at least one, all of them finite"),
        ([1.0], {"level": 1.0}, "level is 1.0 and n_resamples 2000, expected a share in (0, 1) and at least 1"),
        ([1.0], {"n_resamples": 0}, "n_resamples 0"),
    ],
)
def test_values_without_an_interval_are_refused(values, changes, message):
    with pytest.raises(InputError) as refusal:
        bootstrap_interval(np.array(values, np.float64), **changes)
    assert message in str(refusal.value)


def test_metrics_load_nothing_heavy():
    code = "import sys, cladescope.analysis.measures.accuracy; print(*{name.split('.')[0] for name in sys.modules})"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert not set(ended.stdout.split()) & {"torch", "lancedb", "faiss", "sklearn"}


def test_head_middle_and_tail_are_macro_accuracies_of_their_classes():
    rng = np.random.default_rng(0)
    sizes = {3: 200, 5: 101, 7: 100, 9: 20, 11: 19, 13: 1}
    train = rng.permutation(np.repeat(list(sizes), list(sizes.values())))
    labels = rng.choice([*sizes, 15], size=500)  # 15 has no training image
    predictions = np.where(rng.random(500) < 0.6, labels, 3)
    found = accuracy_by_frequency(predictions, labels, train)
    parts = {"head": [3, 5], "middle": [7, 9], "tail": [11, 13, 15]}
    expected = {
        name: np.mean([(predictions[labels == one] == one).mean() for one in classes])
        for name, classes in parts.items()
    }
    assert found == pytest.approx(expected)
    none = accuracy_by_frequency(predictions, labels, np.empty(0, np.int64))
    assert none["tail"] == pytest.approx(macro_accuracy(predictions, labels))
    assert np.isnan([none["head"], none["middle"]]).all()
    with pytest.raises(InputError, match="expected few <= many"):
        accuracy_by_frequency(predictions, labels, train, many=5, few=6)


def test_resampling_groups_is_resampling_their_images_where_each_has_one():
    values = np.random.default_rng(0).random(150)
    alone = bootstrap_interval(values)
    np.testing.assert_allclose(bootstrap_interval(values, groups=np.arange(150)), alone, atol=0.01)


def test_images_of_one_group_count_as_little_more_than_one():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 25)
    values = rng.normal(size=40)[groups] + 0.1 * rng.normal(size=1000)
    low, high = bootstrap_interval(values, groups=groups)
    means = values.reshape(40, 25).mean(axis=1)
    np.testing.assert_allclose((low, high), bootstrap_interval(means), atol=0.05)
    narrow = bootstrap_interval(values)
    assert high - low > 3 * (narrow[1] - narrow[0])
