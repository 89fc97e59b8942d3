"""A table of a package, read into a database under names that need no quotes, and asked for by any spelling of its columns."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from string import ascii_lowercase

from cladescope.delimited import DelimitedText
from cladescope.delimited.headers import spelled, squash
from cladescope.embedding.sources.joined import Joining
from cladescope.errors import InputError


@dataclass(frozen=True, slots=True)
class Member:
    """One table of several that are joined."""

    table: str
    """Its name in the database."""
    columns: Mapping[str, str]
    """Name in the database of each of its columns."""

    @classmethod
    def read(cls, joining: Joining, table: str, text: DelimitedText) -> "Member":
        """Read all columns of a text. Raises InputError where the text does, or where two of its columns have one name."""
        if twice := next((name for name in text.columns if text.columns.count(name) > 1), None):
            raise InputError(f"the table of {table} has the column {twice!r} twice: rename one of them")
        names = {column: f"of_{_letters(place)}" for place, column in enumerate(text.columns)}
        joining.read(table, text, {name: column for column, name in names.items()})
        return cls(table, names)

    def having(self, needed: Collection[str], place: str, what: str) -> "Member":
        """This table; `place` and `what` say in a message where it is read and what is expected there.

        Raises InputError where it lacks one of the columns that are `needed`.
        """
        for column in needed:
            if not self.has(column):
                listed = ", ".join(list(self.columns)[:20])
                raise InputError(f"{place} has no column {column} among {listed}: expected the {self.table} of {what}")
        return self

    def at(self, *spellings: str) -> str:
        """What stands for a column in SQL, by the first of these names that the table has; NULL where it has none.

        >>> Member("media", {"fileName": "of_a"}).at("file_name"), Member("media", {}).at("event_id")
        ('media.of_a', 'NULL::VARCHAR')
        """
        found = spelled(self.columns.keys(), spellings, order=list(self.columns))
        return f"{self.table}.{self.columns[found[0]]}" if found else "NULL::VARCHAR"

    def has(self, *spellings: str) -> bool:
        """Whether the table has a column of one of these names."""
        return bool(spelled(self.columns.keys(), spellings, order=list(self.columns)))

    def without(self, columns: Collection[str]) -> "Member":
        """The same table without some columns, named in any case."""
        return Member(self.table, {name: own for name, own in self.columns.items() if name.lower() not in columns})

    def others(self, taken: Collection[str]) -> dict[str, str]:
        """What stands for each column that is not taken yet, by its own name, or with the table's before it where that is.

        >>> Member("deployments", {"habitat": "of_a", "comments": "of_b"}).others(["Comments"])
        {'habitat': 'deployments.of_a', 'deployments_comments': 'deployments.of_b'}
        """
        squashed = {squash(name) for name in taken}
        return {
            f"{self.table}_{column}" if squash(column) in squashed else column: f"{self.table}.{name}"
            for column, name in self.columns.items()
        }


def selected(columns: Mapping[str, str]) -> str:
    """Columns of a SELECT, by what stands for each.

    >>> selected({"File Name": "media.of_a"})
    'media.of_a AS "File Name"'
    """
    return ", ".join(f'{value} AS "{name.replace(chr(34), chr(34) * 2)}"' for name, value in columns.items())


def _letters(place: int) -> str:
    """Small letters that number a column.

    >>> _letters(0), _letters(27)
    ('a', 'ab')
    """
    more, last = divmod(place, 26)
    return (_letters(more - 1) if more else "") + ascii_lowercase[last]
