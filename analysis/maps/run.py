"""A map of a store's pictures: read, laid out, and measured; what is written of it is `files`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import numpy as np
from jaxtyping import Float32

from cladescope.analysis.maps.colour_rank import colour_rank
from cladescope.analysis.maps.layout import Map, fit_map
from cladescope.analysis.maps.page_columns import shown_columns
from cladescope.analysis.maps.quality import SAMPLE, continuity, trustworthiness
from cladescope.analysis.pictures import Pictures, clades_as_given
from cladescope.errors import InputError
from cladescope.index.fitting_vectors import fitting_vectors
from cladescope.index.notebook import page_cell
from cladescope.index.store import Store
from cladescope.packages import versions_of
from cladescope.schema import LEVELS
from cladescope.steps import step

COLUMNS = ("image_id", "uri", "common_name")
"""What is read of a picture beside its ranks."""
IN_A_CELL = 1_000_000
"""Bytes of small pictures in a cell of a notebook, which is kept with them."""
NEIGHBOURS = 15
"""Neighbours of a picture in UMAP's graph, fewer where there are fewer pictures."""
PACKAGES = ("cladescope", "umap-learn", "scikit-learn", "numpy")
"""Whose versions stand in map.json."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DrawnMap:
    """Pictures and their points, and how far the points can be trusted."""

    pictures: Pictures
    fitted: Map
    rank: str
    """The rank by which it is coloured."""
    neighbours: int
    """How many nearest neighbours were asked for the two measures."""
    trustworthiness: tuple[float, float]
    """Value and standard error over at most `quality.SAMPLE` points; see `quality.trustworthiness`."""
    continuity: tuple[float, float]
    placed: Pictures | None = None
    """Pictures of another store that are placed on the map."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Where it comes from: store, encoder, settings and versions."""

    @property
    def name(self) -> str:
        """What the collection is called."""
        return PurePath(str(self.about.get("store") or "map")).name.removesuffix(".store")

    @property
    def points(self) -> Float32[np.ndarray, "n m"]:
        """Coordinates of the pictures."""
        return self.fitted.points

    @property
    def notes(self) -> list[str]:
        """What a reader should know: pictures left out, a rank of one value, repeated vectors."""
        found, labels = [], self.pictures.labels(self.rank)
        found += self.pictures.vector_notes
        if self.placed is not None:
            found += [f"of those placed {note}" for note in self.placed.vector_notes]
        if (labels < 0).all():
            found.append(f"no picture has a {self.rank}, by which it would be coloured: all are grey")
        elif (labels == labels[0]).all():
            found.append(f"all pictures have the same value, or none, at rank {self.rank}: colour by another rank")
        vectors = self.fitted.vectors
        if repeated := len(vectors) - len(np.unique(vectors, axis=0)):
            found.append(f"{repeated} vectors repeat another one: how their points lie to each other means nothing")
        return found

    def _repr_html_(self) -> str:
        """What a notebook shows: the page of the map, which needs no other file."""
        from cladescope.analysis.maps.files import page_of  # stands above the map, and draws

        return page_cell(page_of(self, room=IN_A_CELL))

    @property
    def summary(self) -> dict[str, Any]:
        """As plain values that JSON knows: what map.json holds."""
        n = len(self.pictures)
        measured = {
            name: {"value": value, "standard_error": error, "neighbours": self.neighbours, "sampled": min(SAMPLE, n)}
            for name, (value, error) in (
                ("trustworthiness", self.trustworthiness),
                ("continuity", self.continuity),
            )
        }
        return {
            **self.about,
            "method": self.fitted.method,
            "neighbours": self.fitted.neighbours,
            "pictures": n,
            **measured,
            "seconds": self.fitted.seconds,
            "notes": self.notes,
        }


def map_store(
    store: Store,
    *,
    color: str | None = None,
    method: str = "umap",
    dim: int = 2,
    neighbours: int = NEIGHBOURS,
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    limit: int | None = None,
    place: Store | None = None,
    seed: int = 0,
) -> DrawnMap:
    """Lay out the pictures of a store, of a clade or under a condition, or `limit` of them drawn at random; see `fit_map`.

    `color` is the rank, or `label`, by which it is coloured, by default `colour_rank`. All pictures of `place`, a store of the same encoder, are placed on the map.

    Raises InputError for a word that is no rank, for too few pictures and for more neighbours than there are, StoreError where `place` is of another encoder.

        drawn = map_store(Store.open("photos.store"), color="family")
        drawn.points, drawn.pictures.labels("family"), drawn.trustworthiness
    """
    if color not in (None, *LEVELS):
        raise InputError(f"the color {color} is no rank: use one of {', '.join(LEVELS)}")
    placed = None
    if place is not None:
        place = fitting_vectors(place, store.card)
        place.check(store.card)
        placed = Pictures.of_store(place, columns=COLUMNS)
    columns = [*COLUMNS, *shown_columns(store.schema)]
    pictures = Pictures.of_store(store, within=within, where=where, limit=limit, seed=seed, columns=columns)
    if neighbours >= max(len(pictures), NEIGHBOURS + 1):
        raise InputError(
            f"{neighbours} neighbours of {len(pictures)} pictures: give fewer than there are pictures, {NEIGHBOURS} for instance"
        )
    if color is None:
        color = colour_rank(pictures)
    about = {
        "store": str(store.path),
        "store_version": store.version,
        "vectors": store.vectors_name,
        "encoder": store.card.to_dict(),
        "color": color,
        "dim": dim,
        "seed": seed,
        "within": clades_as_given(within),
        "where": where,
        "limit": limit,
        "versions": versions_of(PACKAGES),
    }
    return draw(
        pictures, rank=color, method=method, dim=dim, neighbours=neighbours, placed=placed, about=about, seed=seed
    )


def draw(
    pictures: Pictures,
    *,
    rank: str,
    method: str = "umap",
    dim: int = 2,
    neighbours: int = NEIGHBOURS,
    placed: Pictures | None = None,
    about: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> DrawnMap:
    """Lay out pictures that are in memory, and measure how far they keep their neighbours. Raises as `fit_map` does."""
    with step(f"laying out {len(pictures):,} pictures"):
        fitted = fit_map(pictures.vectors, method=method, dim=dim, neighbours=neighbours, seed=seed)
    k = min(fitted.neighbours, (len(pictures) - 1) // 2)
    with step("measuring how far neighbours stay neighbours"):
        trusted = trustworthiness(fitted.vectors, fitted.points, k=k, seed=seed)
        kept = continuity(fitted.vectors, fitted.points, k=k, seed=seed)
    return DrawnMap(
        pictures=pictures,
        fitted=fitted,
        rank=rank,
        neighbours=k,
        trustworthiness=trusted,
        continuity=kept,
        placed=placed,
        about=about or {},
    )
