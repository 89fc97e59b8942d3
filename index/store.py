"""The store: pictures as rows of a LanceDB table, with the identity of the encoder that made their vectors.

Rows in, rows out, versions. The format is documented in docs/store-format.md; finding neighbours is `searcher`.
"""

import contextlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
from jaxtyping import Float, UInt64

from cladescope.embedding.encoder import UNKNOWN_ENCODER, Encoder, EncoderCard
from cladescope.errors import EncoderError, InputError, StoreError
from cladescope.index import identity, ledger, tables
from cladescope.index.files import disk_errors, locked
from cladescope.index.hits import SearchResult
from cladescope.index.lineages import count_lineages
from cladescope.index.literals import is_one_of, quote
from cladescope.index.tables import reading
from cladescope.schema import FAILURE_SCHEMA, FORMAT_VERSION, RUN_SCHEMA, images_schema, vector_type
from cladescope.taxonomy import RANKS, Taxon, Taxonomy

logger = logging.getLogger(__name__)

BLOCK_ROWS = 1 << 15
"""Rows read at a time when vectors or columns are streamed."""


class Store:
    """A folder of embedded pictures; made by `create`, opened by `open`."""

    def __init__(self, path: Path, card: EncoderCard) -> None:
        self.path, self.card = path, card
        database = tables.connect(path / "lance")
        self._images = tables.open_or_make(database, "images", images_schema(card.dim))
        self._failures = tables.open_or_make(database, "failures", FAILURE_SCHEMA)
        self._runs = tables.open_or_make(database, "runs", RUN_SCHEMA)
        self.tables = {"images": self._images, "failures": self._failures, "runs": self._runs}
        """LanceDB's own objects."""

    @classmethod
    def create(cls, path: str | Path, card: EncoderCard) -> "Store":
        """Make an empty store for one encoder's vectors in a new or empty folder.

        Raises StoreError where something stands there already or the folder cannot be written.
        """
        folder = Path(path)
        identity.make(folder, card)
        return cls.open(folder)

    @classmethod
    def open(cls, path: str | Path) -> "Store":
        """Open a store. Raises StoreError where there is none, or one of a newer format."""
        folder = Path(path)
        card = identity.read(folder)
        with disk_errors(folder):
            ledger.check_manifests(folder)
            store = cls(folder, card)
            held = dict(zip(store.schema.names, store.schema.types, strict=True)).get("vector")
            if held != vector_type(card.dim):
                raise StoreError(
                    f"{folder / identity.NAME} speaks of vectors of {card.dim} numbers, the table holds {held}: "
                    "restore it from a copy"
                )
            ledger.warn_of_losses(folder, store.tables)
        return store

    @classmethod
    def open_or_create(cls, path: str | Path, card: EncoderCard) -> "Store":
        """Open a store for vectors of this encoder, or make it where there is none.

        Raises StoreError where the store holds another encoder's vectors.
        """
        about_path = Path(path) / identity.NAME
        if not about_path.exists():
            try:
                return cls.create(path, card)
            except StoreError:
                if not about_path.exists():
                    raise
        store = cls.open(path)
        store.check(card)
        return store

    def check(self, card: EncoderCard) -> None:
        """Raise StoreError unless vectors of this encoder may stand beside the store's."""
        if (difference := self.card.difference(card)) is not None:
            renamed = card.name != self.card.name
            use = f"use --encoder {self.card.name}, or" if renamed else "bring the earlier back, or use"
            raise StoreError(f"{self.path} holds vectors of another encoder: {difference}: {use} another --store")

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder that made the vectors, loaded when first needed.

        Raises EncoderError where it cannot be had, StoreError where its weights are others than then.
        """
        if self.card.name == UNKNOWN_ENCODER:
            raise EncoderError(f"{self.path} holds vectors of an unknown encoder: search by image_id or by a vector")
        try:
            encoder = Encoder.of(self.card)
        except EncoderError as error:
            place = self.path / identity.NAME
            raise EncoderError(f"{error}; if the encoder was moved, write its new place into {place}") from error
        self.check(encoder.card)
        return encoder

    # Writing

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the store as its one writer; a process that dies lets go. Raises StoreError where another writes."""
        with locked(self.path, timeout=0.0):
            with disk_errors(self.path):
                ledger.settle(self.path, self.tables)
            yield
            with disk_errors(self.path):
                ledger.record(self.path, self.tables)

    def add_fields(self, fields: Iterable[pa.Field]) -> None:
        """Add columns that the `images` table lacks; earlier rows have null there.

        Raises InputError where a column is there with another type.
        """
        schema = self._images.schema
        new = []
        for field in fields:
            if field.name not in schema.names:
                new.append(field.with_nullable(True))
            elif schema.field(field.name).type != field.type:
                raise InputError(
                    f"column {field.name!r} holds {field.type} in this source and {schema.field(field.name).type} "
                    f"in {self.path}: rename it in the source"
                )
        if new:
            with disk_errors(self.path):
                self._images.add_columns(new)

    def write(self, images: pa.Table, failures: pa.Table) -> None:
        """Append rows to `images`, and note failures in place of what was noted of the same pictures before.

        One new version of a table each. Raises StoreError where the disk is full or cannot be written.
        """
        with disk_errors(self.path):
            if images.num_rows:
                self._images.add(images)
            if not images.num_rows and not failures.num_rows:
                return
            if self._failures.count_rows():
                self._failures.delete(is_one_of("uri", images.column("uri").to_pylist()))
                retried = failures.filter(pa.compute.not_equal(failures.column("stage"), "identity"))
                again = is_one_of("uri", retried.column("uri").to_pylist())
                self._failures.delete(f"({again}) AND stage != 'identity'")
            if failures.num_rows:
                keys = list(FAILURE_SCHEMA.names)
                distinct = failures.group_by(keys).aggregate([]).select(keys).cast(FAILURE_SCHEMA)
                self._failures.merge_insert(keys).when_not_matched_insert_all().execute(distinct)

    def delete(
        self, *, within: str | Sequence[str] | None = None, where: str | None = None, image_ids: Sequence[str] = ()
    ) -> int:
        """Remove the rows that meet every condition given, and return how many they were.

        Raises InputError where no condition is given: a store is emptied by deleting its folder.
        """
        chosen = self._condition(within=within, where=where, image_ids=image_ids)
        if chosen is None:
            raise InputError("nothing says which rows to delete: give within, where or image_ids")
        began = datetime.now(UTC)
        with self.writing(), reading(self.path, chosen):
            before = int(self._images.count_rows())
            n_chosen = int(self._images.count_rows(chosen))
            ledger.expect(self.path, "images", rows=before - n_chosen)
            self._images.delete(chosen)
            told = {"deleted": n_chosen, "within": within, "where": where, "image_ids": len(image_ids)}
            self.record_run(verb="delete", source="", started=began, status="done", manifest=told)
        return n_chosen

    def record_run(
        self, *, verb: str, source: str, started: datetime, status: str, manifest: Mapping[str, object]
    ) -> None:
        """Append a job's manifest to `runs`, with what the store holds after it."""
        after = {"version": self.version, "images": self.count(), "failures": int(self._failures.count_rows())}
        row = {
            "run_id": uuid4().hex,
            "verb": verb,
            "source": source,
            "started": started,
            "ended": datetime.now(UTC),
            "status": status,
            "manifest": json.dumps({**manifest, "store": after}, sort_keys=True, default=str),
        }
        with disk_errors(self.path):
            self._runs.add(pa.Table.from_pylist([row], schema=RUN_SCHEMA))
        # Where a job writes, this one or another, it notes the new row in the ledger at its end.
        with contextlib.suppress(StoreError), self.writing():
            pass

    # Reading

    @property
    def version(self) -> int:
        """Version of the `images` table; every commit raises it."""
        with disk_errors(self.path):
            return int(self._images.version)

    @property
    def schema(self) -> pa.Schema:
        """Columns of the `images` table."""
        with disk_errors(self.path):
            return self._images.schema

    @property
    def failures(self) -> pa.Table:
        """The ledger: one row a record that could not be embedded."""
        with disk_errors(self.path):
            return self._failures.to_arrow()

    @property
    def runs(self) -> pa.Table:
        """One row a job."""
        with disk_errors(self.path):
            return self._runs.to_arrow()

    def condition(self, *, within: str | Sequence[str] | None = None, where: str | None = None) -> str | None:
        """The SQL condition for a clade, or several (a union), and a user's own condition; None where neither is given.

        Raises TaxonError for a clade that the store does not know, InputError for SQL that does not parse.
        """
        return self._condition(within=within, where=where)

    def count(self, *, within: str | Sequence[str] | None = None, where: str | None = None) -> int:
        """Number of pictures, or of those in a clade and under a condition."""
        condition = self.condition(within=within, where=where)
        with reading(self.path, condition):
            return int(self._images.count_rows(condition))

    def scan(
        self, columns: Sequence[str], *, condition: str | None = None, block_rows: int = BLOCK_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Some columns of the rows under an SQL condition, in blocks, in the order of insertion; `_rowid` is a column too."""
        with reading(self.path, condition):
            query = self._images.search().select(list(columns))
            if condition is not None:
                query = query.where(condition)
            yield from query.to_batches(block_rows)

    def keys(self) -> Iterator[pa.RecordBatch]:
        """`image_id` and `uri` of every row."""
        yield from self.scan(["image_id", "uri"])

    def vectors(
        self, *, condition: str | None = None, block_rows: int = BLOCK_ROWS
    ) -> Iterator[tuple[UInt64[np.ndarray, " b"], Float[np.ndarray, "b d"]]]:
        """Row ids and unit vectors (float16, as stored) in blocks; 2 d bytes a row of a block.

        A row id names a row for as long as it lives; it is not its number.
        """
        for batch in self.scan(["_rowid", "vector"], condition=condition, block_rows=block_rows):
            flat = batch.column("vector").flatten().to_numpy(zero_copy_only=False)
            yield batch.column("_rowid").to_numpy(), flat.reshape(-1, self.card.dim)

    def rows(self, row_ids: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Some columns of some rows and their `_rowid`, in the order asked for; rows that are gone are left out."""
        if not row_ids:
            return []
        with disk_errors(self.path):
            wanted = self._images.take_row_ids([int(row) for row in row_ids]).select(list(columns)).with_row_id()
            found = wanted.to_arrow()
        by_id = {row["_rowid"]: row for row in found.to_pylist()}
        return [by_id[int(row)] for row in row_ids if int(row) in by_id]

    def row_id(self, image_id: str) -> int:
        """Row id of a picture. Raises InputError where the store has no such picture."""
        for batch in self.scan(["_rowid"], condition=f"image_id = {quote(image_id)}"):
            if batch.num_rows:
                return int(batch.column("_rowid")[0].as_py())
        ids = (id_ for batch in self.scan(["image_id"], block_rows=1) for id_ in batch.column(0).to_pylist())
        some = next((f"there is {id_!r}, for instance" for id_ in ids), "it is empty")
        raise InputError(
            f"no image_id {image_id!r} in {self.path}: {some}; `cladescope search --json` shows those of hits"
        )

    def vectors_by_content(self, hashes: Iterable[str]) -> dict[str, Float[np.ndarray, " d"]]:
        """Stored vectors of pictures of the same content."""
        found: dict[str, Float[np.ndarray, " d"]] = {}
        for batch in self.scan(["content_hash", "vector"], condition=is_one_of("content_hash", hashes)):
            vectors = batch.column("vector").flatten().to_numpy(zero_copy_only=False).reshape(-1, self.card.dim)
            found |= dict(zip(batch.column("content_hash").to_pylist(), vectors, strict=True))
        return found

    @property
    def taxonomy(self) -> Taxonomy:
        """Every taxon of the stored pictures, read once a version of the store."""
        if self._taxonomy is None or self._taxonomy[0] != self.version:
            self._taxonomy = (self.version, Taxonomy.from_table(self.lineages().select(list(RANKS))))
        return self._taxonomy[1]

    _taxonomy: tuple[int, Taxonomy] | None = None

    def _condition(
        self, *, within: str | Sequence[str] | None, where: str | None, image_ids: Sequence[str] = ()
    ) -> str | None:
        if within is None and where is None and not image_ids:
            return None
        from cladescope.index import filters  # loads sqlglot

        taxa = None if within is None else self._taxa(within)
        spellings = self.taxonomy.spellings if taxa else lambda name: (name,)
        condition = filters.condition(
            self.schema, taxa=taxa, where=where, image_ids=image_ids or None, spellings=spellings
        )
        if where is not None and condition is not None:
            filters.check_types(self._images, where, condition)
        return condition

    def _taxa(self, within: str | Sequence[str]) -> list[Taxon]:
        names = [within] if isinstance(within, str) else within
        if not names:
            raise InputError("within names no taxon: name one or several, or leave it out")
        return list(dict.fromkeys(taxon for name in names for taxon in self.taxonomy.resolve(name)))

    def lineages(self) -> pa.Table:
        """Each distinct seven ranks and their number of pictures, `n_images`; memory grows with taxa, not pictures."""
        return count_lineages(self.scan(list(RANKS)))

    def uri_of(self, image_id: str) -> str:
        """Where a picture lies. Raises InputError where the store has no such picture."""
        (row,) = self.rows([self.row_id(image_id)], ["uri"])
        return str(row["uri"])

    def describe(self) -> dict[str, Any]:
        """Encoder, pictures and taxa at each rank, failures, index and jobs, as plain values.

        A rank counts the pictures that have it and their distinct taxa, by full path. Raises StoreError for a damaged index.
        """
        from cladescope.index.ann_files import AnnIndex  # loads FAISS

        lineages, taxonomy = self.lineages(), self.taxonomy
        counts = lineages.column("n_images").to_numpy()
        known = {rank: lineages.column(rank).is_valid().to_numpy() for rank in RANKS}
        index = AnnIndex.find(self.path)
        return {
            "store": str(self.path),
            "format_version": FORMAT_VERSION,
            "version": self.version,
            "encoder": self.card.to_dict(),
            "images": self.count(),
            "failures": self.failures.num_rows,
            "ranks": {
                rank: {"taxa": len(taxonomy.taxa(rank)), "images": int(counts[known[rank]].sum())} for rank in RANKS
            },
            "columns": self.schema.names,
            "index": None if index is None else index.card.to_dict(),
            "runs": self.runs.select(["started", "verb", "source", "status"]).sort_by("started").to_pylist(),
        }

    def search(self, **query: Any) -> SearchResult:
        """The pictures nearest to a query: `Searcher.search`, which tells what a query may be."""
        from cladescope.index.searcher import Searcher  # stands above the store, and loads FAISS

        return Searcher(self).search(**query)
