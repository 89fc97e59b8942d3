"""`pixels`: colour and gradient histograms. The baseline without weights that every encoder should beat."""

import hashlib
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32, Int32, UInt8

from cladescope.arrays import blocks, normalise
from cladescope.embedding.encoder import Device, Encoder, EncoderCard, Precision
from cladescope.embedding.transform import ImageTransform
from cladescope.errors import EncoderError

SIDE = 128
COARSE = (4, 4, 4)
"""Levels of grey, red-green and yellow-blue in the colour words of a picture's quarters: 64 words."""
FINE = (4, 8, 8)
"""The same in the words of its middle: 256 words."""
MIDDLE = 0.4
"""Spread of the middle, as a part of half a side; the rest is the margin."""
MARGIN_WEIGHT = 0.7
ORIENTATIONS = 8
GRID = 4
"""Gradients are counted in a GRID x GRID net of cells."""
STRENGTHS = 4
"""Levels of gradient strength in the picture-wide histogram of orientation and strength."""
STEPS = 511
"""Values that a difference of two grey levels can have."""
CHUNK = 8
"""Pictures computed at a time, so that what is computed stays in the processor's cache."""
DIM = 2 * 256 + 4 * 64 + GRID**2 * ORIENTATIONS + 2 * ORIENTATIONS * STRENGTHS


class Pixels(Encoder):
    """Five histograms of a picture squashed to 128 x 128, each square-rooted and of equal weight; 960 numbers.

    Colour words (opponent colours) of the middle, under a Gaussian window; those that the middle has more of than the
    margin, a crude figure from its ground; those of each quarter. Strength-weighted gradient orientations over a 4 x 4
    net (Dalal & Triggs 2005, Histograms of Oriented Gradients, https://doi.org/10.1109/CVPR.2005.177, without overlapping
    blocks); and 16 orientations by 4 strengths over the whole picture. The square root makes the scalar product a
    Hellinger affinity (Arandjelovic & Zisserman 2012, Three things everyone should know,
    https://doi.org/10.1109/CVPR.2012.6248018).
    """

    def __init__(self) -> None:
        recipe = f"pixels 1: {SIDE} {COARSE} {FINE} {MIDDLE} {MARGIN_WEIGHT} {ORIENTATIONS} {GRID} {STRENGTHS}"
        self.card = EncoderCard(
            name="pixels",
            dim=DIM,
            weight_hash=hashlib.sha256(recipe.encode()).hexdigest(),
            transform=ImageTransform(
                size=SIDE, resize="squash", interpolation="bilinear", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)
            ),
            has_text=False,
            pooling="histograms",
            projection="none",
            layers="none",
            precision="fp32",
        )

    def encode_pixels(self, batch: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"]:
        """Histograms of pictures of 128 x 128; unit length, no entry negative."""
        chunks = [_histograms(batch[start:stop]) for start, stop in blocks(len(batch), size=CHUNK)]
        return normalise(np.concatenate(chunks)) if chunks else np.empty((0, DIM), np.float32)


def _histograms(batch: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"]:
    red, green, blue = (batch[..., channel].astype(np.int32) for channel in range(3))
    grey = (red + green + blue) // 3
    opponents = (grey, red - green + 128, (red + green) // 2 - blue + 128)
    fine, window = _words(opponents, FINE), _window()
    middle = _shares(_histogram(fine, cells=1, n_words=256, weights=window))
    margin = _shares(_histogram(fine, cells=1, n_words=256, weights=1 - window))
    figure = np.maximum(middle - MARGIN_WEIGHT * margin, 0)
    quarters = _histogram(_words(opponents, COARSE), cells=2, n_words=64)
    parts = (middle, figure, quarters, *_gradients(grey))
    return np.concatenate([np.sqrt(_shares(part)) for part in parts], axis=1).astype(np.float32)


def _shares(counts: Float[np.ndarray, "b words"]) -> Float[np.ndarray, "b words"]:
    shares: Float[np.ndarray, "b words"] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
    return shares


@lru_cache(maxsize=1)
def _window() -> Float32[np.ndarray, "h w"]:
    """Weight of each pixel in the middle: 1 at the centre, near 0 in the corners."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    window: Float32[np.ndarray, "h w"] = np.exp(-(x**2 + y**2) / (2 * MIDDLE**2)).astype(np.float32)
    return window


def _words(
    opponents: tuple[Int32[np.ndarray, "b h w"], ...], levels: tuple[int, int, int]
) -> Int32[np.ndarray, "b h w"]:
    """Colour word of each pixel: its levels in three opponent colours, each from 0 to 255 (and seldom beyond)."""
    word = np.zeros_like(opponents[0])
    for values, n in zip(opponents, levels, strict=True):
        word = word * n + np.clip(values * n // 256, 0, n - 1)
    return word


def _gradients(
    grey: Int32[np.ndarray, "b h w"],
) -> tuple[Float[np.ndarray, "b words"], Float[np.ndarray, "b more"]]:
    pair = np.full_like(grey, STEPS * 255 + 255)  # no gradient: that of the margin
    pair[:, 1:-1] += (grey[:, 2:] - grey[:, :-2]) * STEPS
    pair[:, :, 1:-1] += grey[:, :, 2:] - grey[:, :, :-2]
    strength, word = _gradient_tables()
    fine = word[pair]
    net = _histogram(fine // (2 * STRENGTHS), cells=GRID, n_words=ORIENTATIONS, weights=strength[pair])
    return net, _histogram(fine, cells=1, n_words=2 * ORIENTATIONS * STRENGTHS)


@lru_cache(maxsize=1)
def _gradient_tables() -> tuple[Float32[np.ndarray, " pairs"], Int32[np.ndarray, " pairs"]]:
    """Strength, and word of fine orientation and level of strength, of every pair of differences from -255 to 255."""
    dy, dx = np.mgrid[-255:256, -255:256].astype(np.float32)
    strength = np.hypot(dx, dy)
    turn = np.minimum((np.arctan2(dy, dx) / np.pi % 1.0 * 2 * ORIENTATIONS).astype(np.int32), 2 * ORIENTATIONS - 1)
    level = np.clip(np.log2(strength / 4 + 1), 0, STRENGTHS - 1).astype(np.int32)
    return strength.ravel(), (turn * STRENGTHS + level).ravel()


def _histogram(
    words: Int32[np.ndarray, "b h w"],
    *,
    cells: int,
    n_words: int,
    weights: Float32[np.ndarray, "... h w"] | None = None,
) -> Float[np.ndarray, "b cells_words"]:
    """Counts (or sums of weights) of each word in each cell of a `cells` x `cells` net; 12 b h w bytes."""
    b, h, w = words.shape
    cell = (np.arange(h)[:, None] * cells // h) * cells + np.arange(w)[None, :] * cells // w
    place = words + ((np.arange(b)[:, None, None] * cells**2 + cell) * n_words)
    flat = None if weights is None else np.broadcast_to(weights, words.shape).ravel()
    counts = np.bincount(place.ravel(), weights=flat, minlength=b * cells**2 * n_words)
    return counts.reshape(b, cells**2 * n_words).astype(np.float64)


def load(name: str, *, device: Device, precision: Precision) -> Encoder:
    """The baseline; it computes in fp32 on the CPU, and refuses to be asked for anything else."""
    assert name == "pixels"
    if device == "cuda" or precision == "bf16":
        raise EncoderError("encoder 'pixels' computes in fp32 on the CPU: leave device and precision out")
    return Pixels()
