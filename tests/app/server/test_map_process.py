"""UMAP in a process of its own makes the same map, tells why it failed, and stops at once."""

import subprocess
import threading
import time

import numpy as np
import pytest

from cladescope.analysis.maps.layout import fit_map
from cladescope.app.service import map_process
from cladescope.app.service.work import Job, StoppedError


@pytest.fixture
def vectors():
    """Forty unit vectors around two directions."""
    random = np.random.default_rng(0)
    found = np.repeat(np.eye(2, 8), 20, axis=0) + random.normal(0, 0.1, (40, 8))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def job():
    """A job that nobody asks after."""
    return Job(id=1, kind="map", store="birds", key="", do=lambda job: None)


def test_it_is_the_map_that_would_be_made_here(vectors, job):
    apart = map_process.fitted(vectors, job, neighbours=5, seed=3, apart=10)
    here = fit_map(vectors, neighbours=5, seed=3)
    np.testing.assert_array_equal(apart.points, here.points)
    assert (apart.method, apart.neighbours) == ("umap", 5)
    np.testing.assert_allclose(apart.place(vectors[:3]), here.place(vectors[:3]), atol=1e-4)


def test_few_vectors_need_no_process(vectors, job, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    assert len(map_process.fitted(vectors, job, neighbours=5, seed=3).points) == 40


def test_why_it_failed_is_told(vectors, job):
    vectors[7] = 0
    with pytest.raises(RuntimeError, match="1 of 40 vectors are zero"):
        map_process.fitted(vectors, job, neighbours=5, seed=3, apart=10)


def test_a_job_that_is_told_to_stop_ends_the_process(vectors, job):
    threading.Timer(0.3, job.stopping.set).start()
    began = time.monotonic()
    with pytest.raises(StoppedError):
        map_process.fitted(np.tile(vectors, (500, 1)), job, neighbours=15, seed=3)
    assert time.monotonic() - began < 5
