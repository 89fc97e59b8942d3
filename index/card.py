"""The card of an index: what it is, what it cost, and how often it finds what the exact search finds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cladescope.errors import StoreError
from cladescope.files import is_sealed


@dataclass(frozen=True, kw_only=True)
class IndexCard:
    """Stored as `card.json` beside the index, and as a page for people, `card.md`."""

    kind: str
    n_vectors: int
    dim: int
    store_version: int
    """Version of the `images` table that the index was built from."""
    parameters: dict[str, int]
    """In FAISS's own words: M, efConstruction, efSearch."""
    build_seconds: float
    bytes_per_vector: float
    """Size of the index file by the number of vectors."""
    n_queries: int
    """Stored pictures that stood as queries, each left out of its own answer."""
    ann_recall: dict[str, float]
    """Share of the exact k neighbours found, at k = 1, 10 and 100."""
    ann_recall_rare: dict[str, float] | None
    """The same over queries of species with at most five pictures; None where the store has too few of them."""
    target_recall: float
    target_met: bool
    """Whether ann_recall at `target_k` reached the target."""
    files: dict[str, str] = field(default_factory=dict)
    """The graph and the row ids by name, and the hash of each (BLAKE2b, 16 bytes); none in cards of 0.1.0."""

    @property
    def target_k(self) -> int:
        """Number of neighbours that the target speaks of: 10, or 1 in an index of so few vectors."""
        return max(int(k) for k in self.ann_recall if int(k) <= 10)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], path: Path) -> "IndexCard":
        """The card read from `path`. Raises StoreError where it is of another make, or not as it was written."""
        try:
            if "hash" in values and not is_sealed(values):
                raise ValueError("it is not as it was written")
            card = cls(**{key: value for key, value in values.items() if key != "hash"})
            if card.files and "hash" not in values:
                raise ValueError("it has no hash")
            whole = (card.n_vectors, card.dim, card.store_version, card.parameters["efSearch"])
            if not all(type(value) is int and value > 0 for value in whole) or not card.target_k:
                raise ValueError("its numbers are none of an index")
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise StoreError(
                f"{path} is no index card that this version reads ({error}): build the index again"
            ) from error
        return card

    def to_markdown(self) -> str:
        """The page for people."""
        rare = self.ann_recall_rare or {}
        rows = "\n".join(
            f"| {k} | {value:.4f} | {f'{rare[k]:.4f}' if k in rare else 'too few'} |"
            for k, value in self.ann_recall.items()
        )
        parameters = ", ".join(f"{name} {value}" for name, value in self.parameters.items())
        met = "met" if self.target_met else "NOT met"
        return f"""# Index `{self.kind}`

{self.n_vectors:,} vectors of {self.dim} numbers, from version {self.store_version} of the store; {parameters}.
Built in {self.build_seconds:.1f} s; {self.bytes_per_vector:.0f} bytes a vector.

ann_recall@k against the exact answer over {self.n_queries} stored pictures as queries, each left out of its own answer.
The target, {self.target_recall} at k = {self.target_k}, was {met}.

| k | all queries | species with 1-5 pictures |
| --- | --- | --- |
{rows}
"""


def recall_text(recall: Mapping[str, float]) -> str:
    """Recalls on one line.

    >>> recall_text({"1": 1.0, "10": 0.98765})
    '@1 1.000, @10 0.988'
    """
    return ", ".join(f"@{k} {value:.3f}" for k, value in recall.items())
