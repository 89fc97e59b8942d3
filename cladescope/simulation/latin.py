"""Latin-sounding names for simulated taxa, and common names for some of their species.

Taxa above the genus take the stem of their first genus and the ending of their rank; a genus name is used
once, so every taxon has a name of its own. No name is meant to be a real one.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from cladescope.simulation.drawing import describe

_ANIMALS = ("alia", "ozoa", "ata", "iformes", "idae")
_PLANTS = ("antae", "ophyta", "opsida", "ales", "aceae")
_ONSETS = (*"bcdfglmnprstvxz", "br", "cl", "cr", "dr", "fl", "gl", "gr", "pl", "pr", "st", "th", "tr")
_VOWELS = (*"aeiouaeio", "ae")
_MIDDLES = (*"bdfglmnprstv", "ct", "ll", "nd", "nt", "rd", "rm", "ss", "st")
_FINALS = tuple("dlmnrtv")
_GENUS_ENDINGS = ("a", "us", "um", "is", "ops", "ella", "ia", "inus")
_AGREEING = {"a": "a", "us": "us", "um": "um", "ella": "a", "ia": "a", "inus": "us"}
_EPITHET_ENDINGS = ("", "", "", "at", "ens", "ic", "in")
_NOUN_STARTS = ("lantern", "velvet", "mud", "moss", "star", "silk", "thorn", "ember", "dew", "reed", "glass")
_NOUN_ENDS = ("wing", "back", "fin", "crawler", "dancer", "skimmer", "tail", "foot", "drifter", "bud")
_MODIFIERS = ("", "lesser ", "greater ", "northern ", "southern ", "dwarf ", "giant ", "shy ")
_SHARE_WITH_COMMON_NAME = 0.6


def name_clades(lineages: Int[np.ndarray, "species ranks"], rng: np.random.Generator) -> tuple[tuple[str, ...], ...]:
    """Seven names for each species, from kingdom to binomial.

    Row i of `lineages` holds the nodes that stand for the six ranks above species i, kingdom first; the
    species of a node are consecutive rows. Every other kingdom is named like plants.

    >>> name_clades(np.array([[0, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1]]), np.random.default_rng(0))
    (('...alia', '...ozoa', '...ata', '...iformes', '...idae', '...', '... ...'), (...))
    """
    assert lineages.shape[1] == len(_ANIMALS) + 1
    names: list[dict[int, str]] = [{} for _ in range(lineages.shape[1])]
    stems: set[str] = set()
    stem = ending = ""
    taken: set[str] = set()
    taxa = []
    for path in lineages.tolist():
        if path[-1] not in names[-1]:
            stem = _fresh_stem(stems, rng)
            ending = _pick(_GENUS_ENDINGS, rng)
            names[-1][path[-1]] = (stem + ending).capitalize()
            taken = set()
        kingdoms = names[0]
        kingdoms.setdefault(path[0], (stem + (_PLANTS if len(kingdoms) % 2 else _ANIMALS)[0]).capitalize())
        endings = _ANIMALS if kingdoms[path[0]].endswith(_ANIMALS[0]) else _PLANTS
        for rank in range(1, len(endings)):
            names[rank].setdefault(path[rank], (stem + endings[rank]).capitalize())
        epithet = _fresh_epithet(taken, ending, rng)
        above = tuple(names[rank][node] for rank, node in enumerate(path))
        taxa.append((*above, f"{above[-1]} {epithet}"))
    return tuple(taxa)


def common_names(
    taxa: Sequence[tuple[str, ...]], traits: Float[np.ndarray, "species traits"], *, rng: np.random.Generator
) -> tuple[str, ...]:
    """A common name for about six species in ten, the empty string for the others.

    It says what the species looks like and shares its noun with the family: "lesser banded teal mosswing". No
    two species have the same one.

    >>> taxa = name_clades(np.array([[0] * 6] * 4), np.random.default_rng(0))
    >>> common_names(taxa, np.zeros((4, 23)), rng=np.random.default_rng(1))
    ('', '', 'banded amber silkskimmer', 'lesser banded amber silkskimmer')
    """
    nouns: dict[str, str] = {}
    taken = {""}
    names = []
    for taxon, row in zip(taxa, traits, strict=True):
        noun = nouns.setdefault(taxon[4], _pick(_NOUN_STARTS, rng) + _pick(_NOUN_ENDS, rng))
        name = ""
        if rng.random() < _SHARE_WITH_COMMON_NAME:
            plain = f"{describe(row)} {noun}"
            name = next((word + plain for word in _MODIFIERS if word + plain not in taken), "")
        taken.add(name)
        names.append(name)
    return tuple(names)


def _pick(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


def _syllable(rng: np.random.Generator) -> str:
    return _pick(_ONSETS, rng) + _pick(_VOWELS, rng)


def _fresh_stem(taken: set[str], rng: np.random.Generator) -> str:
    """Two syllables and a consonant, or more where those are used up; added to `taken`."""
    stem = _syllable(rng) + _pick(_MIDDLES, rng) + _pick(_VOWELS, rng) + _pick(_FINALS, rng)
    while stem in taken:
        stem = _syllable(rng) + stem
    taken.add(stem)
    return stem


def _fresh_epithet(taken: set[str], genus_ending: str, rng: np.random.Generator) -> str:
    """An adjective that agrees with the genus in gender; added to `taken`."""
    stem = _syllable(rng) + _pick(_FINALS, rng) + _pick(_EPITHET_ENDINGS, rng)
    epithet = stem + _AGREEING.get(genus_ending, "is")
    while epithet in taken:
        epithet = _syllable(rng) + epithet
    taken.add(epithet)
    return epithet
