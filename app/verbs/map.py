"""Maps: the pictures of a store as points in two or three dimensions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from cladescope.analysis.maps.files import FILES, place_store, write_map
from cladescope.analysis.maps.run import DrawnMap, map_store
from cladescope.analysis.maps.small_pictures import ROOM
from cladescope.analysis.pictures import Pictures
from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, opened, within_of
from cladescope.errors import InputError, UsageError
from cladescope.outputs import check_new_folder
from cladescope.paths import local_path

MEGABYTE = 1_000_000
MOST_MEGABYTES = 300
"""Of which a page has 400: a browser takes no more as one text."""
Method = Literal["umap", "tsne"]


@checked
def map(
    store: AnyStore,
    *,
    color: str | None = None,
    method: Method = "umap",
    dim: int = 2,
    neighbours: int = 15,
    seed: int = 0,
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    limit: int | None = None,
    vectors: str | None = None,
    place: AnyStore | None = None,
    drill_down: bool = False,
    thumbnails: float = ROOM / MEGABYTE,
    out: str | Path | None = None,
    overwrite: bool = False,
) -> DrawnMap:
    """Draw a map of a store's pictures: those that the encoder finds similar lie close together.

    `color` is the rank by which figures are coloured, or `label` (the names of folders): unless given, the narrowest of 2 to 20
    values that most pictures have; `dim` is 2 or 3; `neighbours` is the number of neighbours in UMAP's
    graph. `within` keeps a clade or the union of several, `where` the rows that meet an SQL condition, `limit` a random sample
    of that size, drawn with `seed`. `vectors` names those of a further encoder of the store (`info` lists them). `place` is a store with vectors of the same encoder whose pictures are also placed on the map. `out` is
    a new folder for coordinates, figures and an offline page; `drill_down` adds maps rank by rank, each of the largest taxon; `thumbnails` is
    how many megabytes of small pictures the page may hold, those first that stand for the whole map; `overwrite` replaces an earlier map.

    Returns the pictures, their `points` of shape (n, dim), and the map's trustworthiness and continuity.

    Raises InputError for an unknown rank, an invalid condition or number, too few pictures, or a folder that is not empty;
    TaxonError for an unknown clade; StoreError if `place` is of another encoder.

    >>> import cladescope
    >>> drawn = cladescope.map("photos.store", color="family", method="tsne")
    >>> drawn.points.shape, len(drawn.pictures.labels("family"))
    ((24, 2), 24)
    """
    if not 0 <= thumbnails <= MOST_MEGABYTES:
        raise UsageError(f"thumbnails is {thumbnails}: expected megabytes from 0 to {MOST_MEGABYTES}")
    if drill_down and out is None:
        raise InputError("drill_down draws figures: give a folder `out`")
    folder = None if out is None else local_path(out)
    if folder is not None:
        check_new_folder(folder, what="map", names=FILES, overwrite=overwrite)
    drawn = map_store(
        opened(store, vectors=vectors), color=color, method=method, dim=dim, neighbours=neighbours, within=within_of(within),
        where=where, limit=limit, place=None if place is None else opened(place), seed=seed,
    )  # fmt: skip
    if folder is not None:
        write_map(
            drawn,
            folder,
            drill_down_seed=seed if drill_down else None,
            room=round(thumbnails * MEGABYTE),
            overwrite=overwrite,
        )
    return drawn


@checked
def place_onto(
    store: AnyStore,
    onto: str | Path,
    *,
    out: str | Path,
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    limit: int | None = None,
    vectors: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> Pictures:
    """Place a store's pictures on the map in the folder `onto`; writes placed.parquet into the new folder `out`.

    Those vectors of the store are placed that are of the map's encoder, unless `vectors` names others. Returns the pictures, chosen as
    in `map`. Raises InputError if `onto` holds no map or `out` is not empty, StoreError
    if the map is of another encoder.

    >>> drawn = map("photos.store", out="map")
    >>> len(place_onto("photos.store", "map", out="placed"))
    24
    """
    folder = local_path(out)
    check_new_folder(folder, what="map", names=FILES, overwrite=overwrite)
    return place_store(
        opened(store, vectors=vectors),
        local_path(onto),
        folder,
        within=within_of(within),
        where=where,
        limit=limit,
        seed=seed,
    )
