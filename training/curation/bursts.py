"""Bursts: many pictures of one observation, as camera traps take them, thinned or dropped.

TreeOfLife-200M drops whole occurrences of more than 15 pictures, unless a taxon would be lost with them (`Identify_Camera_Trap.py` of
https://github.com/Imageomics/TreeOfLife-toolbox); so does `drop`. `thin` keeps some of each, spread evenly.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int, UInt64

from cladescope.steps import counted
from cladescope.taxonomy import RANKS
from cladescope.training.curation.job import Job
from cladescope.training.curation.sections import BurstsConfig

_GAP: Final = "\x1f"
_ORDERED: Final = re.compile(r"\d{4}[-:/.]?\d{2}[-:/.]?\d{2}")
"""Dates whose letters are in the order of time."""


@dataclass(frozen=True, eq=False)
class TooMany:
    """Rows of large observations, ascending."""

    dropped: Int[np.ndarray, " d"]
    saved: Int[np.ndarray, " s"]
    """Rows of observations that stay whole because a taxon would be lost with them."""
    n_undated: int
    """Pictures of large observations without a date that begins with year, month and day: they are thinned in the order of the source."""


@dataclass(frozen=True, order=True)
class _Picture:
    """In the order in which pictures of an observation are thinned: those without a date come last."""

    has_no_date: bool
    recorded: str
    record: int
    row: int
    taxon: str = field(compare=False)


class _Part(NamedTuple):
    keys: UInt64[np.ndarray, " p"]
    observations: list[str]
    rows: Int[np.ndarray, " p"]
    """Within the part, of pictures that are in and have an observation."""


def too_many(job: Job, is_in: Bool[np.ndarray, " n"]) -> TooMany:
    """Which of the pictures that are in are too many of their observation, a `sequence_id`, else an `observation_id`, of one source.

    Memory: 9 bytes a record, some 400 bytes a picture of a large observation, and for `drop` some 200 bytes a distinct taxon.
    """
    config = job.config.bursts
    large = _large_keys(job, is_in, config.most)
    observations, elsewhere, n_undated = _held(job, is_in, large, drop=config.act == "drop")
    dropped: list[int] = []
    saved: list[int] = []
    groups = [sorted(pictures) for pictures in observations.values()]
    # Two observations may share a hash by chance: they are counted again by their names.
    elsewhere.update(one.taxon for group in groups if len(group) <= config.most for one in group)
    for group in groups:
        if len(group) <= config.most:
            continue
        if config.act == "thin":
            kept = set(spread(len(group), config.most))
            dropped += [one.row for place, one in enumerate(group) if place not in kept]
        elif any(one.taxon and one.taxon not in elsewhere for one in group):
            saved += [one.row for one in group]
        else:
            dropped += [one.row for one in group]
    return TooMany(np.array(sorted(dropped), np.int64), np.array(sorted(saved), np.int64), n_undated)


def spread(n: int, most: int) -> list[int]:
    """Places of `most` of `n` things in order, spread evenly, the first and the last among them; all where there are no more.

    >>> spread(10, 4), spread(5, 1), spread(2, 3)
    ([0, 3, 6, 9], [0], [0, 1])
    """
    if n <= most:
        return list(range(n))
    gaps = max(most - 1, 1)
    return [(2 * place * (n - 1) + gaps) // (2 * gaps) for place in range(most)]


def reason(config: BurstsConfig) -> str:
    """Why a picture is dropped."""
    if config.act == "thin":
        return "one of many of its observation"
    return f"observation of more than {config.most} pictures"


def saved_as(config: BurstsConfig) -> str:
    """What is counted of pictures that `drop` would have dropped."""
    return f"kept of an observation of more than {config.most} pictures: a taxon would be lost with it"


def _large_keys(job: Job, is_in: Bool[np.ndarray, " n"], most: int) -> UInt64[np.ndarray, " k"]:
    """Hashes of observations of more than so many pictures, ascending."""
    keys = np.empty(len(is_in), np.uint64)
    n = 0
    for part in counted(_parts(job, is_in), "counting pictures of observations, in parts of records:", job.n_parts):
        keys[n : n + len(part.keys)] = part.keys
        n += len(part.keys)
    keys = keys[:n]
    keys.sort()
    # Of more than `most` equal keys, one that follows another is equal to the one `most` places before it.
    return np.unique(keys[most:][keys[most:] == keys[: max(n - most, 0)]])


def _held(
    job: Job, is_in: Bool[np.ndarray, " n"], large: UInt64[np.ndarray, " k"], *, drop: bool
) -> tuple[dict[str, list[_Picture]], set[str], int]:
    """Pictures of observations with these hashes, (for `drop`) the taxa of all other pictures, and how many of the former have no date that can be put in order."""
    found: dict[str, list[_Picture]] = {}
    elsewhere: set[str] = set()
    n_undated = 0
    for number, part in enumerate(counted(_parts(job, is_in), "looking at bursts, in parts of records:", job.n_parts)):
        places = np.flatnonzero(np.isin(part.keys, large))
        rows = part.rows[places]
        if not len(rows) and not drop:
            continue
        taxa = taxa_of(job.read("names", number, RANKS))
        if drop:
            others = is_in[number * job.part_rows :][: len(taxa)].copy()
            others[rows] = False
            elsewhere.update(taxa.filter(pa.array(others)).unique().to_pylist())
        about = job.read("gather", number, ["row", "recorded", "record"]).take(pa.array(rows)).to_pylist()
        some = taxa.take(pa.array(rows)).to_pylist()
        for place, one, taxon in zip(places.tolist(), about, some, strict=True):
            date = one["recorded"] if _ORDERED.match(one["recorded"] or "") else None
            n_undated += date is None
            picture = _Picture(date is None, date or "", one["record"], one["row"], taxon)
            found.setdefault(part.observations[place], []).append(picture)
    return found, elsewhere, n_undated


def taxa_of(names: pa.Table) -> pa.Array:
    """The path of each row as one text, letter case aside; empty where no rank is known."""
    columns = [names[rank].cast(pa.string()) for rank in RANKS]
    joined = pc.binary_join_element_wise(*columns, _GAP, null_handling="replace", null_replacement="")
    return pc.utf8_lower(pc.utf8_rtrim(joined, _GAP)).combine_chunks()


def _parts(job: Job, is_in: Bool[np.ndarray, " n"]) -> Iterator[_Part]:
    """Hashes and names of the observations of a part's pictures that are in."""
    for number in range(job.n_parts):
        table = job.read("gather", number, ["source", "observation_id", "sequence_id"])
        shown = pc.coalesce(table["sequence_id"], table["observation_id"])
        table = table.select(["source"]).append_column("shown", shown)
        there = pc.is_valid(shown).to_numpy() & is_in[number * job.part_rows :][: table.num_rows]
        some = table.filter(pa.array(there))
        names = pc.binary_join_element_wise(some["source"].cast(pa.string()), some["shown"], _GAP)
        encoded = names.combine_chunks().dictionary_encode()
        texts = encoded.dictionary.to_pylist()
        codes = encoded.indices.to_numpy()
        yield _Part(_hashes(texts)[codes], [texts[code] for code in codes.tolist()], np.flatnonzero(there))


def _hashes(texts: Sequence[str]) -> UInt64[np.ndarray, " t"]:
    whole = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(whole, np.uint64)
