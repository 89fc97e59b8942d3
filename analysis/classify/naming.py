"""Naming: a classifier's answers for the vectors of a store, or for pictures, which are encoded while others are read."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from cladescope.analysis.classify.answers import Answers, Prediction
from cladescope.analysis.classify.said import NAMED, in_words, name_said
from cladescope.embedding.encode import encoded
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.records import Record
from cladescope.index.notebook import MOST, Shown, pictures
from cladescope.index.vector_block import vector_block

if TYPE_CHECKING:
    from cladescope.index.store import Store

Named = tuple[str, list[Prediction]]
"""A picture's name and what is said of it, best first."""
WHEN_AND_WHERE = ("date_taken", "latitude", "longitude")
"""What stands beside the answers of a picture: what is written into its file, or what a store has in columns of these names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPicture:
    """One picture and what is said of it."""

    name: str
    """As the caller called it, else its address."""
    uri: str
    answers: list[Prediction] = field(default_factory=list)
    """Best first; none where the picture could not be read."""
    tags: Mapping[str, object] = field(default_factory=dict)
    """Date and place, by the columns of `WHEN_AND_WHERE`; what is not known is absent."""
    problem: str | None = None
    """Why it could not be read."""


@dataclass(eq=False)
class Predictions:
    """What is said of some pictures: iterate over it for the name of each and its answers, best first.

    Answers are made as they are asked for, so that a store of any size is named in little memory; each time anew.
    """

    columns: tuple[str, ...]
    """Columns of each answer, as `answers.columns` has them."""
    make: Callable[[list[str]], Iterator[NamedPicture]] = field(repr=False)
    """Names every picture; is given the list to fill with the places that are not there."""
    notes: tuple[str, ...] = ()
    """What the user should know of the choice of classes."""
    failures: list[str] = field(default_factory=list)
    """Of each picture that could not be named its place and why; whole after an iteration."""
    reasons: Callable[[Mapping[str, int], int], list[str]] = field(default=lambda counts, above: [], repr=False)
    """Why pictures have no name, or none at the rank asked for, from the number of pictures by verdict, and of those named above it."""
    verdicts: Counter[str] = field(default_factory=Counter)
    """Number of pictures by verdict (see `analysis.classify.known`); whole after an iteration."""
    above: int = 0
    """Pictures that are named, but above the rank that was asked for, since no narrower name is sure enough; whole after an iteration."""
    made_by: Mapping[str, str] = field(default_factory=dict)
    """Encoder, classes, version and date, to be kept with the answers: see `made_by`."""

    def __iter__(self) -> Iterator[Named]:
        return ((one.name, one.answers) for one in self.pictures() if one.problem is None)

    @property
    def why(self) -> list[str]:
        """Why pictures of the last iteration have no name, and which setting would name them, a sentence each."""
        return self.reasons(self.verdicts, self.above)

    def pictures(self) -> Iterator[NamedPicture]:
        """Every picture with its address, date and place, and among them those that could not be read."""
        self.failures.clear()
        self.verdicts.clear()
        self.above = 0
        for one in self.make(self.failures):
            if one.problem is not None:
                self.failures.append(f"{one.name}: {one.problem}")
            else:
                first = one.answers[0]
                self.verdicts[str(first["verdict"])] += 1
                self.above += bool(first["verdict"] == NAMED and first.get("nearest"))
            yield one

    def _repr_html_(self) -> str:
        """What a notebook shows: the first pictures with their best name; only these are named for it."""
        gone: list[str] = []
        first = list(islice(self.make(gone), MOST + 1))
        more = ["to_table() has the answers of all pictures"] * (len(first) > MOST)
        return pictures(map(_shown, first), more="; ".join([*gone, *more]))

    def to_table(self) -> pa.Table:
        """All answers as a table, a row an answer: `file_name` and the `columns`; `to_pandas()` makes a data frame of it."""
        rows: list[Mapping[str, str | float]] = [{"file_name": name, **one} for name, found in self for one in found]
        numbers = ("score", "nearest_score")
        kinds = [(name, pa.float64() if name in numbers else pa.string()) for name in ("file_name", *self.columns)]
        return pa.Table.from_pylist(rows, schema=pa.schema(kinds))


def _shown(one: NamedPicture) -> Shown:
    """A picture and its best name, as a notebook shows it."""
    if one.problem is not None:
        return Shown(one.uri, (one.problem,))
    best = one.answers[0]
    if best["verdict"] == NAMED:
        return Shown(one.uri, (name_said(best), in_words(float(best["score"]))))
    nearest = (f"nearest: {best['nearest']}",) if best.get("nearest") else ()
    return Shown(one.uri, (str(best["verdict"]), *nearest))


def name_stored(
    store: "Store", answers: Answers, *, where: str | None = None, limit: int | None = None
) -> Iterator[NamedPicture]:
    """Answers for a store's vectors, or the first `limit` of those under a condition; none is encoded again.

    Memory: that of `Answers.of` for `Answers.block_rows` pictures.
    """
    answers.start_over()
    left, rows = limit, answers.block_rows
    beside = [name for name in WHEN_AND_WHERE if name in store.schema.names]
    for batch in store.scan(["uri", "vector", *beside], condition=store.condition(where=where), block_rows=rows):
        part = batch if left is None else batch.slice(0, left)
        about = part.select(["uri", *beside]).to_pylist()
        for row, said in zip(about, _answers(vector_block(part), answers), strict=True):
            uri = row.pop("uri")
            yield NamedPicture(name=uri, uri=uri, answers=said, tags=_known(row))
        if left is not None and (left := left - part.num_rows) <= 0:
            return


def name_pictures(records: Iterable[Record], encoder: Encoder, answers: Answers) -> Iterator[NamedPicture]:
    """Answers for pictures in their order, each called by its `image_id`; of a batch those that cannot be used come last.

    Memory: that of `encode.encoded` and of `Answers.of`.
    """
    answers.start_over()
    for batch in encoded(records, encoder, tag_columns=WHEN_AND_WHERE):
        for record, said in zip(batch.records, _answers(batch.vectors, answers), strict=True):
            yield NamedPicture(name=record.image_id, uri=record.uri, answers=said, tags=_known(record.extra))
        for failure in batch.failures:
            yield NamedPicture(name=failure.record.image_id, uri=failure.record.uri, problem=failure.reason)


def _known(values: Mapping[str, object]) -> dict[str, object]:
    return {name: values[name] for name in WHEN_AND_WHERE if values.get(name) is not None}


def _answers(vectors: Float[np.ndarray, "b d"], answers: Answers) -> Iterator[list[Prediction]]:
    for start in range(0, len(vectors), answers.block_rows):
        yield from answers.of(vectors[start : start + answers.block_rows])
