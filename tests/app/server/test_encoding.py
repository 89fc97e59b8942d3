"""One encoder for many requests: what has queued is one batch, and each gets what is its own."""

import threading

import numpy as np
import pytest

from cladescope.app.service.encoding import Encoding
from cladescope.app.service.refusal import RefusalError
from cladescope.app.service.tally import Tally
from cladescope.embedding.encode import BATCH_SIZE
from cladescope.embedding.encoder import Encoder
from cladescope.errors import EncoderError, PictureError
from tests.app.server.conftest import until


class Watched(Encoder):
    """The encoder `pixels`, which waits at its first batch and notes how many pictures came at a time."""

    def __init__(self):
        self._own = Encoder.load("pixels")
        self.card = self._own.card
        self.batches, self.may_go, self.is_at_work = [], threading.Event(), threading.Event()

    def encode_pixels(self, batch):
        self.batches.append(len(batch))
        self.is_at_work.set()
        assert self.may_go.wait(30)
        return self._own.encode_pixels(batch)


@pytest.fixture
def watched():
    encoder = Watched()
    encoding = Encoding("pixels", lambda: encoder, Tally())
    until(lambda: encoding.state == "loaded")
    yield encoder, encoding
    encoder.may_go.set()
    encoding.stop()


def ask(encoding, contents):
    """Ask for the first, and once it is computed for the others."""
    first = encoding.submit(contents[0])
    assert encoding.encoder.is_at_work.wait(30)
    return [first, *(encoding.submit(one) for one in contents[1:])]


def test_what_queues_while_a_batch_is_computed_is_the_next_batch(watched, clades):
    encoder, encoding = watched
    pictures = [path.read_bytes() for path in sorted(clades.glob("images/*/*.jpg"))[:6]]
    futures = ask(encoding, pictures)
    encoder.may_go.set()
    found = np.stack([future.result(30) for future in futures])
    assert encoder.batches == [1, 5]
    assert np.array_equal(found, Encoder.load("pixels").encode_images(pictures))
    lines = encoding._tally.text().splitlines()
    assert 'cladescope_encode_batches_total{encoder="pixels"} 2.0' in lines
    assert 'cladescope_encode_items_total{encoder="pixels"} 6.0' in lines


def test_no_batch_is_larger_than_an_encoder_takes(watched, query):
    encoder, encoding = watched
    picture = query.read_bytes()
    futures = ask(encoding, [picture] * (BATCH_SIZE + 2))
    encoder.may_go.set()
    vectors = [future.result(30) for future in futures]
    assert all(np.array_equal(vector, vectors[0]) for vector in vectors)
    counted = [line for line in encoding._tally.text().splitlines() if line.startswith("cladescope_encode_batches")]
    assert counted == ['cladescope_encode_batches_total{encoder="pixels"} 3.0'], "1, 64 and 1 pictures"


def test_a_bad_picture_and_a_text_fail_alone(watched, query):
    encoder, encoding = watched
    first, bad, text, last = ask(encoding, [query.read_bytes(), b"no picture", "a bird", query.read_bytes()])
    encoder.may_go.set()
    with pytest.raises(PictureError, match="the query picture cannot be used: not a picture but text"):
        bad.result(30)
    with pytest.raises(EncoderError, match="has no text side"):
        text.result(30)
    assert np.array_equal(first.result(30), last.result(30))


def test_who_no_longer_waits_is_left_out_and_harms_nobody(watched, query):
    encoder, encoding = watched
    first, gone, last = ask(encoding, [query.read_bytes()] * 3)
    assert gone.cancel()
    encoder.may_go.set()
    assert np.array_equal(first.result(30), last.result(30))
    lines = encoding._tally.text().splitlines()
    assert 'cladescope_encode_items_total{encoder="pixels"} 2.0' in lines


def test_requests_that_wait_are_answered_before_it_stops(watched, query):
    encoder, encoding = watched
    futures = ask(encoding, [query.read_bytes()] * 3)
    stopping = threading.Thread(target=encoding.stop)
    stopping.start()
    encoder.may_go.set()
    assert all(len(future.result(30)) == 960 for future in futures)
    stopping.join(30)
    assert not encoding._thread.is_alive()


def test_while_it_loads_and_where_it_cannot_be_loaded_there_is_a_sentence():
    may_go = threading.Event()

    def load():
        assert may_go.wait(30)
        raise EncoderError("no weights at /gone\nmore of it")

    encoding = Encoding("gone", load, Tally())
    with pytest.raises(RefusalError, match="^the encoder gone is still loading: ask again") as refused:
        encoding.submit(b"")
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "2"})
    may_go.set()
    until(lambda: encoding.state == "failed")
    with pytest.raises(RefusalError, match="gone cannot be loaded, so search by id or by taxon: no weights at /gone$"):
        encoding.submit("a bird")
    encoding.stop()
