"""The reading side of a store: its rows, its ledger of failures and its runs, as they are now or were at a version."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Float32, UInt64

from cladescope.embedding.encoder import UNKNOWN_ENCODER, Encoder, EncoderCard, Runtime
from cladescope.embedding.given import MEMORY
from cladescope.embedding.locations import file_of
from cladescope.errors import EncoderError, InputError, TaxonError
from cladescope.index import identity, ledger, named_vectors, origins, tables
from cladescope.index.asked_names import CommonNames, meant
from cladescope.index.failure_notes import uris_of
from cladescope.index.files import disk_errors
from cladescope.index.lineages import count_lineages
from cladescope.index.literals import is_one_of, quote
from cladescope.index.tables import reading
from cladescope.index.vector_block import vector_block
from cladescope.index.without_taxa import instead_of_taxon
from cladescope.schema import FAILURE_SCHEMA, RUN_SCHEMA, holds_labels, images_schema
from cladescope.taxonomy import RANKS, Taxon, Taxonomy

logger = logging.getLogger(__name__)
T = TypeVar("T")

BLOCK_ROWS = 1 << 12
"""Rows read at a time when vectors or columns are streamed. Fragments of a commit are seldom larger; of larger ones, blocks of
32,768 x 512 took three times as long, for the memory of each is new."""


class StoreReader:
    """What can be read of a store; `Store` opens it and writes to it.

    What another process writes is seen within a second (`tables.FRESH_SECONDS`), or at once after `refresh`. A store opened at a
    version shows that one for ever.
    """

    def __init__(self, path: Path, card: EncoderCard, vectors: str | None = None) -> None:
        self.path, self.card = path, card
        self.vectors_name = vectors
        """Name of the vectors that are shown, whose encoder `card` is; None for the store's own."""
        self._column = named_vectors.column_of(vectors)
        database = tables.connect(path)
        self._images = tables.open_or_make(database, "images", images_schema(card.dim))
        self._failures = tables.open_or_make(database, "failures", FAILURE_SCHEMA)
        self._runs = tables.open_or_make(database, "runs", RUN_SCHEMA)
        self.tables = {"images": self._images, "failures": self._failures, "runs": self._runs}
        """LanceDB's own objects; `origins` is among them where the store has it."""
        if (listed := origins.find(path)) is not None:
            self.tables[origins.NAME] = listed
        self.pinned: int | None = None
        """The version that is shown for ever; None where it is the newest."""
        self.n_writes = 0
        """Grows whenever something is about to be written through this object."""
        self._runtime: Runtime = "auto"
        self._kept: dict[str, tuple[int, Any]] = {}

    def refresh(self) -> None:
        """See at once what others wrote; pictures at a pinned version stay as they are."""
        with disk_errors(self.path):
            for name, table in self.tables.items():
                if name != "images" or self.pinned is None:
                    table.checkout_latest()

    def at(self, version: int) -> "StoreReader":
        """The pictures as they were at a version, whatever is written meanwhile. Raises StoreError where the version is gone."""
        if self.pinned == version:
            return self
        reader = StoreReader(self.path, self.card, self.vectors_name)
        with disk_errors(self.path):
            tables.pin(reader._images, version, self.path)
        reader.pinned = version
        return reader

    @property
    def named(self) -> dict[str, EncoderCard]:
        """Further encoders whose vectors are kept beside the store's own, by the names of the vectors."""
        return identity.named(self.path)

    @property
    def label(self) -> str:
        """What tells this from other stores, and its vectors from others of the store."""
        return str(self.path) if self.vectors_name is None else f"{self.path} ({self.vectors_name})"

    def check(self, card: EncoderCard) -> None:
        """Raise StoreError unless vectors of this encoder may stand beside the store's."""
        identity.check_same(self.path, self.card, card)

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder that made the vectors, loaded when first needed.

        Raises EncoderError where it cannot be had, StoreError where its weights are others than then.
        """
        if self.card.name == UNKNOWN_ENCODER:
            raise EncoderError(f"{self.path} holds vectors of an unknown encoder: search by image_id or by a vector")
        try:
            encoder = Encoder.of(self.card, runtime=self._runtime)
        except EncoderError as error:
            place = self.path / identity.NAME
            raise EncoderError(f"{error}; if the encoder was moved, write its new place into {place}") from error
        self.check(encoder.card)
        return encoder

    @property
    def encoder_notes(self) -> tuple[str, ...]:
        """What a user should know of the encoder, once it is loaded."""
        loaded: Encoder | None = self.__dict__.get("encoder")
        return () if loaded is None else loaded.notes

    def encode_by(self, runtime: Runtime) -> None:
        """Have queries encoded by a runtime from now on."""
        if runtime != self._runtime:
            self._runtime = runtime
            self.__dict__.pop("encoder", None)

    @property
    def version(self) -> int:
        """Version of the `images` table; every commit raises it."""
        with disk_errors(self.path):
            return int(self._images.version)

    @property
    def schema(self) -> pa.Schema:
        """Columns of the `images` table, one of vectors among them."""
        with disk_errors(self.path):
            return named_vectors.shown_schema(self._images.schema, self._column)

    @property
    def failures(self) -> pa.Table:
        """The ledger: one row a record that could not be embedded."""
        with disk_errors(self.path):
            ledger.check_rows(self.path, "failures")
            return self._failures.to_arrow()

    @property
    def runs(self) -> pa.Table:
        """One row a job."""
        with disk_errors(self.path):
            ledger.check_rows(self.path, "runs")
            return self._runs.to_arrow()

    def failed_uris(self, kind: str) -> list[str]:
        """Addresses of what failed at the stage `kind`, or for a reason that holds it in any case; of all for `all`.

        Raises InputError where nothing did, with the stages that there are.
        """
        return uris_of(self.failures.to_pylist(), kind, of=str(self.path))

    def since(self, version: int) -> str:
        """The condition of rows whose vector may have come after a version; beside the store's own, vectors come to rows that are there."""
        came = f"`_row_created_at_version` > {version}"
        return came if self.vectors_name is None else f"{came} OR `_row_last_updated_at_version` > {version}"

    def condition(self, *, within: str | Sequence[str] | None = None, where: str | None = None) -> str | None:
        """The SQL condition for a clade, or several (a union), and a user's own condition; None where neither is given.

        Raises TaxonError for a clade that the store does not know, InputError for SQL that does not parse.
        """
        return self._condition(within=within, where=where)

    def count(self, *, within: str | Sequence[str] | None = None, where: str | None = None) -> int:
        """Number of pictures, or of those in a clade and under a condition."""
        return self.count_rows(self.condition(within=within, where=where))

    def count_rows(self, condition: str | None) -> int:
        """Number of pictures under a condition in the database's SQL."""
        with reading(self.path, condition):
            return int(self._images.count_rows(named_vectors.having(self._column, condition)))

    def count_lacking(self, condition: str | None = None) -> int:
        """Number of pictures, or of those under a condition, without a vector of those that are read; the store's own all have."""
        if self.vectors_name is None:
            return 0
        with reading(self.path, condition):
            return int(self._images.count_rows(named_vectors.without(self._column, condition)))

    def notes(self, condition: str | None = None) -> tuple[str, ...]:
        """That pictures, or some under a condition, lack the vectors that are read, and so are not among the rows."""
        n = self.count_lacking(condition)
        return (f"{n:,} pictures of {self.path} have no vector of {self.vectors_name} and are left out",) if n else ()

    def scan(
        self, columns: Sequence[str], *, condition: str | None = None, block_rows: int = BLOCK_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Some columns of the rows under an SQL condition, in blocks, in the order of insertion; `_rowid` is a column too."""
        with reading(self.path, condition):
            query = self._images.search().select(named_vectors.stored_names(columns, self._column))
            if (narrowed := named_vectors.having(self._column, condition)) is not None:
                query = query.where(narrowed)
            for batch in query.to_batches(block_rows):
                yield named_vectors.shown_rows(batch, self._column)

    def stored_ids(self) -> Iterator[pa.RecordBatch]:
        """`image_id` and `_rowid` of every row, while the store is held."""
        with disk_errors(self.path):
            yield from tables.in_slices(self._images, ["image_id", "_rowid"])

    def ids_at(self, row_ids: Sequence[int]) -> pa.Table:
        """`_rowid`, `image_id` and `uri` of those of some rows that are there."""
        with disk_errors(self.path):
            return tables.rows_at(self._images, row_ids, ["image_id", "uri"])

    def contents(self) -> Iterator[pa.RecordBatch]:
        """`content_hash` and `_rowid` of every row, while the store is held."""
        with disk_errors(self.path):
            yield from tables.in_slices(self._images, ["content_hash", "_rowid"])

    def vectors(
        self, *, condition: str | None = None, block_rows: int = BLOCK_ROWS
    ) -> Iterator[tuple[UInt64[np.ndarray, " b"], Float[np.ndarray, "b d"]]]:
        """Row ids and unit vectors (float16, as stored) in blocks; 2 d bytes a row of a block.

        A row id names a row for as long as it lives; it is not its number.
        """
        for batch in self.scan(["_rowid", "vector"], condition=condition, block_rows=block_rows):
            yield batch.column("_rowid").to_numpy(), vector_block(batch)

    def table(
        self,
        columns: Sequence[str] | None = None,
        *,
        within: str | Sequence[str] | None = None,
        where: str | None = None,
    ) -> pa.Table:
        """Some columns of the pictures, or all but `vector`, in Arrow, in the order of insertion.

        Raises InputError for a column that is not there; TaxonError, InputError as `condition` does.
        """
        names = [name for name in self.schema.names if name != "vector"] if columns is None else list(columns)
        if unknown := [name for name in names if name not in self.schema.names]:
            raise InputError(f"no column {unknown[0]!r} in {self.path}: the store has {', '.join(self.schema.names)}")
        schema = pa.schema([self.schema.field(name) for name in names])
        batches = self.scan(names, condition=self.condition(within=within, where=where))
        return pa.Table.from_batches((batch.select(names) for batch in batches), schema=schema)

    def matrix(
        self, *, within: str | Sequence[str] | None = None, where: str | None = None
    ) -> Float32[np.ndarray, "n d"]:
        """Vectors of the pictures, row by row as in `table`; of unit length within 0.001, as stored numbers have 16 bits.

        Where another job writes meanwhile, open the store at a version, so that rows and vectors are of one. Memory: up to
        6 n d bytes while it is made, 4 n d then.
        """
        blocks = [vectors for _, vectors in self.vectors(condition=self.condition(within=within, where=where))]
        return np.concatenate([np.empty((0, self.card.dim), np.float16), *blocks]).astype(np.float32)

    def rows(self, row_ids: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Some columns of some rows and their `_rowid`, in the order asked for; rows that are gone are left out."""
        if not row_ids:
            return []
        by_id = {row["_rowid"]: row for row in self.rows_at(row_ids, columns).to_pylist()}
        return [by_id[int(row)] for row in row_ids if int(row) in by_id]

    def rows_at(self, row_ids: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """Some columns of some rows and their `_rowid`, in no order; rows that are gone are left out."""
        with disk_errors(self.path):
            names = named_vectors.stored_names(columns, self._column)
            return named_vectors.shown_rows(tables.rows_at(self._images, list(map(int, row_ids)), names), self._column)

    def row(self, image_id: str, columns: Sequence[str]) -> dict[str, Any]:
        """Some columns of one picture and its `_rowid`. Raises InputError where the store has no such picture."""
        for batch in self.scan(["_rowid", *columns], condition=f"image_id = {quote(image_id)}"):
            for row in batch.to_pylist():
                return dict(row)
        ids = (id_ for batch in self.scan(["image_id"], block_rows=1) for id_ in batch.column(0).to_pylist())
        some = next((f"there is {id_!r}, for instance" for id_ in ids), "it is empty")
        raise InputError(f"no image_id {image_id!r} in {self.path}: {some}; every hit of a search has one")

    def vectors_by_content(
        self, hashes: Iterable[str], *, row_ids: Sequence[int] | None = None
    ) -> dict[str, Float[np.ndarray, " d"]]:
        """Stored vectors of pictures of the same content, among the rows of some ids, which takes milliseconds, or by reading all."""
        wanted, columns = set(hashes), ["content_hash", "vector"]
        if row_ids is None:
            batches = self.scan(columns, condition=is_one_of("content_hash", wanted))
        else:
            with disk_errors(self.path):
                names = named_vectors.stored_names(columns, self._column)
                taken = self._images.take_row_ids(list(row_ids)).select(names).to_arrow()
                batches = named_vectors.shown_rows(taken, self._column).to_batches()
        found: dict[str, Float[np.ndarray, " d"]] = {}
        for batch in batches:
            found |= dict(zip(batch.column("content_hash").to_pylist(), vector_block(batch), strict=True))
        return {content: vector for content, vector in found.items() if content in wanted}

    def rows_by_id(self, image_ids: Sequence[str], columns: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Some columns of some pictures by their `image_id`; what is not stored is left out."""
        found = self.scan(list(dict.fromkeys(["image_id", *columns])), condition=is_one_of("image_id", image_ids))
        return {row["image_id"]: row for batch in found for row in batch.to_pylist()}

    def rows_by_content(self, hashes: Iterable[str], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Some columns of the pictures of some contents."""
        found = self.scan(columns, condition=is_one_of("content_hash", hashes))
        return [row for batch in found for row in batch.to_pylist()]

    def origins(
        self,
        columns: Sequence[str],
        *,
        address: str | None = None,
        image_ids: Sequence[str] | None = None,
        condition: str | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """What sources listed when they were embedded last: of one address, some pictures, and under a condition (`schema.ORIGIN_SCHEMA`)."""
        if (table := self.tables.get(origins.NAME)) is None:
            return
        parts = [] if address is None else [origins.of_address(address)]
        parts += [] if image_ids is None else [is_one_of("image_id", image_ids)]
        parts += [] if condition is None else [condition]
        with disk_errors(self.path):
            yield from origins.scan(table, columns, " AND ".join(parts) or None)

    def listed(self, columns: Sequence[str], address: str) -> Iterator[pa.RecordBatch]:
        """What one source listed when it was embedded last, while the store is held: all of it, in little memory."""
        if (table := self.tables.get(origins.NAME)) is None:
            return
        with disk_errors(self.path):
            yield from origins.listed(table, columns, address)

    def gone(self) -> pa.Table:
        """Stored pictures that no source lists any more, or that are none any more: `image_id, uri, address, gone` (the reason)."""
        marked = self.origins(["image_id", "address", "gone"], condition="gone IS NOT NULL")
        away = {row["image_id"]: row for batch in marked for row in batch.to_pylist()}
        listed = self.origins(["image_id"], image_ids=list(away), condition="gone IS NULL") if away else ()
        for batch in listed:
            for image_id in batch.column("image_id").to_pylist():
                away.pop(image_id, None)
        schema = pa.schema([(name, pa.string()) for name in ("image_id", "uri", "address", "gone")])
        uris = self.rows_by_id(list(away), ["uri"]) if away else {}
        return pa.Table.from_pylist([{**away[one], "uri": row["uri"]} for one, row in uris.items()], schema=schema)

    def missing(self) -> list[str]:
        """Ids of pictures whose local file is not there, and of those that are `gone`; imported vectors are asked for no file."""
        away = set(self.gone().column("image_id").to_pylist())
        there: dict[str, bool] = {}
        found = []
        for batch in self.scan(["image_id", "uri", "content_hash"]):
            for image_id, uri, content in zip(*(batch.column(place).to_pylist() for place in range(3)), strict=True):
                path = None if content is None or uri.startswith(MEMORY) else file_of(uri)
                if path is not None and path != uri:
                    there.setdefault(path, os.path.lexists(path))
                lost = path is not None and not (there[path] if path in there else os.path.lexists(path))
                if lost or image_id in away:
                    found.append(image_id)
        return found

    @property
    def taxonomy(self) -> Taxonomy:
        """Every taxon of the stored pictures, read once a version of the store."""
        return self._of_version("taxonomy", lambda: Taxonomy.from_table(self.lineages().select(list(RANKS))))

    def _condition(
        self, *, within: str | Sequence[str] | None, where: str | None, image_ids: Sequence[str] | None = None
    ) -> str | None:
        if within is None and where is None and image_ids is None:
            return None
        from cladescope.index import filters  # loads sqlglot
        from cladescope.index.where_values import values_of

        taxa = None if within is None else self.taxa(within)
        spellings = self.taxonomy.spellings if taxa else lambda name: (name,)
        condition = filters.condition(
            self.schema, taxa=taxa, where=where, image_ids=image_ids, spellings=spellings,
            values=values_of(self.count_rows, lambda: self.taxonomy, lambda: self.common_names),
        )  # fmt: skip
        if where is not None and condition is not None:
            filters.check_types(self._images, where, condition)
        return condition

    def taxa(self, within: str | Sequence[str]) -> list[Taxon]:
        """The taxa that one name or several stand for, scientific or common. Raises TaxonError for one that the store does not know."""
        names = [within] if isinstance(within, str) else within
        if not names:
            raise InputError("within names no taxon: name one or several, or leave it out")
        if holds_labels(self.schema) and not len(self.taxonomy) and self.count_rows(None):
            instead = instead_of_taxon(names[0], self.schema.names, self.count_rows)
            raise TaxonError(f"no picture of {self.path} has a taxon: {instead}")
        return list(dict.fromkeys(taxon for name in names for taxon in meant(self.taxonomy, name, self.common_names)))

    @property
    def common_names(self) -> CommonNames:
        """The common names of the stored pictures, read once a version of the store, when one is asked for."""
        return self._of_version("common names", lambda: CommonNames(self.scan([*RANKS, "common_name"])))

    def _of_version(self, name: str, make: Callable[[], T]) -> T:
        if name not in self._kept or self._kept[name][0] != self.version:
            self._kept[name] = (self.version, make())
        return cast(T, self._kept[name][1])

    def lineages(self) -> pa.Table:
        """Each distinct seven ranks and their number of pictures, `n_images`; memory grows with taxa, not pictures."""
        return count_lineages(self.scan(list(RANKS)))
