"""Memory that is freed stays with the process, so that the next batch finds it ready."""

import platform
import subprocess
import sys

import pytest

from cladescope.embedding import kept_memory
from cladescope.embedding.kept_memory import keep_memory
from tests.conftest import REPOSITORY

CODE = """
import resource, sys, threading
import numpy as np
from cladescope.embedding.kept_memory import keep_memory
if sys.argv[1] == "kept":
    assert keep_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def work():
    for _ in range(3):
        np.ones(40 * 2**20, np.uint8)
    before = faults()
    for _ in range(20):
        np.ones(40 * 2**20, np.uint8)
    print((faults() - before) // 20)
if sys.argv[2] == "thread":
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
else:
    work()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
@pytest.mark.parametrize("place", ["main", "thread"])
def test_the_next_batch_costs_no_page_faults(place):
    pages = {}
    for way in ("as it comes", "kept"):
        command = [sys.executable, "-c", CODE, way, place]
        ended = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
        pages[way] = int(ended.stdout)
    assert pages["kept"] < 10
    assert pages["as it comes"] > 15  # 10,240 pages, or 20 where the system gives pages of 2 MB


def test_other_systems_are_left_as_they_are(monkeypatch):
    monkeypatch.setattr(kept_memory.sys, "platform", "darwin")
    keep_memory.cache_clear()
    assert not keep_memory()
    keep_memory.cache_clear()


def test_other_c_libraries_are_left_as_they_are(monkeypatch):
    class Musl:
        """Has a `mallopt` and does not say that it is glibc."""

        def mallopt(self, name, value):
            raise AssertionError("called")

    monkeypatch.setattr(kept_memory.ctypes, "CDLL", lambda name: Musl())
    keep_memory.cache_clear()
    assert not keep_memory()
    keep_memory.cache_clear()
