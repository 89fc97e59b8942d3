"""A report of one store or of several: what was asked, the probes, the paired differences and the maps, measured."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cladescope.analysis.maps.figure import SHOWN
from cladescope.analysis.probes.compare import differences, matched
from cladescope.analysis.probes.pictures import Pictures
from cladescope.analysis.probes.rank_probes import N_QUERIES
from cladescope.analysis.probes.result import ProbeReport
from cladescope.analysis.probes.run import N_PERMUTATIONS, probe
from cladescope.analysis.report.methods import METHODS, OF_RANKS, method_name
from cladescope.analysis.report.result import RankCount, Report, StoreMap
from cladescope.errors import InputError
from cladescope.index.store import Store
from cladescope.phylogeny.tree import Tree
from cladescope.taxonomy.taxon import RANKS

COLOURED = 0.8
"""Share of the pictures that the coloured taxa of a map hold, where the rank is chosen for the user."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """What is measured, and on what."""

    within: str | None = None
    """Only this clade."""
    where: str | None = None
    """Only rows under this SQL condition."""
    variant: str | None = None
    """A column of two values, such as sex."""
    tree: Tree | None = None
    """A phylogeny to hold the tree of the vectors against."""
    sample: int = N_QUERIES
    """Most pictures asked for their neighbours."""
    permutations: int = N_PERMUTATIONS
    """Permutations of the labels for the null."""
    map_sample: int = 2000
    """Most pictures on a map; 0 leaves the maps out."""
    color: str | None = None
    """Rank by which maps are coloured; None for the narrowest whose 12 largest taxa hold four fifths of the pictures."""
    seed: int = 0
    """Seed of every draw."""

    def __post_init__(self) -> None:
        """Raises InputError for a colour that is no rank."""
        if self.color is not None and self.color not in RANKS:
            raise InputError(f"--color {self.color} is no rank: use one of {', '.join(RANKS)}")


def make_report(stores: Sequence[Store], config: ReportConfig | None = None) -> Report:
    """Measure the first store, and the others beside it on the pictures that all hold.

    Time and memory are those of the probes, `cladescope.analysis.probes.run.probe`, for each store in turn, and of a UMAP
    of at most `map_sample` pictures.

    Raises InputError for a store with fewer than 3 pictures that have a taxon, and for stores that share fewer than 3 pictures.
    """
    config = config or ReportConfig()
    sets = [
        _read(one, within=config.within, where=config.where, variant=config.variant) if place == 0 else _read(one)
        for place, one in enumerate(stores)
    ]
    totals = tuple(len(one) for one in sets)
    if len(sets) > 1:
        sets = matched(sets)
    labels = _labels(stores)
    probed = []
    for label, one, pictures in zip(labels, stores, sets, strict=True):
        logger.info("%s: probing %s pictures", label, f"{len(pictures):,}")
        probed.append(
            probe(
                pictures, store=str(one.path), store_version=one.version, encoder=one.card.to_dict(), tree=config.tree,
                variant=config.variant, sample=config.sample, n_permutations=config.permutations, seed=config.seed,
            )
        )  # fmt: skip
    found = tuple(
        difference
        for label, other in zip(labels[1:], probed[1:], strict=True)
        for difference in differences(probed[0], other, name=label, seed=config.seed)
    )
    reports = tuple(one.report for one in probed)
    reasons = list(dict.fromkeys(reason for report in reports for reason in [*report.skipped, *_absent(report)]))
    ranks = tuple(_count(sets[0], place) for place in range(len(RANKS)))
    maps = []
    if config.map_sample:
        rank = config.color or _rank_of_colours(sets[0])
        try:
            for label, pictures in zip(labels, sets, strict=True):
                logger.info("%s: drawing the map", label)
                maps.append(_map(pictures.sample(config.map_sample, seed=config.seed), label, rank, seed=config.seed))
        except InputError as error:
            reasons.append(f"map: {error}")
    else:
        reasons.append("map: left out, as asked")
    settings = {
        "within": config.within,
        "where": config.where,
        "variant": config.variant,
        "sample": config.sample,
        "permutations": config.permutations,
        "map_sample": config.map_sample,
        "seed": config.seed,
    }
    return Report(
        labels=tuple(labels), totals=totals, ranks=ranks, n_images=len(sets[0]), probes=reports, differences=found,
        maps=tuple(maps), not_measured=tuple(reasons), settings=settings,
    )  # fmt: skip


def _read(store: Store, **selection: str | None) -> Pictures:
    try:
        return Pictures.of_store(store, **selection)
    except InputError as error:
        raise InputError(f"{store.path}: {error}") from error


def _labels(stores: Sequence[Store]) -> list[str]:
    """Short names that differ."""
    # Of a path the last two parts are enough here, and of a timm backbone its name; the whole name stands in the table.
    names = [
        re.sub(r"^(timm:[^@?]+)[@?].*$", r"\1", re.sub(r"^/\S*/([^/]+/[^/]+)$", r"\1", store.card.name))
        for store in stores
    ]
    labels = [
        name if names.count(name) == 1 else f"{name} in {store.path.name}"
        for name, store in zip(names, stores, strict=True)
    ]
    return [label if labels.count(label) == 1 else f"{label} ({place})" for place, label in enumerate(labels, start=1)]


def _count(pictures: Pictures, place: int) -> RankCount:
    labels = pictures.labels(place)[pictures.lineage]
    known = labels[labels >= 0]
    return RankCount(
        rank=RANKS[place], taxa=len(np.unique(known)), pictures=len(known), missing=len(labels) - len(known)
    )


def _absent(report: ProbeReport) -> list[str]:
    """Numbers that a measured rank, or the whole, lacks without a reason of its own among those skipped."""
    there = {(method_name(result.probe), result.rank) for result in report.results}
    measured = [rank for rank in RANKS if any(rank == one for _, one in there)]
    missing = {name: [rank for rank in measured if (name, rank) not in there] for name in OF_RANKS}
    reasons = [
        f"{name} at {', '.join(ranks)}: it needs {METHODS[name].needs}" for name, ranks in missing.items() if ranks
    ]
    for name in ("triplet accuracy", "triplet distance", "intrinsic dimension (TwoNN)"):
        species = ("distance correlation", None) in there or "intrinsic" in name
        if species and (name, None) not in there:
            reasons.append(f"{name}: it needs {METHODS[name].needs}")
    return reasons


def _rank_of_colours(pictures: Pictures) -> str:
    """The narrowest rank whose largest taxa, as many as have colours, hold four fifths of the pictures; else the broadest named."""
    named = []
    for place, rank in enumerate(RANKS):
        labels = pictures.labels(place)[pictures.lineage]
        sizes = np.sort(np.bincount(labels[labels >= 0]))[::-1] if (labels >= 0).any() else np.zeros(1, np.int64)
        if sizes[:SHOWN].sum() >= COLOURED * len(labels):
            named.append(rank)
    return (
        named[-1] if named else next(rank for place, rank in enumerate(RANKS) if (pictures.codes[:, place] > 0).any())
    )


def _map(pictures: Pictures, label: str, rank: str, *, seed: int) -> StoreMap:
    from cladescope.analysis.maps.layout import fit_map
    from cladescope.analysis.maps.quality import continuity, trustworthiness

    fitted = fit_map(pictures.vectors, seed=seed)
    k = min(fitted.neighbours, (len(pictures) - 1) // 2)
    place = RANKS.index(rank)
    paths = [
        tuple(pictures.names[code - 1] if code else "" for code in codes[: place + 1]) if codes[place] else None
        for codes in pictures.codes.tolist()
    ]
    return StoreMap(
        label=label, rank=rank, ids=pictures.ids, points=fitted.points, neighbours=k,
        lineages=tuple(paths[row] for row in pictures.lineage.tolist()),
        trustworthiness=trustworthiness(fitted.vectors, fitted.points, k=k, seed=seed),
        continuity=continuity(fitted.vectors, fitted.points, k=k, seed=seed),
    )  # fmt: skip
