"""What the service answers, as typed dictionaries of the keys that its OpenAPI document names."""

from typing import Any, Literal, NotRequired, TypedDict

Row = dict[str, Any]
"""A stored picture: its columns, without the vector."""
Hit = dict[str, Any]
"""A picture that was found: position, score, image_id, uri, lineage, common_name, and columns of the store's sources."""
State = Literal["making", "failed", "ready"]
Action = Literal["keep", "fix", "drop"]
ListName = Literal["duplicates", "outliers", "label_errors"]


class EncoderState(TypedDict):
    """Whether pictures and texts can be encoded."""

    name: str
    state: Literal["loading", "loaded", "failed"]
    problem: str | None


class Health(TypedDict):
    """Whether the service is ready."""

    ready: bool
    version: str
    encoders: list[EncoderState]
    needs_token: NotRequired[bool]
    read_only: NotRequired[bool]


class StoreSummary(TypedDict):
    """One of the stores served."""

    name: str
    images: int | None
    encoder: str


class RankCounts(TypedDict):
    """Taxa of a rank, and pictures that have one."""

    taxa: int
    images: int


class StoreDetails(TypedDict):
    """What a store holds."""

    name: str
    version: int
    images: int
    failures: int
    ranks: dict[str, RankCounts]
    columns: list[str]
    encoder: EncoderState
    dim: int
    has_text: bool
    index: str | None


class Child(TypedDict):
    """A taxon below the one that was asked for."""

    taxon: str
    name: str
    rank: str
    common_name: str | None
    images: int
    species: int
    has_children: bool


class TreeAnswer(TypedDict):
    """The children of a taxon."""

    under: str | None
    rank: str | None
    images: int
    without_rank: int
    n_children: int
    children: list[Child]


class RowsAnswer(TypedDict):
    """A page of rows."""

    total: int
    rows: list[Row]
    next: str | None


class Consensus(TypedDict):
    """What hits agree on."""

    taxon: str | None
    rank: str | None
    label: str | None
    share: float
    votes: list[dict[str, Any]]


class Kin(TypedDict):
    """Hits that have no vote of their own."""

    of_query: int
    of_hits: int
    left_out: int


class SearchAnswer(TypedDict):
    """Hits, best first."""

    method: str
    notes: list[str]
    kin: Kin
    hits: list[Hit]
    consensus: Consensus


class OneQuery(TypedDict, total=False):
    """One query of several."""

    text: str
    ids: list[str]
    not_ids: list[str]
    taxa: list[str]


class Alternative(TypedDict):
    """A less likely name."""

    name: str
    taxon: str | None
    score: float


class NamedPicture(TypedDict):
    """What a picture is called."""

    image_id: str | None
    name: str | None
    taxon: str | None
    rank: str | None
    score: float | None
    verdict: str
    alternatives: list[Alternative]


class NamesAnswer(TypedDict):
    """Names of pictures."""

    answers: list[NamedPicture]
    notes: list[str]
    risk: float | None
    method: str


class ClassifierSummary(TypedDict):
    """A classifier of a store."""

    name: str
    rank: str | None
    method: str
    classes: int
    images: int
    accuracy: float | None
    interval: list[float] | None
    made: str | None


class ClassifierDetails(ClassifierSummary):
    """A classifier, and what was said when it was learnt."""

    said: list[str]


class Accuracy(TypedDict):
    """How often pictures are named right by classes of the others."""

    value: float
    low: float
    high: float
    asked: int


class ClassCount(TypedDict):
    """Pictures of a class."""

    label: str
    images: int


class NextPicture(TypedDict):
    """A picture to label next."""

    image_id: str
    label: str | None
    score: float | None
    second: str | None
    second_score: float | None


class Level(TypedDict):
    """How deep pictures are named."""

    rank: str | None
    share: float


class TeachAnswer(TypedDict):
    """What some classes say of a whole store."""

    classes: list[ClassCount]
    accuracy: Accuracy | None
    said: list[str]
    next: list[NextPicture]
    counts: list[ClassCount]
    unsure: int
    total: int
    level: Level | None


class AuditItem(TypedDict):
    """A doubtful picture."""

    list: ListName
    group: str | None
    image_id: str
    uri: str
    name: str | None
    suggested: str | None
    rank: str | None
    why: str
    score: float | None
    decided: Action | None


class AuditLists(TypedDict):
    """Doubtful pictures by kind."""

    duplicates: list[AuditItem]
    outliers: list[AuditItem]
    label_errors: list[AuditItem]


class AuditAnswer(TypedDict):
    """The audit of a store."""

    state: State
    done: float | None
    problem: str | None
    version: int | None
    lists: AuditLists
    notes: list[str]
    decided: int


class OneDecision(TypedDict):
    """What is decided of a picture."""

    image_id: str
    action: Action
    list: NotRequired[ListName | None]
    rank: NotRequired[str | None]
    value: NotRequired[str | None]


class DecisionsAnswer(TypedDict):
    """What decisions did."""

    entry: int
    kept: int
    fixed: int
    dropped: int
    notes: list[str]


class Change(TypedDict):
    """What one decision changed."""

    image_id: str
    action: Action
    rank: str | None
    before: str | None
    after: str | None


class LogEntry(TypedDict):
    """Decisions that were carried out together."""

    entry: int
    at: str
    kept: int
    fixed: int
    dropped: int
    undone: bool
    changes: list[Change]


class UndoAnswer(TypedDict):
    """What was turned back."""

    restored: int
    notes: list[str]


class Probe(TypedDict):
    """One number of one probe."""

    name: str
    title: str
    value: float | None
    low: float | None
    high: float | None
    null_low: float | None
    null_high: float | None
    p: float | None
    higher_is_better: bool | None
    said: str


class ProbesAnswer(TypedDict):
    """The probes of a store."""

    state: State
    done: float | None
    problem: str | None
    probes: list[Probe]
    notes: list[str]
