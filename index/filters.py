"""SQL conditions: a clade as SQL, and what to say when a user's own SQL does not parse."""

import re
from collections.abc import Callable, Iterable, Sequence

from cladescope.errors import InputError
from cladescope.index.files import one_line
from cladescope.taxonomy import RANKS, Taxon


def quote(value: str) -> str:
    """A text as an SQL literal.

    >>> quote("Ross's goose")
    "'Ross''s goose'"
    """
    return "'" + value.replace("'", "''") + "'"


def is_one_of(column: str, values: Iterable[str]) -> str:
    """The condition that a column holds one of some texts; false where there are none.

    >>> is_one_of("image_id", ["a", "b"])
    "`image_id` IN ('a','b')"
    """
    listed = ",".join(quote(value) for value in values)
    return f"`{column}` IN ({listed})" if listed else "false"


def is_within(taxa: Sequence[Taxon], spellings: Callable[[str], Sequence[str]] = lambda name: (name,)) -> str:
    """The condition that a row lies in one of some clades, by full path, so that homonyms stay apart.

    `spellings` gives the ways in which the rows write a name, as `Taxonomy.spellings` of a store does.

    >>> is_within([Taxon(("Animalia", None, "Aves"))])
    "(`kingdom` = 'Animalia' AND `phylum` IS NULL AND `class` = 'Aves')"
    """
    return " OR ".join(f"({_path(taxon, spellings)})" for taxon in taxa) or "false"


def _path(taxon: Taxon, spellings: Callable[[str], Sequence[str]]) -> str:
    parts = []
    for rank, name in zip(RANKS, taxon.path, strict=False):
        written = () if name is None else spellings(name)
        one = f"`{rank}` = {quote(written[0])}" if len(written) == 1 else is_one_of(rank, written)
        parts.append(f"`{rank}` IS NULL" if name is None else one)
    return " AND ".join(parts)


def both(*conditions: str | None) -> str | None:
    """All conditions that are given, joined; None where there is none.

    >>> both("a = 1", None, "b = 2 OR c = 3")
    '(a = 1) AND (b = 2 OR c = 3)'
    """
    given = [condition for condition in conditions if condition is not None]
    return " AND ".join(f"({condition})" for condition in given) or None


def explain(condition: str, error: Exception, columns: Iterable[str]) -> InputError:
    """The user's error behind a query engine's complaint about a condition."""
    text = one_line(error)
    shown = ", ".join(name for name in columns if name != "vector")
    if "No field named" in text:
        found = re.search(r"No field named [`\"]?([^`\".]+)", text)
        name = found.group(1) if found else "?"
        return InputError(f"no column {name!r} in --where {condition!r}: the store has {shown}")
    detail = re.search(r"sql parser error: (.*)\)$", text) or re.search(r"Invalid user input: (.*)", text)
    reason = detail.group(1) if detail else text.removeprefix("Invalid input, ")[:200]
    return InputError(
        f"--where {condition!r} is not a condition in SQL ({reason}): write for instance \"genus = 'Parus' AND width > 500\""
    )
