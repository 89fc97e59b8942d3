"""Taxa whose names begin with some letters, or hold them: Latin and common names, whatever their case and accents."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cladescope.app.service.served_store import ServedStore
from cladescope.app.service.taxa_tree import named_lineages
from cladescope.index.store import Store
from cladescope.schema import LABEL, holds_labels
from cladescope.taxonomy import RANKS, Taxon

_NOTHING = pa.scalar("", pa.large_string())


def find(served: ServedStore, letters: str, limit: int) -> list[dict[str, Any]]:
    """So many taxa of a store, those whose name begins so first, and of these those with the most pictures.

    Where no picture has a rank, it is labels that are found, and their rank is `label`. Takes one pass over the names, some milliseconds for 100,000.
    """
    with served.reading():
        names = served.of_version("names", _names)
    sought = _folded(pa.array([letters.strip()], pa.large_string()))[0].as_py()
    if not sought:
        return []
    starts, holds = (
        pc.or_(test(names["latin"], sought), test(names["common"], sought))
        for test in (pc.starts_with, pc.match_substring)
    )
    # A word within a name is nearer to what is meant than letters within a word.
    word = pc.or_(pc.match_substring(names["latin"], f" {sought}"), pc.match_substring(names["common"], f" {sought}"))
    place = pc.if_else(starts, 0, pc.if_else(word, 1, 2))
    found = names.append_column("place", place).filter(holds)
    order = pc.select_k_unstable(
        found, limit, [("place", "ascending"), ("n_images", "descending"), ("depth", "ascending"), ("latin", "ascending")]
    ) if found.num_rows else pa.array([], pa.uint64())  # fmt: skip
    return [_told(row) for row in found.take(order).to_pylist()]


def _names(store: Store) -> pa.Table:
    """Every taxon of every rank with its number of pictures and most frequent common name; both names folded as well."""
    lineages = named_lineages(store)
    parts = [_at_rank(lineages, depth) for depth in range(1, len(RANKS) + 1)]
    if not sum(part.num_rows for part in parts) and holds_labels(store.schema):
        parts = [_labels(store)]
    table = pa.concat_tables(parts)
    latin, common = (_folded(table[name]) for name in ("name", "common_name"))
    return table.append_column("latin", latin).append_column("common", pc.fill_null(common, _NOTHING))


def _at_rank(lineages: pa.Table, depth: int) -> pa.Table:
    """The taxa of one rank. Names that differ by their case alone are two here, as they are written."""
    ranks = list(RANKS[:depth])
    held = lineages.filter(pc.field(ranks[-1]).is_valid() & (pc.field(ranks[-1]) != ""))
    sums = held.group_by(ranks).aggregate([("n_images", "sum")])
    ends = pc.scalar(True)
    for rank in RANKS[depth:]:
        ends &= pc.field(rank).is_null()
    own = held.filter(ends & pc.field("common_name").is_valid())
    named = own.group_by([*ranks, "common_name"]).aggregate([("n_images", "sum")])
    named = named.sort_by([("n_images_sum", "descending"), ("common_name", "ascending")])
    first = named.group_by(ranks, use_threads=False).aggregate([("common_name", "first")])
    # A join finds no null beside a null: empty texts stand for ranks that are left out in between.
    joined = _with_texts(sums, ranks).join(_with_texts(first, ranks), ranks)
    whole = {rank: joined[rank] if rank in ranks else pa.nulls(joined.num_rows, pa.large_string()) for rank in RANKS}
    return pa.table(
        {
            **{rank: pc.cast(column, pa.large_string()) for rank, column in whole.items()},
            "name": pc.cast(joined[ranks[-1]], pa.large_string()),
            "depth": pa.array([depth] * joined.num_rows, pa.int8()),
            "common_name": pc.cast(joined["common_name_first"], pa.large_string()),
            "n_images": pc.cast(joined["n_images_sum"], pa.int64()),
        }
    )


def _labels(store: Store) -> pa.Table:
    counted = store.table([LABEL]).group_by(LABEL).aggregate([([], "count_all")])
    counted = counted.filter(pc.field(LABEL).is_valid() & (pc.field(LABEL) != ""))
    n = counted.num_rows
    return pa.table(
        {
            **{rank: pa.nulls(n, pa.large_string()) for rank in RANKS},
            "name": pc.cast(counted[LABEL], pa.large_string()),
            "depth": pa.array([0] * n, pa.int8()),
            "common_name": pa.nulls(n, pa.large_string()),
            "n_images": pc.cast(counted["count_all"], pa.int64()),
        }
    )


def _with_texts(table: pa.Table, ranks: list[str]) -> pa.Table:
    for rank in ranks:
        place = table.column_names.index(rank)
        table = table.set_column(place, rank, pc.fill_null(table[rank].cast(pa.large_string()), _NOTHING))
    return table


def _folded(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Texts in small letters without accents.

    >>> _folded(pa.array(["Blåmejse", "ŌKAMI"])).to_pylist()
    ['blamejse', 'okami']
    """
    apart = pc.utf8_normalize(texts, form="NFKD")
    return pc.utf8_lower(pc.replace_substring_regex(apart, r"\p{M}+", ""))


def _told(row: dict[str, Any]) -> dict[str, Any]:
    taxon = Taxon.from_ranks(row)
    return {
        "taxon": row["name"] if taxon is None else str(taxon),
        "name": row["name"],
        "rank": LABEL if taxon is None else taxon.rank,
        "common_name": row["common_name"],
        "images": row["n_images"],
    }
