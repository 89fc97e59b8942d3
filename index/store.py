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
from typing import Any, Unpack
from uuid import uuid4

import pyarrow as pa

from cladescope.embedding.encoder import UNKNOWN_ENCODER, Encoder, EncoderCard
from cladescope.errors import EncoderError, InputError, StoreError
from cladescope.index import failure_notes, identity, ledger, tables
from cladescope.index.files import disk_errors, locked
from cladescope.index.hits import Query, SearchResult
from cladescope.index.store_reader import StoreReader
from cladescope.index.tables import reading
from cladescope.paths import local_path
from cladescope.schema import FORMAT_VERSION, RUN_SCHEMA, shown_names, vector_type
from cladescope.taxonomy import RANKS

logger = logging.getLogger(__name__)


class Store(StoreReader):
    """A folder of embedded pictures; made by `create`, opened by `open`."""

    @classmethod
    def create(cls, path: str | Path, card: EncoderCard) -> "Store":
        """Make an empty store for one encoder's vectors in a new or empty folder.

        Raises StoreError where something stands there already or the folder cannot be written, InputError for a URL.
        """
        folder = local_path(path)
        identity.make(folder, card)
        return cls.open(folder)

    @classmethod
    def open(cls, path: str | Path, *, version: int | None = None) -> "Store":
        """Open a store, or its pictures as they were at a version, to be read only; ledger and runs are the newest then too.

        Raises StoreError where there is none, or one of a newer format, or where the version is gone, InputError for a URL.
        """
        folder = local_path(path)
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
            if version is not None:
                tables.pin(store.tables["images"], version, folder)
                store.pinned = version
        return store

    @classmethod
    def open_or_create(cls, path: str | Path, card: EncoderCard) -> "Store":
        """Open a store for vectors of this encoder, or make it where there is none.

        Raises StoreError where the store holds another encoder's vectors.
        """
        about_path = local_path(path) / identity.NAME
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
        """Hold the store as its one writer, with the newest rows before it; a process that dies lets go.

        What a job killed at a bad moment left is mended first. Raises StoreError where another writes, or a version is pinned.
        """
        self._check_writable()
        with locked(self.path, timeout=0.0):
            self.refresh()
            with disk_errors(self.path):
                ledger.settle(self.path, self.tables)
                self._mend()
            yield
            with disk_errors(self.path):
                ledger.record(self.path, self.tables)

    def add_fields(self, fields: Iterable[pa.Field]) -> None:
        """Add columns that the `images` table lacks; earlier rows have null there.

        A column that a store of 0.1.0 has under a result's own word, as `score`, takes its new name, `manifest_score`.

        Raises InputError where a column is there with another type.
        """
        self._check_writable()
        fields = list(fields)
        self._rename({shown: name for name, shown in shown_names(self.schema.names).items() if name != shown}, fields)
        schema = self.schema
        new = []
        for field in fields:
            if field.name not in schema.names:
                new.append(field.with_nullable(True).remove_metadata())
            elif schema.field(field.name).type != field.type:
                raise InputError(
                    f"column {field.name!r} holds {field.type} in this source and {schema.field(field.name).type} "
                    f"in {self.path}: rename it in the source"
                )
        if new:
            with disk_errors(self.path):
                self._images.add_columns(new)

    def _rename(self, earlier: Mapping[str, str], fields: Sequence[pa.Field]) -> None:
        types = dict(zip(self.schema.names, self.schema.types, strict=True))
        due = {
            earlier[field.name]: field.name
            for field in fields
            if field.name in earlier and types[earlier[field.name]] == field.type
        }
        if due:
            with disk_errors(self.path):
                self._images.alter_columns(*({"path": name, "rename": to} for name, to in due.items()))

    def write(self, images: pa.Table, failures: pa.Table) -> None:
        """Append rows to `images`, and note failures in place of what was noted of the same pictures before.

        One new version of a table each. Raises StoreError where the disk is full or cannot be written.
        """
        self._check_writable()
        with disk_errors(self.path):
            # A picture whose note is gone and whose row has yet to come is done again; one in both tables would stay there.
            failure_notes.clear(self._failures, images.column("uri"))
            if images.num_rows:
                self._images.add(images)
            failure_notes.note(self._failures, failures)

    def delete(
        self, *, within: str | Sequence[str] | None = None, where: str | None = None, image_ids: Sequence[str] = ()
    ) -> int:
        """Remove the rows that meet every condition given, and return how many they were.

        Raises InputError where no condition is given: a store is emptied by deleting its folder.
        """
        if within is None and where is None and not image_ids:
            raise InputError("nothing says which rows to delete: give within, where or image_ids")
        began = datetime.now(UTC)
        with self.writing():
            chosen = self._condition(within=within, where=where, image_ids=image_ids)
            with reading(self.path, chosen):
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
        self._check_writable()
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

    def _check_writable(self) -> None:
        if self.pinned is not None:
            raise StoreError(
                f"{self.path} is open at version {self.pinned}, to read only: open it without one to write"
            )

    def _mend(self) -> None:
        if self._is_mended:
            return
        if n_both := failure_notes.mend(self._failures, self.scan(["uri"])):
            logger.warning(
                "%d pictures of %s stood both among the stored and the failed: the notes are gone", n_both, self.path
            )
        self._is_mended = True

    _is_mended = False

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

    def search(self, **query: Unpack[Query]) -> SearchResult:
        """The pictures nearest to a query: `Searcher.search`, which tells what a query may be."""
        from cladescope.index.searcher import Searcher  # stands above the store, and loads FAISS

        return Searcher(self).search(**query)
