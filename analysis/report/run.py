"""A report of one store or of several: what was asked, the probes, the paired differences and the maps, measured."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from cladescope.analysis.maps.colour_rank import colour_rank
from cladescope.analysis.maps.layout import MIN_POINTS
from cladescope.analysis.maps.order import density_aware_order
from cladescope.analysis.maps.page_columns import shown_columns
from cladescope.analysis.maps.page_data import PageMap
from cladescope.analysis.numbers import check_at_least
from cladescope.analysis.pictures import Pictures, clades_as_given
from cladescope.analysis.probes.rank_probes import N_QUERIES
from cladescope.analysis.probes.result import ProbeReport
from cladescope.analysis.probes.run import N_PERMUTATIONS
from cladescope.analysis.probes.stores import probe_stores
from cladescope.analysis.report.examples import examples
from cladescope.analysis.report.methods import METHODS, OF_RANKS, method_name
from cladescope.analysis.report.result import RankCount, Report, StoreMap
from cladescope.errors import InputError
from cladescope.index.store import Store
from cladescope.phylogeny.tree import Tree
from cladescope.schema import LEVELS

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """What is measured, and on what."""

    within: str | Sequence[str] | None = None
    """Only this clade, or a union of several."""
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
    """Rank, or `label`, by which maps are coloured; None for that of `colour_rank`."""
    seed: int = 0
    """Seed of every draw."""

    def __post_init__(self) -> None:
        """Raises InputError for a colour that is no rank, and for numbers that are too small."""
        check_at_least(3, sample=self.sample)
        check_at_least(0, permutations=self.permutations, map_sample=self.map_sample, seed=self.seed)
        if 0 < self.map_sample < MIN_POINTS:
            raise InputError(f"found map_sample {self.map_sample}, expected {MIN_POINTS} or more, or 0 for no map")
        if self.color not in (None, *LEVELS):
            raise InputError(f"the color {self.color} is no rank: use one of {', '.join(LEVELS)}")


def make_report(stores: Sequence[Store], config: ReportConfig | None = None) -> Report:
    """Measure the first store, and the others beside it on the pictures that all hold.

    Time and memory are those of the probes, `cladescope.analysis.probes.run.probe`, for each store in turn, and of a UMAP
    of at most `map_sample` pictures.

    Raises InputError for a store with fewer than 3 pictures that have a taxon, and for stores that share fewer than 3 pictures.
    """
    config = config or ReportConfig()
    labels = _labels(stores)
    probed = probe_stores(
        stores, names=labels, tree=config.tree, variant=config.variant, within=config.within, where=config.where,
        sample=config.sample, n_permutations=config.permutations, seed=config.seed,
    )  # fmt: skip
    reports, sets = probed.reports, probed.pictures
    reasons = list(dict.fromkeys(reason for report in reports for reason in [*report.skipped, *_absent(report)]))
    ranks = tuple(_count(sets[0], rank) for rank in sets[0].ranks)
    maps = []
    if config.map_sample:
        rank = config.color or colour_rank(sets[0])
        try:
            for store, label, pictures in zip(stores, labels, sets, strict=True):
                logger.info("%s: drawing the map", label)
                some = pictures.sample(config.map_sample, seed=config.seed)
                maps.append(_map(store, some, label, rank, seed=config.seed))
        except InputError as error:
            reasons.append(f"map: {error}")
    else:
        reasons.append("map: left out, as asked")
    settings = {
        "within": clades_as_given(config.within),
        "where": config.where,
        "variant": config.variant,
        "sample": config.sample,
        "permutations": config.permutations,
        "map_sample": config.map_sample,
        "seed": config.seed,
    }
    return Report(
        labels=tuple(labels), totals=probed.totals, ranks=ranks, n_images=len(sets[0]), probes=reports, differences=probed.differences,
        maps=tuple(maps), examples=tuple(examples(stores[0], sets[0], labels[0], seed=config.seed)), not_measured=tuple(reasons), settings=settings,
    )  # fmt: skip


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


def _count(pictures: Pictures, rank: str) -> RankCount:
    labels = pictures.labels(rank)
    known = labels[labels >= 0]
    return RankCount(rank=rank, taxa=len(np.unique(known)), pictures=len(known), missing=len(labels) - len(known))


def _absent(report: ProbeReport) -> list[str]:
    """Numbers that a measured rank, or the whole, lacks without a reason of its own among those skipped."""
    there = {(method_name(result.probe), result.rank) for result in report.results}
    measured = [rank for rank in LEVELS if any(rank == one for _, one in there)]
    missing = {name: [rank for rank in measured if (name, rank) not in there] for name in OF_RANKS}
    reasons = [
        f"{name} at {', '.join(ranks)}: it needs {METHODS[name].needs}" for name, ranks in missing.items() if ranks
    ]
    for name in ("triplet accuracy", "triplet distance", "intrinsic dimension (TwoNN)"):
        species = ("distance correlation", None) in there or "intrinsic" in name
        if species and (name, None) not in there:
            reasons.append(f"{name}: it needs {METHODS[name].needs}")
    return reasons


def _map(store: Store, pictures: Pictures, label: str, rank: str, *, seed: int) -> StoreMap:
    from cladescope.analysis.maps.run import draw

    drawn = draw(pictures, rank=rank, seed=seed)
    ids = pictures.texts("image_id").to_pylist()
    order = density_aware_order(drawn.points)
    names = shown_columns(store.schema)
    rows = store.rows_by_id(ids, names)
    schema = pa.schema([store.schema.field(name) for name in names])
    table = pa.Table.from_pylist([{"image_id": ids[at], **rows.get(ids[at], {})} for at in order], schema=schema)
    page = PageMap(
        name=label, points=drawn.points[order], pictures=Pictures(np.empty((len(ids), 0), np.float32), table),
        version=store.version, method=drawn.fitted.method, encoder=store.card.name, notes=tuple(drawn.notes),
        trustworthiness=drawn.trustworthiness, color=rank,
    )  # fmt: skip
    return StoreMap(
        label=label, rank=rank, ids=tuple(ids), points=drawn.points, neighbours=drawn.neighbours,
        lineages=tuple(pictures.lineages(rank)), trustworthiness=drawn.trustworthiness, continuity=drawn.continuity, page=page,
    )  # fmt: skip
