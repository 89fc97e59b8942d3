"""Search under filters, and the whole query without one: ann_recall@10, queries a second and milliseconds through `Store.search`.

    python benchmarks/search_filters.py --cache ../bench-data --n 60970
    python benchmarks/search_filters.py --cache ../bench-data --n 1000000 --seconds 5

`search_vectors.py` makes the vectors; n = 1,000,000 are the perturbed ones with 50,000 species, which are not real. Queries are views of
pictures of which the gallery has no view, asked one a call: vector in; hits with lineages, metadata and consensus out. Filters are
SQL (`draw < share`, a column of random numbers, so that what passes is spread evenly) and clades: of each share, the clade whose
number of rows comes nearest. A clade is the harder case for a graph, since the rows that pass lie together and most queries are of
other taxa. ann_recall@10 is against the exact answer over the rows that pass; equal scores count as found.

`p50` and `p99` are milliseconds of a call, over as many queries as fit into --seconds, after one call that is not counted and stands under
`first`. Searches use the store's index, built here with --target where the store has none.

The last lines give the memory of another process that opens the store and answers 1,000 queries: its peak, and what of it is its own
(the rest is mapped files, which the system may take back). Python and its libraries alone take some 300 MB.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc
from search_measures import recalls, truth_of
from search_vectors import Data, load, store_of
from side_by_side import machine, print_table

from cladescope.taxonomy import RANKS

K = 10
SHARES = (0.00001, 0.0001, 0.001, 0.01, 0.1, 0.5)
RECALL_QUERIES = 100


class Filter(NamedTuple):
    """What narrows a search, and the rows that pass it."""

    name: str
    options: dict[str, Any]
    mask: np.ndarray | None


def sql_filters(data: Data) -> list[Filter]:
    """One for each share by which at least one row passes."""
    draw = data.rows["draw"].to_numpy()
    filters = [Filter(f"SQL, {share:.3%}", {"where": f"draw < {share}"}, draw < share) for share in SHARES]
    return [one for one in filters if one.mask is not None and one.mask.any()]


def clade_filters(data: Data) -> list[Filter]:
    """For each share the clade that comes nearest to it; each once."""
    found: dict[str, Filter] = {}
    counts = _clades(data)
    for share in SHARES:
        path = min(counts, key=lambda path: abs(np.log(counts[path] / (share * data.rows.num_rows))))
        rank = RANKS[len(path) - 1]
        mask = np.ones(data.rows.num_rows, bool)
        for name, taxon in zip(RANKS, path, strict=False):
            column = data.rows[name]
            same = pc.is_null(column) if taxon is None else pc.equal(column, taxon).fill_null(False)
            mask &= same.to_numpy()
        within = f"{rank}:{path[-1]}"
        found[within] = Filter(f"{rank} {path[-1]}, {mask.mean():.3%}", {"within": within}, mask)
    return list(found.values())


def _clades(data: Data) -> dict[tuple[str | None, ...], int]:
    """Number of rows of each clade by its path, of clades whose name is recorded under one path alone."""
    counts: dict[tuple[str | None, ...], int] = {}
    for depth, rank in enumerate(RANKS, start=1):
        names = list(RANKS[:depth])
        table = data.rows.filter(data.rows[rank].is_valid()).group_by(names).aggregate([([], "count_all")])
        ends = table[rank].to_pylist()
        once = {name for name, n in zip(*np.unique(ends, return_counts=True), strict=True) if n == 1}
        for row in table.to_pylist():
            if row[rank] in once:
                counts[tuple(row[name] for name in names)] = row["count_all"]
    return counts


def measured(search: Any, one: Filter, data: Data, *, seconds: float, **options: Any) -> list[str]:
    """Cells of a row: rows that pass, recall, queries a second, first, p50 and p99."""
    mask = one.mask
    place = {name: row for row, name in enumerate(data.rows["image_id"].to_pylist())}
    times, found = [], []
    began = time.perf_counter()
    # Every query once, in an order in which whole pictures and crops alternate.
    for query in np.random.default_rng(0).permutation(data.queries):
        start = time.perf_counter()
        result = search(vector=query, k=K, **one.options, **options)
        _ = result.hits, result.consensus  # made when they are first looked at
        times.append(time.perf_counter() - start)
        if len(found) < RECALL_QUERIES:
            row = [place[hit.image_id] for hit in result.hits]
            found.append((query, row + [-1] * (K - len(row))))
        if time.perf_counter() - began > seconds and len(times) > 2:
            break
    truth = truth_of(data.vectors, np.stack([query for query, _ in found]), K, mask)
    recall = recalls(data.vectors, truth, np.array([row for _, row in found])).mean()
    first, later = times[0], np.array(times[1:])
    passing = len(data.vectors) if mask is None else int(mask.sum())
    p50, p99 = 1000 * np.percentile(later, [50, 99])
    return [
        one.name,
        f"{passing:,}",
        f"{recall:.3f}",
        f"{1 / later.mean():,.0f}",
        f"{1000 * first:.1f}",
        f"{p50:.2f}",
        f"{p99:.2f}",
        result.method,
    ]


def memory_of(path: Path, cache: Path) -> str:
    """Memory of this process after it asked a store for 1,000 queries, from /proc."""
    from cladescope.index.searcher import Searcher
    from cladescope.index.store import Store

    searcher = Searcher(Store.open(path))
    for query in np.load(cache / "organisms" / "queries.npy")[:1000]:
        _ = searcher.search(vector=query, k=K).hits
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    found = {words[0].rstrip(":"): int(words[1]) / 1024 for words in lines if words[0] in ("VmHWM:", "RssAnon:")}
    return f"memory: at most {found['VmHWM']:,.0f} MB, {found['RssAnon']:,.0f} MB of it its own"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder that search_vectors.py filled")
    parser.add_argument("--n", type=int, default=60_970, help="rows of the store (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2, help="time for each filter (default: %(default)s)")
    parser.add_argument("--memory-of", type=Path, metavar="STORE", help=argparse.SUPPRESS)
    parser.add_argument("--target", type=float, default=0.95, help="target recall of the index (default: %(default)s)")
    options = parser.parse_args()
    import cladescope
    from cladescope.index.searcher import Searcher
    from cladescope.index.store import Store

    if options.memory_of:
        print(memory_of(options.memory_of, options.cache))
        return
    data = load(options.cache, options.n)
    path = store_of(options.cache, options.n)
    store = Store.open(path)
    if store.describe()["index"] is None:
        cladescope.build_index(path, target_recall=options.target)
        store = Store.open(path)
    card = store.describe()["index"]
    print(f"{machine()}; {options.n:,} x {data.vectors.shape[1]}, k = {K}; index {card['kind']} ({card['factory']})\n")
    search = Searcher(store).search
    rows = [measured(search, Filter("none", {}, None), data, seconds=options.seconds)]
    rows.append(measured(search, Filter("none, exact", {}, None), data, seconds=options.seconds, exact=True))
    rows += [measured(search, one, data, seconds=options.seconds) for one in sql_filters(data) + clade_filters(data)]
    header = ["filter", "rows", f"ann_recall@{K}", "queries/s", "first, ms", "p50, ms", "p99, ms", "answered by"]
    print_table(header, rows)
    command = [sys.executable, __file__, "--cache", str(options.cache), "--memory-of", str(path)]
    print(f"\n{subprocess.run(command, check=True, capture_output=True, text=True).stdout}")


if __name__ == "__main__":
    main()
