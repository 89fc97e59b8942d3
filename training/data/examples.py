"""Labelled pictures as columns: what training draws from.

They come from a folder, a manifest or shards (`cladescope.embedding.sources`), or from a store. Pictures stay
where they are and are read one at a time, in any order; those in tar shards with one seek.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int

from cladescope.embedding.locations import read_bytes
from cladescope.embedding.records import Record, notes_of
from cladescope.embedding.regions import split_region
from cladescope.embedding.sources import open_source
from cladescope.embedding.sources.webdataset import WebDatasetSource
from cladescope.errors import InputError
from cladescope.schema import LABEL, holds_labels
from cladescope.steps import counted
from cladescope.taxonomy import RANKS, Taxon
from cladescope.training.data.collecting import MAX_REASONS, Collector
from cladescope.training.data.columns import CodedColumn, Column, Span, coded
from cladescope.training.data.shard_index import read_span
from cladescope.training.data.shard_places import placed
from cladescope.training.data.shard_records import index_of, said_of

logger = logging.getLogger(__name__)

__all__ = ["MAX_REASONS", "Examples", "check_several_classes", "load_examples"]

_COLUMNS = ("image_id", "uri", "source", *RANKS, "common_name", "observation_id", "licence")


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled pictures, one at each position of every column; each `image_id` occurs once.

    Columns are lists, or Arrow arrays that read as such (`cladescope.training.data.columns`): about 130 bytes an example, which
    several processes share where they lie in a mapped file (`cladescope.training.data.examples_file`).
    """

    image_ids: Sequence[str]
    uris: Sequence[str]
    """Where the picture is, as `Record.uri`."""
    taxa: Sequence[Taxon]
    """The deepest taxon that is known of each picture; pictures of one class have equal taxa."""
    common_names: Sequence[str | None]
    groups: Sequence[str | None]
    """The observation that a picture belongs to; None where none is recorded."""
    sources: Sequence[str]
    """The data set that a picture comes from."""
    licences: Sequence[str | None]
    spans: Sequence[Span | None]
    """Shard, first byte and number of bytes of a picture in a tar shard; None where the picture is elsewhere."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Why records of the source are not among the examples, and how many."""
    by_label: bool = False
    """Whether classes are the labels of pictures: each then stands for a taxon of one name, which says nothing of kinship."""
    known_classes: Int[np.ndarray, " n"] | None = None
    """What `classes` gives, where that is in a mapped file already."""

    def __len__(self) -> int:
        return len(self.image_ids)

    def take(self, rows: Int[np.ndarray, " m"] | Sequence[int]) -> "Examples":
        """The examples at these positions, in this order; `skipped` still tells of the whole source."""
        chosen = np.asarray(rows, np.int64)
        columns: dict[str, Any] = {name: _taken(getattr(self, name), chosen) for name in COLUMN_NAMES}
        return Examples(**columns, by_label=self.by_label, skipped=self.skipped)

    @cached_property
    def parents(self) -> Sequence[str]:
        """The picture that each example shows or is a region of, as an address without a box."""
        return ParentColumn(self.uris)

    @cached_property
    def spelt_taxa(self) -> "CodedColumn[Taxon]":
        """The taxa by their place among those of different spelling."""
        return coded(self.taxa, _path)

    @cached_property
    def class_taxa(self) -> tuple[Taxon, ...]:
        """Each distinct taxon, sorted: the taxon of each class code."""
        by_path = {taxon.path: taxon for taxon in _used(self.spelt_taxa)}
        # Of several spellings of one taxon the first by code point, whichever came first.
        shown = {by_path[path]: by_path[path] for path in sorted(by_path, key=_sort_key, reverse=True)}
        return tuple(sorted(shown.values(), key=lambda taxon: taxon.key))

    def classes(self) -> Int[np.ndarray, " n"]:
        """Code of each example's taxon: its position in `class_taxa`. A class is a full path."""
        return self._classes

    @cached_property
    def _classes(self) -> Int[np.ndarray, " n"]:
        if self.known_classes is not None:
            return self.known_classes
        code = {taxon: position for position, taxon in enumerate(self.class_taxa)}
        spelt = self.spelt_taxa
        table = np.array([code.get(taxon, -1) for taxon in spelt.values], np.int32)
        found: Int[np.ndarray, " n"] = table[spelt.codes]
        return found

    def rank_codes(self) -> Int[np.ndarray, "classes ranks"]:
        """Code of each class's taxon at each of the seven ranks, -1 where that rank is not recorded; see `codes`."""
        table = np.full((len(self.class_taxa), len(RANKS)), -1, np.int64)
        last: list[tuple[str, ...]] = [()] * len(RANKS)
        n_taxa = [0] * len(RANKS)
        # Classes are sorted, so that the classes of one taxon follow each other.
        for row, taxon in enumerate(self.class_taxa):
            for rank, name in enumerate(taxon.path):
                if name is None:
                    continue
                prefix = taxon.key[: rank + 1]
                if prefix != last[rank]:
                    last[rank] = prefix
                    n_taxa[rank] += 1
                table[row, rank] = n_taxa[rank] - 1
        return table

    def codes(self) -> Int[np.ndarray, "n ranks"]:
        """Code of each example's taxon at each of the seven ranks, -1 where that rank is not recorded.

        Codes count the taxa of a rank from 0 in sorted order; a taxon is its full path, so homonyms differ.
        """
        codes: Int[np.ndarray, "n ranks"] = self.rank_codes()[self.classes()]
        return codes

    def read(self, row: int) -> bytes:
        """The encoded picture of one example. May be called from several threads at once.

        Raises PictureError if it cannot be read.
        """
        span = self.spans[row]
        return read_bytes(self.uris[row]) if span is None else read_span(*span)


def load_examples(
    spec: str | Path, *, classes: Literal["taxon", "label", "auto"] = "taxon", labels_from: str | None = None
) -> Examples:
    """The labelled pictures of a store (a folder with `store.json`), or of whatever `open_source` opens.

    With `classes` as `label` the labels of pictures (names of folders) are their classes; `auto` takes these where most pictures have
    one and fewer than half of those a species, else the taxa, as everywhere (`Pictures.narrowest`). `labels_from` is that of `open_source`.

    Left out and counted are records without a picture, records without any rank, and every record whose
    `image_id` came before. No picture is opened. Of shards on this machine's disks the indexes beside them are read, and made where they are
    missing or not of the shard as it is, which is logged in counts; others are read through, once for their texts and once
    for the places of their members. A picture in a row of a Parquet table is read at the cost of its row
    group up to that row: for training, write shards of it first (`cladescope.training.data.shard_writer`).

    Raises InputError if there is no labelled picture, and what `open_source` and `Store.open` raise.

    >>> load_examples("/nowhere/photos")
    Traceback (most recent call last):
    cladescope.errors.InputError: no such file or folder: /nowhere/photos: check the name
    """
    stored = Path(spec, "store.json").is_file()
    if stored and labels_from is not None:
        raise InputError(f"{spec} is a store, which has its labels: leave data.labels_from out")
    source = None if stored else open_source(spec, labels_from=labels_from)
    if isinstance(source, WebDatasetSource):
        examples = _of_shards(source, by_label=classes == "label")
    else:
        records = _stored(Path(spec)) if source is None else source.records()
        if classes == "auto":
            every = list(records)
            records, classes = iter(every), "label" if _are_told_apart_by_label(every) else "taxon"
        examples = _collect(records, by_label=classes == "label")
    for note in () if source is None else notes_of(source):
        logger.info("%s", note)
    left_out = ", ".join(f"{n} {reason}" for reason, n in examples.skipped.most_common())
    if not len(examples):
        raise InputError(
            f"found no labelled picture in {spec} (left out: {left_out or 'nothing, it is empty'}): expected records "
            + (f"with a {LABEL}" if examples.by_label else f"that name some of {', '.join(RANKS)}")
        )
    what = "labels" if examples.by_label else "taxa"
    logger.info(
        "%s: %d pictures of %d %s, left out: %s",
        spec,
        len(examples),
        len(examples.class_taxa),
        what,
        left_out or "none",
    )
    return examples


def check_several_classes(examples: Examples, rows: Int[np.ndarray, " m"] | None = None) -> None:
    """Raise InputError if all examples, or all at some positions, are of one taxon: there is nothing to learn to tell apart.

    >>> taxon = Taxon(("Animalia",))
    >>> check_several_classes(Examples(["a"], ["/a.jpg"], (taxon,), [None], [None], ["s"], [None], [None]))
    Traceback (most recent call last):
    cladescope.errors.InputError: all 1 pictures are of one taxon, Animalia: training needs at least two
    """
    codes = examples.classes() if rows is None else examples.classes()[rows]
    if not len(codes) or (codes == codes[0]).all():
        one = f"all {len(codes)} pictures are of one taxon, {examples.class_taxa[codes[0]]}" if len(codes) else "none"
        raise InputError(f"{one}: training needs at least two")


def _stored(folder: Path) -> Iterator[Record]:
    from cladescope.index.store import Store  # loads LanceDB, which a training machine may lack

    store = Store.open(folder)
    columns = (*_COLUMNS, LABEL) if holds_labels(store.schema) else _COLUMNS
    for batch in store.scan(columns):
        for row in batch.to_pylist():
            image_id, uri, source = (row.pop(name) for name in ("image_id", "uri", "source"))
            extra = {LABEL: row.pop(LABEL, None)}
            yield Record(image_id=image_id, uri=uri, source=source, labels=row, extra=extra)


def _are_told_apart_by_label(records: Sequence[Record]) -> bool:
    labelled = [record for record in records if record.extra.get(LABEL)]
    return 2 * sum(bool(record.labels.get("species")) for record in records) < len(labelled)


def _of_shards(source: WebDatasetSource, *, by_label: bool) -> Examples:
    collector = Collector(by_label=by_label)
    words = Counter[str]()
    for shard in counted(source.shards, "reading the indexes of shards", len(source.shards)):
        table, word = index_of(shard)
        words[word] += 1
        collector.add_shard(shard, table, source=source.name)
    logger.info("%s", said_of(words))
    return Examples(**collector.columns(), skipped=collector.skipped, by_label=by_label)


def _collect(records: Iterator[Record], *, by_label: bool = False) -> Examples:
    collector = Collector(by_label=by_label)
    for record in records:
        collector.add(record)
    columns = collector.columns()
    return Examples(**{**columns, "spans": placed(columns["uris"])}, skipped=collector.skipped, by_label=by_label)


class ParentColumn(Column[str]):
    """Addresses without their boxes."""

    def __init__(self, uris: Sequence[str]) -> None:
        self.uris = uris

    def __len__(self) -> int:
        return len(self.uris)

    def _block(self, start: int, stop: int) -> list[str]:
        return [split_region(uri)[0] if "#box=" in uri else uri for uri in self.uris[start:stop]]


COLUMN_NAMES = tuple(one.name for one in fields(Examples) if one.name not in ("skipped", "by_label", "known_classes"))
"""The columns of examples."""


def _taken(values: Sequence[Any], rows: Int[np.ndarray, " m"]) -> Sequence[Any]:
    """The values at some rows, in a column of the same kind."""
    take = getattr(values, "take", None)
    if take is not None:
        taken: Sequence[Any] = take(rows)
        return taken
    return [values[row] for row in rows.tolist()]


def _used(column: "CodedColumn[Taxon]") -> list[Taxon]:
    """The different values that some row has."""
    return [column.values[code] for code in np.unique(column.codes).tolist() if code >= 0]


def _path(taxon: Taxon) -> tuple[str | None, ...]:
    return taxon.path


def _sort_key(path: tuple[str | None, ...]) -> tuple[str, ...]:
    return tuple(name or "" for name in path)
