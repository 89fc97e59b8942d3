"""The i-th of n parts of a source, for many jobs that each embed one; `index.parts` puts them together again."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from cladescope.embedding.records import Record, Source
from cladescope.embedding.wrapped import WrappedSource
from cladescope.errors import UsageError

MOST_SHARDS = 99_999


@dataclass(frozen=True, order=True)
class Shard:
    """One of `of` parts of a source, by its number from 1.

    A record belongs to the part that a hash of its `image_id` says: always the same one, whatever comes into the source or
    leaves it. So every record is in one part, and records that share an id are in the same.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of <= MOST_SHARDS:
            most = min(max(self.of, 1), MOST_SHARDS)
            raise UsageError(f"found the shard {self}, expected one of 1/{most} to {most}/{most}")

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """The shard that a text such as `3/64` means. Raises UsageError for another one.

        >>> Shard.parse("3/64")
        Shard(number=3, of=64)
        >>> Shard.parse("0/4")
        Traceback (most recent call last):
        cladescope.errors.UsageError: found the shard 0/4, expected one of 1/4 to 4/4
        """
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip())
        if found is None:
            raise UsageError(f"found the shard {text!r}, expected a number of a total, as in 3/64")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        """As it is typed."""
        return f"{self.number}/{self.of}"

    def holds(self, image_id: str) -> bool:
        """Whether a record of this id belongs to it.

        >>> [Shard(number, 3).holds("a") for number in (1, 2, 3)].count(True)
        1
        """
        return number_of(image_id, self.of) == self.number


def number_of(image_id: str, of: int) -> int:
    """Number, from 1, of the shard among `of` to which a record belongs; on every machine and in every version the same.

    >>> number_of("84e7f2593664d8c1181d991ca00d5601", 64)
    8
    """
    hashed = hashlib.blake2b(image_id.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(hashed, "big") % of + 1


class ShardedSource(WrappedSource):
    """Those records of a source that belong to a shard, in its order."""

    def __init__(self, source: Source, shard: Shard, *, limit: int | None = None) -> None:
        """Of the first `limit` records of the source, if it is given. Nothing is read yet."""
        super().__init__(source)
        self._shard, self._limit = shard, limit

    def count(self) -> int | None:
        """None: how many they are is known when all was read."""
        return None

    def records(self) -> Iterator[Record]:
        """The records of the shard."""
        return (record for record in islice(super().records(), self._limit) if self._shard.holds(record.image_id))
