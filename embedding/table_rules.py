"""How the text of a table is read: which words mean that a value is missing, and which columns hold numbers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from cladescope.delimited.headers import squash
from cladescope.embedding.labels import MISSING
from cladescope.errors import UsageError
from cladescope.nearest import did_you_mean

TYPES: Mapping[str, pa.DataType] = {"text": pa.string(), "int": pa.int64(), "float": pa.float64()}
"""Types that a column may be declared to have."""


@dataclass(frozen=True, kw_only=True)
class TableRules:
    """What a reader of tables is told beside the table."""

    types: Mapping[str, pa.DataType] = field(default_factory=dict)
    """Type of columns, by name in any spelling, whatever their values look like."""
    stored: Mapping[str, pa.DataType] = field(default_factory=dict)
    """Types of the columns that the store has already."""
    missing: frozenset[str] = MISSING
    """Words, in lower case, that say that a value is missing; an empty one always does."""

    def declared(self, column: str) -> pa.DataType | None:
        """The type that a column is declared to have."""
        return {squash(name): type_ for name, type_ in self.types.items()}.get(squash(column))


def written_missing(missing: Iterable[str] = MISSING) -> tuple[str, ...]:
    """Words that mean that a value is missing, as people write them: `NA`, `na`, `Na`, `NaN`.

    >>> written_missing(["na"])
    ('NA', 'Na', 'na')
    """
    found = {form for word in missing for form in (word, word.upper(), word.title(), word.capitalize())}
    return tuple(sorted(found | ({"NaN"} if "nan" in found else set())))


def declared_types(text: str) -> dict[str, pa.DataType]:
    """Types of columns as the command line gives them.

    Raises InputError for a type that there is not.

    >>> declared_types("weight=float, plot=text")
    {'weight': DataType(double), 'plot': DataType(string)}
    """
    found = {}
    for part in filter(None, text.split(",")):
        column, sign, name = part.rpartition("=")
        if not sign or name.strip() not in TYPES or not column.strip():
            meant = did_you_mean(name.strip(), TYPES)
            raise UsageError(f"found {part!r}, expected COLUMN=TYPE with one of the types {', '.join(TYPES)}{meant}")
        found[column.strip()] = TYPES[name.strip()]
    return found
