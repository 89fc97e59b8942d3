"""A map as files: coordinates, the fitted map, figures, a page that works offline, and what was measured."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError

from cladescope.analysis.audit.run import Pictures
from cladescope.analysis.maps.drill_down import draw_drill_down, drill_down
from cladescope.analysis.maps.figure import draw_map, save_figure
from cladescope.analysis.maps.layout import Map
from cladescope.analysis.maps.page import map_page
from cladescope.analysis.maps.quality import SAMPLE, continuity, trustworthiness
from cladescope.embedding.encoder import EncoderCard
from cladescope.errors import InputError
from cladescope.index.files import disk_errors
from cladescope.index.store import Store
from cladescope.taxonomy import RANK_INDEX, RANKS


def check_new(folder: Path) -> None:
    """Raise InputError unless the folder is new or empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists and is not empty: choose another --out")


def write_map(
    fitted: Map, pictures: Pictures, folder: Path, *, rank: str, about: dict[str, Any], placed: Pictures | None = None
) -> dict[str, Any]:
    """Write coordinates.parquet, map.safetensors, map.png, .svg, .pdf, map.html and map.json; return what the last holds.

    With `placed`, the points of other pictures go to placed.parquet. Raises InputError where the folder cannot be written.
    """
    lineages = _lineages(pictures, rank)
    n, notes = len(fitted.points), []
    if pictures.left_out:
        notes.append(f"{pictures.left_out} pictures left out: their vectors have no direction (NaN or zero)")
    if len(set(lineages)) == 1:
        notes.append(f"all pictures have the same value, or none, at rank {rank}: use another --color")
    if repeated := n - len(np.unique(fitted.vectors, axis=0)):
        notes.append(f"{repeated} vectors repeat another one: how their points lie to each other means nothing")
    k = min(fitted.neighbours, (n - 1) // 2)
    measured: dict[str, Any] = {}
    for name, measure in (("trustworthiness", trustworthiness), ("continuity", continuity)):
        value, error = measure(fitted.vectors, fitted.points, k=k, seed=about["seed"])
        measured[name] = {"value": value, "standard_error": error, "neighbours": k, "sampled": min(SAMPLE, n)}
    summary = {
        **about,
        "method": fitted.method,
        "neighbours": fitted.neighbours,
        "pictures": n,
        **measured,
        "seconds": fitted.seconds,
        "notes": notes,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_coordinates(pictures, fitted.points, folder / "coordinates.parquet")
        fitted.save(folder / "map.safetensors")
        if placed is not None and placed.rows:
            _write_coordinates(placed, fitted.place(placed.vectors), folder / "placed.parquet")
        title = f"{n:,} pictures by {rank}"
        save_figure(draw_map(fitted.points, lineages, title=title), folder, "map")
        names = [_told(row) for row in pictures.rows]
        taxa = {one: found for one in RANKS if len(set(found := _lineages(pictures, one)) - {None}) > 1 or one == rank}
        page = map_page(fitted.points, names, taxa, rank=rank, title=f"{n:,} pictures")
        (folder / "map.html").write_text(page, encoding="utf-8")
        (folder / "map.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}: choose another --out") from error
    return summary


def place_onto(store: Store, pictures: Pictures, saved: Path, folder: Path) -> int:
    """Write placed.parquet: the points of a store's pictures on a map that was drawn before; returns how many they are.

    Raises InputError where `saved` holds no map, and StoreError where it is of another encoder.
    """
    try:
        about = json.loads((saved / "map.json").read_text(encoding="utf-8"))
        fitted, card = Map.load(saved / "map.safetensors"), EncoderCard.from_dict(about["encoder"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise InputError(f"{saved} holds no map ({error}): name a folder that `cladescope map` wrote") from error
    store.check(card)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _write_coordinates(pictures, fitted.place(pictures.vectors), folder / "placed.parquet")
    return len(pictures.rows)


def write_drill_down(pictures: Pictures, folder: Path, *, seed: int) -> None:
    """Write drill-down.png, .svg and .pdf; see `drill_down`. Raises InputError as it does."""
    taxa = {rank: _lineages(pictures, rank) for rank in RANKS}
    panels = drill_down(pictures.vectors, taxa, seed=seed)
    figure = draw_drill_down(
        panels, taxa, title=f"{len(pictures.rows):,} pictures, rank by rank into the largest taxon"
    )
    with disk_errors(folder):
        save_figure(figure, folder, "drill-down")


def _told(row: Mapping[str, Any]) -> str:
    """The lineage of a picture, and its common name where it has one."""
    lineage = " > ".join(str(row[rank]) for rank in RANKS if row.get(rank))
    common = row.get("common_name")
    return f"{lineage} ({common})" if lineage and common else lineage or str(common or "")


def _lineages(pictures: Pictures, rank: str) -> list[tuple[str, ...] | None]:
    upto = RANKS[: RANK_INDEX[rank] + 1]
    return [tuple(str(row[r] or "") for r in upto) if row.get(rank) else None for row in pictures.rows]


def _write_coordinates(pictures: Pictures, points: np.ndarray, path: Path) -> None:
    columns: dict[str, Any] = {
        name: pa.array([row.get(name) for row in pictures.rows], pa.string()) for name in ("image_id", "uri")
    }
    columns |= {axis: pa.array(points[:, place]) for place, axis in enumerate("xyz"[: points.shape[1]])}
    columns |= {
        name: pa.array([row.get(name) for row in pictures.rows], pa.string()) for name in (*RANKS, "common_name")
    }
    pq.write_table(pa.table(columns), path)
