"""The columns of a map that is served: their codes and legends, and the names of their clusters, each made once."""

from typing import Any

from cladescope.analysis.maps.cluster_names import cluster_names
from cladescope.analysis.maps.coded import Coded, best_column, coded_column, kinds, told_column
from cladescope.analysis.pictures import Pictures
from cladescope.app.service.map_rows import MapRows
from cladescope.errors import InputError
from cladescope.nearest import did_you_mean
from cladescope.schema import LEVELS


def coded(rows: MapRows, by: str) -> Coded:
    """The pictures by a rank or column; see `coded_column`. Raises InputError for a column that the map cannot be coloured by."""
    name = f"coded {by}"
    if name not in rows.kept:
        possible = kinds(rows.reader.schema)
        if by not in possible:
            there = list(possible)
            raise InputError(f"the map has no column {by!r}: there are {', '.join(there)}{did_you_mean(by, there)}")
        rows.kept[name] = coded_column(_with(rows, by), by, possible[by])
    found: Coded = rows.kept[name]
    return found


def columns(rows: MapRows) -> list[dict[str, Any]]:
    """What the map can be coloured by: ranks, the label and columns of which some picture has a value."""
    if "columns" not in rows.kept:
        told = (told_column(_with(rows, name), name, kind) for name, kind in kinds(rows.reader.schema).items())
        rows.kept["columns"] = [one for one in told if one["n_given"]]
    found: list[dict[str, Any]] = rows.kept["columns"]
    return found


def best(rows: MapRows) -> str | None:
    """The rank or column by which the map is coloured where nobody says; None where none tells pictures apart."""
    return best_column(rows.pictures, columns(rows))


def labels(rows: MapRows, by: str) -> list[dict[str, Any]]:
    """Where the names of a column stand; see `cluster_names`. Raises InputError for a column that the map cannot be coloured by."""
    name = f"labels {by}"
    if name not in rows.kept:
        rows.kept[name] = cluster_names(rows.made.points, coded(rows, by))
    found: list[dict[str, Any]] = rows.kept[name]
    return found


def _with(rows: MapRows, by: str) -> Pictures:
    return rows.pictures if by in LEVELS else rows.pictures_of([by])
