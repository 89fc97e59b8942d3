"""Laying out a store's pictures for its map: by UMAP, above 50,000 of a sample among which the others are placed."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float32

from cladescope.analysis.maps.layout import MIN_POINTS, Map, principal_points
from cladescope.analysis.maps.order import density_aware_order
from cladescope.analysis.maps.quality import SAMPLE, trustworthiness
from cladescope.analysis.maps.run import NEIGHBOURS
from cladescope.analysis.pictures import NO_DIRECTION, Pictures
from cladescope.app.service.map_made import MadeMap, MapAbout
from cladescope.app.service.map_process import fitted as fitted_by_umap
from cladescope.app.service.work import Job, StoppedError
from cladescope.arrays import has_direction, normalise
from cladescope.index.store import Store
from cladescope.index.vector_block import vector_block
from cladescope.shown import counted

logger = logging.getLogger(__name__)

FITTED = 50_000
"""Most pictures that are laid out by UMAP; of more, a sample of so many. It takes about a minute on two cores."""
PLACED_ROWS = 1 << 16
"""Pictures that are placed at a time: 4 d bytes each."""


@dataclass(frozen=True, eq=False)
class _Laid:
    """Vectors at points."""

    fitted: Map
    method: str
    notes: list[str]


def laid_out(store: Store, job: Job, *, fitted: int = FITTED, seed: int = 0) -> MadeMap:
    """The map of a store's pictures as they are now. Memory: 4 d bytes a picture that is fitted, and 30 bytes a picture.

    Fewer than four stand on a line. Where UMAP cannot run they stand by their principal components, and a note says so.

    Raises what reading a store raises, and StoppedError where the job is told to stop.
    """
    pinned = Store.open(store.path, version=store.version, vectors=store.vectors_name)
    n_all = pinned.count()
    job.at("reading the pictures")
    some = Pictures.of_store(pinned, limit=fitted, seed=seed, columns=("image_id",))
    job.at(f"laying out {counted(len(some), 'picture')}")
    laid = _laid(some, job, seed)
    ids, points = _ids(some.table), laid.fitted.points
    notes, n_bad = [*laid.notes], some.left_out.get(NO_DIRECTION, 0)
    if n_all > fitted:
        more_ids, more_points, n_bad = _placed(pinned, laid.fitted, ids, n_all, job)
        notes.append(
            f"{laid.method.upper()} laid out {counted(len(ids), 'picture')}, drawn at random; "
            f"the other {len(more_ids):,} stand among those that they resemble"
        )
        ids, points = pa.concat_arrays([ids, more_ids]), np.concatenate([points, more_points])
    left_out = {**some.left_out, NO_DIRECTION: n_bad}
    notes += replace(some, left_out={reason: n for reason, n in left_out.items() if n}).vector_notes
    job.at("measuring how far neighbours stay neighbours")
    k = min(NEIGHBOURS, (len(some) - 1) // 2)
    trusted = trustworthiness(laid.fitted.vectors, laid.fitted.points, k=k, seed=seed) if k >= 1 else None
    if trusted is not None and len(some) > SAMPLE:
        notes.append(f"trustworthiness is measured on {SAMPLE:,} of {counted(len(some), 'picture')}")
    order = density_aware_order(points, seed=seed)
    about = MapAbout(
        version=pinned.version,
        method=laid.method,
        encoder=pinned.card.name,
        card=pinned.card.to_dict(),
        notes=tuple(notes),
        n_left_out=n_bad,
        trustworthiness=trusted,
    )
    return MadeMap(ids.take(pa.array(order)), np.ascontiguousarray(points[order], np.float32), about)


def _laid(pictures: Pictures, job: Job, seed: int) -> _Laid:
    """Pictures at points: by UMAP, by principal components where it fails, on a line where they are too few."""
    n, vectors = len(pictures), pictures.vectors
    if n < MIN_POINTS:
        points = np.column_stack([np.arange(n), np.zeros(n)]).astype(np.float32)
        notes = [f"{counted(n, 'picture')}: too few to lay out, so that they stand side by side"] if n else []
        return _Laid(Map(vectors, points, "line", max(n, 1), {}), "line", notes)
    try:
        found = fitted_by_umap(vectors, job, neighbours=NEIGHBOURS, seed=seed)
        if not np.isfinite(found.points).all():
            raise ValueError("its points are not finite")
    except StoppedError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever numba or UMAP raise, the pictures can still be looked at
        first = (str(error).strip() or type(error).__name__).partition("\n")[0]
        logger.warning("UMAP failed: %s", first)
        notes = [f"UMAP could not run ({first}): the pictures stand by their two principal components"]
        points = principal_points(vectors, 2, seed)
        return _Laid(Map(vectors, points, "pca", min(NEIGHBOURS, n - 1), {}), "pca", notes)
    return _Laid(found, "umap", [])


def _placed(
    pinned: Store, fitted: Map, ids: pa.StringArray, n_all: int, job: Job
) -> tuple[pa.StringArray, Float32[np.ndarray, "m 2"], int]:
    """Ids and points of the pictures that were not fitted; and how many of the store cannot be placed."""
    found_ids, found_points = [pa.array([], pa.string())], [np.empty((0, 2), np.float32)]
    n_done, n_bad = 0, 0
    for table in _in_parts(pinned):
        job.at(f"placing {n_all:,} pictures", n_done, n_all)
        is_new = pc.invert(pc.is_in(table.column("image_id"), value_set=ids)).to_numpy(zero_copy_only=False)
        vectors = np.concatenate([vector_block(batch) for batch in table.to_batches()])
        good = has_direction(vectors)
        n_bad += int((~good).sum())
        rows = np.flatnonzero(is_new & good)
        if len(rows):
            unit = normalise(vectors[rows].astype(np.float32)).astype(np.float32, copy=False)
            found_points.append(fitted.place(unit))
            found_ids.append(_ids(table.take(pa.array(rows))))
        n_done += table.num_rows
    return pa.concat_arrays(found_ids), np.concatenate(found_points), n_bad


def _in_parts(pinned: Store) -> Iterator[pa.Table]:
    """Ids and vectors, `PLACED_ROWS` rows at a time or a few more."""
    held: list[pa.RecordBatch] = []
    for batch in pinned.scan(["image_id", "vector"]):
        held.append(batch)
        if sum(one.num_rows for one in held) >= PLACED_ROWS:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)


def _ids(table: pa.Table) -> pa.StringArray:
    chunks = table.column("image_id").cast(pa.string()).chunks
    return pa.concat_arrays([pa.array([], pa.string()), *chunks])
