"""What goes to a GPU and comes back, in which order, seen on a card that only notes what it is told."""

import contextlib

import jaxtyping
import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cladescope.embedding.encoders import weights
from cladescope.embedding.encoders.weights import Normaliser, hash_weights, unit_vectors_of
from cladescope.embedding.transform import ImageTransform

TRANSFORM = ImageTransform(size=4, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


class Card:
    """Notes what is asked of `torch.cuda`; `told` is the order."""

    def __init__(self):
        self.told, self.stream_now = [], "computing"

    def stream_of(self, name):
        card = self

        class Stream:
            def wait_stream(self, other):
                card.told.append(f"{name} waits for {other}")

            def __str__(self):
                return name

        return Stream()

    @contextlib.contextmanager
    def within(self, stream):
        before, self.stream_now = self.stream_now, str(stream)
        yield
        self.stream_now = before


class OnCard:
    """A tensor of the card."""

    device = torch.device("cuda")

    def __init__(self, card, values):
        self.card, self.values, self.shape, self.dtype = card, values, values.shape, values.dtype

    def __len__(self):
        return len(self.values)

    def record_stream(self, stream):
        self.card.told.append(f"kept for {stream}")


@pytest.fixture
def card(monkeypatch):
    made = Card()
    copying, computing = made.stream_of("copying"), made.stream_of("computing")
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: copying)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: computing)
    monkeypatch.setattr(torch.cuda, "stream", made.within)

    class Event:
        def record(self, stream):
            made.told.append(f"marked on {stream}")

        def synchronize(self):
            made.told.append("waited for the mark")

    monkeypatch.setattr(torch.cuda, "Event", Event)
    jaxtyping.config.update("jaxtyping_disable", True)  # what stands for tensors here is none
    yield made
    jaxtyping.config.update("jaxtyping_disable", False)


def test_pictures_go_from_pinned_memory_by_the_copying_stream_and_computing_waits_for_them(card, monkeypatch):
    pinned = []

    def pin(tensor):
        pinned.append(tensor)
        return tensor

    def to(tensor, device, *, non_blocking=False):
        assert non_blocking
        assert any(tensor is one for one in pinned), "only from pinned memory may a copy go on by itself"
        card.told.append(f"copied on {card.stream_now}")
        return OnCard(card, tensor)

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    normaliser = Normaliser(TRANSFORM, device=torch.device("cpu"), dtype=torch.float32)
    normaliser.device, normaliser._copying = torch.device("cuda"), torch.cuda.Stream(torch.device("cuda"))
    monkeypatch.setattr(torch.Tensor, "to", to)
    normaliser.sent(np.zeros((2, 4, 4, 3), np.uint8)[:, ::-1])
    assert card.told == ["copied on copying", "computing waits for copying", "kept for computing"]


def test_vectors_are_copied_right_behind_their_computation_and_read_after_that(card, monkeypatch):
    unit = OnCard(card, torch.tensor([[0.6, 0.8]]))

    class Here:
        def copy_(self, source, *, non_blocking):
            assert non_blocking
            card.told.append("copy ordered")
            self.values = source.values

        def numpy(self):
            card.told.append("read")
            return self.values.numpy()

    class Features:
        def float(self):
            return self

    def empty(shape, *, dtype, pin_memory):
        assert pin_memory, "only to pinned memory may a copy go on by itself"
        return Here()

    monkeypatch.setattr(torch.nn.functional, "normalize", lambda features, dim: unit)
    monkeypatch.setattr(weights.torch, "empty", empty)
    waiting = unit_vectors_of(Features())
    assert card.told == ["copy ordered", "marked on computing"], "before anything else is sent to the card"
    card.told.clear()
    np.testing.assert_array_equal(waiting(), np.array([[0.6, 0.8]], np.float32))
    assert card.told == ["waited for the mark", "read"]


# What a tower computes


class Operations(TorchDispatchMode):
    """Notes the names of operations, and the types of what goes into matrix products."""

    def __init__(self):
        super().__init__()
        self.names, self.types = set(), set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = operation.name().removeprefix("aten::").partition(".")[0]
        self.names.add(name)
        if name in ("mm", "addmm", "linear", "convolution"):
            self.types |= {one.dtype for one in args if isinstance(one, torch.Tensor)}
        return operation(*args, **(kwargs or {}))


@pytest.mark.parametrize("library", ["open_clip", "timm"])
def test_attention_is_fused_and_bf16_is_that_of_the_weights(library, checkpoint):
    if library == "open_clip":
        import open_clip

        model = open_clip.create_model(f"local-dir:{checkpoint}").visual
    else:
        import timm

        model = timm.create_model("test_vit", num_classes=0)
    size = 32 if library == "open_clip" else 160
    before = hash_weights(model)
    model = model.eval().to(torch.bfloat16)
    transform = ImageTransform(size=size, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    pixels = Normaliser(transform, device=torch.device("cpu"), dtype=torch.bfloat16)(
        np.zeros((2, size, size, 3), np.uint8)
    )
    with torch.inference_mode(), Operations() as seen:
        found = model(pixels)
    assert found.dtype == torch.bfloat16
    assert seen.types == {torch.bfloat16}
    assert any("attention" in name for name in seen.names), seen.names
    assert not seen.names & {"softmax", "_softmax", "bmm", "baddbmm"}
    assert before != hash_weights(model), "the hash is that of the weights before they are cast"
