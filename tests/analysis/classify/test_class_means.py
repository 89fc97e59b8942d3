"""What class means answer, in figures: scores, probabilities, rows of zeros, and means that cannot lean far."""

import numpy as np
import pytest
from scipy.special import softmax

from cladescope.analysis.classify import few_shot
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.few_shot import Prototypes, SimpleShot
from cladescope.analysis.classify.shrinkage import kappa_of, shrunk_means
from tests.analysis.classify.clusters import species
from tests.analysis.measures.clouds import clusters, units

METHODS = [SimpleShot, Prototypes]


def scores_of(method, vectors, labels, queries):
    """-|x - m|^2 + |x|^2 with x centred, or the cosine with the mean: from the vectors themselves."""
    centre = units(vectors).mean(axis=0) if method is SimpleShot else 0.0
    moved = (lambda x: units(units(x) - centre)) if method is SimpleShot else units
    means = np.stack([moved(vectors)[labels == name].mean(axis=0) for name in np.unique(labels)])
    x = moved(queries)
    if method is Prototypes:
        return x @ units(means).T
    return (x**2).sum(axis=1)[:, None] - ((x[:, None] - means) ** 2).sum(axis=2)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rows", [7, 1 << 15])
def test_scores_and_probabilities_are_those_of_the_formulas_in_blocks_of_any_size(method, rows, monkeypatch):
    monkeypatch.setattr(few_shot, "_ROWS", rows)
    vectors, labels = clusters(4, 12, spread=1.0)
    fitted = method().fit(vectors, labels)
    scores = scores_of(method, vectors, labels, vectors)
    np.testing.assert_allclose(fitted.decision_function(vectors), scores, atol=1e-5)
    np.testing.assert_allclose(fitted.predict_proba(vectors), softmax(10.0 * scores, axis=1), atol=1e-5)
    sharper = method(scale=30.0).fit(vectors, labels)
    np.testing.assert_allclose(sharper.predict_proba(vectors), softmax(30.0 * scores, axis=1), atol=1e-5)
    gallery = fitted.gallery()  # of which the calibration chooses the scale
    assert gallery.scale == 1.0
    np.testing.assert_allclose(gallery.scores(vectors.astype(np.float32)), scores, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_of_two_classes_the_decision_is_the_second_less_the_first(method):
    vectors, labels = clusters(2, 9)
    found = method().fit(vectors, labels).decision_function(vectors)
    scores = scores_of(method, vectors, labels, vectors)
    np.testing.assert_allclose(found, scores[:, 1] - scores[:, 0], atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_rows_of_zeros_all_point_the_same_way_and_the_others_stay(method):
    vectors, labels = clusters(3, 8)
    zeros = vectors.copy()
    zeros[[2, 5]] = 0.0
    ones = vectors.copy()
    ones[[2, 5]] = 1.0
    np.testing.assert_allclose(method().fit(zeros, labels).means_, method().fit(ones, labels).means_)
    fitted = method().fit(vectors, labels)
    np.testing.assert_allclose(fitted.decision_function(zeros), fitted.decision_function(ones), atol=1e-6)
    assert (zeros[[2, 5]] == 0).all()


def test_a_class_whose_pictures_cancel_out_has_no_direction():
    vectors = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    fitted = Prototypes().fit(vectors, np.array([3, 3, 4]))
    np.testing.assert_allclose(fitted.decision_function(vectors), [0.0, 0.0, 1.0])  # its cosine with anything is 0


def test_the_last_but_two_classes_may_be_forgotten_and_the_last_name_be_added_to():
    fitted = Prototypes().fit(np.eye(3), np.array(["a", "b", "c"]))
    fitted.remove_class("a")
    assert fitted.predict(np.eye(3)[1:]).tolist() == ["b", "c"]
    fitted.add_class("c", np.eye(3)[:1])
    assert fitted.counts_.tolist() == [1, 2]
    np.testing.assert_allclose(fitted.means_, [[0, 1, 0], [0.5, 0, 0.5]])


def test_how_far_means_lean_is_worked_out_by_hand():
    tree = ClassTree.from_taxa([species("F", "G", "a"), species("F", "G", "b"), species("F", "H", "c")])
    # Unit vectors of the plane: class a 60 degrees apart, b likewise, c of one picture.
    angles = np.radians([0, 60, 90, 150, 45])
    pictures = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    classes, counts = np.array([0, 0, 1, 1, 2]), np.array([2, 2, 1])
    sums = np.stack([pictures[classes == one].sum(axis=0) for one in range(3)])
    means = sums / counts[:, None]
    within = ((pictures - means[classes]) ** 2).sum() / (5 - 3)
    middle = means[:2].mean(axis=0)
    # Two classes of one genus, one of freedom; half of the variance of a mean of two pictures is expected from each.
    between = ((means[:2] - middle) ** 2).sum() - (0.5 / 2 + 0.5 / 2) * within
    assert between > within / 100
    assert kappa_of(tree, sums, counts) == pytest.approx(within / between)
    # Where the classes of a genus are alike, they lean on it with a hundred pictures.
    alike = np.concatenate([pictures[:2], pictures[:2], pictures[4:]])
    same = np.stack([alike[classes == one].sum(axis=0) for one in range(3)])
    assert kappa_of(tree, same, counts) == 100.0
    # Nothing can be said where no class has two pictures, or no genus two classes.
    assert kappa_of(tree, sums / counts[:, None], np.ones(3, np.int64)) == 1.0
    apart = ClassTree.from_taxa([species("F", "G", "a"), species("F", "I", "b"), species("F", "H", "c")])
    assert kappa_of(apart, sums, counts) == 1.0
    np.testing.assert_allclose(shrunk_means(tree, sums, counts, kappa=0.0), means)
