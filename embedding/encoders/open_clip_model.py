"""open_clip models: by `MODEL/PRETRAINED`, from the hub, or from a local checkpoint folder."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import open_clip
import torch
from jaxtyping import Float32
from safetensors import SafetensorError

from cladescope.embedding.encoder import Device, Encoder, EncoderCard, Precision
from cladescope.embedding.encoder_names import check_name
from cladescope.embedding.encoders.identity import (
    PROBE_TEXT,
    layers_of,
    pooling_of,
    precision_of,
    projection_of,
    text_side_of,
)
from cladescope.embedding.encoders.parts import LARGEST_PART, part_size
from cladescope.embedding.encoders.torch_encoder import TorchEncoder
from cladescope.embedding.encoders.weights import (
    Normaliser,
    cached_or_fetched,
    hash_weights,
    outputs_watched,
    resolve_device,
    resolve_precision,
    to_unit_vectors,
)
from cladescope.embedding.kept_memory import keep_memory
from cladescope.embedding.prompts import TAXA_FILE
from cladescope.embedding.shipped import SHIPPED, shipped_folder
from cladescope.embedding.transform import ImageTransform
from cladescope.errors import EncoderError

CONFIG_FILE = "open_clip_config.json"
TEXT_BATCH = 256

_UNUSABLE = (
    OSError, RuntimeError, ValueError, LookupError, AttributeError, EOFError, SafetensorError, UnpicklingError,
)  # fmt: skip
"""What open_clip, safetensors and pickle raise where a checkpoint is damaged, or no model of open_clip's."""


class OpenClipEncoder(TorchEncoder):
    """A contrastive model with a picture side and a text side."""

    def __init__(
        self, model: Any, tokenizer: Any, card: EncoderCard, normaliser: Normaliser, *, part: int = LARGEST_PART
    ) -> None:
        super().__init__(card, normaliser, part=part)
        self._model, self._tokenizer = model, tokenizer

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """What the picture side gives."""
        found: torch.Tensor = self._model.encode_image(pixels)
        return found

    @property
    def text_scale(self) -> float:
        """The learnt scale (`logit_scale` is its logarithm)."""
        return float(self._model.logit_scale.detach().float().exp())

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "t d"]:
        """Vectors of the text side; unit length."""
        encoded = []
        for start in range(0, len(texts), TEXT_BATCH):
            tokens = self._tokenizer(list(texts[start : start + TEXT_BATCH])).to(self._normaliser.device)
            encoded.append(to_unit_vectors(self._model.encode_text(tokens)))
        return np.concatenate(encoded) if encoded else np.empty((0, self.card.dim), np.float32)


@dataclass(frozen=True, slots=True)
class _Address:
    """What open_clip is asked for: its model name and pretrained tag, and the name to remember."""

    name: str
    model: str
    pretrained: str | None


def load(name: str, *, device: Device, precision: Precision) -> Encoder:
    """The open_clip model called `name`. Raises EncoderError where there is none or its weights cannot be had."""
    address = _address(name)
    place = resolve_device(device)
    if place.type == "cpu":
        keep_memory()
    dtype = resolve_precision(precision, place)
    try:
        if address.model.startswith("local-dir:"):
            model, tokenizer = _create(address)
        else:
            model, tokenizer = cached_or_fetched(name, partial(_create, address))
    except _UNUSABLE as error:
        first = str(error).strip().partition("\n")[0]
        raise EncoderError(
            f"cannot load encoder {name!r}: {first[:300]}: its weights must fit its open_clip_config.json"
        ) from error
    transform = ImageTransform.from_open_clip(model.visual.preprocess_cfg)
    weight_hash = hash_weights(model)
    model = model.eval().to(device=place, dtype=dtype)
    normaliser = Normaliser(transform, device=place, dtype=dtype)
    with torch.inference_mode(), outputs_watched(model.visual) as sizes:
        blank = np.zeros((1, transform.size, transform.size, 3), np.uint8)
        dim = int(model.encode_image(normaliser(blank)).shape[-1])
    card = EncoderCard(
        name=address.name,
        dim=dim,
        weight_hash=weight_hash,
        transform=transform,
        has_text=True,
        pooling=pooling_of(model.visual),
        projection=projection_of(model.visual),
        layers=layers_of(model.visual),
        text=text_side_of(model, tokenizer([PROBE_TEXT])),
        precision=precision_of(dtype),
    )
    encoder = OpenClipEncoder(model, tokenizer, card, normaliser, part=part_size(max(sizes, default=0)))
    if address.model.startswith("local-dir:"):
        taxa = Path(address.model.removeprefix("local-dir:")) / TAXA_FILE
        encoder.taxa_file = taxa if taxa.is_file() else None
    return encoder


def _create(address: _Address) -> tuple[Any, Any]:
    model = open_clip.create_model(address.model, pretrained=address.pretrained)
    return model, open_clip.get_tokenizer(address.model)


def _address(name: str) -> _Address:
    if name in SHIPPED:
        return _Address(name, f"local-dir:{shipped_folder(name)}", None)
    if name.startswith("hf-hub:"):
        return _Address(name, name, None)
    folder = Path(name.removeprefix("local-dir:")).expanduser()
    if folder.is_dir():
        _check_folder(folder)
        return _Address(str(folder.resolve()), f"local-dir:{folder.resolve()}", None)
    check_name(name)
    model, _, pretrained = name.partition("/")
    tags = open_clip.list_pretrained_tags_by_model(model)
    if pretrained in tags:
        return _Address(name, model, pretrained)
    weights = Path(pretrained).expanduser()
    if pretrained and weights.is_file():
        return _Address(f"{model}/{weights.resolve()}", model, str(weights.resolve()))
    found = f"has no weights {pretrained!r}" if pretrained else "needs the name of its weights"
    raise EncoderError(
        f"model {model!r} {found}: write {model}/TAG with one of {', '.join(tags[:12]) or 'none'}, or {model}/FILE with local weights"
    )


def _check_folder(folder: Path) -> None:
    config_path = folder / CONFIG_FILE
    if not config_path.is_file():
        raise EncoderError(
            f"folder {folder} holds no {CONFIG_FILE}: a checkpoint folder has one, with the weights beside it"
        )
    try:
        config = json.loads(config_path.read_text())
    except ValueError as error:
        raise EncoderError(f"{config_path} is not valid JSON ({error}): write it anew") from error
    if not isinstance(config, dict) or "model_cfg" not in config:
        raise EncoderError(f"{config_path} has no 'model_cfg': it is not an open_clip configuration")
    names = [path.name for path in folder.iterdir()]
    if not any(name.endswith((".safetensors", ".bin", ".pt", ".pth")) for name in names):
        raise EncoderError(f"folder {folder} holds no weights: put open_clip_model.safetensors beside {CONFIG_FILE}")
