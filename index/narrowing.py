"""What narrows the gallery of a search: clades, SQL, and where pictures were taken; and what is left out by it, in words."""

from collections.abc import Sequence

from cladescope.embedding.given import AnyPicture
from cladescope.errors import InputError
from cladescope.index import places
from cladescope.index.block import Filter
from cladescope.index.places import Place
from cladescope.index.store import Store
from cladescope.index.store_reader import StoreReader
from cladescope.nearest import did_you_mean


def narrowing(
    store: Store,
    *,
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    near: Sequence[float] | None = None,
    same_place: float | None = None,
    same: Sequence[str] = (),
    image_ids: Sequence[str] = (),
    images: Sequence[AnyPicture] = (),
) -> tuple[Filter | None, tuple[str, ...]]:
    """The filter for the rows that may be hits, None for all; and notes on those without coordinates.

    `near` is latitude, longitude and kilometres around; `same_place` kilometres around the places of the stored pictures
    `image_ids`, and of the query's `images` whose files say theirs; `same` are columns that hold what they hold of one of these.

    Raises InputError for a place that is none, for `same_place` and `same` without a picture, for pictures that lack the value and
    for columns that the store lacks; and what `Store.condition` raises.
    """
    if same_place is not None and not image_ids and not images:
        raise InputError(
            "same_place means the place of a picture of the query: give one, or a stored one by its image_id"
        )
    if same and not image_ids:
        raise InputError("same means what a column holds of a stored picture: name one by its image_id")
    if within is None and where is None and near is None and same_place is None and not same:
        return None, ()
    schema, notes = store.schema, []
    taxa = None if within is None else tuple(store.taxa(within))
    parts = [store.condition(where=where)]
    circles = []
    if near is not None:
        circles.append([Place.of(near)])
    if same_place is not None:
        names = [name for pair in places.coordinate_columns(schema) for name in pair]
        rows = [store.row(one, ["image_id", *names]) for one in image_ids]
        taken = [places.place_of_picture(one, float(same_place)) for one in images]
        circles.append([*places.places_of(rows, schema, float(same_place)), *taken])
    if circles:
        others = store.condition(within=within, where=where)
        n_all = store.count_rows(others)
        n_placed = store.count_rows(_joined([others, places.is_placed(schema)]))
        if n_placed < n_all:
            notes.append(f"{n_all - n_placed:,} of {n_all:,} pictures have no coordinates: they are left out")
        parts += [places.is_near(schema, circle) for circle in circles]
    for column in same:
        if column not in schema.names:
            named = ", ".join(name for name in schema.names if name != "vector")
            raise InputError(
                f"no column {column!r} in {store.path}: the store has {named}{did_you_mean(column, schema.names)}"
            )
        rows = [store.row(one, list(dict.fromkeys(["image_id", column]))) for one in image_ids]
        parts.append(places.is_same(column, rows, schema))
    condition = _joined(parts)
    narrows = taxa is not None or condition is not None
    return Filter(taxa, condition) if narrows else None, tuple(notes)


def condition_of(store: StoreReader, narrowed: Filter | None) -> str | None:
    """What a filter means in SQL; None for all rows."""
    if narrowed is None:
        return None
    from cladescope.index import filters  # loads sqlglot

    clades = None
    if narrowed.taxa is not None:
        clades = filters.condition(store.schema, taxa=narrowed.taxa, spellings=store.taxonomy.spellings)
    return _joined([narrowed.condition, clades])


def _joined(parts: Sequence[str | None]) -> str | None:
    """Conditions that must all hold, as one."""
    given = [part for part in parts if part is not None]
    return given[0] if len(given) == 1 else " AND ".join(f"({part})" for part in given) or None
