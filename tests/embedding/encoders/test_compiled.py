"""Encoders that torch compiles: once for a size, with the vectors of torch as it comes, and nothing lost where that fails."""

import shutil

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.embedding.encode import encoded
from cladescope.embedding.encoder import Encoder, EncoderCard
from cladescope.embedding.encoders import compiled as module
from cladescope.embedding.encoders.compiled import CompiledEncoder, compiled
from cladescope.embedding.encoders.torch_encoder import TorchEncoder
from cladescope.embedding.encoders.weights import Normaliser
from cladescope.embedding.given import as_records
from cladescope.embedding.pipeline import EmbedConfig, embed
from cladescope.embedding.portions import ComputesApart, Portions
from cladescope.embedding.sources import open_source
from cladescope.embedding.transform import ImageTransform
from cladescope.errors import EncoderError, StoreError
from cladescope.index.store import Store
from tests.embedding.test_encode import png

SIZE = 8
TRANSFORM = ImageTransform(size=SIZE, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


class Plain(TorchEncoder):
    """One layer; it can be told to compute apart, as on a GPU."""

    def __init__(self, *, computes_apart=False):
        card = EncoderCard(name="plain", dim=5, weight_hash="0af3", transform=TRANSFORM, has_text=False)
        super().__init__(card, Normaliser(TRANSFORM, device=torch.device("cpu"), dtype=torch.float32))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self._layer = torch.nn.Linear(3 * SIZE * SIZE, 5)
        self._computes_apart = computes_apart

    @property
    def computes_apart(self):
        return self._computes_apart

    def features(self, pixels):
        return self._layer(pixels.flatten(1))


class Backend:
    """Compiles nothing, counts what it is asked to, and does what a test needs."""

    def __init__(self, *, most=1000, error=None, changed=0.0):
        self.most, self.error, self.changed = most, error, changed
        self.sizes = []

    def __call__(self, graph, inputs):
        size = next(one.shape[0] for one in inputs if one.dtype == torch.uint8)
        self.sizes.append(size)
        if self.error is not None:
            raise self.error

        def run(*given):
            if size > self.most:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return [one + self.changed * torch.arange(one.shape[-1]) for one in graph(*given)]

        return run


@pytest.fixture(autouse=True)
def _types_unchecked():
    """What checks types in tests keeps a list of calls, and torch would compile anew for each of its lengths."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def backend(monkeypatch):
    made = Backend()
    monkeypatch.setattr(module, "BACKEND", made)
    return made


def pixels(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, SIZE, SIZE, 3), np.uint8)


def test_it_is_compiled_once_however_many_pictures_come_and_the_vectors_are_those_of_torch(backend):
    eager = Plain()
    encoder = compiled(eager, 8)
    for n in (8, 8, 3, 1, 19):
        np.testing.assert_allclose(encoder.encode_pixels(pixels(n, n)), eager.encode_pixels(pixels(n, n)), atol=1e-6)
    assert backend.sizes == [8]
    assert encoder.card == eager.card
    assert encoder.notes == ("compiled for 8 pictures at a time: 39 of 39 pictures",)


@settings(max_examples=15)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(1, 9))
def test_no_row_of_the_filling_is_taken_for_a_picture(sizes, size):
    counting = Backend()
    eager = Plain()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BACKEND", counting)
        encoder = compiled(eager, size)
        for n in sizes:
            np.testing.assert_allclose(encoder.encode_pixels(pixels(n)), eager.encode_pixels(pixels(n)), atol=1e-6)
    assert counting.sizes == [size]


def test_a_job_by_a_compiled_checkpoint_stores_the_vectors_of_torch(backend, checkpoint, clades, tmp_path):
    encoder = Encoder.load(str(checkpoint), device="cpu", runtime="compiled", batch_size=10)
    store = Store.create(tmp_path / "s", encoder.card)
    summary = embed(open_source(clades / "metadata.csv"), encoder, store, EmbedConfig(batch_size=10))
    assert summary.embedded == 48
    assert summary.notes == ("compiled for 10 pictures at a time: 48 of 48 pictures",)
    assert set(backend.sizes) == {10}  # once more where the thread of the job has another number of threads
    eager = Encoder.load(str(checkpoint), device="cpu", runtime="torch")
    other = Store.create(tmp_path / "t", eager.card)
    embed(open_source(clades / "metadata.csv"), eager, other)
    found, expected = (one.scan(["image_id", "vector"]) for one in (store, other))
    rows = [
        {row["image_id"]: row["vector"] for batch in part for row in batch.to_pylist()} for part in (found, expected)
    ]
    assert rows[0].keys() == rows[1].keys()
    for name in rows[0]:
        np.testing.assert_allclose(rows[0][name], rows[1][name], atol=2e-3)  # stored in half precision
    np.testing.assert_array_equal(encoder.encode_texts(["a moth"]), eager.encode_texts(["a moth"]))
    assert encoder.text_scale == eager.text_scale


def test_what_cannot_be_compiled_is_encoded_by_torch_and_counted(monkeypatch, clades, tmp_path):
    monkeypatch.setattr(module, "BACKEND", Backend(error=RuntimeError("no C++ compiler\nTraceback")))
    encoder = compiled(Plain(), 8)
    store = Store.create(tmp_path / "s", encoder.card)
    summary = embed(open_source(clades / "metadata.csv"), encoder, store)
    assert summary.embedded == 48
    (note,) = summary.notes
    assert note.startswith("the encoder is not compiled (")
    assert "no C++ compiler" in note
    assert "\n" not in note
    assert note.endswith("): 48 pictures were encoded without")
    assert encoder.card.runtime is None


def test_a_batch_that_a_device_has_no_memory_for_is_halved_and_compiled_once_for_the_new_size(backend):
    backend.most = 5
    eager, encoder = Plain(), CompiledEncoder(Plain())
    encoder._compile_for(16)
    pictures = [png(seed) for seed in range(38)]
    batches = list(encoded(as_records(pictures), encoder, batch_size=16))
    found = np.concatenate([batch.vectors for batch in batches])
    np.testing.assert_allclose(found, eager.encode_images(pictures), atol=1e-6)
    assert backend.sizes == [16, 8, 4]
    assert [batch.portion for batch in batches] == [4, 4, 4]
    assert encoder.size == 4


def test_a_short_batch_that_does_not_fit_filled_up_makes_no_smaller_portions(backend):
    backend.most = 4
    encoder = CompiledEncoder(Plain())
    encoder._compile_for(16)
    portions = Portions(encoder)
    np.testing.assert_allclose(portions.encode(pixels(3)), Plain().encode_pixels(pixels(3)), atol=1e-6)
    assert portions.most is None
    assert encoder.size == 4


def test_a_device_without_memory_to_compile_at_all_leaves_it_to_torch(backend):
    backend.most = 0
    encoder = compiled(Plain(), 16)
    assert encoder.why_eager == "the device is out of memory"
    np.testing.assert_allclose(encoder.encode_pixels(pixels(3)), Plain().encode_pixels(pixels(3)), atol=1e-6)


def test_vectors_that_differ_say_so_in_the_identity_and_are_not_mixed(backend, checkpoint, tmp_path):
    backend.changed = 0.05
    encoder = Encoder.load(str(checkpoint), device="cpu", runtime="compiled", batch_size=8)
    assert encoder.card.runtime == "compiled"
    assert encoder.card.cosine < 0.99999
    eager = Encoder.load(str(checkpoint), device="cpu", runtime="torch")
    with pytest.raises(StoreError, match=r"runtime compiled \(cosine 0\.\d+ to torch\)"):
        Store.create(tmp_path / "s", encoder.card).check(eager.card)
    again = Encoder.of(encoder.card, device="cpu")
    assert again.card.difference(encoder.card) is None


def test_vectors_that_are_no_numbers_are_not_used(backend):
    backend.changed = float("nan")
    encoder = compiled(Plain(), 8)
    assert encoder.why_eager == "its vectors are no numbers"
    assert np.isfinite(encoder.encode_pixels(pixels(3))).all()


# By itself, on a GPU


def test_a_long_job_on_a_gpu_is_compiled_in_its_midst_with_the_longest_batch(backend, monkeypatch):
    monkeypatch.setattr(module, "PAYS_BACK", 1e-9)
    monkeypatch.setattr(module, "WORTH_IT", 1e9)
    eager = Plain(computes_apart=True)
    encoder = eager.for_a_job()
    assert isinstance(encoder, ComputesApart)
    batches = [pixels(6, seed) for seed in range(4)] + [pixels(2)]
    for batch in batches:
        np.testing.assert_allclose(encoder.encode_pixels(batch), eager.encode_pixels(batch), atol=1e-6)
    assert backend.sizes == [6]
    assert encoder.notes == ("compiled for 6 pictures at a time: 20 of 26 pictures",)


def test_it_is_not_where_vectors_would_change_and_the_job_says_why(backend, monkeypatch):
    monkeypatch.setattr(module, "PAYS_BACK", 1e-9)
    backend.changed = 0.05
    encoder = Plain(computes_apart=True).for_a_job()
    found = [encoder.encode_pixels(pixels(6)) for _ in range(3)]
    np.testing.assert_array_equal(found[0], found[2])
    assert backend.sizes == [6]
    assert encoder.card.runtime is None
    assert "would have a cosine of 0." in encoder.notes[0]
    assert encoder.notes[0].endswith("18 pictures were encoded without")


def test_it_is_not_where_a_batch_takes_as_long_and_the_job_says_so(backend, monkeypatch):
    monkeypatch.setattr(module, "PAYS_BACK", 1e-9)
    monkeypatch.setattr(module, "WORTH_IT", 0.0)
    encoder = Plain(computes_apart=True).for_a_job()
    for seed in range(3):
        encoder.encode_pixels(pixels(6, seed))
    assert backend.sizes == [6]
    assert encoder.notes[0].startswith("the encoder is not compiled (6 pictures took ")
    assert encoder.notes[0].endswith(" s without): 18 pictures were encoded without")


def test_a_short_job_and_a_processor_compile_nothing_unless_they_are_asked_to(backend, checkpoint):
    encoder = Plain(computes_apart=True).for_a_job()
    encoder.encode_pixels(pixels(3))
    plain = Encoder.load(str(checkpoint), device="cpu", runtime="torch")
    assert plain.for_a_job() is plain
    assert backend.sizes == []
    assert encoder.notes == ()


def test_an_encoder_without_weights_cannot_be_compiled():
    with pytest.raises(EncoderError, match="pixels has no weights"):
        Encoder.load("pixels", runtime="compiled")


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler (g++) for torch's inductor on a CPU")
def test_what_inductor_compiles_gives_the_vectors_of_torch(inductor):
    eager = Plain()
    encoder = compiled(eager, 4)
    assert encoder.why_eager is None
    np.testing.assert_allclose(encoder.encode_pixels(pixels(6)), eager.encode_pixels(pixels(6)), atol=1e-5)
    assert encoder.notes == ("compiled for 4 pictures at a time: 6 of 6 pictures",)
