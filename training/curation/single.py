"""The stage `single`: pictures that are there twice, byte by byte or as one photograph, of which one is kept.

Pairs that may be one photograph come from their perceptual hashes, and, where there are few pictures, from their parts; where an encoder is named from their
vectors too. The pixels decide (`analysis.duplicates`). Each picture that is dropped was itself compared with the one that is kept in its place.
Two frames of camera traps of one source may differ in nothing but a small animal: they stay, unless their bytes are the same, and only hang together.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int64

from cladescope.analysis.audit.near_pairs import near_vectors
from cladescope.analysis.duplicates.answer import NEAR, how_alike
from cladescope.analysis.duplicates.candidates import PARTS_UP_TO, Pairs, by_parts, distinct
from cladescope.analysis.duplicates.find import Alike
from cladescope.index.clusters import components
from cladescope.steps import step
from cladescope.taxonomy import RANKS, Taxon
from cladescope.training.curation.columns import SINGLE
from cladescope.training.curation.flow import carried
from cladescope.training.curation.hash_join import near_hashes
from cladescope.training.curation.job import Job, Stage
from cladescope.training.curation.same_photograph import all_looks, decided, hashes_of, of_rows, rows_in

SAME_BYTES: Final = "the same bytes as another"
SAME_PHOTOGRAPH: Final = "the same photograph as another"
OTHER_NAME: Final = "the same photograph under another name"


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures that are in, those that are kept rather than others first; and one of each content."""

    rows: Int64[np.ndarray, " m"]
    pixels: Int64[np.ndarray, " m"]
    firsts: Int64[np.ndarray, " k"]
    """Places of the first picture of each content, in order: the nodes."""
    node_of: Int64[np.ndarray, " m"]
    """Which content a picture has."""


def single(job: Job) -> None:
    """Drop pictures that are there twice, and say which hang together.

    Memory: some 300 bytes a picture that is in, and 4 d more for vectors of d numbers, beside what `near_hashes` and `decided` take.

    Raises InputError where a picture cannot be read any more.
    """
    config = job.config.duplicates
    settings = {**asdict(config), "likeness": NEAR.get(config.near), "parts_up_to": PARTS_UP_TO}
    with job.stage("single", settings) as stage:
        if stage.is_done:
            return
        is_in = rows_in(job, "single")
        pictures = _pictures(job, np.flatnonzero(is_in))
        alike = _alike(job, stage, pictures)
        _write(job, stage, is_in, pictures, alike)


def _pictures(job: Job, rows: Int64[np.ndarray, " m"]) -> Pictures:
    """Most ranks known first, then the larger, then that of more bytes, then the lower row."""
    looked = of_rows(job, "look", ["content_hash", "n_bytes", "width", "height"], rows)
    named = of_rows(job, "names", list(RANKS), rows)
    known = np.zeros(len(rows), np.int64)
    for rank in RANKS:
        known += named[rank].is_valid().to_numpy()
    side = {name: looked[name].fill_null(0).to_numpy().astype(np.int64) for name in ("width", "height", "n_bytes")}
    pixels = side["width"] * side["height"]
    order = np.lexsort([rows, -side["n_bytes"], -pixels, -known])
    if job.config.duplicates.near == "no":
        return Pictures(rows[order], pixels[order], np.arange(len(rows)), np.arange(len(rows)))
    assert looked["content_hash"].null_count == 0, "every picture that was looked at has a hash"
    contents = np.array(looked["content_hash"].to_pylist(), "S32")[order]
    _, first, node = np.unique(contents, return_index=True, return_inverse=True)
    by_place = np.argsort(first)
    number = np.empty(len(first), np.int64)
    number[by_place] = np.arange(len(first))
    return Pictures(rows[order], pixels[order], first[by_place], number[node])


def _alike(job: Job, stage: Stage, pictures: Pictures) -> Alike:
    """Pairs of nodes that show one photograph."""
    config = job.config.duplicates
    counts: dict[str, Any] = {"pictures": len(pictures.rows), "contents": len(pictures.firsts)}
    stage.more["duplicates"] = counts
    rows = pictures.rows[pictures.firsts]

    def uris_of(nodes: Int64[np.ndarray, " r"]) -> list[str]:
        uris: list[str] = _in_order(job, "look", "picture_at", rows[nodes]).to_pylist()
        return uris

    candidates = np.empty((0, 2), np.int64)
    if config.near in ("same", "alike"):
        found, n_weak, n_without = _by_hash(job, rows)
        counts.update(candidates_by_hash=len(found), low_quality=n_weak, without_hash=n_without)
        ways = [found]
        if len(rows) <= PARTS_UP_TO:
            with step("looking for parts of pictures"):
                ways.append(by_parts(all_looks(uris_of(np.arange(len(rows)))).thumbs))
            counts["candidates_by_parts"] = len(ways[-1])
        if "encode" in job.stages:
            ways.append(_by_vector(job, rows))
            counts["candidates_by_vector"] = len(ways[-1])
        candidates = distinct(ways)
    alike = decided(stage.folder, uris_of, candidates, least=NEAR.get(config.near, 1.0))
    counts.update(candidates=alike.n_candidates, pairs=len(alike.pairs), crops_sought=len(rows) <= PARTS_UP_TO)
    return alike


def _in_order(job: Job, stage: str, column: str, rows: Int64[np.ndarray, " r"]) -> pa.ChunkedArray:
    """A column of rows that may be in any order."""
    order = np.argsort(rows)
    place = np.empty(len(rows), np.int64)
    place[order] = np.arange(len(rows))
    return of_rows(job, stage, [column], rows[order])[column].take(pa.array(place))


def _by_hash(job: Job, rows: Int64[np.ndarray, " r"]) -> tuple[Pairs, int, int]:
    """Pairs by perceptual hash; pictures of low quality, and those without a hash."""
    own, there = hashes_of(_in_order(job, "look", "pdq", rows))
    mirrored, _ = hashes_of(_in_order(job, "look", "pdq_mirrored", rows))
    quality = _in_order(job, "look", "pdq_quality", rows).fill_null(0).to_numpy().astype(np.int64)
    nodes = np.flatnonzero(there)
    with step("looking for hashes that are near"):
        found = near_hashes(
            own[nodes], job.config.duplicates.pdq_bits, mirrored=mirrored[nodes], quality=quality[nodes],
            workers=job.config.workers,
        )  # fmt: skip
    return nodes[found.pairs], found.n_weak, int((~there).sum())


def _by_vector(job: Job, rows: Int64[np.ndarray, " r"]) -> Pairs:
    column = _in_order(job, "encode", "vector", rows)
    nodes = np.flatnonzero(column.is_valid().to_numpy())
    if len(nodes) < 2:
        return np.empty((0, 2), np.int64)
    vectors = column.drop_null().combine_chunks().flatten().to_numpy().reshape(len(nodes), -1)
    return np.asarray(nodes[near_vectors(vectors)])


@dataclass(frozen=True, eq=False)
class _Star:
    """Nodes by the one that is kept in their place, itself where it is kept; and by which pair."""

    keeper: Int64[np.ndarray, " k"]
    pair: Int64[np.ndarray, " k"]


def _frames(job: Job, pictures: Pictures, pairs: Pairs) -> Bool[np.ndarray, " p"]:
    """Which pairs are two frames of camera traps of one source."""
    rows = pictures.rows[pictures.firsts]
    asked, place = np.unique(rows[pairs], return_inverse=True)
    kinds = of_rows(job, "flag", ["kind"], asked)["kind"].cast(pa.string())
    sources = of_rows(job, "gather", ["source"], asked)["source"].cast(pa.string())
    source = pc.index_in(sources, pc.unique(sources)).to_numpy()[place.reshape(-1, 2)]
    is_trap = pc.fill_null(pc.equal(kinds, "camera trap"), False).to_numpy()[place.reshape(-1, 2)]
    found: Bool[np.ndarray, " p"] = is_trap.all(axis=1) & (source[:, 0] == source[:, 1])
    return found


def _stars(n_nodes: int, pairs: Pairs, stay: Bool[np.ndarray, " p"] | None = None) -> _Star:
    """The first node keeps all that are like it and not spare, then the next: each spare one is like its keeper. Of pairs that `stay` none is spare."""
    partners: dict[int, list[tuple[int, int]]] = {}
    numbers = np.arange(len(pairs)) if stay is None else np.flatnonzero(~stay)
    for number, (one, other) in zip(numbers.tolist(), pairs[numbers].tolist(), strict=True):
        partners.setdefault(min(one, other), []).append((max(one, other), number))
    keeper, pair = np.arange(n_nodes), np.full(n_nodes, -1, np.int64)
    for kept in sorted(partners):
        if keeper[kept] != kept:
            continue
        for other, number in partners[kept]:
            if keeper[other] == other:
                keeper[other], pair[other] = kept, number
    return _Star(keeper, pair)


def _write(job: Job, stage: Stage, is_in: Bool[np.ndarray, " n"], pictures: Pictures, alike: Alike) -> None:
    n = len(is_in)
    rows = pictures.rows
    frames = _frames(job, pictures, alike.pairs)
    stage.more["duplicates"]["frames_of_camera_traps"] = int(frames.sum())
    star = _stars(len(pictures.firsts), alike.pairs, frames)
    chain = components(len(pictures.firsts), alike.pairs)[pictures.node_of]
    least = np.full(int(chain.max(initial=-1)) + 1, n, np.int64)
    np.minimum.at(least, chain, rows)
    cluster = np.full(n, -1, np.int64)
    cluster[rows] = least[chain]
    keeper = pictures.firsts[star.keeper[pictures.node_of]]
    spare = np.flatnonzero(keeper != np.arange(len(rows)))
    words = _words(pictures, star, alike, spare)
    reasons = _reasons(job, rows, keeper, spare, words)
    kept_of = {int(rows[place]): int(rows[keeper[place]]) for place in spare}
    told = {int(rows[place]): word for place, word in zip(spare.tolist(), words, strict=True)}
    stage.more["duplicates"]["groups"] = len(set(kept_of.values()))
    for part in range(job.n_parts):
        start = part * job.part_rows
        stop = min(start + job.part_rows, n)
        before = job.read(job.before("single"), part, ["dropped"])["dropped"]
        numbers = range(start, stop)
        duplicate_of = [None if kept_of.get(row) in reasons else kept_of.get(row) for row in numbers]
        own = pa.array(cluster[start:stop])
        columns = [
            pa.array(numbers, pa.int64()),
            pc.if_else(pc.less(own, 0), pa.scalar(None, pa.int64()), own),
            pa.array(duplicate_of, pa.int64()),
            pa.array([told[row][0] if row in told else None for row in numbers], pa.float32()),
            pa.array([told[row][1] if row in told else None for row in numbers], pa.string()).dictionary_encode(),
            carried("single", before, [reasons.get(row) for row in numbers]),
        ]
        stage.write(part, pa.Table.from_arrays(columns, schema=SINGLE))


def _words(pictures: Pictures, star: _Star, alike: Alike, spare: Int64[np.ndarray, " s"]) -> list[tuple[float, str]]:
    """Of each spare picture how alike it and its keeper are, and what it is to it."""
    found = []
    for place in spare.tolist():
        node = int(pictures.node_of[place])
        kept, number = int(star.keeper[node]), int(star.pair[node])
        if kept == node:
            found.append((1.0, "same file"))
            continue
        is_smaller = bool(pictures.pixels[pictures.firsts[kept]] > pictures.pixels[place])
        found.append((float(alike.likeness[number]), how_alike(alike, number, kept, is_smaller=is_smaller)))
    return found


def _reasons(
    job: Job,
    rows: Int64[np.ndarray, " m"],
    keeper: Int64[np.ndarray, " m"],
    spare: Int64[np.ndarray, " s"],
    words: list[tuple[float, str]],
) -> Mapping[int, str]:
    """Why a row is dropped, by row."""
    asked = np.unique(np.concatenate([rows[spare], rows[keeper[spare]]]))
    named = of_rows(job, "names", list(RANKS), asked)
    lineages = zip(*(named[rank].to_pylist() for rank in RANKS), strict=True)
    taxa = {row: Taxon.from_ranks(lineage) for row, lineage in zip(asked.tolist(), lineages, strict=True)}
    reasons: dict[int, str] = {}
    groups: dict[int, list[int]] = {}
    contradicted = set()
    for place, (_, how) in zip(spare.tolist(), words, strict=True):
        row, kept = int(rows[place]), int(rows[keeper[place]])
        groups.setdefault(kept, [kept]).append(row)
        reasons[row] = SAME_BYTES if how == "same file" else SAME_PHOTOGRAPH
        if contradict(taxa[row], taxa[kept]):
            contradicted.add(kept)
            reasons[row] = OTHER_NAME
    if job.config.duplicates.contradiction == "drop":
        reasons.update({row: OTHER_NAME for kept in sorted(contradicted) for row in groups[kept]})
    return reasons


def contradict(one: Taxon | None, other: Taxon | None) -> bool:
    """Whether two taxa have different names at a rank that both record; one that is known less far contradicts nothing.

    >>> birds, tit = Taxon(("Animalia", None, "Aves")), Taxon(("Animalia", "Chordata", "Aves", "Passeriformes"))
    >>> contradict(birds, tit), contradict(birds, Taxon(("Plantae",))), contradict(None, tit)
    (False, True, False)
    """
    if one is None or other is None:
        return False
    return any(mine and theirs and mine != theirs for mine, theirs in zip(one.key, other.key, strict=False))
