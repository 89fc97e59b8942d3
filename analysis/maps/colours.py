"""Colours of taxa: related taxa have related hues, and neighbours in that order differ in lightness."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

LIGHTNESS = {False: (0.48, 0.76, 0.62), True: (0.54, 0.82, 0.68)}
"""In turn, on white and on a dark page: each stands at least 2 to 1 against white and dark, the second 3 to 1 against dark."""
CHROMA = 0.12
SHOWN = 20
"""Taxa that have a name, a marker and a line of the legend; further ones have a colour and a line together."""
GREY = "#9a9a9a"
"""Of pictures that have no value, and of nothing else."""
Lineage = tuple[str, ...]


@dataclass(frozen=True)
class Colouring:
    """The colours of a map's pictures."""

    sizes: Counter[Lineage]
    """Pictures of each taxon; those without a value are not counted."""
    largest: tuple[Lineage, ...]
    """Taxa that are named, the largest first."""
    colours: dict[Lineage, str]
    """Of every taxon."""

    @property
    def n_further(self) -> int:
        """Pictures of taxa that have a colour and no name of their own."""
        return self.sizes.total() - sum(self.sizes[lineage] for lineage in self.largest)

    def further(self, rank: str) -> str:
        """The line of the legend for the taxa that are not named there."""
        return f"{len(self.sizes) - len(self.largest):,} more of {rank}"


def colouring(lineages: Sequence[Lineage | None], most: int = SHOWN, *, dark: bool = False) -> Colouring:
    """Colours for all lineages, on white or for a `dark` page alone; the `most` largest are named, and keep clear of each other's colours before all others.

    >>> found = colouring([("A",), ("A",), ("B",), None], 1)
    >>> found.largest, found.n_further, len(found.colours), found.further("kingdom")
    ((('A',),), 1, 2, '1 more of kingdom')
    """
    return colouring_of(Counter(lineage for lineage in lineages if lineage is not None), most, dark=dark)


def colouring_of(sizes: Counter[Lineage], most: int = SHOWN, *, dark: bool = False) -> Colouring:
    """As `colouring`, of the number of pictures of each lineage."""
    largest = sorted(sizes, key=lambda lineage: (-sizes[lineage], lineage))[:most]
    named = taxon_colours({lineage: sizes[lineage] for lineage in largest}, dark=dark)
    others = taxon_colours({lineage: size for lineage, size in sizes.items() if lineage not in named}, dark=dark)
    return Colouring(sizes, tuple(largest), named | others)


def taxon_colours(sizes: Mapping[tuple[str, ...], int], *, dark: bool = False) -> dict[tuple[str, ...], str]:
    """A colour, as #rrggbb, for each lineage (names from the kingdom down).

    The hue circle is dealt out in the order of the tree, a share a taxon by the square root of its pictures, as Tree
    Colors deals it (Tennekes and de Jonge 2014, IEEE TVCG 20); here in OKLCH (Ottosson 2020), the gaps of the levels
    left out, and lightness in turn, so that neighbours are told apart without hue.

    >>> taxon_colours({("Animalia",): 9, ("Plantae",): 9})
    {('Animalia',): '#...', ('Plantae',): '#...'}
    """
    order = sorted(sizes)
    shares = np.sqrt(np.array([float(sizes[lineage]) for lineage in order]))
    middles = (np.cumsum(shares) - shares / 2) / shares.sum() if order else shares
    lightness = np.resize(LIGHTNESS[dark], len(order))
    return dict(zip(order, _hex(lightness, CHROMA, 2 * np.pi * middles), strict=True))


def _hex(lightness: Float[np.ndarray, " n"], chroma: float, hue: Float[np.ndarray, " n"]) -> list[str]:
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
    red, green, blue = np.rint(255 * encoded).astype(int).tolist()
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in zip(red, green, blue, strict=True)]
