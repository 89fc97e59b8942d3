"""What the service answers of maps, taxa and work, as typed dictionaries of the keys that its OpenAPI document names."""

from typing import Literal, TypedDict


class WorkJob(TypedDict):
    """Something that is made in the background."""

    id: str
    kind: Literal["embed", "map", "audit", "probes"]
    store: str
    state: Literal["running", "done", "failed"]
    done: int | None
    total: int | None
    told: str
    problem: str | None


class FoundTaxon(TypedDict):
    """A taxon that was looked up; a label where no picture has a rank."""

    taxon: str
    name: str
    rank: str
    common_name: str | None
    images: int


class VectorsOf(TypedDict):
    """Vectors that a store holds; those without a name are the main ones."""

    name: str | None
    encoder: str


class MapMaking(TypedDict):
    """The map is being made, `done` of it from 0 to 1."""

    state: Literal["making"]
    done: float | None


class MapFailed(TypedDict):
    """The map could not be made."""

    state: Literal["failed"]
    problem: str


class Measured(TypedDict):
    """A value and its standard error."""

    value: float
    standard_error: float


class MapColumn(TypedDict):
    """What a map can be coloured by."""

    name: str
    kind: Literal["rank", "category", "number"]
    n_values: int
    n_given: int


class MapReady(TypedDict):
    """A map of n pictures."""

    state: Literal["ready"]
    key: str
    n: int
    version: int
    method: Literal["umap", "pca", "line"]
    encoder: str
    notes: list[str]
    trustworthiness: Measured | None
    columns: list[MapColumn]
    color: str | None
    x: list[float]
    y: list[float]
    stale: bool


MapAnswer = MapReady | MapMaking | MapFailed


class LegendValue(TypedDict):
    """A value of a column, and its colours on a light and on a dark page."""

    code: int
    value: str
    name: str
    common_name: str | None
    images: int
    color: str
    dark: str
    named: bool


class Legend(TypedDict):
    """What the codes of a column mean."""

    by: str
    kind: Literal["category", "number"]
    values: list[LegendValue]
    without: int
    least: float | None
    most: float | None


class MapLabel(TypedDict):
    """A name on the map."""

    text: str
    common_name: str | None
    x: float
    y: float
    images: int


class MapRow(TypedDict):
    """What is known of a picture of the map."""

    index: int
    image_id: str
    uri: str
    label: str | None
    lineage: str | None
    common_name: str | None
    species: str | None
    name: str | None


class Near(TypedDict):
    """A stored picture that resembles another one; without an index where it is not on the map."""

    image_id: str
    index: int | None
    score: float


class Placed(TypedDict):
    """Where one's own picture stands on the map."""

    x: float
    y: float
    nearest: list[Near]
