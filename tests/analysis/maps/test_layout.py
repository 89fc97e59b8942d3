"""How new vectors are weighed among their neighbours on a map."""

import numpy as np
import pytest

from cladescope.analysis.maps.layout import neighbour_weights


@pytest.mark.filterwarnings("ignore::ImportWarning")
def test_weights_of_neighbours_are_those_of_umap_learn():
    from umap.umap_ import smooth_knn_dist

    random = np.random.default_rng(3)
    distances = np.sort(random.uniform(0.05, 1.3, (40, 15)).astype(np.float32), axis=1)
    distances[0] = 0.0
    distances[1, :9] = 0.0
    sigmas, rhos = smooth_knn_dist(distances, 15.0, local_connectivity=0.0)
    assert not rhos.any()
    expected = np.exp(-distances / sigmas[:, None])
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(neighbour_weights(distances), expected, atol=2e-5)
