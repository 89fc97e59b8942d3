"""The shards: WebDataset in TreeOfLife's layout, each from the table of its pictures alone.

A sample is `ID.jpg`, the ten texts of BioCLIP's `make_wds.py`, `ID.json` with source, observation, licence and rights holder, and `ID.txt`, which says what
`sci_com.txt` says: stock open_clip reads no other. Beside the shards of a split stands `sizes.json`, by which open_clip knows their numbers.
"""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from cladescope.embedding.locations import read_bytes
from cladescope.embedding.regions import split_region
from cladescope.errors import InputError, PictureError, StoreError
from cladescope.files import replacing, write_json
from cladescope.taxonomy import RANKS, Taxon
from cladescope.training.curation.job import Job
from cladescope.training.curation.out.plan import planned
from cladescope.training.data.shard_index import read_span
from cladescope.training.data.shard_sample import END, in_shard, sample_of, texts_of

BESIDE: Final = {
    "source": "source", "source_id": "image_id", "source_url": "source_url", "observation_id": "observation_id", "specimen_id": "specimen_id",
    "licence": "licence", "rights_holder": "rights_holder", "title": "title", "publisher": "publisher", "common_name": "common_name",
}  # fmt: skip
"""What `ID.json` says, and the column that it is from."""
_AHEAD: Final = 64


class _Written(NamedTuple):
    """A shard that is to be written: the table of its pictures, its place, and where is put what is known of it."""

    table: Path
    path: Path
    note: Path


def write_all(job: Job, plan: Path, out: Path, done: Path) -> None:
    """Write the shards of a plan into `out/SPLIT/`, those that are not there yet, and what is known of each into `done/SPLIT/SHARD.json`.

    The bytes depend on the plan and `out.size` alone. As many threads as `workers` read, decode and encode pictures. Memory: the table of a shard (some 10 MB
    for 10,000 pictures) and `workers` decoded and 64 encoded pictures. Shards that are in no plan are removed.

    Raises InputError where a picture can no longer be read: nothing is left out in silence, and what is written stays; StoreError where the disk is full or
    cannot be written.
    """
    shards = [
        (split, name, _Written(table, out / split / f"{name}.tar", done / split / f"{name}.json"))
        for split, name, table in planned(plan)
    ]
    try:
        _clear(out, {f"{split}/{name}.tar" for split, name, _ in shards})
        unmade = [one for _, _, one in shards if not is_whole(one.path, one.note)]
        job.each(partial(_write, job), unmade, "writing shards")
        for split in dict.fromkeys(split for split, _, _ in shards):
            notes = {name: json.loads(one.note.read_text()) for part, name, one in shards if part == split}
            write_json(out / split / "sizes.json", {f"{name}.tar": note["samples"] for name, note in notes.items()})
    except OSError as error:
        raise StoreError(
            f"cannot write shards into {out} ({error.strerror or error}): make room and run it again, what is there stays"
        ) from error


def is_whole(path: Path, note: Path) -> bool:
    """Whether a shard is there, as long as its note says."""
    return (
        note.exists()
        and path.exists()
        and bool(path.stat().st_size == json.loads(note.read_text(encoding="utf-8"))["bytes"])
    )


def _clear(out: Path, wanted: set[str]) -> None:
    """Remove shards of an earlier plan, and folders of splits that are no more."""
    for path in out.glob("*/shard-*.tar*"):
        if f"{path.parent.name}/{path.name.removesuffix('.arrow')}" not in wanted:
            path.unlink()
    splits = {place.partition("/")[0] for place in wanted}
    for sizes in (one for one in out.glob("*/sizes.json") if one.parent.name not in splits):
        sizes.unlink()
        if not any(sizes.parent.iterdir()):
            sizes.parent.rmdir()


def _write(job: Job, shard: _Written) -> None:
    """Write one shard, whole or not at all; then its number of samples and of bytes, and the BLAKE2b of these."""
    shard.path.parent.mkdir(parents=True, exist_ok=True)
    shard.note.parent.mkdir(parents=True, exist_ok=True)
    table = pq.read_table(shard.table)
    digest = blake2b(digest_size=16)
    n_bytes = 0
    with replacing(shard.path) as draft, draft.open("wb") as stream, ThreadPoolExecutor(job.config.workers) as pool:
        for block in chain(_samples(table, job.config.out.size, pool), (END,)):
            stream.write(block)
            digest.update(block)
            n_bytes += len(block)
        stream.flush()
    write_json(shard.note, {"samples": table.num_rows, "bytes": n_bytes, "blake2b": digest.hexdigest()})


def _samples(table: pa.Table, size: int, pool: ThreadPoolExecutor) -> Iterator[bytes]:
    """Samples in the table's order, a few ahead of the writer."""
    for batch in table.to_batches(max_chunksize=_AHEAD):
        yield from pool.map(partial(_sample, size=size), batch.to_pylist())


def _sample(row: Mapping[str, Any], size: int) -> bytes:
    """The members of one sample."""
    parent, box = split_region(row["picture_at"])
    try:
        content = read_bytes(parent) if row["shard"] is None else read_span(row["shard"], row["offset"], row["size"])
        if box is None and blake2b(content, digest_size=16).hexdigest() != row["content_hash"]:
            raise PictureError("its bytes are others than those that were looked at")
        content, ending = in_shard(content, parent, size or None, box)
    except PictureError as error:
        raise InputError(
            f"picture {row['id']} of {row['source']} can no longer be read ({error}): put {parent} back as it was and run it again, "
            "or curate into another folder to leave it out"
        ) from error
    taxon = Taxon.from_ranks({rank: row[rank] for rank in RANKS})
    if taxon is None:
        raise InputError(
            f"picture {row['id']} of {row['source']} has no name at any rank: drop such pictures by names.least_rank"
        )
    beside = {name: row[column] for name, column in BESIDE.items()}
    return sample_of(row["id"], (ending, content), _texts(taxon.path, row["common_name"]), beside)


@lru_cache(maxsize=4096)
def _texts(path: tuple[str | None, ...], common_name: str | None) -> dict[str, str]:
    """The texts of a sample; the path is as it is spelt, since equal taxa may be spelt apart."""
    texts = texts_of(Taxon(path), common_name)
    return {**texts, "txt": texts["sci_com.txt"]}
