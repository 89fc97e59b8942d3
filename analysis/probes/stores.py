"""The probes of one store, or of several beside each other on the pictures that all hold."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cladescope.analysis.pictures import Pictures
from cladescope.analysis.probes.compare import differences, matched
from cladescope.analysis.probes.rank_probes import N_QUERIES
from cladescope.analysis.probes.result import Difference, ProbeReport
from cladescope.analysis.probes.run import N_PERMUTATIONS, check_asked, probe, usable
from cladescope.errors import InputError
from cladescope.index.store import Store
from cladescope.phylogeny.tree import Tree
from cladescope.steps import step

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class ProbedStores:
    """What was measured of each store, the first one being asked about and the others held against it."""

    reports: tuple[ProbeReport, ...]
    pictures: tuple[Pictures, ...]
    """Of each store: its usable pictures or, of several stores, those that all share."""
    totals: tuple[int, ...]
    """Usable pictures of each store before those that all share were picked."""
    differences: tuple[Difference, ...] = ()
    """Paired, of each other store and the first; empty for one store."""

    def to_dict(self) -> dict[str, Any]:
        """The first report as plain values that JSON knows and, of several stores, the `others` and the `differences`."""
        document = self.reports[0].to_dict()
        if len(self.reports) > 1:
            document["others"] = [report.to_dict() for report in self.reports[1:]]
            document["differences"] = [asdict(difference) for difference in self.differences]
        return document


def probe_stores(
    stores: Sequence[Store],
    *,
    names: Sequence[str] | None = None,
    tree: Tree | None = None,
    variant: str | None = None,
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    rank: str | None = None,
    sample: int = N_QUERIES,
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
) -> ProbedStores:
    """Measure the first store, and the others on the pictures that all hold; see `run.probe` for time and memory.

    `within`, `where` and `variant`, a column of two values such as sex, choose from the first store: the others are brought
    to its pictures and rows. With the `rank` `label` labels are measured and no ranks, as where few pictures have a taxon. `names` are what differences call the stores; their paths if not given.

    Raises InputError for a store with fewer than 3 usable pictures, stores that share fewer than 3, a column that is not
    there or has not two values, a tree of other species, and what `Store.condition` raises.

        found = probe_stores([Store.open("a.store"), Store.open("b.store")])
        found.reports[0].results, found.differences
    """
    if not stores:
        raise InputError("no store is given: name one, or several to compare")
    chosen = [
        _read(one, within=within, where=where, variant=variant, rank=rank) if place == 0 else _read(one, rank=rank)
        for place, one in enumerate(stores)
    ]
    totals = tuple(len(one) for one in chosen)
    sets = matched(chosen) if len(chosen) > 1 else chosen
    called = [one.label for one in stores] if names is None else names
    check_asked(sets[0], tree=tree, variant=variant)
    probed = []
    for name, one, pictures in zip(called, stores, sets, strict=True):
        logger.info("%s: probing %s pictures", name, f"{len(pictures):,}")
        probed.append(
            probe(
                pictures, store=one.label, store_version=one.version, encoder=one.card.to_dict(), tree=tree,
                variant=variant, sample=sample, n_permutations=n_permutations, seed=seed,
            )
        )  # fmt: skip
    with step("comparing the stores"):
        found = tuple(
            difference
            for name, other in zip(called[1:], probed[1:], strict=True)
            for difference in differences(probed[0], other, name=name, seed=seed)
        )
    return ProbedStores(
        reports=tuple(one.report for one in probed), pictures=tuple(sets), totals=totals, differences=found
    )


def _read(
    store: Store,
    *,
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    variant: str | None = None,
    rank: str | None = None,
) -> Pictures:
    columns = ["image_id", "content_hash", *([] if variant is None else [variant])]
    pictures = Pictures.of_store(store, within=within, where=where, columns=columns)
    if not len(pictures) and not pictures.n_left_out:
        raise InputError(f"no picture of {store.path} is selected: widen the selection (within, where)")
    try:
        return usable(pictures, rank)
    except InputError as error:
        raise InputError(f"{store.path}: {error}") from error
