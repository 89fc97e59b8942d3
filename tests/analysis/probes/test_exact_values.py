"""Every probe of a rank beside scikit-learn and plain loops, on pictures of which some have no name."""

import re

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import average_precision_score, silhouette_samples

from cladescope.analysis.measures.bootstrap import bootstrap_interval
from cladescope.analysis.pictures import Pictures
from cladescope.analysis.probes import centroids, nearest_probes, rank_probes
from cladescope.analysis.probes.run import probe

N_SPECIES, N_EACH = 9, 5
SPECIES = np.repeat(np.arange(N_SPECIES), N_EACH)
FAMILY = SPECIES // 3
UNNAMED = np.isin(np.arange(len(SPECIES)), [0, 7, 8, 21, 40])
"""Pictures named to the family only."""


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(5)
    vectors = (
        rng.normal(size=(3, 8))[FAMILY]
        + rng.normal(size=(N_SPECIES, 8))[SPECIES]
        + 0.9 * rng.normal(size=(len(SPECIES), 8))
    )
    table = pa.table({
        "family": [f"F{one}" for one in FAMILY],
        "genus": [None if left else f"G{one}" for one, left in zip(SPECIES, UNNAMED, strict=True)],
        "species": [None if left else f"G{one} s" for one, left in zip(SPECIES, UNNAMED, strict=True)],
    })  # fmt: skip
    return Pictures.of_table(vectors.astype(np.float32), table)


@pytest.fixture(scope="module")
def probed(pictures):
    return probe(pictures, n_permutations=60)


@pytest.fixture(scope="module")
def results(probed):
    return {(one.probe, one.rank): one for one in probed.report.results}


@pytest.fixture(scope="module")
def ranked(pictures):
    """Of each picture the others, nearest first."""
    scores = pictures.vectors @ pictures.vectors.T
    np.fill_diagonal(scores, -np.inf)
    return np.argsort(-scores, axis=1, kind="stable")[:, :-1]


def truth(rank):
    return np.where(UNNAMED, -1, SPECIES) if rank == "species" else FAMILY


@pytest.mark.parametrize("rank", ["species", "family"])
def test_purity_is_that_of_loops_over_named_neighbours(results, ranked, rank):
    labels, one, ten = truth(rank), [], []
    for row in np.flatnonzero(labels >= 0):
        nearest = [other for other in ranked[row][:10] if labels[other] >= 0]
        one.append(labels[nearest[0]] == labels[row])
        ten.append(np.mean([labels[other] == labels[row] for other in nearest]))
    for k, values in ((1, one), (10, ten)):
        found = results[f"{k}-NN purity", rank]
        assert found.value == pytest.approx(np.mean(values))
        groups = labels[labels >= 0]
        assert found.balanced == pytest.approx(
            np.mean([np.array(values)[groups == name].mean() for name in set(groups)])
        )
        assert (found.n_images, found.n_left_out) == (len(values), int((labels < 0).sum()))
        assert (found.n_taxa, found.sampled, found.n_permutations) == (len(set(groups)), None, 60)


def test_intervals_resample_whole_species(probed, results):
    values, rows, groups = probed.items["1-NN purity", "family"]
    assert rows.tolist() == list(range(len(SPECIES)))
    found = results["1-NN purity", "family"]
    assert (found.low, found.high) == bootstrap_interval(values, groups=groups, n_resamples=500, seed=0)
    assert len(np.unique(groups)) == N_SPECIES + 3  # those named to a family only are a lineage of their own


@pytest.mark.parametrize("rank", ["species", "family"])
def test_retrieval_is_scikit_learns_average_precision(pictures, results, rank):
    labels, scores = truth(rank), pictures.vectors @ pictures.vectors.T
    named = np.flatnonzero(labels >= 0)
    values = []
    for row in named:
        others = named[named != row]
        values.append(average_precision_score(labels[others] == labels[row], scores[row, others]))
    found = results["retrieval mAP", rank]
    assert found.value == pytest.approx(np.mean(values), abs=1e-6)
    assert (found.n_images, found.sampled, found.n_permutations) == (len(named), None, 40)


@pytest.mark.parametrize("rank", ["species", "family"])
def test_eta_squared_is_the_share_of_variance_and_the_fisher_ratio_between_over_within(pictures, results, rank):
    labels = truth(rank)
    x, y = pictures.vectors[labels >= 0].astype(np.float64), labels[labels >= 0]
    within = sum(((x[y == name] - x[y == name].mean(axis=0)) ** 2).sum() for name in set(y))
    total = ((x - x.mean(axis=0)) ** 2).sum()
    found = results["eta squared", rank]
    assert found.value == pytest.approx(1 - within / total, rel=1e-4)
    assert 0 < found.low < found.value < found.high < 1
    said = float(re.search(r"Fisher ratio ([\d.]+)", found.meaning)[1])
    assert said == pytest.approx((total - within) / within, rel=1e-2)


@pytest.mark.parametrize("rank", ["species", "family"])
def test_the_silhouette_is_scikit_learns(pictures, results, rank):
    labels = truth(rank)
    x, y = pictures.vectors[labels >= 0], labels[labels >= 0]
    assert results["silhouette", rank].value == pytest.approx(
        silhouette_samples(x, y, metric="cosine").mean(), abs=1e-5
    )


@pytest.mark.parametrize("rank", ["species", "family"])
def test_classifiers_are_those_of_scikit_learn_on_pictures_or_species_apart(pictures, results, rank):
    labels = truth(rank)
    rows = np.flatnonzero(labels >= 0)
    x, y = pictures.vectors[rows], labels[rows]
    units = np.arange(len(rows)) if rank == "species" else pictures.lineage[rows]
    train = centroids.group_split(y, units, seed=0)
    test = ~train
    names = np.unique(y)
    means = np.stack([x[train & (y == name)].sum(axis=0) for name in names])
    cosines = x[test] @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T
    wanted = {
        "nearest-centroid accuracy": names[cosines.argmax(axis=1)],
        "linear-probe accuracy": RidgeClassifier(class_weight="balanced").fit(x[train], y[train]).predict(x[test]),
    }
    for name, answer in wanted.items():
        found = results[name, rank]
        assert found.value == pytest.approx((answer == y[test]).mean())
        assert (found.n_images, found.sampled) == (test.sum(), test.sum())
        assert ("other pictures" in found.meaning) == (rank == "species")


def test_few_of_many_pictures_are_asked_and_that_is_said(pictures, monkeypatch):
    monkeypatch.setattr(nearest_probes, "N_GALLERY", 20)
    monkeypatch.setattr(nearest_probes, "N_ASKED", 6)
    monkeypatch.setattr(rank_probes, "N_SILHOUETTES", 7)
    monkeypatch.setattr(rank_probes, "N_QUERIES", 8)
    probed = probe(pictures, n_permutations=2, sample=11)
    found = {one.probe: one for one in probed.report.results if one.rank == "family"}
    assert found["retrieval mAP"].sampled == found["retrieval mAP"].n_images <= 6
    assert "among 20." in found["retrieval mAP"].meaning
    assert [found[name].sampled for name in ("1-NN purity", "silhouette", "linear-probe accuracy")] == [11, 7, 8]
    for name in ("retrieval mAP", "silhouette", "linear-probe accuracy", "1-NN purity"):
        rows = probed.items[name, "family"][1]
        assert len(np.unique(rows)) == len(rows)
    monkeypatch.setattr(rank_probes, "N_TRAINING", 30)
    monkeypatch.setattr(rank_probes, "MOST_LINEAR_CLASSES", 2)
    fewer = {one.probe: one for one in probe(pictures, n_permutations=2).report.results if one.rank == "family"}
    assert fewer["eta squared"].n_images == 30
    assert "nearest-centroid accuracy" in fewer
    assert "linear-probe accuracy" not in fewer  # of three families


def test_ranks_together_are_measured_on_the_pictures_that_have_a_species(pictures, probed, results, ranked):
    named = np.flatnonzero(~UNNAMED)
    near = {row: [other for other in ranked[row] if not UNNAMED[other]] for row in named}
    ranks = len(pictures.ranks)

    def apart(a, b):
        if SPECIES[a] == SPECIES[b]:
            return 0
        return 2 if FAMILY[a] == FAMILY[b] else ranks

    heights = [apart(row, near[row][0]) for row in named]
    found = results["LCA height", None]
    assert found.value == pytest.approx(np.mean(heights))
    assert (found.n_images, found.n_left_out, found.n_taxa, found.sampled) == (40, 5, 9, None)
    assert (found.n_permutations, found.higher_is_better) == (60, False)
    assert found.low < found.value < found.high
    k = probed.report.parameters["k"]
    alike = []
    for row in named:
        others = sorted((1 - apart(row, other) / ranks for other in near[row]), reverse=True)
        alike.append(sum(1 - apart(row, other) / ranks for other in near[row][:k]) / sum(others[:k]))
    precision = results[f"hierarchical precision@{k}", None]
    assert precision.value == pytest.approx(np.mean(alike))
    assert (precision.n_permutations, precision.higher_is_better) == (40, True)
    assert probed.items["LCA height", None][1].tolist() == named.tolist()
