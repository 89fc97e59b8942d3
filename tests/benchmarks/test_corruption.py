"""Every kind of file of a store, its index and a classifier, damaged: refused in a line, harmless, or told by `verify`.

`benchmarks/corruption.py` does the same in hundreds of seeded ways, in a process of its own.
"""

import shutil

import numpy as np
import pytest

from benchmarks.corruption import answers, judge, kind_of, make, strike


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return make(tmp_path_factory.mktemp("corruption") / "whole")


@pytest.fixture(scope="module")
def expected(whole):
    return answers(whole)


# The engine dies of some damage to pages: 60 bits in a data file are left to the script.
@pytest.mark.parametrize("damage", ["empty", "zeros", "zeros in part", "one bit"])
def test_no_damage_to_any_file_is_silently_wrong(whole, expected, tmp_path, damage):
    files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file() and path.name != ".lock")
    of_kind = {kind_of(file): file for file in files}
    assert len(of_kind) == 21
    for number, (kind, file) in enumerate(of_kind.items()):
        copy = tmp_path / str(number)
        shutil.copytree(whole, copy)
        strike(copy / file, damage, np.random.default_rng(number))
        outcome, why = judge(copy, expected)
        assert outcome in ("refused", "harmless", "verified"), (kind, outcome, why)
        if kind in ("classifier", "images _deletions"):
            assert outcome == "refused", (kind, why)
        if kind in ("index index.faiss", "index row_ids.npy", "index card.json", "index rows.arrow", "index codes.npy"):
            assert outcome == "harmless", (kind, why)
            is_damaged = (copy / file).read_bytes() != (whole / file).read_bytes()  # zeros may take the place of zeros
            assert ("until then every search is exact" in why) == is_damaged
