import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.embedding.encode import encoded
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.encoders.pixels import Pixels
from cladescope.embedding.given import as_records
from cladescope.embedding.pipeline import EmbedConfig, embed
from cladescope.embedding.portions import ComputesApart, Portions, is_memory_error
from cladescope.embedding.sources import open_source
from cladescope.errors import DeviceFullError, EncoderError
from cladescope.index.store import Store
from tests.embedding.test_encode import png

TORCH = RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory")
ONNX = RuntimeError(
    "Non-zero status code returned while running MatMul node: Failed to allocate memory for requested buffer"
)


class Small(Pixels):
    """An encoder whose device has memory for so many pictures."""

    def __init__(self, most, error=None):
        super().__init__()
        self.most, self.error = most, error or DeviceFullError("the device is out of memory")
        self.tried = []

    def encode_pixels(self, batch):
        self.tried.append(len(batch))
        if len(batch) > self.most:
            raise self.error
        return super().encode_pixels(batch)


class Sums:
    """Gives each picture its first number."""

    def __init__(self, most):
        self.most = most

    def encode_pixels(self, batch):
        if len(batch) > self.most:
            raise MemoryError
        return batch[:, 0, 0, :1].astype(np.float32)


@given(st.lists(st.integers(1, 70), min_size=1, max_size=5), st.integers(1, 40))
def test_every_picture_gets_its_vector_in_order_however_few_fit(sizes, most):
    portions = Portions(Sums(most))
    for size in sizes:
        pixels = np.zeros((size, 1, 1, 3), np.uint8)
        pixels[:, 0, 0, 0] = np.arange(size)
        assert portions.encode(pixels)[:, 0].tolist() == list(range(size))
    assert (portions.most is None) == (max(sizes) <= most)


@pytest.mark.parametrize("error", [None, MemoryError(), TORCH, ONNX], ids=str)
def test_a_batch_that_is_too_large_is_halved_and_the_next_ones_are_not_tried_whole(error):
    encoder = Small(5, error)
    pictures = [png(seed) for seed in range(32)]
    batches = list(encoded(as_records(pictures), encoder, batch_size=16))
    found = np.concatenate([batch.vectors for batch in batches])
    np.testing.assert_array_equal(found, Pixels().encode_images(pictures))
    assert encoder.tried == [16, 8, 4, 4, 4, 4, 4, 4, 4, 4]
    assert [batch.portion for batch in batches] == [4, 4]


def test_one_picture_that_does_not_fit_ends_it_and_other_errors_are_not_taken_for_it():
    with pytest.raises(EncoderError, match="out of memory with a single picture"):
        Portions(Small(0)).encode(np.zeros((4, 128, 128, 3), np.uint8))
    encoder = Small(0, ValueError("bad shape"))
    with pytest.raises(ValueError, match="bad shape"):
        Portions(encoder).encode(np.zeros((4, 128, 128, 3), np.uint8))
    assert encoder.tried == [4]
    assert not is_memory_error(EncoderError("the memory of this test"))


def test_a_job_on_a_small_device_stores_all_and_says_so(clades, tmp_path):
    encoder = Small(7)
    store = Store.create(tmp_path / "s", encoder.card)
    summary = embed(open_source(clades / "metadata.csv"), encoder, store, EmbedConfig(batch_size=24))
    assert (summary.embedded, store.count()) == (48, 48)
    assert summary.notes == ("the device had memory for 6 pictures at a time, not for a batch of 24",)


# Encoders that compute apart


class Apart(Pixels):
    """An encoder on a device that has a batch done when it is asked for; it may run out of memory at either moment."""

    computes_apart = True

    def __init__(self, *, most=99, late=False):
        super().__init__()
        self.most, self.late = most, late
        self.told, self.tried = [], []

    def encode_pixels(self, batch):
        self.tried.append(len(batch))
        return self._vectors(batch)

    def _vectors(self, batch):
        if len(batch) > self.most:
            raise DeviceFullError("the device is out of memory")
        return super().encode_pixels(batch)

    def begin_pixels(self, batch):
        number = sum(word == "begun" for word, _ in self.told)
        self.told.append(("begun", number))
        if not self.late and len(batch) > self.most:
            raise DeviceFullError("the device is out of memory")

        def wait():
            self.told.append(("asked", number))
            return self._vectors(batch)

        return wait


def test_a_batch_is_sent_to_a_device_while_another_is_computed():
    encoder = Apart()
    pictures = [png(seed) for seed in (*range(6), 3, 6, 6, 5, 7)]
    batches = list(encoded(as_records(pictures), encoder, batch_size=4))
    np.testing.assert_array_equal(
        np.concatenate([batch.vectors for batch in batches]), Pixels().encode_images(pictures)
    )
    assert encoder.told == [("begun", 0), ("begun", 1), ("asked", 0), ("begun", 2), ("asked", 1), ("asked", 2)]
    assert [batch.n_reused for batch in batches] == [0, 1, 2], "what is computed is not sent again"
    assert encoder.tried == []


@pytest.mark.parametrize("late", [False, True])
def test_a_device_that_runs_out_of_memory_before_or_within_a_batch_loses_none(late):
    encoder = Apart(most=3, late=late)
    pictures = [png(seed) for seed in range(18)]
    batches = list(encoded(as_records(pictures), encoder, batch_size=6))
    np.testing.assert_array_equal(
        np.concatenate([batch.vectors for batch in batches]), Pixels().encode_images(pictures)
    )
    assert batches[-1].portion == 3


def test_the_batch_on_the_device_is_the_last_one_of_a_job_that_stops():
    stop, encoder = threading.Event(), Apart()
    batches = encoded(as_records([png(seed) for seed in range(20)]), encoder, batch_size=2, stop=stop)
    next(batches)
    stop.set()
    assert [len(batch.records) for batch in batches] == [2]


def test_torch_encoders_give_the_same_whether_begun_or_encoded(checkpoint):
    encoder = Encoder.load(str(checkpoint), runtime="torch")
    pixels = np.random.default_rng(0).integers(0, 255, (5, *2 * (encoder.transform.size,), 3), np.uint8)
    assert isinstance(encoder, ComputesApart)
    assert not encoder.computes_apart
    np.testing.assert_allclose(encoder.begin_pixels(pixels)(), encoder.encode_pixels(pixels), atol=1e-6)
