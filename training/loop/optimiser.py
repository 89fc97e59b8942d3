"""AdamW with its groups of weights, the schedule of its rate, and a moving average of the weights."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from cladescope.training.config import TrainConfig
from cladescope.training.loss.criterion import Criterion
from cladescope.training.model.towers import Towers


def rate_at(step: int, *, warmup: int, total: int) -> float:
    """Share of the peak rate at a step: a line up over `warmup` steps, then half a cosine to zero.

    Loshchilov & Hutter 2017, SGDR, https://arxiv.org/abs/1608.03983, without restarts, as BioCLIP and open_clip have it.

    >>> [round(rate_at(step, warmup=2, total=6), 2) for step in range(6)]
    [0.5, 1.0, 1.0, 0.85, 0.5, 0.15]
    """
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))


def make_optimiser(config: TrainConfig, towers: Towers, criterion: Criterion) -> torch.optim.AdamW:
    """AdamW whose groups keep their own peak rate as `peak`.

    No decay on what has fewer than two dimensions (biases, norms, temperature), as in CLIP; the picture side's rate
    shrinks from layer to layer towards its stem (Clark et al. 2020, https://arxiv.org/abs/2003.10555).
    """
    options = config.optimiser
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    frozen = config.model.frozen_stages
    for name, parameter in [*towers.named_parameters(), *criterion.named_parameters()]:
        rate = options.learning_rate
        if name.startswith("clip.visual."):
            inner = name.removeprefix("clip.visual.")
            layer = towers.layer_of(inner)
            if config.model.lock_image or layer < frozen:
                continue
            rate = options.image_learning_rate or rate
            rate *= options.layer_decay ** (towers.n_layers - 1 - layer)
        elif name.startswith("clip.") and config.model.lock_text:
            continue
        elif name.startswith("projection."):
            if config.model.lock_image:
                continue
            rate = options.image_learning_rate or rate
        decay = options.weight_decay if parameter.ndim >= 2 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": members, "lr": rate, "peak": rate, "weight_decay": decay}
            for (rate, decay), members in groups.items()
        ],
        betas=(options.beta1, options.beta2),
        eps=options.eps,
    )


class Average:
    """Exponential moving average of weights and of the statistics of batch norms, those of `Towers.moving` in their order.

    Polyak & Juditsky 1992, https://doi.org/10.1137/0330046. At step t the decay is at most (1 + t) / (10 + t), so that the
    first weights are soon forgotten. Statistics are averaged too, as they are those of the weights beside them.
    """

    def __init__(self, tensors: Iterable[torch.Tensor], *, decay: float) -> None:
        self._decay = decay
        self._shadow = [tensor.detach().clone() for tensor in tensors]

    @torch.no_grad()
    def update(self, tensors: Iterable[torch.Tensor], *, step: int) -> None:
        """Move towards what there is after a step."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for shadow, tensor in zip(self._shadow, tensors, strict=True):
            if tensor.requires_grad or not isinstance(tensor, torch.nn.Parameter):
                shadow.lerp_(tensor, 1 - decay)

    @contextmanager
    def swapped(self, tensors: Iterable[torch.Tensor]) -> Iterator[None]:
        """Put the average in the place of what it is of meanwhile."""
        members = list(tensors)
        before = [tensor.detach().clone() for tensor in members]
        with torch.no_grad():
            for tensor, shadow in zip(members, self._shadow, strict=True):
                tensor.copy_(shadow)
        try:
            yield
        finally:
            with torch.no_grad():
                for tensor, value in zip(members, before, strict=True):
                    tensor.copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """The average, for a checkpoint."""
        return {"shadow": self._shadow}

    def load_state_dict(self, state: dict[str, Any], tensors: Iterable[torch.Tensor]) -> None:
        """Take up an average from a checkpoint; an earlier version kept none of statistics, which are then those of `tensors`."""
        values, now = state["shadow"], list(tensors)
        for shadow, value in zip(self._shadow, [*values, *now[len(values) :]], strict=True):
            shadow.copy_(value.detach())
