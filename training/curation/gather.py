"""The first stage, `gather`: every record of every source as a row, as its source has it, in the order of the configuration.

No picture is opened. A record's number (`row`) is the same in all stages. Ids that come twice in a source are dropped but once; an id that two sources claim stops the job.
"""

import json
import logging
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int, UInt64

from cladescope.delimited.headers import squash
from cladescope.embedding.locations import canonical, local_path
from cladescope.embedding.records import Record, Source, id_of_uri, left_out_of, notes_of
from cladescope.embedding.sources import open_source
from cladescope.errors import CladescopeError, InputError
from cladescope.files import write_json
from cladescope.steps import counted
from cladescope.taxonomy import RANKS
from cladescope.training.curation.columns import GATHERED
from cladescope.training.curation.flow import Flow, carried
from cladescope.training.curation.job import Job, Stage
from cladescope.training.curation.sections import SourceConfig
from cladescope.training.curation.stored import StoreSource, is_store

logger = logging.getLogger(__name__)

NAMESPACE: Final = uuid.UUID("8f6d1f0e-2f6c-5a43-9a53-7c1adebadeca")
"""Of the UUIDs that are made of a source's name and an id."""
REPEATED: Final = "its id came before in the source"
NO_PICTURE: Final = "names no picture"
_TAKEN: Final = {
    "specimen_id": ("specimen_id", "sampleid", "processid", "catalognumber", "specimen"),
    "title": ("title", "picture_title"),
    "publisher": ("publisher", "institutioncode", "datasetname"),
    "basis_of_record": ("basisofrecord", "img_type", "imgtype"),
    "latitude": ("latitude", "decimallatitude"),
    "longitude": ("longitude", "decimallongitude"),
    "recorded": ("recorded", "eventdate", "observedon", "date", "datecaptured", "timestamp"),
}
"""Own columns of sources, the preferred first, that stand for columns of this stage; names are compared without case and signs."""


def gather(job: Job) -> None:
    """Gather all records. Memory: a part, and 16 bytes a record at the end, when repeated ids are sought.

    Raises InputError where a source cannot be opened or breaks off (what was gathered stays), changed since it was begun, or where two
    sources claim one id.
    """
    sources = job.config.sources
    with job.stage("gather", settings_of(job)) as stage:
        if stage.is_done:
            return
        said = _gathered(job, stage, sources)
        stage.more["sources"] = said
        _drop_repeated(job, stage)


def settings_of(job: Job) -> dict[str, Any]:
    """What decides the stage: the sources, and for files how large they are and when they were changed."""
    told = {}
    for one in job.config.sources:
        path = local_path(one.path)
        file = Path(path) if path is not None else None
        is_file = file is not None and file.is_file()
        about = file.stat() if file is not None and is_file else None
        told[one.name] = {
            **asdict(one),
            "bytes_and_time": None if about is None else [about.st_size, about.st_mtime_ns],
        }
    return {"order": list(told), "sources": told, "part_rows": job.part_rows}


def opened(source: SourceConfig) -> Source:
    """The source that a section of the configuration means. Raises what `open_source` and `Store.open` raise."""
    if is_store(source.path):
        if source.labels_from:
            raise InputError(f"{source.path} is a store, which has its labels: leave sources.labels_from out")
        return StoreSource(source.path, name=source.name)
    return open_source(source.path, name=source.name, labels_from=source.labels_from or None)


def _gathered(job: Job, stage: Stage, sources: tuple[SourceConfig, ...]) -> dict[str, Any]:
    """Write all parts that are not there; what each source says of itself."""
    begun, (first, skip) = _where_to_go_on(job, sources)
    rows: list[dict[str, Any]] = []
    changed = Flow()
    part, start = begun, begun * job.part_rows
    for number, source in enumerate(sources):
        if number < first:
            continue
        reader = opened(source)
        records = islice(reader.records(), source.limit or None)
        n_skipped = skip if number == first else 0
        for record, found in enumerate(_told(records, source)):
            if record < n_skipped - 1:
                continue
            if record == n_skipped - 1:
                _check_same(job, begun, found, source)
                continue
            rows.append(row_of(found, source, start + len(rows), record))
            changed.changed.update((source.name, word) for word in _changes(found))
            if len(rows) == job.part_rows:
                stage.write(part, _table(rows), changed)
                part, start, rows, changed = part + 1, start + job.part_rows, [], Flow()
        told = {"left_out": dict(left_out_of(reader)), "notes": list(notes_of(reader))}
        write_json(_said_file(stage, number), told)
    if rows or not part:
        if not rows:
            names = ", ".join(source.name for source in sources)
            raise InputError(f"found no record in the sources ({names}): expected pictures")
        stage.write(part, _table(rows), changed)
    return {one.name: json.loads(_said_file(stage, number).read_text()) for number, one in enumerate(sources)}


def _said_file(stage: Stage, number: int) -> Path:
    """What a source said of how it was read, once it was read to its end."""
    return stage.folder / f"said-{number:03d}.json"


def _changes(record: Record) -> Iterator[str]:
    """What was done to a record's labels where they were read, in words."""
    if record.respelt:
        yield "name respelt"
    if record.labels.get("inferred"):
        yield "ranks inferred from the names of folders"
    for word in record.missing:
        yield f"{word!r} read as not known"


def _told(records: Iterator[Record], source: SourceConfig) -> Iterator[Record]:
    """The records, told as a step; what goes wrong names the source, and that what is there stays."""
    try:
        yield from counted(records, f"gathering {source.name}")
    except CladescopeError as error:
        raise InputError(
            f"source {source.name} breaks off: {error} (what was gathered stays: bring it back and run the same command again)"
        ) from error
    except OSError as error:
        raise InputError(
            f"source {source.name} breaks off: {error.strerror or error} (what was gathered stays: bring it back and run the same command again)"
        ) from error


def _where_to_go_on(job: Job, sources: tuple[SourceConfig, ...]) -> tuple[int, tuple[int, int]]:
    """The first part to write, and where its records begin: number of the source, and its records before that."""
    n_parts = job.n_parts
    while n_parts and job.read("gather", n_parts - 1, ["row"]).num_rows < job.part_rows:
        n_parts -= 1  # the last part may be short; a source may have grown where the job was cut short before its end
    if not n_parts:
        return 0, (0, 0)
    last = job.read("gather", n_parts - 1, ["source", "record"]).slice(job.part_rows - 1)
    name, record = last["source"][0].as_py(), last["record"][0].as_py()
    number = next((number for number, source in enumerate(sources) if source.name == name), None)
    if number is None:
        raise InputError(f"{job.out} was begun with a source {name}: put it back, or curate into another folder")
    return n_parts, (number, record + 1)


def _check_same(job: Job, begun: int, record: Record, source: SourceConfig) -> None:
    """Raises InputError where the last record that was gathered before is another one now."""
    last = job.read("gather", begun - 1, ["image_id"]).slice(job.part_rows - 1)["image_id"][0].as_py()
    if last != record.image_id:
        raise InputError(
            f"source {source.name} is not what it was when {job.out} was begun (record {last!r} is now {record.image_id!r}): "
            "bring it back, or curate into another folder"
        )


def row_of(record: Record, source: SourceConfig, row: int, number: int) -> dict[str, Any]:
    """A record as a row of this stage."""
    labels, own = record.labels, record.extra
    taken = {column: _first(own, names) for column, names in _places(tuple(own), source.specimen).items()}
    raw = {
        **{name: value for name, value in labels.items() if value is not None},
        **{name: value for name, value in record.extra.items() if value is not None},
    }
    return {
        "row": row,
        "id": id_of(source.name, _lasting_id(record, source)),
        "source": source.name,
        "record": number,
        "image_id": record.image_id,
        "uri": record.uri,
        **{f"written_{rank}": labels.get(rank) for rank in RANKS},
        "written_common_name": labels.get("common_name"),
        "observation_id": labels.get("observation_id"),
        "specimen_id": _text(taken["specimen_id"]),
        "licence": labels.get("licence") or source.licence or None,
        "rights_holder": labels.get("rights_holder") or source.rights_holder or None,
        "title": _text(taken["title"]),
        "publisher": source.publisher or _text(taken["publisher"]),
        "basis_of_record": _text(taken["basis_of_record"]),
        "latitude": _number(taken["latitude"]),
        "longitude": _number(taken["longitude"]),
        "recorded": _text(taken["recorded"]),
        "raw": json.dumps(raw, ensure_ascii=False, default=str),
        "dropped": NO_PICTURE if record.problem is not None or not record.uri else None,
    }


def _lasting_id(record: Record, source: SourceConfig) -> str:
    """The id of a record, which is the same wherever the source's folder lies: where it is made of an address, that within the folder."""
    if record.image_id != id_of_uri(record.uri):
        return record.image_id
    place = canonical(source.path).rstrip("/")
    within = record.uri.removeprefix(f"{place}/")
    # A table names pictures from the folder that it lies in.
    return within if within != record.uri else record.uri.removeprefix(f"{place.rpartition('/')[0]}/")


def id_of(source: str, image_id: str) -> str:
    """The UUID of a picture: its own id where that is one, else made of its source's name and its id.

    >>> id_of("eol", "3F2504E0-4F89-41D3-9A0C-0305E82C3301")
    '3f2504e0-4f89-41d3-9a0c-0305e82c3301'
    >>> id_of("eol", "17") == id_of("eol", "17"), id_of("eol", "17") == id_of("gbif", "17")
    (True, False)
    """
    if len(image_id) == 36 and image_id.count("-") == 4:
        try:
            return str(uuid.UUID(image_id))
        except ValueError:
            pass
    return str(uuid.uuid5(NAMESPACE, f"{source}/{image_id}"))


@lru_cache(maxsize=64)
def _places(columns: tuple[str, ...], specimen: str) -> dict[str, tuple[str, ...]]:
    """Own columns of a source that stand for columns of this stage, the preferred first."""
    by_name = {squash(name): name for name in columns}
    wanted = {**_TAKEN, "specimen_id": (specimen,)} if specimen else _TAKEN
    return {
        column: tuple(by_name[squash(name)] for name in names if squash(name) in by_name)
        for column, names in wanted.items()
    }


def _first(own: Mapping[str, object], names: tuple[str, ...]) -> object:
    return next((own[name] for name in names if own[name] not in (None, "")), None)


def _text(value: object) -> str | None:
    text = "" if value is None else str(value).strip()
    return text or None


def _number(value: object) -> float | None:
    try:
        return None if value is None else float(str(value))
    except ValueError:
        return None


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    columns = []
    for field in GATHERED:
        values = [row[field.name] for row in rows]
        if field.name == "dropped":
            columns.append(carried("gather", None, values))
        elif pa.types.is_dictionary(field.type):
            columns.append(pa.array(values, pa.string()).dictionary_encode())
        else:
            columns.append(pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=GATHERED)


def _drop_repeated(job: Job, stage: Stage) -> None:
    """Drop records whose id came before in their source.

    Raises InputError where an id is of two sources.
    """
    halves = []
    for table in job.scan("gather", ["id"]):
        text = pc.replace_substring(table["id"], "-", "")
        halves += [_low_half(text)]
    low: UInt64[np.ndarray, " n"] = np.concatenate(halves)
    order = np.argsort(low, kind="stable")
    same = np.flatnonzero(low[order][1:] == low[order][:-1])
    # Half of an id may be shared by chance: the rows are looked at whole.
    suspects = np.unique(np.concatenate([order[same], order[same + 1]]))
    first: dict[str, str] = {}
    again: dict[int, list[int]] = {}
    for part, rows in _by_part(suspects, job.part_rows):
        some = job.read("gather", part, ["id", "source", "image_id"]).take(pa.array(rows))
        for row, one in zip(rows.tolist(), some.to_pylist(), strict=True):
            owner = first.get(one["id"])
            if owner is None:
                first[one["id"]] = one["source"]
            elif owner != one["source"]:
                raise InputError(
                    f"the sources {owner} and {one['source']} both claim the id {one['image_id']}: "
                    "leave out one of the two, or limit what they hold to pictures of their own"
                )
            else:
                again.setdefault(part, []).append(row)
    _mark(stage, again, job)


def _mark(stage: Stage, again: Mapping[int, list[int]], job: Job) -> None:
    for part, rows in again.items():
        table = job.read("gather", part)
        reasons: list[str | None] = [None] * table.num_rows
        for row in rows:
            reasons[row] = REPEATED
        dropped = carried("gather", table["dropped"], reasons)
        stage.write(part, table.set_column(table.column_names.index("dropped"), GATHERED.field("dropped"), dropped))


def _by_part(rows: Int[np.ndarray, " s"], part_rows: int) -> Iterator[tuple[int, Int[np.ndarray, " p"]]]:
    """Rows by the part that they are in, as numbers within it."""
    parts = rows // part_rows
    for part in np.unique(parts).tolist():
        yield part, (rows[parts == part] - part * part_rows).astype(np.int64)


def _low_half(texts: pa.ChunkedArray) -> UInt64[np.ndarray, " n"]:
    """The lower eight bytes of UUIDs in hexadecimal digits."""
    whole = "".join(texts.to_pylist())
    found: UInt64[np.ndarray, " n"] = np.frombuffer(bytes.fromhex(whole), ">u8").reshape(-1, 2)[:, 1].astype(np.uint64)
    return found
