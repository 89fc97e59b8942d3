"""The first stage, `gather`: every record of every source as a row, as its source has it, in the order of the configuration.

No picture is opened. A record's number (`row`) is the same in all stages. Ids that come twice in a source are dropped but once; an id that two sources claim stops the job.
"""

import json
import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from cladescope.delimited.headers import squash
from cladescope.embedding.locations import local_path
from cladescope.embedding.record_columns import RecordColumns, columns_of
from cladescope.embedding.records import Record, Source, left_out_of, notes_of
from cladescope.embedding.sources import open_source
from cladescope.embedding.sources.walk import PICTURE_SUFFIXES
from cladescope.errors import CladescopeError, InputError
from cladescope.files import hash_file, write_json
from cladescope.steps import counted, counted_rows
from cladescope.taxonomy import RANKS
from cladescope.training.curation.camera_traps import deployment_column, kind_of_table, sequence_columns, sequence_of
from cladescope.training.curation.flow import Flow
from cladescope.training.curation.gather_columns import (
    PLAIN,
    address_of,
    as_json,
    changes,
    encoded,
    gathered,
    number_of,
    specimen_of,
)
from cladescope.training.curation.ids import id_in, id_of, ids_in, ids_of
from cladescope.training.curation.job import Job, Stage
from cladescope.training.curation.repeated_ids import drop_repeated
from cladescope.training.curation.sections import SourceConfig
from cladescope.training.curation.stored import StoreSource, is_store

T = TypeVar("T")
logger = logging.getLogger(__name__)

NO_PICTURE: Final = "names no picture that can be opened"
"""Nothing, what is not there (a link that leads nowhere), or what may not be opened (out of its archive, another scheme)."""
_TAKEN: Final = {
    "specimen_id": ("specimen_id", "sampleid", "processid", "catalognumber", "specimen"),
    "title": ("title", "picture_title"),
    "publisher": ("publisher", "institutioncode", "datasetname"),
    "basis_of_record": ("basisofrecord", "img_type", "imgtype"),
    "latitude": ("latitude", "decimallatitude", "coordlat", "lat"),
    "longitude": ("longitude", "decimallongitude", "coordlon", "lon", "lng", "long"),
    "source_url": ("source_url", "mediumsourceurl", "references", "occurrenceurl"),
    "recorded": ("recorded", "eventdate", "observedon", "date", "datecaptured", "datetime", "timestamp"),
}
"""Own columns of sources, the preferred first, that stand for columns of this stage; names are compared without case and signs."""


def gather(job: Job) -> None:
    """Gather all records. Memory: a part, and 16 bytes a record at the end, when repeated ids are sought.

    Raises InputError where a source cannot be opened or breaks off (what was gathered stays), changed since it was begun, has no value in the column
    that `specimen` names, or where two sources claim one id.
    """
    sources = job.config.sources
    with job.stage("gather", settings_of(job)) as stage:
        if stage.is_done:
            return
        said = _gathered(job, stage, sources)
        _check_specimens(job)
        stage.more["sources"] = said
        drop_repeated(job, stage)


def settings_of(job: Job) -> dict[str, Any]:
    """What decides the stage: the sources, with the content of files, and the names of pictures in folders; what the data set itself holds is none of these.

    Reads each file whole, a gigabyte a second or so, and the names in folders, at every run.
    """
    told = {}
    for one in job.config.sources:
        path = local_path(one.path)
        file = Path(path) if path is not None else None
        is_file = file is not None and file.is_file()
        told[one.name] = {
            **asdict(one),
            "content": hash_file(file) if file is not None and is_file else None,
            "pictures": pictures_in(file, job.out) if file is not None and file.is_dir() else None,
        }
    return {
        "order": list(told),
        "sources": told,
        "part_rows": job.part_rows,
        "contradiction": job.config.duplicates.contradiction,
    }


def pictures_in(folder: Path, but: Path) -> str:
    """How many files named as pictures a folder has, and a hash of their names; those below `but` aside."""
    apart = but.absolute()
    n, digest = 0, blake2b(digest_size=16)
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if Path(place, name).absolute() != apart)
        for name in sorted(name for name in files if Path(name).suffix.lower() in PICTURE_SUFFIXES):
            name_within = Path(place, name).relative_to(folder).as_posix()
            digest.update(f"{name_within}\0".encode("utf-8", "surrogateescape"))
            n += 1
    return f"{n:,} with names of hash {digest.hexdigest()}"


def opened(source: SourceConfig) -> Source:
    """The source that a section of the configuration means. Raises what `open_source` and `Store.open` raise."""
    if is_store(source.path):
        if source.labels_from:
            raise InputError(f"{source.path} is a store, which has its labels: leave sources.labels_from out")
        return StoreSource(source.path, name=source.name)
    return open_source(source.path, name=source.name, labels_from=source.labels_from or None)


@dataclass(eq=False)
class _Parts:
    """The rows that are not written yet, fewer than a part has."""

    job: Job
    stage: Stage
    part: int
    tables: list[pa.Table] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    changed: Flow = field(default_factory=Flow)
    n_rows: int = 0

    @property
    def row(self) -> int:
        """Number of the next row."""
        return self.part * self.job.part_rows + self.n_rows

    @property
    def room(self) -> int:
        """Rows that the part lacks."""
        return self.job.part_rows - self.n_rows

    def add(self, found: pa.Table | dict[str, Any], source: SourceConfig, words: Mapping[str, int]) -> None:
        """Take a row, or a table of no more rows than there is room for."""
        if isinstance(found, dict):
            self.rows.append(found)
            self.n_rows += 1
        else:
            self._settle()
            self.tables.append(found)
            self.n_rows += found.num_rows
        self.changed.changed.update({(source.name, word): n for word, n in words.items()})
        if not self.room:
            self.write()

    def _settle(self) -> None:
        if self.rows:
            self.tables.append(pa.Table.from_pylist(self.rows, schema=PLAIN))
            self.rows = []

    def write(self) -> None:
        """Write the part."""
        self._settle()
        self.stage.write(self.part, encoded(self.tables), self.changed)
        self.part, self.tables, self.changed, self.n_rows = self.part + 1, [], Flow(), 0


def _gathered(job: Job, stage: Stage, sources: tuple[SourceConfig, ...]) -> dict[str, Any]:
    """Write all parts that are not there; what each source says of itself."""
    begun, (first, skip) = _where_to_go_on(job, sources)
    parts = _Parts(job, stage, begun)
    for number, source in enumerate(sources):
        if number < first:
            continue
        reader = opened(source)
        n_skipped = skip if number == first else 0
        columns = columns_of(reader)
        if columns is None:
            _take_records(reader, source, n_skipped, parts)
        else:
            _take_columns(columns, source, n_skipped, parts)
        told = {"left_out": dict(left_out_of(reader)), "notes": list(notes_of(reader))}
        write_json(_said_file(stage, number), told)
    if not parts.row:
        names = ", ".join(source.name for source in sources)
        raise InputError(f"found no record in the sources ({names}): expected pictures")
    if parts.n_rows:
        parts.write()
    return {one.name: json.loads(_said_file(stage, number).read_text()) for number, one in enumerate(sources)}


def _check_specimens(job: Job) -> None:
    """Raises InputError where no record of a source has the column that the configuration names for its specimens."""
    named = {one.name: one.specimen for one in job.config.sources if one.specimen}
    if not named:
        return
    met = set[str]()
    for table in job.scan("gather", ["source", "specimen_id"]):
        met.update(table["source"].filter(pc.is_valid(table["specimen_id"])).cast(pa.string()).unique().to_pylist())
    for name in (name for name in named if name not in met):
        raise InputError(
            f"no record of source {name} has a value in {named[name]!r}, which sources.specimen names: "
            "give a column as the source writes it, which is not read as the picture's id or a label already, or leave it out"
        )


def _take_records(reader: Source, source: SourceConfig, n_skipped: int, parts: _Parts) -> None:
    """Add the records of a source, but those that were gathered before."""
    records = counted(islice(reader.records(), source.limit or None), f"gathering {source.name}")
    for record, found in enumerate(_told(records, source)):
        if record == n_skipped - 1:
            _check_same(parts, id_in(found, source), source)
        if record >= n_skipped:
            parts.add(row_of(found, source, parts.row, record), source, Counter(_changes(found)))


def _take_columns(columns: Iterator[RecordColumns], source: SourceConfig, n_skipped: int, parts: _Parts) -> None:
    """As `_take_records`, of a source that gives its records as columns."""
    record = 0
    for block in _told(counted_rows(columns, f"gathering {source.name}"), source):
        n_rows = min(block.num_rows, source.limit - record) if source.limit else block.num_rows
        if record < n_skipped <= record + n_rows:
            _check_same(parts, ids_in(block.slice(n_skipped - 1 - record, 1), source)[0], source)
        at = min(max(n_skipped - record, 0), n_rows)
        while at < n_rows:
            piece = block.slice(at, min(parts.room, n_rows - at))
            table, words = table_of(piece, source, parts.row, record + at)
            parts.add(table, source, words)
            at += piece.num_rows
        record += n_rows
        if source.limit and record == source.limit:
            return


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


def _told(records: Iterator[T], source: SourceConfig) -> Iterator[T]:
    """The records; what goes wrong names the source, and that what is there stays."""
    try:
        yield from records
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


def _check_same(parts: _Parts, image_id: str, source: SourceConfig) -> None:
    """Raises InputError where the last record that was gathered before is another one now."""
    job = parts.job
    last = job.read("gather", parts.part - 1, ["image_id"]).slice(job.part_rows - 1)["image_id"][0].as_py()
    if last != image_id:
        raise InputError(
            f"source {source.name} is not what it was when {job.out} was begun (record {last!r} is now {image_id!r}): "
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
    image_id = id_in(record, source)
    return {
        "row": row,
        "id": id_of(source.name, image_id),
        "source": source.name,
        "record": number,
        "image_id": image_id,
        "uri": record.uri,
        **{f"written_{rank}": labels.get(rank) for rank in RANKS},
        "written_common_name": labels.get("common_name"),
        "observation_id": labels.get("observation_id"),
        "sequence_id": sequence_of(_text(taken["sequence"]), _text(taken["deployment"])),
        "specimen_id": specimen_of(_text(taken["specimen_id"])),
        "licence": labels.get("licence") or source.licence or None,
        "rights_holder": labels.get("rights_holder") or source.rights_holder or None,
        "title": _text(taken["title"]),
        "publisher": source.publisher or _text(taken["publisher"]),
        "basis_of_record": _text(taken["basis_of_record"]),
        "kind": source.kind or kind_of_table(tuple(own)),
        "latitude": _coordinate(taken["latitude"]),
        "longitude": _coordinate(taken["longitude"]),
        "recorded": _text(taken["recorded"]),
        "source_url": address_of(_text(taken["source_url"])),
        "raw": json.dumps(raw, ensure_ascii=False, default=str),
        "as_written": as_json(record.written),
        "dropped": NO_PICTURE if record.problem is not None or not record.uri else None,
    }


def table_of(columns: RecordColumns, source: SourceConfig, row: int, number: int) -> tuple[pa.Table, Counter[str]]:
    """As `row_of` for records as columns, of which the first is that number; and what was done to labels, in words."""
    image_ids = ids_in(columns, source)
    made = gathered(
        columns,
        row=row,
        record=number,
        source=source.name,
        ids=ids_of(source, image_ids),
        image_ids=image_ids,
        places=_places(tuple(columns.extra), source.specimen),
        defaults={"licence": source.licence, "rights_holder": source.rights_holder, "publisher": source.publisher},
        kind=source.kind or kind_of_table(tuple(columns.extra)),
        no_picture=NO_PICTURE,
    )
    return made, changes(columns)


@lru_cache(maxsize=64)
def _places(columns: tuple[str, ...], specimen: str) -> dict[str, tuple[str, ...]]:
    """Own columns of a source that stand for columns of this stage, the preferred first."""
    by_name = {squash(name): name for name in columns}
    wanted = {**_TAKEN, "specimen_id": (specimen,)} if specimen else _TAKEN
    found = {
        column: tuple(by_name[squash(name)] for name in names if squash(name) in by_name)
        for column, names in wanted.items()
    }
    return {**found, "sequence": sequence_columns(columns), "deployment": deployment_column(columns)}


def _first(own: Mapping[str, object], names: tuple[str, ...]) -> object:
    return next((own[name] for name in names if own[name] not in (None, "")), None)


def _text(value: object) -> str | None:
    text = "" if value is None else str(value).strip()
    return text or None


def _coordinate(value: object) -> float | None:
    return None if value is None else number_of(str(value))
