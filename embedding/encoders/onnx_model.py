"""Encoders whose pictures ONNX Runtime or OpenVINO encodes on a CPU: those with graphs beside their weights, such as `tiny`, and
any other once its graphs are made (`onnx_export`). Nothing here imports torch until it is needed.
"""

import importlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8
from platformdirs import user_cache_path

from cladescope.embedding.driver import has_driver
from cladescope.embedding.encoder import Device, Encoder, EncoderCard, Precision, PrecisionClass, Runtime
from cladescope.embedding.encoders.onnx_towers import (
    AGREE,
    FILE,
    PICTURE,
    Towers,
    lowest_cosine,
    probe_pictures,
    read_towers,
)
from cladescope.embedding.prompts import TAXA_FILE
from cladescope.embedding.shipped import SHIPPED, shipped_folder
from cladescope.embedding.ways import Compute, Way
from cladescope.errors import EncoderError

logger = logging.getLogger(__name__)


class OnnxEncoder(Encoder):
    """An encoder without torch. Texts are encoded by torch where the towers have no text side."""

    def __init__(
        self, towers: Towers, card: EncoderCard, by_torch: Callable[[], Encoder], *, taxa_file: Path | None
    ) -> None:
        self.card, self.taxa_file = card, taxa_file
        self._towers, self._load_by_torch = towers, by_torch

    def encode_pixels(self, batch: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"]:
        """Vectors of the picture tower; unit length."""
        return self._towers.pictures(batch)

    @property
    def picture_graph(self) -> Path:
        """File of the picture tower: `pixels` as the image transform gives them to `features` of any length, in fp32."""
        return self._towers.folder / f"{PICTURE}.onnx"

    @property
    def default_way(self) -> Way:
        """That in which `encode_pixels` computes many pictures."""
        return self._towers.default_way

    @property
    def other_ways(self) -> tuple[Way, ...]:
        """Those that may be faster on another machine."""
        return self._towers.other_ways

    @property
    def engine(self) -> Mapping[str, str]:
        """ONNX Runtime or OpenVINO."""
        return self._towers.engine

    def in_way(self, way: Way) -> Compute:
        """What computes vectors of unit length in a way. Raises EncoderError where the runtime fails."""
        return self._towers.in_way(way)

    def encode_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "t d"]:
        """Vectors of the text tower; unit length. Raises EncoderError where the encoder has none."""
        if not self.card.has_text:
            return super().encode_texts(texts)
        if self._towers.card.token_length is not None:
            return self._towers.texts(texts)
        return self._by_torch.encode_texts(texts)

    @property
    def text_scale(self) -> float:
        """The learnt scale. Raises EncoderError where the encoder has no text side."""
        scale = self._towers.card.text_scale
        return super().text_scale if scale is None else scale

    def by_openvino(self, precision: Precision) -> "OnnxEncoder":
        """The same with pictures encoded by OpenVINO, in fp32 unless bf16 is asked for; texts stay as they are.

        The card names the runtime, with the lowest cosine to this encoder's vectors, where that is below `AGREE`.

        Raises EncoderError, naming the extra, where OpenVINO is missing.
        """
        asked: PrecisionClass = "bf16" if precision == "bf16" else "fp32"
        towers = Towers(self._towers.folder, self._towers.card, engine="openvino", precision=asked)
        pictures = probe_pictures(self.transform.size)
        cosine = lowest_cosine(towers.few_pictures(pictures), self._towers.few_pictures(pictures))
        card = self.card
        if cosine < AGREE:
            card = replace(card, precision=asked, runtime="openvino", cosine=round(cosine, 6))
        made = OnnxEncoder(towers, card, self._load_by_torch, taxa_file=self.taxa_file)
        if asked == "bf16" and cosine >= AGREE:
            made.note("this processor has no bf16 for OpenVINO: computed in fp32")
        return made

    @cached_property
    def _by_torch(self) -> Encoder:
        return self._load_by_torch()


def load(name: str, *, device: Device, precision: Precision, runtime: Runtime) -> Encoder | None:
    """The encoder called `name` by ONNX Runtime or OpenVINO, or None where it is for torch to load.

    `auto` takes ONNX Runtime where graphs lie beside the weights, no GPU is to be used and no bf16 is asked for; graphs that
    cannot be used leave the encoder to torch, with a note. Graphs that a runtime needs and the encoder lacks are made once.

    Raises EncoderError where a runtime that is asked for cannot be had.
    """
    folder = _folder(name)
    if runtime == "auto":
        if folder is None or precision == "bf16" or device == "cuda" or (device == "auto" and _has_gpu()):
            return None
        try:
            return _encoder(name, folder, read_towers(folder))
        except EncoderError as error:
            logger.warning("%s", error)
            encoder = Encoder.load(name, device=device, precision=precision, runtime="torch")
            encoder.note(f"{error}: encoded by torch, which is slower")
            return encoder
    if device == "cuda":
        raise EncoderError(f"runtime {runtime} computes on a CPU: use runtime torch on a GPU, or the device cpu")
    if runtime == "onnx" and precision == "bf16":
        raise EncoderError("runtime onnx computes in fp32: use runtime openvino or torch for bf16")
    encoder = _made(name) if folder is None else _encoder(name, folder, read_towers(folder))
    return encoder.by_openvino(precision) if runtime == "openvino" else encoder


def cache_folder() -> Path:
    """Where the graphs of encoders that bring none are kept, with their weights: 4 bytes a number."""
    return user_cache_path("cladescope", appauthor=False) / "towers"


def _encoder(name: str, folder: Path, towers: Towers) -> OnnxEncoder:
    """The encoder whose towers lie in its own folder."""
    own = name if name in SHIPPED else str(folder)
    taxa = folder / TAXA_FILE
    by_torch = partial(Encoder.load, name, device="cpu", precision="fp32", runtime="torch")
    return OnnxEncoder(
        towers, replace(towers.card.card, name=own), by_torch, taxa_file=taxa if taxa.is_file() else None
    )


def _made(name: str) -> OnnxEncoder:
    """An encoder that brings no towers, with those that were made of it on this machine, now or before."""
    export: Any = importlib.import_module("cladescope.embedding.encoders.onnx_export")  # imports torch
    encoder = Encoder.load(name, device="cpu", precision="fp32", runtime="torch")
    towers = export.cached_towers(encoder, cache_folder())
    return OnnxEncoder(towers, encoder.card, lambda: encoder, taxa_file=encoder.taxa_file)


def _folder(name: str) -> Path | None:
    """Where the towers of an encoder lie, if it has some; those that ship have."""
    if name in SHIPPED:
        return shipped_folder(name)
    folder = Path(name.removeprefix("local-dir:")).expanduser()
    return folder.resolve() if (folder / FILE).is_file() else None


def _has_gpu() -> bool:
    if not has_driver():
        return False
    torch: Any = importlib.import_module("torch")
    return bool(torch.cuda.is_available())
