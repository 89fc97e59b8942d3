import io
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cladescope.embedding import encode
from cladescope.embedding.encode import encoded
from cladescope.embedding.encoders.pixels import Pixels
from cladescope.embedding.given import GivenSource, as_records
from cladescope.embedding.prepare import Failure, prepare
from cladescope.embedding.records import Record
from cladescope.embedding.sources import open_source
from cladescope.errors import EncoderError, InputError

PIXELS = Pixels()


def picture(seed):
    small = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((64, 48))


def png(seed):
    buffer = io.BytesIO()
    picture(seed).save(buffer, "PNG")
    return buffer.getvalue()


def record(name, **values):
    return Record(image_id=name, uri=f"/{name}.png", source="s", **values)


class Counting(Pixels):
    """Counts what it encodes."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def encode_pixels(self, batch):
        self.batches.append(len(batch))
        return super().encode_pixels(batch)


def test_vectors_are_those_of_each_picture_alone_in_the_order_given():
    pictures = [png(seed) for seed in range(7)]
    batches = list(encoded(as_records(pictures), PIXELS, batch_size=3, workers=2))
    assert [len(batch.records) for batch in batches] == [3, 3, 1]
    alone = np.concatenate([PIXELS.encode_images([one]) for one in pictures])
    np.testing.assert_array_equal(np.concatenate([batch.vectors for batch in batches]), alone)
    assert all(size == (64, 48) for batch in batches for size in batch.sizes)


KINDS = {
    "picture": lambda n: record(f"r{n}", data=png(n)),
    "problem": lambda n: record(f"r{n}", problem="no path"),
    "identity": lambda n: Failure(record(f"r{n}"), "identity", "taken"),
    "read": lambda n: record(f"r{n}"),
    "decode": lambda n: record(f"r{n}", data=b"text"),
}
STAGES = {"problem": "list", "identity": "identity", "read": "read", "decode": "decode"}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(sorted(KINDS)), max_size=20), st.integers(1, 5), st.integers(1, 3))
def test_every_record_comes_out_once_in_order_as_a_vector_or_a_failure(kinds, batch_size, workers):
    given_records = (KINDS[kind](n) for n, kind in enumerate(kinds))
    batches = list(encoded(given_records, PIXELS, batch_size=batch_size, workers=workers))
    names = [one.image_id for batch in batches for one in batch.records]
    assert names == [f"r{n}" for n, kind in enumerate(kinds) if kind == "picture"]
    failures = [(one.record.image_id, one.stage) for batch in batches for one in batch.failures]
    assert failures == [(f"r{n}", STAGES[kind]) for n, kind in enumerate(kinds) if kind != "picture"]
    assert all(len(batch.vectors) == len(batch.records) <= batch_size for batch in batches)
    assert all(batch.vectors.shape[1] == PIXELS.dim and batch.vectors.dtype == np.float32 for batch in batches)


def test_equal_content_is_encoded_once_and_known_content_never():
    encoder = Counting()
    known = PIXELS.encode_images([png(9)])[0] * np.float32(0.999)
    seen = []

    def vectors_of(contents):
        seen.append(set(contents))
        return {batch.content_hashes[0]: known}

    (batch,) = encoded(as_records([png(9)]), PIXELS)
    records = [record(f"r{n}", data=png(seed)) for n, seed in enumerate([1, 1, 9, 2])]
    (found,) = encoded(records, encoder, known=vectors_of)
    assert (encoder.batches, found.n_reused) == ([2], 2)
    np.testing.assert_array_equal(found.vectors[0], found.vectors[1])
    np.testing.assert_array_equal(found.vectors[2], known)
    assert len(seen) == 1
    assert len(seen[0]) == 3


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_a_vector_without_direction_is_a_failure_between_its_neighbours(bad):
    class Broken(Pixels):
        def encode_pixels(self, batch):
            vectors = super().encode_pixels(batch)
            vectors[1] = bad
            return vectors

    failed = record("gone")
    records = [record("a", data=png(0)), record("b", data=png(1)), failed, record("c", data=png(2))]
    (batch,) = encoded(records, Broken())
    assert [one.image_id for one in batch.records] == ["a", "c"]
    assert [(one.record.image_id, one.stage) for one in batch.failures] == [("b", "encode"), ("gone", "read")]
    np.testing.assert_array_equal(batch.vectors[1], PIXELS.encode_images([png(2)])[0])


@pytest.mark.parametrize("factor", [1e-20, 3.0, 1e30])
def test_vectors_have_unit_length_whatever_length_the_encoder_gives_them(factor):
    class Scaled(Pixels):
        def encode_pixels(self, batch):
            return super().encode_pixels(batch) * np.float32(factor)

    (batch,) = encoded(as_records([png(0), png(1)]), Scaled())
    np.testing.assert_allclose(np.linalg.norm(batch.vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(batch.vectors, PIXELS.encode_images([png(0), png(1)]), atol=1e-6)


def test_pictures_are_decoded_while_the_encoder_computes(monkeypatch):
    decoded_meanwhile = threading.Event()
    encoding = threading.Event()

    def watched(*arguments, **named):
        if encoding.is_set():
            decoded_meanwhile.set()
        time.sleep(0.002)
        return prepare(*arguments, **named)

    class Waiting(Pixels):
        def encode_pixels(self, batch):
            encoding.set()
            assert decoded_meanwhile.wait(timeout=10), "nothing was decoded while the encoder computed"
            return super().encode_pixels(batch)

    monkeypatch.setattr(encode, "prepare", watched)
    list(encoded(as_records([png(seed) for seed in range(12)]), Waiting(), batch_size=4, workers=2, readers=1))


def test_an_encoders_error_comes_through_and_leaves_no_thread_behind():
    class Failing(Pixels):
        def encode_pixels(self, batch):
            raise EncoderError("out of memory")

    with pytest.raises(EncoderError, match="out of memory"):
        list(encoded(as_records([png(0)] * 20), Failing(), batch_size=2))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_a_caller_that_stops_early_leaves_no_thread_behind():
    batches = encoded(as_records([png(seed) for seed in range(20)]), PIXELS, batch_size=2)
    next(batches)
    batches.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


@pytest.mark.parametrize("sizes", [{"batch_size": 0}, {"workers": 0}])
def test_sizes_that_cannot_work_are_refused(sizes):
    with pytest.raises(InputError, match="it must be at least 1"):
        list(encoded([], PIXELS, **sizes))


# What stands for a picture


def test_a_picture_gives_one_vector_as_path_bytes_image_and_array(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(0))
    forms = [path, str(path), png(0), Image.open(path), picture(0), np.asarray(picture(0))]
    vectors = PIXELS.encode_images(forms)
    for vector in vectors:
        np.testing.assert_array_equal(vector, vectors[0])


def test_pixels_in_memory_are_treated_as_those_of_a_file(tmp_path):
    clear = Image.new("RGBA", (40, 30), (200, 0, 0, 0))
    turned = picture(1)
    exif = turned.getexif()
    exif[0x0112] = 6
    for n, (image, options) in enumerate([(clear, {}), (turned, {"exif": exif}), (picture(2).convert("L"), {})]):
        image.save(tmp_path / f"{n}.png", **options)
        with Image.open(tmp_path / f"{n}.png") as opened:
            from_file, from_memory = PIXELS.encode_images([tmp_path / f"{n}.png", opened])
        np.testing.assert_array_equal(from_file, from_memory)


def test_a_path_given_has_the_id_that_a_folder_gives_it(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(png(0))
    monkeypatch.chdir(tmp_path)
    (of_folder,) = open_source(tmp_path).records()
    (of_path,) = as_records(["a.png"])
    assert (of_path.image_id, of_path.uri) == (of_folder.image_id, of_folder.uri)


def test_what_is_in_memory_is_named_after_its_content():
    first, again, other = as_records([np.asarray(picture(0)), picture(0), picture(1)])
    assert first.image_id == again.image_id != other.image_id
    assert first.uri == f"memory:{first.image_id}"


@pytest.mark.parametrize(
    "array", [np.zeros((40, 30), float), np.zeros((40, 30, 2), np.uint8), np.zeros(9, np.uint8), np.zeros((0, 9), "u1")]
)
def test_an_array_that_is_no_picture_fails_alone(array):
    source = GivenSource([array, picture(0)])
    (batch,) = encoded(source.records(), PIXELS)
    assert (source.count(), len(batch.records)) == (2, 1)
    assert "expected uint8 of shape (height, width)" in batch.failures[0].reason


def test_an_image_that_cannot_be_loaded_fails_alone(tmp_path):
    (tmp_path / "cut.png").write_bytes(png(0)[:300])
    with Image.open(tmp_path / "cut.png") as cut:
        (batch,) = encoded(as_records([cut, picture(0)]), PIXELS)
    assert len(batch.records) == 1
    assert "cannot be read" in batch.failures[0].reason


def test_what_is_no_picture_at_all_is_refused():
    with pytest.raises(InputError, match="picture 2 is of type int"):
        list(as_records(iter([picture(0), 7])))


# What waits is bounded by bytes


def test_carried_pictures_that_wait_are_bounded_by_bytes_and_one_may_always(monkeypatch):
    alive, most = set(), []
    lock = threading.Lock()

    class Watched(bytes):
        def __del__(self):
            with lock:
                alive.discard(id(self))

    def slow(one, transform, **_given):
        time.sleep(0.002)
        return prepare(one, transform)

    def records(n, size):
        for number in range(n):
            data = Watched(png(number) + bytes(size))
            with lock:
                alive.add(id(data))
                most.append(len(alive))
            yield record(f"r{number}", data=data)
            del data

    monkeypatch.setattr(encode, "prepare", slow)
    size, room = 100_000, 4
    limit = room * (size + len(png(0)) + 2000)
    batches = list(encoded(records(60, size), PIXELS, batch_size=16, workers=2, waiting_bytes=limit))
    assert sum(len(batch.records) for batch in batches) == 60
    # the window, the one that is being listed, and one in each worker's hands after its future is done
    assert max(most) <= room + 1 + 2
    most.clear()
    assert sum(len(batch.records) for batch in encoded(records(5, size), PIXELS, workers=2, waiting_bytes=1)) == 5
    assert max(most) <= 1 + 1 + 2
