"""The shape of a simulated organism: what its traits mean, and its outline and parts as polygons.

Everything is in the organism's own frame: the head towards +x, both flanks alike, a unit about half the
body's length. Every trait acts smoothly (a fourth pair of limbs grows out of the flank), so near species
look alike.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

TRAITS = (
    "aspect",
    "taper",
    "symmetry",
    "lobe_depth",
    "lobe_count",
    "limb_count",
    "limb_length",
    "limb_width",
    "limb_sweep",
    "wing_size",
    "wing_shape",
    "tail_length",
    "feeler_length",
    "hue",
    "lightness",
    "second_hue",
    "contrast",
    "pattern_kind",
    "pattern_strength",
    "pattern_scale",
    "pattern_direction",
    "eye_size",
    "texture",
)
"""What each number of a trait vector governs; 0 is the ancestor, 1 the spread of unrelated species."""

_OUTLINE_POINTS = 144
_MIRROR = np.array([1.0, -1.0])


class Silhouette(NamedTuple):
    """Polygons of an individual, one point (x, y) a row, in units of about half a body's length."""

    outline: Float[np.ndarray, "points 2"]
    """The body."""
    limbs: list[Float[np.ndarray, "_ 2"]]
    """Legs or arms, tail and feelers."""
    wings: list[Float[np.ndarray, "_ 2"]]
    """Wings, fins or petals; empty where there are none."""
    eyes: Float[np.ndarray, "eyes 2"]
    """Centres of the eyes."""


def squashed(value: float, low: float, high: float) -> float:
    """Squash a trait into (low, high), 0 to the middle; standard normal values spread about evenly.

    >>> squashed(0.0, 2.0, 9.0)
    5.5
    """
    return low + (high - low) / (1 + math.exp(-1.7 * value))


def radial_symmetry(look: dict[str, float]) -> float:
    """How radial the symmetry is: near 0 bilateral, near 1 radial.

    >>> [round(radial_symmetry({"symmetry": value}), 2) for value in (-1.0, 0.0, 2.0)]
    [0.0, 0.12, 1.0]
    """
    return 1 / (1 + math.exp(-4.5 * (look["symmetry"] - 0.45)))


def _step(value: float) -> tuple[int, float]:
    """Whole part of a count, and how far the next one has grown: mostly 0 or 1, rarely in between."""
    whole = math.floor(value)
    part = min(max((value - whole) * 3 - 1, 0.0), 1.0)
    return whole, part * part * (3 - 2 * part)


def silhouette(look: dict[str, float]) -> Silhouette:
    """Polygons of an organism with these traits (every name of `TRAITS` has a value).

    >>> len(silhouette(dict.fromkeys(TRAITS, 0.0)).wings)
    4
    """
    radial = radial_symmetry(look)
    outline = _outline(look, radial)
    reach = float(outline[:, 0].max())
    limbs = [*_limbs(look, radial), *_tail_and_feelers(look, radial, reach)]
    eye = np.array([0.74 * reach, 0.42 * float(np.interp(0.74, [0, 1], [outline[:, 1].max(), 0.1]))])
    eyes = np.array([eye, eye * [1, -1]]) * (1 - 0.6 * radial)
    return Silhouette(outline, limbs, _wings(look, radial), eyes)


def _outline(look: dict[str, float], radial: float) -> Float[np.ndarray, "points 2"]:
    angle = np.linspace(0, 2 * math.pi, _OUTLINE_POINTS, endpoint=False)
    along, across = np.cos(angle), np.sin(angle)
    depth = squashed(look["lobe_depth"], 0.0, 0.45)
    count, part = _step(squashed(look["lobe_count"], 2.0, 9.0))
    waves = (1 - part) * np.cos(count * angle) + part * np.cos((count + 1) * angle)
    segments = 1 + 0.5 * depth * np.cos(math.pi * (1 + 0.5 * (count + part)) * along)
    taper = 1 + squashed(look["taper"], -0.65, 0.65) * along
    width = squashed(look["aspect"], 0.75, 0.18) * taper * segments
    star = 0.78 * (1 + depth * waves) / (1 + 0.5 * depth)
    x = (1 - radial) * along + radial * star * along
    y = (1 - radial) * width * across + radial * star * across
    return np.stack([x, y], axis=1)


def _strip(
    start: Float[np.ndarray, " 2"], angle: float, *, length: float, curl: float, width: float, end: float
) -> Float[np.ndarray, "points 2"]:
    """Tapering curved strip; `curl` bends it sideways, `end` is its width at the tip relative to its root."""
    s = np.linspace(0, 1, 9)[:, None]
    ahead = np.array([math.cos(angle), math.sin(angle)])
    aside = np.array([-ahead[1], ahead[0]])
    middle = start + length * (s * ahead + curl * s * s * aside)
    tangent = ahead + 2 * curl * s * aside
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    half = 0.5 * width * (1 + (end - 1) * s) / np.linalg.norm(tangent, axis=1, keepdims=True)
    return np.concatenate([middle + half * normal, (middle - half * normal)[::-1]])


def _limbs(look: dict[str, float], radial: float) -> list[Float[np.ndarray, "_ 2"]]:
    """Pairs of limbs along the flanks, or arms all around; the last pair may be half grown."""
    whole, part = _step(max(squashed(look["limb_count"], -0.4, 6.4), 0.0))
    length = squashed(look["limb_length"], 0.25, 1.5)
    width = squashed(look["limb_width"], 0.05, 0.22)
    sweep = squashed(look["limb_sweep"], -0.7, 0.7)
    flank = 0.5 * squashed(look["aspect"], 0.75, 0.18)
    limbs = []
    for pair in range(whole + (part > 0)):
        grown = part if pair == whole else 1.0
        place = min((pair + 0.5) / max(whole + part, 1.0), 1.0)
        around = place * math.pi
        angle = (1 - radial) * (0.6 + 1.9 * place + 0.5 * sweep) + radial * around
        middle = np.array([math.cos(around), math.sin(around)])
        start = (1 - radial) * np.array([0.65 - 1.2 * place, flank]) + 0.4 * radial * middle
        limb = _strip(start, angle, length=grown * (0.35 + length), curl=0.6 * sweep, width=width, end=0.25)
        limbs += [limb, limb * _MIRROR]
    return limbs


def _wings(look: dict[str, float], radial: float) -> list[Float[np.ndarray, "_ 2"]]:
    """Two pairs of wings, fins or petals; none where the trait is low."""
    length = max(squashed(look["wing_size"], -0.9, 1.9), 0.0)
    if length < 0.05:
        return []
    shape = squashed(look["wing_shape"], 0.35, 0.95)
    angle = np.linspace(0, 2 * math.pi, 40)
    wings = []
    for spread, share, place in ((0.95, 1.0, 0.3), (2.05, 0.75, -0.1)):
        petal = np.stack([0.5 + 0.5 * np.cos(angle), 0.5 * shape * np.sin(angle) * (1 + 0.45 * np.cos(angle))], axis=1)
        turn = (1 - radial) * spread + radial * (0.25 * math.pi if spread < math.pi / 2 else 0.75 * math.pi)
        c, s = math.cos(turn), math.sin(turn)
        wing = share * length * petal @ np.array([[c, s], [-s, c]]) + np.array([place * (1 - radial), 0.05])
        wings += [wing, wing * _MIRROR]
    return wings


def _tail_and_feelers(look: dict[str, float], radial: float, reach: float) -> list[Float[np.ndarray, "_ 2"]]:
    tail = max(squashed(look["tail_length"], -0.5, 1.3), 0.0) * (1 - radial)
    feeler = max(squashed(look["feeler_length"], -0.5, 1.2), 0.0) * (1 - radial)
    parts = []
    if tail > 0.03:
        fan = 1.0 + 5.0 * max(math.tanh(look["taper"]), 0.0)
        root, width = np.array([-0.85, 0.0]), 0.16 * (1 - radial)
        parts.append(_strip(root, math.pi, length=0.15 + tail, curl=0.0, width=width, end=fan))
    if feeler > 0.03:
        strip = _strip(np.array([0.85 * reach, 0.08]), 0.35, length=feeler, curl=0.35, width=0.05, end=0.7)
        parts += [strip, strip * _MIRROR]
    return parts
