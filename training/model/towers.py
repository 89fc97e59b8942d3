"""The model in training: an open_clip model whose projection is taken apart from its backbone.

Taken apart, one pass of the backbone serves several projections (BioCLIP 2's replay has two), heads can sit on the pooled
feature, and gradient caching need only repeat the backbone. `Towers.weights` gives the weights under open_clip's own
names again. Where a model comes from is in `cladescope.training.model.start`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from open_clip.transformer import TextTransformer
from torch import nn

from cladescope.embedding.transform import ImageTransform
from cladescope.errors import EncoderError
from cladescope.training.model.folding import fold_norms, unfolded
from cladescope.training.sections import ModelConfig

MAX_LOGIT_SCALE = 100.0
MAX_GRAPHS = 64
"""Graphs that `torch.compile` may make of one side: five lengths of texts, with and without gradients, in training and
evaluation, for one row and for several. Beyond torch's own limit of 8 it computes uncompiled without a word."""
_LAYER = re.compile(r"(?:resblocks|blocks|layers|stages|layer)\.?(\d+)\.")


class Towers(nn.Module):
    """Picture side, projection and text side of an open_clip model."""

    clip: Any
    projection: nn.Module

    def __init__(self, clip: nn.Module, model_cfg: dict[str, Any], transform: ImageTransform, tokenizer: Any) -> None:
        super().__init__()
        self.model_cfg, self.transform, self.tokenizer = model_cfg, transform, tokenizer
        self.clip = clip
        self.folded: tuple[tuple[str, str, float], ...] = ()
        self.projection, self._names = _take_projection(clip.visual)
        self.replay_projection: nn.Linear | None = None
        self.train_size = transform.size
        """Pixels a side of pictures in training; those of `transform` are what the exported encoder declares."""
        self._text_step = 1

    @property
    def embed_dim(self) -> int:
        """Length of the vectors."""
        return int(self.model_cfg["embed_dim"])

    @property
    def pooled_dim(self) -> int:
        """Length of the pooled feature before the projection."""
        return self.projection.in_features if isinstance(self.projection, nn.Linear) else self.embed_dim

    @property
    def scale(self) -> Float[torch.Tensor, ""]:
        """The inverse temperature."""
        scale: torch.Tensor = self.clip.logit_scale.exp()
        return scale

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def pooled(self, images: Float[torch.Tensor, "b 3 h w"]) -> Float[torch.Tensor, "b p"]:
        """Pooled features of normalised pictures, before the projection."""
        features: torch.Tensor = self.clip.visual(images)
        return features.float()

    def project(self, pooled: Float[torch.Tensor, "b p"], *, replay: bool = False) -> Float[torch.Tensor, "b d"]:
        """Pooled features in the common space, unit length; `replay` takes the second projection."""
        projection = self.replay_projection if replay else self.projection
        assert projection is not None
        return nn.functional.normalize(projection(pooled).float(), dim=-1)

    def texts(self, tokens: Int[torch.Tensor, "t length"]) -> Float[torch.Tensor, "t d"]:
        """Vectors of texts, unit length. Columns that are padding in every row are left out, which changes nothing:
        a token sees only those before it. Of compiled towers some stay, for a graph is made for each length."""
        with _shortened(self.clip.text, tokens, step=self._text_step) as short:
            return nn.functional.normalize(self.clip.encode_text(short).float(), dim=-1)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the backbone and the text side, for five lengths of texts; names of weights stay as they are."""
        torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, MAX_GRAPHS)
        self._text_step = 8 * -(-getattr(self.clip.text, "context_length", 0) // 40) or 1
        self.clip.visual.compile(*args, **kwargs)
        self.clip.text.compile(*args, **kwargs)

    def fold_norms(self) -> None:
        """Fold batch norms of the picture side for good; `weights` unfolds them.

        Raises EncoderError where that changes what the model computes: its layers run in another order than they stand.
        """
        self.clip.visual.eval()
        side = self.transform.size
        probe = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            before = self.clip.visual(probe)
        self.folded = fold_norms(self.clip.visual)
        self.__dict__.pop("_layers", None)
        with torch.inference_mode():
            after = self.clip.visual(probe)
        if not torch.allclose(before, after, rtol=1e-3, atol=1e-3 * float(before.abs().max())):
            raise EncoderError("batch norms of this model cannot be folded: set model.freeze_norm = false")

    def add_replay_projection(self) -> None:
        """A second projection for replay, a copy of the first."""
        if not isinstance(self.projection, nn.Linear):
            raise EncoderError(
                "this model has no projection of its own to be doubled: replay needs a ViT or a timm model"
            )
        self.replay_projection = nn.Linear(
            self.projection.in_features,
            self.projection.out_features,
            bias=self.projection.bias is not None,
            device=self.device,
        )
        self.replay_projection.load_state_dict(self.projection.state_dict())

    def weights(self) -> dict[str, torch.Tensor]:
        """The weights under open_clip's names, without a replay projection, on the CPU in float32."""
        state = unfolded(self.clip.state_dict(), self.folded, prefix="visual.")
        if isinstance(self.projection, nn.Linear):
            weight, bias = self._names
            matrix = self.projection.weight.detach()
            state[weight] = matrix.T.contiguous() if weight == "visual.proj" else matrix
            if bias and self.projection.bias is not None:
                state[bias] = self.projection.bias.detach()
        return {
            name: (value.float() if value.is_floating_point() else value).detach().cpu().contiguous()
            for name, value in state.items()
        }

    def moving(self) -> list[torch.Tensor]:
        """What training moves: every weight, and then the means and variances of batch norms."""
        return [*self.parameters(), *self.statistics()]

    def statistics(self) -> list[torch.Tensor]:
        """Means and variances that batch norms keep."""
        kept = ((norm.running_mean, norm.running_var) for norm in _batch_norms(self))
        return [value for both in kept for value in both if value is not None]

    def layer_of(self, name: str) -> int:
        """Layer of a parameter of the picture side, by its name in `clip.visual`: 0 is the stem."""
        return self._layers[name]

    @property
    def n_layers(self) -> int:
        """Number of layers of the picture side."""
        return 1 + max(self._layers.values())

    @cached_property
    def _layers(self) -> dict[str, int]:
        names = [name for name, _ in self.clip.visual.named_parameters()]
        numbers = [int(match[1]) if (match := _LAYER.search(name)) else None for name in names]
        known = sorted({number for number in numbers if number is not None})  # a ResNet's count from 1
        numbers = [None if number is None else 1 + known.index(number) for number in numbers]
        first = next((place for place, number in enumerate(numbers) if number is not None), len(names))
        top = 1 + len(known)
        # What stands after the numbered layers is above them, what stands before is the stem.
        rest = (0 if place < first else top for place in range(len(names)))
        return {
            name: other if number is None else number for name, number, other in zip(names, numbers, rest, strict=True)
        }


def set_trainable(towers: Towers, config: ModelConfig, *, locked: bool) -> None:
    """Put the towers in training: all weights move but the first stages', and none of the picture side where it is
    `locked`. Batch norms whose weights stand still, and all of them with `freeze_norm`, keep their statistics."""
    towers.train()
    for name, parameter in towers.clip.visual.named_parameters():
        parameter.requires_grad_(not locked and towers.layer_of(name) >= config.frozen_stages)
    for parameter in towers.projection.parameters():
        parameter.requires_grad_(not locked)
    if config.lock_text:
        towers.clip.text.requires_grad_(False).eval()
        towers.clip.logit_scale.requires_grad_(False)
    if locked:
        towers.clip.visual.eval()
    for norm in _batch_norms(towers):
        own = list(norm.parameters())
        if config.freeze_norm or (own and not any(parameter.requires_grad for parameter in own)):
            norm.eval()


def moving_norms(towers: Towers) -> int:
    """How many batch norms compute with the statistics of the batch, as the towers are set now."""
    return sum(norm.training for norm in _batch_norms(towers))


def _batch_norms(towers: Towers) -> Iterator[nn.modules.batchnorm._BatchNorm]:
    return (module for module in towers.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm))


def _take_projection(visual: Any) -> tuple[nn.Module, tuple[str, str]]:
    """Take the projection off a picture side and return it with open_clip's names for its weights."""
    matrix = getattr(visual, "proj", None)
    if isinstance(matrix, nn.Parameter):
        projection = nn.Linear(matrix.shape[0], matrix.shape[1], bias=False)
        with torch.no_grad():
            projection.weight.copy_(matrix.T)
        visual.proj = None
        return projection, ("visual.proj", "")
    head = getattr(visual, "head", None)
    linear = getattr(head, "proj", None)
    if isinstance(linear, nn.Linear):
        visual.head = nn.Identity()
        return linear, ("visual.head.proj.weight", "visual.head.proj.bias")
    return nn.Identity(), ("", "")


@contextmanager
def _shortened(text: nn.Module, tokens: Int[torch.Tensor, "t length"], *, step: int) -> Iterator[torch.Tensor]:
    """Tokens without the columns that are padding everywhere, but for those that fill up a multiple of `step`; the causal
    mask is cut to their length meanwhile."""
    mask = getattr(text, "attn_mask", None)
    if (
        not isinstance(text, TextTransformer)
        or mask is None
        or text.cls_emb is not None
        or text.use_pad_mask
        or text.pool_type not in ("argmax", "eos")
    ):
        yield tokens
        return
    # 0 pads, but is also a token of its own ("!"): only columns after the last that is not 0 are padding.
    columns = (tokens != 0).any(dim=0).nonzero()
    length = int(columns.max()) + 1 if len(columns) else 1
    length = min(step * -(-length // step), tokens.shape[1])
    text.attn_mask = mask[:length, :length]
    try:
        yield tokens[:, :length]
    finally:
        text.attn_mask = mask
