"""Convolutions that take each channel apart, in full precision where a processor is slow at them in half of it.

oneDNN has fast kernels for the gradients of depthwise convolutions in float32, and falls back to plain loops for many of them in
bfloat16: kernels of 5 x 5, and strides of 2. `benchmarks/depthwise.py` measures it.
"""

import torch
from torch import nn


def depthwise_in_float32(model: nn.Module) -> int:
    """Let depthwise convolutions under `torch.autocast` of a CPU compute in float32; how many there are.

    Names and values of weights stay as they are. Without autocast nothing changes.

    >>> model = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 2, 1))
    >>> with torch.autocast("cpu", dtype=torch.bfloat16):
    ...     before = model[0](torch.ones(1, 4, 8, 8)).dtype
    ...     n = depthwise_in_float32(model)
    ...     n, before, model[0](torch.ones(1, 4, 8, 8)).dtype, model(torch.ones(1, 4, 8, 8)).dtype
    (1, torch.bfloat16, torch.float32, torch.bfloat16)
    """
    found = [
        module
        for module in model.modules()
        if isinstance(module, nn.Conv2d) and 1 < module.groups == module.in_channels
    ]
    for module in found:
        _in_float32(module)
    return len(found)


def _in_float32(module: nn.Conv2d) -> None:
    plain = module.forward

    def forward(x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", enabled=False):
            return plain(x.float())

    module.forward = forward  # type: ignore[method-assign, assignment]
