"""Metadata of BIOSCAN-1M and BIOSCAN-5M: a row a specimen, whose picture lies in a folder of its chunk or split.

https://github.com/bioscan-ml/BIOSCAN-1M and https://github.com/bioscan-ml/BIOSCAN-5M: pictures are
`images/KIND/partCHUNK/SAMPLE.jpg` in the first, `images/KIND/SPLIT/CHUNK/PROCESS.jpg` in the second.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from cladescope.delimited import DelimitedText
from cladescope.delimited.headers import spelled
from cladescope.embedding.records import Source
from cladescope.embedding.sources.delimited import TextTable
from cladescope.embedding.sources.package import Package, table_of
from cladescope.embedding.sources.placed import Layout, PlacedText, found_layout
from cladescope.embedding.table_rules import TableRules
from cladescope.errors import InputError

KINDS: Final = ("original_full", "cropped", "original_256", "cropped_256", "original", "")
"""Folders of pictures of one kind, the first that is there is taken."""
ROOTS: Final = ("", "bioscan", "bioscan5m", "bioscan1m", "bioscan_1m", "bioscan_5m")


def open_table(
    package: Package, file: str, text: DelimitedText, *, name: str | None, rules: TableRules, allowed: Collection[str]
) -> Source:
    """Records of the rows, in the table's order. A BOLD BIN is the column `dna_bin`, whatever the release calls it.

    All are animals, which the releases, that begin with the phylum, do not say.

    Raises InputError where none of the first rows' pictures is found, and says where they were looked for.
    """
    columns = {
        role: spelled(text.columns, (role,), order=text.columns)
        for role in ("image_file", "chunk_number", "split", "chunk", "processid")
    }
    found = {role: names[0] for role, names in columns.items() if names}
    is_first = "image_file" in found and "chunk_number" in found
    needs = tuple(
        found[role]
        for role in (("image_file", "chunk_number") if is_first else ("processid", "split", "chunk"))
        if role in found
    )
    layouts = _FIRST if is_first else _SECOND if len(needs) == 3 else ()
    names = {"uri": "dna_bin", "processid": "image_id"} if is_first else {"processid": "image_id"}
    table = _Renamed(text, names, {} if "kingdom" in map(str.lower, text.columns) else {"kingdom": "Animalia"})
    folders = _folders(package.place)
    placed = found_layout(text, needs, folders, layouts)
    if placed is None:
        first = next(iter(text.batches()), None)
        if first is None or not first.num_rows:
            raise InputError(f"{package.address(file)} has a header and no rows: expected one row a picture")
        row = first.slice(0, 1).to_pylist()[0]
        example = next((path for layout in layouts if (path := layout([row[column] for column in needs]))), None)
        raise InputError(
            f"found no picture of {package.address(file)}: looked for {example or 'its pictures'} in {package.place} and the "
            f"folders around it, under images/ and {', '.join(filter(None, KINDS))}; put the table where the release has it"
        )
    needs = tuple(table.names.get(column, column) for column in needs)
    return table_of(
        package,
        PlacedText(table, "image_path", needs, *placed),
        name=name,
        rules=rules,
        allowed=allowed,
        file=file,
        path="image_path",
    )


def _first_release(row: Sequence[str | None]) -> str | None:
    return f"part{row[1]}/{row[0]}" if row[0] and row[1] else None


def _second_release(row: Sequence[str | None]) -> str | None:
    return "/".join(filter(None, (row[1], row[2], f"{row[0]}.jpg"))) if row[0] and row[1] else None


_FIRST: Final[tuple[Layout, ...]] = (_first_release, lambda row: row[0])
_SECOND: Final[tuple[Layout, ...]] = (_second_release, lambda row: f"{row[0]}.jpg" if row[0] else None)


def _folders(folder: str) -> list[str]:
    """Folders in which the pictures may lie, those of the release's own layout first."""
    here = Path(folder)
    bases = (here, here.parent, here.parent.parent)
    roots = (base / root for base in bases for root in ROOTS)
    return [str(path / "images" / kind) for path in roots for kind in KINDS] + [str(here / kind) for kind in KINDS]


@dataclass(frozen=True)
class _Renamed:
    """A table some of whose columns have other names, and which has others in which every row says the same."""

    text: TextTable
    names: dict[str, str]
    same: dict[str, str]

    @property
    def columns(self) -> tuple[str, ...]:
        return (*(self.names.get(name, name) for name in self.text.columns), *self.same)

    @property
    def notices(self) -> tuple[str, ...]:
        return self.text.notices

    def batches(self) -> Iterator[pa.RecordBatch]:
        for batch in self.text.batches():
            said = [pa.repeat(value, batch.num_rows) for value in self.same.values()]
            yield pa.RecordBatch.from_arrays([*batch.columns, *said], names=list(self.columns))
