"""A map as files: coordinates, the fitted map, figures, a page that works offline, and what was measured."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from safetensors import SafetensorError

from cladescope.analysis.figure_files import save_figure
from cladescope.analysis.maps.drill_down import draw_drill_down, drill_down
from cladescope.analysis.maps.figure import draw_map
from cladescope.analysis.maps.layout import Map
from cladescope.analysis.maps.order import density_aware_order
from cladescope.analysis.maps.page import map_page
from cladescope.analysis.maps.page_data import PageMap
from cladescope.analysis.maps.run import COLUMNS, DrawnMap
from cladescope.analysis.maps.small_pictures import ROOM, small_pictures
from cladescope.analysis.pictures import Pictures
from cladescope.embedding.encoder import EncoderCard
from cladescope.errors import InputError
from cladescope.files import replacing, write_json, write_text
from cladescope.index.files import disk_errors
from cladescope.index.fitting_vectors import fitting_vectors
from cladescope.index.store import Store
from cladescope.outputs import check_new_folder
from cladescope.schema import LABEL, holds_labels
from cladescope.shown import counted
from cladescope.steps import step
from cladescope.taxonomy import RANKS

FILES = ("coordinates.parquet", "placed.parquet", "map.*", "map-dark.png", "drill-down.*")
"""What the folder of a map may consist of."""


def write_map(
    drawn: DrawnMap, folder: Path, *, drill_down_seed: int | None = None, room: int = ROOM, overwrite: bool = False
) -> dict[str, Any]:
    """Write coordinates.parquet, map.safetensors, map.png, .svg, .pdf, map-dark.png, map.html and map.json; return what the last holds.

    The folder is there whole or not at all. Points of pictures that are placed go to placed.parquet; with
    `drill_down_seed` the figures of `write_drill_down` are among the files.

    Raises InputError unless the folder is new or may be replaced by `overwrite`, and where it cannot be written.
    """
    check_new_folder(folder, what="map", names=FILES, overwrite=overwrite)
    pictures, fitted, rank = drawn.pictures, drawn.fitted, drawn.rank
    lineages = pictures.lineages(rank)
    n, summary = len(pictures), drawn.summary
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replacing(folder, over=overwrite) as draft:
            draft.mkdir()
            _write_coordinates(pictures, fitted.points, draft / "coordinates.parquet")
            fitted.save(draft / "map.safetensors")
            if drawn.placed is not None and len(drawn.placed):
                with step(f"placing {counted(len(drawn.placed), 'picture')}"):
                    _write_coordinates(drawn.placed, fitted.place(drawn.placed.vectors), draft / "placed.parquet")
            named = (pictures.labels(rank) >= 0).any()
            title = f"{counted(n, 'picture')} by {rank}" if named else f"{counted(n, 'picture')} without names"
            with step("drawing the figures and the page"):
                save_figure(draw_map(fitted.points, lineages, title=title, rank=rank), draft, "map")
                dark = draw_map(fitted.points, lineages, title=title, rank=rank, dark=True)
                dark.savefig(draft / "map-dark.png")
                page = page_map(drawn, room=room)
                write_text(draft / "map.html", _page(page))
                summary["thumbnails"] = {
                    "pictures": len(page.small.sizes),
                    "bytes": sum(page.small.sizes.values()),
                    "missing": dict(page.small.missing),
                    "told": page.small.told(n),
                }
                summary["without_licence"] = page.without_licence
            if drill_down_seed is not None:
                with step("drawing maps rank by rank"):
                    write_drill_down(pictures, draft, seed=drill_down_seed)
            write_json(draft / "map.json", summary)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}: choose another folder") from error
    return summary


def page_of(drawn: DrawnMap, *, room: int = ROOM) -> str:
    """The map as a page that needs no other file, with up to `room` bytes of small pictures."""
    return _page(page_map(drawn, room=room))


def _page(one: PageMap) -> str:
    return map_page([one], title=f"{one.name}: {counted(len(one), 'picture')}")


def page_map(drawn: DrawnMap, *, room: int = ROOM) -> PageMap:
    """A map as its page shows it."""
    points = np.ascontiguousarray(drawn.points[:, :2], np.float32)
    order = density_aware_order(points)
    encoder, pictures = drawn.about.get("encoder", {}), drawn.pictures.take(order)
    return PageMap(
        name=drawn.name,
        points=points[order],
        pictures=pictures,
        small=small_pictures(pictures.texts("uri").to_pylist(), room=room),
        version=drawn.about.get("store_version", 0),
        method=drawn.fitted.method,
        encoder=encoder.get("name", ""),
        notes=tuple(drawn.notes),
        trustworthiness=drawn.trustworthiness,
        color=drawn.rank,
    )


def place_store(
    store: Store,
    saved: Path,
    folder: Path,
    *,
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> Pictures:
    """Write placed.parquet: the points of a store's pictures on a map that was drawn before; returns these pictures.

    `saved` is a folder that `write_map` wrote. Pictures are chosen as in `map_store`.

    Raises InputError where `saved` holds no map, and StoreError where it is of another encoder.
    """
    try:
        about = json.loads((saved / "map.json").read_text(encoding="utf-8"))
        fitted, card = Map.load(saved / "map.safetensors"), EncoderCard.from_dict(about["encoder"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise InputError(f"{saved} holds no map ({error}): name a folder that map has written") from error
    store = fitting_vectors(store, card)
    store.check(card)
    pictures = Pictures.of_store(store, within=within, where=where, limit=limit, seed=seed, columns=COLUMNS)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "placed.parquet") as draft, step(f"placing {len(pictures):,} pictures"):
            _write_coordinates(pictures, fitted.place(pictures.vectors), draft)
    return pictures


def write_drill_down(pictures: Pictures, folder: Path, *, seed: int = 0) -> None:
    """Write drill-down.png, .svg and .pdf; see `drill_down`. Raises InputError as it does."""
    taxa = {rank: pictures.lineages(rank) for rank in RANKS}
    panels = drill_down(pictures.vectors, taxa, seed=seed)
    figure = draw_drill_down(panels, taxa, title=f"{len(pictures):,} pictures, rank by rank into the largest taxon")
    with disk_errors(folder):
        save_figure(figure, folder, "drill-down")


def _write_coordinates(pictures: Pictures, points: np.ndarray, path: Path) -> None:
    columns: dict[str, Any] = {name: _texts(pictures, name) for name in ("image_id", "uri")}
    columns |= {axis: pa.array(points[:, place]) for place, axis in enumerate("xyz"[: points.shape[1]])}
    columns |= {name: _texts(pictures, name) for name in (*RANKS, "common_name")}
    columns |= {LABEL: _texts(pictures, LABEL)} if holds_labels(pictures.table.schema) else {}
    pq.write_table(pa.table(columns), path)


def _texts(pictures: Pictures, name: str) -> pa.ChunkedArray:
    found = pictures.table[name] if name in pictures.table.column_names else pictures.texts(name)
    return pc.cast(found, pa.string())
