"""Which pictures are left out."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.index.ann.held_out import FEW, MOST, SMALL_SHARE, held_out


def table(n, observations=None, hashes=None):
    rows = [
        {
            "uri": f"/{row}.jpg",
            "observation_id": None if observations is None else observations[row],
            "content_hash": None if hashes is None else hashes[row],
        }
        for row in range(n)
    ]
    schema = pa.schema([(name, pa.large_string()) for name in ("uri", "observation_id", "content_hash")])
    return pa.RecordBatch.from_pylist(rows, schema=schema)


@given(st.integers(0, 400), st.integers(1, 9), st.integers(0, 3))
def test_kin_are_left_out_together_and_never_more_than_the_store_can_spare(n, size, seed):
    observations = [f"o{row // size}" for row in range(n)]
    held = held_out(table(n, observations), np.zeros(n, np.int32), seed=seed)
    assert held.mask.sum() <= max(n / 10, min(FEW, n / SMALL_SHARE))
    groups = np.arange(n) // size
    for group in np.unique(groups):
        assert len(np.unique(held.mask[groups == group])) == 1
    assert not (held.at_random & held.of_rare).any()


def test_pictures_of_one_content_are_left_out_together():
    hashes = [f"h{row % 50}" for row in range(200)]
    held = held_out(table(200, hashes=hashes), np.zeros(200, np.int32))
    assert 0 < held.mask.sum() <= 50
    assert all(held.mask[row::50].all() or not held.mask[row::50].any() for row in range(50))


@pytest.mark.parametrize("n, expected", [(40, 10), (400, 100), (5000, 500), (20000, MOST)])
def test_about_a_tenth_is_left_out_and_a_quarter_of_few(n, expected):
    assert 0.9 * expected <= held_out(table(n), np.zeros(n, np.int32)).mask.sum() <= expected


def test_rare_species_are_asked_more_often_than_they_are_stored():
    codes = np.concatenate([np.zeros(4700), 1 + np.arange(300)]).astype(np.int32)
    held = held_out(table(5000), codes)
    assert held.mask[codes > 0].mean() > 2 * held.mask[codes == 0].mean()
    assert held.at_random[codes > 0].mean() < 0.15


def test_a_group_that_would_fill_all_places_stays_in():
    held = held_out(table(1000, ["o"] * 500 + [None] * 500), np.zeros(1000, np.int32))
    assert not held.mask[:500].any()
    assert held.mask[500:].sum() == 100


def test_of_large_groups_many_are_left_out_and_some_of_each_asked():
    n, size = 40_000, 200
    held = held_out(table(n, [f"o{row // size}" for row in range(n)]), np.zeros(n, np.int32))
    groups = np.arange(n) // size
    assert len(np.unique(groups[held.mask])) == 20, "a tenth of the store, for a thousand rows would be of five groups"
    assert 700 <= held.at_random.sum() <= MOST
    assert len(np.unique(groups[held.at_random])) == 20
    assert np.bincount(groups[held.at_random]).max() <= 50
    assert (held.mask | ~held.at_random).all()
