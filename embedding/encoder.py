"""What an encoder is, and how a name becomes one.

An encoder turns pictures (and, where it has a text side, texts) into vectors of unit length. This module holds what all
encoders share; each kind stands in one file of `encoders/`: `pixels`, `onnx_model`, `open_clip_model`, `timm_model`.
"""

import importlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
from jaxtyping import Float32, UInt8

from cladescope.embedding.encode import BATCH_SIZE, WORKERS, encoded
from cladescope.embedding.encoder_names import check_name
from cladescope.embedding.given import AnyPicture, as_records
from cladescope.embedding.transform import ImageTransform
from cladescope.embedding.ways import HasWays, Tuning
from cladescope.errors import EncoderError, PictureError
from cladescope.steps import step

logger = logging.getLogger(__name__)

Device = Literal["auto", "cpu", "cuda"]
PrecisionClass = Literal["fp32", "bf16"]
Precision = PrecisionClass | Literal["auto"]
Runtime = Literal["auto", "torch", "compiled", "onnx", "openvino"]

DEFAULT_ENCODER = "tiny"
"""Used by every verb that is given no encoder: it ships with the package."""
KINDS = {"pixels": "pixels", "timm": "timm_model"}
"""File of `encoders/` by the name of an encoder, or by what stands before its colon."""
ON_CPU = "onnx_model"
"""File for those whose graphs a runtime other than torch computes."""
COMPILED = "compiled"
"""File for what `torch.compile` makes of those that torch computes."""
TUNED = "tuned"
"""File for those that look for the fastest way in which a processor computes them."""
OTHERS = "open_clip_model"
"""File for all other names: open_clip's own, `hf-hub:...`, checkpoint folders, and `tiny`."""
UNKNOWN_ENCODER = "unknown"
"""Declared for vectors that come from elsewhere without the name of their encoder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderCard:
    """Identity of an encoder; two vectors may be compared only where their cards agree."""

    name: str
    """What `Encoder.load` takes, with local paths made absolute."""
    dim: int
    """Length of its vectors."""
    weight_hash: str | None
    """SHA-256 of the weights, 64 hexadecimal digits; None where only the name is known (imported vectors)."""
    transform: ImageTransform | None
    """How a picture becomes the encoder's input; None where only the name is known."""
    has_text: bool
    """Whether it encodes texts into the same space."""
    pooling: str | None = None
    """How features become one vector, such as `avg`, `max` or `token`."""
    projection: str | None = None
    """The last map into the vectors' space, such as `linear 768 to 512`; `none` where there is none."""
    layers: str | None = None
    """Kinds of layers without weights (activations, padding), and options of the name that change the forward pass."""
    text: str | None = None
    """How a text becomes a vector: layers, the token that is taken, and a hash that stands for the tokenizer."""
    precision: PrecisionClass | None = None
    """`fp32` or `bf16`: the class of numbers that weights and features are computed in."""
    runtime: str | None = None
    """What computes the vectors, where they are not those of torch to a cosine of 0.99999; None where they are."""
    cosine: float | None = None
    """Lowest cosine of that runtime to full precision, or to torch in the same precision where torch compiled it, as measured when
    it was loaded; None as above."""

    def to_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return {**asdict(self), "transform": None if self.transform is None else self.transform.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "EncoderCard":
        """The card that `to_dict` wrote."""
        transform = cast(Mapping[str, object] | None, values["transform"])
        return cls(
            name=str(values["name"]),
            dim=int(cast(int, values["dim"])),
            weight_hash=cast(str | None, values["weight_hash"]),
            transform=None if transform is None else ImageTransform.from_dict(dict(transform)),
            has_text=bool(values["has_text"]),
            pooling=cast(str | None, values.get("pooling")),
            projection=cast(str | None, values.get("projection")),
            layers=cast(str | None, values.get("layers")),
            text=cast(str | None, values.get("text")),
            precision=cast(PrecisionClass | None, values.get("precision")),
            runtime=cast(str | None, values.get("runtime")),
            cosine=cast(float | None, values.get("cosine")),
        )

    def difference(self, other: "EncoderCard") -> str | None:
        """Why vectors of the two encoders must not be mixed, or None where they may.

        What one side does not know is no difference: only the name of imported vectors is known, and stores of version
        0.1.0 say nothing of pooling, projection, layers, text side and precision.
        """
        if self.name != other.name and (self.weight_hash is None or self.weight_hash != other.weight_hash):
            return f"encoder {self.name!r} is not {other.name!r}"
        if self.dim != other.dim:
            return f"{self.dim} numbers a vector are not {other.dim}"
        if None not in (self.weight_hash, other.weight_hash) and self.weight_hash != other.weight_hash:
            return f"the weights of {self.name!r} are not the same ({_short(self)} and {_short(other)})"
        if self.transform is not None and other.transform is not None and self.transform != other.transform:
            return _other_transform(self.transform, other.transform)
        for field, what in _FORWARD.items():
            own, others = getattr(self, field), getattr(other, field)
            if None not in (own, others) and own != others:
                return f"{what} ({own}) is not the same ({others})"
        if None not in (self.weight_hash, other.weight_hash) and self.runtime != other.runtime:
            return f"the vectors of runtime {_runtime(self)} are not those of runtime {_runtime(other)}"
        return None

    @property
    def identity(self) -> str:
        """All that decides what vector a text or an input becomes, as one line; a key for what is kept of them.

        >>> card = EncoderCard(name="x", dim=2, weight_hash="0af3", transform=None, has_text=True, precision="bf16")
        >>> card.identity
        '0af3, bf16'
        """
        parts = (self.weight_hash, *(getattr(self, field) for field in _FORWARD), self.runtime)
        return ", ".join(part for part in parts if part is not None)


_FORWARD = {
    "pooling": "the pooling",
    "projection": "the projection",
    "layers": "the kind of layers",
    "text": "the text side",
    "precision": "precision, the type of the weights",
}
"""Fields of a card that say how the forward pass goes, and what to call them."""


def _other_transform(one: ImageTransform, other: ImageTransform) -> str:
    """In what two transforms differ, with the values of both."""
    values = one.to_dict()
    there = other.to_dict()
    names = [name for name in values if values[name] != there[name]]
    told = [", ".join(f"{name} {side[name]}" for name in names) for side in (values, there)]
    return f"the image transform ({told[0]}) is not the same ({told[1]})"


def _runtime(card: EncoderCard) -> str:
    reference = "torch" if card.runtime == "compiled" else "full precision"
    return "torch" if card.runtime is None else f"{card.runtime} (cosine {card.cosine} to {reference})"


def _short(card: EncoderCard) -> str:
    return (card.weight_hash or "unknown")[:12]


class Encoder(ABC):
    """Pictures, and sometimes texts, to vectors of unit length."""

    card: EncoderCard
    taxa_file: Path | None = None
    """The taxa that it was trained on, a CSV with columns named as the ranks and `common_name`; None where it has none."""

    _noted: tuple[str, ...] = ()
    _can_compile: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What its user should know of it by now: why it encodes more slowly than it could, what computed how many pictures."""
        return self._noted

    def note(self, text: str) -> None:
        """Have its user know something."""
        self._noted = (*self._noted, text)

    @property
    def ways(self) -> list[dict[str, object]]:
        """How a processor computes it and how that was chosen, as plain values; empty where nobody looks for another way."""
        return []

    def for_a_job(self, *, compiles: bool = True, tuning: Tuning = "none") -> "Encoder":
        """The encoder as a job of many pictures should have it.

        That of a GPU compiles itself once that pays back (`encoders.compiled`), unless it is told not to; that of a processor looks for the fastest way, once, if
        the job is long (`encoders.tuned`).

        >>> encoder = Encoder.load("pixels")
        >>> encoder.for_a_job() is encoder
        True
        """
        if self._can_compile:
            return cast(Encoder, _plugin(COMPILED).CompiledEncoder(self)) if compiles else self
        if tuning != "none" and isinstance(self, HasWays):
            return cast(Encoder, _plugin(TUNED).TunedEncoder(self, again=tuning == "again"))
        return self

    @property
    def transform(self) -> ImageTransform:
        """How a picture becomes this encoder's input."""
        assert self.card.transform is not None
        return self.card.transform

    @property
    def dim(self) -> int:
        """Length of its vectors."""
        return self.card.dim

    @abstractmethod
    def encode_pixels(self, batch: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"]:
        """Vectors of pictures that `transform.apply` made; unit length."""

    def encode_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "t d"]:
        """Vectors of texts in the pictures' space; unit length.

        Raises EncoderError where the encoder has no text side.
        """
        raise EncoderError(
            f"encoder {self.card.name!r} has no text side, so it cannot encode {texts[0]!r}: "
            "search by picture or id, or make the store with an encoder that has one, such as tiny or hf-hub:imageomics/bioclip-2"
        )

    @property
    def text_scale(self) -> float:
        """What the cosine of a picture and a text is multiplied with before the softmax: 1 / temperature, as trained.

        Raises EncoderError where the encoder has no text side.
        """
        raise EncoderError(
            f"encoder {self.card.name!r} has no text side, so it knows no names: fit a classifier to labelled pictures "
            "by fit, or take an encoder that has one, such as tiny or hf-hub:imageomics/bioclip-2"
        )

    def encode_images(
        self, images: Iterable[AnyPicture], *, batch_size: int = BATCH_SIZE, workers: int = WORKERS
    ) -> Float32[np.ndarray, "n d"]:
        """Vectors of pictures given as paths, URIs, encoded bytes, Pillow images or arrays; unit length.

        `encode.encoded` goes on where one of them is bad.

        Raises PictureError for the first one that cannot be read.

        >>> from PIL import Image
        >>> Encoder.load("pixels").encode_images([Image.new("RGB", (64, 48), "teal")]).shape
        (1, 960)
        """
        vectors = [np.empty((0, self.dim), np.float32)]
        for batch in encoded(as_records(images), self, batch_size=batch_size, workers=workers):
            if batch.failures:
                raise PictureError(batch.failures[0].reason)
            vectors.append(batch.vectors)
        return np.concatenate(vectors)

    @staticmethod
    def load(
        name: str = DEFAULT_ENCODER,
        *,
        device: Device = "auto",
        precision: Precision = "auto",
        runtime: Runtime = "auto",
        batch_size: int = BATCH_SIZE,
    ) -> "Encoder":
        """The encoder called `name`.

        `tiny`, which ships with the package; `pixels`; a folder that holds `open_clip_config.json` and weights; `timm:NAME[@FILE.safetensors][?key=value&...]`;
        `hf-hub:ORG/REPO`; or an open_clip `MODEL/PRETRAINED` such as `ViT-B-16/openai`. `auto` takes the GPU where there
        is one, and bf16 weights there, fp32 on a CPU. There the runtime `auto` is ONNX Runtime for encoders that have graphs beside
        their weights (`tiny`, and what `train` exports), else torch; `onnx` and `openvino` make the graphs once and keep them.
        `compiled` is torch by `torch.compile`, for `batch_size` pictures at a time on a GPU (`encoders.compiled`).

        Raises EncoderError where there is no such encoder or its weights or its runtime cannot be had.

        >>> Encoder.load("pixels").card.dim
        960
        """
        if name.partition(":")[0] not in KINDS:
            check_name(name)
        with step(f"loading the encoder {name}"):
            encoder = _by_runtime(name, device=device, precision=precision, runtime=runtime)
            if encoder is None:
                scheme = name.partition(":")[0]
                encoder = _plugin(KINDS.get(scheme, OTHERS)).load(name, device=device, precision=precision)
            if runtime == "compiled":
                encoder = _plugin(COMPILED).compiled(encoder, batch_size)
        logger.info("encoder %s: %d numbers a vector, %s", encoder.card.name, encoder.card.dim, encoder.transform)
        return encoder

    @staticmethod
    def of(
        card: EncoderCard,
        name: str | None = None,
        *,
        device: Device = "auto",
        precision: Precision = "auto",
        runtime: Runtime = "auto",
        batch_size: int = BATCH_SIZE,
    ) -> "Encoder":
        """The encoder that a card names, or another, such that its vectors may stand beside those of the card.

        So the precision `auto` is the card's; and the runtime `auto`, where its vectors are not those of torch. The caller
        compares the cards. Raises EncoderError as `load` does.

        >>> Encoder.of(Encoder.load("pixels").card).card.name
        'pixels'
        """
        if precision == "auto":
            precision = card.precision or "auto"
        if runtime == "auto" and card.runtime in get_args(Runtime):
            runtime = cast(Runtime, card.runtime)
        return Encoder.load(
            name or card.name, device=device, precision=precision, runtime=runtime, batch_size=batch_size
        )


def _by_runtime(name: str, *, device: Device, precision: Precision, runtime: Runtime) -> Encoder | None:
    """The encoder by a runtime other than torch; None where it is for its own kind to load."""
    if runtime not in get_args(Runtime):
        raise EncoderError(f"runtime {runtime!r} is not known: use one of {', '.join(get_args(Runtime))}")
    if name == "pixels" and runtime != "auto":
        raise EncoderError("pixels has no weights and is computed by NumPy: leave out the runtime")
    if name == "pixels" or runtime in ("torch", "compiled"):
        return None
    found = _plugin(ON_CPU).load(name, device=device, precision=precision, runtime=runtime)
    return cast(Encoder | None, found)


def _plugin(file: str) -> Any:
    """A file of `encoders/`; each kind has `load(name, *, device, precision) -> Encoder`."""
    return importlib.import_module(f"cladescope.embedding.encoders.{file}")
