"""Conditions on where pictures were taken: so many kilometres around a place, or the same value as a stored picture's."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import cos, isfinite, pi, radians, sin
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from cladescope.delimited.headers import squash
from cladescope.embedding.given import AnyPicture
from cladescope.embedding.locations import read_bytes
from cladescope.embedding.picture_tags import tags_of
from cladescope.embedding.regions import split_region
from cladescope.errors import InputError

EARTH_KM = 6371.0088
"""Mean radius of the earth (IUGG)."""
DEGREE_KM = EARTH_KM * pi / 180
COORDINATES = (
    ("decimallatitude", "decimallongitude"),
    ("latitude", "longitude"),
    ("lat", "lon"),
    ("lat", "lng"),
    ("lat", "long"),
)
"""Columns that hold degrees, as `squash` spells them: Darwin Core's, those of picture files and of most tables."""
_AT_ONCE = 50
"""Places that one condition may name: each costs a term for every row."""


class Place(NamedTuple):
    """A circle on the earth."""

    latitude: float
    longitude: float
    kilometres: float

    @classmethod
    def of(cls, near: Sequence[float]) -> "Place":
        """A place from its three numbers. Raises InputError for what is not three numbers.

        >>> Place.of((50.93, 11.59, 20.0))
        Place(latitude=50.93, longitude=11.59, kilometres=20.0)
        """
        try:
            return cls(*map(float, near))
        except (TypeError, ValueError) as error:
            raise InputError(f"near is {near!r}: expected latitude, longitude and kilometres") from error

    def checked(self) -> "Place":
        """Itself. Raises InputError for what is no place.

        >>> Place(95.0, 10.0, 5.0).checked()
        Traceback (most recent call last):
        cladescope.errors.InputError: found the place 95.0, 10.0, 5.0: expected a latitude (-90 to 90), a longitude (-180 ...
        """
        if (
            abs(self.latitude) <= 90
            and abs(self.longitude) <= 180
            and self.kilometres > 0
            and isfinite(self.kilometres)
        ):
            return self
        raise InputError(
            f"found the place {', '.join(map(str, self))}: "
            "expected a latitude (-90 to 90), a longitude (-180 to 180) and kilometres above 0"
        )


def coordinate_columns(schema: pa.Schema) -> list[tuple[str, str]]:
    """Pairs of columns for latitude and longitude. Raises InputError where a store has none.

    >>> coordinate_columns(pa.schema({"decimalLatitude": pa.float64(), "decimalLongitude": pa.float64(), "lat": pa.string()}))
    [('decimalLatitude', 'decimalLongitude')]
    """
    there = {squash(name): name for name in schema.names}
    found = [(there[lat], there[lon]) for lat, lon in COORDINATES if lat in there and lon in there]
    if not found:
        raise InputError(
            "the store has no columns of coordinates: expected decimalLatitude and decimalLongitude, latitude and longitude, "
            "or lat and lon; embed a table that has them"
        )
    return found


def is_placed(schema: pa.Schema) -> str:
    """The condition that a row has coordinates."""
    return _any_pair(schema, lambda lat, lon: f"{lat} BETWEEN -90 AND 90 AND {lon} BETWEEN -180 AND 180")


def is_near(schema: pa.Schema, places: Sequence[Place]) -> str:
    """The condition that a row lies in one of some circles, by the haversine formula on a sphere.

    It is exact but for the earth's flatness (0.5 %). Raises InputError for what is no place, and for more than 50.
    """
    if len(places) > _AT_ONCE:
        raise InputError(f"found {len(places)} places, {_AT_ONCE} at most can be asked about at once")
    return " OR ".join(_any_pair(schema, partial(_in_circle, place)) for place in (one.checked() for one in places))


def places_of(rows: Sequence[Mapping[str, Any]], schema: pa.Schema, kilometres: float) -> list[Place]:
    """Circles around the places of some stored pictures. Raises InputError where one has no coordinates."""
    pairs = coordinate_columns(schema)
    found = []
    for row in rows:
        placed = (_numbers(row[lat], row[lon]) for lat, lon in pairs)
        first = next((one for one in placed if one is not None), None)
        if first is None:
            raise InputError(f"the picture {row['image_id']} has no coordinates: name a place, or another picture")
        found.append(Place(*first, kilometres))
    return found


def place_of_picture(picture: AnyPicture, kilometres: float) -> Place:
    """A circle around where a query picture was taken, as its file says (GPS in EXIF or XMP).

    Raises InputError where it says none, PictureError where it cannot be read.
    """
    named = str(picture) if isinstance(picture, str | Path) else "in memory"
    data = read_bytes(split_region(named)[0]) if isinstance(picture, str | Path) else picture
    said = tags_of(data).values if isinstance(data, bytes) else {}
    found = _numbers(said.get("latitude"), said.get("longitude"))
    if found is None:
        raise InputError(f"the file of the query picture {named} says no place: name a place, or a stored picture")
    return Place(*found, kilometres)


def is_same(column: str, rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> str:
    """The condition that a column holds what it holds of some stored pictures.

    Raises InputError for a column that holds no texts or numbers, or nothing of one of the pictures.

    >>> is_same("locality", [{"image_id": "a", "locality": "Jena"}], pa.schema({"locality": pa.string()}))
    "`locality` = 'Jena'"
    """
    from sqlglot import exp

    from cladescope.index.lance_sql import render

    literals = []
    for row in rows:
        value = row[column]
        if value is None:
            raise InputError(f"the picture {row['image_id']} has no {column}: name another picture, or another column")
        if not isinstance(value, str | int | float):
            raise InputError(
                f"column {column!r} holds {schema.field(column).type}: expected a column of texts or numbers"
            )
        literals.append(exp.convert(value))
    return render(
        exp.or_(*(exp.EQ(this=exp.column(column, quoted=True), expression=one) for one in literals), copy=False)
    )


def _any_pair(schema: pa.Schema, condition: Callable[[str, str], str]) -> str:
    return " OR ".join(
        f"({condition(_degrees(schema, lat), _degrees(schema, lon))})" for lat, lon in coordinate_columns(schema)
    )


def _degrees(schema: pa.Schema, name: str) -> str:
    """A column as numbers in SQL."""
    from sqlglot import exp

    from cladescope.index.lance_sql import render

    column = render(exp.column(name, quoted=True))
    is_text = pa.types.is_string(schema.field(name).type) or pa.types.is_large_string(schema.field(name).type)
    return f"TRY_CAST({column} AS DOUBLE)" if is_text else column


def _in_circle(place: Place, lat: str, lon: str) -> str:
    """haversin(distance / radius) of the place and a row, compared with that of the circle; a band of latitude goes before."""
    half = place.kilometres / EARTH_KM / 2
    most = sin(half) ** 2 if half < pi / 2 else 2.0
    low, high = (place.latitude + sign * place.kilometres / DEGREE_KM for sign in (-1, 1))
    apart = (
        f"power(sin(radians({lat} - {place.latitude!r}) / 2), 2) + {cos(radians(place.latitude))!r} * cos(radians({lat}))"
        f" * power(sin(radians({lon} - {place.longitude!r}) / 2), 2)"
    )
    return f"{lat} BETWEEN {low!r} AND {high!r} AND {lon} BETWEEN -180 AND 180 AND {apart} <= {most!r}"


def _numbers(latitude: object, longitude: object) -> tuple[float, float] | None:
    """Degrees of a row; None where one is missing or is none."""
    try:
        found = float(str(latitude)), float(str(longitude))
    except ValueError:
        return None
    return found if abs(found[0]) <= 90 and abs(found[1]) <= 180 else None
