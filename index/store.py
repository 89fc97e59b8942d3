"""The store: pictures as rows of a LanceDB table, with the identity of the encoder that made their vectors.

Rows in, rows out, versions. The format is documented in docs/store-format.md; finding neighbours is `searcher`.
"""

import contextlib
import json
import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Unpack
from uuid import uuid4

import pyarrow as pa

from cladescope.embedding.encoder import EncoderCard
from cladescope.embedding.locations import canonical
from cladescope.errors import InputError, StoreError
from cladescope.index import compaction, failure_notes, identity, ledger, origins, remote, tables, widening
from cladescope.index.compaction import Compacted
from cladescope.index.description import describe
from cladescope.index.files import disk_errors, locked
from cladescope.index.front_door import FrontDoor
from cladescope.index.hits import Query, SearchResult
from cladescope.index.literals import is_one_of
from cladescope.index.old_versions import Pruned, prune
from cladescope.index.upkeep import Upkeep
from cladescope.schema import RUN_SCHEMA, shown_names, vector_type

if TYPE_CHECKING:
    from cladescope.index.searcher import Searcher

logger = logging.getLogger(__name__)

DELETED_AT_ONCE = 1 << 15
"""Rows that are deleted in one commit: a condition takes some 3 KB a row while it is looked through."""


class Store(FrontDoor):
    """A folder of embedded pictures; made by `create`, opened by `open`."""

    @classmethod
    def create(cls, path: str | os.PathLike[str], card: EncoderCard) -> "Store":
        """Make an empty store for one encoder's vectors in a new or empty folder.

        Raises StoreError where something stands there already or the folder cannot be written, InputError for a URL.
        """
        folder = remote.folder_of(path)
        identity.make(folder, card)
        return cls.open(folder)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, version: int | None = None, vectors: str | None = None) -> "Store":
        """Open a store, or its pictures as they were at a version, to be read only; ledger and runs are the newest then too.

        `vectors` names those of a further encoder: only pictures that have one are seen, to be read only. Raises
        StoreError where there is none, or one of a newer format, or where the version is gone, InputError for a URL or an unknown name.
        """
        folder = remote.folder_of(path)
        card, name = identity.read_named(folder, vectors)
        with disk_errors(folder):
            ledger.check_manifests(folder)
            store = cls(folder, card, name)
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
    def open_or_create(cls, path: str | os.PathLike[str], card: EncoderCard) -> "Store":
        """Open a store for vectors of this encoder, or make it where there is none.

        Raises StoreError where the store holds another encoder's vectors.
        """
        about_path = remote.folder_of(path) / identity.NAME
        if not about_path.exists():
            try:
                return cls.create(path, card)
            except StoreError:
                if not about_path.exists():
                    raise
        store = cls.open(path)
        store.check(card)
        return store

    # Writing

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the store as its one writer, with the newest rows before it; a process that dies lets go.

        What a job killed at a bad moment left is mended first; where tables come to end in many small fragments, these are compacted,
        and old versions expire at the end (`old_versions.expire`).
        Raises StoreError where another writes, or a version is pinned.
        """
        with self.held():
            self._upkeep = Upkeep(self.path, self.tables)
            try:
                yield
                self._upkeep.compact()
                self._upkeep.expire(self._ends)
                self._note_upkeep(self._upkeep.told(asked=False))
            finally:
                self._upkeep = None

    _upkeep: Upkeep | None = None
    """What is done for the store beside the job that writes."""

    def _ends(self) -> set[int]:
        """Versions of the pictures at which jobs ended."""
        told = (json.loads(one) for one in self.runs.column("manifest").to_pylist())
        return {one["store"]["version"] for one in told if "version" in one.get("store", {})}

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the store as `writing` does, and compact nothing."""
        self._check_writable()
        with locked(self.path, timeout=0.0), remote.held(self.path):
            self.refresh()
            with disk_errors(self.path):
                ledger.settle(self.path, self.tables)
                self._mend()
            yield
            if remote.url_of(self.path) is None:  # object storage keeps hashes of its own
                with disk_errors(self.path):
                    ledger.record(self.path, self.tables)

    def compact(self, *, prune_older_than: int | float | None = None) -> tuple[dict[str, Compacted], dict[str, Pruned]]:
        """Write small fragments of the tables together now, however many there are, and remove versions of so many days ago.

        Raises StoreError where another writes, the disk is full or cannot be written.
        """
        with self.held():
            upkeep = Upkeep(self.path, self.tables)
            upkeep.compacted = compaction.compact(self.path, self.tables)
            self._note_upkeep(upkeep.told(asked=True))
            return upkeep.compacted, {} if prune_older_than is None else prune(self.path, self.tables, prune_older_than)

    def _note_upkeep(self, told: Mapping[str, object] | None) -> None:
        if told is not None:
            self.record_run(verb="compact", source="", started=datetime.now(UTC), status="done", manifest=told)

    def add_fields(self, fields: Iterable[pa.Field]) -> None:
        """Add columns that the `images` table lacks; earlier rows have null there.

        A column that a store of 0.1.0 has under a result's own word, as `score`, takes its new name, `manifest_score`.

        A column that holds numbers and gets others becomes wider: float64, else text. Values of a column of text are written as text.

        Raises InputError where a column is there with a type that none holds both of.
        """
        self._check_writable()
        fields = list(fields)
        self._end_widening()
        self._rename({shown: name for name, shown in shown_names(self.schema.names).items() if name != shown}, fields)
        schema = self.schema
        new = []
        for field in fields:
            if field.name not in schema.names:
                new.append(field.with_nullable(True).remove_metadata())
            elif (stored := schema.field(field.name).type) != field.type:
                wider = widening.wider(stored, field.type)
                if wider is None:
                    raise InputError(
                        f"column {field.name!r} holds {field.type} in this source and {stored} "
                        f"in {self.path}: rename it in the source"
                    )
                if wider != stored:
                    self._widen(field.name, stored, wider)
        if new:
            with disk_errors(self.path):
                self._images.add_columns(new)

    def _widen(self, name: str, stored: pa.DataType, wider: pa.DataType) -> None:
        logger.warning("column %r of %s holds %s from now on, %s before", name, self.path, wider, stored)
        with disk_errors(self.path):
            self._images.add_columns({widening.waiting(name): widening.cast(name, stored, wider)})
        self._end_widening()

    def _end_widening(self) -> None:
        """Put wider columns in the place of the earlier ones, also those that a killed job left beside them."""
        names = self.schema.names
        with disk_errors(self.path):
            for made, name in widening.waiting_among(names).items():
                if name in names:
                    self._images.drop_columns([name])
                self._images.alter_columns({"path": made, "rename": name})

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

    def write(self, images: pa.Table, failures: pa.Table, *, out: Sequence[str] = ()) -> None:
        """Append rows to `images`, and note failures in place of what was noted of the same pictures before.

        Rows of the ids in `out` leave the table in the same commit, as new rows of the same picture come.
        One new version of a table each. Raises StoreError where the disk is full or cannot be written.
        """
        self._check_writable()
        images = widening.as_stored(images, self.schema)
        with disk_errors(self.path):
            # A picture whose note is gone and whose row has yet to come is done again; one in both tables would stay there.
            failure_notes.clear(self._failures, images.column("uri"))
            if images.num_rows and out:
                # A new content is a new row, with a row id that no index knows.
                merging = self._images.merge_insert(["image_id", "content_hash"]).when_matched_update_all()
                merging = merging.when_not_matched_insert_all()
                merging = merging.when_not_matched_by_source_delete(is_one_of("image_id", out))
                # Vectors of further encoders that these rows have not got yet are null, which LanceDB calls bad.
                merging.execute(_with_all(images, self._images.schema), on_bad_vectors="null")
            elif images.num_rows:
                self._images.add(images)
            failure_notes.note(self._failures, failures)
        if self._upkeep is not None:
            self._upkeep.compact()

    def update(self, rows: pa.Table) -> None:
        """Put other values into some columns of stored pictures, all in one commit; `rows` has those columns and `image_id`.

        Row ids and vectors stay, and with them the index.
        """
        self._check_writable()
        with disk_errors(self.path):
            self._images.merge_insert("image_id").when_matched_update_all().execute(rows)

    def delete(
        self,
        *,
        within: str | Sequence[str] | None = None,
        where: str | None = None,
        image_ids: Sequence[str] | None = None,
        missing: bool = False,
        dry_run: bool = False,
    ) -> int:
        """Remove the rows that meet every condition given, and return how many they were; a dry run only counts them.

        `missing` means what `missing` finds. Where the source still lists them, `embed` brings them back.

        Raises InputError where no condition is given, for a store is emptied by deleting its folder, and where `image_ids` is
        an empty list or one text.
        """
        if isinstance(image_ids, str):
            raise InputError(f"image_ids is the text {image_ids!r}, expected a list of ids: write [{image_ids!r}]")
        if within is None and where is None and not image_ids and not missing:
            raise InputError("nothing says which rows to delete: give within, where, image_ids or missing")
        if image_ids is not None and not image_ids:
            raise InputError("image_ids names no picture: name one or several, or leave it out")
        began = datetime.now(UTC)
        if missing:
            found = self.missing()
            image_ids = found if image_ids is None else sorted({*found} & {*image_ids})
            if not image_ids:
                return 0
        if dry_run:
            return sum(batch.num_rows for batch in self._chosen(within, where, image_ids))
        with self.writing():
            ids = [one for batch in self._chosen(within, where, image_ids) for one in batch.column(0).to_pylist()]
            told = {"within": within, "where": where, "image_ids": len(image_ids or ()), "missing": missing}
            self.take_out(ids, source="", began=began, told=told)
        return len(ids)

    def _chosen(
        self, within: str | Sequence[str] | None, where: str | None, image_ids: Sequence[str] | None
    ) -> Iterator[pa.RecordBatch]:
        condition = self._condition(within=within, where=where, image_ids=image_ids)
        yield from self.scan(["image_id"], condition=condition)

    def take_out(self, image_ids: Sequence[str], *, source: str, began: datetime, told: Mapping[str, object]) -> None:
        """Remove the rows of these ids. Call it while `writing`.

        The run is noted before, so that rows never become fewer without one, wherever the job is killed.
        """
        count, gone = self.count(), {"deleted": len(image_ids), **told}
        with disk_errors(self.path):
            ledger.expect(self.path, "images", rows=count - len(image_ids))
        self.record_run(
            verb="delete", source=source, started=began, status="done", manifest=gone, images=count - len(image_ids)
        )
        with disk_errors(self.path):
            for start in range(0, len(image_ids), DELETED_AT_ONCE):
                self._images.delete(is_one_of("image_id", image_ids[start : start + DELETED_AT_ONCE]))
            if (table := self.tables.get(origins.NAME)) is not None:
                origins.forget(table, image_ids)

    def note_origins(self, rows: pa.Table, *, new: bool) -> None:
        """Note what a source listed (`schema.ORIGIN_SCHEMA`); rows that are not `new` replace those of the same picture and source."""
        self._check_writable()
        with disk_errors(self.path):
            if origins.NAME not in self.tables:
                self.tables[origins.NAME] = origins.make(self.path)
            origins.note(self.tables[origins.NAME], rows, new=new)

    def forget_origins(self, address: str, image_ids: Sequence[str]) -> None:
        """Strike out what a source listed of some pictures."""
        with disk_errors(self.path):
            if (table := self.tables.get(origins.NAME)) is not None:
                origins.forget(table, image_ids, address)

    def clear_failures(self, source: str, address: str, failed: Collection[str]) -> None:
        """Strike out notes of what was in a source's way and is no more; see `failure_notes.clear_passed`."""
        with disk_errors(self.path):
            alone = self._failures.count_rows() > 0 and self._is_only_source(address)
            failure_notes.clear_passed(self._failures, source, address, failed, alone=alone)

    def _is_only_source(self, address: str) -> bool:
        """Whether all jobs that added pictures were of one source."""
        adding = [row["source"] for row in self.runs.to_pylist() if row["verb"] in ("embed", "import")]
        noted = {one for batch in self.origins(["address"]) for one in batch.column("address").unique().to_pylist()}
        return {canonical(one) for one in adding} | noted <= {address}

    def record_run(
        self, *, verb: str, source: str, started: datetime, status: str, manifest: Mapping[str, object],
        images: int | None = None, run_id: str | None = None, ended: datetime | None = None,
    ) -> None:  # fmt: skip
        """Append a job's manifest to `runs`, with what the store holds after it: `images` where that is not what it holds now.

        It has ended now and gets an id, where neither is given.
        """
        self._check_writable()
        after = {
            "version": self.version,
            "images": self.count() if images is None else images,
            "failures": int(self._failures.count_rows()),
        }
        row = {
            "run_id": run_id or uuid4().hex, "verb": verb, "source": source, "started": started,
            "ended": ended or datetime.now(UTC), "status": status,
            "manifest": json.dumps({**manifest, "store": after}, sort_keys=True, default=str),
        }  # fmt: skip
        with disk_errors(self.path):
            self._runs.add(pa.Table.from_pylist([row], schema=RUN_SCHEMA))
        # Where a job writes, this one or another, it notes the new row in the ledger at its end.
        if remote.url_of(self.path) is None:
            with contextlib.suppress(StoreError), self.held():
                pass

    def _check_writable(self) -> None:
        self.n_writes += 1
        remote.check(self.path)
        if self.pinned is not None:
            raise StoreError(
                f"{self.path} is open at version {self.pinned}, to read only: open it without one to write"
            )
        if self.vectors_name is not None:
            raise StoreError(
                f"{self.path} is open for its vectors {self.vectors_name}, to read only: open it without a name"
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
        """Encoder, pictures and taxa at each rank, failures, index, jobs and how tables are stored, as plain values."""
        return describe(self)

    def search(self, **query: Unpack[Query]) -> SearchResult:
        """The pictures nearest to a query: `Searcher.search`, which tells what a query may be."""
        return self.searcher.search(**query)

    @cached_property
    def searcher(self) -> "Searcher":
        """What answers queries over this store, kept warm."""
        from cladescope.index.searcher import Searcher  # stands above the store, and loads FAISS

        return Searcher(self)


def _with_all(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows with all columns of a table; those that they lack are null."""
    found = [
        rows.column(field.name) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(found, schema=schema)
