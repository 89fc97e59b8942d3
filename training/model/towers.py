"""The model in training: an open_clip model whose projection is taken apart from its backbone, and where it starts from.

Taken apart, one pass of the backbone serves several projections (BioCLIP 2's replay has two), heads can sit on the pooled
feature, and gradient caching need only repeat the backbone. `Towers.weights` gives the weights under open_clip's own
names again.
"""

import copy
import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import open_clip
import timm
import timm.models
import torch
from jaxtyping import Float, Int
from open_clip.factory import _get_hf_config
from open_clip.transformer import TextTransformer
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from cladescope.embedding.transform import ImageTransform
from cladescope.errors import EncoderError
from cladescope.training.model.folding import fold_norms, unfolded
from cladescope.training.sections import ModelConfig

DEFAULT_SIZE = 224
"""Pixels a side of a timm backbone where nothing else is asked for."""
MAX_LOGIT_SCALE = 100.0
_HEAD = re.compile(r"^(classifier|head|fc|head_drop)\.")
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
        a token sees only those before it."""
        with _shortened(self.clip.text, tokens) as short:
            return nn.functional.normalize(self.clip.encode_text(short).float(), dim=-1)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the backbone and the text side; names of weights stay as they are."""
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


def build(config: ModelConfig) -> Towers:
    """The model that a run starts from, on the CPU.

    Raises EncoderError where a name, a file or its weights cannot be used.
    """
    towers = _from_timm(config) if config.timm else _from_open_clip(config)
    start = _start_of(towers, Path(config.weights).expanduser()) if config.blend != 1 else None
    if config.freeze_norm:
        towers.fold_norms()
    if start is not None:
        _blend(towers.clip.visual.trunk, start, share=config.blend)
    return towers


def set_trainable(towers: Towers, config: ModelConfig, *, locked: bool) -> None:
    """Put the towers in training: all weights move but the first stages', and none of the picture side where it is
    `locked`. Batch norms whose weights stand still, and all of them with `freeze_norm`, keep their statistics."""
    towers.train()
    for name, parameter in towers.clip.visual.named_parameters():
        parameter.requires_grad_(not locked and towers.layer_of(name) >= config.frozen_stages)
    for parameter in towers.projection.parameters():
        parameter.requires_grad_(not locked)
    if locked:
        towers.clip.visual.eval()
    for norm in _batch_norms(towers):
        own = list(norm.parameters())
        if config.freeze_norm or (own and not any(parameter.requires_grad for parameter in own)):
            norm.eval()


def moving_norms(towers: Towers) -> int:
    """How many batch norms compute with the statistics of the batch, as the towers are set now."""
    return sum(norm.training for norm in _batch_norms(towers))


def _batch_norms(towers: Towers) -> Iterator[nn.Module]:
    return (module for module in towers.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm))


def _from_timm(config: ModelConfig) -> Towers:
    if not timm.is_model(config.timm):
        near = ", ".join(timm.list_models(f"*{config.timm[:6]}*")[:3])
        raise EncoderError(f"timm has no backbone {config.timm!r}" + (f": near names are {near}" if near else ""))
    size = config.image_size or DEFAULT_SIZE
    model_cfg: dict[str, Any] = {
        "custom_text": True,
        "embed_dim": config.embed_dim,
        "vision_cfg": {
            "timm_model_name": config.timm,
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
            "timm_proj_bias": True,
            "image_size": size,
        },
        "text_cfg": {
            "context_length": config.text_context,
            "vocab_size": 49408,
            "width": config.text_width,
            "heads": config.text_heads,
            "layers": config.text_layers,
        },
    }
    towers_cfg = {key: value for key, value in model_cfg.items() if key != "custom_text"}
    clip = open_clip.model.CustomTextCLIP(**towers_cfg, init_logit_scale=math.log(config.logit_scale))
    # A token that no training text has stays at zero and says nothing, instead of something at random.
    nn.init.zeros_(clip.text.token_embedding.weight)
    if config.weights:
        _fill(clip.visual.trunk, Path(config.weights).expanduser())
    transform = ImageTransform(
        size=config.export_size or size,
        resize=config.resize,
        interpolation=config.interpolation,
        mean=config.mean,
        std=config.std,
    )
    model_cfg["vision_cfg"]["image_size"] = transform.size
    towers = Towers(clip, model_cfg, transform, open_clip.SimpleTokenizer(context_length=config.text_context))
    towers.train_size = size
    _check_sizes(towers, config.timm)
    return towers


def _start_of(towers: Towers, path: Path) -> nn.Module:
    """The backbone of the towers with the weights of a file, its norms folded."""
    trunk = getattr(towers.clip.visual, "trunk", None)
    if trunk is None:
        raise EncoderError("model.blend is of a timm backbone, and the picture side of model.open_clip is none")
    start: nn.Module = copy.deepcopy(trunk)
    _fill(start, path)
    fold_norms(start.eval())
    return start


def _blend(trunk: nn.Module, start: nn.Module, *, share: float) -> None:
    """Mix what a backbone was trained from into it: `share` of its own weights, the rest of theirs.

    WiSE-FT (Wortsman et al. 2022, https://arxiv.org/abs/2109.01903, eq. 1). Norms are folded into their convolutions on
    both sides before, since a trained checkpoint holds them in another form than the file that it started from.
    """
    theirs = start.state_dict()
    mixed = {
        name: torch.lerp(theirs[name], own, share) if own.is_floating_point() else own
        for name, own in trunk.state_dict().items()
    }
    trunk.load_state_dict(mixed)


def _check_sizes(towers: Towers, name: str) -> None:
    """Raise EncoderError where a model cannot take pictures of its sizes."""
    towers.eval()
    for size in {towers.train_size, towers.transform.size}:
        try:
            with torch.inference_mode():
                towers.project(towers.pooled(torch.zeros(1, 3, size, size)))
        except (RuntimeError, AssertionError, ValueError) as error:
            raise EncoderError(
                f"{name} cannot take pictures of {size} pixels ({str(error).partition(chr(10))[0][:160]}): "
                "set model.image_size and model.export_size to the model's own, or take another model"
            ) from error


def _fill(trunk: nn.Module, path: Path) -> None:
    """Load a weight file into a backbone without its classifier; every other weight must fit."""
    try:
        state = load_file(path)
    except FileNotFoundError as error:
        raise EncoderError(f"no weight file {path}: model.weights names a .safetensors file") from error
    except (OSError, SafetensorError) as error:
        raise EncoderError(f"{path} is not a safetensors file ({error}): convert the weights first") from error
    kept = {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    own = trunk.state_dict()
    kept = {name: value for name, value in kept.items() if name in own or not _HEAD.match(name)}
    expected = {name: value for name, value in own.items() if not name.endswith("num_batches_tracked")}
    wrong = sorted(name for name in expected if name not in kept or kept[name].shape != expected[name].shape)
    unknown = sorted(set(kept) - set(own))
    if wrong or unknown:
        raise EncoderError(
            f"{path.name} is of another architecture: {len(wrong)} weights missing or of another shape, "
            f"{len(unknown)} unknown (first: {(wrong + unknown)[0]}): name the backbone it was saved from in model.timm"
        )
    trunk.load_state_dict(kept, strict=False)


def _from_open_clip(config: ModelConfig) -> Towers:
    name, _, pretrained = config.open_clip.partition("/")
    folder = Path(config.open_clip.removeprefix("local-dir:")).expanduser()
    if folder.is_dir():
        name, pretrained = f"local-dir:{folder.resolve()}", ""
    elif config.open_clip.startswith("hf-hub:"):
        name, pretrained = config.open_clip, ""
    size = {"force_image_size": config.image_size} if config.image_size else {}
    try:
        model_cfg = _model_cfg(name)
        if config.image_size:
            model_cfg["vision_cfg"]["image_size"] = config.image_size
        clip = open_clip.create_model(name, pretrained=pretrained or None, force_custom_text=True, **size)
        if type(clip) is not open_clip.model.CustomTextCLIP:
            raise ValueError(f"it is a {type(clip).__name__}, expected a model of two towers")
        tokenizer = open_clip.get_tokenizer(name)
    except (OSError, RuntimeError, ValueError, KeyError, AttributeError) as error:
        first = str(error).strip().partition("\n")[0][:300]
        raise EncoderError(
            f"cannot start from {config.open_clip!r}: {first}: give MODEL/PRETRAINED, hf-hub:ORG/REPO or a checkpoint folder"
        ) from error
    model_cfg["custom_text"] = True
    towers = Towers(clip, model_cfg, ImageTransform.from_open_clip(clip.visual.preprocess_cfg), tokenizer)
    if config.export_size:
        towers.transform = replace(towers.transform, size=config.export_size)
        model_cfg["vision_cfg"]["image_size"] = config.export_size
    _check_sizes(towers, config.open_clip)
    return towers


def _model_cfg(name: str) -> dict[str, Any]:
    if name.startswith("local-dir:"):
        text = (Path(name.removeprefix("local-dir:")) / "open_clip_config.json").read_text(encoding="utf-8")
        found = json.loads(text)["model_cfg"]
    elif name.startswith("hf-hub:"):
        found = _get_hf_config(name.removeprefix("hf-hub:"))["model_cfg"]
    else:
        found = open_clip.get_model_config(name)
    if found is None:
        raise ValueError(f"open_clip has no model {name!r}")
    return json.loads(json.dumps(found))  # type: ignore[no-any-return] # a copy that may be changed


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
def _shortened(text: nn.Module, tokens: Int[torch.Tensor, "t length"]) -> Iterator[torch.Tensor]:
    """Tokens without the columns that are padding everywhere; the causal mask is cut to their length meanwhile."""
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
    text.attn_mask = mask[:length, :length]
    try:
        yield tokens[:, :length]
    finally:
        text.attn_mask = mask
