"""Batches in parts."""

import threading

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cladescope.embedding.encoders import open_clip_model, torch_encoder
from cladescope.embedding.encoders.parts import LARGEST_BLOCK, LARGEST_PART, SideBySide, in_parts, part_size
from cladescope.embedding.encoders.weights import outputs_watched
from cladescope.embedding.ways import Way


@given(st.integers(0, 20), st.integers(1, 9))
def test_the_rows_are_those_of_the_whole_and_no_part_is_larger(n, size):
    batch = np.arange(n, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    sizes = []

    def compute(part):
        sizes.append(len(part))
        return part.reshape(len(part), 3).astype(np.float32)

    np.testing.assert_array_equal(in_parts(compute, batch, size), batch.reshape(n, 3))
    assert max(sizes) <= size
    assert sum(sizes) == n


def test_torch_on_a_cpu_computes_in_parts_with_memory_that_is_kept(checkpoint, monkeypatch):
    calls = []
    monkeypatch.setattr(open_clip_model, "keep_memory", lambda: calls.append("kept"))
    encoder = open_clip_model.load(str(checkpoint), device="cpu", precision="fp32")
    assert calls == ["kept"]
    pictures = np.random.default_rng(0).integers(0, 255, (19, 32, 32, 3), np.uint8)
    whole = encoder.begin_pixels(pictures)()
    encoder.part = 8
    made = encoder._model.encode_image
    sizes = []
    monkeypatch.setattr(encoder._model, "encode_image", lambda batch: sizes.append(len(batch)) or made(batch))
    np.testing.assert_allclose(encoder.encode_pixels(pictures), whole, atol=1e-6)
    assert sizes == [8, 8, 3]


def test_torch_computes_the_same_in_every_way_and_has_its_threads_back(checkpoint, monkeypatch):
    monkeypatch.setattr(torch_encoder, "n_cores", lambda: 4)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    given_back = []
    monkeypatch.setattr(torch, "set_num_threads", given_back.append)
    encoder = open_clip_model.load(str(checkpoint), device="cpu", precision="fp32")
    pictures = np.random.default_rng(0).integers(0, 255, (19, 32, 32, 3), np.uint8)
    whole = encoder.encode_pixels(pictures)
    assert encoder.default_way == Way(part=LARGEST_PART, side_by_side=1, threads=4)
    assert {way.side_by_side for way in encoder.other_ways} == {1, 2, 4}
    for way in encoder.other_ways:
        given_back.clear()
        np.testing.assert_allclose(encoder.in_way(way)(pictures), whole, atol=1e-6)
        assert given_back == [] if way.side_by_side == 1 else given_back[0] == 1 and given_back[-1] == 4


@given(st.integers(0, 10**9))
def test_no_part_asks_for_a_larger_block_unless_one_picture_does(largest):
    size = part_size(largest)
    assert 1 <= size <= LARGEST_PART
    assert size == 1 or 4 * largest * size <= LARGEST_BLOCK
    assert size == LARGEST_PART or 4 * largest * 2 * size > LARGEST_BLOCK


def test_the_largest_result_of_a_layer_is_known_from_the_first_picture(checkpoint):
    encoder = open_clip_model.load(str(checkpoint), device="cpu", precision="fp32")
    assert encoder.part == LARGEST_PART
    with outputs_watched(encoder._model.visual) as sizes:
        encoder.begin_pixels(np.zeros((1, 32, 32, 3), np.uint8))
    assert max(sizes) == 5 * 256  # tokens of a picture, width of the layer between
    assert not [module for module in encoder._model.modules() if module._forward_hooks]


@given(st.integers(0, 20), st.integers(1, 5), st.integers(1, 4))
def test_parts_side_by_side_give_the_rows_of_the_whole_and_every_thread_has_some(n, size, n_threads):
    batch = np.arange(n, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    sizes = []

    def compute(part):
        sizes.append(len(part))
        return part.reshape(len(part), 3).astype(np.float32)

    made = SideBySide(compute, size=size, n_threads=n_threads)(batch)
    np.testing.assert_array_equal(made, batch.reshape(n, 3))
    assert max(sizes) <= size
    assert len(sizes) >= min(n, n_threads) / 2  # of 5 pictures for 4 threads, three parts


def test_parts_are_computed_at_the_same_time():
    meeting = threading.Barrier(2, timeout=20)

    def compute(part):
        meeting.wait()  # breaks where one part waits for the other's end
        return part.reshape(len(part), 3).astype(np.float32)

    assert SideBySide(compute, size=1, n_threads=2)(np.zeros((2, 1, 1, 3), np.uint8)).shape == (2, 3)


def test_the_error_of_a_part_is_that_of_the_batch_and_the_next_batch_is_computed():
    def compute(part):
        if part.any():
            raise MemoryError("one part too many")
        return part.reshape(len(part), 3).astype(np.float32)

    batch = np.zeros((6, 1, 1, 3), np.uint8)
    side_by_side = SideBySide(compute, size=1, n_threads=2)
    bad = batch.copy()
    bad[4] = 1
    with pytest.raises(MemoryError, match="one part too many"):
        side_by_side(bad)
    assert side_by_side(batch).shape == (6, 3)
