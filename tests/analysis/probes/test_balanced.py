"""Values in which taxa count alike, against the same values of pictures that are repeated until all taxa have as many."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.analysis.measures.spread import alike_weights, variance_parts, weighted_eta_squared
from cladescope.analysis.pictures import Pictures
from cladescope.analysis.probes import geometry, neighbours
from cladescope.analysis.probes.in_words import in_words
from cladescope.analysis.probes.result import ProbeReport
from cladescope.analysis.probes.run import probe

SIZES = np.array([1, 2, 3, 6])


def uneven(seed):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(4), SIZES)
    times = (6 // SIZES)[labels]
    return rng, labels, np.repeat(np.arange(len(labels)), times)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_weighed_values_are_those_of_pictures_repeated_until_taxa_are_of_one_size(seed):
    rng, labels, repeated = uneven(seed)
    weights = alike_weights(labels)
    vectors = rng.normal(size=(len(labels), 3))
    between, total = variance_parts(vectors[repeated], labels[repeated])
    assert weighted_eta_squared(vectors, labels, weights) == pytest.approx(between.sum() / total.sum())
    counts = rng.integers(0, 9, size=len(labels))
    assert neighbours.skewness(counts, weights) == pytest.approx(neighbours.skewness(counts[repeated]))
    distances = np.sort(rng.uniform(0.1, 1, size=(len(labels), 4)), axis=1)
    for of in (geometry.two_nn, geometry.levina_bickel):
        assert of(distances, weights) == pytest.approx(of(distances[repeated]))
        assert of(distances, np.full(len(labels), 1 / len(labels))) == pytest.approx(of(distances))


def test_rows_with_a_copy_are_left_out_with_their_weights():
    distances = np.array([[0.0, 1.0, 2.0], [0.5, 1.0, 2.0], [0.25, 1.0, 4.0]])
    weights = np.array([0.8, 0.15, 0.05])
    assert geometry.two_nn(distances, weights) == pytest.approx(1 / (0.75 * np.log(2) + 0.25 * np.log(4)))
    each = np.array([np.log(4) + np.log(2), np.log(16) + np.log(4)]) / 2
    assert geometry.levina_bickel(distances, weights) == pytest.approx(1 / (0.75 * each[0] + 0.25 * each[1]))
    assert np.isnan(geometry.two_nn(distances[:2]))
    assert np.isnan(geometry.levina_bickel(distances[:1]))


@pytest.fixture(scope="module")
def ruled():
    """One species of 60 pictures that lie together, and 20 of 3 that lie anywhere."""
    rng = np.random.default_rng(0)
    species = np.r_[np.zeros(60, int), np.repeat(np.arange(1, 21), 3)]
    vectors = rng.normal(size=(len(species), 16))
    vectors[:60] = 5 + 0.1 * vectors[:60]
    names = {"family": species // 6, "genus": species // 2, "species": species}
    table = pa.table({rank: [f"{rank[0]}{number}" for number in numbers] for rank, numbers in names.items()})
    return probe(Pictures.of_table(vectors, table), n_permutations=0).report


def test_a_species_of_many_pictures_does_not_rule_where_species_count_alike(ruled):
    purity = next(one for one in ruled.results if (one.probe, one.rank) == ("1-NN purity", "species"))
    own = purity.value * 120 - 60
    assert purity.value >= 0.5
    assert purity.balanced == purity.by_species == pytest.approx((1 + own / 3) / 21)
    family = next(one for one in ruled.results if (one.probe, one.rank) == ("1-NN purity", "family"))
    assert family.value > family.by_species
    assert family.by_species != pytest.approx(family.balanced)


def test_every_number_says_what_counts_alike_in_it_and_gives_the_other_where_there_is_one(ruled):
    kinds = {one.probe: one.alike for one in ruled.results}
    assert {name for name, alike in kinds.items() if alike == "nothing"} == {"relative delta"}
    assert {
        "distance correlation",
        "cophenetic correlation",
        "quartet distance to taxonomy",
        "Robinson-Foulds to taxonomy",
    } <= {name for name, alike in kinds.items() if alike == "species"}
    for one in ruled.results:
        both = {one.balanced is None, one.by_species is None}
        assert both == {one.alike != "pictures"}
    assert ProbeReport.from_dict(ruled.to_dict()).to_dict() == ruled.to_dict()


def test_words_tell_where_species_of_many_pictures_rule(ruled):
    said = [sentence for sentence in in_words("x", ruled) if sentence.startswith("Were every species")]
    assert len(said) == 1
    assert said[0].endswith("those with many pictures are told apart better.")


def test_words_are_silent_where_it_makes_no_difference():
    rng = np.random.default_rng(0)
    species = np.repeat(np.arange(10), 5)
    table = pa.table({"species": [f"s{number}" for number in species]})
    report = probe(Pictures.of_table(rng.normal(size=(50, 8)), table), n_permutations=0).report
    assert not [sentence for sentence in in_words("x", report) if sentence.startswith("Were every")]
