import itertools

import numpy as np
import pytest

from cladescope.training.curation.hash_join import BITS, first_equal, near_between, near_hashes, plan


def planted(n, seed=0, most=80):
    """Random hashes, every third one made of the one before it by flipping some bits."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (n, BITS), dtype=np.uint8)
    for row in range(1, n, 3):
        bits[row] = bits[row - 1]
        bits[row, rng.choice(BITS, rng.integers(0, most + 1), replace=False)] ^= 1
    return np.packbits(bits, axis=1)


def distances(first, second):
    one, other = (np.unpackbits(hashes, axis=1).astype(np.int32) for hashes in (first, second))
    return one @ (1 - other).T + (1 - one) @ other.T


@pytest.mark.parametrize("bits", [0, 1, 7, 16, 31, 40, 64])
@pytest.mark.parametrize("n", [0, 1, 2, 300, 2500])
def test_all_pairs_are_found_that_comparing_all_with_all_finds(n, bits):
    hashes = planted(n, seed=n)
    distance = distances(hashes, hashes)
    expected = np.argwhere(np.triu(distance <= bits, 1))
    found = near_hashes(hashes, bits, workers=2)
    assert found.pairs.tolist() == expected.tolist()
    assert found.bits.tolist() == distance[tuple(expected.T)].tolist()
    if n > 1000 or (n > 100 and bits > 1):
        assert len(expected)
        one, other = hashes[: n // 2], hashes[n // 2 :]
        between = near_between(np.concatenate([one, other[:50]]), other, bits)
        assert (
            between.pairs.tolist() == np.argwhere(distances(np.concatenate([one, other[:50]]), other) <= bits).tolist()
        )


def test_faiss_finds_the_same_pairs():
    import faiss

    hashes = planted(30_000, most=60)
    index = faiss.IndexBinaryFlat(BITS)
    index.add(hashes)
    limits, bits, rows = index.range_search(hashes, 32)  # faiss means fewer than
    asked = np.repeat(np.arange(len(hashes)), np.diff(limits.astype(np.int64)))
    expected = sorted((int(a), int(b), int(d)) for a, b, d in zip(asked, rows, bits, strict=True) if a < b)
    found = near_hashes(hashes, 31)
    assert len(plan(len(hashes), len(hashes), 31)) > 1
    assert len(expected) > 3_000
    assert [(*pair, bits) for pair, bits in zip(found.pairs.tolist(), found.bits.tolist(), strict=True)] == expected


def test_pairs_are_found_however_the_bits_that_differ_lie():
    rng = np.random.default_rng(3)
    base = rng.integers(0, 2, (20_000, BITS), dtype=np.uint8)
    base[10_000:] = base[:10_000]
    for row in range(10_000):
        start = rng.integers(0, BITS - 31)
        base[10_000 + row, start : start + 31] ^= 1  # all in one run, over the ends of chunks
    found = near_hashes(np.packbits(base, axis=1), 31)
    assert found.pairs.tolist() == [[row, row + 10_000] for row in range(10_000)]
    assert set(found.bits.tolist()) == {31}


def test_more_pairs_than_there_is_room_for_at_first():
    hashes = np.zeros((400, 32), np.uint8)
    hashes[:, 0] = np.arange(400) % 256
    found = near_hashes(hashes, 31)
    assert len(found.pairs) == 400 * 399 // 2
    assert len(np.unique(found.pairs, axis=0)) == len(found.pairs)


def test_the_chunks_of_a_plan_miss_no_pair_by_counting():
    for n in (100, 10_000, 1_000_000, 100_000_000):
        for bits in range(65):
            chunks = plan(n, n, bits)
            if chunks[0].width:
                assert sum(chunk.most + 1 for chunk in chunks) == bits + 1
                ends = [(chunk.start, chunk.start + chunk.width) for chunk in chunks]
                assert all(end <= start for (_, end), (start, _) in itertools.pairwise(ends))
                assert ends[-1][1] <= BITS


def test_equal_hashes_are_known_by_the_first_of_them():
    hashes = planted(900, most=0)
    order = np.random.default_rng(1).permutation(900)
    hashes = hashes[order]
    first: dict[bytes, int] = {}
    expected = [first.setdefault(hashed.tobytes(), row) for row, hashed in enumerate(hashes)]
    assert len(first) < 900
    assert first_equal(hashes).tolist() == expected
