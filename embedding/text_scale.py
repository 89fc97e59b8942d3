"""The scale of an encoder's cosines between pictures and texts, read from its file of weights without making the encoder.

Who has vectors of pictures and of texts needs this one number and no model: torch alone would take hundreds of MB.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from huggingface_hub import try_to_load_from_cache
from safetensors import SafetensorError, safe_open

from cladescope.embedding.encoder import EncoderCard
from cladescope.embedding.shipped import SHIPPED, shipped_folder
from cladescope.weight_hash import weight_hash

WEIGHTS_FILE = "open_clip_model.safetensors"

_TYPES = {"float32": "torch.float32", "float64": "torch.float64", "int64": "torch.int64"}


def stored_text_scale(card: EncoderCard) -> float | None:
    """What `Encoder.text_scale` would say of the encoder of a card; None where only the encoder itself can tell.

    It is told for `tiny`, checkpoint folders and cached hub models with a file `open_clip_model.safetensors`, if their
    weights have the card's hash or the card has none. The file is read tensor by tensor.

    >>> from cladescope.embedding.encoder import Encoder
    >>> tiny = Encoder.load("tiny")
    >>> abs(stored_text_scale(tiny.card) - tiny.text_scale) < 1e-4
    True
    """
    path = _weights(card.name)
    if path is None:
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            if "logit_scale" not in file.keys():  # noqa: SIM118 - it is no mapping
                return None
            if card.weight_hash is not None and _hash(file) != card.weight_hash:
                return None
            return float(np.exp(np.float32(file.get_tensor("logit_scale"))))
    except (SafetensorError, OSError, TypeError, KeyError):
        return None


def _weights(name: str) -> Path | None:
    if name in SHIPPED:
        found = shipped_folder(name) / WEIGHTS_FILE
    elif name.startswith("hf-hub:"):
        cached = try_to_load_from_cache(name.removeprefix("hf-hub:"), WEIGHTS_FILE)
        if not isinstance(cached, str):
            return None
        found = Path(cached)
    else:
        found = Path(name) / WEIGHTS_FILE
    return found if found.is_file() else None


def _hash(file: Any) -> str:
    """As `encoders.weights.hash_weights` has it of the model that the file holds. Raises KeyError for other types.

    A model is made in float32, whatever the file has.
    """
    return weight_hash(_tensors(file))


def _tensors(file: Any) -> Iterator[tuple[str, str, tuple[int, ...], np.ndarray]]:
    """Name, type, shape and values of each tensor, as a model in float32 has them."""
    for name in sorted(file.keys()):
        values = file.get_tensor(name)
        if values.dtype == np.float16:
            values = values.astype(np.float32)
        yield name, _TYPES[values.dtype.name], values.shape, np.ascontiguousarray(values)
