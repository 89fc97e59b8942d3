"""biobench's FungiCLEF: its reader, its open set, and what mistakes cost, against scikit-learn and sums written out."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import chi2
from sklearn.covariance import LedoitWolf
from sklearn.metrics import f1_score
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize

from cladescope.analysis.benchmark.evaluate import evaluate
from cladescope.analysis.benchmark.fungi_scoring import score_observations, user_score
from cladescope.analysis.benchmark.open_set import open_set_answers
from cladescope.analysis.benchmark.open_task import open_task
from cladescope.analysis.benchmark.questions import Observations
from cladescope.analysis.benchmark.stores import store_path, stored_vectors
from cladescope.embedding.encoder import Encoder
from cladescope.errors import InputError
from cladescope.index.store import Store
from tests.analysis.benchmark import field_layouts


@pytest.fixture
def fungi(clades, tmp_path):
    return field_layouts.fungiclef(tmp_path / "fungi", clades)


def read(path):
    return open_task(path, protocol="fungiclef")[0]


def costs(truth, named, poisonous):
    """FungiCLEF's user-focused loss, and the most that it could be, question by question; -1 is unknown."""
    loss = most = 0.0
    for own, said in zip(truth, named, strict=True):
        most += (10 if own == -1 else 1) + (100 if own in poisonous else 1)
        if own != said:
            loss += 10 if own == -1 else 0.1 if said == -1 else 1
        if own in poisonous and said not in poisonous:
            loss += 100
        if own not in poisonous and said in poisonous:
            loss += 1
    return loss, most


def test_fungi_are_read_as_they_are_published(fungi):
    task = read(fungi)
    assert (len(task), int(task.is_test.sum()), len(task.classes)) == (41, 25, 10)
    assert [one.label for one in task.classes][-3:] == ["7", "unknown", "1500"]
    assert task.question.taught == (True,) * 8 + (False, False)
    assert task.question.poisonous == (False, True, False, False, False, True, False, False, False, False)
    assert task.question.number[task.is_test].tolist() == [*np.repeat(range(8), 2), *np.repeat([8, 9], 4), 0]
    assert task.question.number[~task.is_test].tolist() == [-1] * 16
    uris = task.table["uri"].to_pylist()
    assert uris[:2] == [str(fungi / "DF20_300/0-0.jpg"), str(fungi / "DF20_300/0-1.JPG")], "as they lie"
    assert task.labels[-1] == "0", "the class of its observation"
    assert task.left_out == (
        "1 rows of FungiCLEF2023_train_metadata_PRODUCTION.csv have no image_path",
        "1 rows of FungiCLEF2023_val_metadata_PRODUCTION.csv have another class than their observation: they are kept in its own",
        "1 rows of FungiCLEF2023_val_metadata_PRODUCTION.csv have a class_id that is neither a number of a class nor -1",
        "1 rows of FungiCLEF2023_val_metadata_PRODUCTION.csv have no observationID",
    )


def test_fungi_are_scored_by_observations_as_scikit_learn_scores_them(fungi, tmp_path):
    report = evaluate("fungiclef", fungi, encoders="pixels", out=tmp_path / "o")
    (document,), evaluation = report.documents, report.evaluations[0]
    task = evaluation.task
    store = Store.open(store_path(tmp_path / "o/stores", task, Encoder.load("pixels").card))
    used = evaluation.used  # the picture that is listed twice comes once
    vectors = stored_vectors(store, task.image_ids).astype(np.float64)
    learnt, asked = ~task.is_test & used, task.is_test & used
    number, labels = task.question.number, np.array(task.labels)
    x = np.array([vectors[asked & (number == one)].mean(axis=0) for one in range(10)])
    truth = np.array([-1 if one > 7 else one for one in range(10)])
    train, classes = vectors[learnt], labels[learnt].astype(int)
    centre = train.mean(axis=0)
    moved, own = normalize(train - centre), normalize(x - centre)
    said = cdist(own, np.array([moved[classes == one].mean(axis=0) for one in range(8)])).argmin(axis=1)
    means = np.array([train[classes == one].mean(axis=0) for one in range(8)])
    inverse = LedoitWolf().fit(train).precision_
    found = {name: one["value"] for name, one in document["results"][0]["figures"].items()}
    for ending, metric in (("", inverse), (", as published", np.diag(np.diag(inverse)))):
        nearest = cdist(x, means, "mahalanobis", VI=metric).min(axis=1) ** 2
        named = np.where(nearest > chi2.ppf(0.95, x.shape[1]), -1, said)
        loss, most = costs(truth, named, {1, 5})
        assert found[f"user score{ending}"] == pytest.approx(1 - loss / most)
        assert found[f"top-1{ending}"] == pytest.approx((named == truth).mean())
        assert found[f"macro F1{ending}"] == pytest.approx(f1_score(truth, named, average="macro", zero_division=0))
        assert found[f"unknown told{ending}"] == pytest.approx((named[8:] == -1).mean())
    assert document["results"][0]["figures"]["top-1"]["n"] == 10
    assert document["settings"] == {"head": "open-set"}
    published = {one["model"]: one["percent"] for one in document["published"]["figures"]}
    assert published["BioCLIP 2"] == 51.0
    assert any("the diagonal of the inverse covariance alone" in one for one in document["deviations"])


def test_far_is_beyond_the_chi_squared_bound_of_the_nearest_mean():
    """Against the published einsum, in two dimensions whose numbers go together."""
    rng = np.random.default_rng(0)
    classes = np.repeat([9, 2, 4], 40)
    spread = rng.normal(size=(120, 2)) @ np.array([[1.0, 0.9], [0.0, 0.4]])
    train = spread + np.array([[0.0, 0.0], [4.0, 4.0], [8.0, 8.0]]).repeat(40, axis=0)
    test = rng.uniform(-20, 30, size=(300, 2))
    ours = open_set_answers(train, classes, test)
    inverse = LedoitWolf().fit(train).precision_
    means = np.array([train[classes == one].mean(axis=0) for one in (9, 2, 4)])
    apart = test[:, None] - means
    most = chi2.ppf(0.95, df=2)
    diagonal = np.einsum("ncd,dd,ncd->nc", apart, inverse, apart).min(axis=1)
    whole = np.einsum("ncd,de,nce->nc", apart, inverse, apart).min(axis=1)
    assert np.array_equal(ours.far_as_published, diagonal > most)
    assert np.array_equal(ours.far, whole > most)
    assert not np.array_equal(ours.far, ours.far_as_published)
    centre = train.mean(axis=0)
    model = NearestCentroid().fit(normalize(train - centre), classes)
    assert np.array_equal(ours.named, model.predict(normalize(test - centre)))


def test_what_mistakes_cost_is_that_of_the_challenge():
    rng = np.random.default_rng(0)
    truth, named = rng.integers(0, 6, (2, 400))  # 5 is unknown
    poisonous = np.array([True, False, True, False, False, False])
    loss, most = costs(np.where(truth == 5, -1, truth), np.where(named == 5, -1, named), {0, 2})
    assert user_score(truth, named, poisonous).value == pytest.approx(1 - loss / most)
    assert user_score(truth, truth, poisonous).value == 1
    deadly = user_score(np.array([0]), np.array([5]), poisonous)
    assert deadly.value == pytest.approx(1 - 100.1 / 101), "unknown is not poisonous"
    assert user_score(np.array([5]), np.array([0]), poisonous).value == 0


def test_without_a_list_of_poison_there_is_no_user_score(fungi, tmp_path):
    (fungi / "poison_status_list.csv").unlink()
    (fungi / "DF21_300/3-2.JPG").unlink()
    (fungi / "DF21_300/3-3.JPG").unlink()
    (document,) = evaluate("fungiclef", fungi, encoders="pixels", out=tmp_path / "o").documents
    (result,) = document["results"]
    assert "user score" not in result["figures"]
    reason = "there is no poison_status_list.csv beside the tables"
    assert result["not_applicable"]["user score"] == reason
    assert result["not_applicable"]["user score, as published"] == reason
    assert result["not_applicable"]["1 of 10 observations"] == "none of their pictures has a vector"
    assert result["figures"]["top-1"]["n"] == 9


def test_where_all_are_known_none_is_told_as_unknown():
    rng = np.random.default_rng(0)
    vectors, classes = rng.normal(size=(12, 3)), np.arange(12) % 2
    is_test = np.arange(12) >= 8
    asked = Observations(number=np.where(is_test, np.arange(12) - 8, -1), n_observations=4, taught=(True, True))
    found, refused = score_observations(vectors, asked, classes, is_test)
    assert "unknown told" not in found
    assert refused["unknown told"] == "no observation is of a species that is not taught"
    with pytest.raises(InputError, match="no picture to learn from is left"):
        score_observations(vectors, asked, classes, np.ones(12, bool))


def test_what_is_not_fungiclef_is_told_in_a_line(fungi, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no FungiCLEF2023_train_metadata_PRODUCTION.csv: expected the folder"):
        read(tmp_path / "empty")
    with pytest.raises(InputError, match="is a file: name the folder of FungiCLEF 2023"):
        read(fungi / "poison_status_list.csv")
    field_layouts.write(fungi / "poison_status_list.csv", [["class_id", "poisonous"], [3, "maybe"]])
    with pytest.raises(InputError, match="has 'maybe' as poisonous of the class 3: expected 0 or 1"):
        read(fungi)
    field_layouts.write(fungi / "FungiCLEF2023_val_metadata_PRODUCTION.csv", [["image_path", "class_id"], ["a", 3]])
    with pytest.raises(InputError, match="no column 'observationID'"):
        read(fungi)
