"""How the name of a taxon is spelt: what is the same name, how it is stored, which of several spellings is shown.

What the words of a name mean (author, subspecies, `cf.`) is said by `cladescope.taxonomy.name_parser`.

The same name reaches us with `é` as one character or as two, with a non-breaking space, a zero-width mark, another letter
case. `fold` is the one comparison, used wherever names meet; `stored_name` is what a record's name becomes where it enters;
`preferred` chooses among spellings that are stored already. No synonym is resolved and no letter is changed for another.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

_UNSEEN: Final = re.compile("[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]")
"""Characters that take no room: soft hyphen, zero-width spaces and joiners, marks of the reading direction."""
_JOINERS: Final = frozenset("\u200c\u200d")
"""Zero-width marks that change how Persian, Hindi and other scripts are read; they mean nothing in a Latin name."""
_HYPHENS: Final = str.maketrans("\u2010\u2011", "--")

_WORD: Final = r"[^\W\d_]{2,}(?:-[^\W\d_]+)*"
_PLAIN: Final = {1: re.compile(_WORD), 2: re.compile(rf"{_WORD}( {_WORD}){{1,2}}")}
_ACRONYMS: Final = frozenset({"CPR", "CRuMs", "DPANN", "FCB", "PVC", "SAR", "TACK", "TSAR"})
"""Groups whose name is an acronym."""
_APART: Final = re.compile(r"virus|viri[a-z]*\b|viroid|phage\b|\bcandidatus\b|\u00d7|\bx\b|\bsatellite", re.IGNORECASE)
"""What marks names with rules of their own: viruses and viroids, *Candidatus*, hybrids."""


_SIGN: Final = re.compile(
    r"\s*[\u00d7\u2715\u2716\u2a09\u2a2f]\s*|(?:^|(?<=\s))[xX]\s+(?=\w)|(?:^|(?<=\s))x(?=[A-Z][a-z])"
    r"|(?<=[a-z] )x(?=[bcdfgjklmnpqrstvwz][a-z]{3})"
)
"""How hybrids are marked: a sign of multiplication, joined or not, or the letter x that stands alone, before a capital, or in an
epithet before a consonant with which no Latin or Greek word goes on after x: `xfragilis`, but `xanthocarpum`, `xylosteum`, `xhosa`."""


def hybrid_signs(name: str) -> str:
    """A tidy name with each mark of a hybrid as the codes print it: `×` between blanks (ICN article H.3).

    >>> [hybrid_signs(name) for name in ("Salix ×fragilis", "Salix xfragilis", "xCupressocyparis leylandii", "Oryx")]
    ['Salix × fragilis', 'Salix × fragilis', '× Cupressocyparis leylandii', 'Oryx']
    """
    return " ".join(_SIGN.sub(" \u00d7 ", name).split()) if _SIGN.search(name) else name


def tidy(text: str) -> str:
    """A text in Unicode's composed form (NFC), each run of blanks of any kind as one space, marks without width removed.

    Zero-width joiners stay between letters that are not Latin, where they belong to the spelling.

    >>> tidy("Parus\\u00a0 major\\u200b "), tidy("Cafe\\u0301") == "Café"
    ('Parus major', True)
    """
    if text.isascii():
        return " ".join(text.split())
    keep = _JOINERS if any(_joins(character) for character in text) else frozenset()
    seen = _UNSEEN.sub(lambda found: found[0] if found[0] in keep else "", text)
    return unicodedata.normalize("NFC", " ".join(seen.translate(_HYPHENS).split()))


def _joins(character: str) -> bool:
    """Whether a letter belongs to a script of South or West Asia (Arabic to Khmer and around)."""
    return "\u0600" <= character <= "\u18af"


@lru_cache(maxsize=1 << 16)
def fold(name: str) -> str:
    """A name as it is compared: tidy, letter case ignored, underscores as blanks, hybrids marked in one way.

    >>> fold(" Turdus_Merula "), fold("CAFE\\u0301") == fold("café"), fold("Salix ×fragilis") == fold("salix x fragilis")
    ('turdus merula', True, True)
    """
    if name.isascii():
        blank = " ".join(name.replace("_", " ").split())
        small = blank.lower()
        return hybrid_signs(blank).lower() if "x" in small else small
    return unicodedata.normalize("NFC", hybrid_signs(tidy(name.replace("_", " "))).casefold())


def stored_name(name: str, rank: str) -> str:
    """A name as the store keeps it: tidy, and in the letter case of the codes of nomenclature where that is plain.

    Names of genus and above are capitalised, specific and subspecific epithets are not (ICZN articles 4, 5 and 28; ICN
    articles 20, 21 and 23 with recommendation 60F). Only plain names are changed: for genus and above one word of letters
    that is wholly small or wholly capital; for species two or three words of letters, of which the last two of three are
    written in one case. Hybrids, viruses, *Candidatus*, acronyms, codes such as BOLD's, and whatever holds digits, dots,
    quotes or authors keep their letters: they are still compared without regard to case. Hybrids get their sign.

    >>> [stored_name(name, "species") for name in ("parus major", "PARUS MAJOR", "Parus Major", "Rosa x alba")]
    ['Parus major', 'Parus major', 'Parus major', 'Rosa × alba']
    >>> [stored_name(name, "class") for name in ("aves", "AVES", "SAR", "BOLD:AAA1234")]
    ['Aves', 'Aves', 'SAR', 'BOLD:AAA1234']
    """
    name = hybrid_signs(tidy(name))
    plain = _PLAIN[2 if rank == "species" else 1]
    if name in _ACRONYMS or not plain.fullmatch(name) or _APART.search(name):
        return name
    first, *epithets = name.split(" ")
    if len(epithets) == 2 and not (" ".join(epithets).islower() or " ".join(epithets).isupper()):
        return name
    return " ".join([_capitalised(first), *(epithet.lower() for epithet in epithets)])


def _capitalised(word: str) -> str:
    return word[0].title() + word[1:].lower() if word.islower() or word.isupper() else word


def preferred(spellings: Iterable[str]) -> str:
    """Of several spellings of one name the one to show: a tidy one, hybrids with their sign, a plain one with a capital first
    and small letters after, else the first by code point. It does not depend on how often or in which order they come.

    >>> preferred(["PARUS MAJOR", "parus major", "Parus major", "Parus  major"])
    'Parus major'
    """
    return min(spellings, key=lambda name: (name != hybrid_signs(tidy(name)), "_" in name, _capitals_apart(name), name))


def in_one_spelling(names: Sequence[str]) -> list[str]:
    """Each name in the spelling that is preferred of those that are the same name.

    >>> in_one_spelling(["parus major", "Corvus corax", "Parus\u00a0major"])
    ['Parus major', 'Corvus corax', 'Parus major']
    """
    spellings: dict[str, set[str]] = {}
    for name in names:
        spellings.setdefault(fold(name), set()).add(tidy(name))
    shown = {key: preferred(found) for key, found in spellings.items()}
    return [shown[fold(name)] for name in names]


def _capitals_apart(name: str) -> int:
    """In a plain name the number of letters whose case differs from a capital first letter and small ones after it."""
    if not any(plain.fullmatch(name) for plain in _PLAIN.values()) or name in _ACRONYMS or _APART.search(name):
        return 0
    return int(name[0].islower()) + sum(letter.isupper() for letter in name[1:])
