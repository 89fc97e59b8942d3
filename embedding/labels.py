"""Labels as the store keeps them, from the raw values of a source's row.

Unknown values become null, `species` becomes the binomial (`cladescope.embedding.species`), and names take the one spelling of
`cladescope.taxonomy.spelling`.
Which column holds what is said by `cladescope.embedding.columns`; no synonym is resolved.
"""

import html
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

from cladescope.embedding.species import leaves_open, name_of_rank, species_of
from cladescope.schema import NAME_FIELDS, OPTIONAL_FIELDS
from cladescope.taxonomy import RANKS
from cladescope.taxonomy.name_parser import ParsedName
from cladescope.taxonomy.spelling import fold, hybrid_signs, tidy

NAME_PARTS = tuple(field.name for field in NAME_FIELDS)

MISSING = frozenset(
    {"na", "n/a", "nan", "none", "null", r"\n", "-", "unknown", "unidentified", "(unidentified)", "indet.", "indet"}
    | {"not_classified", "no_match", "incertae sedis", "incertae_sedis", "no cv result", "blank", "empty", "pleasehelp"}
)
"""Words, in lower case, that say that a rank or common name is not known, beside an empty value; `--missing` gives others."""

HELPERS = ("epithet", "scientific_name")
"""Parts of a row that help to find the species; they are kept as they came, too."""
EMPTY = frozenset({"", "na", "n/a", "nan", "none", "null", r"\n", "-"})
"""Values, in lower case, of an id, a path or an optional column that say nothing."""
_BREAK = re.compile(r"<br\s*/?>.*", re.IGNORECASE | re.DOTALL)
_MARKUP = re.compile(
    r"</?(?:i|b|u|s|a|p|tt|em|sub|sup|strong|span|small|font|cite|div|q)(?:\s[^<>]*)?/?>", re.IGNORECASE
)
_BLANKS = re.compile(r"[ \t\r\n]+")
_SUBGENUS = re.compile(r" *\([^()]*\)$")


def clean_labels(raw: Mapping[str, str | None], missing: Set[str] = MISSING) -> dict[str, str]:
    """Labels as the store keeps them, from one row's raw values; nulls are left out.

    `raw` holds values by part, as in `ColumnPlan.labels` and `ColumnPlan.optional`. Names of taxa are spelt as
    `cladescope.taxonomy.spelling.stored_name` says.

    `species` is the binomial, and gives the genus where no column does. What was beside it in the row's names is under the names of `NAME_FIELDS`. A doubt (`cf.`) in a column
    of its own leaves the species open as one in the name does.

    >>> clean_labels({"order": "unknown", "genus": "vanessa", "species": "atalanta", "licence": "CC0"})
    {'genus': 'Vanessa', 'species': 'Vanessa atalanta', 'licence': 'CC0'}
    >>> clean_labels({"species": "Deer"})
    {'qualifier': 'Deer', 'verbatim_name': 'Deer'}
    >>> clean_labels({"species": "Salix x fragilis L."})
    {'genus': 'Salix', 'species': 'Salix × fragilis', 'authorship': 'L.', 'verbatim_name': 'Salix x fragilis L.'}
    """
    names = {part: clean_name(raw.get(part), missing) for part in (*RANKS, "common_name", *HELPERS)}
    above = [name_of_rank(name, rank) for rank in RANKS[:-1] if (name := names[rank])]
    labels = dict(names)
    for rank in RANKS[:-1]:
        labels[rank] = next((found.name for found in above if found.verbatim == names[rank]), None)
    found = species_of(labels["genus"], *(names[part] for part in ("species", *HELPERS)))
    labels["species"] = found.species if found else None
    if found and found.genus and _is_genus(labels["genus"], found):
        labels["genus"] = found.genus
    if found is None or not (found.species or found.genus or found.qualifier):
        found = _of_no_rank(names, labels)
    elif found.species:
        above = [replace(name, qualifier=None) if name.qualifier else name for name in above]
    labels |= {part: clean_name(raw.get(part), missing) for part in NAME_PARTS} | _beside_the_name(found, above)
    for helper in HELPERS:
        labels.pop(helper)
    said = clean_name(raw.get("qualifier"), missing)
    if said and found and found.species and leaves_open(found.species, said):
        labels |= {
            "species": None,
            "genus": labels["genus"] or found.genus,
            "qualifier": said,
            "verbatim_name": found.verbatim,
        }
        labels |= {"authorship": None, "infraspecific": None}
    labels |= {stored.name: clean_text(raw.get(stored.name)) for stored in OPTIONAL_FIELDS}
    return {name: value for name, value in labels.items() if value is not None}


def _of_no_rank(names: Mapping[str, str | None], labels: Mapping[str, str | None]) -> ParsedName | None:
    """A word that gives no rank its name: it is no species, and would be lost in silence; None where there is none.

    It stands where the species should be (`Deer`, `atalanta` without a genus), or is the scientific name of a row without ranks.
    """
    ranked = {fold(name) for rank in RANKS if (name := labels[rank])}
    species = names["species"] or names["epithet"]
    word = species if species or ranked else names["scientific_name"]
    return ParsedName(word, qualifier=word) if word and fold(word) not in ranked else None


def _is_genus(genus: str | None, found: ParsedName) -> bool:
    """Whether a name's genus is the row's: the same with another sign of hybrids or a subgenus behind it, or the only one, with which the name begins (`Candidatus` apart)."""
    if genus is None:
        return found.species is None or found.species.startswith(found.genus or "")
    return fold(_SUBGENUS.sub("", genus)).strip("× ") == fold(found.genus or "").strip("× ")


def _beside_the_name(species: ParsedName | None, above: Sequence[ParsedName]) -> dict[str, str]:
    """What stood in the row's names beside the name of the taxon, of the species or else of the lowest rank that has some."""
    for found in (species, *reversed(above)):
        written = None if found is None else tidy(found.verbatim)
        if found and (not found.is_plain or written != hybrid_signs(written or "")):
            parts = {part: getattr(found, part) for part in ("infraspecific", "authorship", "qualifier")} | {
                "verbatim_name": found.verbatim
            }
            return {part: value for part, value in parts.items() if value}
    return {}


def is_respelt(raw: Mapping[str, str | None], labels: Mapping[str, str | None]) -> bool:
    """Whether a taxon's name or common name in clean labels is spelt otherwise than in the raw values; more plain blanks are no other spelling.

    >>> raw = {"genus": "Parus", "species": "Parus\u00a0major"}
    >>> is_respelt(raw, clean_labels(raw)), is_respelt({"genus": " Parus"}, {"genus": "Parus"})
    (True, False)
    """
    for rank in (*RANKS, "common_name"):
        stored = labels.get(rank)
        if stored is None:
            continue
        parts = (rank,) if rank != "species" else (rank, *HELPERS)
        written = [_BLANKS.sub(" ", value).strip(" ") for part in parts if (value := raw.get(part))]
        if written and not any(name == stored or _is_part(name, stored) for name in written):
            return True
    return False


def written_otherwise(raw: Mapping[str, str | None], labels: Mapping[str, str | None]) -> dict[str, str]:
    """Names of a row as they are written, by part, where the clean labels have them otherwise or not at all.

    An epithet alone, or an author behind the name, is not otherwise: the species and `verbatim_name` have them.

    >>> raw = {"family": "NA", "genus": "Parus", "species": "major", "common_name": "<b>Great</b> Tit"}
    >>> written_otherwise(raw, clean_labels(raw))
    {'family': 'NA', 'common_name': '<b>Great</b> Tit'}
    """
    found = {}
    for part in (*RANKS, "common_name", *NAME_PARTS):
        written, stored = raw.get(part), labels.get(part)
        plain = _BLANKS.sub(" ", written or "").strip(" ")
        if written and plain and plain != stored and not (part == "species" and stored and _is_part(plain, stored)):
            found[part] = written
    return found


def _is_part(name: str, species: str) -> bool:
    """Whether a column's text gives a taxon its letters: the epithet of a species, or the name with its author."""
    return bool(name) and (species.endswith(f" {name}") or name.startswith(f"{species} "))


def missing_words(raw: Mapping[str, str | None], missing: Set[str] = MISSING) -> tuple[str, ...]:
    """The words in a row's labels that say that a value is missing, as they are written; empty values are none.

    >>> missing_words({"family": "NA", "genus": "", "species": "Unknown"})
    ('NA', 'Unknown')
    """
    names = [tidy(without_markup(raw.get(part) or "")) for part in (*RANKS, "common_name", *HELPERS)]
    return tuple(name for name in names if name and name.lower() in missing)


def clean_name(value: str | None, missing: Set[str] = MISSING) -> str | None:
    """A name in tidy form, with its letters as they are, or None where the value says that it is not known.

    Marks of HTML are no part of it, nor is what follows a break of the line.

    >>> clean_name(" Incertae  sedis"), clean_name(" Vanessa\u00a0 atalanta")
    (None, 'Vanessa atalanta')
    >>> clean_name("<i>Pellaea <b>boivinii</b></i> <br > var. boivinii")
    'Pellaea boivinii'
    """
    if value is None:
        return None
    value = tidy(without_markup(value))
    return None if not value or value.lower() in missing else value


def without_markup(value: str) -> str:
    """A name without the tags of HTML in it, and without what follows a line break; entities are the letters that they stand for.

    >>> without_markup("<i>Parus</i> major<br>see notes"), without_markup("Aus bus Smith &amp; Jones"), without_markup("length < 5")
    ('Parus major', 'Aus bus Smith & Jones', 'length < 5')
    """
    if "<" in value:
        value = _MARKUP.sub("", _BREAK.sub("", value))
    return html.unescape(value) if "&" in value and ";" in value else value


def clean_text(value: str | None) -> str | None:
    """The value of an optional column, or None where it is empty; `unknown` is a value here, as of a licence.

    >>> clean_text(" NaN "), clean_text("unknown ")
    (None, 'unknown')
    """
    if value is None:
        return None
    value = value.strip()
    return None if value.lower() in EMPTY else value
