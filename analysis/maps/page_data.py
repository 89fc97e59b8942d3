"""What a page of a map asks for, as parts by name: points, codes and legends, names of clusters, lineages and rows.

A part is bytes, compressed by gzip: numbers as they lie in memory, little endian, or JSON. A page that stands alone holds them in itself (`page`),
one that a web server sends reads them as files (`page_folder`). Pictures are told by their index in map order.
"""

import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float32

from cladescope.analysis.maps.cluster_names import cluster_names
from cladescope.analysis.maps.coded import best_column, coded_column, kinds, told_column
from cladescope.analysis.maps.lineages import distinct_lineages
from cladescope.analysis.maps.order import bounds
from cladescope.analysis.maps.page_columns import without_path, without_paths
from cladescope.analysis.maps.small_pictures import SmallPictures
from cladescope.analysis.pictures import Pictures
from cladescope.schema import LEVELS, holds_labels
from cladescope.shown import counted
from cladescope.taxonomy import RANKS

FORMAT = 1
ROWS = 1000
"""Rows of a part: what is read at once where a card, or a line of the grid, is shown."""
MOST_VALUES = 1000
"""Values of a column that is no rank, up to which it is among the colours; each picture shows it all the same."""
LICENCE = "licence"


@dataclass(frozen=True, kw_only=True, eq=False)
class PageMap:
    """A map as its page shows it: n pictures in map order (`order`), with all that is told of them."""

    name: str
    """Of the collection."""
    points: Float32[np.ndarray, "n 2"]
    pictures: Pictures
    """Without vectors; the columns of `page_columns.shown_columns`."""
    version: int = 0
    """Of the store."""
    method: str = ""
    encoder: str = ""
    notes: tuple[str, ...] = ()
    trustworthiness: tuple[float, float] | None = None
    color: str | None = None
    """The column by which it is coloured at first; None for the best one."""
    n_failures: int = 0
    """Pictures that could not be embedded."""
    small: SmallPictures = field(default_factory=SmallPictures)
    """The small pictures, by their index."""

    def __len__(self) -> int:
        return len(self.points)

    @cached_property
    def plain(self) -> Pictures:
        """The pictures without any folder of this machine."""
        return Pictures(np.empty((len(self), 0), np.float32), without_paths(self.pictures.table))

    @cached_property
    def columns(self) -> list[dict[str, Any]]:
        """What it can be coloured by."""
        told = (told_column(self.plain, name, kind) for name, kind in kinds(self.plain.table.schema).items())
        return [one for one in told if one["n_given"] and (one["kind"] != "category" or one["n_values"] <= MOST_VALUES)]

    @cached_property
    def without_licence(self) -> int:
        """Pictures of which no licence is known; none where licences were not read."""
        return self.plain.texts(LICENCE).null_count if LICENCE in self.plain.table.column_names else 0

    def about(self, *, pictures_inside: int | None = None) -> dict[str, Any]:
        """What the page reads first: the collection and its map, as the service tells of them.

        Small pictures lie within the page, so many to a part, or are files.
        """
        names = [one["name"] for one in self.columns]
        x, y = bounds(self.points)
        encoder = without_path(self.encoder)
        digest = hashlib.blake2b(self.points.tobytes(), digest_size=8).hexdigest()
        trusted = self.trustworthiness
        return {
            "name": self.name,
            "details": {
                "name": self.name,
                "version": self.version,
                "images": len(self),
                "failures": self.n_failures,
                "ranks": self._ranks(),
                "columns": self.plain.table.column_names,
                "encoder": {"name": encoder, "state": "failed", "problem": None},
                "dim": 0,
                "has_text": False,
                "index": None,
            },
            "map": {
                "state": "ready",
                "key": digest,
                "n": len(self),
                "version": self.version,
                "method": self.method,
                "encoder": encoder,
                "notes": [*self.notes, *self._licence_notes()],
                "trustworthiness": None if trusted is None else {"value": trusted[0], "standard_error": trusted[1]},
                "columns": self.columns,
                "color": self.color if self.color in names else best_column(self.plain, self.columns),
                "x": x,
                "y": y,
                "stale": False,
            },
            "rows": ROWS,
            "pictures": {
                "told": self.small.told(len(self)),
                "count": len(self.small.sizes),
                "inside": pictures_inside,
            },
        }

    def parts(self) -> Iterator[tuple[str, bytes]]:
        """Every part under its name: `points`; `codes/I`, `legend/I` and `labels/I` of the column I; `lineages`, `lineage_of`; `sizes`, the bytes of each small picture; and `rows/I`."""
        yield "points", packed(self.points, "<f4")
        possible = kinds(self.plain.table.schema)
        for place, column in enumerate(self.columns):
            found = coded_column(self.plain, column["name"], possible[column["name"]])
            yield f"codes/{place}", packed(found.codes, "<u2")
            yield f"legend/{place}", _document(found.legend)
            yield f"labels/{place}", _document(cluster_names(self.points, found))
        table = self.plain.table
        there = [table.column(name) if name in table.column_names else _nothing(len(self)) for name in _NAMED]
        lineages, of = distinct_lineages(pa.table(there, names=list(_NAMED)))
        yield "lineages", _document(lineages.to_pydict())
        yield "lineage_of", packed(of, "<u4")
        sizes = np.zeros(len(self), np.uint32)
        sizes[list(self.small.sizes)] = list(self.small.sizes.values())
        yield "sizes", packed(sizes, "<u4")
        for start in range(0, len(self), ROWS):
            yield f"rows/{start // ROWS}", _document(_columns(table.slice(start, ROWS)))

    def _ranks(self) -> dict[str, dict[str, int]]:
        levels = LEVELS if holds_labels(self.plain.table.schema) else RANKS
        numbers = {level: self.plain.labels(level) for level in levels}
        return {
            level: {"taxa": int(of.max(initial=-1)) + 1, "images": int((of >= 0).sum())}
            for level, of in numbers.items()
        }

    def _licence_notes(self) -> list[str]:
        n = self.without_licence
        return [f"of {counted(n, 'picture')} no licence is known: ask before you pass them on"] if n else []


_NAMED = (*RANKS, "common_name")


def _nothing(n: int) -> pa.ChunkedArray:
    return pa.chunked_array([pa.nulls(n, pa.string())])


def _columns(table: pa.Table) -> dict[str, list[Any]]:
    """The columns of some rows as lists that JSON knows; those without any value are left out."""
    found = {}
    for name in table.column_names:
        column = table.column(name)
        if column.null_count == len(column):
            continue
        if pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))
        elif not (pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)):
            column = pc.cast(column, pa.large_string())
        found[name] = column.to_pylist()
    return found


def packed(values: np.ndarray, kind: str) -> bytes:
    """An array as a part."""
    return gzip.compress(np.ascontiguousarray(values, kind).tobytes(), compresslevel=6, mtime=0)


def _document(value: Any) -> bytes:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    # Half characters, which a file's name may hold, are in no UTF-8.
    return gzip.compress(text.encode("utf-8", "replace"), compresslevel=6, mtime=0)
