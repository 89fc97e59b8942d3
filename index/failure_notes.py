"""The table `failures`: one note a record that could not be embedded, until it is.

A stored picture has no row here, but for stage `identity`: there a record was refused that repeats another's id.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from braceexpand import braceexpand
from fsspec.utils import glob_translate

from cladescope.embedding.stamps import is_there
from cladescope.errors import InputError
from cladescope.index.literals import is_one_of
from cladescope.schema import FAILURE_SCHEMA


def clear(notes: Any, uris: pa.ChunkedArray) -> None:
    """Strike out what is noted of some pictures."""
    if len(uris) and notes.count_rows():
        notes.delete(is_one_of("uri", uris.to_pylist()))


def note(notes: Any, failures: pa.Table) -> None:
    """Note failures, each once, in place of what was noted of the same pictures before; refused records add to it."""
    if not failures.num_rows:
        return
    retried = failures.filter(pc.not_equal(failures.column("stage"), "identity"))
    if retried.num_rows and notes.count_rows():
        notes.delete(f"({is_one_of('uri', retried.column('uri').to_pylist())}) AND stage != 'identity'")
    keys = list(FAILURE_SCHEMA.names)
    distinct = failures.group_by(keys).aggregate([]).select(keys).cast(FAILURE_SCHEMA)
    notes.merge_insert(keys).when_not_matched_insert_all().execute(distinct)


def clear_passed(notes: Any, source: str, address: str, failed: Collection[str], *, alone: bool = False) -> int:
    """Strike out what a source that was now read to its end had in its way before, and has no more; return how many notes that were.

    Such are places that could not be listed (`source` itself, its `address`, folders and files in it, its shards), and files of it
    that failed and are not there any more: all that lie in it and, where it is `alone` in the store, those that a table named
    elsewhere, and records that were refused beside others. What is among `failed`, the addresses of this run's failures and the
    reasons of its refusals, stays.
    """
    if not notes.count_rows():
        return 0
    found = notes.search().select(["uri", "stage", "reason"]).to_arrow().to_pylist()
    refused = {row["reason"] for row in found if row["stage"] == "identity"} - set(failed) if alone else set()
    if refused:
        notes.delete(f"({is_one_of('reason', sorted(refused))}) AND stage = 'identity'")
    gone = {
        row["uri"]
        for row in found
        if row["stage"] != "identity"
        and row["uri"] not in failed
        and (alone or row["uri"] == source or _lies_in(row["uri"], address))
        and (row["stage"] == "list" or is_there(row["uri"]) is False)
    }
    if gone:
        notes.delete(f"({is_one_of('uri', sorted(gone))}) AND stage != 'identity'")
    return len(gone) + len(refused)


def _lies_in(uri: str, address: str) -> bool:
    """Whether an address lies in a source's own: a folder, a file with rows or members, or a pattern of such.

    >>> _lies_in("/photos/a/tit.jpg", "/photos"), _lies_in("/t/2.tar#a.jpg", "/t/*.tar"), _lies_in("/photos2/a.jpg", "/photos")
    (True, True, False)
    """
    if not any(mark in address for mark in "*?[{"):
        return uri == address or uri.startswith((f"{address.rstrip('/')}/", f"{address}#"))
    places = [re.compile(glob_translate(one)) for one in braceexpand(address)]
    return any(place.match(part) for place in places for part in (uri, uri.partition("#")[0]))


def mend(notes: Any, stored: Iterable[pa.RecordBatch]) -> int:
    """Strike out pictures that are stored, as a job of an earlier version left them when it was killed at a bad moment.

    `stored` holds the column `uri` of the stored pictures. Returns how many pictures were in both tables; memory grows with
    the notes.
    """
    noted = notes.search().where("stage != 'identity'").select(["uri"]).to_arrow().column("uri").combine_chunks()
    if not len(noted):
        return 0
    both = {
        uri for batch in stored for uri in batch.column("uri").filter(pc.is_in(batch.column("uri"), noted)).to_pylist()
    }
    if both:
        notes.delete(f"({is_one_of('uri', sorted(both))}) AND stage != 'identity'")
    return len(both)


def uris_of(notes: Sequence[Mapping[str, str]], kind: str, *, of: str) -> list[str]:
    """Addresses of the failures of a stage, or for a reason that holds `kind` in any case; of all for `all`.

    Raises InputError where there is none, with the stages that there are.

    >>> uris_of([{"uri": "/a.jpg", "stage": "read", "reason": "empty file"}], "empty", of="photos.store")
    ['/a.jpg']
    """
    stages = Counter(note["stage"] for note in notes)
    found = [
        note["uri"]
        for note in notes
        if kind in ("all", note["stage"]) or (kind not in stages and kind.lower() in note["reason"].lower())
    ]
    if not found:
        there = ", ".join(f"{stage} {n:,}" for stage, n in stages.most_common()) or "no failures"
        raise InputError(f"no failure of {of} is of the stage or reason {kind!r}: it has {there}")
    return found
