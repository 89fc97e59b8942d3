"""Which pictures go into which shard, settled before any is written: a table for each shard, so that shards are written alone and in any order.

The pictures of a split are put in an order drawn from their ids (BLAKE2b), so that taxa are mixed, and cut into shards. DuckDB sorts them, on disk where
they do not fit: memory is a part of the stages' tables and `database.MEMORY`, disk about 700 bytes a picture.
"""

import shutil
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cladescope.errors import StoreError
from cladescope.files import replacing, write_json
from cladescope.taxonomy import RANKS
from cladescope.training.curation.job import Job
from cladescope.training.curation.out.database import database, place_of
from cladescope.training.curation.places import place_within, web_address
from cladescope.training.data.shard_places import find_spans

SPLITS: Final = ("train", "val", "test", "test_species")
"""The splits, in the order of the catalogue."""
_OF_STAGES: Final = {
    "gather": (
        *("row", "id", "source", "image_id", "uri", "observation_id", "specimen_id", "licence", "rights_holder"),
        *("title", "publisher", "basis_of_record", "source_url"),
    ),
    "names": (*RANKS, "common_name", "common_name_from", "common_name_rank", "taxon_match"),
    "screen": ("licence_kind",),
    "look": ("picture_at", "content_hash", "md5", "width", "height"),
    "flag": ("kind", "kind_confidence", "people"),
    "single": ("cluster",),
    "split": ("split", "is_train_small"),
}
"""Columns of the stages that what is written is made of."""
_ROWS: Final = 8192


def kept(job: Job, part: int) -> pa.Table:
    """The pictures of a part that are in the data set: the columns of `_OF_STAGES`, words as texts, and their places.

    `source_url` is the picture's address on the web, of a local one what its source says of it, `local_place` its place within the source (`places`), `shard`, `offset` and `size` the bytes of a tar file that
    `picture_at` means, and `drawn` what the order is drawn from.
    """
    is_in = job.is_in("split", part)
    columns = {}
    for stage, names in _OF_STAGES.items():
        table = job.read(stage, part, names).filter(is_in)
        for name in names:
            values = table[name]
            columns[name] = values.cast(pa.string()) if pa.types.is_dictionary(values.type) else values
    found = {*columns["split"].unique().to_pylist()}
    assert found <= {*SPLITS}, f"part {part} has pictures whose split is none of {SPLITS}: {found}"
    paths = {one.name: one.path for one in job.config.sources}
    uris, sources = columns["uri"].to_pylist(), columns["source"].to_pylist()
    spans = find_spans(columns["picture_at"].to_pylist())
    columns["source_url"] = pc.coalesce(pa.array(map(web_address, uris), pa.string()), columns["source_url"])
    columns["local_place"] = pa.array(
        [place_within(uri, paths.get(source, "")) for uri, source in zip(uris, sources, strict=True)], pa.string()
    )
    columns["shard"] = pa.array([None if span is None else span[0] for span in spans], pa.string())
    columns["offset"] = pa.array([0 if span is None else span[1] for span in spans], pa.int64())
    columns["size"] = pa.array([0 if span is None else span[2] for span in spans], pa.int64())
    digests = [blake2b(one.encode(), digest_size=16).digest() for one in columns["id"].to_pylist()]
    columns["drawn"] = pa.array(digests, pa.binary())
    return pa.table(columns).drop_columns(["uri"])


def make_plan(job: Job) -> Path:
    """Write `work/write/plan/SPLIT/shard-%06d.parquet`, the pictures of each shard in their order, and `plan.json`; return the folder. Done once.

    Raises StoreError where the disk is full or cannot be written.
    """
    folder = job.work / "write" / "plan"
    unsorted = job.work / "write" / "unsorted"
    if (folder / "plan.json").exists():
        shutil.rmtree(unsorted, ignore_errors=True)
        return folder
    try:
        for part in range(job.n_parts):
            path = unsorted / f"part-{part:06d}.parquet"
            if not path.exists():
                unsorted.mkdir(parents=True, exist_ok=True)
                with replacing(path) as draft:
                    pq.write_table(kept(job, part), draft, compression="zstd")
        with replacing(folder) as draft:
            draft.mkdir(parents=True)
            counts = _write_shards(unsorted, draft, job.config.out.samples_per_shard)
            write_json(draft / "plan.json", {"splits": counts, "pictures": sum(sum(one) for one in counts.values())})
        shutil.rmtree(unsorted)
    except OSError as error:
        raise StoreError(
            f"cannot write into {job.work / 'write'} ({error.strerror or error}): make room and run it again, what is there stays"
        ) from error
    return folder


def _write_shards(unsorted: Path, folder: Path, most: int) -> dict[str, list[int]]:
    """Cut the sorted pictures into shards; the number in each, by split."""
    counts: dict[str, list[int]] = {}
    for split in SPLITS:
        counts[split] = []
        (folder / split).mkdir()
        for table in _cut(_sorted(unsorted, split, folder), most):
            path = folder / split / f"shard-{len(counts[split]):06d}.parquet"
            pq.write_table(table, path, compression="zstd")
            counts[split].append(table.num_rows)
    return counts


def _sorted(unsorted: Path, split: str, folder: Path) -> Iterator[pa.RecordBatch]:
    """The pictures of a split in the order drawn."""
    files = [place_of(path) for path in sorted(unsorted.glob("part-*.parquet"))]
    query = "SELECT * FROM read_parquet(?) WHERE split = ? ORDER BY drawn, id"
    with database(folder / "spilled") as connection:
        if files:
            yield from connection.sql(query, params=[files, split]).to_arrow_reader(_ROWS)


def _cut(batches: Iterator[pa.RecordBatch], most: int) -> Iterator[pa.Table]:
    """Tables of `most` rows each, and what is left over."""
    waiting: list[pa.RecordBatch] = []
    n = 0
    for batch in batches:
        while batch.num_rows:
            taken = batch.slice(0, most - n)
            waiting.append(taken)
            n += taken.num_rows
            batch = batch.slice(taken.num_rows)
            if n == most:
                yield pa.Table.from_batches(waiting)
                waiting, n = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting)


def planned(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Split and name of each shard, and the table of its pictures, in the order of the catalogue."""
    for split in SPLITS:
        for path in sorted((folder / split).glob("shard-*.parquet")):
            yield split, path.stem, path
