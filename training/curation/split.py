"""The stage `split`: which pictures are trained on and which are held out, by whole units, drawn alike in every process.

Units and their order come from ids and a hash, so that neither the order of the sources nor that of a set decides, and pictures that are added
move few others. BioCLIP draws from a set of texts, whose order changes with every process: https://github.com/Imageomics/bioclip, `make_splits.py`.
"""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from itertools import combinations, pairwise
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int, Int8

from cladescope.errors import InputError
from cladescope.taxonomy import RANKS
from cladescope.training.curation.columns import SPLIT
from cladescope.training.curation.flow import carried
from cladescope.training.curation.job import Job, Stage
from cladescope.training.curation.units import Pictures, hashed_order, pictures_of
from cladescope.training.data.splits import first_units, species_of

logger = logging.getLogger(__name__)

PARTS: Final = ("train", "val", "test", "test_species")
TIED_TO_SOURCE: Final = "tied to a held-out source"
TIED_TO_SPECIES: Final = "tied to a held-out species"
_MISSED: Final = 0.2
"""How much of a share may be missed before it is said."""
_TRAIN, _VAL, _TEST, _SPECIES, _BY_SOURCE, _BY_SPECIES = range(6)
_SAID: Final = (None, None, None, None, TIED_TO_SOURCE, TIED_TO_SPECIES)


def split(job: Job) -> None:
    """Draw the splits, and check that no two of them share anything that must stay together. Memory: that of `pictures_of`.

    Raises InputError where a share that is not 0 would hold out nothing, and where nothing would be left to train on.
    """
    config, seed = job.config.splits, job.config.seed
    with job.stage("split", {**asdict(config), "seed": seed}) as stage:
        if stage.is_done:
            return
        pictures = pictures_of(job)
        species = _species(pictures)
        part, stage.more["shares"] = _drawn(job, pictures, species)
        for line in missed_shares(stage.more["shares"]):
            logger.warning("%s", line)
        is_small = _small(pictures, part == _TRAIN, config.train_small, seed)
        stage.more["overlaps"] = overlaps(part, {"unit": pictures.unit, **pictures.ties}, species)
        check_apart(stage.more["overlaps"])
        if pictures.no_place:
            stage.more["pictures that no place ties"] = dict(pictures.no_place)
        there = {name: part == code for code, name in enumerate(PARTS)}
        there = {**there, "train_small": is_small}
        stage.more["pictures"] = {name: int(some.sum()) for name, some in there.items()}
        stage.more["classes"] = {name: len(np.unique(pictures.classes[some])) for name, some in there.items()}
        stage.more["units"] = {name: len(np.unique(pictures.unit[some])) for name, some in there.items()}
        for number in stage.unmade():
            _write(job, stage, number, pictures, part, is_small)


def overlaps(
    part: Int8[np.ndarray, " n"], kinds: Mapping[str, Int[np.ndarray, " n"]], species: Int[np.ndarray, " n"]
) -> dict[str, int]:
    """How much two splits share, by kind: units, observations and so on (-1 for none); species are those of `test_species` that are trained or validated on.

    A picture whose part is not one of `PARTS` is dropped, and counts nowhere.

    >>> overlaps(np.array([0, 1, 3], np.int8), {"unit": np.array([0, 0, 2])}, np.array([5, 5, 6]))
    {'unit': 1, 'species': 0}
    """
    shared = {}
    for kind, codes in kinds.items():
        each = [np.unique(codes[(part == one) & (codes >= 0)]) for one in range(len(PARTS))]
        shared[kind] = sum(len(np.intersect1d(one, other, assume_unique=True)) for one, other in combinations(each, 2))
    learnt = np.unique(species[(part == _TRAIN) | (part == _VAL)])
    shared["species"] = len(np.intersect1d(learnt, species[part == _SPECIES]))
    return shared


def check_apart(shared: Mapping[str, int]) -> None:
    """Raise InputError where splits share something.

    >>> check_apart({"unit": 0})
    """
    if found := {kind: n for kind, n in shared.items() if n}:
        told = ", ".join(f"{kind} {n:,}" for kind, n in found.items())
        raise InputError(
            f"the splits share what must stay on one side ({told}): this is a fault of the program, none of them was written"
        )


def missed_shares(shares: Mapping[str, Mapping[str, float]]) -> list[str]:
    """What is said of shares that were missed by more than a fifth.

    >>> missed_shares({"val": {"asked": 0.9, "got": 0.01}, "test": {"asked": 0.1, "got": 0.09}})
    ['val holds 1.0% of the pictures beside held-out species and sources, not 90.0%: units stay whole, and every species keeps one to train on']
    """
    return [
        f"{name} holds {one['got']:.1%} of the pictures beside held-out species and sources, not {one['asked']:.1%}: units stay whole, and every species keeps one to train on"
        for name, one in shares.items()
        if abs(one["got"] - one["asked"]) > _MISSED * one["asked"]
    ]


def _drawn(
    job: Job, pictures: Pictures, species: Int[np.ndarray, " n"]
) -> tuple[Int8[np.ndarray, " n"], dict[str, dict[str, float]]]:
    """The part of each picture, as its place in `PARTS`, or why it is dropped; and for each share what was asked and what it is."""
    config, seed = job.config.splits, job.config.seed
    n = len(pictures.rows)
    if not n:
        why = Counter[str]()
        for stage in job.stages[: job.stages.index("split")]:
            for _, word, count in job.manifest(stage)["counts"]["dropped"]:
                why[f"{stage}: {word}"] += count
        told = ", ".join(f"{word} {count:,}" for word, count in why.items())
        raise InputError(f"all records were dropped ({told}): ask for less, or give other sources")
    part = np.zeros(n, np.int8)
    held = [number for number, one in enumerate(job.config.sources) if one.name in config.held_out_sources]
    if held:
        by_source = np.isin(pictures.sources, held)
        for name, number in ((job.config.sources[number].name, number) for number in held):
            if not (pictures.sources == number).any():
                raise InputError(
                    f"splits.held_out_sources names {name}, of which no picture is left: look in the counts for why, or leave it out"
                )
        part[np.isin(pictures.unit, pictures.unit[by_source])] = _BY_SOURCE
        part[by_source] = _TEST
    rest = part == _TRAIN
    if config.species:
        out = np.isin(species, _drawn_species(pictures, species, rest, config.species, seed))
        part[rest & np.isin(pictures.unit, pictures.unit[rest & out])] = _BY_SPECIES
        part[rest & out] = _SPECIES
    n_rest = int((part == _TRAIN).sum())
    shares: dict[str, dict[str, float]] = {}
    for code, share in ((_TEST, config.test), (_VAL, config.val)):
        if not share:
            continue
        rest = part == _TRAIN
        turns = pictures.turns(seed, PARTS[code])[rest]
        out = first_units(pictures.classes[rest], turns, share * n_rest, passes_over=True)
        if not out.any():
            raise InputError(
                f"splits.{PARTS[code]} is {share}, and would hold out nothing of {int(rest.sum())} pictures, since every species keeps a unit to train on: "
                f"give more pictures a species, tie less together, or splits.{PARTS[code]} = 0"
            )
        part[np.flatnonzero(rest)[out]] = code
        shares[PARTS[code]] = {"asked": share, "got": round(int(out.sum()) / n_rest, 6)}
    if not (part == _TRAIN).any():
        raise InputError(f"of {n} pictures none would be left to train on: hold out less, or give more pictures")
    return part, shares


def _species(pictures: Pictures) -> Int[np.ndarray, " n"]:
    """The species of each picture as a number: classes that only lack a rank in between count as one."""
    numbers = np.append(species_of(pictures.taxa), len(pictures.taxa))
    found: Int[np.ndarray, " n"] = numbers[pictures.classes].astype(np.int64)
    return found


def _drawn_species(
    pictures: Pictures, species: Int[np.ndarray, " n"], rest: Bool[np.ndarray, " n"], share: float, seed: int
) -> Int[np.ndarray, " s"]:
    """Species that are held out whole, of those that have pictures in the rest and no class below them."""
    taxa = pictures.taxa
    of_class = species_of(taxa)
    # Sorted, a class is followed by the first of those below it.
    above = [code for code, (taxon, following) in enumerate(pairwise(taxa)) if taxon.contains(following)]
    there = np.intersect1d(species[rest & (pictures.classes < len(taxa))], of_class)
    drawable = np.setdiff1d(there, of_class[above])
    # A species of several classes goes by the first of them.
    numbers, first = np.unique(of_class, return_index=True)
    paths = ["\0".join(taxa[code].key) for code in first[np.isin(numbers, drawable)]]
    n_out = _n_species_out(share, len(drawable))
    found: Int[np.ndarray, " s"] = drawable[hashed_order(seed, "species", paths) < n_out]
    return found


def _n_species_out(share: float, n_species: int) -> int:
    """How many species are held out. Raises InputError where that is none of them, or all."""
    n_out = round(share * n_species)
    if not 0 < n_out < n_species:
        what = "nothing" if n_out == 0 else "everything"
        fits = f"give one from {1 / n_species:.2g} on" if n_out == 0 and n_species > 1 else "give less, or more species"
        raise InputError(
            f"splits.species is {share}, and would hold out {what} of {n_species:,} species: {fits}, or splits.species = 0"
        )
    return n_out


def check_species(job: Job) -> None:
    """Raises InputError where the names alone show that `splits.species` holds out nothing, however many pictures stay: known before any is opened."""
    share = job.config.splits.species
    if not share:
        return
    named = pa.table({rank: pa.array([], pa.string()) for rank in RANKS})
    for table in job.scan("names", [*RANKS, "dropped"]):
        is_named = pc.is_valid(pc.coalesce(*[table[rank].cast(pa.string()) for rank in RANKS]))
        here = table.filter(pc.and_(pc.is_null(table["dropped"]), is_named)).select(list(RANKS)).cast(named.schema)
        named = pa.concat_tables([named, here]).group_by(list(RANKS)).aggregate([])
    if not round(share * named.num_rows):
        _n_species_out(share, named.num_rows)


def check_places(job: Job) -> None:
    """Raises InputError where places are to tie pictures, and no record says one: known before any is opened."""
    if "place" not in job.config.splits.together:
        return
    for table in job.scan("gather", ["latitude", "longitude"]):
        if pc.any(pc.and_(pc.is_valid(table["latitude"]), pc.is_valid(table["longitude"]))).as_py():
            return
    raise InputError(
        "splits.together names place, and no record says where it was taken: give columns latitude and longitude (or lat and lon), or leave place out"
    )


def _small(pictures: Pictures, train: Bool[np.ndarray, " n"], share: float, seed: int) -> Bool[np.ndarray, " n"]:
    """Which training pictures are also in the small set."""
    small = np.zeros(len(train), bool)
    if not share:
        return small
    places = np.flatnonzero(train)
    n_small = round(share * len(places))
    if not n_small:
        raise InputError(
            f"splits.train_small is {share}, and would hold nothing of {len(places)} pictures: give one from {1 / len(places):.2g} on"
        )
    ids = pictures.ids.take(pa.array(places)).to_pylist()
    small[places[hashed_order(seed, "train_small", ids) < n_small]] = True
    return small


def _write(
    job: Job,
    stage: Stage,
    number: int,
    pictures: Pictures,
    part: Int8[np.ndarray, " n"],
    is_small: Bool[np.ndarray, " n"],
) -> None:
    table = job.read("single", number, ["row", "dropped"])
    start = number * job.part_rows
    first, last = np.searchsorted(pictures.rows, [start, start + table.num_rows])
    here, some = pictures.rows[first:last] - start, part[first:last]
    stays = some < len(PARTS)
    splits: list[str | None] = [None] * table.num_rows
    reasons: list[str | None] = [None] * table.num_rows
    for row, code in zip(here.tolist(), some.tolist(), strict=True):
        splits[row], reasons[row] = (PARTS[code], None) if code < len(PARTS) else (None, _SAID[code])
    columns = [
        table["row"],
        pc.dictionary_encode(pa.array(splits, pa.string())),
        _placed(table.num_rows, here[stays], is_small[first:last][stays]),
        _placed(table.num_rows, here, pictures.unit[first:last]),
        carried("split", table["dropped"], reasons),
    ]
    stage.write(number, pa.Table.from_arrays(columns, schema=SPLIT))


def _placed(n: int, places: Int[np.ndarray, " k"], values: Bool[np.ndarray, " k"] | Int[np.ndarray, " k"]) -> pa.Array:
    """A column of n rows with values in some places, null elsewhere."""
    whole = np.zeros(n, values.dtype)
    mask = np.ones(n, bool)
    whole[places], mask[places] = values, False
    return pa.array(whole, mask=mask)
