"""What requests of the explorer send as JSON, as models: OpenAPI describes them, and each request is checked against its own."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cladescope.index.defaults import K

MOST_HITS = 1000
MOST_QUERIES = 100
LEAST_RISK = 1e-6
"""To promise less would take more than a million labelled pictures."""
MOST_NAMED = 1000
"""Pictures that one request may have named."""
MOST_DECISIONS = 10_000
MOST_CLASSES = 10_000
MOST_LABELLED = 100_000
"""Pictures of all classes together."""

Text = Annotated[str, Field(min_length=1, max_length=2000)]
ImageId = Annotated[str, Field(min_length=1, max_length=4096)]
Label = Annotated[str, Field(min_length=1, max_length=500)]
Clade = Annotated[str, Field(min_length=1, max_length=2000)]
Risk = Annotated[
    float, Field(ge=LEAST_RISK, lt=1, description="Share of names that may be wrong among pictures like those that were learnt from.")
]  # fmt: skip
Method = Literal["simpleshot", "prototypes", "logistic", "ridge", "knn"]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OneQuery(_Asked):
    """One query: what is given together is one, the mean of its parts less half the mean of `not_ids`."""

    text: Text | None = None
    ids: list[ImageId] = Field([], max_length=MOST_HITS)
    not_ids: list[ImageId] = Field([], max_length=MOST_HITS)
    taxa: list[Clade] = Field([], max_length=MOST_HITS)


class BatchAsked(_Asked):
    """Several queries, each answered by itself."""

    queries: list[OneQuery] = Field(min_length=1, max_length=MOST_QUERIES, examples=[[{"taxa": ["Parus major"]}]])
    k: int = Field(K, ge=1, le=MOST_HITS)
    within: list[Clade] = []
    where: list[str] = Field([], examples=[["width>=500"]])
    exact: bool = False


class NamesAsked(_Asked):
    """Pictures of a store to be named."""

    ids: list[ImageId] = Field(min_length=1, max_length=MOST_NAMED)
    classifier: str | None = Field(
        None, description="A classifier of the store; without one its own names, or those that the encoder knows."
    )
    rank: str | None = Field(
        None, description="The narrowest rank of a name; that of the classifier unless given.", examples=["genus"]
    )
    risk: Risk | None = None
    k: int = Field(5, ge=1, le=100, description="Names of each picture, the likeliest and its alternatives.")


class ClassifierAsked(_Asked):
    """A classifier to be learnt from labelled pictures of a store: of `labels`, or the names that pictures have at a rank."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", examples=["my-tits"])
    labels: dict[Label, list[ImageId]] | None = Field(
        None, max_length=MOST_CLASSES, description="Pictures of each label."
    )
    rank: str | None = Field(None, examples=["species"])
    method: Method = "simpleshot"


class TeachAsked(_Asked):
    """Pictures that a person has put into classes."""

    classes: dict[Label, list[ImageId]] = Field(max_length=MOST_CLASSES, examples=[{"tit": ["a"], "crow": ["b"]}])
    risk: Risk = 0.1
    next: int = Field(12, ge=0, le=100, description="How many pictures to propose.")
    method: Literal["simpleshot", "prototypes"] = "simpleshot"


class OneDecision(_Asked):
    """What a person decided of a picture."""

    image_id: ImageId
    list: Literal["duplicates", "outliers", "label_errors"] | None = None
    action: Literal["keep", "fix", "drop"]
    rank: str | None = Field(None, description="Of a fix: a rank, or `label`.", examples=["species"])
    value: str | None = Field(None, max_length=2000, description="Of a fix: the new name.", examples=["Parus major"])


class DecisionsAsked(_Asked):
    """Decisions that are carried out together, as one entry of the log."""

    decisions: list[OneDecision] = Field(min_length=1, max_length=MOST_DECISIONS)
