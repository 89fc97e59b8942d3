"""An epoch as one pass over shards: each is opened once and read from its beginning to its end, through a shuffle buffer.

The order is known before anything is read, because the indexes of shards say what they hold: shards in random order, laid end to end
and cut into as many stretches as there are processes, and each of these into as many as a process reads at once; the stretches of a process
are mixed one by one, and then by the shuffle of the webdataset library (https://github.com/webdataset/webdataset). So nothing
is left out or comes twice however unequal the shards are, fewer shards than processes do, and a run that is resumed goes on in the same order
with what was in its buffer. A shard in which a cut falls is opened by both sides.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Int, Int64

from cladescope.errors import InputError
from cladescope.packages import not_installed
from cladescope.training.data.arriving import Arriving
from cladescope.training.data.columns import CodedColumn, Span, SpanColumn
from cladescope.training.data.examples import Examples


@dataclass(frozen=True, eq=False)
class StreamedOrder:
    """The order of an epoch, of which a process knows its own rows only."""

    n_positions: int
    """Pictures of the epoch in all processes."""
    n_processes: int
    read_order: Int[np.ndarray, " m"]
    """Own rows in the order in which they are read: of the stretches in turn."""
    shown_order: Int64[np.ndarray, " m"]
    """Places in `read_order`, in the order in which the pictures are shown."""
    buffer: int
    at_once: int

    def __len__(self) -> int:
        return self.n_positions

    def __getitem__(self, position: int) -> int:
        """The row at a position of the epoch that is this process's own; for another's one of its own that stands in for it."""
        return int(self.read_order[self.shown_order[position // self.n_processes % len(self.shown_order)]])

    def min(self) -> int:
        """The least row."""
        return int(self.read_order.min())

    def max(self) -> int:
        """The greatest row."""
        return int(self.read_order.max())

    def arriving(self, examples: Examples, *, start: int, ahead: int) -> Arriving:
        """The pictures from the one that is shown `start`-th by this process on; `ahead` are read beyond the buffer."""
        return Arriving(
            spans_of(examples),
            self.read_order,
            self.shown_order,
            n_processes=self.n_processes,
            at_once=self.at_once,
            start=start,
            window=self.buffer + ahead,
        )


@dataclass(frozen=True, eq=False)
class ShardedRows:
    """Rows of examples, shard by shard and in the order in which they lie there."""

    rows: Int[np.ndarray, " n"]
    starts: Int64[np.ndarray, " shards_and_one"]
    """Place of each shard's first row in `rows`, and at the end their number."""

    @classmethod
    def of(cls, examples: Examples, rows: Int[np.ndarray, " n"]) -> "ShardedRows":
        """Sort rows by shard and place. Memory: 8 bytes a row, none where they come so, as from shards.

        Raises InputError where a picture lies in no shard.
        """
        spans = spans_of(examples)
        outside = np.flatnonzero(spans.sizes[rows] < 0)
        if len(outside):
            raise InputError(
                f"data.read is stream, but {len(outside)} of {len(rows)} pictures lie in no shard, such as "
                f"{examples.uris[int(rows[outside[0]])]}: write shards of them (cladescope.training.data.shard_writer), or set data.read = random"
            )
        shards, offsets = spans.beginnings.codes[rows], spans.offsets[rows]
        step = np.diff(shards)
        if ((step < 0) | ((step == 0) & (np.diff(offsets) < 0))).any():
            order = np.lexsort((offsets, shards))
            rows, shards = rows[order], shards[order]
        starts = np.concatenate([[0], np.flatnonzero(np.diff(shards)) + 1, [len(rows)]]).astype(np.int64)
        return cls(rows, starts if len(rows) else np.zeros(1, np.int64))

    def epoch(
        self, *, seed: int, epoch: int, buffer: int, at_once: int, process: int = 0, n_processes: int = 1
    ) -> StreamedOrder:
        """The order of an epoch, which depends on the arguments alone.

        `buffer` pictures are held to choose the next one from, `at_once` shards are read at the same time. Memory: 16 bytes a
        picture of this process.

        Raises InputError where the webdataset library is not installed.
        """
        order = np.random.default_rng([seed, epoch, 2]).permutation(len(self.starts) - 1)
        ends = np.cumsum(np.diff(self.starts)[order])
        n = len(self.rows)
        own = cut(range(n), n_processes)[process]
        stretches = [self._between(stretch, order, ends) for stretch in cut(own, at_once)]
        read_order = np.empty(len(own), self.rows.dtype)
        for lane, stretch in enumerate(stretches):
            read_order[lane::at_once] = stretch
        mixed = shuffled(len(own), buffer, seed=f"{seed} {epoch} {process}")
        return StreamedOrder(n, n_processes, read_order, mixed, buffer, at_once)

    def _between(
        self, stretch: range, order: Int[np.ndarray, " shards"], ends: Int[np.ndarray, " shards"]
    ) -> Int[np.ndarray, " m"]:
        """The rows of a stretch of the shards laid end to end."""
        parts = [self.rows[:0]]
        place = int(np.searchsorted(ends, stretch.start, side="right"))
        at = stretch.start
        while at < stretch.stop:
            shard, stop = int(order[place]), min(int(ends[place]), stretch.stop)
            # The shard's last row is at `ends[place]` of the shards laid end to end.
            last = int(self.starts[shard + 1]) - int(ends[place])
            parts.append(self.rows[last + at : last + stop])
            at, place = stop, place + 1
        return np.concatenate(parts)


def cut(stretch: range, n: int) -> list[range]:
    """A stretch as n that follow each other, of one length or, the first of them, of one more.

    >>> cut(range(7), 3)
    [range(0, 3), range(3, 5), range(5, 7)]
    """
    each, more = divmod(len(stretch), n)
    ends = [stretch.start + each * place + min(place, more) for place in range(n + 1)]
    return [range(start, stop) for start, stop in pairwise(ends)]


def shuffled(n: int, buffer: int, *, seed: str) -> Int64[np.ndarray, " n"]:
    """The numbers from 0 to n - 1 as the shuffle of webdataset hands them on: that in place k is at most k + `buffer`.

    Raises InputError where the library is not installed.

    >>> sorted(shuffled(5, 2, seed="0").tolist())
    [0, 1, 2, 3, 4]
    """
    try:
        import webdataset  # of the extra `train`
    except ImportError as error:
        raise InputError(f"data.read is stream: {not_installed('webdataset')}") from error
    mixed = webdataset.shuffle(buffer, initial=buffer, rng=random.Random(seed))
    numbers: Iterator[int] = mixed(iter(range(n)))
    return np.fromiter(numbers, np.int64, n)


def shuffle_hash() -> str:
    """What tells whether webdataset still shuffles as it did: a run can only be resumed where it does."""
    return hashlib.blake2b(shuffled(1000, 100, seed="0").tobytes(), digest_size=8).hexdigest()


def spans_of(examples: Examples) -> SpanColumn:
    """The places of pictures in shards as columns."""
    spans: Sequence[Span | None] = examples.spans
    if isinstance(spans, SpanColumn):
        return spans
    shards = CodedColumn[str].of([None if span is None else f"{span[0]}#" for span in spans])
    offsets = np.array([0 if span is None else span[1] for span in spans], np.int64)
    return SpanColumn(shards, offsets, np.array([-1 if span is None else span[2] for span in spans], np.int64))
