"""Gradient caching against the gradient of the whole batch."""

import pytest
import torch
from torch import nn

from cladescope.training.loop.gradients import ChunkedFeatures


def towers(*, dropout=0.0):
    torch.manual_seed(0)
    make = lambda: nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Dropout(dropout), nn.Linear(8, 4)).double()  # noqa: E731
    return make(), make()


def loss_of(image, text):
    logits = nn.functional.normalize(image, dim=-1) @ nn.functional.normalize(text, dim=-1).T * 5
    own = torch.arange(len(logits))
    return nn.functional.cross_entropy(logits, own) + nn.functional.cross_entropy(logits.T, own)


def gradients(chunk_size, *, dropout=0.0):
    image, text = towers(dropout=dropout)
    inputs = torch.randn(2, 10, 6, generator=torch.Generator().manual_seed(1)).double()
    torch.manual_seed(3)
    sides = [
        ChunkedFeatures(tower, part, chunk_size=chunk_size) for tower, part in zip((image, text), inputs, strict=True)
    ]
    loss = loss_of(*(side.features for side in sides))
    loss.backward()
    for side in sides:
        side.backward()
    return loss.detach(), [p.grad for tower in (image, text) for p in tower.parameters()], torch.rand(1)


@pytest.mark.parametrize("chunk_size", [1, 3, 5, 10, 64])
def test_chunks_give_the_gradient_of_the_whole_batch(chunk_size):
    loss, whole, _ = gradients(0)
    chunked_loss, chunked, _ = gradients(chunk_size)
    torch.testing.assert_close(chunked_loss, loss)
    for found, expected in zip(chunked, whole, strict=True):
        torch.testing.assert_close(found, expected)


def test_a_chunk_alone_would_give_another_gradient():
    image, text = towers()
    inputs = torch.randn(2, 10, 6, generator=torch.Generator().manual_seed(1)).double()
    for start in (0, 5):
        loss_of(image(inputs[0, start : start + 5]), text(inputs[1, start : start + 5])).backward()
    _, whole, _ = gradients(0)
    assert not torch.allclose(next(image.parameters()).grad, whole[0])


def test_dropout_is_replayed_in_the_second_pass():
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 1, bias=False)).double()
    side = ChunkedFeatures(layer, torch.ones(6, 4).double(), chunk_size=2)
    kept = side.features.detach()
    side.features.sum().backward()
    side.backward()
    # The gradient of a linear layer is the sum of its inputs, which the first pass dropped in the same places.
    torch.testing.assert_close(layer[1].weight.grad @ layer[1].weight.T, kept.sum(0, keepdim=True))


def test_the_generator_goes_on_as_if_there_had_been_one_pass():
    _, _, after_whole = gradients(0)
    _, _, after_chunks = gradients(3)
    torch.testing.assert_close(after_whole, after_chunks)


def test_a_side_without_trainable_weights_is_left_alone():
    layer = nn.Linear(4, 2).requires_grad_(False)
    side = ChunkedFeatures(layer, torch.ones(3, 4), chunk_size=2)
    side.features.sum().backward()
    side.backward()
    assert layer.weight.grad is None
