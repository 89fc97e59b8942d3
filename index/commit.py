"""The parts of a store (`index.parts`) put together: their rows become rows of the store, as one job would have made them.

What a part holds is the truth for its shard of the source: new rows are added, those whose content changed take the place of the earlier ones,
labels of which the source says something new are corrected, and what the source lists no more is marked or, where the
parts' job deleted it, deleted. Done again it changes nothing; killed, it goes on where it was.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from jaxtyping import Bool, UInt64

from cladescope.embedding.origins import plain
from cladescope.embedding.shards import number_of
from cladescope.embedding.sorted_rows import hashed
from cladescope.index.named_by import check_backbone
from cladescope.index.origins import NAME, of_address
from cladescope.index.part_vectors import PartVectors
from cladescope.index.parts import Part
from cladescope.index.rows_by_id import RowsById
from cladescope.index.store import Store
from cladescope.schema import FAILURE_SCHEMA, ORIGIN_SCHEMA, STORED_COLUMNS
from cladescope.steps import counted

COMMIT_ROWS = 1 << 15
"""Rows that are read and written together."""
_LISTED = "the source lists it no more"
_MARKED = ("image_id", "said", "gone")
_NOT_CORRECTED = frozenset({"image_id", "uri", "content_hash", "width", "height", "vector"})


@dataclass(kw_only=True)
class Committed:
    """What putting parts together did to a store."""

    parts: int = 0
    rows: int = 0
    """Of all parts."""
    added: int = 0
    changed: int = 0
    """Rows in place of earlier ones of the same picture, whose content was another."""
    moved: int = 0
    """Rows whose picture has another address now."""
    relabelled: int = 0
    already_stored: int = 0
    filled: int = 0
    """Rows that were given vectors of encoders that they lacked."""
    refused: int = 0
    """Rows whose id the store has for another picture; they are among its failures."""
    gone: int = 0
    """Stored pictures that the source lists no more."""
    pruned: int = 0
    """Of these, rows that were deleted."""
    failures: int = 0
    """Pictures of the parts that could not be embedded."""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def commit_source(store: Store, address: str, parts: list[Part]) -> Committed:
    """Put the parts of one source into a store, each held meanwhile so that no job writes to it.

    Memory: 16 bytes a row of the store, 24 a picture that the source listed, 16 more a picture of one part, and `COMMIT_ROWS` rows.

    Raises StoreError where a job writes to the store or to a part, where the encoder is another one, or the disk is full.
    """
    began = datetime.now(UTC)
    for part in parts:
        store.check(part.store.card)
    backbone = (parts[0].run.get("settings") or {}).get("backbone")
    check_backbone(store, backbone if isinstance(backbone, Mapping) else None)
    done = Committed(parts=len(parts))
    with store.writing():
        merge = _Merge(store, address, done)
        for part in counted(parts, "putting parts together:", len(parts)):
            with part.store.held():
                merge.take(part)
        merge.finish(parts)
    done.seconds = round((datetime.now(UTC) - began).total_seconds(), 3)
    told = {
        **done.to_dict(),
        "address": address,
        "settings": dict(parts[0].run.get("settings") or {}) | {"shard": None},
        "jobs": [
            {name: part.run.get(name) for name in ("embedded", "failed", "seconds", "versions")} for part in parts
        ],
    }
    store.record_run(verb="commit", source=parts[0].source, started=began, status="done", manifest=told)
    return done


class _Merge:
    """What is known of a store while parts of one source go into it."""

    def __init__(self, store: Store, address: str, done: Committed) -> None:
        self._store, self._address, self._done = store, address, done
        self._known = RowsById(store.tables["images"], store.schema, store.stored_ids())
        self._listed = _listed(store, address)
        self._failed: set[str] = set()
        self._still_listed = [np.empty(0, np.uint64)]

    def take(self, part: Part) -> None:
        """Rows, failures and origins of one part into the store."""
        store, source = self._store, part.store
        store.add_fields([field for field in source.schema if field.name not in STORED_COLUMNS])
        self._vectors = PartVectors(store, source)
        self._says = _listed(source, self._address)
        schema = pa.schema([*source.schema, *self._vectors.fields])
        for rows in _tables(source.scan(schema.names), schema):
            self._done.rows += rows.num_rows
            self._rows(self._vectors.named(rows))
        failures = source.failures
        self._write_failures(failures.to_pylist())
        self._done.failures += failures.num_rows
        for batch in source.origins(ORIGIN_SCHEMA.names, address=self._address):
            self._note(pa.Table.from_batches([batch.select(ORIGIN_SCHEMA.names)], schema=ORIGIN_SCHEMA))

    def _rows(self, rows: pa.Table) -> None:
        found = _beside(rows.select(["image_id", "uri", "content_hash"]), self._known)
        ids = rows.column("image_id").combine_chunks()
        listed = self._read(self._listed, ids, [])
        there = found["uri_known"].is_not_null()
        same_place = (found["uri"] == found["uri_known"]).fill_null(False)
        same_content = found["content_hash"].eq_missing(found["content_hash_known"])
        ours = same_place | found["image_id"].is_in(listed["image_id"].implode())
        new, changed, refused = ~there, there & ours & ~same_content, there & ~ours
        kept = there & ours & same_content
        moved = kept & ~same_place
        if new.any() or changed.any():
            out = _of(rows, changed).column("image_id").to_pylist()
            self._store.write(_of(rows, new | changed), FAILURE_SCHEMA.empty_table(), out=out)
        if moved.any():
            self._store.update(_of(rows, moved).select(["image_id", "uri"]))
        if kept.any():
            self._correct(_of(rows, kept))
            self._done.filled += self._vectors.fill(_of(rows, kept))
        if refused.any():
            self._refuse(_of(rows, refused))
        done = self._done
        done.added, done.changed = done.added + int(new.sum()), done.changed + int(changed.sum())
        done.moved, done.refused = done.moved + int(moved.sum()), done.refused + int(refused.sum())
        done.already_stored += int(kept.sum())

    def _correct(self, rows: pa.Table) -> None:
        """Put right those columns of stored rows of which the source says something else than when they were put in."""
        ids = rows.column("image_id").combine_chunks()
        says, said = (self._read(listed, ids, ["said"]) for listed in (self._says, self._listed))
        both = says.join(said, on="image_id", suffix="_known").filter(pl.col("said").ne_missing(pl.col("said_known")))
        if both.is_empty():
            return
        now, before = (dict(zip(both["image_id"], both[name], strict=True)) for name in ("said", "said_known"))
        held = _of(self._vectors.without(rows), pl.Series(ids).is_in(both["image_id"].implode())).to_pylist()
        names: set[str] = set()
        for row in held:
            names |= _differing(before.get(row["image_id"]), now.get(row["image_id"])) & row.keys() - _NOT_CORRECTED
        if not names:
            return
        stored = self._store.rows_by_id(list(now), sorted(names))
        corrected = []
        for row in held:
            differing = _differing(before.get(row["image_id"]), now.get(row["image_id"]))
            right = {name: row[name] if name in differing else stored[row["image_id"]][name] for name in names}
            if any(plain(right[name]) != plain(stored[row["image_id"]][name]) for name in names):
                corrected.append({"image_id": row["image_id"], **right})
        if corrected:
            schema = pa.schema([self._store.schema.field(name) for name in ("image_id", *sorted(names))])
            self._store.update(pa.Table.from_pylist(corrected, schema=schema))
            self._done.relabelled += len(corrected)

    def _refuse(self, rows: pa.Table) -> None:
        notes = [
            {
                "uri": uri,
                "image_id": image_id,
                "stage": "identity",
                "reason": f"image_id {image_id!r} is stored for another picture: ids must be unique",
            }
            for image_id, uri in zip(*(rows.column(name).to_pylist() for name in ("image_id", "uri")), strict=True)
        ]
        self._write_failures(notes)

    def _write_failures(self, notes: list[dict[str, Any]]) -> None:
        """Note failures that are not noted yet."""
        if not notes:
            return
        self._failed |= {note["uri"] for note in notes} | {note["reason"] for note in notes}
        noted = {tuple(note.values()) for note in self._store.failures.select(FAILURE_SCHEMA.names).to_pylist()}
        if new := [note for note in notes if tuple(note[name] for name in FAILURE_SCHEMA.names) not in noted]:
            none = pa.table({"uri": pa.array([], pa.string())})
            self._store.write(none, pa.Table.from_pylist(new, schema=FAILURE_SCHEMA))

    def _note(self, origins: pa.Table) -> None:
        """Note what the part's source listed, where that is not noted so."""
        columns = ["said", "size", "modified", "gone"]
        ids = origins.column("image_id").combine_chunks()
        self._still_listed.append(hashed(ids))
        known = self._read(self._listed, ids, columns)
        found = pl.DataFrame(origins.select(["image_id", *columns])).join(
            known, on="image_id", how="left", suffix="_known", maintain_order="left"
        )
        new = ~found["image_id"].is_in(known["image_id"].implode())
        same = pl.Series(np.ones(len(ids), np.bool_))
        for name in columns:
            same &= found[name].eq_missing(found[f"{name}_known"])
        for chosen, is_new in ((new, True), (~new & ~same, False)):
            if chosen.any():
                self._store.note_origins(_of(origins, chosen), new=is_new)
        self._done.gone += origins.num_rows - origins.column("gone").null_count

    def finish(self, parts: list[Part]) -> None:
        """Strike out failures that are none any more, and what the source lists no more; where the parts are all of the source."""
        first = parts[0]
        settings = first.run.get("settings") or {}
        if settings.get("limit") is not None:
            return
        self._store.clear_failures(first.source, self._address, self._failed)
        gone = self._away(parts)
        self._done.gone += len(gone)
        pruned = {part.shard.number for part in parts if (part.run.get("settings") or {}).get("prune")}
        out = [one for one in gone if number_of(one, first.shard.of) in pruned]
        out = self._not_listed_elsewhere(out)
        if out:
            told = {"pruned": True}
            self._store.take_out(out, source=self._address, began=datetime.now(UTC), told=told)
            self._done.pruned = len(out)
        marks = [
            {
                "address": self._address,
                "image_id": one,
                "size": None,
                "modified": None,
                "said": row["said"],
                "gone": _LISTED,
            }
            for one, row in gone.items()
            if row["gone"] is None and number_of(one, first.shard.of) not in pruned
        ]
        if marks:
            self._store.note_origins(pa.Table.from_pylist(marks, schema=ORIGIN_SCHEMA), new=False)

    def _away(self, parts: list[Part]) -> dict[str, Mapping[str, Any]]:
        """What the store has the source list, and no part does, by its id."""
        still = np.sort(np.concatenate(self._still_listed))
        gone: dict[str, Mapping[str, Any]] = {}
        n_listed = 0
        for batch in self._store.origins(_MARKED, address=self._address):
            n_listed += batch.num_rows
            away = ~_is_among(hashed(batch.column("image_id")), still)
            gone |= {row["image_id"]: row for row in batch.filter(pa.array(away)).to_pylist()}
        if n_listed - len(gone) == len(still):
            return gone
        # One that is gone has the fingerprint of one that is listed still: the ids themselves are compared.
        listed = [_listed(part.store, self._address) for part in parts]
        for batch in self._store.origins(_MARKED, address=self._address):
            ids = batch.column("image_id")
            there = {one for each in listed for one in self._read(each, ids, [])["image_id"]}
            gone |= {row["image_id"]: row for row in batch.to_pylist() if row["image_id"] not in there}
        return gone

    def _read(self, listed: RowsById, image_ids: pa.Array, columns: list[str]) -> pl.DataFrame:
        """What a store has the source say of some pictures, a row a picture."""
        found = pl.DataFrame(listed.read(image_ids, columns, condition=of_address(self._address)))
        return found.unique("image_id", keep="first", maintain_order=True)

    def _not_listed_elsewhere(self, image_ids: list[str]) -> list[str]:
        if not image_ids:
            return []
        others = self._store.origins(["image_id", "address", "gone"], image_ids=image_ids)
        kept = {
            row["image_id"]
            for batch in others
            for row in batch.to_pylist()
            if row["address"] != self._address and row["gone"] is None
        }
        if kept:
            self._store.forget_origins(self._address, sorted(kept))
        return [one for one in image_ids if one not in kept]


def _of(rows: pa.Table, chosen: pl.Series) -> pa.Table:
    return rows.filter(pa.array(chosen.to_numpy()))


def _tables(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Batches together, `COMMIT_ROWS` rows or a little more at a time."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch.select(schema.names))
        if sum(one.num_rows for one in waiting) >= COMMIT_ROWS:
            yield pa.Table.from_batches(waiting, schema=schema)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting, schema=schema)


def _listed(store: Store, address: str) -> RowsById:
    """What a store has a source list."""
    return RowsById(store.tables.get(NAME), ORIGIN_SCHEMA, store.listed(["image_id", "_rowid"], address))


def _beside(rows: pa.Table, known: RowsById) -> pl.DataFrame:
    """Rows, and beside them what is known of the same ids, under names that end in `_known`."""
    _, *columns = rows.column_names
    there = pl.DataFrame(known.read(rows.column("image_id").combine_chunks(), columns))
    there = there.unique("image_id", keep="first", maintain_order=True)
    return pl.DataFrame(rows).join(there, on="image_id", how="left", suffix="_known", maintain_order="left")


def _is_among(keys: UInt64[np.ndarray, " n"], some: UInt64[np.ndarray, " m"]) -> Bool[np.ndarray, " n"]:
    """Which keys are among some that are sorted."""
    found: Bool[np.ndarray, " n"] = np.searchsorted(some, keys) < np.searchsorted(some, keys, "right")
    return found


def _differing(before: str | None, now: str | None) -> set[str]:
    """Columns of which a source says something else than before; none where it is not known what it said."""
    if before is None or now is None:
        return set()
    said, says = json.loads(before), json.loads(now)
    return {name for name in said.keys() | says.keys() if plain(said.get(name)) != plain(says.get(name))}
