"""Means that lean on the taxon above, against a loop and against the variances that made the data."""

import numpy as np
import pytest

from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.few_shot import Prototypes
from cladescope.analysis.classify.shrinkage import kappa_of, shrunk_means
from cladescope.errors import InputError
from tests.analysis.classify.clusters import TAXA, species


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
