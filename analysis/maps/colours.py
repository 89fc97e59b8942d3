"""Colours of taxa: related taxa have related hues, and neighbours in that order differ in lightness."""

from collections.abc import Mapping

import numpy as np

LIGHTNESS = (0.50, 0.80, 0.65)
CHROMA = 0.13


def taxon_colours(sizes: Mapping[tuple[str, ...], int]) -> dict[tuple[str, ...], str]:
    """A colour, as #rrggbb, for each lineage (names from the kingdom down).

    The hue circle is dealt out in the order of the tree, a share a taxon by the square root of its pictures, as Tree
    Colors deals it (Tennekes and de Jonge 2014, IEEE TVCG 20); here in OKLCH (Ottosson 2020), the gaps of the levels
    left out, and lightness in turn, so that neighbours are told apart without hue.

    >>> taxon_colours({("Animalia",): 9, ("Plantae",): 9})
    {('Animalia',): '#...', ('Plantae',): '#...'}
    """
    order = sorted(sizes)
    shares = np.sqrt([float(sizes[lineage]) for lineage in order])
    middles = (np.cumsum(shares) - shares / 2) / shares.sum() if order else shares
    return {
        lineage: _hex(LIGHTNESS[place % len(LIGHTNESS)], CHROMA, 2 * np.pi * float(middles[place]))
        for place, lineage in enumerate(order)
    }


def _hex(lightness: float, chroma: float, hue: float) -> str:
    """OKLCH to sRGB; what lies outside the gamut is cut."""
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = np.array(
        [
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        ]
    ).clip(0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(255 * value):02x}" for value in encoded)
