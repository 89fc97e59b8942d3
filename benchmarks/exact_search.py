"""Our exact search against a plain FAISS flat index, and the HNSW index of a store: queries a second in one run.

python benchmarks/exact_search.py
python benchmarks/exact_search.py --n 50000 --d 768

First table: n vectors in memory, k = 10, one query at a time and 256 together. `IndexFlatIP` is FAISS's own exact search in
float32. `Gallery` is ours over the same numbers; `float16 blocks` is ours over half the memory, in the blocks in which a
store is read. `against flat` is the time over that of `IndexFlatIP`; 1.0 is as fast, and ours is to stay within 1.2.

Second table: a store on disk of --ann-n vectors, one query at a time. `streamed` reads the store for each query, as
`search --exact` does without an index; `HNSW` is the graph that `cladescope index` builds, alone and as `Store.search` asks
it, with the lineage of its hits. `ann_recall@10` is the share of the exact ten neighbours found, for queries that the store
does not hold.

Vectors are random about random centres, a hundred to a centre: harder for a graph than those of photographs, and the
speed of exact search does not depend on them. Each figure is the median over the rounds, in which all run in turn.
"""

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import faiss
import numpy as np
from side_by_side import clustered_vectors, fill_store, in_turn, machine, print_table, seconds

from cladescope.arrays import blocks
from cladescope.index import exact
from cladescope.index.ann.build import build
from cladescope.index.ann.files import AnnIndex
from cladescope.index.ann.recall import recalled
from cladescope.index.gallery import Gallery
from cladescope.index.store import Store
from cladescope.index.store_reader import BLOCK_ROWS

K = 10
BATCH = 256
SINGLE = 8
"""Queries asked one at a time in a round."""
FLAT = "IndexFlatIP"


def compare_exact(vectors: np.ndarray, queries: np.ndarray, *, rounds: int) -> None:
    """First table; 10 n d bytes."""
    n, d = vectors.shape
    flat = faiss.IndexFlatIP(d)
    flat.add(vectors)
    gallery = Gallery(np.arange(n), vectors)
    halves = vectors.astype(np.float16)

    def search_halves(wanted: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        parts = ((gallery.keys[start:stop], halves[start:stop]) for start, stop in blocks(n, size=BLOCK_ROWS))
        return exact.search(parts, wanted, k)

    searches = {FLAT: flat.search, "Gallery, float32": gallery.search, "float16 blocks": search_halves}
    modes = {"single": [queries[row : row + 1] for row in range(SINGLE)], "batch": [queries[:BATCH]]}
    contenders = {
        f"{name}, {mode}": partial(ask_all, search, parts)
        for mode, parts in modes.items()
        for name, search in searches.items()
    }
    took = in_turn(contenders, rounds=rounds)
    rows = []
    for name in searches:
        row = [name]
        for mode, parts in modes.items():
            taken = took[f"{name}, {mode}"]
            rate = sum(map(len, parts)) / taken
            row += [f"{rate:.1f}", f"{taken / took[f'{FLAT}, {mode}']:.2f}"]
        rows.append(row)
    print(f"\n{n} x {d}, k = {K}\n")
    print_table(["exact search", "one at a time, queries/s", "against flat", f"{BATCH} together", "against flat"], rows)


def ask_all(search: Callable[[np.ndarray, int], object], parts: list[np.ndarray]) -> float:
    """Seconds to ask for each part of the queries."""
    return seconds(lambda: [search(part, K) for part in parts])


def compare_index(vectors: np.ndarray, queries: np.ndarray, *, rounds: int) -> None:
    """Second table."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "store"
        fill_store(path, vectors)
        store = Store.open(path)
        card = build(store, kind="hnsw")
        index = AnnIndex.find(path)
        assert index is not None
        found, truth = (ask(queries, K)[1] for ask in (index.search, index.exact))
        recall = f"{recalled(index.flat.vectors, queries, truth, found, K).mean():.3f}"
        counts = {"streamed from disk": SINGLE, "HNSW, the graph alone": len(queries), "HNSW, Store.search": SINGLE}
        took = in_turn(
            {
                "streamed from disk": partial(ask_each, partial(store.search, exact=True), queries[:SINGLE]),
                "HNSW, the graph alone": lambda: seconds(lambda: [index.search(query[None], K) for query in queries]),
                "HNSW, Store.search": partial(ask_each, store.search, queries[:SINGLE]),
            },
            rounds=rounds,
        )
        built = f"built in {card.build_seconds:.0f} s, {card.bytes_per_vector:.0f} bytes a vector, {card.steps[0].near}"
        print(f"\nstore of {len(vectors)} x {vectors.shape[1]}, k = {K}; HNSW {built}\n")
        rows = [
            [name, f"{n / took[name]:.1f}", f"{1000 * took[name] / n:.1f}", "1" if "HNSW" not in name else recall]
            for name, n in counts.items()
        ]
        print_table(["search of a store", "queries/s", "ms", "ann_recall@10"], rows)


def ask_each(search: Callable[..., object], queries: np.ndarray) -> float:
    """Seconds to ask a store for each query."""
    return seconds(lambda: [search(vector=query, k=K) for query in queries])


def padded(row_ids: np.ndarray) -> np.ndarray:
    """K row ids, -1 where fewer were found."""
    return np.pad(row_ids, (0, K - len(row_ids)), constant_values=-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=200_000, help="vectors in memory (default: %(default)s)")
    parser.add_argument("--d", type=int, default=512, help="numbers a vector (default: %(default)s)")
    parser.add_argument(
        "--ann-n", type=int, default=50_000, help="vectors of the store, at least 256 (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    options = parser.parse_args()
    print(f"{machine()}, FAISS {faiss.__version__}; medians of {options.rounds} rounds")
    # Queries come from the same clusters and are held by neither side.
    for n, compare in ((options.n, compare_exact), (options.ann_n, compare_index)):
        vectors = clustered_vectors(n + BATCH, options.d)
        compare(vectors[:n], vectors[n:], rounds=options.rounds)


if __name__ == "__main__":
    main()
