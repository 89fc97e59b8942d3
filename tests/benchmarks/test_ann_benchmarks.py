"""The module for ann-benchmarks does what its runner calls: fit, query one by one and together, and find the neighbours."""

import importlib.util
import inspect
import sys
from types import ModuleType

import numpy as np
import pytest

from tests.conftest import REPOSITORY

FOLDER = REPOSITORY / "benchmarks" / "ann_benchmarks"


class BaseANN:
    """What the runner asks of an algorithm and the base class gives."""

    def done(self):
        pass

    def get_memory_usage(self):
        return 1.0

    def get_additional(self):
        return {}

    def __str__(self):
        return self.name


@pytest.fixture
def module(monkeypatch):
    names = ["ann_benchmarks", "ann_benchmarks.algorithms", "ann_benchmarks.algorithms.base"]
    for name in [*names, "ann_benchmarks.algorithms.base.module"]:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["ann_benchmarks.algorithms.base.module"].BaseANN = BaseANN
    spec = importlib.util.spec_from_file_location("cladescope_for_ann_benchmarks", FOLDER / "module.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize("kind, least", [("flat", 1.0), ("hnsw", 0.9)])
def test_a_run_of_ann_benchmarks_finds_the_neighbours(kind, least, module):
    rng = np.random.default_rng(0)
    train, test = (rng.standard_normal((n, 12)).astype(np.float32) for n in (400, 20))
    train[5] = 0
    algorithm = module.Cladescope("angular", kind, 0.95)
    try:
        algorithm.fit(train)
        assert algorithm.get_memory_usage() > 0
        assert str(algorithm) == f"Cladescope ({kind}, target 0.95)"
        single = [algorithm.query(query, 10) for query in test]
        algorithm.batch_query(test, 10)
        together = algorithm.get_batch_results()
        everything = algorithm.query(test[0], 400)
    finally:
        algorithm.done()
    lengths = np.linalg.norm(train, axis=1)
    cosines = test @ train.T / np.where(lengths > 0, lengths, np.inf)
    exact = np.argsort(-np.where(lengths > 0, cosines, -np.inf), axis=1)[:, :10]
    shares = [len(np.intersect1d(a, b)) / 10 for a, b in zip(exact, single, strict=True)]
    assert np.mean(shares) >= least
    np.testing.assert_array_equal(single, together)
    assert sorted(everything) == [row for row in range(400) if row != 5]


def test_other_distances_are_refused(module):
    with pytest.raises(NotImplementedError, match="'euclidean', expected angular"):
        module.Cladescope("euclidean", "hnsw", 0.95)


def test_the_configuration_names_what_the_module_has(module):
    text = (FOLDER / "config.yml").read_text()
    assert "constructor: Cladescope" in text
    assert "module: ann_benchmarks.algorithms.cladescope\n" in text
    assert list(inspect.signature(module.Cladescope.__init__).parameters)[1:] == ["metric", "kind", "target_recall"]
    assert "http" not in (FOLDER / "Dockerfile").read_text()
