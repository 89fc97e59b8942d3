"""timm backbones as picture-only encoders: `timm:NAME[@FILE.safetensors][?key=value&...]`.

The vector is the pooled feature before the classifier. Keys after `?` declare the image transform (`size`, `resize`,
`interpolation`, `mean`, `std`, `crop_fraction`) where it differs from timm's own for that name, and pass the rest
(`pad_type`, ...) to `timm.create_model`.
"""

import ast
import difflib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import safetensors
import safetensors.torch
import timm
import timm.data
import torch

from cladescope.embedding.encoder import Device, Encoder, EncoderCard, Precision
from cladescope.embedding.encoders.identity import layers_of, pooling_of, precision_of
from cladescope.embedding.encoders.parts import LARGEST_PART, part_size
from cladescope.embedding.encoders.torch_encoder import TorchEncoder
from cladescope.embedding.encoders.weights import (
    Normaliser,
    cached_or_fetched,
    hash_weights,
    outputs_watched,
    resolve_device,
    resolve_precision,
)
from cladescope.embedding.kept_memory import keep_memory
from cladescope.embedding.transform import ImageTransform
from cladescope.errors import EncoderError, InputError

CLASSIFIER_PREFIXES = ("classifier.", "fc.", "head.fc.", "head.", "head_drop.")


class TimmEncoder(TorchEncoder):
    """A backbone without its classifier, whose pooled features are the vectors."""

    def __init__(
        self, model: torch.nn.Module, card: EncoderCard, normaliser: Normaliser, *, part: int = LARGEST_PART
    ) -> None:
        super().__init__(card, normaliser, part=part)
        self._model = model

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pooled features."""
        found: torch.Tensor = self._model(pixels)
        return found


@dataclass(frozen=True, slots=True)
class _Address:
    backbone: str
    weights: Path | None
    options: dict[str, str]

    @property
    def name(self) -> str:
        weights = f"@{self.weights}" if self.weights else ""
        options = "&".join(f"{key}={value}" for key, value in self.options.items())
        return f"timm:{self.backbone}{weights}" + (f"?{options}" if options else "")


def parse(name: str) -> tuple[str, Path | None, dict[str, str]]:
    """Backbone, weight file and options of a name.

    >>> parse("timm:resnet18?size=160&resize=squash")
    ('resnet18', None, {'size': '160', 'resize': 'squash'})
    """
    address, _, query = name.removeprefix("timm:").partition("?")
    backbone, _, weights = address.partition("@")
    pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    options = dict(pairs)
    if len(options) < len(pairs):
        raise ValueError("an option is given twice")
    return backbone, Path(weights).expanduser().resolve() if weights else None, options


def load(name: str, *, device: Device, precision: Precision) -> Encoder:
    """The backbone called `name`. Raises EncoderError where there is none or its weights do not fit."""
    try:
        address = _Address(*parse(name))
    except ValueError as error:
        raise EncoderError(f"options of {name!r} do not parse ({error}): write ?key=value&key=value") from error
    if not timm.is_model(address.backbone):
        near = difflib.get_close_matches(address.backbone, timm.list_models(), n=3, cutoff=0.5)
        known = f"near names are {', '.join(near)}" if near else "timm.list_models() names those that it has"
        raise EncoderError(f"timm has no backbone {address.backbone!r}: {known}")
    place = resolve_device(device)
    if place.type == "cpu":
        keep_memory()
    dtype = resolve_precision(precision, place)
    transform_options, model_options = _split(address.options)
    if address.weights is None:
        model = cached_or_fetched(name, partial(_create, address, model_options))
    else:
        model = _create(address, model_options)
        _fill(model, address.weights)
    try:
        own = ImageTransform.from_timm(timm.data.resolve_model_data_config(model))
        transform = ImageTransform.from_dict({**own.to_dict(), **transform_options})
    except InputError as error:
        raise EncoderError(f"the transform of {name!r} cannot be used: {error}") from error
    weight_hash = hash_weights(model)
    model = model.eval().to(device=place, dtype=dtype)
    normaliser = Normaliser(transform, device=place, dtype=dtype)
    with torch.inference_mode(), outputs_watched(model) as sizes:
        shape = model(normaliser(np.zeros((1, transform.size, transform.size, 3), np.uint8))).shape
    if len(shape) != 2:
        raise EncoderError(
            f"{name!r} gives {' x '.join(map(str, shape[1:]))} numbers a picture, expected one vector: give a global_pool"
        )
    card = EncoderCard(
        name=address.name,
        dim=shape[1],
        weight_hash=weight_hash,
        transform=transform,
        has_text=False,
        pooling=pooling_of(model),
        projection="none",
        layers=_layers(model, model_options),
        precision=precision_of(dtype),
    )
    return TimmEncoder(model, card, normaliser, part=part_size(max(sizes, default=0)))


def _create(address: _Address, options: dict[str, Any]) -> torch.nn.Module:
    pretrained = address.weights is None
    # With weights to fetch, the other two may be the network's, which `cached_or_fetched` explains.
    errors = (TypeError, AssertionError) if pretrained else (TypeError, AssertionError, ValueError, RuntimeError)
    try:
        model: torch.nn.Module = timm.create_model(address.backbone, pretrained=pretrained, num_classes=0, **options)
    except errors as error:
        first = str(error).partition("\n")[0] or type(error).__name__
        raise EncoderError(
            f"timm cannot make {address.name!r} ({first}): mend or leave out what follows '?'"
        ) from error
    return model


def _layers(model: torch.nn.Module, options: dict[str, Any]) -> str:
    """Kinds of layers, and options that a model need not show, such as `output_stride`; pooling is told apart."""
    shown = {"global_pool": True, "pad_type": str(options.get("pad_type", "")).lower() in ("", "same")}
    hidden = [f"{key}={value}" for key, value in sorted(options.items()) if not shown.get(key, False)]
    return "+".join([layers_of(model), *hidden])


def _split(options: dict[str, str]) -> tuple[dict[str, object], dict[str, Any]]:
    """Options of the image transform, typed, and those of the model."""
    transform: dict[str, object] = {}
    model: dict[str, Any] = {}
    for key, value in options.items():
        try:
            if key == "size":
                transform[key] = int(value)
            elif key == "crop_fraction":
                transform[key] = float(value)
            elif key in ("mean", "std"):
                numbers = tuple(float(part) for part in value.split(","))
                transform[key] = numbers * 3 if len(numbers) == 1 else numbers
            elif key in ("resize", "interpolation"):
                transform[key] = value
            else:
                model[key] = _typed(value)
        except ValueError as error:
            raise EncoderError(
                f"option {key}={value} is not a number: write for instance size=224 or mean=0.5,0.5,0.5"
            ) from error
    return transform, model


def _typed(text: str) -> str | int | float | bool:
    """A value of the model's as the number or truth value that it is written as, else as text.

    >>> _typed("8"), _typed("False"), _typed("same")
    (8, False, 'same')
    """
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value if isinstance(value, int | float) else text


def _fill(model: torch.nn.Module, path: Path) -> None:
    """Load a weight file into a backbone whose classifier was cut off; every other weight must fit."""
    try:
        state = safetensors.torch.load_file(path)
    except FileNotFoundError as error:
        raise EncoderError(f"no weight file {path}: give the path of a .safetensors file after '@'") from error
    except (OSError, safetensors.SafetensorError) as error:
        raise EncoderError(f"{path} is not a safetensors file ({error}): convert the weights first") from error
    expected = model.state_dict()
    missing = [key for key in expected if key not in state and not key.endswith("num_batches_tracked")]
    unknown = [key for key in state if key not in expected and not key.startswith(CLASSIFIER_PREFIXES)]
    misfits = [key for key in expected if key in state and expected[key].shape != state[key].shape]
    if missing or unknown or misfits:
        raise EncoderError(
            f"{path.name} does not fit the backbone: {len(missing)} weights missing, {len(unknown)} unknown, "
            f"{len(misfits)} of another shape (first: {(missing + unknown + misfits)[0]}): name the backbone it was saved from"
        )
    kept = {
        key: value.float() if value.is_floating_point() else value for key, value in state.items() if key in expected
    }
    model.load_state_dict(kept, strict=False)
