"""The tables of the data set: catalogue and provenance with TreeOfLife's columns, licences by number, and what was left out and why.

Pictures come in the order of the shards. Memory: the table of one shard at a time; the counts of holders and licences; and for `dropped.parquet`
a part at a time and 44 bytes for each picture that another is kept in place of.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cladescope.files import replacing
from cladescope.index.croissant_parts import Rights, licence_said
from cladescope.taxonomy import RANKS, Taxon
from cladescope.training.curation.job import Job
from cladescope.training.curation.out.plan import planned
from cladescope.training.curation.places import place_within, web_address
from cladescope.training.data.shard_sample import epithet, texts_of

_TEXT: Final = pa.string()
CATALOGUE: Final = pa.schema(
    [
        *((name, _TEXT) for name in ("uuid", "split")),
        ("is_train_small", pa.bool_()),
        *((name, _TEXT) for name in (*RANKS, "scientific_name", "common", "source_url", "data_source", "publisher", "basisOfRecord")),
        *((name, _TEXT) for name in ("img_type", "source_id", "shard_filename", "shard_file_path", "base_dataset_file_path")),
        *((name, _TEXT) for name in ("observation_id", "content_hash", "md5")),
        *((name, pa.int32()) for name in ("width", "height")),
        *((name, pa.int64()) for name in ("cluster", "row")),
        *((name, _TEXT) for name in ("taxon_match", "common_name_from", "common_name_rank", "licence")),
        ("kind_confidence", pa.float32()),
        ("people", pa.list_(_TEXT)),
    ]
)  # fmt: skip
"""TreeOfLife-200M's columns, `split` and `is_train_small` of TreeOfLife-10M, and ours. `species` is the epithet. `base_dataset_file_path` is SOURCE/PLACE of a local
picture, its place within the source's folder, null for one of the web; `source_url` its address on the web, of a local one what its source says of it. `source_id` is the source's own, else the picture's place within the source's folder. `row` is the record's number in the stages."""
PROVENANCE: Final = pa.schema(
    [(name, _TEXT) for name in ("uuid", "source_id", "data_source", "source_url", "license_name", "copyright_owner", "license_link", "title", "md5")]
)  # fmt: skip
"""TreeOfLife-200M's columns, and `md5` of TreeOfLife-10M's licences: of the file as it came."""
DROPPED: Final = pa.schema(
    [
        ("row", pa.int64()),
        *((name, _TEXT) for name in ("id", "source", "image_id", "uri", "stage", "reason", "duplicate_of")),
    ]
)
"""A record a line that was gathered and is not in the data set. `uri` is an address of the web, or the place within the source's folder; `duplicate_of` the id of
the picture that is kept in its place."""
ROW_GROUP: Final = 100_000
LANCE: Final = "catalog.lance"


def write_catalogue(plan: Path, out: Path) -> Rights:
    """Write `catalog.parquet`, `provenance.parquet`, `train_small.txt` and `licenses.csv`; return whose the pictures are."""
    rights = Rights()
    kinds: dict[str | None, str | None] = {}
    with (
        replacing(out / "catalog.parquet") as first,
        replacing(out / "provenance.parquet") as second,
        replacing(out / "train_small.txt") as third,
        pq.ParquetWriter(first, CATALOGUE, compression="zstd") as catalogue,
        pq.ParquetWriter(second, PROVENANCE, compression="zstd") as provenance,
        third.open("w", encoding="utf-8", newline="") as small,
    ):
        for split, name, path in planned(plan):
            table = pq.read_table(path)
            rights.add(table.select(["rights_holder", "licence"]).combine_chunks().to_batches()[0])
            kinds |= dict(zip(table["licence"].to_pylist(), table["licence_kind"].to_pylist(), strict=True))
            catalogue.write_table(_catalogue(table, split, name), row_group_size=ROW_GROUP)
            provenance.write_table(_provenance(table), row_group_size=ROW_GROUP)
            chosen = table.filter(pc.fill_null(table["is_train_small"], False))["id"].to_pylist()
            small.writelines(f"{one}\n" for one in chosen)
    _write_licences(out / "licenses.csv", rights, kinds)
    return rights


def _catalogue(table: pa.Table, split: str, name: str) -> pa.Table:
    """The lines of one shard."""
    n = table.num_rows
    ranks = list(zip(*(table[rank].to_pylist() for rank in RANKS), strict=True))
    names = {path: _scientific(path) for path in dict.fromkeys(ranks)}
    places = zip(table["source"].to_pylist(), table["local_place"].to_pylist(), strict=True)
    columns: dict[str, Any] = {
        "uuid": table["id"],
        "species": pa.array([epithet(path[-2], path[-1]) for path in ranks], _TEXT),
        "scientific_name": pa.array([names[path] for path in ranks], _TEXT),
        "common": table["common_name"],
        "data_source": table["source"],
        "basisOfRecord": table["basis_of_record"],
        "img_type": table["kind"],
        "source_id": table["image_id"],
        "shard_filename": pa.array([f"{name}.tar"] * n, _TEXT),
        "shard_file_path": pa.array([f"shards/{split}/{name}.tar"] * n, _TEXT),
        "base_dataset_file_path": pa.array([None if place is None else f"{source}/{place}" for source, place in places], _TEXT),
    }  # fmt: skip
    arrays = [columns[one.name] if one.name in columns else table[one.name] for one in CATALOGUE]
    return pa.table(arrays, names=CATALOGUE.names).cast(CATALOGUE)


def _scientific(path: tuple[str | None, ...]) -> str | None:
    """The scientific name as the shards have it."""
    taxon = Taxon.from_ranks(path)
    return None if taxon is None else texts_of(taxon, None)["scientific_name.txt"]


def _provenance(table: pa.Table) -> pa.Table:
    links = {name: _link(name) for name in table["licence"].unique().to_pylist()}
    columns = {
        "uuid": table["id"],
        "source_id": table["image_id"],
        "data_source": table["source"],
        "license_name": table["licence"],
        "copyright_owner": table["rights_holder"],
        "license_link": pa.array([links[name] for name in table["licence"].to_pylist()], _TEXT),
    }
    arrays = [columns[name] if name in columns else table[name] for name in PROVENANCE.names]
    return pa.table(arrays, names=PROVENANCE.names).cast(PROVENANCE)


def _link(licence: str | None) -> str | None:
    """Address of a licence, where it is known for certain."""
    said = None if licence is None else licence_said(licence)
    return said if isinstance(said, str) else None


def _write_licences(path: Path, rights: Rights, kinds: dict[str | None, str | None]) -> None:
    """Pictures by licence, most first; of an unknown one the name is empty."""
    counts = Counter[str | None](rights.licences) + Counter({None: rights.without_licence})
    rows = [
        (name or "", kinds.get(name) or "", _link(name) or "", n)
        for name, n in sorted(counts.items(), key=lambda one: (-one[1], one[0] or ""))
    ]
    write_csv(path, ("licence", "short_form", "address", "pictures"), rows)


def write_csv(path: Path, head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """Write a table of text, whole or not at all."""
    with replacing(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)


def write_dropped(job: Job, out: Path) -> Counter[str]:
    """Write `dropped.parquet`: every record that is not in the data set; how many each stage dropped."""
    ids = _kept_ids(job)
    paths = {one.name: one.path for one in job.config.sources}
    counts = Counter[str]()
    with replacing(out / "dropped.parquet") as draft, pq.ParquetWriter(draft, DROPPED, compression="zstd") as writer:
        for part in range(job.n_parts):
            table = _dropped(job, part, ids, paths)
            counts.update(table["stage"].to_pylist())
            writer.write_table(table, row_group_size=ROW_GROUP)
    return counts


def _dropped(job: Job, part: int, ids: "tuple[np.ndarray, pa.Array]", paths: dict[str, str]) -> pa.Table:
    why = job.read("split", part, ["dropped"])["dropped"].cast(_TEXT)
    is_out = pc.is_valid(why)
    table = job.read("gather", part, ["row", "id", "source", "image_id", "uri"]).filter(is_out)
    uris, sources = table["uri"].to_pylist(), table["source"].cast(_TEXT).to_pylist()
    said = [text.partition(": ") for text in why.filter(is_out).to_pylist()]
    others = job.read("single", part, ["duplicate_of"])["duplicate_of"].filter(is_out)
    rows, names = ids
    has_one = pc.is_valid(others).to_numpy()
    places = np.searchsorted(rows, pc.fill_null(others, -1).to_numpy())
    return pa.table(
        [
            table["row"], table["id"], pa.array(sources, _TEXT), table["image_id"],
            pa.array([web_address(uri) or place_within(uri, paths.get(source, "")) for uri, source in zip(uris, sources, strict=True)], _TEXT),
            pa.array([stage for stage, _, _ in said], _TEXT),
            pa.array([reason for _, _, reason in said], _TEXT),
            names.take(pa.array(places, mask=~has_one)),
        ],
        DROPPED,
    )  # fmt: skip


def _kept_ids(job: Job) -> "tuple[np.ndarray, pa.Array]":
    """Rows that others are duplicates of, sorted, and their ids."""
    wanted = pc.unique(pc.drop_null(job.column("single", "duplicate_of"))).to_numpy()
    rows = np.sort(wanted.astype(np.int64))
    return rows, pa.concat_arrays(list(_ids_of(job, rows)) or [pa.array([], _TEXT)])


def _ids_of(job: Job, rows: "np.ndarray") -> Iterator[pa.Array]:
    for table in job.scan("gather", ["row", "id"]):
        numbers = table["row"].to_numpy()
        if len(numbers) and len(
            chosen := rows[np.searchsorted(rows, numbers[0]) : np.searchsorted(rows, numbers[-1] + 1)]
        ):
            yield table["id"].combine_chunks().take(pa.array(chosen - numbers[0]))


def write_lance(out: Path) -> None:
    """Write the catalogue as the Lance table `catalog.lance`, anew. Its files bear names and times of their own: it is the one thing that differs from run to run."""
    import lance

    file = pq.ParquetFile(out / "catalog.parquet")
    with replacing(out / LANCE, over=True) as draft:
        reader = pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches())
        lance.write_dataset(reader, draft, schema=file.schema_arrow)
