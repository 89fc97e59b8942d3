"""The index of a shard: an Arrow file beside it that says what pictures it holds, where each lies and what is told of it.

`shard-000000.tar.arrow` lies beside `shard-000000.tar`. It is read in the place of the shard where it is of this format, of a shard of
this size and of this time of change, and where the headers at some of its places say what it says; else the shard is read
through once and the index written anew. A shard that is not on this machine's disks has none.
"""

import json
import os
import tarfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from cladescope.embedding.locations import local_path, open_location
from cladescope.embedding.sources.webdataset import WebDatasetSource
from cladescope.errors import InputError
from cladescope.files import replacing
from cladescope.taxonomy import RANKS
from cladescope.training.data.shard_index import index_shard

ENDING = ".arrow"
"""What follows the name of a shard in the name of its index."""
FORMAT_VERSION = 1

_KEY = b"cladescope"
_BLOCK_ROWS = 8192
_WORDS = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string()),
        pa.field("member", pa.string()),
        pa.field("offset", pa.int64()),
        pa.field("size", pa.int64()),
        pa.field("taxon", _WORDS),
        pa.field("common_name", _WORDS),
        pa.field("observation_id", pa.string()),
        pa.field("licence", _WORDS),
        pa.field("source", _WORDS),
        pa.field("problem", pa.string()),
    ]
)
"""A row a picture, in the shard's order. `taxon` is the names of the path as a JSON list; `offset` and `size` are bytes of the shard, `size` -1 where
the picture's place is not known; `source` is null where the shard does not name its data set; `problem` says why there is no picture."""


def index_of(shard: str) -> tuple[pa.Table, str]:
    """The index of a shard, and a word for how it was had.

    The words: `read`; `made, was missing`; `made, was of another shard or of this one before it changed`; `made, was of another version`;
    `made, could not be read`; `not kept: REASON`; and `of a shard elsewhere, not kept`.
    """
    path = local_path(shard)
    if path is None:
        return records_of(shard), "of a shard elsewhere, not kept"
    file = Path(f"{path}{ENDING}")
    table, why = _read(file, Path(path))
    if table is not None:
        return table, "read"
    stated = _stated(Path(path))
    table = records_of(shard)
    if stated is None or stated != _stated(Path(path)):
        return table, "not kept: the shard cannot be looked at or changes"
    try:
        _write(file, table, stated)
    except OSError as error:
        return table, f"not kept: {error.strerror or error}"
    return table, f"made, {why}"


def write_index(shard: Path) -> Path:
    """Read a shard through and write its index beside it; return the index's path. Raises OSError where it cannot be written."""
    stated = _stated(shard)
    if stated is None:
        raise FileNotFoundError(2, "no such file", str(shard))
    file = Path(f"{shard}{ENDING}")
    _write(file, records_of(str(shard)), stated)
    return file


def said_of(words: Counter[str]) -> str:
    """How the indexes of shards were had, in a line.

    >>> said_of(Counter({"read": 1099, "made, was missing": 1}))
    'indexes of 1,100 shards: 1,099 read; 1 made, was missing'
    """
    told = "; ".join(f"{n:,} {word}" for word, n in words.most_common())
    return f"indexes of {words.total():,} shards: {told}"


def records_of(shard: str) -> pa.Table:
    """What an index holds, from the shard itself, which is read through twice: for its texts, and for the places of its members."""
    batches = list(_batches(WebDatasetSource([shard], name="", must_open=False), shard))
    return pa.Table.from_batches(batches, SCHEMA).unify_dictionaries()


def _batches(source: WebDatasetSource, shard: str) -> Iterator[pa.RecordBatch]:
    places = {member.name: member for member in reversed(index_shard(shard).members)}
    rows: list[dict[str, Any]] = []
    for record in source.records():
        member = record.uri.removeprefix(f"{shard}#") if record.uri != shard else ""
        place = places.get(member)
        ranks = [record.labels.get(rank) for rank in RANKS]
        rows.append(
            {
                "image_id": record.image_id,
                "member": member,
                "offset": 0 if place is None else place.offset,
                "size": -1 if place is None else place.size,
                "taxon": json.dumps(ranks, ensure_ascii=False) if any(ranks) else None,
                "common_name": record.labels.get("common_name"),
                "observation_id": record.labels.get("observation_id"),
                "licence": record.labels.get("licence"),
                "source": record.source or None,
                "problem": record.problem,
            }
        )
        if len(rows) == _BLOCK_ROWS:
            yield _batch(rows)
            rows = []
    yield _batch(rows)


def _batch(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    arrays = []
    for field in SCHEMA:
        values = pa.array([row[field.name] for row in rows], pa.string() if field.type == _WORDS else field.type)
        arrays.append(values.dictionary_encode() if field.type == _WORDS else values)
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _stated(shard: Path) -> dict[str, int] | None:
    """What an index says of its shard; None where the shard cannot be looked at."""
    try:
        found = shard.stat()
    except OSError:
        return None
    return {"format": FORMAT_VERSION, "shard_bytes": found.st_size, "shard_mtime_ns": found.st_mtime_ns}


def _write(file: Path, table: pa.Table, stated: dict[str, int]) -> None:
    schema = SCHEMA.with_metadata({_KEY: json.dumps(stated).encode()})
    # One batch: its dictionaries are then whole, and a file of Arrow may not change them from batch to batch.
    whole = table.combine_chunks().cast(schema)
    with replacing(file) as draft, pa.OSFile(os.fspath(draft), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(whole)


def _read(file: Path, shard: Path) -> tuple[pa.Table | None, str]:
    """The index, or nothing and why it does not count."""
    if not file.exists():
        return None, "was missing"
    try:
        with pa.memory_map(os.fspath(file)) as source:
            reader = pa.ipc.open_file(source)
            stated = json.loads((reader.schema.metadata or {})[_KEY])
            if stated["format"] != FORMAT_VERSION:
                return None, "was of another version"
            if stated != _stated(shard):
                return None, "was of another shard or of this one before it changed"
            if not reader.schema.equals(SCHEMA):
                return None, "could not be read"
            table = reader.read_all()
        table.validate()
    except (OSError, pa.ArrowException, ValueError, LookupError, TypeError):
        return None, "could not be read"
    if not _is_of(table, shard):
        return None, "was of another shard or of this one before it changed"
    return table, ""


def _is_of(table: pa.Table, shard: Path) -> bool:
    """Whether the headers before the first, the middle and the last picture say their sizes as the index does."""
    places = [
        (offset, size)
        for row in sorted({0, table.num_rows // 2, table.num_rows - 1})
        if 0 <= row < table.num_rows
        for offset, size in [(table["offset"][row].as_py(), table["size"][row].as_py())]
        if size >= 0
    ]
    with suppress(InputError), open_location(os.fspath(shard)) as stream:
        return all(_size_at(stream, offset) == size for offset, size in places)
    return False


def _size_at(stream: BinaryIO, offset: int) -> int | None:
    """Size that the header before a member's content says; None where no header is there."""
    stream.seek(max(0, offset - tarfile.BLOCKSIZE))
    try:
        return tarfile.TarInfo.frombuf(stream.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape").size
    except tarfile.HeaderError:
        return None
