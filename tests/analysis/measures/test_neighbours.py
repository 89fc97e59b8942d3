"""Agreement of nearest neighbours against scikit-learn; ties, blocks and missing ranks as documented."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from cladescope.analysis.measures import neighbours
from cladescope.analysis.measures.neighbours import agreement, nearest_agreement
from cladescope.errors import InputError
from tests.analysis.measures.clouds import clusters, units


def codes_of(labels):
    """Ranks: one for all, pairs of classes, the class with a third missing, and one that nobody has."""
    species = np.where(np.arange(len(labels)) % 3 == 0, -1, labels)
    return np.stack([np.zeros_like(labels), labels // 8, species, np.full_like(labels, -1)], axis=1)


def agreement_by_loops(codes, other_codes):
    shares = []
    for rank in range(codes.shape[1]):
        pairs = [(own, other) for own, other in zip(codes[:, rank], other_codes[:, rank], strict=True) if own != -1]
        shares.append(np.mean([own == other for own, other in pairs]) if pairs else np.nan)
    return np.array(shares)


def test_nearest_agreement_equals_the_nearest_neighbours_of_scikit_learn():
    vectors, labels = clusters(spread=1.2)
    codes = codes_of(labels)
    model = NearestNeighbors(n_neighbors=1, metric="cosine").fit(vectors)
    others = model.kneighbors(return_distance=False)[:, 0]  # without X: a row is not its own neighbour
    expected = agreement_by_loops(codes, codes[others])
    np.testing.assert_allclose(nearest_agreement(vectors, codes), expected)
    assert expected[0] == 1
    assert 0 < expected[2] < expected[1] < 1


@given(st.integers(2, 40), st.integers(1, 4000), st.integers(1, 50), st.integers(0, 5))
@settings(max_examples=40)
def test_blocks_of_any_size_find_the_same_neighbours(n, block_bytes, gallery_rows, seed):
    vectors = np.random.default_rng(seed).integers(-3, 4, (n, 5)) + 0.5
    codes = np.arange(n)[:, None] // 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "BLOCK_BYTES", block_bytes)
        patch.setattr(neighbours, "_GALLERY_ROWS", gallery_rows)
        nearest = neighbours.nearest_other(units(vectors))
        blocked = agreement(codes, codes[nearest])
    assert not (nearest == np.arange(n)).any()
    cosines = units(vectors) @ units(vectors).T
    np.fill_diagonal(cosines, -np.inf)
    np.testing.assert_allclose(cosines[np.arange(n), nearest], cosines.max(axis=1))
    np.testing.assert_array_equal(blocked, agreement_by_loops(codes, codes[nearest]))


def test_duplicates_find_each_other_and_equal_neighbours_the_smaller_row():
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_array_equal(neighbours.nearest_other(vectors), [1, 0, 0, 0])


def test_the_length_of_a_vector_does_not_matter():
    vectors, labels = clusters(spread=1.2)
    lengths = np.random.default_rng(0).uniform(0.1, 10, (len(labels), 1))
    codes = codes_of(labels)
    np.testing.assert_array_equal(nearest_agreement(vectors, codes), nearest_agreement(vectors * lengths, codes))


def test_a_neighbour_without_the_rank_is_of_another_taxon():
    np.testing.assert_array_equal(agreement(np.array([[4], [4], [-1]]), np.array([[-1], [4], [-1]])), [0.5])


def test_one_image_has_no_neighbour():
    one, codes = np.ones((1, 2)), np.zeros((1, 1), np.int64)
    with pytest.raises(InputError, match=r"1 image\(s\): at least two are needed"):
        nearest_agreement(one, codes)


def test_two_images_are_each_others_nearest_and_one_that_alone_has_a_rank_is_its_share():
    vectors = np.array([[1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_array_equal(nearest_agreement(vectors, np.array([[3, 5], [3, -1]])), [1, 0])
    np.testing.assert_array_equal(agreement(np.array([[4], [-1]]), np.array([[4], [4]])), [1])


def test_of_equal_neighbours_in_several_blocks_the_smallest_row_is_taken(monkeypatch):
    monkeypatch.setattr(neighbours, "_GALLERY_ROWS", 2)
    np.testing.assert_array_equal(neighbours.nearest_other(np.ones((7, 3))), [1, 0, 0, 0, 0, 0, 0])
