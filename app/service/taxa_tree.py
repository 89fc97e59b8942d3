"""The taxa of a store as a tree, of which one taxon's children are made at a time: names, common names and counts."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cladescope.app.service.refusal import RefusalError
from cladescope.app.service.served_store import ServedStore
from cladescope.index.store import Store
from cladescope.index.store_reader import StoreReader
from cladescope.taxonomy import RANKS, Taxon

NAMED = [*RANKS, "common_name"]


def named_lineages(store: Store) -> pa.Table:
    """Each distinct lineage with its common name, and the number of its pictures, `n_images`; grows with taxa, not pictures."""
    total: pa.Table | None = None
    for batch in store.scan(NAMED):
        part = pa.table(batch).append_column("n_images", pa.repeat(pa.scalar(1, pa.int64()), batch.num_rows))
        both = part if total is None else pa.concat_tables([total, part])
        total = both.group_by(NAMED).aggregate([("n_images", "sum")]).rename_columns([*NAMED, "n_images"])
    if total is None:
        total = pa.table({**{name: pa.array([], pa.string()) for name in NAMED}, "n_images": pa.array([], pa.int64())})
    return total


def children(served: ServedStore, *, under: str | None, rank: str | None, limit: int, offset: int) -> dict[str, Any]:
    """The taxa of one rank below a taxon, those with the most pictures first; from the roots on where none is named.

    The rank is the next one below that any picture has, unless one is asked for.

    Raises RefusalError for an unknown taxon, and a rank that is not below it.
    """
    with served.reading() as store:
        table = served.of_version("lineages", named_lineages)
        return children_of(store, table, under=under, rank=rank, limit=limit, offset=offset)


def children_of(
    store: StoreReader, table: pa.Table, *, under: str | None, rank: str | None, limit: int, offset: int
) -> dict[str, Any]:
    """As `children`, of pictures that are counted in a table as `named_lineages` makes it. Raises TaxonError for an unknown taxon."""
    taxa = [] if under is None else store.taxa(under)
    if taxa:
        table = table.filter(_inside(taxa, store))
    depth = len(taxa[0].path) if taxa else 0
    below = RANKS[depth:]
    if rank is not None and rank not in below:
        where = "below the roots" if under is None else f"below {taxa[0].rank} {taxa[0].name}"
        raise RefusalError(422, f"rank is {rank!r}: {where} there are {', '.join(below) or 'no ranks'}")
    found = rank or next((one for one in below if table.column(one).null_count < table.num_rows), None)
    listed = [] if found is None else _grouped(table, found)
    named = sum(one["images"] for one in listed)
    total = int(pc.sum(table.column("n_images")).as_py() or 0)
    return {
        "under": str(taxa[0]) if taxa else None,
        "rank": found,
        "images": total,
        "without_rank": total - named,
        "n_children": len(listed),
        "children": listed[offset : offset + limit],
    }


def _inside(taxa: Iterable[Taxon], store: StoreReader) -> pc.Expression:
    """Rows of one of some clades, in whatever spelling they have."""
    clades = pc.scalar(False)
    for taxon in taxa:
        here = pc.scalar(True)
        for rank, name in zip(RANKS, taxon.path, strict=False):
            if name is None:
                here &= pc.field(rank).is_null()
            else:
                here &= pc.field(rank).isin(store.taxonomy.spellings(name) or (name,))
        clades |= here
    return clades


def _grouped(table: pa.Table, rank: str) -> list[dict[str, Any]]:
    """Each taxon of a rank, by its full path."""
    images: dict[Taxon, int] = defaultdict(int)
    species: dict[Taxon, set[str]] = defaultdict(set)
    deeper: dict[Taxon, bool] = defaultdict(bool)
    common: dict[Taxon, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    stop = RANKS.index(rank) + 1
    held = table.filter(pc.field(rank).is_valid())
    for row in held.group_by([*RANKS[:stop], *NAMED[stop:]]).aggregate([("n_images", "sum")]).to_pylist():
        whole = Taxon.from_ranks(row)
        if whole is None or len(whole.path) < stop:
            continue
        taxon, n = whole if len(whole.path) == stop else Taxon(whole.path[:stop]), row["n_images_sum"]
        images[taxon] += n
        if row["species"]:
            species[taxon].add(row["species"])
        deeper[taxon] |= len(whole.path) > stop
        if row["common_name"] and len(whole.path) == stop:
            common[taxon][row["common_name"]] += n
    listed = [
        {
            "taxon": str(taxon),
            "name": taxon.name,
            "rank": rank,
            "common_name": _most_frequent(common[taxon]),
            "images": n,
            "species": len(species[taxon]),
            "has_children": deeper[taxon],
        }
        for taxon, n in images.items()
    ]
    return sorted(listed, key=lambda one: (-one["images"], one["taxon"]))


def _most_frequent(counts: Mapping[str, int]) -> str | None:
    return min(counts, key=lambda name: (-counts[name], name), default=None)
