"""Import: a store filled with vectors that were made elsewhere. It is the stored job, with vectors that come with the rows."""

import math
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int

from cladescope.embedding.backboned import BackboneLabels
from cladescope.embedding.columns import renamed_columns
from cladescope.embedding.job import Rehearsal, StoredJob
from cladescope.embedding.prepare import Failure
from cladescope.embedding.records import Record, id_of_uri
from cladescope.embedding.sources.rows import RowColumns, read_columns
from cladescope.embedding.sources.unit_vectors import unit_vectors
from cladescope.embedding.sources.vector_file import VectorFile, open_vectors
from cladescope.embedding.strict import backbone_doubt, refuse, refuse_renamed
from cladescope.embedding.summary import EmbedSummary, Progress
from cladescope.embedding.tables import table_of_columns
from cladescope.errors import InputError
from cladescope.index.literals import is_one_of
from cladescope.index.store import Store
from cladescope.shown import counted

__all__ = ["VectorFile", "import_vectors", "open_vectors"]

COMMIT_ROWS = 65536


def import_vectors(
    source: VectorFile,
    store: Store,
    *,
    labels: BackboneLabels | None = None,
    strict: bool = False,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> EmbedSummary:
    """Put every vector that the store does not hold yet into it, scaled to unit length.

    `labels` gives the rows the taxa of a backbone. A row whose vector is missing, has another length or no direction stands in `failures` with its reason. Rows stay Arrow
    from the file to the table; only failures become Python objects. Memory: `COMMIT_ROWS` rows with their vectors in
    float16, a batch of the file, and 16 bytes a stored row and as many a row of the file.

    With `strict` a row that a rule touched is an error: a word read as missing, a name respelt, a row refused.

    Raises InputError where the store's vectors have another length or the table's columns contradict the store's.
    """
    if source.dim != store.card.dim:
        raise InputError(
            f"{source.path} has vectors of {source.dim} numbers, the store of {store.card.dim}: use another store"
        )
    with store.writing():
        if strict:
            _rehearse(source, store, labels)
        job = StoredJob(
            store,
            extra_fields=source.plan.extra_fields,
            total=lambda: source.n_rows,
            commit_rows=COMMIT_ROWS,
            commit_seconds=math.inf,
            progress=progress,
        )
        differing = 0
        for batch, vectors in source.batches():
            if stop is not None and stop.is_set():
                job.summary.stopped = True
                break
            rows, failures, own, stored = _rows(source, batch, vectors, job, labels, strict=strict)
            differing += _differing(store, own, stored)
            job.add(rows, failures)
        job.commit()
    if differing:
        job.summary.notes += (
            f"{counted(differing, 'picture that is stored has', 'pictures that are stored have')} other labels in {source.path.name}: the store keeps its own; "
            "`relabel` takes over those of a table",
        )
    return job.summary


def _rehearse(source: VectorFile, store: Store, labels: BackboneLabels | None) -> None:
    """Read a source through, so that one which is refused adds nothing to the store. Raises InputError where a rule touches a row."""
    refuse_renamed(renamed_columns(source.plan.extra_fields))
    rehearsal = Rehearsal(store)
    for batch, vectors in source.batches():
        _rows(source, batch, vectors, rehearsal, labels, strict=True)
    if labels is not None:
        labels.start_over()


def _differing(store: Store, own: Mapping[str, pa.Array], stored: Int[np.ndarray, " s"]) -> int:
    """How many stored rows have another value than the file gives; what it does not give differs from nothing."""
    names = [name for name in own if name in store.schema.names and name not in ("image_id", "uri", "source")]
    if not len(stored) or not names:
        return 0
    given = pl.DataFrame({name: own[name].take(pa.array(stored)) for name in ("image_id", *names)})
    condition = is_one_of("image_id", given["image_id"].to_list())
    held = pa.Table.from_batches(store.scan(["image_id", *names], condition=condition)).select(["image_id", *names])
    both = given.join(pl.DataFrame(held), on="image_id", suffix=" stored")
    other = [
        pl.col(name).is_not_null()
        & (pl.col(name).cast(pl.String) != pl.col(f"{name} stored").cast(pl.String)).fill_null(True)
        for name in names
        if not both.schema[name].is_nested()
    ]
    return int(both.select(pl.any_horizontal(other).sum()).item()) if other else 0


def _rows(
    source: VectorFile,
    batch: pa.RecordBatch,
    vectors: pa.Array,
    job: StoredJob | Rehearsal,
    labels: BackboneLabels | None,
    *,
    strict: bool,
) -> tuple[pa.Table, list[Failure], Mapping[str, pa.Array], Int[np.ndarray, " s"]]:
    """Those rows of a batch that the store lacks, why others cannot be stored, all that the batch says, and which rows are stored."""
    columns = read_columns(batch, source.plan, source.missing)
    if strict:
        _refuse_touched(source, columns, job.summary.records)
    job.summary.missing.update(columns.missing.flatten().to_pylist())
    start = job.summary.records
    numbers = np.arange(start, start + batch.num_rows)
    uris = pc.coalesce(columns.path, _places(source.path, numbers))
    image_ids = _with_ids(columns.image_id, uris)
    named = columns.labels
    if labels is not None:
        named = labels.columns(columns.labels, batch.num_rows, image_ids.to_pylist())
        for row, one in enumerate(pa.table(named).to_pylist() if strict else ()):
            if doubt := backbone_doubt(one):
                refuse(f"row {start + row + 1} of {source.path}: {doubt}")
    checked = job.check(image_ids, uris, numbers + 1)
    job.summary.records += batch.num_rows
    job.summary.already_stored += int(checked.is_stored.sum())
    new = np.flatnonzero(checked.is_new)
    units, usable, reasons = unit_vectors(vectors.take(pa.array(new)), source.dim)
    stages = {row: ("identity", reason) for row, reason in checked.refused.items()}
    stages |= {int(new[row]): ("import", reason) for row, reason in reasons.items()}
    failures = []
    for row, (stage, reason) in sorted(stages.items()):
        uri = uris[row].as_py()
        record = Record(image_id=image_ids[row].as_py(), uri=uri, source=source.path.stem)
        failures.append(Failure(record, stage, reason))
    if strict and failures:
        refuse(f"{failures[0].record.uri}: refused: {failures[0].reason}")
    kept = pa.array(new[usable])
    job.summary.respelt += pc.sum(columns.respelt.take(kept)).as_py() or 0
    sources = columns.source.fill_null(source.path.stem)
    own = {"image_id": image_ids, "uri": uris, "source": sources, **named, **columns.extra}
    table = table_of_columns(
        {name: column.take(kept) for name, column in own.items()}, units.astype(np.float16), source.plan.extra_fields
    )
    return table, failures, own, np.flatnonzero(checked.is_stored)


def _refuse_touched(source: VectorFile, columns: RowColumns, start: int) -> None:
    """Raises InputError at the first row whose labels a rule touched."""
    whole = columns.labels.get("verbatim_name", pa.nulls(len(columns.respelt), pa.string()))
    rules = {
        "a word is read as missing": pc.greater(pc.list_value_length(columns.missing), 0),
        "a name of its taxon is taken apart": pc.is_valid(whole),
        "a name of its taxon is spelt otherwise in the store": columns.respelt,
    }
    for rule, touched in rules.items():
        if (row := pc.index(touched, True).as_py()) >= 0:
            refuse(f"row {start + row + 1} of {source.path}: {rule}")


def _places(path: Path, numbers: Int[np.ndarray, " n"]) -> pa.Array:
    """Addresses of rows that name none: their places in the file, from 0."""
    return pc.binary_join_element_wise(pa.scalar(f"{path}#row="), pa.array(numbers).cast(pa.string()), "")


def _with_ids(image_ids: pa.Array, uris: pa.Array) -> pa.Array:
    """The ids, and those that addresses give to rows that have none."""
    if not image_ids.null_count:
        return image_ids
    missing = image_ids.is_null()
    made = pa.array([id_of_uri(uri) for uri in uris.filter(missing).to_pylist()], pa.string())
    return pc.replace_with_mask(image_ids, missing, made)
