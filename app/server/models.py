"""What the service answers, as models: OpenAPI describes them, and each answer is checked against its own."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorAnswer(_Answer):
    """Why a request was refused."""

    error: str = Field(examples=["no store 'bird': there are birds, plants"])


class EncoderState(_Answer):
    """Whether pictures and texts can be encoded."""

    name: str = Field(examples=["tiny"])
    state: Literal["loading", "loaded", "failed"]
    problem: str | None = Field(description="Why it cannot be loaded.")


class Health(_Answer):
    """Whether the service is ready."""

    ready: bool = Field(
        description="Searches by id and taxon are answered; those by picture and text once the encoders are loaded."
    )
    version: str = Field(examples=["0.1.0"])
    needs_token: bool = Field(description="Whether other requests must bear a token, or the cookie of a session.")
    read_only: bool = Field(description="Whether requests that change a store are refused.")
    encoders: list[EncoderState]


class StoreSummary(_Answer):
    """One of the stores served."""

    name: str = Field(examples=["birds"])
    images: int | None = Field(
        description="Number of pictures; null where the store can no longer be read.", examples=[6097]
    )
    encoder: str = Field(examples=["tiny"])


class Stores(_Answer):
    """The stores served."""

    stores: list[StoreSummary]


class RankCounts(_Answer):
    """Taxa of a rank, and pictures that have one."""

    taxa: int
    images: int


class StoreDetails(_Answer):
    """What a store holds."""

    name: str = Field(examples=["birds"])
    version: int = Field(description="Grows with everything that is written.")
    images: int
    failures: int = Field(description="Pictures that could not be embedded.")
    ranks: dict[str, RankCounts] = Field(examples=[{"species": {"taxa": 12, "images": 48}}])
    columns: list[str] = Field(description="Columns of a row, which filters may name.")
    encoder: EncoderState
    dim: int = Field(description="Numbers of a vector.", examples=[512])
    has_text: bool = Field(description="Whether the encoder takes texts.")
    index: str | None = Field(description="Kind of the index; null where every search is exact.", examples=["hnsw"])


class Hit(BaseModel):
    """A stored picture that was found; columns of the store's sources stand beside these."""

    model_config = ConfigDict(extra="allow")
    position: int = Field(examples=[1])
    score: float = Field(description="Cosine with the query; higher is better.", examples=[0.93])
    image_id: str
    uri: str
    lineage: str | None = Field(examples=["Animalia > Chordata > Aves"])
    common_name: str | None


class Vote(_Answer):
    """A taxon that hits are of."""

    taxon: str
    name: str
    share: float = Field(description="Share of the votes, by score.")

    model_config = ConfigDict(extra="allow")


class Consensus(_Answer):
    """What the hits agree on."""

    taxon: str | None
    rank: str | None
    label: str | None
    share: float
    votes: list[Vote]


class Kin(_Answer):
    """Hits that show the query's own picture or each other's, and so have no vote of their own."""

    of_query: int
    of_hits: int
    left_out: int


class SearchAnswer(_Answer):
    """Hits, best first."""

    method: str = Field(description="`exact`, or the index that answered.")
    notes: list[str] = Field(description="What a reader should know of the answer.")
    kin: Kin
    hits: list[Hit]
    consensus: Consensus


class BatchAnswer(_Answer):
    """An answer to each query, in their order."""

    answers: list[SearchAnswer]


class Child(_Answer):
    """A taxon below the one that was asked for."""

    taxon: str = Field(examples=["Animalia > Chordata > Aves"])
    name: str = Field(examples=["Aves"])
    rank: str = Field(examples=["class"])
    common_name: str | None
    images: int
    species: int = Field(description="Species below it, or 1 for a species.")
    has_children: bool


class TreeAnswer(_Answer):
    """The children of a taxon."""

    under: str | None = Field(description="The taxon by its path; null for the roots.")
    rank: str | None = Field(description="Rank of the children; null where there are none.")
    images: int = Field(description="Pictures of the taxon.")
    without_rank: int = Field(description="Those of them that have no name at that rank.")
    n_children: int
    children: list[Child]


class RowsAnswer(_Answer):
    """A page of rows."""

    total: int = Field(description="Rows that pass the filters.")
    rows: list[dict[str, Any]]
    next: str | None = Field(description="The cursor of the next page; null after the last one.")
