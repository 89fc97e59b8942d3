"""What a written scientific name says: its species, what lies below it, its authors, and what makes it uncertain.

The words are told apart by GBIF's own parser (Döring and others, https://github.com/gbif/name-parser-rust, package
`gbif-name-parser`), which follows the codes of nomenclature. The rules here decide what of it is a species, and every part
of one must stand in the text: a species is never made up. Names are not looked up anywhere, and synonyms stay.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import nameparser

from cladescope.taxonomy.spelling import fold, hybrid_signs, tidy

NOT_EPITHETS: Final = frozenset(
    {
        "aff",
        "agg",
        "auct",
        "cf",
        "complex",
        "et",
        "ex",
        "ff",
        "group",
        "indet",
        "nr",
        "sp",
        "spec",
        "species",
        "spp",
        "ssp",
    }
    | {"subsp", "undet", "undetermined", "unidentified", "unknown", "var", "adult", "egg", "eggs", "female", "hybrid"}
    | {"hybrids", "imago", "juvenile", "larva", "larvae", "male", "nymph", "pupa", "seedling"}
    | {
        "adults",
        "chick",
        "drone",
        "females",
        "flower",
        "gen",
        "gr",
        "immature",
        "juveniles",
        "males",
        "n",
        "nest",
        "queen",
    }
    | {"scat", "tracks", "worker", "cl", "fam", "ord", "subfam", "subord", "superfam", "trib"}
    | {"da", "de", "del", "den", "der", "des", "di", "dos", "du", "la", "le", "ter", "van", "von"}
)
"""Small words that follow a genus and are no epithet: ranks, doubts, stages of life, particles of authors."""
_UNSAFE: Final = frozenset(
    {
        "aff",
        "cf",
        "complex",
        "group",
        "hybrid",
        "hybrids",
        "indet",
        "nr",
        "undet",
        "undetermined",
        "unidentified",
        "unknown",
    }
)
"""Of these, those that leave open which species it is where they stand in place of a third word."""
_DOUBT: Final = re.compile(
    r"(?<!\w)(?:cf|aff)(?:\.|(?=\s)|$)|(?<!\d)\?|/|(?<!nov\. )(?<!n\. )\bspp?\.?$", re.IGNORECASE
)
"""What says that the species is not sure, wherever it stands."""
_SEVERAL: Final = re.compile(
    r"[;|]|(?<= )(?:or|oder|vs|versus)\.? [A-Za-z]|(?:(?<=[,&+] )|(?<=[,&+])|(?<= and ))[A-Z](?:[a-z]{2,}|\.) ([a-z]{3,})(?![\w.])"
)
_AGAIN: Final = re.compile(r"([A-Z])([a-z]+) .*(?:[(\u2013-] ?)\1(?:\2|\.) [a-z]{3,}\b")
"""Where a second name begins beside the first, as in `Parus major, P. minor`; an author's particle may stand for its epithet."""
_NO_GENUS: Final = frozenset(
    {
        "environmental",
        "incertae",
        "indet",
        "indeterminate",
        "mixed",
        "no",
        "none",
        "not",
        "other",
        "possible",
        "probable",
    }
    | {"unassigned", "unclassified", "uncultured", "undetermined", "unidentified", "unknown", "unplaced", "unsorted"}
)
"""Words that begin a text which names no taxon, in whatever case."""
_MARKERS: Final = {"VARIETY": "var. ", "SUBVARIETY": "subvar. ", "FORM": "f. ", "SUBFORM": "subf. "}
"""How a rank below the species is marked; an epithet without mark is a subspecies, as zoologists write it."""
_LETTERS: Final = "a-zß-öø-ÿœ"
_PLAIN: Final = re.compile(rf"([A-Z][{_LETTERS}]+(?:-[{_LETTERS}]+)?)(?: ([{_LETTERS}]{{2,}}(?:-[{_LETTERS}]+)*))?")
_AUTHOR: Final = rf"[A-Z][{_LETTERS}]{{2,}}"
_SHORT: Final = rf"(?:[A-Z]|[A-Z][{_LETTERS}]+)\."
_YEARS: Final = r"(?:(?:17[6-9]|18\d|19\d|20[01])\d|202[0-5])"
"""Years that the parser takes whenever it is asked; it takes none of the future."""
_AUTHORED: Final = re.compile(
    rf"([A-Z][{_LETTERS}]+)(?<!virus)(?<!viroid)(?<!phage) ([{_LETTERS}]{{3,}}) "
    rf"(\(?{_AUTHOR}(?: & {_AUTHOR})?, {_YEARS}\)?|(?:\({_SHORT}\) )?{_SHORT})"
)
"""A binomial with authors that need no parser: most names of checklists are such, and a match is ten times as fast."""
_NO_AUTHORS: Final = NOT_EPITHETS.union(
    ("al", "anon", "auct", "author", "bacterium", "bis", "candidatus", "clone", "comb", "cv", "div", "emend"),
    ("fil", "filho", "fo", "forma", "gen", "hort", "hyb", "in", "ined", "jr", "junior", "mon"),
    ("mut", "near", "nec", "nom", "non", "nothosp", "nothovar", "nov", "orth", "pat", "phage", "sect"),
    ("sensu", "ser", "stat", "strain", "subf", "subg", "subgen", "subvar", "syn", "type", "vel", "virus", "viroid"),
)
"""Words that mean something in a name, so that it needs the parser, wherever they stand."""
_NO_SECOND: Final = _NO_AUTHORS | {"and", "apud", "bei", "dell", "delle", "dos", "und", "zum", "zur"}
_NO_LOWER: Final = re.compile(
    rf"([A-Z][{_LETTERS}-]+) ((?:super|sub|infra)?(?:cl|ord|fam|trib|gen)(?:\.|(?= )|$)(?!.*\bnov\b).*)"
)
"""A taxon of which no genus, or family, is known: `Poaceae gen. sp.`, `Diptera fam. indet.`"""
_CULTIVAR: Final = re.compile(r"(?<= )cv\.? ([^'\"]+)$")
"""An earlier mark of cultivars, `cv. Old Blush` for `'Old Blush'`."""
_INITIAL: Final = re.compile(rf"(?<=[\s(&])([A-Z][{_LETTERS}-]+,?) X(?=$|[,)]| (?:&|in|et|ex) )")
"""The initial of an author behind the name, `Sun X & Xie`, which is no sign of hybrids."""
_LONGEST: Final = 300
"""Characters of a name; a longer text is none."""


@dataclass(frozen=True, slots=True)
class ParsedName:
    """What a text says of a taxon; None where it says nothing of the kind."""

    verbatim: str
    """The text as it came."""
    name: str | None = None
    """The species, else the one word that names a taxon of a higher rank, without authors."""
    genus: str | None = None
    """The genus, where the text has the form of a species' name."""
    species: str | None = None
    """The binomial, with its sign where it is a hybrid."""
    infraspecific: str | None = None
    """What follows the species: `maxima` (a subspecies), `var. alpina`, `f. alba`, `'Bloodgood'` (a cultivar)."""
    authorship: str | None = None
    qualifier: str | None = None
    """What keeps it from being the species (`cf. muscaria`, `sp. 3`, `hybrid`), or how the species is meant (`s.l.`)."""

    @property
    def is_plain(self) -> bool:
        """Whether the text holds a name and nothing beside it."""
        return self.name is not None and not (self.infraspecific or self.authorship or self.qualifier)


@lru_cache(maxsize=1 << 16)
def parse_name(text: str) -> ParsedName:
    """The parts of a scientific name.

    Hybrids in all their spellings have one; a hybrid formula, `cf.`, `aff.`, `sp.` and codes such as BOLD's name no species.
    What is no scientific name (a virus, a text of another kind) has no parts. Parsing a species again gives that species.

    >>> found = parse_name("Carex flava L. var. alpina Kneuck.")
    >>> found.species, found.infraspecific, found.authorship
    ('Carex flava', 'var. alpina', 'Kneuck.')
    >>> found = parse_name("Amanita cf. muscaria")
    >>> found.genus, found.species, found.qualifier
    ('Amanita', None, 'cf. muscaria')
    """
    if (quick := _quick(text)) is not None:
        return quick
    parsed = _parsed(text)
    if parsed.name is None or _PLAIN.fullmatch(text):
        return parsed
    again = _parsed(parsed.name)
    if again.name != parsed.name or not again.is_plain:
        return ParsedName(text)
    words = set(re.split(r"[^\w-]+", fold(text)))
    parts = [word for word in fold(f"{parsed.name} {parsed.genus or ''}").split() if word != "\u00d7"]
    return parsed if words.issuperset(parts) else ParsedName(text)


def without_author(text: str) -> str | None:
    """The name of the taxon that a text means, where it adds no more to it than authors.

    >>> without_author("Parus major Linnaeus, 1758"), without_author("Parus major newtoni"), without_author("Parus cf. major")
    ('Parus major', None, None)
    """
    found = parse_name(text)
    return None if found.infraspecific or found.qualifier else found.name


def _quick(text: str) -> ParsedName | None:
    """The parts of a binomial, alone or with plain authors; None for a text that must be looked at more closely."""
    found = _PLAIN.fullmatch(text) or _AUTHORED.fullmatch(text)
    if found is None or found[2] is None or found[2][0] == "x" or found[1].lower() in _NO_GENUS:
        return None
    species, authors = f"{found[1]} {found[2]}", None
    if found.re is _PLAIN:
        if found[2] in NOT_EPITHETS:
            return None
    else:
        authors = found[3]
        if not _balanced(authors) or not _NO_AUTHORS.isdisjoint(re.findall(r"\w+", text.lower())):
            return None
    return ParsedName(text, name=species, genus=found[1], species=species, authorship=authors)


def _parsed(text: str) -> ParsedName:
    """The parts as they are found, before they are tried against the text."""
    written = _CULTIVAR.sub(r"'\1'", hybrid_signs(_INITIAL.sub(r"\1 X.", tidy(text))))
    if above := _NO_LOWER.fullmatch(written):
        return ParsedName(text, name=above[1], qualifier=above[2])
    plain = _PLAIN.fullmatch(written)
    if " " in written and written.partition(" ")[0].lower() in _NO_GENUS:
        return ParsedName(text)
    if plain and plain[2] is None:
        return ParsedName(text, name=written)
    if plain and plain[2] not in NOT_EPITHETS:
        return ParsedName(text, name=written, genus=plain[1], species=written)
    seconds = [found[1] for found in _SEVERAL.finditer(written)]
    if any(second not in _NO_SECOND for second in seconds) or _AGAIN.match(written):
        return _several(text, written)
    if not written or len(written) > _LONGEST:
        return ParsedName(text)
    try:
        found = nameparser.parse(written)
    except nameparser.UnparsableNameError as error:
        return _unparsed(text, written, error)
    return _informal(text, written, found) if isinstance(found, nameparser.Informal) else _named(text, written, found)


def _several(text: str, written: str) -> ParsedName:
    """What a text says that names several taxa: their genus, where all are of one."""
    genera = set(re.findall(r"\b[A-Z][a-z]+(?= [a-z])", written))
    genus = written.partition(" ")[0]
    alike = (
        _PLAIN.fullmatch(genus) and genera == {genus} and not re.search(rf"\b(?!{genus[:1]}\.)[A-Z]\. [a-z]", written)
    )
    kept = genus if alike else None
    return ParsedName(text, name=kept, genus=kept, qualifier=written)


def _balanced(authorship: str) -> bool:
    return authorship.count("(") == authorship.count(")")


def _unparsed(text: str, written: str, error: nameparser.UnparsableNameError) -> ParsedName:
    """What is said by a formula of two parents, and by a code of a cluster of sequences."""
    if error.name_type == "FORMULA":
        genus, _, other = written.partition(" ")
        second = other.partition(" × ")[2]
        alike = second[:1].islower() or second.startswith((f"{genus} ", f"{genus[0]}. "))
        sure = _PLAIN.fullmatch(genus) and alike
        return ParsedName(text, name=genus if sure else None, genus=genus if sure else None, qualifier="hybrid")
    return ParsedName(text, qualifier=written if error.name_type == "IDENTIFIER" else None)


def _informal(text: str, written: str, found: nameparser.Informal) -> ParsedName:
    """A taxon above the species with `sp.`, a number or a code; its rank is not known."""
    phrase = written.partition(found.taxon)[2].strip()
    return ParsedName(text, name=found.taxon, qualifier=phrase or None)


def _named(text: str, written: str, found: nameparser.ParsedName) -> ParsedName:
    notho = found.notho or []
    authorship = found.authorship_complete() or None
    doubts = found.epithet_qualifier or {}
    if found.genus is None or (found.infrageneric_epithet and found.specific_epithet is None):
        sign = "× " if "GENERIC" in notho and found.uninomial else ""
        name = None if found.uninomial is None else f"{sign}{found.uninomial}"
        doubt = " ".join(doubts.values()) or ("?" if "?" in written else None)
        return ParsedName(text, name=name, authorship=authorship, qualifier=doubt)
    genus = f"× {found.genus}" if "GENERIC" in notho else found.genus
    parsed = ParsedName(text, name=genus, genus=genus, authorship=authorship)
    cultivar = f"'{found.cultivar_epithet}'" if found.cultivar_epithet else ""
    epithet = found.specific_epithet
    if epithet is None:
        return replace(parsed, infraspecific=cultivar or None, qualifier=found.phrase)
    below = found.infraspecific_epithet
    if below and len(below) == 1 and (initials := re.search(rf"\b{re.escape(epithet)} ({below}\..*)$", written)):
        below, authorship = None, initials[1]  # an author in small letters, `r.br.`: no epithet has one letter
    if genus.endswith("."):
        return replace(parsed, name=None, genus=None, qualifier="abbreviated genus")
    in_place = epithet if epithet in NOT_EPITHETS else below if below in _UNSAFE else None
    doubt = next((f"{doubts[part]} {epithet}" for part in ("SPECIFIC", "GENERIC") if part in doubts), in_place)
    rest = written.removeprefix(genus).strip()
    if doubt is None and "INFRASPECIFIC" not in doubts and _DOUBT.search(rest):
        doubt = rest
    if doubt is None and "INFRASPECIFIC" in notho and below is None:
        doubt = "hybrid"  # a sign at the end: the other parent is not named
    if doubt is not None:
        return replace(parsed, qualifier=doubt, authorship=None if doubt == rest else authorship)
    species = f"{genus} {'× ' if 'SPECIFIC' in notho else ''}{epithet}"
    if found.candidatus:
        species = f"Candidatus {species}"
    notes = [found.taxonomic_note, found.phrase, "agg." if found.rank == "SPECIES_AGGREGATE" else None]
    if "INFRASPECIFIC" in doubts:
        notes.append(f"{doubts['INFRASPECIFIC']} {below}")
    elif below is not None and below not in NOT_EPITHETS:
        cultivar = f"{_MARKERS.get(found.rank, '')}{below} {cultivar}".strip()
    return replace(
        parsed,
        name=species,
        species=species,
        infraspecific=cultivar or None,
        authorship=authorship or _authors_of_species(written, epithet, below),
        qualifier="; ".join(note for note in notes if note) or None,
    )


def _authors_of_species(written: str, epithet: str, below: str | None) -> str | None:
    """The authors between a species and an autonym, as in `Carex flava L. var. flava`."""
    if below != epithet:
        return None
    between = re.search(rf"\b{re.escape(epithet)} (.*?) ?(?:\w+\. )?{re.escape(epithet)}$", written)
    return between[1] or None if between else None
