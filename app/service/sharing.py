"""A store as a page that can be shared: its map as `explore` keeps it, the rows beside it, and its small pictures."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int64

from cladescope.analysis.maps.page_columns import shown_columns
from cladescope.analysis.maps.page_data import PageMap
from cladescope.analysis.maps.small_pictures import ELSEWHERE, GONE, UNREADABLE
from cladescope.analysis.pictures import Pictures
from cladescope.app.service.map_kept import Maps
from cladescope.app.service.map_rows import MapRows
from cladescope.app.service.served_store import ServedStore
from cladescope.app.service.thumbnails import folder_for, thumbnail_of
from cladescope.app.service.work import Job, Work
from cladescope.errors import InputError
from cladescope.index.store import Store
from cladescope.steps import step

_WHY = {"gone": GONE, "unreadable": UNREADABLE, "remote": ELSEWHERE}


def page_of(
    store: Store, *, within: str | Sequence[str] | None = None, where: str | None = None, side: int
) -> tuple[PageMap, Callable[[int], bytes | str]]:
    """What a page shows of a store, or of a clade or under a condition; and what gives the small picture of an index, or says why there is none.

    Raises InputError where nothing meets the conditions or no map can be made, and what `Store.condition` raises.
    """
    condition = store.condition(within=within, where=where)
    with step("looking for the map, or making it"):
        rows = _map_of(store)
    indexes = _chosen(rows, condition)
    if not len(indexes):
        raise InputError(f"no picture of {store.path} is to be shared: leave out a condition, or embed pictures first")
    table = rows.columns(shown_columns(rows.reader.schema)).take(pa.array(indexes))
    about = rows.made.about
    page = PageMap(
        name=store.path.name.removesuffix(".store"),
        points=rows.made.points[indexes],
        pictures=Pictures(np.empty((len(indexes), 0), np.float32), table),
        version=rows.version,
        method=about.method,
        encoder=about.encoder,
        notes=about.notes,
        trustworthiness=about.trustworthiness,
        n_failures=store.failures.num_rows if condition is None else 0,
    )
    files = rows.columns(["uri", "content_hash"]).take(pa.array(indexes)).to_pylist()
    folder = folder_for(store.path)

    def picture(index: int) -> bytes | str:
        found = thumbnail_of(files[index], side, folder=folder)
        return found.data if found.state == "shown" else _WHY[found.state]

    return page, picture


def _map_of(store: Store) -> MapRows:
    """The map that is kept of a store, made anew where the store has changed since."""
    work = Work()
    maps, served = Maps(work), ServedStore(store.path.name, store)
    try:
        found = maps.state(served, store.vectors_name)
        if not isinstance(found, Job):
            rows = maps.rows_of(served, store, found)
            if not rows.n_more and rows.is_there.all():
                return rows
            found = maps.remake(served, store.vectors_name)
        found.ended.wait()
        made = maps.state(served, store.vectors_name)
        if isinstance(made, Job):
            raise InputError(f"there is no map of {store.path}: {made.problem or 'it was not finished'}")
        return maps.rows_of(served, store, made)
    finally:
        work.stop()


def _chosen(rows: MapRows, condition: str | None) -> Int64[np.ndarray, " m"]:
    """Indexes of the pictures that are on the map and in the store, and meet the condition."""
    there = np.flatnonzero(rows.is_there)
    if condition is None:
        return there
    ids = [batch.column("image_id") for batch in rows.reader.scan(["image_id"], condition=condition)]
    meets = pc.is_in(rows.made.image_ids, value_set=pa.concat_arrays([pa.array([], pa.string()), *ids]))
    chosen: Int64[np.ndarray, " m"] = there[meets.to_numpy(zero_copy_only=False)[there]]
    return chosen
