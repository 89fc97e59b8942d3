import subprocess
import sys
from dataclasses import replace

import faiss
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.arrays import normalise
from cladescope.errors import InputError
from cladescope.index import exact
from cladescope.index.torch_exact import TorchGallery, TorchSearchConfig, fits
from tests.conftest import REPOSITORY

SMALL = TorchSearchConfig(group=3, round=4, block_scores=40, gathered=0)
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))]


def random_vectors(n, d, seed):
    return normalise(np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32))


def by_sorting(vectors, queries, k, mask=None):
    """Scores and rows of the k best: products summed in float64, rounded to float32, equal ones in row order."""
    halves = vectors.astype(np.float16).astype(np.float64)
    scores = (queries.astype(np.float64)[:, None, :] * halves[None]).sum(axis=2).astype(np.float32)
    rows = np.arange(len(vectors)) if mask is None else np.flatnonzero(mask)
    order = rows[np.argsort(-scores[:, rows], axis=1, kind="stable")[:, :k]]
    return np.take_along_axis(scores, order, axis=1), order


def check(gallery, vectors, queries, k, mask=None):
    scores, keys = gallery.search(queries, k, mask=mask)
    expected, rows = by_sorting(vectors, queries, k, mask)
    assert scores.dtype == np.float32
    assert keys.dtype == np.int64
    np.testing.assert_array_equal(keys, gallery.keys[rows])
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


@pytest.fixture(autouse=True)
def _one_thread():
    """Sums this small take longer on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=["float32", "float16"])
def _scored_in(request, monkeypatch):
    """The arithmetic of a processor, and that of a card, which a processor can do too."""
    monkeypatch.setattr(TorchGallery, "_on_gpu", request.param == "float16")


@pytest.mark.usefixtures("_scored_in")
class TestEveryArithmetic:
    @settings(deadline=None)
    @given(
        st.integers(1, 60),
        st.integers(1, 9),
        st.integers(1, 6),
        st.integers(1, 70),
        st.floats(0, 1),
        st.sampled_from([0.0, 1e-3, 1.0]),
        st.integers(0, 99),
        st.sampled_from([0, 500, 1 << 25]),
    )
    def test_any_shape_and_filter_gives_what_sorting_gives(self, n, d, q, k, share, spread, seed, gathered):
        generator = np.random.default_rng(seed)
        # Without spread all vectors are equal, with little they differ by less than float16 scores can tell.
        vectors = normalise(np.ones((1, d)) + spread * generator.standard_normal((n, d)))
        queries = generator.standard_normal((q, d)).astype(np.float32)
        config = replace(SMALL, gathered=gathered)
        gallery = TorchGallery.load(np.arange(n) * 3 + 1, vectors, device="cpu", config=config)
        check(gallery, vectors, queries, k)
        check(gallery, vectors, queries, k, generator.random(n) < share)

    @pytest.mark.parametrize("gathered", [0, 1 << 25])
    def test_more_groups_than_were_kept_are_asked_for_again(self, gathered):
        vectors = normalise(np.ones((1, 16)) + 1e-4 * np.random.default_rng(0).standard_normal((4000, 16)))
        queries = np.concatenate([vectors[1700:1703], random_vectors(3, 16, 1)]).astype(np.float32)
        config = replace(SMALL, gathered=gathered)
        check(TorchGallery.load(np.arange(4000), vectors, device="cpu", config=config), vectors, queries, 2)

    def test_scores_that_the_first_pass_puts_in_the_wrong_order_are_told_apart(self):
        for seed, cosine in enumerate(np.linspace(0.5, 0.5005, 6)):
            # All scores are the same but for what rounding the vector changes; rounding the query changes as much.
            query, others = random_vectors(1, 32, seed), random_vectors(2000, 32, seed + 9)
            aside = normalise(others - (others @ query.T) * query)
            vectors = cosine * query + np.sqrt(1 - cosine**2) * aside
            check(TorchGallery.load(np.arange(2000), vectors, device="cpu"), vectors, query, 10)

    def test_equal_scores_come_in_the_order_of_the_rows(self):
        vectors = np.tile(random_vectors(7, 5, 0), (300, 1))
        for config in (SMALL, replace(SMALL, gathered=1 << 25)):
            gallery = TorchGallery.load(np.arange(len(vectors))[::-1], vectors, device="cpu", config=config)
            _, keys = gallery.search(vectors[3:4], 5)
            assert keys.tolist() == [[2096, 2089, 2082, 2075, 2068]]

    @pytest.mark.parametrize("length", [1e-6, 300.0])
    def test_vectors_and_queries_of_any_length_are_searched(self, length):
        vectors = (length * random_vectors(500, 8, 0)).astype(np.float16)
        queries = np.concatenate([random_vectors(2, 8, 1) * scale for scale in (1e-30, 1.0, 1e30)])
        check(TorchGallery.load(np.arange(500), vectors, device="cpu", config=SMALL), vectors, queries, 10)

    @pytest.mark.parametrize("config", [SMALL, TorchSearchConfig(), TorchSearchConfig(group=1, block_scores=1)])
    def test_the_pieces_change_no_answer(self, config):
        vectors, queries = random_vectors(200, 6, 0), random_vectors(9, 6, 1)
        check(TorchGallery.load(np.arange(200), vectors, device="cpu", config=config), vectors, queries, 12)


@pytest.mark.parametrize("device", DEVICES)
def test_the_neighbours_are_those_that_faiss_finds_in_float32(device):
    vectors, queries = random_vectors(20_000, 32, 0).astype(np.float16), random_vectors(50, 32, 1)
    scores, keys = TorchGallery.load(np.arange(20_000), vectors, device=device).search(queries, 10)
    flat = faiss.IndexFlatIP(32)
    flat.add(vectors.astype(np.float32))
    expected, rows = flat.search(queries, 10)
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    np.testing.assert_array_equal(keys, rows)
    np.testing.assert_array_equal(keys, exact.search([(np.arange(20_000), vectors)], queries, 10)[1])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("share", [0.0001, 0.01, 0.3, 0.9, 1.0])
def test_a_filter_of_any_breadth_is_exact(device, share):
    vectors, queries = random_vectors(20_000, 16, 0), random_vectors(5, 16, 1)
    mask = np.random.default_rng(2).random(20_000) < share
    gallery = TorchGallery.load(np.arange(20_000), vectors, device=device)
    check(gallery, vectors, queries, 10, mask)
    held = torch.from_numpy(mask).to(device)
    for ready in (held, gallery.rows(mask), gallery.rows(held)):
        np.testing.assert_array_equal(
            gallery.search(queries, 10, mask=ready)[1], gallery.search(queries, 10, mask=mask)[1]
        )


def test_a_part_is_searched_alone_with_a_mask_over_its_own_rows():
    vectors, queries = random_vectors(900, 8, 0), random_vectors(4, 8, 1)
    gallery = TorchGallery.load(np.arange(900) + 5, vectors, device="cpu")
    part = gallery.part(100, 400)
    assert part.vectors.data_ptr() == gallery.vectors[100:].data_ptr()
    check(part, vectors[100:400], queries, 7)
    check(part, vectors[100:400], queries, 7, np.arange(300) % 3 == 0)
    assert part.part(3, 3).search(queries, 7)[1].shape == (4, 0)


def test_a_mask_of_nothing_and_an_empty_gallery_have_no_hits():
    vectors, queries = random_vectors(4, 3, 0), random_vectors(2, 3, 1)
    gallery = TorchGallery.load(np.arange(4), vectors, device="cpu")
    for found in (
        gallery.search(queries, 5, mask=np.zeros(4, bool)),
        TorchGallery.load(np.arange(0), vectors[:0], device="cpu").search(queries, 5),
        TorchGallery.load(np.arange(0), np.empty((0, 0)), device="cpu").search(queries, 5),
    ):
        assert [part.shape for part in found] == [(2, 0), (2, 0)]
    assert [part.shape for part in gallery.search(queries[:0], 5)] == [(0, 4), (0, 4)]


def test_a_mapped_file_of_float16_is_loaded_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("cladescope.index.torch_exact.LOAD_BYTES", 1000)
    vectors, queries = random_vectors(300, 8, 0).astype(np.float16), random_vectors(3, 8, 1)
    np.save(tmp_path / "vectors.npy", vectors)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    gallery = TorchGallery.load(np.arange(300), mapped, device="cpu")
    np.testing.assert_array_equal(gallery.vectors.numpy(), vectors)
    check(gallery, vectors, queries, 4)


@pytest.mark.parametrize(
    "queries, mask, message",
    [
        (np.array([[0.0, np.nan]]), None, "1 of 1 vectors have no direction"),
        (np.zeros((1, 2)), None, "1 of 1 vectors have no direction"),
        (np.ones((1, 3)), None, "holds vectors of 2 numbers, the queries have 3"),
        (np.ones((1, 2)), np.ones(4, bool), "the mask has 4 rows, the gallery 3"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_one_line(queries, mask, message):
    gallery = TorchGallery.load(np.arange(3), random_vectors(3, 2, 0), device="cpu")
    with pytest.raises(InputError, match=message) as caught:
        gallery.search(queries, 1, mask=mask)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e5])
def test_a_vector_that_float16_cannot_hold_is_refused(value):
    vectors = random_vectors(3, 2, 0)
    vectors[1, 0] = value
    with pytest.raises(InputError, match="vector 1 of the gallery"):
        TorchGallery.load(np.arange(3), vectors, device="cpu")


def test_another_kind_of_device_is_refused():
    with pytest.raises(InputError, match="not on meta"):
        TorchGallery.load(np.arange(3), random_vectors(3, 2, 0), device="meta")


def test_a_gallery_fits_as_long_as_the_margin_stays_free(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (2 * 1000 * 512 + (2 << 30), 80 << 30))
    assert fits(1000, 512)
    assert not fits(1001, 512)
    assert not fits(1, 1, "cuda:1")
    assert not fits(1, 1, "cpu")


def test_it_is_imported_without_what_a_machine_for_computing_lacks():
    code = "import sys; import cladescope.index.torch_exact; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    absent = {"faiss", "lancedb", "open_clip", "sqlglot", "polars", "duckdb", "pyarrow", "pandas"}
    assert not absent & {name.partition(".")[0] for name in run.stdout.split()}


def test_no_score_of_scaled_queries_is_above_one():
    vectors = 3 * random_vectors(50, 8, 0)
    gallery = TorchGallery.load(np.arange(50), vectors, device="cpu", config=SMALL)
    units, _ = gallery._units(torch.from_numpy(1e4 * random_vectors(4, 8, 1)).double())
    np.testing.assert_allclose(torch.linalg.vector_norm(units.double(), dim=1), 1 / 3, rtol=1e-3)
