"""The image transform that an encoder declares: how a picture becomes the square array it was trained on.

Holds the declaration and a reference that applies it, pixel for pixel as open_clip and timm do with Pillow.
It does not decode files (`cladescope.embedding.decode`) and knows no device: an encoder may normalise on its
own.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Literal, NamedTuple, cast, get_args

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from cladescope.embedding.declared import check_keys, colour, number, one_of, square_side, three_numbers, whole
from cladescope.embedding.resampling import Interpolation, resampled
from cladescope.errors import InputError

Resize = Literal["crop", "squash", "pad"]
Triple = tuple[float, float, float]

_OPEN_CLIP_RESIZE: Mapping[str, Resize] = {"shortest": "crop", "squash": "squash", "longest": "pad"}
_OPEN_CLIP_DEFAULTS: Mapping[str, object] = {
    "mode": "RGB",
    "mean": (0.48145466, 0.4578275, 0.40821073),
    "std": (0.26862954, 0.26130258, 0.27577711),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "fill_color": 0,
}
_TIMM_RESIZE: Mapping[str, Resize] = {"center": "crop", "squash": "squash", "border": "pad"}
_TIMM_KEYS = {"input_size", "interpolation", "mean", "std", "crop_pct", "crop_mode"}


class Placed(NamedTuple):
    """Where a resized picture stands in an encoder's square, in pixels."""

    resized: tuple[int, int]
    """Width and height that the picture is resized to."""
    window: tuple[int, int, int, int]
    """What is kept of that: left, top, right and bottom."""
    corner: tuple[int, int]
    """Where the left and the top of the window come to lie in the square."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTransform:
    """Geometry and normalisation that turn an RGB picture into an encoder's input.

    Raises InputError if a field has a value that cannot be used.

    >>> transform = ImageTransform(size=32, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    >>> print(transform)
    32 px, crop, bicubic
    >>> pixels = transform.apply(Image.new("RGB", (60, 40), "white"))
    >>> pixels.shape, pixels.dtype
    ((32, 32, 3), dtype('uint8'))
    >>> transform.normalise(pixels[None])[0, :, 0, 0]
    array([2., 2., 2.], dtype=float32)
    """

    size: int
    """Pixels of each side of the square that comes out."""
    resize: Resize = "crop"
    """`crop`: the shorter side is resized and the centre kept; `squash`: both sides are resized and the
    shape of the picture is lost; `pad`: the longer side is resized and the rest filled."""
    interpolation: Interpolation = "bicubic"
    """Pillow's filter, which always smooths when it reduces."""
    mean: Triple
    """What is subtracted from each colour, on a scale of 0 to 1."""
    std: Triple
    """What each colour is then divided by; positive."""
    crop_fraction: float = 1.0
    """Share of the resized side that the square keeps, in (0, 1]; timm calls it crop_pct."""
    fill: tuple[int, int, int] = (0, 0, 0)
    """Colour of padding, 0 to 255."""

    def __post_init__(self) -> None:
        one_of(get_args(Resize), self.resize, what="resize")
        one_of(get_args(Interpolation), self.interpolation, what="interpolation")
        checks = {
            "size": (self.size >= 1, "a positive number of pixels"),
            "mean": (all(map(math.isfinite, self.mean)), "numbers"),
            "std": (all(math.isfinite(one) and one > 0 for one in self.std), "positive numbers"),
            "crop_fraction": (0 < self.crop_fraction <= 1, "a number in (0, 1]"),
            "fill": (all(0 <= colour <= 255 for colour in self.fill), "numbers from 0 to 255"),
        }
        for name, (passed, expected) in checks.items():
            if not passed:
                raise InputError(f"{name} is {getattr(self, name)!r}, expected {expected}")

    @property
    def min_side(self) -> int:
        """Pixels that a picture's resized side has before the centre is kept; `decode` takes it to save work.

        Rounded down as timm does: 224 pixels with a crop fraction of 0.875 are cut from 256.

        >>> ImageTransform(size=224, mean=(0.5,) * 3, std=(0.5,) * 3, crop_fraction=0.875).min_side
        256
        """
        return int(self.size / self.crop_fraction)

    def apply(
        self, image: Image.Image, box: tuple[float, float, float, float] | None = None
    ) -> UInt8[np.ndarray, "size size 3"]:
        """Resize, then crop or pad to the square; nothing is normalised.

        The `box` (left, top, right, bottom, in pixels of the image) is what is taken of it; by default all. A picture that was decoded at
        a reduced scale gives its own (`decode.Picture.box`), so that it comes out as the whole one does.

        Raises InputError if the picture is not of mode RGB.
        """
        if image.mode != "RGB":
            raise InputError(f"picture of mode {image.mode}, expected RGB: decode it with embedding.decode")
        resized, window, (across, down) = self.placed(image.size if box is None else (box[2] - box[0], box[3] - box[1]))
        pixels = resampled(image, resized, window, self.interpolation, box)
        if pixels.shape[:2] == (self.size, self.size):
            return pixels
        square = np.empty((self.size, self.size, 3), np.uint8)
        square[:] = self.fill
        square[down : down + pixels.shape[0], across : across + pixels.shape[1]] = pixels
        return square

    def placed(self, size: tuple[int, int] | tuple[float, float]) -> Placed:
        """Where the pixels of a picture of this width and height come to stand.

        >>> ImageTransform(size=32, mean=(0.0,) * 3, std=(1.0,) * 3).placed((60, 40))
        Placed(resized=(48, 32), window=(8, 0, 40, 32), corner=(0, 0))
        """
        width, height = _resized(size, self.min_side, self.resize)
        left, top = _offset(width, self.size), _offset(height, self.size)
        window = (max(0, -left), max(0, -top), min(width, self.size - left), min(height, self.size - top))
        return Placed((width, height), window, (max(0, left), max(0, top)))

    def normalise(self, batch: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b 3 h w"]:
        """Pixels as float32 on a scale of 0 to 1, less the mean, over the std, colours first.

        Peak memory 24 b h w bytes beside the batch.
        """
        scaled = np.ascontiguousarray(batch.transpose(0, 3, 1, 2), dtype=np.float32)
        scaled /= np.float32(255)
        scaled -= np.array(self.mean, dtype=np.float32)[:, None, None]
        scaled /= np.array(self.std, dtype=np.float32)[:, None, None]
        return scaled

    def to_dict(self) -> dict[str, object]:
        """The declaration as JSON can hold it.

        >>> declared = ImageTransform(size=8, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)).to_dict()
        >>> declared["size"], declared["mean"]
        (8, [0.0, 0.0, 0.0])
        """
        values = asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "ImageTransform":
        """Read what `to_dict` wrote.

        Raises InputError for a key that is unknown or missing and for a value that cannot be used.
        """
        check_keys(values, {field.name for field in fields(cls)}, what="image transform")
        return cls(
            size=whole(values["size"], "size"),
            resize=cast(Resize, one_of(get_args(Resize), values["resize"], what="resize")),
            interpolation=_filter(values["interpolation"]),
            mean=three_numbers(values["mean"], "mean"),
            std=three_numbers(values["std"], "std"),
            crop_fraction=number(values["crop_fraction"], "crop_fraction"),
            fill=colour(values["fill"], "fill"),
        )

    @classmethod
    def from_open_clip(cls, preprocess_cfg: object) -> "ImageTransform":
        """Read open_clip's `model.visual.preprocess_cfg` or `PreprocessCfg`; what is left out has a default.

        Gives what `open_clip.image_transform(..., is_train=False)` gives for the same settings.

        Raises InputError for an unknown key and for a value that cannot be used, such as a size of 224 x 160.

        >>> print(ImageTransform.from_open_clip({"size": (224, 224), "resize_mode": "squash"}))
        224 px, squash, bicubic
        """
        given = preprocess_cfg
        if is_dataclass(given) and not isinstance(given, type):
            given = asdict(given)
        if not isinstance(given, Mapping):
            raise InputError(f"open_clip preprocess_cfg is {given!r}, expected a mapping")
        values = {**_OPEN_CLIP_DEFAULTS, **{key: value for key, value in given.items() if value is not None}}
        check_keys(values, {"size", *_OPEN_CLIP_DEFAULTS}, what="open_clip preprocess_cfg")
        if values["mode"] != "RGB":
            raise InputError(f"open_clip preprocess_cfg: mode is {values['mode']!r}, expected 'RGB'")
        # open_clip itself reads "random", which is meant for training, as bicubic
        interpolation = "bicubic" if values["interpolation"] == "random" else values["interpolation"]
        return cls(
            size=square_side(values["size"], "size"),
            resize=_translated(values["resize_mode"], _OPEN_CLIP_RESIZE, what="resize_mode"),
            interpolation=_filter(interpolation),
            mean=three_numbers(values["mean"], "mean"),
            std=three_numbers(values["std"], "std"),
            fill=colour(values["fill_color"], "fill_color"),
        )

    @classmethod
    def from_timm(cls, data_config: Mapping[str, object]) -> "ImageTransform":
        """Read what `timm.data.resolve_model_data_config(model)` gives.

        Gives what `timm.data.create_transform(**data_config)` gives; timm pads with the mean.

        Raises InputError for a key that is unknown or missing and for a value that cannot be used.
        """
        check_keys(data_config, _TIMM_KEYS, what="timm data config")
        size = data_config["input_size"]
        if not isinstance(size, list | tuple) or len(size) != 3 or size[0] != 3:
            raise InputError(f"timm data config: input_size is {size!r}, expected (3, size, size)")
        mean = three_numbers(data_config["mean"], "mean")
        red, green, blue = (round(255 * colour) for colour in mean)
        return cls(
            size=square_side(size[1:], "input_size"),
            resize=_translated(data_config["crop_mode"], _TIMM_RESIZE, what="crop_mode"),
            interpolation=_filter(data_config["interpolation"]),
            mean=mean,
            std=three_numbers(data_config["std"], "std"),
            crop_fraction=number(data_config["crop_pct"], "crop_pct"),
            fill=(red, green, blue),
        )

    def __str__(self) -> str:
        """Size, geometry and filter in a few words, such as `224 px, crop 0.875, bicubic`."""
        share = "" if self.crop_fraction == 1 else f" {self.crop_fraction:g}"
        return f"{self.size} px, {self.resize}{share}, {self.interpolation}"


def _resized(size: tuple[int, int] | tuple[float, float], side: int, resize: Resize) -> tuple[int, int]:
    """Width and height before cropping or padding; the libraries round down to crop, to nearest to pad."""
    width, height = size
    if resize == "squash":
        return side, side
    if resize == "crop":
        long = int(side * max(size) / min(size))
        return (side, long) if width <= height else (long, side)
    ratio = max(height / side, width / side)
    return max(1, round(width / ratio)), max(1, round(height / ratio))


def _offset(length: int, size: int) -> int:
    """Where `length` pixels start in the square: before it if they are cut, inside if they are padded."""
    return (size - length) // 2 if length < size else -round((length - size) / 2)


def _filter(value: object) -> Interpolation:
    """Name of one of Pillow's filters."""
    return cast(Interpolation, one_of(get_args(Interpolation), value, what="interpolation"))


def _translated(value: object, names: Mapping[str, Resize], *, what: str) -> Resize:
    """Our word for a library's."""
    return names[one_of(names, value, what=what)]
