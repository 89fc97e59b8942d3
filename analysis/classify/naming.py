"""Naming: a classifier's answers for the vectors of a store, or for pictures, which are encoded while others are read."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from cladescope.analysis.classify.answers import Answers, Prediction
from cladescope.embedding.encode import encoded
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.records import Record
from cladescope.index.vector_block import vector_block

if TYPE_CHECKING:
    from cladescope.index.store import Store

Named = tuple[str, list[Prediction]]
"""A picture's name and what is said of it, best first."""


@dataclass(eq=False)
class Predictions:
    """What is said of some pictures: iterate over it for the name of each and its answers, best first.

    Answers are made as they are asked for, so that a store of any size is named in little memory; each time anew.
    """

    columns: tuple[str, ...]
    """Columns of each answer, as `answers.columns` has them."""
    make: Callable[[list[str]], Iterator[Named]] = field(repr=False)
    """Names every picture; is given the list of failures to fill."""
    notes: tuple[str, ...] = ()
    """What the user should know of the choice of classes."""
    failures: list[str] = field(default_factory=list)
    """Of each picture that could not be named its place and why; whole after an iteration."""
    made_by: Mapping[str, str] = field(default_factory=dict)
    """Encoder, classes, version and date, to be kept with the answers: see `made_by`."""

    def __iter__(self) -> Iterator[Named]:
        self.failures.clear()
        return self.make(self.failures)

    def to_table(self) -> pa.Table:
        """All answers as a table, a row an answer: `file_name` and the `columns`; `to_pandas()` makes a data frame of it."""
        rows: list[Mapping[str, str | float]] = [{"file_name": name, **one} for name, found in self for one in found]
        kinds = [(name, pa.float64() if name == "score" else pa.string()) for name in ("file_name", *self.columns)]
        return pa.Table.from_pylist(rows, schema=pa.schema(kinds))


def name_stored(
    store: "Store", answers: Answers, *, where: str | None = None, limit: int | None = None
) -> Iterator[Named]:
    """Answers for a store's vectors, or the first `limit` of those under a condition; none is encoded again.

    Memory: that of `Answers.of` for `Answers.block_rows` pictures.
    """
    left, rows = limit, answers.block_rows
    for batch in store.scan(["uri", "vector"], condition=store.condition(where=where), block_rows=rows):
        part = batch if left is None else batch.slice(0, left)
        yield from _named(part.column("uri").to_pylist(), vector_block(part), answers)
        if left is not None and (left := left - part.num_rows) <= 0:
            return


def name_pictures(
    records: Iterable[Record], encoder: Encoder, answers: Answers, failures: list[str]
) -> Iterator[Named]:
    """Answers for pictures in their order, each called by its `image_id`; one that cannot be used is noted in `failures`.

    Memory: that of `encode.encoded` and of `Answers.of`.
    """
    for batch in encoded(records, encoder):
        failures += [f"{failure.record.image_id}: {failure.reason}" for failure in batch.failures]
        yield from _named([record.image_id for record in batch.records], batch.vectors, answers)


def _named(names: list[str], vectors: Float[np.ndarray, "b d"], answers: Answers) -> Iterator[Named]:
    for start in range(0, len(names), answers.block_rows):
        stop = start + answers.block_rows
        yield from zip(names[start:stop], answers.of(vectors[start:stop]), strict=True)
