"""The linear probe, against scikit-learn put together by hand."""

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import normalize

from cladescope.analysis.benchmark.evaluate import evaluate
from cladescope.analysis.benchmark.linear_probe import CHOSEN, N_FOLDS, fold_count, probe_answers
from cladescope.analysis.benchmark.stores import stored_vectors
from cladescope.analysis.classify.linear_models import LogisticOnUnitVectors, RidgeOnUnitVectors
from cladescope.errors import InputError
from tests.analysis.benchmark import field_layouts


def clouds(n, *, classes=3, seed=0, apart=1.2):
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % classes
    return rng.normal(size=(n, 6)) + apart * np.eye(classes, 6)[truth], truth


def by_hand(head, vectors, truth):
    """The head with its strength chosen by scikit-learn's grid search in three folds."""
    model, name = {
        "logistic": (LogisticRegression(max_iter=1000), "C"),
        "ridge": (RidgeClassifier(), "alpha"),
    }[head]
    return GridSearchCV(model, {name: CHOSEN[head][1]}, cv=3).fit(normalize(vectors), truth)


@pytest.mark.parametrize("head", ["logistic", "ridge"])
def test_parts_are_learnt_from_and_asked_as_scikit_learn_does(head):
    vectors, truth = clouds(60)
    is_test = np.arange(60) >= 42
    answers = probe_answers(vectors, truth, head=head, is_test=is_test)
    model = by_hand(head, vectors[:42], truth[:42])
    assert answers.rows.tolist() == list(range(42, 60))
    assert np.array_equal(answers.named, model.predict(normalize(vectors[42:])))


def test_what_is_asked_chooses_nothing():
    vectors, truth = clouds(60)
    is_test = np.arange(60) >= 42
    changed = vectors.copy()
    changed[50] = [9, -9, 9, -9, 9, -9]
    first, second = (probe_answers(one, truth, head="ridge", is_test=is_test) for one in (vectors, changed))
    kept = first.rows != 50
    assert np.array_equal(first.named[kept], second.named[kept])


@pytest.mark.parametrize(("head", "usual"), [("logistic", LogisticOnUnitVectors()), ("ridge", RidgeOnUnitVectors())])
@pytest.mark.parametrize("kin", [None, np.r_[np.arange(20), np.full(10, 20)]])
def test_folds_that_could_learn_or_ask_one_class_only_choose_nothing(head, usual, kin):
    rng = np.random.default_rng(0)
    n_second = 1 if kin is None else 4  # one picture, or four of one observation
    is_test = np.arange(30) >= 20 + n_second
    truth = (np.arange(30) >= 20).astype(np.int64)
    vectors = rng.normal(size=(30, 6)) + 2 * np.eye(6)[truth]
    kin = None if kin is None else np.where(is_test, kin + 1, kin)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answers = probe_answers(vectors, truth, head=head, is_test=is_test, kin=kin)
    model = usual.fit(vectors[~is_test], truth[~is_test], groups=None if kin is None else kin[~is_test])
    assert np.array_equal(answers.named, model.predict(vectors[is_test]))


def test_without_parts_each_picture_is_asked_once_and_kin_are_never_apart():
    vectors, truth = clouds(40)
    kin = np.arange(40) // 4
    answers = probe_answers(vectors, truth, head="ridge", kin=kin)
    assert sorted(answers.rows.tolist()) == list(range(40))
    # Copies of one picture under other classes: who saw one would name it.
    noise, wrong = np.random.default_rng(1).normal(size=(10, 6)), np.repeat(np.arange(10) % 2, 2)
    copies = probe_answers(np.repeat(noise, 2, axis=0), wrong, head="ridge", kin=np.repeat(np.arange(10), 2))
    assert (copies.named[np.argsort(copies.rows)][::2] == copies.named[np.argsort(copies.rows)][1::2]).all()
    apart = probe_answers(np.repeat(noise, 2, axis=0), wrong, head="ridge")
    right = [(one.named == wrong[one.rows]).mean() for one in (copies, apart)]
    assert right[0] < right[1]
    assert N_FOLDS == 5


def test_one_class_to_learn_from_is_refused():
    vectors, truth = clouds(12, classes=2)
    with pytest.raises(InputError, match="pictures of one class only to learn from"):
        probe_answers(vectors, truth, is_test=truth == 1)


def test_classes_of_few_pictures_are_asked_in_fewer_parts_and_of_one_not_at_all():
    vectors, truth = clouds(12, classes=4)
    assert fold_count(truth) == 3
    assert sorted(probe_answers(vectors, truth, head="ridge").rows.tolist()) == list(range(12))
    with pytest.raises(InputError, match="each class has one picture"):
        probe_answers(vectors, np.arange(12))


def test_a_task_is_scored_by_accuracy_and_macro_f1(store, tmp_path):
    report = evaluate("linear-probe", store.path, head="ridge", rank="genus", out=tmp_path / "o")
    (document,), task = report.documents, report.evaluations[0].task
    vectors = stored_vectors(store, task.image_ids)
    answers = probe_answers(vectors, task.class_numbers, head="ridge", kin=task.kin)
    truth = task.class_numbers[answers.rows]
    figures = document["results"][0]["figures"]
    assert figures["top-1"]["value"] == pytest.approx((truth == answers.named).mean())
    assert figures["macro F1"]["value"] == pytest.approx(f1_score(truth, answers.named, average="macro"))
    assert document["settings"] == {"head": "ridge", "folds": 5}
    assert "macro F1 over all classes" not in figures, "each class is asked"
    assert document["results"][0]["details"]["top-1"]["by_rank"]["family"]["value"] >= figures["top-1"]["value"]
    assert "## Linear probe (head ridge; folds 5)" in report.page_path.read_text()


def test_classes_that_are_not_asked_count_as_biobench_counts_them(clades, tmp_path):
    root = tmp_path / "parts"
    for place, folder in enumerate(field_layouts.species_folders(clades)[:5]):
        for number, path in enumerate(folder):
            part = "test" if number == 3 and place < 4 else "train"
            field_layouts.copy(path, root / part / f"c{place}" / path.name)
    report = evaluate("linear-probe", root, encoders="pixels", head="ridge", out=tmp_path / "o")
    figures = report.documents[0]["results"][0]["figures"]
    assert figures["macro F1"]["n"] == 4
    assert figures["macro F1 over all classes"]["value"] <= figures["macro F1"]["value"]
    assert report.documents[0]["settings"] == {"parts": "official", "head": "ridge"}
