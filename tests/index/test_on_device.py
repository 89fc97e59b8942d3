"""A GPU answers what the processor answers, from the moment on when bringing the vectors there pays; a processor stands for it here."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.arrays import normalise
from cladescope.errors import InputError
from cladescope.index import on_device, torch_exact
from cladescope.index.ann.build import build
from cladescope.index.on_device import OnDevice
from cladescope.index.resident.flat import Flat
from cladescope.index.resident.selection import Selection, selected
from cladescope.index.searcher import Searcher
from cladescope.index.store import Store
from cladescope.index.torch_exact import TorchGallery
from tests.conftest import REPOSITORY
from tests.index.test_live_gallery import CARD, DIM, Writing, added, wanted

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))]


@pytest.fixture(autouse=True)
def _one_thread():
    """Sums this small take longer on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def _at_once(monkeypatch):
    """Every search goes to the device, the first one too."""
    free_of_charge(monkeypatch)


def free_of_charge(monkeypatch):
    monkeypatch.setattr(on_device, "START_SECONDS", 0.0)
    monkeypatch.setattr(on_device, "LOAD_RATE", np.inf)
    monkeypatch.setattr(on_device, "CALL_SECONDS", 0.0)


def unit_vectors(n, d, seed=0):
    return normalise(np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32))


def made(n=400, d=16, device="cpu"):
    return OnDevice(Flat.of(unit_vectors(n, d).astype(np.float16)), device=device)


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=30, deadline=None)
@given(st.integers(1, 90), st.integers(1, 5), st.integers(1, 60), st.data())
def test_it_finds_what_the_processor_finds_among_any_rows(device, n, q, k, data):
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    start = data.draw(st.integers(0, n))
    searched, queries = made(n, 6, device), unit_vectors(q, 6, seed=1)
    assert searched.is_there(q)
    for selection in (None, Selection(n, ranges=[(start, n)]), selected(mask), Selection(n, mask=mask)):
        for _ in range(2):
            scores, positions = searched.search(queries, k, selection)
            expected, places = searched.flat.search(queries, k, selection)
            np.testing.assert_allclose(scores, expected, atol=1e-6)
            np.testing.assert_array_equal(positions, places)
            assert (scores.dtype, positions.dtype) == (np.float32, np.int64)
    assert searched.note is None


@pytest.mark.usefixtures("_at_once")
def test_only_the_last_filters_stay_on_the_device_and_go_with_their_selections():
    searched = made()
    searched.is_there(1)
    filters = [Selection(400, mask=np.random.default_rng(i).random(400) < 0.3) for i in range(9)]
    for _ in range(2):
        for selection in filters:
            positions = searched.search(unit_vectors(1, 16, 1), 5, selection)[1]
            assert selection.mask[positions].all()
    assert len(searched._rows) == on_device.KEPT_SELECTIONS
    del filters, selection
    assert len(searched._rows) == 0


def test_vectors_move_when_the_searches_asked_for_cost_as_much_as_moving_them(monkeypatch):
    searched = made()
    one, many = searched._seconds(1, None), searched._seconds(1000, None)
    monkeypatch.setattr(on_device, "LOAD_RATE", np.inf)
    monkeypatch.setattr(on_device, "START_SECONDS", 10.5 * one)
    assert [searched.is_there(1) for _ in range(12)] == [False] * 10 + [True] * 2
    assert many > 10.5 * one
    assert made().is_there(1000)
    few = Selection(400, ranges=[(0, 2)])
    assert not any([OnDevice(searched.flat, device="cpu").is_there(1, few)] * 12)


def test_a_search_that_is_short_is_left_to_the_processor(monkeypatch):
    searched = made()
    free_of_charge(monkeypatch)
    assert searched.is_there(1)
    monkeypatch.setattr(on_device, "CALL_SECONDS", 1.0)
    monkeypatch.setattr(TorchGallery, "search", None)
    assert searched.search(unit_vectors(1, 16, 1), 3)[1].shape == (1, 3)


@pytest.mark.usefixtures("_at_once")
def test_vectors_that_do_not_fit_stay_where_they_are(monkeypatch):
    asked = []
    monkeypatch.setattr(torch_exact, "fits", lambda n, d: bool(asked.append((n, d))))
    searched = made(device="cuda")
    assert not searched.is_there(10**6)
    assert not searched.is_there(10**6)
    assert asked == [(400, 24)]
    assert searched.note is None


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory.\nTried"), RuntimeError("the card is lost")]
)
def test_where_the_card_fails_the_processor_answers_and_says_so(monkeypatch, error):
    def fail(*_, **__):
        raise error

    searched, queries = made(), unit_vectors(2, 16, 1)
    assert searched.is_there(2)
    monkeypatch.setattr(TorchGallery, "search", fail)
    np.testing.assert_array_equal(searched.search(queries, 3)[1], searched.flat.search(queries, 3)[1])
    first = str(error).partition("\n")[0]
    assert searched.note == f"the GPU does not search ({first}): the processor does"
    assert not searched.is_there(10**9)


@pytest.mark.usefixtures("_at_once")
def test_where_the_vectors_cannot_be_copied_the_processor_answers_and_says_so(monkeypatch):
    def fail(*_, **__):
        raise InputError("vector 3 of the gallery is NaN")

    monkeypatch.setattr(TorchGallery, "load", fail)
    searched = made()
    assert not searched.is_there(1)
    assert searched.note is not None
    assert "vector 3 of the gallery is NaN" in searched.note


def test_without_a_driver_nothing_moves_and_torch_is_not_imported(tmp_path):
    code = (
        "import sys, numpy as np\n"
        "from cladescope.embedding import driver\n"
        "driver.DRIVER_FILES = ()\n"
        "from cladescope.index import on_device\n"
        "flat = on_device.Flat.of(np.eye(4, dtype=np.float16))\n"
        "print(on_device.OnDevice(flat).is_there(10**15), 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert run.stdout.split() == ["False", "False"]


class TestStore:
    @pytest.fixture(autouse=True)
    def _on_cpu(self, monkeypatch):
        free_of_charge(monkeypatch)
        monkeypatch.setattr("cladescope.index.block.OnDevice", partial(OnDevice, device="cpu"))

    def test_a_store_with_an_index_is_searched_exactly_whatever_was_written_since(self, tmp_path):
        store = Store.create(tmp_path / "s", CARD)
        added(store, 0, 300)
        build(store, kind="hnsw")
        added(store, 300, 20, seed=2)
        store.delete(image_ids=[f"i{i}" for i in range(0, 320, 7)])
        searcher, query = Searcher(store), unit_vectors(1, DIM, seed=3)[0]
        for family in (None, "Paridae"):
            names, scores = wanted(store, query, 9, family=family or "any")
            for _ in range(2):
                result = searcher.search(vector=query, k=9, within=family)
                assert result.method == "exact"
                assert {hit.image_id for hit in result.hits} == names
                np.testing.assert_allclose([hit.score for hit in result.hits], scores, atol=1e-6)
        store.delete(image_ids=[result.hits[0].image_id])
        again = searcher.search(vector=query, k=9, within="Paridae")
        assert [hit.image_id for hit in again.hits[:8]] == [hit.image_id for hit in result.hits[1:]]

    def test_a_card_that_gives_up_leaves_the_index_its_work(self, tmp_path, monkeypatch):
        store = Store.create(tmp_path / "s", CARD)
        added(store, 0, 300)
        build(store, kind="hnsw")
        searcher, query = Searcher(store), unit_vectors(1, DIM, seed=3)[0]
        assert searcher.search(vector=query, k=5).method == "exact"

        def fail(*_, **__):
            raise RuntimeError("the card is lost")

        monkeypatch.setattr(TorchGallery, "search", fail)
        result = searcher.search(vector=query, k=5)
        assert result.notes == ("the GPU does not search (the card is lost): the processor does",)
        assert {hit.image_id for hit in result.hits} == wanted(store, query, 5)[0]
        assert searcher.search(vector=query, k=5).method == "hnsw"


class WritingOnDevice(Writing):
    """Rows come, go and change while a device searches."""

    def __init__(self):
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        free_of_charge(self.patch)
        self.patch.setattr("cladescope.index.block.OnDevice", partial(OnDevice, device="cpu"))

    def teardown(self):
        self.patch.undo()
        super().teardown()


WritingOnDevice.TestCase.settings = settings(max_examples=3, stateful_step_count=6, deadline=None)
test_whatever_is_written_is_found_on_a_device = WritingOnDevice.TestCase
