"""What the service answers of maps, of taxa that are looked up and of work in the background, as models."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WorkJob(_Answer):
    """Something that is made in the background."""

    id: str
    kind: Literal["embed", "map", "audit", "probes"]
    store: str
    state: Literal["running", "done", "failed"]
    done: int | None
    total: int | None
    told: str = Field(description="What is done now, in words.", examples=["laying out 6,097 pictures"])
    problem: str | None


class WorkAnswer(_Answer):
    """What is made in the background, begun last first."""

    jobs: list[WorkJob]


class Measured(_Answer):
    """A value and its standard error."""

    value: float
    standard_error: float


class MapColumn(_Answer):
    """What a map can be coloured by."""

    name: str
    kind: Literal["rank", "category", "number"]
    n_values: int
    n_given: int = Field(description="Pictures that have a value.")


class MapMaking(_Answer):
    """The map is being made: ask again."""

    state: Literal["making"]
    done: float | None = Field(description="From 0 to 1; null where it is not known how far it is.")


class MapFailed(_Answer):
    """The map could not be made."""

    state: Literal["failed"]
    problem: str


class MapReady(_Answer):
    """A map of a store's pictures."""

    state: Literal["ready"]
    key: str = Field(description="Requests below this one bear it.")
    n: int
    version: int = Field(description="Version of the store that was laid out.")
    method: Literal["umap", "pca", "line"]
    encoder: str
    notes: list[str]
    trustworthiness: Measured | None = Field(description="Share of the neighbourhoods that are true.")
    columns: list[MapColumn]
    color: str | None = Field(description="The rank or column to colour by where nobody says.")
    x: list[float] = Field(description="The least and the greatest.")
    y: list[float]
    stale: bool = Field(description="The store has pictures that are not on the map: remake it.")


class LegendValue(_Answer):
    """A value of a column."""

    code: int
    value: str = Field(examples=["Animalia > Chordata > Aves"])
    name: str = Field(examples=["Aves"])
    common_name: str | None
    images: int
    color: str = Field(examples=["#3f7fbf"])
    dark: str = Field(description="Its colour on a dark page.")
    named: bool = Field(description="Whether it is one of the 20 that a legend names.")


class Legend(_Answer):
    """What the codes of a column mean."""

    by: str
    kind: Literal["category", "number"]
    values: list[LegendValue]
    without: int = Field(description="Pictures without a value.")
    least: float | None
    most: float | None


class MapLabel(_Answer):
    """A name on the map."""

    text: str
    common_name: str | None
    x: float
    y: float
    images: int


class MapLabels(_Answer):
    """Names on the map, the most important first."""

    labels: list[MapLabel]


class MapRow(_Answer):
    """What a card says of a picture."""

    index: int
    image_id: str
    uri: str
    label: str | None
    lineage: str | None
    common_name: str | None
    species: str | None
    name: str | None


class MapRowsAnswer(_Answer):
    """Some pictures of the map; those that were deleted since are left out."""

    rows: list[MapRow]


class AskedIds(_Answer):
    """Pictures by their ids."""

    ids: list[str] = Field(max_length=100_000)


class Indexes(_Answer):
    """The index of each picture that was asked for; null for one that is not on the map."""

    indexes: list[int | None]


class Near(_Answer):
    """A stored picture that resembles another one."""

    image_id: str
    index: int | None = Field(description="Null where it is not on the map.")
    score: float


class Placed(_Answer):
    """Where a picture stands on the map."""

    x: float
    y: float
    nearest: list[Near]


class FoundTaxon(_Answer):
    """A taxon that was looked up; a label where no picture has a rank."""

    taxon: str
    name: str
    rank: str
    common_name: str | None
    images: int


class FoundTaxa(_Answer):
    """Taxa whose names begin with the letters first, then those that hold them."""

    taxa: list[FoundTaxon]


class VectorsOf(_Answer):
    """Vectors that a store holds."""

    name: str | None = Field(description="Null for the main ones.")
    encoder: str


class VectorsAnswer(_Answer):
    """All vectors of a store, the main ones first."""

    vectors: list[VectorsOf]
