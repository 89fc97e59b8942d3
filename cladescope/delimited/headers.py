"""Names of columns, whatever their case and spelling."""

import re
from collections.abc import Collection, Sequence


def squash(name: str) -> str:
    """A column's name without what makes no difference: case, `_`, `-`, dots, blanks, and the prefix of Darwin Core.

    >>> squash("dwc:Scientific Name"), squash("scientific_name")
    ('scientificname', 'scientificname')
    """
    return re.sub(r"^(dwc|dcterms):|[\s_.-]", "", name.strip().lower())


def spelled(names: Collection[str], spellings: Sequence[str], *, order: Sequence[str]) -> list[str]:
    """Those of `names` that are one of `spellings`, the more usual first, then in the table's order.

    >>> spelled({"CLS", "note"}, ("class", "cls"), order=["note", "CLS"])
    ['CLS']
    """
    usual = {squash(spelling): position for position, spelling in enumerate(spellings)}
    found = [name for name in order if name in names and squash(name) in usual]
    return sorted(found, key=lambda name: usual[squash(name)])
