"""Labelled pictures as columns in memory: what training draws from.

They come from a folder, a manifest or shards (`cladescope.embedding.sources`), or from a store. Pictures stay
where they are and are read one at a time, in any order; those in tar shards with one seek.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int

from cladescope.embedding.locations import read_bytes
from cladescope.embedding.records import Record, notes_of
from cladescope.embedding.regions import split_region
from cladescope.embedding.sources import open_source
from cladescope.errors import InputError
from cladescope.schema import LABEL, holds_labels
from cladescope.taxonomy import RANKS, Taxon
from cladescope.training.data.shard_index import index_shard, read_span

logger = logging.getLogger(__name__)

MAX_REASONS = 20
"""Different reasons that `Examples.skipped` tells apart; later ones are counted together."""

_COLUMNS = ("image_id", "uri", "source", *RANKS, "common_name", "observation_id", "licence")
_IN_SHARD = re.compile(r"(?P<shard>.+?\.tar)#(?P<member>.+)", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled pictures, one at each position of every list; each `image_id` occurs once.

    Memory: about 500 bytes an example. Taxa of one path are one object.
    """

    image_ids: list[str]
    uris: list[str]
    """Where the picture is, as `Record.uri`."""
    taxa: tuple[Taxon, ...]
    """The deepest taxon that is known of each picture; pictures of one class have equal taxa."""
    common_names: list[str | None]
    groups: list[str | None]
    """The observation that a picture belongs to; None where none is recorded."""
    sources: list[str]
    """The data set that a picture comes from."""
    licences: list[str | None]
    spans: list[tuple[str, int, int] | None]
    """Shard, first byte and number of bytes of a picture in a tar shard; None where the picture is elsewhere."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Why records of the source are not among the examples, and how many."""
    by_label: bool = False
    """Whether classes are the labels of pictures: each then stands for a taxon of one name, which says nothing of kinship."""

    def __len__(self) -> int:
        return len(self.image_ids)

    def take(self, rows: Int[np.ndarray, " m"] | Sequence[int]) -> "Examples":
        """The examples at these positions, in this order; `skipped` still tells of the whole source."""
        chosen = [int(row) for row in rows]
        return Examples(
            image_ids=[self.image_ids[row] for row in chosen],
            uris=[self.uris[row] for row in chosen],
            taxa=tuple(self.taxa[row] for row in chosen),
            common_names=[self.common_names[row] for row in chosen],
            groups=[self.groups[row] for row in chosen],
            sources=[self.sources[row] for row in chosen],
            licences=[self.licences[row] for row in chosen],
            spans=[self.spans[row] for row in chosen],
            by_label=self.by_label,
            skipped=self.skipped,
        )

    @cached_property
    def parents(self) -> list[str]:
        """The picture that each example shows or is a region of, as an address without a box."""
        return [split_region(uri)[0] for uri in self.uris]

    @cached_property
    def class_taxa(self) -> tuple[Taxon, ...]:
        """Each distinct taxon, sorted: the taxon of each class code."""
        by_path = {taxon.path: taxon for taxon in self.taxa}
        # Of several spellings of one taxon the first by code point, whichever came first.
        shown = {by_path[path]: by_path[path] for path in sorted(by_path, key=_sort_key, reverse=True)}
        return tuple(sorted(shown.values(), key=lambda taxon: taxon.key))

    def classes(self) -> Int[np.ndarray, " n"]:
        """Code of each example's taxon: its position in `class_taxa`. A class is a full path."""
        return self._classes

    @cached_property
    def _classes(self) -> Int[np.ndarray, " n"]:
        code = {taxon: position for position, taxon in enumerate(self.class_taxa)}
        return np.fromiter((code[taxon] for taxon in self.taxa), np.int64, len(self))

    def codes(self) -> Int[np.ndarray, "n ranks"]:
        """Code of each example's taxon at each of the seven ranks, -1 where that rank is not recorded.

        Codes count the taxa of a rank from 0 in sorted order; a taxon is its full path, so homonyms differ.
        """
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
        codes: Int[np.ndarray, "n ranks"] = table[self.classes()]
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
    `image_id` came before. No picture is opened, but shards are read through once for their texts and once
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


def check_several_classes(examples: Examples) -> None:
    """Raise InputError if all examples are of one taxon: there is nothing to learn to tell apart.

    >>> taxon = Taxon(("Animalia",))
    >>> check_several_classes(Examples(["a"], ["/a.jpg"], (taxon,), [None], [None], ["s"], [None], [None]))
    Traceback (most recent call last):
    cladescope.errors.InputError: all 1 pictures are of one taxon, Animalia: training needs at least two
    """
    if len(examples.class_taxa) < 2:
        found = f"all {len(examples)} pictures are of one taxon, {examples.class_taxa[0]}" if len(examples) else "none"
        raise InputError(f"{found}: training needs at least two")


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


def _collect(records: Iterator[Record], *, by_label: bool = False) -> Examples:
    taxa: list[Taxon] = []
    examples = Examples([], [], (), [], [], [], [], [], by_label=by_label)
    skipped, seen = examples.skipped, set[str]()
    known: dict[tuple[str | None, ...], Taxon | None] = {}
    for record in records:
        labels = record.labels
        ranks = (_text(record.extra.get(LABEL)),) if by_label else tuple(labels.get(rank) for rank in RANKS)
        if ranks not in known:
            known[ranks] = Taxon.from_ranks(ranks)
        taxon = known[ranks]
        if record.problem is not None:
            reason = f"no picture: {record.problem}"
            told_apart = reason in skipped or len(skipped) < MAX_REASONS
            skipped[reason if told_apart else "no picture, for other reasons"] += 1
        elif taxon is None:
            skipped[f"no {LABEL}" if by_label else "no taxon"] += 1
        elif record.image_id in seen:
            skipped["image_id came before"] += 1
        else:
            seen.add(record.image_id)
            taxa.append(taxon)
            examples.image_ids.append(record.image_id)
            examples.uris.append(record.uri)
            examples.common_names.append(labels.get("common_name"))
            examples.groups.append(labels.get("observation_id"))
            examples.sources.append(record.source)
            examples.licences.append(labels.get("licence"))
    return replace(examples, taxa=tuple(taxa), spans=find_spans(examples.uris))


def place_in_shard(uri: str) -> tuple[str, str] | None:
    """Shard and member of an address in a tar shard; None for any other.

    >>> place_in_shard("/shards/a.tar#folder/tit.jpg"), place_in_shard("/photos/tit.jpg")
    (('/shards/a.tar', 'folder/tit.jpg'), None)
    """
    inside = _IN_SHARD.fullmatch(uri)
    return None if inside is None else (inside["shard"], inside["member"])


def find_spans(uris: Sequence[str]) -> list[tuple[str, int, int] | None]:
    """Place of each picture in its tar shard; None for one that is in none, or in one that cannot be indexed.

    >>> find_spans(["/photos/tit.jpg"])
    [None]
    """
    spans: list[tuple[str, int, int] | None] = [None] * len(uris)
    wanted: dict[str, dict[str, list[int]]] = {}
    for row, uri in enumerate(uris):
        if (inside := place_in_shard(uri)) is not None:
            shard, name = inside
            wanted.setdefault(shard, {}).setdefault(name, []).append(row)
    for shard, members in wanted.items():
        index = index_shard(shard)
        if index.problem is not None:
            logger.warning("%s: indexed %d members: %s", shard, len(index.members), index.problem)
        for member in index.members:
            # The first member of a name is the picture, as in `read_bytes`.
            for row in members.pop(member.name, ()):
                spans[row] = (shard, member.offset, member.size)
    return spans


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _sort_key(path: tuple[str | None, ...]) -> tuple[str, ...]:
    return tuple(name or "" for name in path)
