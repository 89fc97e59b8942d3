"""What a vector database must offer for a store to be published there, and what a collection says of itself."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import pyarrow as pa

from cladescope.errors import StoreError
from cladescope.index.publishing.points import Points

logger = logging.getLogger(__name__)

T = TypeVar("T")

WAITS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds between the tries of a request that the network or a busy server lets down."""
MEMBER = "cladescope"
"""Under this name a collection keeps the record of what was published into it."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """A collection as it is found."""

    dim: int
    """Numbers a vector."""
    metric: str
    """`cosine`, or what else it compares vectors by."""
    n_points: int
    record: dict[str, Any] | None
    """What the last publication noted (`publish`); None where there was none."""


@runtime_checkable
class Target(Protocol):
    """One collection of a vector database. Every method raises StoreError where the database does not do as asked."""

    place: str
    """The database and the collection, for messages."""
    longest: int | None
    """Bytes of the longest text that it takes; None where there is no limit."""

    def held(self) -> Held | None:
        """The collection, or None where there is none yet. Raises StoreError where it is not made for points of a store."""

    def create(self, dim: int, schema: pa.Schema) -> None:
        """Make the collection for vectors of so many numbers, ready to be filtered by ranks and clades."""

    def prepare(self) -> None:
        """See to it that ranks and clades are indexed, in a collection that was there before."""

    def note(self, record: dict[str, Any]) -> None:
        """Keep a record of what was published, in place of the last."""

    def digests(self, ids: Sequence[str]) -> dict[str, str]:
        """What those of some points that are there were made of."""

    def put(self, points: Points) -> None:
        """Add points, or put them in the place of those of the same ids."""

    def count(self) -> int:
        """How many points there are, all writes included."""

    def ids(self) -> Iterator[list[str]]:
        """Ids of all points, in blocks; those of a block may be deleted before the next is asked for."""

    def delete(self, ids: Sequence[str]) -> None:
        """Take points out."""

    def close(self) -> None:
        """End: what was written is there to stay."""


def retried(
    ask: Callable[[], T],
    *,
    what: str,
    passing: Callable[[Exception], str | None],
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """The answer to a request, asked again after a while where the fault may pass.

    `passing` says of an error in a few words what is at fault if that may pass, or None. Between two tries lie `WAITS` seconds.

    Raises StoreError where the fault stays; what is no passing fault is raised as it came.
    """
    for wait in (*WAITS, None):
        try:
            return ask()
        except Exception as error:
            fault = passing(error)
            if fault is None:
                raise
            if wait is None:
                raise StoreError(
                    f"{what} does not answer ({fault}), asked {len(WAITS) + 1} times: see that it runs and can be reached, "
                    "then run the same again: what was sent is kept"
                ) from error
            logger.warning("%s: %s, trying again in %g s", what, fault, wait)
            sleep(wait)
    raise AssertionError("the last try returns or raises")
