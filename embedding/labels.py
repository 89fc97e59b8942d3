"""Labels as the store keeps them, from the raw values of a source's row.

Unknown values become null, `species` becomes the binomial, and names take the one spelling of `cladescope.taxonomy.spelling`.
Which column holds what is said by `cladescope.embedding.columns`; no synonym is resolved.
"""

import re
from collections.abc import Mapping

from cladescope.schema import OPTIONAL_FIELDS
from cladescope.taxonomy import RANKS
from cladescope.taxonomy.spelling import stored_name, tidy

NULL_NAMES = frozenset(
    {"", "unknown", "not_classified", "unidentified", "(unidentified)", "n/a", "nan", "none", "null"}
    | {"incertae sedis", "incertae_sedis"}
)
"""Values, in lower case, that say that a rank or common name is not known."""

HELPERS = ("epithet", "scientific_name")
"""Parts of a row that help to find the species; they are kept as they came, too."""
_EMPTY = frozenset({"", "n/a", "nan", "none", "null"})
_NOT_EPITHETS = frozenset(
    {"aff", "auct", "cf", "et", "ex", "ff", "nr", "sp", "spp", "ssp", "var"}
    | {"da", "de", "del", "den", "der", "des", "di", "dos", "du", "la", "le", "ter", "van", "von"}
)
_NAME = re.compile(r"([A-Z][a-zëï-]+) ([a-zëï][a-zëï-]+)(?: [(A-Z].*)?")
_NO_SPECIES = frozenset({"sp", "sp.", "spp", "spp."})
_BLANKS = re.compile(r"[ \t\r\n]+")


def clean_labels(raw: Mapping[str, str | None]) -> dict[str, str]:
    """Labels as the store keeps them, from one row's raw values; nulls are left out.

    `raw` holds values by part, as in `ColumnPlan.labels` and `ColumnPlan.optional`. Names of taxa are spelt as
    `cladescope.taxonomy.spelling.stored_name` says.

    >>> clean_labels({"order": "unknown", "genus": "vanessa", "species": "atalanta", "licence": "CC0"})
    {'genus': 'Vanessa', 'species': 'Vanessa atalanta', 'licence': 'CC0'}
    """
    names = {part: clean_name(raw.get(part)) for part in (*RANKS, "common_name", *HELPERS)}
    genus = names["genus"]
    names["species"] = binomial(genus, names["species"], *(names.pop(helper) for helper in HELPERS))
    labels = {part: name and (stored_name(name, part) if part in RANKS else name) for part, name in names.items()}
    if genus and names["species"] and names["species"].startswith(f"{genus} "):
        labels["species"] = stored_name(f"{labels['genus']}{names['species'].removeprefix(genus)}", "species")
    labels |= {stored.name: clean_text(raw.get(stored.name)) for stored in OPTIONAL_FIELDS}
    return {name: value for name, value in labels.items() if value is not None}


def is_respelt(raw: Mapping[str, str | None], labels: Mapping[str, str | None]) -> bool:
    """Whether a taxon's name in clean labels is spelt otherwise than in the raw values, plain blanks around it apart.

    >>> raw = {"genus": "Parus", "species": "Parus\u00a0major"}
    >>> is_respelt(raw, clean_labels(raw)), is_respelt({"genus": " Parus"}, {"genus": "Parus"})
    (True, False)
    """
    for rank in RANKS:
        stored = labels.get(rank)
        if stored is None:
            continue
        parts = (rank,) if rank != "species" else (rank, *HELPERS)
        written = [_BLANKS.sub(" ", value).strip(" ") for part in parts if (value := raw.get(part))]
        if not any(name == stored or (rank == "species" and _is_part(name, stored)) for name in written):
            return True
    return False


def _is_part(name: str, species: str) -> bool:
    """Whether a column's text gives a species its letters: the epithet of it, or it with its author."""
    return bool(name) and (species.endswith(f" {name}") or name.startswith(species))


def clean_name(value: str | None) -> str | None:
    """A name in tidy form, with its letters as they are, or None where the value says that it is not known.

    >>> clean_name(" Incertae  sedis"), clean_name(" Vanessa\u00a0 atalanta")
    (None, 'Vanessa atalanta')
    """
    if value is None:
        return None
    value = tidy(value)
    return None if value.lower() in NULL_NAMES else value


def clean_text(value: str | None) -> str | None:
    """The value of an optional column, or None where it is empty; `unknown` is a value here, as of a licence.

    >>> clean_text(" NaN "), clean_text("unknown ")
    (None, 'unknown')
    """
    if value is None:
        return None
    value = value.strip()
    return None if value.lower() in _EMPTY else value


def binomial(genus: str | None, species: str | None, epithet: str | None, scientific_name: str | None) -> str | None:
    """The species as a binomial, from clean names, or None where they give none.

    It is the species column's own value where that is one, else genus and epithet, else the first two words
    of the scientific name where they plainly are a binomial of the same genus. `Amanita sp.` and a lone
    epithet name no species.

    >>> binomial("Vanessa", None, "atalanta", None), binomial(None, None, None, "Vanessa atalanta (L., 1758)")
    ('Vanessa atalanta', 'Vanessa atalanta')
    """
    return _of_genus(genus, species) or _of_genus(genus, epithet) or _of_scientific_name(genus, scientific_name)


def _of_genus(genus: str | None, species: str | None) -> str | None:
    """The binomial that a species or epithet column means beside its genus, or None where it means none."""
    if not species or species == genus:
        return None
    if " " not in species:
        species = " ".join(species.replace("_", " ").split())
    first, _, rest = species.partition(" ")
    if not first or (rest or first).lower() in _NO_SPECIES:
        return None
    if genus is None:
        return species if rest else None
    if rest and (first[0].isupper() or species.lower().startswith(f"{genus.lower()} ")):
        return species
    return None if species == genus else f"{genus} {species}"


def _of_scientific_name(genus: str | None, name: str | None) -> str | None:
    """The binomial at the start of a scientific name with or without author; None for anything less plain."""
    found = _NAME.fullmatch(name) if name else None
    if found is None or found[2] in _NOT_EPITHETS or (genus or found[1]).lower() != found[1].lower():
        return None
    return f"{found[1]} {found[2]}"
