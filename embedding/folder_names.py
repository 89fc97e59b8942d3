"""What the name of a folder or of a file says: a taxon, a date, a camera's folder, a site's code, nothing, or a word of the user's own.

The rule is stated, and measured, in docs/labels.md. A scientific name counts where it is known (`known_taxa`) or has the form of one
strictly; a common name where exactly one taxon is known by it. Nothing else ever becomes a taxon.
"""

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal

from cladescope.embedding import name_words as words
from cladescope.embedding.clip_merges import is_common
from cladescope.embedding.dates_in_names import is_date, without_dates
from cladescope.embedding.known_taxa import KnownTaxa
from cladescope.embedding.labels import clean_labels
from cladescope.taxonomy import RANKS
from cladescope.taxonomy.backbone_names import Lineage
from cladescope.taxonomy.name_parser import NOT_EPITHETS
from cladescope.taxonomy.spelling import tidy

Kind = Literal["binomial", "genus", "higher", "common", "scheme", "date", "camera", "unknown", "split", "code", "word"]
TAXA: Final = ("scheme", "binomial", "genus", "common", "higher")
"""Kinds that are taxa, the surest first."""

_SCHEME_ROLES: Final = (*RANKS[:-1], "epithet")
_CAMERA: Final = re.compile(
    r"dcim|camera roll|camera uploads?|[1-9]\d\d[a-z_0-9]{5}|[1-9]\d\d[ _-]?[a-z]{3,5}"
    r"|(?:_?img|_?mg|_?dsc[a-z]?|pict?|imag|p|rcnx|mfdc|stc|sunp|vid|mov|mvi|pxl|gopr|g[xhp]|dji|wp|cimg|imgp|sam|hpim|screenshot)"
    r"[ _-]*\d[\d _.:-]*[a-z]?\d{0,4}",
    re.IGNORECASE,
)
"""Folders and files as cameras call them: the standard DCF (`100RECNX`, `100_BTCF`, `DSCF0012`) and what makers add."""
_IDENTIFIER: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?=[a-f]*\d)[0-9a-f]{12,}", re.IGNORECASE
)
_CODE: Final = re.compile(r"(?:[a-z]{1,4}[ _-]?)?\d+(?:[ _.-]?(?:[a-z]{1,3}(?![a-z])|\d+))*", re.IGNORECASE)
_LETTERS: Final = re.compile(r"[A-Za-zÀ-ÖØ-öø-ÿ]+(?:-[A-Za-zÀ-ÖØ-öø-ÿ]+)*")
_OPEN: Final = re.compile(r"(?:sp|spp|spec|species|indet|cf|aff|nr)\.?", re.IGNORECASE)
_BRACKETS: Final = re.compile(r"^(.*?)\s*[(\[]([^()\[\]]+)[)\]]\s*$")
_BETWEEN: Final = re.compile(r"\s+[-\u2013\u2014/|=:]\s+|\s*[,;|]\s+")
_AND: Final = frozenset(
    [
        "and",
        "und",
        "et",
        "y",
        "e",
        "en",
        "og",
        "och",
        "i",
        "with",
        "mit",
        "avec",
        "con",
        "vs",
        "versus",
        "or",
        "oder",
        "ou",
        "o",
        "plus",
        "x",
    ]
)
"""Words between two names."""
_AUTHOR: Final = re.compile(r"[(]?[A-ZÀ-Þ][\w.'-]*(?:(?:,? (?:&|et|and|in|ex) |,? )[A-ZÀ-Þ][\w.'-]*)*(?:,? \d{4})?[)]?")

_AUTHOR_YEAR: Final = re.compile(r"(?<= )[(]?[A-ZÀ-Þ][\w.'-]*,? 1[7-9]\d\d[)]?$")
"""The last author of a name and the year, which is no date of a picture."""


@dataclass(frozen=True, slots=True)
class FolderName:
    """What one name says."""

    written: str
    kind: Kind
    labels: dict[str, str] = field(default_factory=dict)
    """Of a taxon: names under the ranks, `common_name` and the parts of a name that a store keeps, clean; nothing that was looked up."""
    lineage: Lineage | None = None
    """Of a common name and of a taxon above the species: the ranks of the one that is known."""
    by_company: bool = False
    """Whether it counts as a species only because of the folders beside it (`folder_company`)."""

    @property
    def is_taxon(self) -> bool:
        """Whether it names one."""
        return self.kind in TAXA


def said_by(name: str, known: KnownTaxa) -> FolderName:
    """What the name of a folder, or of a file without its ending, says; `known` are the taxa that can be looked up.

    >>> from cladescope.embedding.known_taxa import shipped_taxa
    >>> known = shipped_taxa()
    >>> names = ("Ciconia-nigra", "2024-05-03", "100_BTCF", "Site 3", "unknown", "train", "Koalas", "Holiday photos")
    >>> [said_by(name, known).kind for name in names]
    ['binomial', 'date', 'camera', 'code', 'unknown', 'split', 'common', 'word']
    >>> said_by("Ciconia_nigra (Black stork) 2024", known).labels
    {'genus': 'Ciconia', 'species': 'Ciconia nigra', 'common_name': 'Black stork'}
    """
    if scheme := scheme_ranks(name):
        return FolderName(name, "scheme", clean_labels(scheme))
    if kind := _no_taxon(name):
        return FolderName(name, kind)
    text = _core(name)
    if not text:
        return FolderName(name, "code")
    parts = _parts(text)
    for by_form in (False, True):
        for part, others in parts:
            if (labels := _scientific(part, known, by_form=by_form)) is not None:
                beside = next((one for one in others if _is_common_name(one)), None)
                of: Kind = "binomial" if "species" in labels else "genus"
                return FolderName(name, of, labels | ({"common_name": beside} if beside else {}))
        # What is known by a common name, such as Rufous sibia, is not taken for a species by its form.
        for part, _ in parts if not by_form else ():
            if taxon := _higher(name, part, known) or _common(name, part, known):
                return taxon
    return FolderName(name, "word")


def scheme_ranks(name: str) -> dict[str, str]:
    """Raw labels of a folder named as in iNaturalist 2021; none for another.

    >>> scheme_ranks("00009_Animalia_Arthropoda_Insecta___Vanessa_atalanta")["genus"], scheme_ranks("00009_Vanessa")
    ('Vanessa', {})
    """
    number, *names = name.split("_")
    if len(names) == len(_SCHEME_ROLES) and number.isdecimal():
        return dict(zip(_SCHEME_ROLES, names, strict=True))
    return {}


def _no_taxon(name: str) -> Kind | None:
    """What a name is that can be no taxon, whatever is known."""
    text = tidy(name.replace("_", " ")).strip(" .-()[]")
    plain = [word for word in re.split(r"[^\w]+|_", text.casefold()) if word]
    if not plain:
        return "code"
    if is_date(name) or is_date(text):
        return "date"
    if _CAMERA.fullmatch(name.strip()) or _CAMERA.fullmatch(text):
        return "camera"
    named = [word for word in plain if not word.isdigit()]
    if named and all(word in words.SPLITS for word in named):
        return "split"
    if (
        named
        and any(word in words.UNKNOWN for word in named)
        and all(word in words.UNKNOWN or word in words.FILLERS for word in named)
    ):
        return "unknown"
    return "code" if _is_code(text, plain) else None


def _is_code(text: str, plain: list[str]) -> bool:
    """Whether a text is a number, an identifier, or a word for a place or device with what tells it from others."""
    if _IDENTIFIER.fullmatch(text) or _CODE.fullmatch(text):
        return True
    runs = [run for word in plain for run in re.findall(r"\d+|[^\W\d]+", word)]
    sides = [run for run in runs if run.isdigit() or run in words.SIDES]
    is_beside = len(sides) < len(runs) or any(run.isdigit() for run in sides)
    return bool(sides) and is_beside and all(run in words.SITE_WORDS for run in runs if run not in sides)


def _core(name: str) -> str:
    """A name in words: underscores, hyphens and dots that stand for blanks, counters and dates are taken away."""
    text = tidy(name.replace("_", " ").replace("+", " "))
    if " " not in text:
        text = re.sub(r"(?<=[^\W\d_]{3})\.(?=\w)|(?<=\d)\.(?=[^\W\d])", " ", text)
        if re.fullmatch(r"[^\W\d_]+(?:-\w+)+", text):
            text = text.replace("-", " ")
        text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    if described := _AUTHOR_YEAR.search(text):
        return f"{_core(text[: described.start()])} {described[0]}"
    text = without_dates(text)
    text = re.sub(r"^\d+[a-z]?[ .)_-]+(?=[^\W\d])", "", text)
    text = re.sub(
        r"(?:[ _-]+(?:copy|kopie|copia|kopia)|[ _-]*[#(]?\s*(?:n ?= ?)?\d+\s*\)?)+$", "", text, flags=re.IGNORECASE
    )
    return text.strip(" .,-") + ("." if text.endswith((" sp.", " spp.", " cf.", " aff.")) else "")


def _parts(text: str) -> list[tuple[str, list[str]]]:
    """The parts of a text that may each be a name, the whole first, and what stands beside each."""
    found: list[tuple[str, list[str]]] = [(text, [])]
    several = [part.strip() for part in _BETWEEN.split(text) if part.strip()]
    if inside := _BRACKETS.match(text):
        several = [part for part in (inside[1].strip(), inside[2].strip()) if part]
    if len(several) > 1:
        found += [(part, [other for other in several if other != part]) for part in several]
    return found


def _scientific(text: str, known: KnownTaxa, *, by_form: bool) -> dict[str, str] | None:
    """The clean labels of the species, or of the genus with `sp.`, that a text names; None where it names none.

    With `by_form` also of one that is not known and has the form of one.
    """
    first, *rest = text.split(" ")
    if not rest or not _LETTERS.fullmatch(first) or len(first) < 2:
        return None
    if rest[0] in ("x", "X", "×") and len(rest) > 1:
        return _scientific(f"{first} {rest[1]}", known, by_form=by_form) and clean_labels(
            {"species": f"{first.capitalize()} × {rest[1].lower()}"}
        )
    genus = first.capitalize()
    if _OPEN.fullmatch(rest[0]):
        is_sure = _is_known(first, "genus", known)
        if first.casefold() in _NO_TAXON or not (is_sure or (first == genus and _looks_genus(genus))):
            return None
        return clean_labels({"genus": genus, "species": f"{genus} {' '.join(rest)}"})
    epithet = rest[0]
    if not _LETTERS.fullmatch(epithet) or len(epithet) < 2 or epithet.lower() in NOT_EPITHETS:
        return None
    pair = f"{genus} {epithet.lower()}"
    is_known = _is_known(pair, "species", known)
    if not is_known and not (by_form and _has_form(first, epithet, known)):
        return None
    if any(_OPEN.fullmatch(word) or "?" in word for word in rest[1:]):
        doubtful = clean_labels({"species": f"{pair} {' '.join(rest[1:])}"})
        return doubtful if "genus" in doubtful else None
    below = _below(rest[1:], sure=is_known)
    return None if below is None else clean_labels({"species": f"{pair}{below}"})


def _has_form(first: str, epithet: str, known: KnownTaxa) -> bool:
    """Whether two words that are no known species have the form of one."""
    small, genus = epithet.lower(), first.capitalize()
    if (
        small in words.NO_EPITHET
        or small in words.EVERYDAY
        or small in words.UNKNOWN
        or small in words.SITE_WORDS
        or len(small) < 3
    ):
        return False
    is_cased = first == genus and epithet == small
    is_one_case = (first.islower() and epithet.islower()) or (first.isupper() and epithet.isupper())
    if _is_known(first, "genus", known) and (is_cased or is_one_case):
        if not is_cased and first.lower() in words.GIVEN_NAMES | words.PLACES:
            return False
        loose = is_cased and first.lower() not in words.NO_GENUS and small not in _NO_TAXON
        return bool(
            words.LATIN_EPITHET.fullmatch(small) or (loose and not words.NO_WORD.search(small) and not is_common(small))
        )
    if not is_cased or first.lower() in words.NO_GENUS | words.GIVEN_NAMES | words.PLACES or first.lower() in _NO_TAXON:
        return False
    if small == first.lower() and len(small) > 3:
        return True
    if words.STRONG_EPITHET.fullmatch(small) and genus[-1] in "asmnexori" and len(genus) > 3:
        return True
    return _looks_genus(genus) and bool(words.LATIN_EPITHET.fullmatch(small))


def loosely_said(name: str) -> dict[str, str] | None:
    """The clean labels of the species that a name would be whose first word has the form of a genus, both words written as such; else None.

    Not enough to be one: `Chapada norte` has that form, too.

    >>> loosely_said("Quercus_robur (Oak)"), loosely_said("Old barn")
    ({'genus': 'Quercus', 'species': 'Quercus robur', 'common_name': 'Oak'}, None)
    """
    for part, others in _parts(_core(name)):
        first, _, small = part.partition(" ")
        if not (re.fullmatch(r"[A-Z][a-z]{2,}", first) and re.fullmatch(r"[a-z]{3,}(?:-[a-z]{2,})?", small)):
            continue
        none = _NO_TAXON | words.EVERYDAY | words.GIVEN_NAMES | words.PLACES
        if first.lower() in none | words.NO_GENUS or small in none | words.NO_EPITHET | NOT_EPITHETS:
            continue
        if words.NO_WORD.search(small) or not words.LATIN_GENUS.fullmatch(first):
            continue
        beside = next((one for one in others if _is_common_name(one)), None)
        return clean_labels({"species": part}) | ({"common_name": beside} if beside else {})
    return None


_NO_TAXON: Final = words.UNKNOWN | words.SITE_WORDS | words.SPLITS | words.FILLERS | words.STAGES
"""Words that are part of no name."""


def _looks_genus(genus: str) -> bool:
    return (
        len(genus) > 2
        and genus.lower() not in words.NO_GENUS | words.EVERYDAY
        and bool(words.LATIN_GENUS.fullmatch(genus))
    )


def _below(rest: list[str], *, sure: bool) -> str | None:
    """What follows a binomial and belongs to its name, as text; None where something else does, as a second name. Ages, sexes and numbers are passed over."""
    pairs = pairwise([*rest, ""])
    if any(a[:1].isupper() and b[:1].islower() and _LETTERS.fullmatch(a) and len(b) > 3 for a, b in pairs):
        return None
    if any(word.casefold() in _AND for word in rest):
        return None
    kept = [word for word in rest if word.lower().strip("().,") not in words.STAGES and not any(map(str.isdigit, word))]
    text = " ".join(kept)
    if not text:
        return ""
    below = re.fullmatch(r"(?:(?:subsp|ssp|var|f)\. ?)?([a-z]{3,})", text)
    if below and words.LATIN_EPITHET.fullmatch(below[1]) and below[1] not in words.NO_EPITHET:
        return f" {text}"
    if _AUTHOR.fullmatch(" ".join(rest)) and (rest[0][0] != "(" or re.search(r"[\d.]|Linnaeus", " ".join(rest))):
        return f" {' '.join(rest)}"
    return "" if sure and not re.search(r"[^\w\s.'-]", text) else None


def _is_known(name: str, rank: str, known: KnownTaxa) -> bool:
    place = RANKS.index(rank)
    return any(lineage[place] and not any(lineage[place + 1 :]) for lineage in known.named(name))


def _higher(written: str, text: str, known: KnownTaxa) -> FolderName | None:
    """A taxon above the species by its scientific name alone: known, and as one taxon, or with the ending of a family."""
    small = text.casefold()
    if " " in text or small in _AMBIGUOUS or small in _NO_TAXON or not _LETTERS.fullmatch(text):
        return None
    found = known.named(text)
    if len(found) == 1 and (place := max(i for i, one in enumerate(found[0]) if one)) < len(RANKS) - 1:
        if place == RANKS.index("genus"):
            return (
                FolderName(written, "genus", {"genus": found[0][place] or ""}, found[0]) if text[0].isupper() else None
            )
        return FolderName(written, "higher", {RANKS[place]: found[0][place] or ""}, found[0])
    if not found and re.fullmatch(r"[A-Z][a-z]{2,}(?:idae|aceae)", text):
        return FolderName(written, "higher", {"family": text})
    return None


def _common(written: str, text: str, known: KnownTaxa) -> FolderName | None:
    """A taxon by a common name that only it has."""
    small = text.casefold()
    if not any(map(str.isalpha, text)) or small in _AMBIGUOUS or small in _NO_TAXON:
        return None
    lineage = known.called(text)
    if lineage is None:
        return None
    place = max(i for i, one in enumerate(lineage) if one)
    labels = {rank: name for rank, name in zip(RANKS[place:], lineage[place:], strict=True) if name}
    if place == len(RANKS) - 1:
        labels = clean_labels({"species": lineage[place]})
    return FolderName(written, "common", {**labels, "common_name": text}, lineage)


_AMBIGUOUS: Final = words.GIVEN_NAMES | words.PLACES | words.EVERYDAY
"""Single words that name people, places or everyday things rather than a taxon."""


def _is_common_name(text: str) -> bool:
    """Whether what stands beside a scientific name may be a common one: words of letters, and no author's name."""
    return len(text) > 2 and bool(re.fullmatch(r"[^\W\d_]+(?:[ '\u2019-][^\W\d_]+)*", text)) and text != "Linnaeus"
