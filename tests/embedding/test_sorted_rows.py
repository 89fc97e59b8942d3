import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.embedding import sorted_rows
from cladescope.embedding.sorted_rows import SortedRows

KEYS = st.lists(st.integers(0, 9), max_size=8)


def block(keys, first):
    return np.array(keys, np.uint64), {"number": np.arange(first, first + len(keys), dtype=np.uint32)}


@given(st.lists(KEYS, max_size=3), st.lists(KEYS, max_size=8), st.sampled_from([1, 5, 99]), st.sampled_from([1, 4, 99]))
def test_rows_are_found_as_in_a_dict_however_they_came(filled, added, run_rows, block_rows):
    wanted, number, blocks = {}, 0, []
    for keys in filled:
        blocks.append(block(keys, number))
        for key in keys:
            wanted.setdefault(key, number)
            number += 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_rows, "RUN_ROWS", run_rows)
        patch.setattr(sorted_rows, "BLOCK_ROWS", block_rows)
        rows = SortedRows({"number": np.uint32, "other": np.uint8}, blocks)
        for keys in added:
            found, columns = block(keys, number)
            rows.add(found, **columns)
            for key in keys:
                wanted.setdefault(key, number)
                number += 1
    assert len(rows) == number
    assert rows.n_bytes == 13 * number
    places = rows.find(np.arange(12, dtype=np.uint64))
    assert [key for key in range(12) if places[key] >= 0] == sorted(wanted)
    there = places[places >= 0]
    assert rows.take("number", there).tolist() == [wanted[key] for key in sorted(wanted)]
    assert not rows.take("other", there).any()
    rows.put("other", there[:2], np.array([1, 2], np.uint8)[: len(there)])
    assert rows.take("other", there)[:3].tolist() == [1, 2, 0][: len(there)]


def test_many_small_additions_make_few_runs():
    rows = SortedRows({})
    for number in range(1000):
        rows.add(np.array([number], np.uint64))
    assert len(rows._runs) < 20
