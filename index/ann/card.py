"""The card of an index: what it is, what it cost, and how often it finds what the exact search finds, kind of query by kind."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from itertools import pairwise
from math import ceil, log
from pathlib import Path
from typing import Any

from cladescope.errors import StoreError
from cladescope.files import is_sealed
from cladescope.index.ann.recall import Share

MAKE = 2
"""Raised when an older reader could no longer read an index. 1 were those of 0.1.0, in a folder of another name."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Queries of one kind, of one class or of one source."""

    n: int
    recall: dict[str, Share]
    """ann_recall@k by k, each with its interval."""
    consensus_changed: Share | None = None
    """Share of queries whose consensus taxon over 10 hits is another than by exact search; None where rows have no taxa."""
    per_second: float | None = None
    """Queries a second, all asked at once."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """How hits are looked for, up to a number of them."""

    k: int
    near: dict[str, int]
    """FAISS's search parameters for a query that resembles what is stored."""
    far: dict[str, int] | None
    """For one that does not (`IndexCard.far_below`); None is an exact search."""
    midway: dict[str, int] | None = None
    """For one that is far; only if its best hit then still scores less than `IndexCard.farther_below`, `far` is next. None: `far` at once."""
    composed: dict[str, int] | None = None
    """For one that is made of several things; None is an exact search."""


@dataclass(frozen=True, kw_only=True)
class IndexCard:
    """Stored as `card.json` beside the index, and as a page for people, `card.md`."""

    kind: str
    """As it was asked for, or chosen: a name of `kinds.NAMES`, or a factory string."""
    factory: str
    """The FAISS factory string."""
    n_vectors: int
    dim: int
    store_version: int
    """Version of the `images` table whose rows the index holds."""
    built_version: int
    """That of the rows that it was measured over; rows since were added by refreshing."""
    steps: tuple[Step, ...]
    """By number of hits, in order."""
    far_below: float
    """A query whose best hit scores less is far from all that is stored, as texts are, and looked for again more widely; -2 is no query."""
    farther_below: float = -2.0
    """What scores less after it was looked for midway is looked for by `Step.far`."""
    exact_below: int
    """A filter that leaves no more rows is answered by comparing them all."""
    build_seconds: float
    tune_seconds: float
    bytes_per_vector: float
    """Size of the index file by the number of vectors."""
    target_recall: float
    target_met: bool
    """Whether ann_recall at `target_k` reached the target for every kind of query."""
    failing: tuple[str, ...] = ()
    """Kinds of query for which it did not."""
    queries: dict[str, Measured] = field(default_factory=dict)
    """By kind (`queries.WORDS`); half of the queries that are there: the other half chose the parameters."""
    classes: dict[str, Measured] = field(default_factory=dict)
    """Pictures that were left out, by class of the tree: the worst first."""
    sources: dict[str, Measured] = field(default_factory=dict)
    """The same by source, where several are named."""
    not_measured: tuple[str, ...] = ()
    """Kinds of query that could not be asked, and why."""
    filters: tuple[dict[str, Any], ...] = ()
    """What filters of each selectivity cost and find."""
    curve: tuple[dict[str, Any], ...] = ()
    """Parameters that no others beat in both recall and speed, over the half that chose."""
    candidates: tuple[dict[str, Any], ...] = ()
    """Kinds that were compared where the kind was left open."""
    notes: tuple[str, ...] = ()
    n_gone: int = 0
    """Vectors of rows that were deleted before `store_version`; their row ids are below 0."""
    refreshed: tuple[dict[str, Any], ...] = ()
    """Rows that were added since, each time: `version`, `n_added`, `at`."""
    store_created: str | None = None
    """When the store was made, as it says itself."""
    version_hash: str | None = None
    """`identity.version_hash` of `store_version`. Both tell the store from any other; cards without them are trusted."""
    make: int = MAKE
    files: dict[str, str] = field(default_factory=dict)
    """The files of the index by name, and the hash of each (BLAKE2b, 16 bytes)."""

    @property
    def ann_recall(self) -> dict[str, float]:
        """The mean over pictures that were left out, or over stored ones where none was, by k."""
        measured = next(iter(self.queries.values()), None)
        return {} if measured is None else {k: share.mean for k, share in measured.recall.items()}

    @property
    def target_k(self) -> int:
        """Number of neighbours that the target speaks of: 10, or 1 in an index of so few vectors."""
        return max((int(k) for k in self.ann_recall if int(k) <= 10), default=10)

    def step(self, k: int) -> Step:
        """How k hits are looked for: between two steps by their geometric mean, beyond the last as `wider` has it."""
        if k <= self.steps[0].k:
            return self.steps[0]
        for fewer, more in pairwise(self.steps):
            if k <= more.k:
                part = log(k / fewer.k) / log(more.k / fewer.k)
                near = _between(fewer.near, more.near, part)
                far, midway, composed = (
                    None if one is None or other is None else _between(one, other, part)
                    for one, other in zip(_wider_of(fewer), _wider_of(more), strict=True)
                )
                return Step(k=k, near=near, far=far, midway=midway, composed=composed)
        last = self.steps[-1]
        by = k / last.k
        far, midway, composed = (None if one is None else wider(one, by) for one in _wider_of(last))
        return Step(k=k, near=wider(last.near, by), far=far, midway=midway, composed=composed)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "ann_recall": self.ann_recall, "target_k": self.target_k}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], path: Path) -> "IndexCard":
        """The card read from `path`. Raises StoreError where it is of another make, or not as it was written."""
        try:
            if not is_sealed(values):
                raise ValueError("it is not as it was written" if "hash" in values else "it has no hash")
            if values.get("make") != MAKE:
                raise ValueError(f"it is of make {values.get('make')}, expected {MAKE}")
            known = {one.name for one in fields(cls)}
            given = {key: value for key, value in values.items() if key in known}
            for name in ("queries", "classes", "sources"):
                given[name] = {key: _measured(value) for key, value in given[name].items()}
            given["steps"] = tuple(Step(**step) for step in given["steps"])
            for name in ("failing", "not_measured", "filters", "curve", "candidates", "notes", "refreshed"):
                given[name] = tuple(given[name])
            card = cls(**given)
            if not card.steps or min(card.n_vectors, card.dim, card.store_version) < 1:
                raise ValueError("its numbers are none of an index")
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise StoreError(
                f"{path} is no index card that this version reads ({error}): build the index again"
            ) from error
        return card


def wider(parameters: Mapping[str, int], by: float) -> dict[str, int]:
    """Search parameters that look at more of an index, as more hits ask for; up to the 16-fold.

    >>> wider({"efSearch": 64, "k_factor": 2}, 2.5)
    {'efSearch': 160, 'k_factor': 2}
    """
    by = min(max(by, 1.0), 16.0)
    return {name: value if name == "k_factor" else ceil(value * by) for name, value in parameters.items()}


def recall_text(recall: Mapping[str, float]) -> str:
    """Recalls on one line.

    >>> recall_text({"1": 1.0, "10": 0.98765})
    '@1 1.000, @10 0.988'
    """
    return ", ".join(f"@{k} {value:.3f}" for k, value in recall.items())


def _wider_of(step: Step) -> tuple[dict[str, int] | None, ...]:
    return step.far, step.midway, step.composed


def _between(fewer: Mapping[str, int], more: Mapping[str, int], part: float) -> dict[str, int]:
    return {name: ceil(value ** (1 - part) * more[name] ** part - 1e-9) for name, value in fewer.items()}


def _measured(values: Mapping[str, Any]) -> Measured:
    changed = values["consensus_changed"]
    return Measured(
        n=values["n"],
        recall={k: Share(**share) for k, share in values["recall"].items()},
        consensus_changed=None if changed is None else Share(**changed),
        per_second=values["per_second"],
    )
