"""What the service answers of names, classifiers, teaching, doubtful pictures and probes, as models."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Alternative(_Answer):
    """A less likely name, or the nearest one where none is sure enough."""

    name: str
    taxon: str | None
    score: float


class NamedPicture(_Answer):
    """What a picture is called."""

    image_id: str | None
    name: str | None = Field(description="The narrowest name that is sure enough; null where none is.")
    taxon: str | None = Field(examples=["Animalia > Chordata > Aves"])
    rank: str | None = Field(description="Rank of the name, or `label`.")
    score: float | None = Field(description="How likely the name is right.", examples=[0.93])
    verdict: str = Field(description="`named`, `not sure`, `not known` or `empty`.")
    alternatives: list[Alternative]


class NamesAnswer(_Answer):
    """Names of pictures, in the order in which they were asked for."""

    answers: list[NamedPicture]
    notes: list[str]
    risk: float | None = Field(description="Share of names that may be wrong; null where no promise is made.")
    method: str = Field(examples=["simpleshot"])


class ClassifierSummary(_Answer):
    """A classifier of a store."""

    name: str
    rank: str | None = Field(description="The rank that it names, or `label`.")
    method: str
    classes: int
    images: int = Field(description="Pictures that it was learnt from.")
    accuracy: float | None = Field(
        description="Share of pictures, each asked about classes of the others, that it names right."
    )
    interval: tuple[float, float] | None = Field(description="95 % interval of the accuracy.")
    made: str | None = Field(description="Date and time.")


class Classifiers(_Answer):
    """The classifiers of a store, by name."""

    classifiers: list[ClassifierSummary]


class ClassifierDetails(ClassifierSummary):
    """A classifier, and what was said when it was learnt."""

    said: list[str]


class Accuracy(_Answer):
    """How often pictures are named right that are asked one by one about classes of the others."""

    value: float
    low: float = Field(description="Lower end of the 95 % interval.")
    high: float
    asked: int


class ClassCount(_Answer):
    """Pictures of a class."""

    label: str
    images: int


class NextPicture(_Answer):
    """A picture to label next; names and scores are null while there is no classifier."""

    image_id: str
    label: str | None
    score: float | None
    second: str | None
    second_score: float | None


class Level(_Answer):
    """How deep pictures are named at the risk."""

    rank: str | None = Field(
        description="The narrowest rank at which half of the pictures that have any name have one; null for plain labels."
    )
    share: float = Field(description="Share of the store's pictures that are named there.")


class TeachAnswer(_Answer):
    """What a classifier of the pictures in some classes says of the whole store."""

    classes: list[ClassCount] = Field(description="Pictures that were put into each class.")
    accuracy: Accuracy | None
    said: list[str] = Field(description="What is missing, and what a reader should know.")
    next: list[NextPicture] = Field(description="Those to label next, the most wanted first.")
    counts: list[ClassCount] = Field(description="Pictures of the store that are named so.")
    unsure: int
    total: int
    level: Level | None


class AuditItem(_Answer):
    """A doubtful picture."""

    list: Literal["duplicates", "outliers", "label_errors"]
    group: str | None = Field(description="Of duplicates: which belong together, and why.")
    image_id: str
    uri: str
    name: str | None = Field(description="What it is called now.")
    suggested: str | None = Field(description="What it looks like.")
    rank: str | None = Field(description="Rank of the suggestion, or `label`.")
    why: str
    score: float | None
    decided: Literal["keep", "fix", "drop"] | None


class AuditLists(_Answer):
    """Doubtful pictures by kind, the gravest first."""

    duplicates: list[AuditItem]
    outliers: list[AuditItem]
    label_errors: list[AuditItem]


class AuditAnswer(_Answer):
    """The audit of a store; it is made in the background."""

    state: Literal["making", "failed", "ready"]
    done: float | None = Field(description="Share of the present step that is done.")
    problem: str | None
    version: int | None = Field(description="The store's version that was looked at.")
    lists: AuditLists
    notes: list[str]
    decided: int = Field(description="Pictures of the lists that something was decided of.")


class DecisionsAnswer(_Answer):
    """What decisions did."""

    entry: int
    kept: int
    fixed: int
    dropped: int
    notes: list[str]


class Change(_Answer):
    """What one decision changed."""

    image_id: str
    action: Literal["keep", "fix", "drop"]
    rank: str | None
    before: str | None
    after: str | None


class LogEntry(_Answer):
    """Decisions that were carried out together."""

    entry: int
    at: str
    kept: int
    fixed: int
    dropped: int
    undone: bool
    changes: list[Change]


class LogAnswer(_Answer):
    """All decisions, the newest first."""

    entries: list[LogEntry]


class UndoAnswer(_Answer):
    """What was turned back."""

    restored: int
    notes: list[str]


class Probe(_Answer):
    """One number of one probe, with its 95 % interval and what chance would give."""

    name: str = Field(examples=["1-NN purity species"])
    title: str
    value: float | None
    low: float | None
    high: float | None
    null_low: float | None
    null_high: float | None
    p: float | None
    higher_is_better: bool | None = Field(description="Null where neither is: what it measures is no merit.")
    said: str


class ProbesAnswer(_Answer):
    """The probes of a store; they are made in the background."""

    state: Literal["making", "failed", "ready"]
    done: float | None
    problem: str | None
    probes: list[Probe]
    notes: list[str]


Report = dict[str, Any]
