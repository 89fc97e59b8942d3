"""Herbarium19's discovery: labelled pictures drawn as published, k-means written out plainly, and matchings of groups with classes."""

import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import normalize

from cladescope.analysis.benchmark.class_splits import read_class_splits
from cladescope.analysis.benchmark.discovery import score_discovery, semi_kmeans
from cladescope.analysis.benchmark.evaluate import evaluate
from cladescope.analysis.benchmark.herbarium19 import drawn_labels
from cladescope.analysis.benchmark.open_task import open_task
from cladescope.analysis.benchmark.questions import Discovery
from cladescope.analysis.benchmark.stores import store_path, stored_vectors
from cladescope.embedding.encoder import Encoder
from cladescope.errors import InputError
from cladescope.index.store import Store
from tests.analysis.benchmark import field_layouts

OLD = (11, 0, 2, 5, 7, 8)


@pytest.fixture
def folder(clades, tmp_path):
    return field_layouts.herbarium19(tmp_path / "herbarium", clades)


def read(path, **options):
    return open_task(path, protocol="herbarium19", **options)[0]


def written_out(vectors, labelled, labels, n_groups, seed):
    """The published steps one after another: a loop for each vector and centre, whatever it costs."""
    random = np.random.RandomState(seed)
    names = np.unique(labels)
    centres = [labelled[labels == name].mean(axis=0) for name in names]
    while len(centres) < n_groups:
        far = np.array([min(((one - centre) ** 2).sum() for centre in centres) for one in vectors])
        share, drawn = np.cumsum(far / far.sum()), random.rand()
        centres.append(vectors[next(place for place, upto in enumerate(share) if upto >= drawn)])
    fixed = np.array([names.tolist().index(label) for label in labels.tolist()])
    best, least = None, np.inf
    for _ in range(10):
        away = np.array([[((one - centre) ** 2).sum() for centre in centres] for one in vectors])
        groups = away.argmin(axis=1)
        total = away.min(axis=1).sum() + sum(
            ((one - centres[group]) ** 2).sum() for one, group in zip(labelled, fixed, strict=True)
        )
        if total < least:
            best, least = groups, total
        members = [np.concatenate([vectors[groups == g], labelled[fixed == g]]) for g in range(n_groups)]
        moved = [one.mean(axis=0) if len(one) else np.full(len(vectors[0]), np.nan) for one in members]
        shift = sum(np.sqrt(((new - old) ** 2).sum()) for new, old in zip(moved, centres, strict=True))
        centres = moved
        if shift**2 < 1e-4:
            break
    return best


def clouds(n_classes=6, each=12, spread=0.35, seed=0):
    """Vectors of unit length round a centre a class, and their classes."""
    rng = np.random.default_rng(seed)
    classes = np.repeat(np.arange(n_classes), each)
    centres = normalize(rng.normal(size=(n_classes, 8)))
    return normalize(centres[classes] + spread * rng.normal(size=(len(classes), 8)) / np.sqrt(8)), classes


def test_it_is_read_as_it_is_published(folder):
    task = read(folder)
    names = sorted(map(str, range(12)))
    assert names[1:4] == ["1", "10", "11"], "classes are numbered in the order of their names"
    old = {names[number] for number in OLD}
    paths = [f"{name}/{number}.jpg" for name in names for number in range(4)]
    np.random.seed(0)
    drawn = np.random.choice(range(24), replace=False, size=(int(0.8 * 24),))  # as the published code draws
    of_old = [path for path in paths if path.split("/")[0] in old]
    labelled = [path for place, path in enumerate(of_old) if place in drawn]
    wanted = labelled + [path for path in paths if path not in labelled]
    assert [uri.removeprefix(f"{folder}/small-train/") for uri in task.table["uri"].to_pylist()] == wanted
    assert task.is_test.tolist() == [False] * 19 + [True] * 29
    assert {one.label for one, known in zip(task.classes, task.question.old, strict=True) if known} == old
    assert task.question.n_groups == 12
    assert task.left_out == ("1 pictures of small-train lie in no folder of a class",)
    assert read(folder / "herbarium_19_class_splits.pkl", images=folder / "small-train").labels == task.labels


def test_labels_are_drawn_without_regard_to_class():
    number = np.repeat(np.arange(4), 40)
    found = drawn_labels(number, np.array([True, False, True, False]))
    assert np.bincount(number[found], minlength=4).tolist() == [33, 0, 31, 0], "64 of 80, not 32 of each class"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_groups_are_those_of_the_steps_written_out(seed):
    vectors, classes = clouds(seed=seed)
    labelled = np.isin(classes, (1, 4, 5)) & (np.arange(len(classes)) % 3 > 0)
    ours = semi_kmeans(vectors[~labelled], vectors[labelled], classes[labelled] * 10, n_groups=8, seed=seed)
    assert np.array_equal(ours, written_out(vectors[~labelled], vectors[labelled], classes[labelled], 8, seed))
    assert len(np.unique(ours)) > 3


def test_a_group_that_loses_all_its_vectors_ends_the_steps_as_in_the_published_code():
    """Group 3 starts at 0 and takes 10; then both lie nearer to the groups of labels. Its mean is no number in the published code."""
    vectors, labelled = np.array([[0.0], [10.0], [12.0], [12.0], [12.0], [1000.0]]), np.array([[-4.0], [22.0]])
    seed = next(one for one in range(1000) if np.random.RandomState(one).random_sample(2)[1] < 16 / 460)
    ours = semi_kmeans(vectors, labelled, np.array([0, 1]), n_groups=4, seed=seed)
    assert ours.tolist() == [0, 1, 1, 1, 1, 2]
    assert np.array_equal(ours, written_out(vectors, labelled, np.array([0, 1]), 4, seed))
    first = semi_kmeans(vectors, labelled, np.array([0, 1]), n_groups=4, seed=seed, n_steps=1)
    assert first.tolist() == [3, 3, 1, 1, 1, 2]


def test_without_labels_to_hold_it_groups_as_scikit_learn_does():
    vectors, classes = clouds(spread=0.2)
    labelled = np.flatnonzero(np.bincount(classes).cumsum()[classes] - 1 == np.arange(len(classes)))
    others = np.setdiff1d(np.arange(len(classes)), labelled)
    ours = semi_kmeans(vectors[others], vectors[labelled], classes[labelled], n_groups=6)
    theirs = KMeans(6, init=vectors[labelled], n_init=1, max_iter=10).fit(vectors)
    assert adjusted_rand_score(theirs.labels_[others], ours) == pytest.approx(1.0)


def test_labelled_vectors_hold_their_groups():
    """A label that lies among the vectors of another class pulls its own group there."""
    vectors = np.array([[0.0], [0.2], [4.0], [4.2]])
    free = semi_kmeans(vectors, np.array([[0.1], [4.1]]), np.array([0, 1]), n_groups=2)
    held = semi_kmeans(vectors, np.array([[0.1], [4.1], [20.0]]), np.array([0, 1, 1]), n_groups=2)
    assert free.tolist() == [0, 0, 1, 1]
    assert held.tolist() == [0, 0, 0, 0]


def test_equal_vectors_leave_groups_without_any():
    same = np.ones((5, 3))
    assert semi_kmeans(same, same[:1], np.array([3]), n_groups=4).tolist() == [0] * 5


def test_known_and_new_classes_are_matched_apart_and_once():
    vectors, classes = clouds(n_classes=6, each=20)
    old = (True, True, True, False, False, False)
    is_test = ~((classes < 3) & (np.arange(len(classes)) % 5 > 0))
    found, _ = score_discovery(vectors, classes, is_test, Discovery(old=old, n_groups=6), seeds=(0, 1))
    apart, once = [], []
    for seed in (0, 1):
        groups = written_out(vectors[is_test], vectors[~is_test], classes[~is_test], 6, seed)
        own = classes[is_test]
        table = np.zeros((6, 6), int)
        np.add.at(table, (groups, own), 1)
        rows, columns = linear_sum_assignment(-table)
        once.append(table[rows, columns].sum() / len(own))
        parts = []
        for part in (slice(0, 3), slice(3, 6)):
            rows, columns = linear_sum_assignment(-table[:, part])
            parts.append(table[:, part][rows, columns].sum())
        apart.append(sum(parts) / len(own))
    assert found["all pictures"].value == pytest.approx(np.mean(apart))
    assert found["all pictures"].folds == pytest.approx(tuple(apart))
    assert found["all pictures, matched once"].value == pytest.approx(np.mean(once))
    n_old, n_new = found["known classes"].n_asked, found["new classes"].n_asked
    assert (n_old, n_new) == (12, 60)
    mean = (found["known classes"].value * n_old + found["new classes"].value * n_new) / 72
    assert mean == pytest.approx(found["all pictures"].value)


def test_the_score_falls_where_classes_are_shuffled():
    vectors, classes = clouds(n_classes=6, each=40, spread=0.2)
    is_test = ~((classes < 3) & (np.arange(len(classes)) % 5 > 0))
    asked = Discovery(old=(True,) * 3 + (False,) * 3, n_groups=6)
    told = score_discovery(vectors, classes, is_test, asked, seeds=(0,))[0]
    shuffled = classes.copy()
    shuffled[is_test] = np.random.default_rng(0).permutation(classes[is_test])
    chance = score_discovery(vectors, shuffled, is_test, asked, seeds=(0,))[0]
    assert told["all pictures"].value > 0.8
    assert chance["all pictures"].value < 0.6
    assert chance["all pictures, matched once"].value < chance["all pictures"].value


def test_an_encoder_is_scored_over_three_draws_beside_the_published_rows(folder, tmp_path):
    (folder / "small-train/1/2.jpg").write_bytes(b"no picture")
    report = evaluate("herbarium19", folder, encoders="pixels", out=tmp_path / "o")
    (document,), task = report.documents, report.evaluations[0].task
    used = report.evaluations[0].used
    store = Store.open(store_path(tmp_path / "o/stores", task, Encoder.load("pixels").card))
    vectors = normalize(stored_vectors(store, task.image_ids.filter(used.tolist())).astype(np.float64))
    wanted = score_discovery(vectors, task.class_numbers[used], task.is_test[used], task.question)[0]
    figures = document["results"][0]["figures"]
    assert figures["all pictures"]["value"] == pytest.approx(wanted["all pictures"].value)
    assert len(figures["all pictures"]["folds"]) == 3
    assert figures["new classes"]["n"] == 23
    assert document["settings"] == {"head": "semi-k-means", "seeds": [0, 1, 2]}
    assert any("matched to known and to new classes apart" in one for one in document["deviations"])
    page = (tmp_path / "o/results.md").read_text()
    assert "48.6 †" in page
    assert "1 of 48 pictures (2.1 %) could not be used" in page


def test_what_is_not_the_published_layout_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match=r"holds no herbarium_19_class_splits.pkl, the list of known classes: copy it"):
        read(tmp_path)
    for path in (folder / "small-train/4").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="the class '4' has no pictures"):
        read(folder)
    (folder / "small-train/4").rmdir()
    with pytest.raises(InputError, match="has 11 folders of classes, herbarium_19_class_splits.pkl numbers 12"):
        read(folder)
    vectors, classes = clouds()
    asked = Discovery(old=(True,) * 6, n_groups=6)
    with pytest.raises(InputError, match="the unlabelled pictures are all of known classes"):
        score_discovery(vectors, classes, np.arange(72) % 2 > 0, asked)
    with pytest.raises(InputError, match="found 72 unlabelled pictures, 6 labelled classes and 3 groups"):
        semi_kmeans(vectors, vectors, classes, n_groups=3)


class Harmful:
    """A pickle of this would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", range(6))
def test_numbers_of_classes_are_read_whatever_wrote_them(protocol, tmp_path):
    path = tmp_path / "splits.pkl"
    for old in ([1, 0], np.array([1, 0]), [np.int64(1), np.int64(0)], [np.int32(1), 0]):
        path.write_bytes(pickle.dumps({"Old": old, "New": np.arange(2, 4)}, protocol=protocol))
        assert [one.tolist() for one in read_class_splits(path)] == [[1, 0], [2, 3]]


def test_a_pickle_runs_nothing_and_says_what_is_wrong(tmp_path):
    path = tmp_path / "splits.pkl"
    for told, reason in (
        ({"Old": [0], "New": Harmful(tmp_path / "made")}, "it names "),
        (OrderedDict(Old=[0], New=[1]), "it names collections.OrderedDict"),
        ({"Old": range(2**60), "New": [1]}, "it names builtins.range"),
        ({"Old": [0]}, "holds no list of known and new classes"),
        ([0, 1], "holds no list of known and new classes"),
        ({"Old": [0, 1], "New": [1, 2]}, "do not number 0 ... 3 once each"),
        ({"Old": [0], "New": []}, "lists 1 known and 0 new classes"),
        ({"Old": ["a"], "New": [1]}, "holds no list of known and new classes"),
    ):
        path.write_bytes(pickle.dumps(told))
        with pytest.raises(InputError, match=reason):
            read_class_splits(path)
    assert not (tmp_path / "made").exists()
    path.write_bytes(b"")
    with pytest.raises(InputError, match="holds no list of known and new classes"):
        read_class_splits(path)
    path.write_bytes(pickle.dumps({"Old": list(range(2**19)), "New": [2**19]}))
    with pytest.raises(InputError, match="holds no list of known and new classes"):
        read_class_splits(path)
