"""Licences of pictures: the many ways in which they are written, and the short form of each.

A short form is `cc0`, `public domain`, `all rights reserved`, or that of a licence of Creative Commons without its version: `by`, `by-sa`,
`by-nc`, `by-nc-sa`, `by-nd`, `by-nc-nd`. Nothing is guessed: a text that names none of these, or several, has no short form.
"""

import re
from typing import Final, NamedTuple

ALL_RIGHTS: Final = "all rights reserved"
PUBLIC_DOMAIN: Final = "public domain"
ELEMENTS: Final = ("nc", "nd", "sa")
"""What a licence of Creative Commons may ask for beside the name: no commerce, no changes, sharing alike."""
SHORT_FORMS: Final = ("by", "by-sa", "by-nc", "by-nc-sa", "by-nd", "by-nc-nd", "cc0", PUBLIC_DOMAIN, ALL_RIGHTS)
_GAP = r"[\s_\-\u2010-\u2015]*"
_LONG = rf"(?:non?{_GAP}commercial|no{_GAP}deriv|share{_GAP}alike)[a-z]*(?:{_GAP}works)?"
_ELEMENT = rf"(?:[\s_\-\u2010-\u2015./+]*(?:nc|nd|sa)|[\s_\-\u2010-\u2015./+,;:&(]*(?:and{_GAP})?{_LONG}(?:\s*\))?)"
_KIND = rf"by(?P<elements>{_ELEMENT}*)"
_NAME = rf"(?:{_GAP}(?:international|intl|unported|generic|licen[sc]e|deed))*"
_VERSION = rf"(?:{_GAP}(?:(?:v|version){_GAP})?(?P<version>[1-4][._]\d))?"
_ADDRESS = re.compile(
    r"(?:https?://)?(?:www\.)?creativecommons\.org/"
    r"(?:licen[sc]es/(?P<kind>by(?:-(?:nc|nd|sa))*|zero|publicdomain)|publicdomain/(?P<public>zero|mark|certification))"
    r"(?:/(?P<version>[1-4]\.\d))?[\w./-]*"
)
_COLON = r"[\s_\-\u2010-\u2015:()]*"
_CODE = re.compile(rf"\b(?:cc|creative{_GAP}commons){_COLON}{_KIND}(?!\w*[a-z]){_VERSION}")
_BARE = re.compile(rf"(?:{_KIND}|attribution){_VERSION}{_NAME}")
_ASKED = rf"(?:{_ELEMENT}(?![a-z]))"
_COMMONS = re.compile(
    rf"\bcreative{_GAP}commons{_COLON}attribution(?P<elements>{_ASKED}*)(?:{_GAP}licen[sc]e)?{_VERSION}"
)
_ATTRIBUTION = re.compile(rf"\battribution(?P<elements>{_ASKED}+)(?:{_GAP}licen[sc]e)?{_VERSION}")
_ZERO = re.compile(rf"\b(?:cc{_GAP}(?:0|zero)|no rights reserved)(?:(?![a-z0-9])|(?=_)){_VERSION}")
_PUBLIC = re.compile(rf"\bpublic{_GAP}domain(?:{_GAP}mark)?(?!\w)|\bpdm\b|^pd$|\bcc{_GAP}(?:public{_GAP}domain|pdm?)\b")
_RESERVED = re.compile(r"\ball rights reserved\b")
_TAKEN = " \x1f "
_LEFT = re.compile(
    rf"non?{_GAP}commerc|not for (?:any )?commerc|no{_GAP}(?:further )?deriv|no{_GAP}modif|share{_GAP}alike|\bby(?:{_GAP}(?:nc|nd|sa))+\b"
    rf"|\x1f[\W_]*(?:(?:international|intl|unported|generic)[\W_]*)?(?:nc|nd|sa)\b"
)
"""What asks for more than what was read before it does."""
_DENIED = re.compile(
    rf"\b(?:no|not|non){_GAP}(?:(?:in|under|part of|the|a) )*(?:cc\b|creative{_GAP}commons|public{_GAP}domain)"
)
_SPELT: Final = {"nc": "nc|commerc", "sa": "sa|sharealike", "nd": "nd|deriv|modif"}


class Licence(NamedTuple):
    """What a text says of a licence."""

    kind: str
    """Its short form."""
    version: str | None
    """The version, where the text names one."""

    @property
    def address(self) -> str | None:
        """Where the licence stands, if that is certain."""
        if self.kind == "cc0":
            return "https://creativecommons.org/publicdomain/zero/1.0/"
        if self.version is None or not self.kind.startswith("by"):
            return None
        kind = "by-nd-nc" if (self.kind, self.version) == ("by-nc-nd", "1.0") else self.kind
        return f"https://creativecommons.org/licenses/{kind}/{self.version}/"


def read_licence(text: str | None) -> Licence | None:
    """The one licence that a text names, however it is written; None where it names none that is known, or several.

    >>> read_licence("http://creativecommons.org/licenses/by-nc/4.0/legalcode")
    Licence(kind='by-nc', version='4.0')
    >>> [short_form(text) for text in ("CC_BY_NC_4_0", "(c) Jane, some rights reserved (CC BY-SA)", "CC0", "No rights reserved")]
    ['by-nc', 'by-sa', 'cc0', 'cc0']
    >>> [short_form(text) for text in ("ask me", "attribution: Jane", "CC BY / CC BY-SA", "some rights reserved", None)]
    [None, None, None, None, None]
    """
    rest = " ".join((text or "").lower().split())
    found: list[Licence] = []

    def take(pattern: re.Pattern[str]) -> None:
        """Add what a pattern finds, and take it out of the text, so that no other reads it again."""
        nonlocal rest
        found.extend(_licence(match) for match in pattern.finditer(rest))
        rest = pattern.sub(_TAKEN, rest)

    if _DENIED.search(rest):
        return None
    take(_ADDRESS)
    whole = _BARE.fullmatch(rest.strip())
    if whole is not None:
        found.append(_licence(whole))
    for pattern in (_CODE, _ZERO, _COMMONS, _ATTRIBUTION, _PUBLIC, _RESERVED):
        take(pattern)
    kinds = {one.kind for one in found}
    if "cc0" in kinds:  # its title calls it a dedication to the public domain
        kinds.discard(PUBLIC_DOMAIN)
    if len(kinds) != 1:
        return None
    kind = kinds.pop()
    if any(kind_of not in kind.split("-") for left in _LEFT.finditer(rest) for kind_of in _elements(left[0])):
        return None
    versions = {one.version for one in found if one.kind == kind} - {None}
    return Licence(kind, versions.pop() if len(versions) == 1 else None)


def short_form(text: str | None) -> str | None:
    """The short form of the licence that a text names, as `read_licence`."""
    found = read_licence(text)
    return None if found is None else found.kind


def _licence(match: re.Match[str]) -> Licence:
    """What one of the patterns found."""
    parts = match.groupdict()
    version = (parts.get("version") or "").replace("_", ".") or None
    if match.re is _ZERO or parts.get("public") == "zero" or parts.get("kind") == "zero":
        return Licence("cc0", version)
    if match.re is _PUBLIC or parts.get("public") or parts.get("kind") == "publicdomain":
        return Licence(PUBLIC_DOMAIN, version)
    if match.re is _RESERVED:
        return Licence(ALL_RIGHTS, None)
    words = parts.get("elements") or (parts.get("kind") or "").removeprefix("by")
    return Licence("-".join(["by", *_elements(words)]), version)


def _elements(words: str) -> list[str]:
    """What words ask for, in the order of a short form.

    >>> _elements("-NoDerivs, non commercial"), _elements("and share alike"), _elements("")
    (['nc', 'nd'], ['sa'], [])
    """
    spelt = re.sub(r"[\W_]+|\band\b", "", words.lower())
    return [short for short, said in _SPELT.items() if re.search(said, spelt)]
