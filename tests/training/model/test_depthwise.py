"""Depthwise convolutions that compute in float32 while the rest computes in half precision."""

import pytest
import torch
from torch import nn

from cladescope.training.loop.distributed import Group
from cladescope.training.loop.prepare import prepare
from cladescope.training.model.depthwise import depthwise_in_float32
from tests.training.small_runs import small

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("stride", [1, 2])
def test_their_gradients_under_autocast_are_those_of_float32(stride):
    torch.manual_seed(0)
    found = nn.Conv2d(6, 6, 5, stride=stride, padding=2, groups=6)
    plain = nn.Conv2d(6, 6, 5, stride=stride, padding=2, groups=6)
    plain.load_state_dict(found.state_dict())
    assert depthwise_in_float32(nn.Sequential(found)) == 1
    images = torch.rand(2, 6, 12, 12, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (found(images).square().sum()).backward()
    (plain(images.float()).square().sum()).backward()
    torch.testing.assert_close(found.weight.grad, plain.weight.grad)
    torch.testing.assert_close(found.bias.grad, plain.bias.grad)


def test_other_convolutions_stay_as_they_are():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 4, 1), nn.ReLU())
    assert depthwise_in_float32(model) == 0
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model(torch.rand(1, 1, 8, 8)).dtype is torch.bfloat16


@pytest.mark.parametrize(("precision", "expected"), [("bf16", torch.float32), ("fp32", None)])
def test_a_run_in_half_precision_on_a_cpu_has_them_in_float32_alone(clades, tmp_path, precision, expected):
    config = small(clades, {"loop.precision": precision, "loop.device": "cpu"})
    towers = prepare(config, tmp_path / "run", Group(), resume=False).towers
    depthwise = [
        module
        for module in towers.clip.visual.modules()
        if isinstance(module, nn.Conv2d) and 1 < module.groups == module.in_channels
    ]
    assert depthwise
    for module in depthwise:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            images = torch.rand(1, module.in_channels, 9, 9)
            assert module(images).dtype is (expected or torch.bfloat16)
