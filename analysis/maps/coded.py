"""Pictures of a map by a column: a code a picture, and the legend that says what each code means and how it is coloured."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float64, Int, UInt16

from cladescope.analysis.maps.colour_rank import COVERED, colour_rank
from cladescope.analysis.maps.colours import SHOWN, Lineage, colouring_of
from cladescope.analysis.pictures import Pictures
from cladescope.schema import LABEL
from cladescope.taxonomy import RANKS

NO_VALUE = 2**16 - 1
FURTHER = NO_VALUE - 1
"""The code of all values behind the 65,534 largest ones."""
STEPS = 256
"""Codes of a column of numbers."""
_IDENTITY = frozenset({"image_id", "uri", "content_hash", "vector"})
Kind = Literal["rank", "category", "number"]


@dataclass(frozen=True, eq=False)
class Coded:
    """The codes of a column's values, and its legend as plain values."""

    codes: UInt16[np.ndarray, " n"]
    legend: dict[str, Any]


def told_column(pictures: Pictures, name: str, kind: Kind) -> dict[str, Any]:
    """A rank or column: its name and kind, how many values it has, and how many pictures have one."""
    if kind == "number":
        column = pictures.table[name]
        n_values, n_given = int(pc.count_distinct(column).as_py()), len(column) - column.null_count
    else:
        numbers = numbered(pictures, name)
        n_values, n_given = int(numbers.max(initial=-1)) + 1, int((numbers >= 0).sum())
    return {"name": name, "kind": kind, "n_values": n_values, "n_given": n_given}


def best_column(pictures: Pictures, columns: Sequence[Mapping[str, Any]]) -> str | None:
    """The rank or column by which a map is coloured where nobody says; None where none tells pictures apart.

    `columns` are those that can be chosen, as `told_column` tells them.
    """
    there = {one["name"]: one for one in columns}
    rank = colour_rank(pictures)
    if rank in there and there[rank]["n_values"] > 1:
        return rank
    least = COVERED * len(pictures)
    others = (
        one["name"]
        for one in there.values()
        if one["kind"] == "category" and 1 < one["n_values"] <= SHOWN and one["n_given"] >= least
    )
    return next(others, rank if rank in there else None)


def kinds(schema: pa.Schema) -> dict[str, Kind]:
    """What can be asked for, and how it is told apart.

    >>> kinds(pa.schema({"uri": pa.string(), "genus": pa.string(), "sex": pa.string(), "width": pa.int32()}))
    {'genus': 'rank', 'sex': 'category', 'width': 'number'}
    """
    found: dict[str, Kind] = {rank: "rank" for rank in RANKS if rank in schema.names}
    for field in sorted(schema, key=lambda field: field.name != LABEL):
        if field.name in found or field.name in _IDENTITY:
            continue
        if pa.types.is_integer(field.type) or pa.types.is_floating(field.type):
            found[field.name] = "number"
        elif not pa.types.is_nested(field.type) and not pa.types.is_binary(field.type):
            found[field.name] = "category"
    return found


def numbered(pictures: Pictures, by: str) -> Int[np.ndarray, " n"]:
    """A number for each picture's value of a category, -1 for none."""
    return pictures.labels(by) if by in RANKS or by == LABEL else pictures.numbered(by)


def coded_column(pictures: Pictures, by: str, kind: Kind) -> Coded:
    """The pictures by a rank or column.

    Values of a category count from 0, the most frequent first. Numbers have codes from 0 at the least to 255 at the most.
    """
    if kind == "number":
        values = pc.cast(pictures.table[by], pa.float64()).to_numpy()
        return _scaled(by, np.asarray(values, np.float64))
    numbers = numbered(pictures, by)
    given = numbers >= 0
    sizes = np.bincount(numbers[given])
    lineages = _lineages(pictures, by, numbers)
    common = _common_names(pictures, by, numbers)
    order = sorted(range(len(sizes)), key=lambda number: (-int(sizes[number]), lineages[number]))
    code_of = np.full(len(sizes) + 1, NO_VALUE, np.uint16)
    code_of[np.array(order, np.int64)] = np.minimum(np.arange(len(order)), FURTHER).astype(np.uint16)
    counted = Counter({lineage: int(size) for lineage, size in zip(lineages, sizes.tolist(), strict=True)})
    light, dark = colouring_of(counted), colouring_of(counted, dark=True)
    named = set(light.largest)
    listed = [
        {
            "code": code,
            "value": " > ".join(name for name in lineages[number] if name),
            "name": lineages[number][-1],
            "common_name": common.get(number),
            "images": int(sizes[number]),
            "color": light.colours[lineages[number]],
            "dark": dark.colours[lineages[number]],
            "named": lineages[number] in named,
        }
        for code, number in enumerate(order[:FURTHER])
    ]
    if further := order[FURTHER:]:
        first = lineages[further[0]]
        told = f"{len(further):,} more of {by}"
        n = int(sizes[further].sum())
        shades = {"color": light.colours[first], "dark": dark.colours[first]}
        listed.append({"code": FURTHER, "value": told, "name": told, "common_name": None, "images": n, **shades, "named": False})  # fmt: skip
    legend = {
        "by": by,
        "kind": "category",
        "values": listed,
        "without": int((~given).sum()),
        "least": None,
        "most": None,
    }
    return Coded(code_of[numbers], legend)


def _lineages(pictures: Pictures, by: str, numbers: Int[np.ndarray, " n"]) -> list[Lineage]:
    """The names of each number's value: of a taxon those from the kingdom down, "" for a rank left out in between."""
    if by in RANKS:
        return [tuple(name or "" for name in taxon.path) for taxon in pictures.taxa(by)]
    found, first = np.unique(numbers, return_index=True)
    texts = pictures.texts(by).take(pa.array(first[found >= 0])).to_pylist()
    return [(text,) for text in texts]


def _common_names(pictures: Pictures, by: str, numbers: Int[np.ndarray, " n"]) -> dict[int, str]:
    """The most frequent common name of each taxon, of the pictures that are named down to it and no further."""
    if by not in RANKS:
        return {}
    deepest = (pictures.name_codes[:, RANKS.index(by) + 1 :] == 0).all(axis=1)
    names = pictures.numbered("common_name")
    rows = np.flatnonzero(deepest & (numbers >= 0) & (names >= 0))
    pairs, first, counts = np.unique(
        np.column_stack([numbers[rows], names[rows]]), axis=0, return_index=True, return_counts=True
    )
    order = np.lexsort([first, -counts, pairs[:, 0]])
    taxa, place = np.unique(pairs[order, 0], return_index=True)
    texts = pictures.texts("common_name").take(pa.array(rows[first[order[place]]])).to_pylist()
    return dict(zip(taxa.tolist(), texts, strict=True))


def _scaled(by: str, values: Float64[np.ndarray, " n"]) -> Coded:
    """Numbers in 256 steps; NaN and infinities are no values."""
    given = np.isfinite(values)
    codes = np.full(len(values), NO_VALUE, np.uint16)
    least, most = (float(values[given].min()), float(values[given].max())) if given.any() else (None, None)
    if least is not None and most is not None:
        spread = max(most - least, np.finfo(np.float64).tiny)
        shares = (values[given] / 2 - least / 2) / (spread / 2) if np.isfinite(spread) else np.zeros(given.sum())
        codes[given] = np.minimum(shares * STEPS, STEPS - 1).astype(np.uint16)
    legend = {"by": by, "kind": "number", "values": [], "without": int((~given).sum()), "least": least, "most": most}
    return Coded(codes, legend)
