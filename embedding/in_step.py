"""A store in step with its source: what changed since the source was embedded last, and what is written of it.

Rows of one source's address are compared, no others. Files whose size and time are as they were are not opened; others are
hashed, and encoded anew only where their content is another. A store of earlier versions learns sizes and times in the first
run. Labels are corrected where the source says something else than before (`origins.corrections`).

What is written survives a kill anywhere: a picture's row is committed before the note that it was looked into.
"""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cladescope.embedding.job import SyncSink
from cladescope.embedding.known import Checked, KnownPictures
from cladescope.embedding.locations import file_of
from cladescope.embedding.lost_sources import lost_addresses
from cladescope.embedding.origins import Origins, Saying, corrections, plain
from cladescope.embedding.prepare import Failure
from cladescope.embedding.record_hash import record_hash
from cladescope.embedding.records import Record
from cladescope.embedding.stamps import UNKNOWN, is_there, stamp
from cladescope.embedding.summary import EmbedSummary
from cladescope.embedding.tables import failures_table
from cladescope.schema import IDENTITY_FIELDS, NAME_FIELDS, ORIGIN_SCHEMA

if TYPE_CHECKING:
    from cladescope.embedding.web import Web

NOTES_AT_ONCE = 4096
"""Notes and corrections that wait to be written together."""
MARKED_AT_ONCE = 1 << 15
"""Marks of what is gone that are written together: each writing reads the ids of all that any source listed."""
SHOWN_GONE = 20
"""Addresses of pictures that are gone which a summary lists."""
_LISTED = "the source lists it no more"
_NOTED = ("image_id", "size", "modified", "said", "gone")
_NOT_OWN = frozenset(field.name for field in IDENTITY_FIELDS) - {"source"}


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen of a picture at its source."""

    size: int
    modified: int
    said: str | None


class InStep:
    """Compares the records of one source with what is stored, and writes what differs. Made while the store is held.

    Memory: that of `Origins`, `NOTES_AT_ONCE` notes, and the pictures that wait for a commit, 300 bytes each; at the end about 1 KB
    for each picture that is gone.
    """

    def __init__(
        self,
        sink: SyncSink,
        address: str,
        summary: EmbedSummary,
        pictures: KnownPictures,
        *,
        prune: bool,
        workers: int,
        web: "Web | None" = None,
    ) -> None:
        """`address` names the source; `pictures` are those that the job knows. With `prune`, what is gone is deleted at the end; with `web` remote pictures are compared, too."""
        self._sink, self._address, self._summary, self._prune = sink, address, summary, prune
        self._workers, self._web, self._began = workers, web, datetime.now(UTC)
        self._origins = Origins(pictures, sink.listed(_NOTED, address))
        self._columns = self._own_columns()
        self._lost = lost_addresses(sink, address)
        self._notes: dict[str, dict[str, object]] = {}
        self._corrected: dict[str, dict[str, object]] = {}
        self._corrected_columns: set[str] = set()
        self._waiting: dict[str, _Seen] = {}
        self._replacing: set[str] = set()
        self._spoilt: dict[str, Failure] = {}
        self._said_before: dict[str, str] = {}
        self._unseen: list[str] = []
        self._failed: set[str] = set()
        self._claimed: set[str] = set()
        self.is_whole = True
        """Whether the source could tell all its records."""

    def _own_columns(self) -> tuple[str, ...]:
        return tuple(name for name in self._sink.schema.names if name not in _NOT_OWN and name != "vector")

    def choose(self, records: Sequence[Record], checked: Checked) -> tuple[set[int], set[int]]:
        """Places of the records that must be encoded, and of those that are stored and need not, which are noted."""
        if checked.apart:  # what was noted of them may stand in the row of another picture
            self._origins.take_in(self._sink.origins(_NOTED, address=self._address, image_ids=checked.apart))
        new = set(np.flatnonzero(checked.is_new).tolist())
        listed = set(np.flatnonzero(checked.is_stored).tolist())
        if checked.elsewhere:
            places = sorted(checked.elsewhere)
            own = self._own([records[place].image_id for place in places])
            listed |= {place for place in places if records[place].image_id in own}
        saying = Saying()
        seen = {
            place: _Seen(
                *(stamp(records[place].uri) if records[place].data is None else (UNKNOWN, UNKNOWN)),
                saying.of(records[place]),
            )
            for place in sorted(new | listed)
        }
        self._origins.meet([records[place].image_id for place in seen])
        again = self._compare(records, seen, sorted(listed), checked.elsewhere) if listed else set()
        for place in sorted(new | again):
            self._waiting[records[place].image_id] = seen[place]
        self._replacing |= {records[place].image_id for place in again}
        if len(self._notes) >= NOTES_AT_ONCE:
            self._flush()
        return new | again, listed - again

    def _own(self, image_ids: Sequence[str]) -> set[str]:
        """Those of some stored pictures that the source listed before, as the store has it."""
        likely = [one for one, known in zip(image_ids, self._origins.is_known(image_ids), strict=True) if known]
        if not likely:
            return set()
        found = self._sink.origins(["image_id"], address=self._address, image_ids=likely)
        return {one for batch in found for one in batch.column("image_id").to_pylist()}

    def _compare(
        self, records: Sequence[Record], seen: Mapping[int, _Seen], stored: Sequence[int], elsewhere: frozenset[int]
    ) -> set[int]:
        """Of stored pictures, the places of those whose content is another; labels and addresses of the others are put right."""
        stamps = np.array([(seen[place].size, seen[place].modified) for place in stored], np.int64).reshape(-1, 2)
        ids, words = [records[place].image_id for place in stored], [seen[place].said or "" for place in stored]
        same_file, same_words = (
            dict(zip(stored, same, strict=True)) for same in self._origins.as_before(ids, stamps, words)
        )
        differing = [place for place in stored if place in elsewhere or not (same_file[place] and same_words[place])]
        remote = {place for place in differing if _is_remote(records[place])}
        if self._web is None:
            # Of what lies elsewhere in the world, only a new address tells that it may be another picture.
            self._summary.unchecked += len(remote - elsewhere)
            differing = [
                place for place in differing if not (same_words[place] and place in remote) or place in elsewhere
            ]
        if not differing:
            return set()
        said_now = {name for place in differing for name in records[place].labels}
        if new := [field for field in NAME_FIELDS if field.name in said_now - set(self._columns)]:
            self._sink.add_fields(new)
            self._columns = self._own_columns()
        ids = [records[place].image_id for place in differing]
        rows = self._sink.rows_by_id(ids, ["uri", "content_hash", *self._columns])
        said = self._said(ids, address=self._address) if len(self._origins) else {}
        doubtful = [
            place
            for place in differing
            if (place in elsewhere or not same_file[place])
            and rows[records[place].image_id]["content_hash"] is not None
        ]
        asked = [place for place in doubtful if self._web is not None or place not in remote]
        with ThreadPoolExecutor(self._workers, thread_name_prefix="hash") as pool:
            found = pool.map(record_hash, (records[place] for place in asked), repeat(self._web))
            hashes = dict(zip(asked, found, strict=True))
        # A server that is away says nothing of its pictures.
        silent = {place for place in remote & hashes.keys() - elsewhere if hashes[place] is None}
        self._summary.unreachable += len(silent)
        hashes = {place: content for place, content in hashes.items() if place not in silent}
        again = set()
        for place in differing:
            record, row = records[place], rows[records[place].image_id]
            other = hashes[place] != row["content_hash"] if place in hashes else place in elsewhere
            if other and row["content_hash"] is not None:
                again.add(place)
                continue
            right = corrections(record, row, said.get(record.image_id))
            self._summary.relabelled += bool(right)
            if place in elsewhere:
                self._summary.moved += 1
                right["uri"] = record.uri
            if right:
                self._corrected[record.image_id] = row | right
                self._corrected_columns |= right.keys()
            if right or not same_words[place] or seen[place].modified != UNKNOWN:
                self._notes[record.image_id] = self._note(record.image_id, seen[place])
        return again

    def _said(self, image_ids: Sequence[str], *, address: str | None) -> dict[str, str]:
        """What a source, or any, said of some pictures when it was embedded last."""
        found = self._sink.origins(["image_id", "said"], address=address, image_ids=image_ids)
        return {row["image_id"]: row["said"] for batch in found for row in batch.to_pylist() if row["said"] is not None}

    def _note(self, image_id: str, seen: _Seen, gone: str | None = None) -> dict[str, object]:
        return {
            "address": self._address,
            "image_id": image_id,
            "size": seen.size,
            "modified": seen.modified if gone is None else None,
            "said": seen.said,
            "gone": gone,
        }

    def write(self, images: pa.Table, failures: Sequence[Failure]) -> None:
        """Commit rows and failures, in place of the rows of which the content changed or the file moved."""
        ids: list[str] = images.column("image_id").to_pylist()
        seen = {one: self._waiting.pop(one) for one in ids}
        replaced = [one for one in ids if one in self._replacing]
        self._replacing -= set(replaced)
        images, moved = self._moved(images, set(replaced))
        fresh = [self._note(one, seen[one]) for one in ids if one not in set(replaced)]
        known = self._origins.is_known([str(note["image_id"]) for note in fresh])
        before = [note for note, is_known in zip(fresh, known, strict=True) if not is_known]
        after = [note for note, is_known in zip(fresh, known, strict=True) if is_known]
        after += [self._note(one, seen[one]) for one in replaced]
        self._note_down(before, new=True)
        self._sink.write(images, failures_table(self._not_stored(failures)), out=[*replaced, *moved])
        self._note_down(after, new=False)
        for address in (self._address, *self._lost) if moved else ():
            self._sink.forget_origins(address, moved)
        self._summary.changed += len(replaced)
        self._summary.moved += len(moved)

    def _moved(self, images: pa.Table, replaced: set[str]) -> tuple[pa.Table, list[str]]:
        """New rows with what was put right in those that they take the place of, and the ids of these.

        A new picture takes the place of one of the same content whose file is there no more, where that came from the same
        source, or only from sources that are there no more.
        """
        if not images.num_rows or not (len(self._origins) or self._lost):
            return images, []
        contents = dict(zip(*(images.column(name).to_pylist() for name in ("image_id", "content_hash")), strict=True))
        new = {one: content for one, content in contents.items() if one not in replaced}
        found = self._sink.rows_by_content(
            sorted(set(new.values())), ["image_id", "uri", "content_hash", *self._columns]
        )
        away = [row for row in found if row["image_id"] not in self._claimed and is_there(row["uri"]) is False]
        ids = [row["image_id"] for row in away]
        unmet = [one for one, is_met in zip(ids, self._origins.is_met(ids), strict=True) if not is_met]
        ours = self._own(unmet) | self._of_lost_sources(ids)
        left: dict[str, list[dict[str, Any]]] = {}
        for row in away:
            if row["image_id"] in ours:
                left.setdefault(row["content_hash"], []).append(row)
        pairs = {one: left[content].pop(0) for one, content in new.items() if left.get(content)}
        moved = [row["image_id"] for row in pairs.values()]
        self._claimed |= set(moved)
        return (self._keeping(images, pairs) if pairs else images), moved

    def _of_lost_sources(self, image_ids: Sequence[str]) -> set[str]:
        """Those of some pictures that only sources listed which are not there any more, as a folder that was moved."""
        if not self._lost or not image_ids:
            return set()
        found = self._sink.origins(["image_id", "address"], image_ids=image_ids)
        rows = [row for batch in found for row in batch.to_pylist()]
        kept = {row["image_id"] for row in rows if row["address"] not in self._lost}
        return {row["image_id"] for row in rows} - kept

    def _keeping(self, images: pa.Table, pairs: Mapping[str, Mapping[str, Any]]) -> pa.Table:
        """Rows with the values of earlier ones where their source says what it said before."""
        said = self._said([str(row["image_id"]) for row in pairs.values()], address=None)
        rows = images.select([name for name in images.column_names if name != "vector"]).to_pylist()
        for row in rows:
            if (earlier := pairs.get(row["image_id"])) is None or earlier["image_id"] not in said:
                continue
            before = json.loads(said[earlier["image_id"]])
            kept = [name for name in self._columns if name in row and plain(before.get(name)) == plain(row[name])]
            row |= {name: earlier[name] for name in kept}
        schema = pa.schema([field for field in images.schema if field.name != "vector"])
        return pa.Table.from_pylist(rows, schema=schema).append_column("vector", images.column("vector"))

    def _not_stored(self, failures: Sequence[Failure]) -> list[Failure]:
        """The failures without those of stored pictures, which are kept as rows until the end."""
        self._failed |= {failure.record.uri for failure in failures}
        self._failed |= {failure.reason for failure in failures if failure.stage == "identity"}
        for failure in failures:
            if failure.stage == "list":
                self._unseen.append(failure.record.uri)
        stored = (
            set(self._sink.rows_by_id([failure.record.image_id for failure in failures], [])) if failures else set()
        )
        new = []
        for failure in failures:
            image_id = failure.record.image_id
            seen = self._waiting.pop(image_id, None)
            if failure.stage == "identity" or image_id not in stored:
                new.append(failure)
            elif image_id in self._replacing:
                self._replacing.discard(image_id)
                self._spoilt[image_id] = failure
                if seen is not None and seen.said is not None:
                    self._said_before[image_id] = seen.said
        return new

    def finish(self, source: str, *, whole: bool) -> None:
        """Write what waits, and mark what is gone, or delete it; only a run over the `whole` source, called so, tells that.

        Earlier failures that such a run did not meet again are struck out.
        """
        self._flush()
        if whole:
            self._sink.clear_failures(source, self._address, self._failed)
        gone, marked = self._gone() if whole and self.is_whole else ({}, set())
        gone |= {one: failure.record.uri for one, failure in self._spoilt.items()}
        self._summary.gone = len(gone)
        self._summary.gone_uris = sorted(gone.values())[:SHOWN_GONE]
        if self._prune and gone:
            self._delete(gone)
        elif not self._prune:
            reasons = {one: _LISTED for one in gone} | {one: failure.reason for one, failure in self._spoilt.items()}
            away = [one for one in gone if one not in marked]
            for start in range(0, len(away), MARKED_AT_ONCE):
                some = away[start : start + MARKED_AT_ONCE]
                seen = {one: _Seen(UNKNOWN, UNKNOWN, self._said_before.get(one)) for one in some}
                self._note_down([self._note(one, seen[one], reasons[one]) for one in some], new=False)

    def _gone(self) -> tuple[dict[str, str], set[str]]:
        """Stored pictures that the source listed once and does not list now, with their addresses, and those marked before."""
        gone: dict[str, str] = {}
        marked: set[str] = set()
        strays: list[str] = []
        for batch in self._sink.listed(["image_id", "said", "gone"], self._address):
            ids = batch.column("image_id").to_pylist()
            unmet = self._origins.is_known(ids) & ~self._origins.is_met(ids)
            away = [row for row in batch.filter(pa.array(unmet)).to_pylist() if row["image_id"] not in self._claimed]
            if not away:
                continue
            rows = self._sink.rows_by_id([row["image_id"] for row in away], ["uri"])
            for one in away:
                uri = rows.get(one["image_id"], {}).get("uri")
                if uri is None:
                    strays.append(one["image_id"])
                if uri is None or any(_lies_in(uri, place) for place in self._unseen):
                    continue
                gone[one["image_id"]] = uri
                self._said_before |= {} if one["said"] is None else {one["image_id"]: one["said"]}
                marked |= set() if one["gone"] is None else {one["image_id"]}
        if strays:  # of a job that was killed between rows and notes
            self._sink.forget_origins(self._address, strays)
        return gone, marked

    def _delete(self, gone: Mapping[str, str]) -> None:
        """Delete what is gone, but for pictures whose file is there and that another source lists."""
        ids, columns = list(gone), ["image_id", "address", "gone"]
        some = (ids[start : start + MARKED_AT_ONCE] for start in range(0, len(ids), MARKED_AT_ONCE))
        listed = {
            row["image_id"]
            for asked in some
            for batch in self._sink.origins(columns, image_ids=asked)
            for row in batch.to_pylist()
            if row["address"] != self._address and row["gone"] is None
        }
        kept = {one for one in listed - self._spoilt.keys() if is_there(gone[one]) is not False}
        out = [one for one in gone if one not in kept]
        if out:
            self._sink.take_out(out, source=self._address, began=self._began, told={"pruned": True})
        if kept:
            self._sink.forget_origins(self._address, sorted(kept))
        if self._spoilt:
            none = pa.table({"uri": pa.array([], pa.string())})
            self._sink.write(none, failures_table(list(self._spoilt.values())))
        self._summary.pruned = len(out)

    def _flush(self) -> None:
        """Write corrections, then the notes that they were made."""
        if self._corrected:
            names = ["image_id", *sorted(self._corrected_columns)]
            schema = pa.schema([self._sink.schema.field(name) for name in names])
            rows = [{"image_id": one, **row} for one, row in self._corrected.items()]
            self._sink.update(pa.Table.from_pylist(rows, schema=schema))
        self._corrected, self._corrected_columns = {}, set()
        notes, self._notes = list(self._notes.values()), {}
        known = self._origins.is_known([str(note["image_id"]) for note in notes])
        self._note_down([note for note, old in zip(notes, known, strict=True) if not old], new=True)
        self._note_down([note for note, old in zip(notes, known, strict=True) if old], new=False)

    def _note_down(self, notes: Sequence[Mapping[str, object]], *, new: bool) -> None:
        if notes:
            self._sink.note_origins(pa.Table.from_pylist(list(notes), schema=ORIGIN_SCHEMA), new=new)


def _is_remote(record: Record) -> bool:
    """Whether a picture lies where it would have to be fetched to be compared."""
    return record.data is None and file_of(record.uri) is None


def _lies_in(uri: str, place: str) -> bool:
    return uri == place or uri.startswith((f"{place.rstrip('/')}/", f"{place}#"))
