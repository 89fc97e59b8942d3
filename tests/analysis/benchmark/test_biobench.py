"""biobench's insects and whales, and its heads, against scikit-learn and numpy."""

import json

import numpy as np
import pytest
from sklearn.metrics import f1_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize

from cladescope.analysis.benchmark.biobench_heads import DECAY, RATE, layer_norm_answers, neighbour_answers
from cladescope.analysis.benchmark.evaluate import evaluate
from cladescope.analysis.benchmark.open_task import open_task
from cladescope.analysis.benchmark.stores import store_path, stored_vectors
from cladescope.analysis.benchmark.trait_heads import scaled
from cladescope.embedding.encoder import Encoder
from cladescope.errors import InputError
from cladescope.index.store import Store
from tests.analysis.benchmark import field_layouts


def test_of_each_insect_the_earliest_visits_are_learnt_from(clades, tmp_path):
    task = open_task(field_layouts.ecdysis(tmp_path / "e", clades), protocol="ecdysis")[0]
    assert (len(task), int(task.is_test.sum()), len(task.classes)) == (48, 12, 12)
    asked = [
        uri.rpartition("-")[2] for uri, test in zip(task.table["uri"].to_pylist(), task.is_test, strict=True) if test
    ]
    assert set(asked) == {"0.jpg"}, "number 0 was visited last"
    assert task.classes[0].taxon.name == "Aeshna s0"
    assert task.left_out == ("1 rows of metadata.csv have no picture",)


def test_whales_are_scored_by_five_neighbours_as_scikit_learn_scores_them(clades, tmp_path):
    root = field_layouts.beluga(tmp_path / "beluga.coco", clades)
    report = evaluate("beluga", root, encoders="pixels", out=tmp_path / "o")
    (document,), task = report.documents, report.evaluations[0].task
    assert task.left_out == ("1 pictures of instances_train2022.json have no annotation with a name, or several",)
    store = Store.open(store_path(tmp_path / "o/stores", task, Encoder.load("pixels").card))
    vectors, truth = normalize(stored_vectors(store, task.image_ids)), np.array(task.labels)
    said = KNeighborsClassifier(5).fit(vectors, truth).predict(None)
    figures = document["results"][0]["figures"]
    assert figures["top-1"]["value"] == pytest.approx((said == truth).mean())
    assert figures["macro F1"]["value"] == pytest.approx(f1_score(truth, said, average="macro", zero_division=0))
    assert document["settings"] == {"head": "5-nn"}
    published = {one["model"]: one["percent"] for one in document["published"]["figures"]}
    assert published["BioCLIP 2"] == 3.0
    (root / "annotations/instances_train2022.json").write_text(json.dumps({"images": []}))
    with pytest.raises(InputError, match="is no COCO file"):
        open_task(root, protocol="beluga")


def test_fewer_pictures_than_neighbours_ask_all_others():
    vectors = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    assert neighbour_answers(vectors, np.array([2, 2, 2])).tolist() == [2, 2, 2]


def test_the_layer_norm_head_learns_as_numpy_says(one_thread):
    """In one batch: the same steps of AdamW, written out."""
    import torch

    rng = np.random.default_rng(0)
    classes = np.arange(30) % 3 + 5
    train = rng.normal(size=(30, 4)) + 2 * np.eye(3, 4)[classes - 5]
    test = rng.normal(size=(40, 4)) * 2
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.nn.LayerNorm(4)
        linear = torch.nn.Linear(4, 3)
    weights = [
        np.ones(4),
        np.zeros(4),
        *(one.detach().numpy().astype(np.float64) for one in (linear.weight, linear.bias)),
    ]

    def normed(x):
        return (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)

    n_steps, moments = 400, [(0.0, 0.0)] * 4
    x, wanted = normed(scaled(train).astype(np.float64)), np.eye(3)[classes - 5]
    for step in range(n_steps):
        inner = x * weights[0] + weights[1]
        scores = inner @ weights[2].T + weights[3]
        likely = np.exp(scores - scores.max(axis=1, keepdims=True))
        error = (likely / likely.sum(axis=1, keepdims=True) - wanted) / 30
        back = error @ weights[2]
        slopes = [(back * x).sum(axis=0), back.sum(axis=0), error.T @ inner, error.sum(axis=0)]
        rate = RATE * 0.01 + 0.5 * RATE * 0.99 * (1 + np.cos(step / n_steps * np.pi))
        for place, slope in enumerate(slopes):
            m, v = (
                old * keep + new * (1 - keep)
                for old, keep, new in zip(moments[place], (0.9, 0.999), (slope, slope**2), strict=True)
            )
            moments[place] = (m, v)
            kept = 1 - rate * DECAY if place == 2 else 1
            weights[place] = weights[place] * kept - rate * (m / (1 - 0.9 ** (step + 1))) / (
                np.sqrt(v / (1 - 0.999 ** (step + 1))) + 1e-8
            )
    scores = (normed(scaled(test).astype(np.float64)) * weights[0] + weights[1]) @ weights[2].T + weights[3]
    first, second = np.sort(scores, axis=1)[:, -1], np.sort(scores, axis=1)[:, -2]
    clear = first - second > 1e-2
    ours = layer_norm_answers(train, classes, test, n_steps=n_steps)
    assert clear.mean() > 0.8
    assert np.array_equal(ours[clear], scores.argmax(axis=1)[clear] + 5)
