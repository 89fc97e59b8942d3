"""The stage `leaks`: pictures that show what must not be in the data set, such as a test set, whatever was done to them.

Each list of excluded pictures is read once; its hashes are kept beside the parts of this stage. A picture leaks where it has the bytes of an excluded one,
or where both show one photograph by their pixels (`analysis.duplicates`, likeness `same`).
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Bool, Float32, Int64

from cladescope.analysis.audit.near_pairs import NEIGHBOURS
from cladescope.analysis.duplicates.answer import NEAR
from cladescope.analysis.duplicates.candidates import PARTS_UP_TO, Pairs, by_parts, distinct
from cladescope.embedding.columns import is_url
from cladescope.embedding.decode import decode
from cladescope.embedding.encode import encoded
from cladescope.embedding.locations import canonical, read_bytes
from cladescope.embedding.prepare import content_hash, region_hash
from cladescope.embedding.records import Record, Source
from cladescope.embedding.regions import cropped, split_region
from cladescope.embedding.sources import open_source
from cladescope.errors import InputError, PictureError
from cladescope.files import hash_file, replacing
from cladescope.index.neighbour_graph import nearest
from cladescope.steps import counted, step
from cladescope.training.curation.columns import APART
from cladescope.training.curation.encode import encoder_of, vectors_of
from cladescope.training.curation.flow import carried
from cladescope.training.curation.hash_join import near_others
from cladescope.training.curation.job import Job, Stage
from cladescope.training.curation.pdq import pdq_of
from cladescope.training.curation.same_photograph import all_looks, decided, hashes_of, of_rows, rows_in
from cladescope.training.curation.sections import ExcludeConfig
from cladescope.training.curation.stored import StoreSource, is_store

_AHEAD: Final = 256
_EXCLUDED: Final = pa.schema(
    [
        pa.field("picture", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("content_hash", pa.string()),
        pa.field("pdq", pa.binary(32)),
        pa.field("pdq_mirrored", pa.binary(32)),
        pa.field("pdq_quality", pa.int16()),
    ]
)
"""What is kept of an excluded picture: hashes are null where it cannot be read, or lies on the web."""


@dataclass(frozen=True, eq=False)
class Excluded:
    """The pictures of all lists that can be read, one after the other."""

    names: list[str]
    lists: Int64[np.ndarray, " e"]
    """Number of the list of each."""
    table: pa.Table
    hits: dict[str, dict[str, int]]
    """What stands in the manifest, by list."""


def leaks(job: Job) -> None:
    """Drop pictures that show an excluded one, by each list of pictures.

    Memory: 250 bytes a picture that is in and 300 an excluded one, beside what `near_others`, `decided` and, where an encoder is named, `_by_vector` take.

    Raises InputError where a list cannot be opened, holds no picture that can be read, or, where it must, hits nothing.
    """
    chosen = [one for one in job.config.exclude if one.pictures]
    names = list_names([one.pictures for one in chosen])
    settings = {
        "lists": [{"name": name, **_said(one)} for name, one in zip(names, chosen, strict=True)],
        "pdq_bits": job.config.duplicates.pdq_bits,
        "likeness": NEAR["same"],
        "parts_up_to": PARTS_UP_TO,
    }
    with job.stage("leaks", settings) as stage:
        if stage.is_done:
            return
        is_in = rows_in(job, "leaks")
        rows = np.flatnonzero(is_in)
        excluded = _read(job, stage, chosen, names)
        found = _found(job, stage, rows, excluded)
        stage.more["hits"] = excluded.hits
        _count(excluded, found)
        for one, name in zip(chosen, names, strict=True):
            _check_hit(one, name, excluded.hits[name], len(rows))
        _write(job, stage, len(is_in), excluded, found)


def list_names(paths: list[str]) -> list[str]:
    """What lists are called: the last part of their place, with a number where that came before.

    >>> list_names(["/a/test", "/b/test/", "/c/birds.csv"])
    ['test', 'test (2)', 'birds.csv']
    """
    seen: Counter[str] = Counter()
    names = []
    for path in paths:
        base = path.rstrip("/").rpartition("/")[2]
        seen[base] += 1
        names.append(base if seen[base] == 1 else f"{base} ({seen[base]})")
    return names


def _said(one: ExcludeConfig) -> dict[str, Any]:
    """What of a list decides the stage: of a file, or a store, its bytes; of a folder which files it holds, how large and since when."""
    path = Path(one.pictures)
    file = path / "store.json" if is_store(one.pictures) else path
    return {"must_hit": one.must_hit, "hash": hash_file(file) if file.is_file() else _hash_of_folder(path)}


def _hash_of_folder(folder: Path) -> str | None:
    """BLAKE2b of the names, sizes and times of the files in a folder, links followed; None where there is none."""
    if not folder.is_dir():
        return None
    found = []
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(place, name)
            about = path.stat() if path.exists() else None
            told = None if about is None else [about.st_size, about.st_mtime_ns]
            found.append([path.relative_to(folder).as_posix(), told])
    return blake2b(json.dumps(found).encode(), digest_size=16).hexdigest()


def _opened(path: str, name: str) -> Source:
    return StoreSource(path, name=name) if is_store(path) else open_source(path, name=name)


def _read(job: Job, stage: Stage, chosen: list[ExcludeConfig], names: list[str]) -> Excluded:
    """The hashes of all lists; each list is read once, and kept as `excluded-%03d.parquet`."""
    tables, lists, hits = [], [], {}
    for number, (one, name) in enumerate(zip(chosen, names, strict=True)):
        file = stage.folder / f"excluded-{number:03d}.parquet"
        if not file.exists():
            with replacing(file) as draft, pq.ParquetWriter(draft, _EXCLUDED, compression="zstd") as writer:
                for table in _tables(_opened(one.pictures, name), one.pictures, job.config.workers):
                    writer.write_table(table)
        table = pq.read_table(file)
        there = table["content_hash"].is_valid()
        hits[name] = {
            "pictures": len(table),
            "unreadable": pc.sum(pc.invert(there)).as_py() or 0,
            "hit": 0,
            "dropped": 0,
        }
        tables.append(table.filter(there))
        lists += [number] * len(tables[-1])
    whole = pa.concat_tables(tables) if tables else _EXCLUDED.empty_table()
    return Excluded(names, np.array(lists, np.int64), whole, hits)


def _tables(source: Source, place: str, workers: int) -> Iterator[pa.Table]:
    records = counted(source.records(), f"looking at excluded pictures of {source.name}", source.count())
    with ThreadPoolExecutor(workers) as pool:
        while some := list(islice(records, _AHEAD)):
            yield pa.Table.from_pylist(list(pool.map(lambda record: _hashed(record, place), some)), schema=_EXCLUDED)


def _hashed(record: Record, place: str) -> dict[str, Any]:
    """What is kept of one excluded picture."""
    folder = canonical(place).rstrip("/")
    within = record.uri.removeprefix(f"{folder}/")
    if within == record.uri:  # a table names pictures from its own folder
        within = record.uri.removeprefix(f"{folder.rpartition('/')[0]}/")
    picture = within if within != record.uri else record.uri.rpartition("/")[2]
    told: dict[str, Any] = {"picture": picture or record.image_id, "uri": record.uri}
    if record.problem is not None or not record.uri:
        return told
    parent, box = split_region(record.uri)
    if is_url(parent):  # pixels are compared later, and nothing is fetched twice
        return told
    try:
        data = record.data if isinstance(record.data, bytes) else read_bytes(parent)
        seen = decode(data) if box is None else cropped(decode(data), box).picture
    except PictureError:
        return told
    own, mirrored, quality = pdq_of(seen.image)
    hashed = content_hash(data) if box is None else region_hash(content_hash(data), box)
    return {**told, "content_hash": hashed, "pdq": own, "pdq_mirrored": mirrored, "pdq_quality": quality}


@dataclass(frozen=True, eq=False)
class _Leaks:
    """Rows and the excluded pictures that they show; of a row the first list first, then the likest."""

    rows: Int64[np.ndarray, " p"]
    shown: Int64[np.ndarray, " p"]
    likeness: np.ndarray


def _found(job: Job, stage: Stage, rows: Int64[np.ndarray, " m"], excluded: Excluded) -> _Leaks:
    columns = ["picture_at", "content_hash", "pdq", "pdq_mirrored", "pdq_quality"]
    looked = of_rows(job, "look", columns, rows)
    equal = _equal(looked["content_hash"], excluded.table["content_hash"])
    others = excluded.table["uri"].to_pylist()
    m, n = len(rows), len(rows) + len(others)

    def uris_of(places: Int64[np.ndarray, " r"]) -> list[str]:
        own = looked["picture_at"].take(pa.array(places[places < m])).to_pylist()
        theirs = iter(others[place - m] for place in places[places >= m].tolist())
        mine = iter(own)
        return [next(mine if place < m else theirs) for place in places.tolist()]

    ways = [_by_hash(job, looked, excluded.table)]
    if "encode" in job.stages:
        ways.append(_by_vector(job, stage, rows, excluded.table["uri"].to_pylist()))
    stage.more["crops_sought"] = n <= PARTS_UP_TO
    if others and m and n <= PARTS_UP_TO:
        with step("looking for parts of excluded pictures"):
            ways.append(by_parts(all_looks(uris_of(np.arange(n))).thumbs, sides=np.arange(n) >= m))
    candidates = distinct(ways)
    alike = decided(stage.folder, uris_of, candidates[~_is_among(candidates, equal)], least=NEAR["same"])
    pairs = np.sort(np.concatenate([equal, alike.pairs]), axis=1)
    likeness = np.concatenate([np.ones(len(equal)), alike.likeness])
    shown = pairs[:, 1] - m
    order = np.lexsort([shown, -likeness, excluded.lists[shown], pairs[:, 0]])
    return _Leaks(rows[pairs[order, 0]], shown[order], likeness[order])


def _equal(contents: pa.ChunkedArray, others: pa.ChunkedArray) -> Pairs:
    """Pairs of a place and one of an excluded picture, counted on from the places, that have the same bytes."""
    by_content: dict[str, list[int]] = {}
    for place, content in enumerate(others.to_pylist()):
        by_content.setdefault(content, []).append(len(contents) + place)
    met = np.flatnonzero(pc.is_in(contents, value_set=others.combine_chunks()).to_numpy())
    texts = contents.take(pa.array(met)).to_pylist()
    pairs = [(place, other) for place, text in zip(met.tolist(), texts, strict=True) for other in by_content[text]]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _by_hash(job: Job, looked: pa.Table, excluded: pa.Table) -> Pairs:
    own, there = hashes_of(looked["pdq"])
    quality = looked["pdq_quality"].fill_null(0).to_numpy().astype(np.int64)
    theirs = excluded["pdq_quality"].to_numpy().astype(np.int64)
    places = np.flatnonzero(there)
    found = []
    for column in ("pdq", "pdq_mirrored"):
        others, _ = hashes_of(excluded[column])
        near = near_others(
            own[places], others, job.config.duplicates.pdq_bits, quality=quality[places], others_quality=theirs,
            workers=job.config.workers,
        )  # fmt: skip
        found.append(np.stack([places[near.pairs[:, 0]], len(own) + near.pairs[:, 1]], axis=1))
    return distinct(found)


def _by_vector(job: Job, stage: Stage, rows: Int64[np.ndarray, " m"], excluded: list[str]) -> Pairs:
    """Each excluded picture with the pictures whose vectors are nearest to its own, a part at a time.

    Memory: 4 d bytes an excluded picture and a picture of a part, for vectors of d numbers.
    """
    known, vectors = _vectors(job, stage, excluded)
    stage.more["excluded_without_vector"] = len(excluded) - len(known)
    places = np.full((len(vectors), NEIGHBOURS), -1, np.int64)
    apart = np.full((len(vectors), NEIGHBOURS), np.inf, np.float32)
    for part in range(job.n_parts if len(vectors) else 0):
        start = part * job.part_rows
        first, last = np.searchsorted(rows, [start, start + job.part_rows]).tolist()
        if first == last:
            continue
        column = job.read("encode", part, ["vector"])["vector"].take(pa.array(rows[first:last] - start))
        there = first + np.flatnonzero(column.is_valid().to_numpy())
        found, distances = nearest(vectors_of(column).astype(np.float32), vectors, min(NEIGHBOURS, len(there)))
        both = np.concatenate([places, there[found]], axis=1), np.concatenate([apart, distances], axis=1)
        best = np.argsort(both[1], axis=1, kind="stable")[:, :NEIGHBOURS]
        places, apart = (np.take_along_axis(one, best, axis=1) for one in both)
    pairs = np.stack([places.ravel(), len(rows) + np.repeat(known, NEIGHBOURS)], axis=1)
    return pairs[pairs[:, 0] >= 0]


def _vectors(job: Job, stage: Stage, uris: list[str]) -> tuple[Int64[np.ndarray, " v"], Float32[np.ndarray, "v d"]]:
    """The excluded pictures that have a vector, and these, encoded once and kept as `vectors.npz`."""
    file = stage.folder / "vectors.npz"
    if not file.exists():
        encoder = encoder_of(job)
        records = (Record(image_id=str(place), uri=uri, source="excluded") for place, uri in enumerate(uris))
        known, blocks = [np.empty(0, np.int64)], [np.empty((0, encoder.dim), np.float32)]
        for batch in counted(encoded(records, encoder, workers=job.config.workers), "encoding excluded pictures"):
            known.append(np.array([int(record.image_id) for record in batch.records], np.int64))
            blocks.append(batch.vectors.astype(np.float32))
        with replacing(file) as draft, draft.open("wb") as stream:
            np.savez(stream, known=np.concatenate(known), vectors=np.concatenate(blocks))
    with np.load(file) as there:
        return there["known"], there["vectors"]


def _is_among(pairs: Pairs, others: Int64[np.ndarray, "q 2"]) -> Bool[np.ndarray, " p"]:
    span = 1 + max(int(pairs.max(initial=0)), int(others.max(initial=0)))
    found: Bool[np.ndarray, " p"] = np.isin(pairs[:, 0] * span + pairs[:, 1], others[:, 0] * span + others[:, 1])
    return found


def _count(excluded: Excluded, found: _Leaks) -> None:
    """Of each list how many pictures were met, and how many records are dropped for it."""
    for shown in np.unique(found.shown):
        excluded.hits[excluded.names[excluded.lists[shown]]]["hit"] += 1
    _, first = np.unique(found.rows, return_index=True)
    for shown in found.shown[first]:
        excluded.hits[excluded.names[excluded.lists[shown]]]["dropped"] += 1


def _check_hit(one: ExcludeConfig, name: str, hits: dict[str, int], n_compared: int) -> None:
    readable = hits["pictures"] - hits["unreadable"]
    if not readable:
        raise InputError(
            f"none of the {hits['pictures']:,} excluded pictures of {name} can be read: expected pictures of this machine"
        )
    if one.must_hit and not hits["hit"]:
        before = "what its taxa or ids dropped before is not compared any more: if that is all, put pictures into an [[exclude]] of its own with must_hit = false"
        others = "give the pictures that are meant, or say must_hit = false"
        raise InputError(
            f"the excluded pictures of {name} hit nothing ({readable:,} pictures, compared with {n_compared:,}): {before if one.taxa or one.ids else others}"
        )


def _write(job: Job, stage: Stage, n: int, excluded: Excluded, found: _Leaks) -> None:
    pictures = excluded.table["picture"].to_pylist()
    told: dict[int, tuple[str, str, float]] = {}
    for row, shown, likeness in zip(found.rows.tolist(), found.shown.tolist(), found.likeness.tolist(), strict=True):
        name = excluded.names[excluded.lists[shown]]
        told.setdefault(row, (name, f"{name}: {pictures[shown]}", likeness))
    for part in range(job.n_parts):
        start = part * job.part_rows
        numbers = range(start, min(start + job.part_rows, n))
        before = job.read(job.before("leaks"), part, ["dropped"])["dropped"]
        here = [told.get(row) for row in numbers]
        columns = [
            pa.array(numbers, pa.int64()),
            pa.array([None if one is None else one[1] for one in here], pa.string()).dictionary_encode(),
            pa.array([None if one is None else one[2] for one in here], pa.float32()),
            carried(
                "leaks", before, [None if one is None else f"shows an excluded picture ({one[0]})" for one in here]
            ),
        ]
        stage.write(part, pa.Table.from_arrays(columns, schema=APART))
