"""Tasks of the field, read as they are published and scored as scikit-learn scores them."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.metrics import accuracy_score, average_precision_score, f1_score
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.svm import LinearSVC

from cladescope.analysis.benchmark.evaluate import evaluate
from cladescope.analysis.benchmark.open_task import open_task
from cladescope.analysis.benchmark.published import match, published
from cladescope.analysis.benchmark.stores import store_path, stored_vectors
from cladescope.analysis.benchmark.svm_heads import svm_answers
from cladescope.analysis.benchmark.trait_heads import ALPHAS, mlp_logits, scaled
from cladescope.analysis.classify.templates import name_vectors
from cladescope.embedding.encoder import Encoder
from cladescope.errors import InputError
from cladescope.index.store import Store
from tests.analysis.benchmark import field_layouts


def read(protocol, path, **options):
    return open_task(path, protocol=protocol, **options)[0]


def scores(protocol, path, tmp_path, encoder="pixels", **options):
    """The document of an evaluation, its task, and the stored vectors of the task's pictures."""
    report = evaluate(protocol, path, encoders=encoder, out=tmp_path / "o", **options)
    task = report.evaluations[0].task
    store = Store.open(store_path(tmp_path / "o/stores", task, Encoder.load(encoder).card))
    return report.documents[0], task, stored_vectors(store, task.image_ids)


def figures(document):
    return {name: figure["value"] for name, figure in document["results"][0]["figures"].items()}


@pytest.fixture
def newt(clades, tmp_path):
    return field_layouts.newt(tmp_path / "newt", clades)


def test_newt_is_read_as_it_is_published(newt):
    task = read("newt", newt)
    assert (task.name, len(task), len(task.classes)) == ("newt", 48, 12)
    assert task.classes[1].label == "task_0: pos"
    assert task.is_test.sum() == 12
    assert task.question.names == tuple(f"task_{number}" for number in range(6))
    assert task.question.clusters[:2] == ("appearance", "context")
    assert task.left_out == ()
    assert read("newt", newt / "newt2021_labels.csv").table["uri"][0].as_py() == str(newt / "newt2021_images/0-0-0.jpg")


def test_newt_is_scored_as_its_authors_score_it(newt, tmp_path):
    document, task, vectors = scores("newt", newt, tmp_path)
    vectors, truth = vectors.astype(np.float64), task.question.positive
    accuracies, right = [], []
    for number in range(6):
        own = task.question.number == number
        train, test = own & ~task.is_test, own & task.is_test
        scaler = StandardScaler().fit(vectors[train])
        given, asked = (normalize(scaler.transform(vectors[part])) for part in (train, test))
        svm = LinearSVC(random_state=0, tol=1e-5, dual=False, max_iter=1000)
        grid = GridSearchCV(svm, {"C": [10.0**power for power in range(-4, 4)]}, cv=3).fit(given, truth[train])
        accuracies.append(accuracy_score(truth[test], grid.predict(asked)))
        right += (grid.predict(asked) == truth[test]).tolist()
    found = figures(document)
    assert found["mean over tasks"] == pytest.approx(np.mean(accuracies))
    assert found["all pictures"] == pytest.approx(np.mean(right))
    assert found["appearance, mean over tasks"] == pytest.approx(np.mean(accuracies[::2]))
    assert document["settings"] == {"head": "linear-svm"}
    assert any("svm-search" in one for one in document["deviations"])


def test_the_searched_svm_is_that_of_biobench():
    from scipy.stats import loguniform
    from sklearn.model_selection import RandomizedSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    rng = np.random.default_rng(0)
    train, test, labels = rng.normal(size=(40, 6)), rng.normal(size=(30, 6)), np.repeat([0, 1], 20)
    train[labels == 1, 0] += 1.5
    given, asked = (normalize(part - train.mean(axis=0)) for part in (train, test))
    settings = {
        "svc__C": loguniform(1e-3, 1e1),
        "svc__kernel": ["rbf", "linear", "sigmoid", "poly"],
        "svc__gamma": loguniform(1e-4, 1e-3),
    }
    theirs = RandomizedSearchCV(make_pipeline(StandardScaler(), SVC()), settings, n_iter=12, random_state=42).fit(
        given, labels
    )
    ours = svm_answers(train, labels, test, head="svm-search", n_searched=12)
    assert np.array_equal(ours, theirs.predict(asked))
    assert 0 < ours.mean() < 1


def test_a_task_of_newt_without_a_class_to_learn_is_counted_and_missing_pictures_are_told(newt, tmp_path):
    for number in range(3):
        (newt / f"newt2021_images/2-1-{number}.jpg").unlink()
    document, _, _ = scores("newt", newt, tmp_path)
    assert document["task"]["n_used"] == 45
    assert document["results"][0]["figures"]["mean over tasks"]["n"] == 10
    assert document["results"][0]["not_applicable"] == {
        "1 of 6 tasks": "they lack training pictures of a class, or test pictures (task_2)"
    }
    page = (tmp_path / "o/results.md").read_text()
    assert "3 of 48 pictures (6.2 %) could not be used" in page
    assert "## NeWT: 164 tasks of two classes (" in page


def test_rows_of_newt_that_are_none_are_counted(newt, tmp_path):
    table = newt / "newt2021_labels.csv"
    with table.open("a") as file:
        file.write("x,c,,task_0,2,pos,train,1,1\r\nx,c,,task_0,1,pos,val,1,1\r\n,c,,task_0,1,pos,test,1,1\r\n")
    assert read("newt", newt).left_out == (
        "1 rows of newt2021_labels.csv have a label other than 0 and 1",
        "1 rows of newt2021_labels.csv are neither of train nor of test",
        "1 rows of newt2021_labels.csv have no id or task",
    )
    table.write_text("id,task\n1,2\n")
    with pytest.raises(
        InputError, match="no column 'label' .it has 'id', 'task'.: expected the file as it is published"
    ):
        read("newt", newt)
    with pytest.raises(InputError, match=r"holds no newt2021_labels.csv: expected the folder of NeWT"):
        read("newt", tmp_path)


def test_fishnet_is_read_as_it_is_published(clades, tmp_path):
    task = read("fishnet", field_layouts.fishnet(tmp_path / "f", clades))
    assert (len(task), int(task.is_test.sum())) == (48, 12)
    assert task.left_out == ("1 rows of train.csv lack a trait",)
    assert task.question.names[0] == "pelagic"
    assert task.question.values[0].tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 1]
    assert task.table["uri"][0].as_py() == str(tmp_path / "f/Image_Library/Family0/0-0.jpg")


@pytest.mark.parametrize("protocol", ["fishnet", "awa2"])
def test_traits_are_scored_by_ridge_regression_as_scikit_learn_scores_them(protocol, clades, tmp_path):
    root = getattr(field_layouts, protocol)(tmp_path / "t", clades)
    document, task, vectors = scores(protocol, root, tmp_path, head="ridge")
    used, unit = task.is_test, normalize(vectors.astype(np.float64))
    truth = task.question.values
    scaler = StandardScaler().fit(unit[~used])
    model = RidgeCV(alphas=ALPHAS).fit(scaler.transform(unit[~used]), 2 * truth[~used] - 1)
    said = model.predict(scaler.transform(unit[used])) > 0
    found = figures(document)
    assert found["macro F1"] == pytest.approx(f1_score(truth[used], said, average="macro", zero_division=0))
    assert found["all traits right"] == pytest.approx(accuracy_score(truth[used], said))
    figure = document["results"][0]["figures"]["macro F1"]
    assert figure["low"] <= figure["value"] <= figure["high"]
    assert figure["n"] == used.sum()


def test_the_published_head_is_scored_both_ways_over_its_seeds(clades, tmp_path, one_thread):
    root = field_layouts.awa2(tmp_path / "awa2", clades)
    document, task, vectors = scores("awa2", root, tmp_path)
    given, asked = ~task.is_test, task.is_test
    truth = task.question.values
    runs = [mlp_logits(vectors[given], truth[given], vectors[asked], rate=1e-5, seed=seed) for seed in (0, 1, 2)]
    found = document["results"][0]["figures"]
    theirs = [f1_score(truth[asked], logits > 0, average="macro", zero_division=0) for logits in runs]
    assert found["macro F1"]["folds"] == pytest.approx(theirs)
    above = [f1_score(truth[asked], logits > 0.5, average="macro", zero_division=0, labels=[0, 1]) for logits in runs]
    assert found["macro F1 of two traits, as published"]["value"] == pytest.approx(np.mean(above))
    exact = [accuracy_score(truth[asked], logits > 0) for logits in runs]
    assert found["all traits right"]["value"] == pytest.approx(np.mean(exact))
    assert document["settings"]["seeds"] == [0, 1, 2]


def test_the_published_head_learns_as_numpy_says(one_thread):
    """Without dropout and in one batch: the same steps of Adam, written out."""
    import torch

    rng = np.random.default_rng(0)
    train, test, traits = rng.normal(size=(20, 4)), rng.normal(size=(7, 4)), rng.integers(0, 2, (20, 3))
    ours = mlp_logits(train, traits, test, rate=1e-2, seed=5, epochs=45, batch=32, dropout=0.0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        layers = [torch.nn.Linear(4, 512), torch.nn.Linear(512, 3)]
    weights = [value.detach().numpy().astype(np.float64) for layer in layers for value in (layer.weight, layer.bias)]
    x, moments = scaled(train).astype(np.float64), [(0.0, 0.0)] * 4
    for epoch in range(45):
        hidden = x @ weights[0].T + weights[1]
        error = (1 / (1 + np.exp(-(hidden @ weights[2].T + weights[3]))) - traits) / traits.size
        back = error @ weights[2]
        slopes = [back.T @ x, back.sum(axis=0), error.T @ hidden, error.sum(axis=0)]
        rate = 1e-2 * 0.5 ** (epoch // 20)
        for place, slope in enumerate(slopes):
            m, v = (
                old * keep + new * (1 - keep)
                for old, keep, new in zip(moments[place], (0.9, 0.999), (slope, slope**2), strict=True)
            )
            moments[place] = (m, v)
            step = (m / (1 - 0.9 ** (epoch + 1))) / (np.sqrt(v / (1 - 0.999 ** (epoch + 1))) + 1e-8)
            weights[place] = weights[place] - rate * step
    theirs = (scaled(test) @ weights[0].T + weights[1]) @ weights[2].T + weights[3]
    assert ours == pytest.approx(theirs, abs=2e-2)


def test_awa2_asks_classes_that_were_not_taught_and_counts_the_others(clades, tmp_path):
    root = field_layouts.awa2(tmp_path / "awa2", clades)
    task = read("awa2", root)
    taught, asked = ({task.labels[row] for row in np.flatnonzero(part)} for part in (~task.is_test, task.is_test))
    assert (len(taught), len(asked), taught & asked) == (8, 3, set())
    assert task.left_out == ("4 pictures lie in no folder of a class of train or test",)
    (root / "testclasses.txt").write_text("animal+0\n")
    with pytest.raises(InputError, match="has the class 'animal.0' in both lists"):
        read("awa2", root)
    (root / "predicate-matrix-binary.txt").write_text("0 1\n")
    with pytest.raises(InputError, match="is no table of 12 classes by 5 attributes"):
        read("awa2", root)


def test_inquire_is_scored_as_its_authors_score_it(clades, checkpoint, tmp_path):
    path = field_layouts.inquire(tmp_path, clades)
    document, task, vectors = scores("inquire", path, tmp_path, str(checkpoint))
    asked = task.question
    texts = normalize(Encoder.load(str(checkpoint)).encode_texts(asked.texts))
    similar = texts @ normalize(vectors.astype(np.float32)).T
    relevant = np.zeros(similar.shape, bool)
    relevant[asked.query, asked.picture] = True
    wanted = [average_precision_score(relevant[row], similar[row]) for row in np.flatnonzero(relevant.any(axis=1))]
    found = figures(document)
    assert found["AP@50"] == pytest.approx(np.mean(wanted)), "48 pictures are fewer than 50"
    assert document["results"][0]["figures"]["AP@50"]["n"] == 3
    assert task.left_out == (
        "2 of 8 published answers are not in the gallery",
        "1 of 4 queries have no answer in the gallery and are not asked",
    )
    behaviour = [average_precision_score(relevant[row], similar[row]) for row in (0, 2)]
    assert found["behavior AP@50"] == pytest.approx(np.mean(behaviour))
    assert "not comparable with published figures" in (tmp_path / "o/results.md").read_text()


def test_life_stages_are_scored_among_all_and_among_those_of_the_species(clades, checkpoint, tmp_path):
    path = field_layouts.life_stages(tmp_path, clades)
    document, task, vectors = scores("life-stages", path, tmp_path, str(checkpoint), images=tmp_path / "pictures")
    labels = [one.label for one in task.classes]
    similar = normalize(vectors.astype(np.float32)) @ name_vectors(Encoder.load(str(checkpoint)), labels).T
    truth, said = task.class_numbers, similar.argmax(axis=1)
    found = figures(document)
    assert found["top-1"] == pytest.approx((said == truth).mean())
    stage = np.array([label.rpartition(" ")[2] for label in labels])
    species = np.array([label.rpartition(" ")[0] for label in labels])
    assert found["right stage"] == pytest.approx((stage[said] == stage[truth]).mean())
    assert found["right species"] == pytest.approx((species[said] == species[truth]).mean())
    among = np.where(species[truth][:, None] == species, similar, -9).argmax(axis=1) == truth
    two = species[truth] != "Mantis"
    assert found["right stage, species given"] == pytest.approx(among[two].mean())
    assert document["results"][0]["figures"]["right stage, species given"]["n"] == 16
    assert document["task"]["n_used"] == 20


def test_species_taken_for_each_other_are_asked_in_pairs_and_a_misspelt_one_is_counted(clades, checkpoint, tmp_path):
    path = field_layouts.confusable(tmp_path, clades)
    document, task, vectors = scores("confusable", path, tmp_path, str(checkpoint))
    assert [one.label for one in task.classes] == ["Harmonia axyridis", "Adalia bipunctata", "Epilachna mexicana"]
    assert (
        task.left_out[0]
        == "4 rows of confounding_species.csv misspell their species, which is one of the options: they are kept"
    )
    assert "the first 4 parts of each published path" in task.left_out[1]
    similar = (
        normalize(vectors.astype(np.float32))
        @ name_vectors(Encoder.load(str(checkpoint)), [one.label for one in task.classes]).T
    )
    pairs = np.where(task.question.number[:, None] == 0, [[True, True, False]], [[True, False, True]])
    right = np.where(pairs, similar, -9).argmax(axis=1) == task.class_numbers
    found = figures(document)
    assert found["right of its pair"] == pytest.approx(right.mean())
    assert found["C2: Harmonia axyridis or Epilachna mexicana"] == pytest.approx(right[8:].mean())


def test_a_store_that_has_the_pictures_is_scored_by_its_own_vectors(newt, tmp_path, run):
    first, _, _ = scores("newt", newt, tmp_path)
    run("embed", newt / "newt2021_images", "--store", tmp_path / "s", "--encoder", "pixels")
    moved = newt.rename(tmp_path / "elsewhere")
    again = evaluate("newt", moved, store=tmp_path / "s", images=moved / "newt2021_images", out=tmp_path / "p")
    assert figures(again.documents[0]) == figures(first)
    assert not (tmp_path / "p/stores").exists()


def test_pictures_that_a_store_lacks_are_counted(newt, clades, tmp_path, run):
    (newt / "newt2021_images/5-1-3.jpg").rename(tmp_path / "kept.jpg")
    run("embed", newt / "newt2021_images", "--store", tmp_path / "s", "--encoder", "pixels")
    report = evaluate("newt", newt, store=tmp_path / "s", out=tmp_path / "p")
    (failed,) = report.documents[0]["task"]["failed"]
    assert failed["reason"] == "no picture of the store has an address that ends in 5-1-3.jpg"
    run("embed", clades / "images", "--store", tmp_path / "t", "--encoder", "pixels")
    with pytest.raises(InputError, match="has none of the 48 pictures"):
        evaluate("newt", newt, store=tmp_path / "t", out=tmp_path / "p")


def test_inquire_searches_in_a_store(clades, checkpoint, tmp_path, run):
    path = field_layouts.inquire(tmp_path, clades)
    run("embed", tmp_path / "inat24/train", "--store", tmp_path / "s", "--encoder", checkpoint)
    report = evaluate("inquire", path, store=tmp_path / "s", out=tmp_path / "p")
    document, _, _ = scores("inquire", path, tmp_path, str(checkpoint))
    assert figures(report.documents[0]) == figures(document)


def test_two_encoders_differ_with_interval_and_chance(clades, tmp_path):
    root = field_layouts.fishnet(tmp_path / "f", clades)
    report = evaluate("fishnet", root, encoders=["pixels", "tiny"], head="ridge", out=tmp_path / "o")
    found = report.documents[0]["results"][1]["differences"]["macro F1"]
    assert found["test"] == "permutation"
    assert found["low"] <= found["value"] <= found["high"]
    assert 0 < found["p"] <= 1


def test_published_figures_stand_beside_the_head_that_they_are_of(newt, clades, tmp_path):
    document, _, _ = scores("newt", newt, tmp_path)
    assert document["published"]["figures"] == []
    root = field_layouts.fishnet(tmp_path / "f", clades)
    document, _, _ = scores("fishnet", root, tmp_path, head="ridge")
    assert document["published"]["figures"] == []
    found = {one.model: one.percent for one in published(match("x", "newt"), "newt", head="svm-search")}
    assert (found["BioCLIP 2"], found["BioCLIP 2.5 (biobench)"]) == (89.1, 90.2)
    (traits,) = [one for one in published(match("x", "fishnet"), "fishnet", head="mlp") if one.model == "BioCLIP"]
    assert (traits.figure, traits.percent) == ("all traits right, threshold as published", 30.1)
    assert match("x", "newt").differs(classes=12, images=48) == "part of NeWT (12 of 328 classes)"
    assert match("x", "fishnet").differs(classes=12, images=48) == "whether all its pictures are here is not known"
