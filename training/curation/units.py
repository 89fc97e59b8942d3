"""What keeps pictures on one side of a split: ties between them, and an order of units that depends on ids and a seed and on nothing else."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int

from cladescope.embedding.regions import REGION
from cladescope.taxonomy import RANKS, Taxon
from cladescope.training.curation.job import Job

_TIED_BY = {
    "observation": ("gather", ("source", "observation_id")),
    "sequence": ("gather", ("source", "sequence_id")),
    "specimen": ("gather", ("source", "specimen_id")),
    "source": ("gather", ("source",)),
    "cluster": ("single", ("cluster",)),
    "content_hash": ("look", ("content_hash",)),
}


_TIES_OF = {"duplicates": ("cluster", "content_hash"), "observation": ("observation", "sequence")}
_OF_ALL = r"^([a-z][a-z0-9+.-]*://|urn:|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$)"
"""Ids that nobody gives twice."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures that are still in, in the order of their rows."""

    rows: Int[np.ndarray, " n"]
    sources: Int[np.ndarray, " n"]
    """Numbers in the order of the configuration's sources."""
    ids: pa.Array
    """Each picture's id."""
    unit: Int[np.ndarray, " n"]
    """The least row of those that stay together."""
    ties: dict[str, Int[np.ndarray, " n"]]
    """By kind of tie a number for each picture, the same for those that it ties; -1 ties nothing."""
    classes: Int[np.ndarray, " n"]
    """Position in `taxa`; the number of taxa where none is known."""
    taxa: tuple[Taxon, ...]
    """Each distinct deepest taxon, sorted by its path."""
    no_place: Mapping[str, int]
    """Pictures whose place ties nothing, in words why, copies among them; empty where places tie none."""

    @cached_property
    def _units(self) -> tuple[list[str], Int[np.ndarray, " n"]]:
        """The least id of each unit, and the unit of each picture as a place among them."""
        units, code = np.unique(self.unit, return_inverse=True)
        by_id = pc.sort_indices(self.ids).to_numpy().astype(np.int64)
        place = np.empty(len(by_id), np.int64)
        place[by_id] = np.arange(len(by_id))
        least = np.full(len(units), len(by_id))
        np.minimum.at(least, code, place)
        return self.ids.take(pa.array(by_id[least])).to_pylist(), code

    def turns(self, seed: int, part: str) -> Int[np.ndarray, " n"]:
        """When each picture's unit has its turn, from 0, by a hash of the least id of the unit."""
        names, code = self._units
        turns: Int[np.ndarray, " n"] = hashed_order(seed, part, names)[code]
        return turns


def pictures_of(job: Job) -> Pictures:
    """The pictures that are in after the stage `single`, and what `splits.together` ties of them; boxes of one picture, which may share pixels, are always tied.

    Where duplicates are tied, copies that `single` dropped tie, too: what is of one observation with a copy is of one with what was kept.
    Memory: about 600 bytes (measured) a picture that is in or was a copy: texts of the ties while they are numbered, its id, and codes.
    """
    together = job.config.splits.together
    is_in = _is_in(job, "single")
    known = _is_in(job, job.before("single")) if "duplicates" in together else is_in
    ties: dict[str, Int[np.ndarray, " k"]] = {}
    no_place: dict[str, int] = {}
    for kind in together:
        if kind == "place":
            places = columns_of(job, "gather", ("latitude", "longitude"), known)
            squares, no_place = _squares(places, job.config.splits.place_degrees)
            ties[kind] = numbered(*squares)
        else:
            for name in _TIES_OF.get(kind, (kind,)):
                stage, columns = _TIED_BY[name]
                table = columns_of(job, stage, columns, known)
                ties[name] = numbered(*(_own_or_of_all(*table.columns) if len(columns) == 2 else table.columns))
    boxed = _boxed(columns_of(job, "gather", ("uri",), known)["uri"])
    if boxed.null_count < len(boxed):
        ties["picture of boxes"] = numbered(boxed)
    rows = np.flatnonzero(is_in)
    stays = is_in[known]
    unit = _least(units_of(list(ties.values()), len(stays))[stays], rows)
    told = columns_of(job, "gather", ("id", "source"), is_in)
    names = pa.array([one.name for one in job.config.sources], pa.large_string())
    classes, taxa = classes_of(job, is_in)
    return Pictures(
        rows=rows,
        sources=pc.index_in(told["source"], names).fill_null(-1).to_numpy().astype(np.int64),
        ids=_whole(told["id"]),
        unit=unit,
        ties={kind: codes[stays] for kind, codes in ties.items()},
        classes=classes,
        taxa=taxa,
        no_place=no_place,
    )


def hashed_order(seed: int, part: str, names: Iterable[str]) -> Int[np.ndarray, " n"]:
    """The place of each name, from 0, in the order of a hash of seed, part and name: the same in every process.

    >>> hashed_order(17, "val", ["a", "b", "c"]).tolist() == hashed_order(17, "val", ["c", "b", "a"])[::-1].tolist()
    True
    """
    digests = b"".join(hashlib.blake2b(f"{seed}\0{part}\0{name}".encode(), digest_size=16).digest() for name in names)
    halves = np.frombuffer(digests, ">u8").reshape(-1, 2).astype(np.uint64)
    place = np.empty(len(halves), np.int64)
    place[np.lexsort((halves[:, 1], halves[:, 0]))] = np.arange(len(halves))
    return place


def units_of(ties: Sequence[Int[np.ndarray, " n"]], n: int) -> Int[np.ndarray, " n"]:
    """A number for each of n pictures, the same for those that are tied, by one kind of tie or by a chain of several; -1 ties nothing.

    Memory: 24 bytes a tie.

    >>> units_of([np.array([7, 7, -1, -1]), np.array([-1, 3, 3, -1])], 4).tolist()
    [0, 0, 0, 1]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    left, right = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for codes in ties:
        order = np.argsort(codes, kind="stable")
        told = codes[order]
        same = np.flatnonzero((told[1:] == told[:-1]) & (told[1:] >= 0))
        left.append(order[same])
        right.append(order[same + 1])
    ends = np.concatenate(left), np.concatenate(right)
    graph = coo_array((np.ones(len(ends[0]), np.float64), ends), shape=(n, n))
    label: Int[np.ndarray, " n"] = connected_components(graph, directed=False)[1].astype(np.int64)
    return label


def numbered(*columns: pa.ChunkedArray) -> Int[np.ndarray, " n"]:
    """A number for each row, the same where all columns are; -1 where one of them is null.

    >>> numbered(pa.chunked_array([["a", "b", "a", None]]), pa.chunked_array([[1, 1, 1, 1]])).tolist()
    [0, 1, 0, -1]
    """
    whole = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        found = pc.dictionary_encode(_whole(column))
        codes = found.indices.fill_null(-1).to_numpy().astype(np.int64)
        whole = np.where((whole < 0) | (codes < 0), -1, whole * len(found.dictionary) + codes)
    return whole


def columns_of(job: Job, stage: str, names: Sequence[str], keep: Bool[np.ndarray, " r"]) -> pa.Table:
    """Columns of a stage, of those rows alone that are kept; words as texts."""
    tables = []
    for part in range(job.n_parts):
        table = job.read(stage, part, names)
        here = keep[part * job.part_rows :][: table.num_rows]
        texts = [
            column.cast(pa.large_string())
            if pa.types.is_dictionary(column.type) or pa.types.is_string(column.type)
            else column
            for column in table.columns
        ]
        tables.append(pa.table(texts, names=list(names)).filter(pa.array(here)))
    return pa.concat_tables(tables)


def classes_of(job: Job, keep: Bool[np.ndarray, " r"]) -> tuple[Int[np.ndarray, " n"], tuple[Taxon, ...]]:
    """The class of each row that is kept, and the taxa of the classes, sorted by path: a class is the full path of the deepest taxon.

    Rows without a taxon have the number that follows the last one's. Memory: 8 bytes a row, and the taxa.
    """
    codes: dict[Taxon | None, int] = {}
    found = [np.empty(0, np.int64)]
    for part in range(job.n_parts):
        table = job.read("names", part, RANKS)
        table = table.filter(pa.array(keep[part * job.part_rows :][: table.num_rows]))
        if not table.num_rows:
            continue
        # Names of a rank as numbers, null as one of them.
        ranks = [
            pc.dictionary_encode(_whole(column.cast(pa.string())), null_encoding="encode") for column in table.columns
        ]
        lineage = np.zeros(table.num_rows, np.int64)
        for rank in ranks:
            lineage = lineage * len(rank.dictionary) + rank.indices.to_numpy()
            lineage = np.unique(lineage, return_inverse=True)[1].astype(np.int64)
        _, first = np.unique(lineage, return_index=True)
        lineages = table.take(pa.array(first)).to_pylist()
        some = [codes.setdefault(Taxon.from_ranks(one), len(codes)) for one in lineages]
        found.append(np.array(some, np.int64)[lineage])
    taxa = tuple(sorted(taxon for taxon in codes if taxon is not None))
    place = {taxon: number for number, taxon in enumerate(taxa)}
    sorted_codes = np.array([len(taxa) if one is None else place[one] for one in codes], np.int64)
    classes: Int[np.ndarray, " n"] = sorted_codes[np.concatenate(found)]
    return classes, taxa


def _own_or_of_all(sources: pa.ChunkedArray, ids: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Ids of observations or specimens with the source that each is of; an address or a UUID means the same in all sources, and has none.

    >>> ids = pa.chunked_array([["7", "https://a.org/7"]])
    >>> _own_or_of_all(pa.chunked_array([["birds", "birds"]]), ids)[0].to_pylist()
    ['birds', '']
    """
    of_all = pc.fill_null(pc.match_substring_regex(ids, _OF_ALL, ignore_case=True), False)
    return pc.if_else(of_all, pa.scalar("", sources.type), sources), ids


def _boxed(uris: pa.ChunkedArray) -> pa.ChunkedArray:
    """The picture that each box is of, also for that picture itself; null for one without boxes.

    >>> _boxed(pa.chunked_array([["/a.jpg#box=0,0,9,9", "/a.jpg", "/b.jpg"]])).to_pylist()
    ['/a.jpg', '/a.jpg', None]
    """
    parents = pc.struct_field(pc.extract_regex(uris, rf"^(?P<parent>.+){REGION}$"), "parent")
    has_boxes = pc.is_in(uris, value_set=pc.unique(parents.drop_null()))
    return pc.coalesce(parents, pc.if_else(has_boxes, uris, pa.scalar(None, uris.type)))


def _squares(places: pa.Table, degrees: float) -> tuple[list[pa.ChunkedArray], dict[str, int]]:
    """The square that each place is in, null where it is not known; and how many are not, in words.

    What is off the globe is no place, nor is 0, 0, which tables have where nothing is known.
    """
    north, east = (column.to_numpy().astype(np.float64) for column in places.columns)
    is_said = np.isfinite(north) & np.isfinite(east)
    is_off = is_said & ((np.abs(north) > 90) | (np.abs(east) > 180))
    is_zero = is_said & (north == 0) & (east == 0)
    is_there = is_said & ~is_off & ~is_zero
    squares = [
        # No negative zero.
        pa.chunked_array([pa.array(np.floor(values / degrees) + 0.0, mask=~is_there)])
        for values in (north, east)
    ]
    told = {"not said": int((~is_said).sum()), "off the globe": int(is_off.sum()), "0, 0": int(is_zero.sum())}
    return squares, told


def _is_in(job: Job, stage: str) -> Bool[np.ndarray, " r"]:
    """Which rows are in after a stage."""
    parts = [np.empty(0, bool), *(job.is_in(stage, part).to_numpy() for part in range(job.n_parts))]
    return np.concatenate(parts)


def _least(labels: Int[np.ndarray, " n"], rows: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """The first of the rows, which ascend, with the same label."""
    _, first, code = np.unique(labels, return_index=True, return_inverse=True)
    least: Int[np.ndarray, " n"] = rows[first[code]]
    return least


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
