"""Batch norm with fixed statistics, folded into the convolution before it while a model is trained, and taken out again.

A frozen norm is one multiplication and one addition for each channel, which the convolution can do itself: the same
function, fewer passes over memory. Unfolding gives weights under the model's own names again.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_norms(model: nn.Module) -> tuple[tuple[str, str, float], ...]:
    """Fold every batch norm that directly follows a convolution of the same module, in place, in evaluation mode.

    Returns the names of each convolution and of its norm with the norm's eps, which `unfolded` takes. A norm that also
    activates, as timm's does, leaves its activation behind.

    >>> model = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4))
    >>> fold_norms(model)
    (('0', '1', 1e-05),)
    """
    folded = []
    for prefix, first, second in list(_pairs(model, "")):
        parent = model.get_submodule(prefix) if prefix else model
        convolution, norm = getattr(parent, first), getattr(parent, second)
        fused = fuse_conv_bn_eval(convolution.eval(), norm.eval())
        setattr(parent, first, fused)
        setattr(parent, second, nn.Sequential(*_activations(norm)))
        dot = f"{prefix}." if prefix else ""
        folded.append((f"{dot}{first}", f"{dot}{second}", float(norm.eps)))
    return tuple(folded)


def unfolded(
    state: dict[str, torch.Tensor], folded: tuple[tuple[str, str, float], ...], *, prefix: str = ""
) -> dict[str, torch.Tensor]:
    """The state of the model before `fold_norms` that computes the same: each norm holds its convolution's bias.

    >>> model = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4))
    >>> names = sorted(model.state_dict())
    >>> folded = fold_norms(model)
    >>> sorted(unfolded(model.state_dict(), folded)) == names
    True
    """
    result = dict(state)
    for convolution, norm, eps in folded:
        bias = result.pop(f"{prefix}{convolution}.bias")
        result |= {
            f"{prefix}{norm}.weight": torch.ones_like(bias),
            f"{prefix}{norm}.bias": bias,
            f"{prefix}{norm}.running_mean": torch.zeros_like(bias),
            f"{prefix}{norm}.running_var": torch.full_like(bias, 1 - eps),
            f"{prefix}{norm}.num_batches_tracked": torch.zeros((), dtype=torch.int64),
        }
    return result


def _pairs(module: nn.Module, prefix: str) -> Iterator[tuple[str, str, str]]:
    children = list(module.named_children())
    for (first, one), (second, other) in pairwise(children):
        if isinstance(one, nn.Conv2d) and isinstance(other, nn.BatchNorm2d) and one.bias is None:
            yield prefix, first, second
    for name, child in children:
        yield from _pairs(child, f"{prefix}.{name}" if prefix else name)


def _activations(norm: nn.Module) -> Iterator[nn.Module]:
    for name in ("drop", "act"):
        layer = getattr(norm, name, None)
        if isinstance(layer, nn.Module) and not isinstance(layer, nn.Identity):
            yield layer
