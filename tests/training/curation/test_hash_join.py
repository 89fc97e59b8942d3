"""Hashes that are near: against a comparison of all with all, FAISS, and what chunks promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.training.curation.hash_join import (
    EQUAL_UP_TO,
    LEAST_QUALITY,
    Chunk,
    chunks_for,
    distances,
    near_hashes,
    near_others,
)


def planted(rng, n, most):
    """Random hashes, many of which are another with up to `most` bits changed."""
    hashes = rng.integers(0, 256, (n, 32), dtype=np.uint8)
    for row in range(max(1, n // 2), n):
        hashes[row] = flipped(rng, hashes[rng.integers(row)], int(rng.integers(most + 1)))
    return hashes


def flipped(rng, hashed, n_bits):
    bits = np.unpackbits(hashed)
    bits[rng.choice(256, n_bits, replace=False)] ^= 1
    return np.packbits(bits)


def apart(one, other):
    return (np.unpackbits(one) != np.unpackbits(other)).sum()


def pairs_one_by_one(hashes, mirrored, quality, bits):
    found = []
    for i in range(len(hashes)):
        for j in range(i + 1, len(hashes)):
            least = min(apart(hashes[i], hashes[j]), apart(hashes[i], mirrored[j]), apart(mirrored[i], hashes[j]))
            if least <= (bits if min(quality[i], quality[j]) >= LEAST_QUALITY else 0):
                found.append([i, j])
    return found


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 25), st.integers(0, 40), st.sampled_from([0, 1, 7, 31, 40]), st.booleans())
def test_pairs_are_those_of_a_comparison_one_by_one(seed, n, most, bits, are_cells):
    rng = np.random.default_rng(seed)
    hashes = planted(rng, n, most)
    mirrored = hashes[rng.permutation(n)] if n else hashes
    quality = rng.choice([10, 49, 50, 100], n)
    with pytest.MonkeyPatch.context() as patch:
        if are_cells:  # few hashes are compared all with all, unless that seems to be dear
            patch.setattr("cladescope.training.curation.hash_join._COMPARED", 1e6)
            patch.setattr("cladescope.training.curation.hash_join._WIDEST", 12)
        found = near_hashes(hashes, bits, mirrored=mirrored, quality=quality)
    assert found.pairs.tolist() == pairs_one_by_one(hashes, mirrored, quality, bits)
    assert found.n_weak == (quality < LEAST_QUALITY).sum()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 15), st.integers(0, 15), st.sampled_from([0, 5, 31]))
def test_pairs_between_two_sets_are_those_of_a_comparison_one_by_one(seed, n, m, bits):
    rng = np.random.default_rng(seed)
    both = planted(rng, n + m, 40)[rng.permutation(n + m)]
    quality = rng.choice([10, 100], n + m)
    expected = [
        [i, j]
        for i in range(n)
        for j in range(m)
        if apart(both[i], both[n + j]) <= (bits if min(quality[i], quality[n + j]) >= LEAST_QUALITY else 0)
    ]
    found = near_others(both[:n], both[n:], bits, quality=quality[:n], others_quality=quality[n:])
    assert found.pairs.tolist() == expected


@pytest.mark.parametrize(("n", "bits"), [(3_000, 31), (40_000, 31), (40_000, 12)])
def test_pairs_are_those_of_faiss(n, bits):
    import faiss

    hashes = planted(np.random.default_rng(n + bits), n, 45)
    index = faiss.IndexBinaryFlat(256)
    index.add(hashes)
    limits, _, rows = index.range_search(hashes[n // 2 :], bits + 1)  # FAISS leaves out the radius itself
    asked = np.repeat(np.arange(n // 2, n), np.diff(limits.astype(np.int64)))
    expected = np.unique(np.sort(np.stack([asked, rows], axis=1)[asked != rows], axis=1), axis=0)
    found = near_hashes(hashes, bits).pairs
    assert len(expected) > n // 8
    assert np.array_equal(found[found[:, 1] >= n // 2], expected)
    assert (distances(hashes[found[:, 0]], hashes[found[:, 1]]) <= bits).all()


def test_workers_change_nothing():
    hashes = planted(np.random.default_rng(3), 30_000, 40)
    assert np.array_equal(near_hashes(hashes, 31, workers=1).pairs, near_hashes(hashes, 31, workers=3).pairs)


@pytest.mark.parametrize("n", [0, 1, 10, 10_000, 10_000_000])
@pytest.mark.parametrize("bits", [0, 1, 15, 16, 31, 64])
def test_where_no_chunk_is_near_too_many_bits_differ(n, bits):
    chunks = chunks_for(n, bits)
    if chunks == [Chunk(0, 0, 0)]:
        return
    ends = [chunk.start + chunk.width for chunk in chunks]
    assert all(end == after.start for end, after in zip(ends, chunks[1:], strict=False))
    assert chunks[0].start == 0
    assert ends[-1] <= 256
    assert sum(chunk.radius + 1 for chunk in chunks) > bits


def test_of_many_equal_hashes_some_speak_and_all_hang_together():
    hashes = np.zeros((EQUAL_UP_TO + 30, 32), np.uint8)
    hashes[-1, 0] = 1
    pairs = {tuple(pair) for pair in near_hashes(hashes, 31).pairs.tolist()}
    speakers = range(EQUAL_UP_TO)
    assert {(i, j) for i in speakers for j in speakers if i < j} <= pairs
    assert {(0, j) for j in range(1, len(hashes))} <= pairs
    assert {(i, len(hashes) - 1) for i in speakers} <= pairs
    assert len(pairs) == 120 + 29 + 16
