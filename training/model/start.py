"""Where a training run's model starts from: an open_clip model, a checkpoint folder, or a timm backbone with a new text side."""

import copy
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import open_clip
import timm
import timm.models
import torch
from open_clip.factory import _get_hf_config
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from cladescope.embedding.shipped import SHIPPED, shipped_folder
from cladescope.embedding.transform import ImageTransform
from cladescope.errors import EncoderError
from cladescope.training.model.folding import fold_norms
from cladescope.training.model.towers import Towers
from cladescope.training.sections import ModelConfig

DEFAULT_SIZE = 224
"""Pixels a side of a timm backbone where nothing else is asked for."""
_HEAD = re.compile(r"^(classifier|head|fc|head_drop)\.")


def build(config: ModelConfig) -> Towers:
    """The model that a run starts from, on the CPU.

    Raises EncoderError where a name, a file or its weights cannot be used.
    """
    towers = _from_timm(config) if config.timm else _from_open_clip(config)
    start = _start_of(towers, Path(config.weights).expanduser()) if config.blend != 1 else None
    if config.freeze_norm:
        towers.fold_norms()
    if config.averaged_with:
        _average(towers, config)
    if start is not None:
        _blend(towers.clip.visual.trunk, start, share=config.blend)
    return towers


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


def is_local(open_clip: str) -> bool:
    """Whether an encoder to start from ships with the package, or is a folder.

    >>> is_local("tiny"), is_local("ViT-B-16/openai")
    (True, False)
    """
    return _local(open_clip).is_dir()


def _local(open_clip: str) -> Path:
    if open_clip in SHIPPED:
        return shipped_folder(open_clip)
    return Path(open_clip.removeprefix("local-dir:")).expanduser()


def _from_open_clip(config: ModelConfig) -> Towers:
    name, _, pretrained = config.open_clip.partition("/")
    if is_local(config.open_clip):
        name, pretrained = f"local-dir:{_local(config.open_clip).resolve()}", ""
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
            f"cannot start from {config.open_clip!r}: {first}: give tiny, MODEL/PRETRAINED, hf-hub:ORG/REPO or a checkpoint folder"
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


def _average(towers: Towers, config: ModelConfig) -> None:
    """Let the picture side be the mean of its weights and of those of other runs from the same start.

    A uniform soup (Wortsman et al. 2022, Model soups, https://arxiv.org/abs/2203.05482, section 2). The text side stays as it is:
    that of a run belongs to its own picture side.
    """
    states = [_picture_side(towers).state_dict()]
    for name in config.averaged_with:
        other = _from_open_clip(replace(config, open_clip=name))
        other.fold_norms()
        state = _picture_side(other).state_dict()
        if {key: value.shape for key, value in state.items()} != {key: value.shape for key, value in states[0].items()}:
            raise EncoderError(
                f"{name} in model.averaged_with has another picture side than {config.open_clip}: name runs of one recipe"
            )
        states.append(state)
    mean = {
        key: torch.stack([state[key] for state in states]).mean(dim=0) if own.is_floating_point() else own
        for key, own in states[0].items()
    }
    _picture_side(towers).load_state_dict(mean)


def _picture_side(towers: Towers) -> nn.Module:
    """The backbone and its projection, which `Towers` keeps apart."""
    return nn.ModuleList([towers.clip.visual, towers.projection])


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
