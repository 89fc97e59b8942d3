"""The sums of docs/scale.md are those of the script, and its formulas are those of FAISS."""

import importlib
import io
from contextlib import redirect_stdout

import faiss
import numpy as np
import pytest

from tests.conftest import REPOSITORY


@pytest.fixture
def scale(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    return importlib.import_module("scale")


def test_the_page_shows_the_sums_of_the_script(scale):
    page = (REPOSITORY / "docs" / "scale.md").read_text()
    for head, rows in scale.sums():
        out = io.StringIO()
        with redirect_stdout(out):
            scale.print_table(head, rows)
        assert out.getvalue() in page, "copy what `python benchmarks/scale.py --sums` prints"


@pytest.mark.parametrize("place", range(7))
def test_a_formula_gives_the_bytes_of_the_index_that_it_speaks_of(scale, place, monkeypatch):
    kind = scale.KINDS[place]
    monkeypatch.setattr(scale, "lists", lambda n: 16)
    n, d = 2000, 64
    index = faiss.index_factory(d, kind.factory(n, d), faiss.METRIC_INNER_PRODUCT)
    vectors = np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)
    index.train(vectors)
    index.add(vectors)
    assert kind.n_bytes(n, d) == pytest.approx(len(faiss.serialize_index(index)), rel=0.03)


def test_sizes_and_times_are_written_in_the_unit_that_fits(scale):
    assert [scale.gigabytes(size) for size in (10.24e9, 1.5e12)] == ["10.2 GB", "1.5 TB"]
    assert [scale.hours(spent) for spent in (90, 7200, 864_000)] == ["2 min", "2.0 h", "10 d"]
