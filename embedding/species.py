"""The species of a row, and what its names say beside it: from the columns that may give it, each as people fill them.

What the words of a name mean is said by `cladescope.taxonomy.name_parser`; which column holds what by
`cladescope.embedding.columns`.
"""

import re
from dataclasses import replace
from functools import lru_cache
from typing import Final

from cladescope.taxonomy.name_parser import ParsedName, parse_name
from cladescope.taxonomy.spelling import fold, hybrid_signs, stored_name, tidy

_SIGN: Final = "× "
_ABBREVIATED: Final = re.compile(r"([A-Z][a-z]{0,2})\. (.+)")
_OF_NAME: Final = re.compile(r"[A-Z×]")
_NEEDS_PARSING: Final = re.compile(r"[\s?×]|^x[A-Z]")
_CITED: Final = re.compile(r"[.,(]")
"""What an author after the name of a higher rank holds: a year, an abbreviation, brackets."""
_PART_OF_GENUS: Final = re.compile(
    r"([A-Z][a-z-]+) (\((?:[a-z]+ ?)+\)|(?:sub)?(?:sect|gen|g|ser)(?:\.|tion|us|ies)? .+)"
)
"""A section or subgenus, or a remark in brackets, in the place of a species: `Amanita sect. Vaginatae`, `Quercus (hybrid)`."""
_DOUBTS: Final = ("cf", "aff", "?", "nr", "near")


def leaves_open(species: str, qualifier: str) -> bool:
    """Whether a qualifier that stands apart from the name, as in Darwin Core's `identificationQualifier`, leaves open which species it is.

    >>> [leaves_open("Carex flava", doubt) for doubt in ("cf.", "aff. flava", "?", "cf. var. alpina", "s.l.")]
    [True, True, True, False, False]
    """
    words = re.findall(r"[\w-]+", fold(qualifier))
    if words[:1] and words[0] in _DOUBTS:
        return len(words) == 1 or words[1] in fold(species).split()
    return "?" in qualifier


@lru_cache(maxsize=1 << 16)
def name_of_rank(written: str, rank: str) -> ParsedName:
    """The name in the column of a rank above the species: without author, `sp.` and `indet.`, and none where it is in doubt.

    Of a species in the column of genera the genus is taken, and its epithet is what stands beside it.

    >>> name_of_rank("Paridae Vigors, 1825", "family").name, name_of_rank("Amanita sp.", "genus").name
    ('Paridae', 'Amanita')
    >>> name_of_rank("cf. Amanita", "genus").name, name_of_rank("SAR group", "phylum").name
    (None, 'SAR group')
    >>> name_of_rank("Nomada vegana Cockerell", "genus").name, name_of_rank("Nomada vegana Cockerell", "genus").qualifier
    ('Nomada', 'vegana')
    """
    kept = ParsedName(written, name=stored_name(written, rank))
    if not _NEEDS_PARSING.search(written):
        return kept
    found = parse_name(stored_name(written, rank))
    if (found.qualifier or "").startswith(_DOUBTS):
        return replace(found, verbatim=written, name=None)
    if rank == "genus" and found.species and found.genus:
        about = found.species.removeprefix(found.genus).strip()
        return ParsedName(written, name=found.genus, authorship=found.authorship, qualifier=about)
    cited = found.authorship is None or _CITED.search(found.authorship)
    # A taxon with sp., a cultivar and a name with its author are names of one word; other texts are left as they are.
    if found.name is None or found.species or not cited or not written.startswith((found.name, "×", "x")):
        return kept
    return replace(found, verbatim=written, name=stored_name(found.name, rank))


def species_of(
    genus: str | None, species: str | None, epithet: str | None, scientific_name: str | None
) -> ParsedName | None:
    """What the clean values of a row's columns say of its species; None where they say nothing.

    The species column comes first, then genus and epithet, then the scientific name where it is of the same genus; what the
    scientific name says beside the same species (author, subspecies, doubt) is taken too. A lone epithet names no species.

    >>> species_of("Vanessa", None, "atalanta", "Vanessa atalanta (L., 1758)").authorship
    '(L., 1758)'
    >>> species_of("Amanita", "sp. 3", None, None).qualifier, species_of(None, "atalanta", None, None)
    ('sp. 3', None)
    """
    whole = _of_scientific_name(genus, scientific_name)
    found = _of_column(genus, species) or _of_column(genus, epithet)
    if found is None:
        return whole
    if whole is None or found.species is None or whole.is_plain:
        return found
    if whole.species is None:
        words = (whole.qualifier or "").split()
        about = f"{whole.genus} {words[-1]}" if words else ""
        return whole if fold(about) == fold(found.species.replace(_SIGN, "")) else found
    if fold(whole.species) != fold(found.species):
        return found
    return replace(
        found,
        verbatim=whole.verbatim if found.is_plain else found.verbatim,
        infraspecific=found.infraspecific or whole.infraspecific,
        authorship=found.authorship or whole.authorship,
        qualifier=found.qualifier or whole.qualifier,
    )


def _of_column(genus: str | None, value: str | None) -> ParsedName | None:
    """What a species or epithet column means beside the genus."""
    if not value or value == genus:
        return None
    written = _beside(genus, hybrid_signs(value if " " in value else tidy(value.replace("_", " "))))
    if written is None:
        found = parse_name(value)
        return found if found.qualifier else None
    written = stored_name(written, "species")
    found = parse_name(written)
    if not (found.name or found.qualifier) and (part := _PART_OF_GENUS.fullmatch(written)):
        return ParsedName(value, name=part[1], genus=part[1], qualifier=part[2])
    if not (found.name or found.qualifier):
        return ParsedName(value, name=written, species=written)  # a virus, or a name in another script
    if found.species and genus and found.genus and fold(found.genus) == fold(genus):
        sure = f"{genus}{found.species[found.species.index(found.genus) + len(found.genus) :]}"
        found = replace(found, name=sure, genus=genus, species=sure)
    return found if found.verbatim == value else replace(found, verbatim=value)


def _beside(genus: str | None, species: str) -> str | None:
    """The whole name that a column means; None where it holds an epithet, or a word, alone."""
    first, _, rest = species.partition(" ")
    if not first:
        return None
    bare = (genus or "").removeprefix(_SIGN)
    named = rest[:1].isupper() if first == _SIGN.strip() else bool(rest) and first[0].isupper()
    if genus is None:
        return species if named or (rest and first != _SIGN.strip()) else None
    if (abbreviated := _ABBREVIATED.fullmatch(species)) and genus.startswith(abbreviated[1]):
        return f"{genus} {abbreviated[2]}"
    if rest and fold(species).startswith(f"{fold(bare)} "):
        return f"{genus} {species[len(bare) + 1 :]}"
    if named or fold(species).startswith(f"{fold(genus)} "):
        return species
    return None if species in (genus, bare) else f"{genus} {species}"


def _of_scientific_name(genus: str | None, name: str | None) -> ParsedName | None:
    """What a scientific name says, where it has the form of one and is of the genus."""
    if not name or not _OF_NAME.match(hybrid_signs(name).removeprefix("cf. ")):
        return None
    found = parse_name(name)
    of = found.genus or (found.name if found.qualifier else None)
    if found.qualifier is None and found.species is None:
        return None
    if genus is not None and of is not None and fold(of).removeprefix(_SIGN) != fold(genus).removeprefix(_SIGN):
        return None
    return found
