"""Convolutions padded as TensorFlow has it, written into an ONNX graph as one operation each.

`Conv2dSame` of timm computes from the shape of each batch how much it pads, and pads on some sides more than on others. Traced as it is, that
becomes a dozen operations before each such convolution, and a copy of what it takes, which no runtime fuses: half as slow again as the
same backbone with fixed numbers.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from timm.layers import Conv2dSame
from timm.layers.padding import get_same_padding


@contextlib.contextmanager
def fixed_padding(tower: torch.nn.Module, example: torch.Tensor) -> Iterator[None]:
    """While this lasts `Conv2dSame` of a tower pads by numbers, those that pictures of the size of an example ask for."""
    padded = [module for module in tower.modules() if isinstance(module, Conv2dSame)]
    hooks = [module.register_forward_pre_hook(_fix) for module in padded]
    try:
        if padded:
            tower(example)
        yield
    finally:
        for module, hook in zip(padded, hooks, strict=True):
            hook.remove()
            module.__dict__.pop("forward", None)


def _fix(module: Conv2dSame, given: tuple[torch.Tensor]) -> None:
    """Give a module a forward that pads by the numbers of the first pictures that it meets."""
    if "forward" in module.__dict__:
        return
    (first,) = given
    sides = [
        get_same_padding(int(size), *numbers)
        for size, *numbers in zip(first.shape[-2:], module.kernel_size, module.stride, module.dilation, strict=True)
    ]
    pads = [*(side // 2 for side in sides), *(side - side // 2 for side in sides)]
    numbers = {"pads_i": pads, "strides_i": module.stride, "dilations_i": module.dilation, "group_i": module.groups}

    def forward(x: torch.Tensor) -> torch.Tensor:
        bias = () if module.bias is None else (module.bias,)
        found: torch.Tensor = _Padded.apply(x, module.weight, numbers, *bias)
        return found

    module.forward = forward


class _Padded(torch.autograd.Function):
    """A convolution with a padding of its own on each side: top, left, bottom and right, as ONNX has it."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, numbers: dict[str, Any], bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        top, left, bottom, right = numbers["pads_i"]
        wide = torch.nn.functional.pad(x, (left, right, top, bottom))
        return torch.nn.functional.conv2d(
            wide, weight, bias, numbers["strides_i"], 0, numbers["dilations_i"], numbers["group_i"]
        )

    @staticmethod
    def symbolic(g: Any, x: Any, weight: Any, numbers: dict[str, Any], *bias: Any) -> Any:
        return g.op("Conv", x, weight, *bias, **numbers)
