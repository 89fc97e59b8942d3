"""A trait vector drawn as a picture of an individual lying on some ground.

Pillow fills the polygons of `cladescope.simulation.silhouette` at twice the size; NumPy adds pattern, relief and light.
Which species exist, and where pictures are kept, is the business of `cladescope.simulation`.
"""

import colorsys
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, UInt8
from PIL import Image, ImageDraw, ImageFilter

from cladescope.simulation.silhouette import TRAITS, Silhouette, radial_symmetry, silhouette, squashed

_BODY, _WING, _LIMB = (255, 0, 0), (0, 255, 0), (0, 0, 255)
_ANGLE = np.linspace(0, 2 * math.pi, 24, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLE), np.sin(_ANGLE)], axis=1)
_TWICE = np.arange(0, 48, 2) % 24
_LEAF = _CIRCLE * np.stack([np.ones(24), np.abs(_CIRCLE[:, 1]) ** 0.6], axis=1)
_MIDRIB = np.array([[-1.3, 0.0], [1.0, 0.0]])
_HUE_WORDS = ("crimson", "amber", "golden", "green", "teal", "azure", "violet", "rosy")


class _Pose(NamedTuple):
    """Where the organism lies: pixels are `centre + matrix @ point`."""

    matrix: Float[np.ndarray, "2 2"]
    centre: Float[np.ndarray, " 2"]
    scale: float


def draw_picture(
    traits: Float[np.ndarray, " traits"],
    rng: np.random.Generator,
    *,
    size: int,
    clutter: float = 1.0,
    variation: float = 0.05,
) -> UInt8[np.ndarray, "size size 3"]:
    """Draw one individual of a species whose traits, in the order of `TRAITS`, are given.

    `size` is in pixels a side, at least 32; `clutter` scales the number of leaves and pebbles (0: none). The
    individual differs from its species by `variation` (a standard deviation) in each trait; pose, light and
    ground come from `rng` alone and tell nothing of the species. Takes about 100 bytes a pixel.

    >>> draw_picture(np.zeros(len(TRAITS)), np.random.default_rng(0), size=64).shape
    (64, 64, 3)
    """
    assert traits.shape == (len(TRAITS),)
    assert size >= 32
    own = traits + variation * rng.standard_normal(len(TRAITS))
    look = dict(zip(TRAITS, own.tolist(), strict=True))
    light = rng.uniform(0, 2 * math.pi)
    form = silhouette(look)
    pose = _pose(form, rng, size)
    toward = np.array([math.cos(light), math.sin(light)])
    canvas = _ground(rng, size, clutter)
    canvas *= _shadow(form, pose, toward, size)
    _paint(canvas, look, form, pose, toward)
    _eyes(canvas, look, form, pose)
    exposure = rng.uniform(0.82, 1.15) * (1 + rng.uniform(-0.06, 0.06, 3))
    picture = np.empty((size, size, 3), dtype=np.uint8)
    for channel, plane in enumerate(canvas):
        plane *= np.float32(exposure[channel])
        picture[..., channel] = np.clip(plane, 0, 255, out=plane)
    return picture


def describe(traits: Float[np.ndarray, " traits"]) -> str:
    """Two words for what a species looks like: its pattern and its colour.

    >>> describe(np.zeros(len(TRAITS)))
    'banded amber'
    """
    look = dict(zip(TRAITS, traits.tolist(), strict=True))
    kind = "spotted" if look["pattern_kind"] > 0 else "banded"
    pattern = "plain" if look["pattern_strength"] < -0.8 else kind
    return f"{pattern} {_HUE_WORDS[round(_hue(look) * len(_HUE_WORDS)) % len(_HUE_WORDS)]}"


def _hue(look: dict[str, float]) -> float:
    return (0.09 + 0.24 * look["hue"]) % 1.0


def _pose(form: Silhouette, rng: np.random.Generator, size: int) -> _Pose:
    """Turn, flip, scale and place the organism so that all of it is in the picture."""
    everything = np.concatenate([form.outline, *form.limbs, *form.wings])
    middle = 0.5 * (everything.min(axis=0) + everything.max(axis=0))
    extent = float(np.linalg.norm(everything - middle, axis=1).max())
    fill = rng.uniform(0.7, 0.92)
    scale = 0.5 * size * fill / extent
    turn = rng.uniform(0, 2 * math.pi)
    flip = 1.0 if rng.random() < 0.5 else -1.0
    c, s = math.cos(turn), math.sin(turn)
    matrix = scale * np.array([[c, -s * flip], [s, c * flip]])
    room = max(0.5 * size * (1 - fill) - 1.5, 0.0)
    centre = 0.5 * size + room * rng.uniform(-1, 1, 2) - matrix @ middle
    return _Pose(matrix, centre, scale)


def _shadow(
    form: Silhouette, pose: _Pose, toward: Float[np.ndarray, " 2"], size: int
) -> Float32[np.ndarray, "size size"]:
    """Share of the light that reaches the ground under the organism; made at a quarter of the size."""
    quarter = -(-size // 4)
    image = Image.new("L", (quarter, quarter))
    pen = ImageDraw.Draw(image)
    for polygon in (*form.wings, *form.limbs, form.outline):
        pixels = 0.25 * (polygon @ pose.matrix.T + pose.centre - 0.03 * size * toward)
        pen.polygon(pixels.ravel().tolist(), fill=128)
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(0.03 * quarter)))
    return _doubled(_doubled(1 - soft * np.float32(1 / 255)))[:size, :size]


def _paint(
    canvas: Float32[np.ndarray, "3 size size"],
    look: dict[str, float],
    form: Silhouette,
    pose: _Pose,
    toward: Float[np.ndarray, " 2"],
) -> None:
    """Paint limbs, wings and body over the ground, in place."""
    size = canvas.shape[1]
    layers = [(wing, _WING) for wing in form.wings] + [(limb, _LIMB) for limb in form.limbs]
    polygons = [(shape @ pose.matrix.T + pose.centre, part) for shape, part in [*layers, (form.outline, _BODY)]]
    corners = np.concatenate([polygon for polygon, _ in polygons])
    x0, y0 = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 2, 0).tolist()
    x1, y1 = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 3, size).tolist()
    parts = Image.new("RGB", (2 * (x1 - x0), 2 * (y1 - y0)))
    pen = ImageDraw.Draw(parts)
    for polygon, part in polygons:
        pen.polygon((2 * (polygon - (x0, y0))).ravel().tolist(), fill=part)
    body, wings, limbs = (np.asarray(band, dtype=np.float32) * np.float32(1 / 255) for band in parts.reduce(2).split())
    total = body + wings + limbs

    back = np.linalg.inv(pose.matrix).astype(np.float32)
    px = np.arange(x0 + 0.5, x1 + 1, 2, dtype=np.float32) - np.float32(pose.centre[0])
    py = (np.arange(y0 + 0.5, y1 + 1, 2, dtype=np.float32) - np.float32(pose.centre[1]))[:, None]
    u, v = back[0, 0] * px + back[0, 1] * py, np.abs(back[1, 0] * px + back[1, 1] * py)
    markings, grain = _pattern(look, u, v)
    pattern = np.clip(_doubled(markings)[: y1 - y0, : x1 - x0], 0, 1)
    pattern *= np.float32(min(max(squashed(look["pattern_strength"], -0.35, 1.15), 0.0), 1.0))
    mark = pattern * (body + np.float32(0.65) * wings + np.float32(0.3) * limbs)
    mark += (1 - mark) * (np.float32(0.55) * wings)
    shade, gloss = _relief(total, grain, look, toward=toward, size=size)
    shade *= 1 - np.float32(0.35) * limbs
    first, second = _colours(look)
    for channel, plane in enumerate(canvas[:, y0:y1, x0:x1]):
        painted = mark * (second[channel] - first[channel])
        painted += first[channel]
        painted *= shade
        painted += gloss
        painted -= plane
        painted *= total
        plane += painted


def _relief(
    total: Float32[np.ndarray, "h w"],
    grain: Float32[np.ndarray, "h2 w2"],
    look: dict[str, float],
    *,
    toward: Float[np.ndarray, " 2"],
    size: int,
) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
    """Shade (a factor) and gloss (added) of a rounded body lit from one side; made at half the size."""
    height, width = total.shape
    silhouette = Image.fromarray((total * np.float32(255)).astype(np.uint8)).reduce(4)
    blurred = np.asarray(silhouette.filter(ImageFilter.GaussianBlur(0.005 * size)))
    soft = _doubled(np.pad(blurred * np.float32(1 / 255), 1, mode="edge"))[
        1 : grain.shape[0] + 3, 1 : grain.shape[1] + 3
    ]
    slope = (soft[1:-1, 2:] - soft[1:-1, :-2]) * np.float32(0.005 * size * toward[0])
    slope += (soft[2:, 1:-1] - soft[:-2, 1:-1]) * np.float32(0.005 * size * toward[1])
    shade = grain * (np.float32(0.62) + np.float32(0.42) * soft[1:-1, 1:-1] - np.float32(1.1) * slope)
    gloss = np.maximum(-slope - np.float32(0.12), 0) * np.float32(squashed(look["texture"], 420.0, 60.0))
    return _doubled(shade)[:height, :width], _doubled(gloss)[:height, :width]


def _doubled(plane: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h2 w2"]:
    """Twice as high and wide, bilinear; much quicker than resizing with Pillow."""
    quarter = np.float32(0.25)
    height, width = plane.shape
    step = quarter * (plane[1:] - plane[:-1])
    tall = np.empty((2 * height, width), dtype=np.float32)
    tall[::2] = tall[1::2] = plane
    tall[2::2] -= step
    tall[1:-1:2] += step
    step = quarter * (tall[:, 1:] - tall[:, :-1])
    wide = np.empty((2 * height, 2 * width), dtype=np.float32)
    wide[:, 0], wide[:, -1] = tall[:, 0], tall[:, -1]
    wide[:, 2::2] = tall[:, 1:] - step
    wide[:, 1:-1:2] = tall[:, :-1] + step
    return wide


def _rgb(hue: float, lightness: float, saturation: float) -> Float32[np.ndarray, " 3"]:
    return 255 * np.array(colorsys.hls_to_rgb(hue % 1.0, lightness, saturation), dtype=np.float32)


def _colours(look: dict[str, float]) -> tuple[Float32[np.ndarray, " 3"], Float32[np.ndarray, " 3"]]:
    """Colour of the body and of its markings."""
    lightness = squashed(look["lightness"], 0.2, 0.72)
    other = lightness + squashed(look["contrast"], -0.5, 0.5)
    first = _rgb(_hue(look), lightness, 0.62)
    second = _rgb(_hue(look) + 0.16 * look["second_hue"] + 0.08, min(max(other, 0.08), 0.92), 0.55)
    return first, second


def _pattern(
    look: dict[str, float], u: Float32[np.ndarray, "h w"], v: Float32[np.ndarray, "h w"]
) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
    """Markings (present above 1, absent below 0) and grain (about 1) at body coordinates (u, v).

    Bands, rings, spots and all between; `v` is positive, so that both flanks look alike.
    """
    radial = radial_symmetry(look)
    k = np.float32(2 * math.pi * squashed(look["pattern_scale"], 3.2, 0.9))
    tilt = squashed(look["pattern_direction"], -0.2, math.pi / 2 + 0.2)
    line = np.float32((1 - radial) * math.cos(tilt)) * u + np.float32((1 - radial) * math.sin(tilt)) * v
    line += np.float32(radial) * np.sqrt(u * u + v * v)
    line *= k
    bands = np.sin(line + np.float32(0.7) * np.sin(3 * v))
    spots = np.cos(k * u) + np.cos(k * v + np.float32(0.8)) - np.float32(0.5)
    blend = np.float32(squashed(2.2 * look["pattern_kind"], 0.0, 1.0))
    markings = (1 - blend) * bands + blend * spots
    grain = np.cos(34 * u) - np.cos(20 * v)
    rough = np.float32(squashed(look["texture"], 0.0, 0.1))
    return np.float32(2.2) * markings + np.float32(0.2), 1 + rough * grain


def _eyes(canvas: Float32[np.ndarray, "3 size size"], look: dict[str, float], form: Silhouette, pose: _Pose) -> None:
    """Two eyes at the head, close together at the middle of a radial body; anti-aliased discs, in place."""
    size = canvas.shape[1]
    radius = pose.scale * squashed(look["eye_size"], 0.03, 0.15)
    for x, y in (form.eyes @ pose.matrix.T + pose.centre).tolist():
        left, right = max(int(x - radius) - 1, 0), min(int(x + radius) + 3, size)
        top, bottom = max(int(y - radius) - 1, 0), min(int(y + radius) + 3, size)
        across = np.arange(left, right, dtype=np.float32) - np.float32(x)
        down = (np.arange(top, bottom, dtype=np.float32) - np.float32(y))[:, None]
        distance = np.sqrt(across * across + down * down)
        glint = np.hypot(across + np.float32(0.3 * radius), down + np.float32(0.3 * radius))
        white, pupil = _disc(distance, radius), _disc(distance, 0.66 * radius)
        colour = 242 - 224 * pupil * (1 - _disc(glint, 0.22 * radius))
        window = canvas[:, top:bottom, left:right]
        window += (colour - window) * white


def _disc(distance: Float32[np.ndarray, "h w"], radius: float) -> Float32[np.ndarray, "h w"]:
    return np.clip(np.float32(radius + 0.5) - distance, 0, 1)


def _ground(rng: np.random.Generator, size: int, clutter: float) -> Float32[np.ndarray, "3 size size"]:
    """Soil, sand or water with leaves and pebbles; made at half the size, so a little out of focus."""
    half = -(-size // 2)
    base = _rgb(rng.uniform(0, 1), rng.uniform(0.3, 0.75), rng.uniform(0.04, 0.28))
    far = _rgb(rng.uniform(0, 1), rng.uniform(0.3, 0.75), rng.uniform(0.04, 0.28))
    ramp = np.linspace(0, rng.uniform(0.2, 0.7), 12)[:, None, None]
    coarse = base + (far - base) * ramp + rng.normal(0, 7, (12, 12, 1))
    patch = Image.fromarray(np.clip(coarse, 0, 255).astype(np.uint8))
    image = patch.resize((half + 1, half + 1), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.poisson(9 * clutter))):
        _litter(pen, rng, half)
    amount = np.float32(rng.uniform(0.02, 0.1))
    grain = (rng.integers(0, 256, (half + 1, half + 1), dtype=np.uint8) - np.float32(128)) * amount
    canvas = np.empty((3, size, size), dtype=np.float32)
    for channel, band in enumerate(image.split()):
        sharp = np.asarray(band) + grain
        rows = sharp[1:] + sharp[:-1]
        canvas[channel] = _doubled(np.float32(0.25) * (rows[:, 1:] + rows[:, :-1]))[:size, :size]
    return canvas


def _litter(pen: ImageDraw.ImageDraw, rng: np.random.Generator, size: int) -> None:
    """One leaf (pointed, with a midrib) or pebble (rounded, with a lighter side)."""
    kind, reach, turn, x, y, hue, light, dull, wide, skew = rng.random(10).tolist()
    c, s = math.cos(2 * math.pi * turn), math.sin(2 * math.pi * turn)
    matrix = size * (0.05 + 0.12 * reach) * np.array([[c, s], [-s, c]])
    if kind < 0.55:
        leaf = _LEAF * (1.0, 0.3 + 0.2 * wide)
        hue, light, saturation = 0.05 + 0.31 * hue, 0.22 + 0.28 * light, 0.25 + 0.3 * dull
        pieces = [(leaf, light), (leaf[:13], light + 0.07), (_MIDRIB, light - 0.1)]
    else:
        light, saturation = 0.3 + 0.4 * light, 0.03 + 0.17 * dull
        pebble = (_CIRCLE + 0.1 * skew * _CIRCLE[_TWICE]) * (0.62, 0.4 + 0.2 * wide)
        pieces = [(pebble + 0.07, light - 0.15), (pebble, light), (0.6 * pebble - 0.1, light + 0.06)]
    for piece, lightness in pieces:
        red, green, blue = colorsys.hls_to_rgb(hue, max(lightness, 0.05), saturation)
        colour = (int(255 * red), int(255 * green), int(255 * blue))
        pixels = (piece @ matrix + (size * x, size * y)).ravel().tolist()
        pen.polygon(pixels, fill=colour, outline=colour if piece is _MIDRIB else None)
