"""The table of ways: the one that a job begins with comes first, and vectors of others are called the same only where they are."""

import importlib

import numpy as np
import pytest

from cladescope.embedding.ways import Way
from tests.conftest import REPOSITORY

DEFAULT, OTHER = Way(part=2, side_by_side=1, threads=2), Way(part=1, side_by_side=2, threads=1)


class TwoWays:
    default_way, other_ways, engine = DEFAULT, (OTHER,), {"simulated": "1"}

    def in_way(self, way):
        turned = np.float32(way == OTHER)
        return lambda batch: np.stack([np.array([1 - turned, turned], np.float32)] * len(batch))


@pytest.mark.parametrize("ways, told", [((DEFAULT, OTHER), "no, 0.000000000"), ((DEFAULT, DEFAULT), "yes")])
def test_the_given_way_comes_first_and_others_are_compared_with_it(monkeypatch, ways, told):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    script = importlib.import_module("cpu_ways")
    monkeypatch.setattr(TwoWays, "other_ways", ways[1:])
    rows = script.rows_of(TwoWays(), np.zeros((3, 4, 4, 3), np.uint8), 2)
    assert [rows[0][0], rows[0][2], rows[0][3]] == [str(DEFAULT), "1.00", "yes"]
    assert (rows[-1][0], rows[-1][3]) == (str(ways[1]), told)
