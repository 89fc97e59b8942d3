"""Approximate search beside other libraries: queries a second at equal recall, build time and size, in one run on the same vectors.

    python benchmarks/search_peers.py --cache ../bench-data --n 60970
    python benchmarks/search_peers.py --cache ../bench-data --n 60970 --only FAISS usearch --levels 0.95

`search_vectors.py` makes the vectors. Queries are views of pictures of which the gallery has no view. Each index is built with two
threads and held in memory (LanceDB's and ours lie on disk); then its one search parameter is raised until ann_recall@10 reaches each
level, the least that does is kept, and all indexes are timed in turn at it, the median of --rounds rounds. ann_recall@10 is the
share of the exact ten nearest found; equal scores count as found. `batched` asks all queries in one call with two threads, `single`
one query a call with one thread (LanceDB's threads are its own). A row without a rate did not reach the level. `of the best` is the
batched and the single rate over the best of the run.

`Cladescope` is a store on disk with the index that `cladescope index --target-recall LEVEL` chooses and tunes by its own means: the
recall of its rows is measured here, and may lie off the level. Batched is `search_batch`; single is one query a call: `search` alone,
then with its hits (lineage and all stored columns), then with their consensus too.

Other libraries are optional; those not installed are named and left out. Install them beside Cladescope, in an environment of their
own: `usearch rabitqlib ngt`.
"""

import argparse
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from search_contenders import THREADS, Contender, Faiss, K, Lance, Ngt, Symphony, Usearch
from search_measures import Truth, least_meeting, rate, recalls, threads, truth_of
from search_vectors import load, store_of
from side_by_side import in_turn, machine, print_table

SWEEP_QUERIES = 1000
LANCE_QUERIES = 300
"""Fewer for LanceDB, which answers some hundreds a second."""
SINGLE = 500


def contenders() -> list[Contender]:
    """All peers, in the order of the table; hand-tuned settings come from the findings in docs/benchmarks.md."""
    return [
        Faiss("HNSW32_SQfp16"),
        Faiss("HNSW32_SQfp16", ef_construction=64),
        Faiss("HNSW16_SQfp16", ef_construction=64),
        Faiss("HNSW32_SQ8", refine=2),
        Faiss("IVF256,SQfp16"),
        Faiss("IVF1024,SQfp16"),
        Faiss("IVF512,PQ128x4fs", refine=20),
        Faiss("IVF512,RaBitQfs", refine=10),
        Faiss("IVF512,RaBitQfs4", refine=2),
        Usearch(),
        Symphony(32),
        Symphony(32, bits=8),
        Ngt(),
        Lance("HnswSq", num_partitions=1, refine=5),
        Lance("IvfPq", refine=30),
        Lance("IvfRq", refine=10),
    ]


class Ours:
    """A store with its index, through the public functions; `said` is what is asked of each answer."""

    def __init__(self, cache: Path, n: int, level: float) -> None:
        import cladescope
        from cladescope.index.searcher import Searcher
        from cladescope.index.store import Store

        self.path = cache / f"store-{n}-peers"
        if not self.path.exists():
            shutil.copytree(store_of(cache, n), self.path)
        threads(THREADS)
        self.card = cladescope.build_index(self.path, target_recall=level)
        self.searcher = Searcher(Store.open(self.path))
        ids = pa.Table.from_batches(Store.open(self.path).scan(["_rowid", "image_id"]))
        place = {name: row for row, name in enumerate(load(cache, n).rows["image_id"].to_pylist())}
        self.place = {
            row_id: place[name] for row_id, name in zip(*(ids[c].to_pylist() for c in ids.column_names), strict=True)
        }

    def search(self, queries: np.ndarray) -> np.ndarray:
        """Rows found for queries together."""
        ids = self.searcher.search_batch(queries, k=K).row_ids
        return np.vectorize(lambda row_id: self.place.get(row_id, -1))(ids)

    def bare(self, query: np.ndarray) -> Any:
        """The answer to one query, whose hits nobody has looked at."""
        return self.searcher.search(vector=query, k=K)

    def with_hits(self, query: np.ndarray) -> Any:
        """Hits of one query: picture, lineage, the source's own columns."""
        return self.searcher.search(vector=query, k=K).hits

    def with_consensus(self, query: np.ndarray) -> Any:
        """Hits, and the taxon that they agree on."""
        return self.searcher.search(vector=query, k=K).consensus


class Built(NamedTuple):
    """An index and what it cost."""

    contender: Contender
    seconds: float
    n_bytes: int


class Point(NamedTuple):
    """An index at the search parameter that reaches a level."""

    built: Built
    level: float
    value: int
    recall: float


def build(contender: Contender, vectors: np.ndarray) -> Built:
    began = time.perf_counter()
    contender.build(vectors)
    seconds = time.perf_counter() - began
    print(f"built {contender.name} in {seconds:.1f} s", flush=True)
    return Built(contender, seconds, contender.n_bytes())


def points(built: Built, vectors: np.ndarray, truth: Truth, levels: list[float]) -> list[Point]:
    """The least search parameters that reach the levels."""
    seen: dict[int, float] = {}
    contender = built.contender
    asked = Truth(*(part[:LANCE_QUERIES] for part in truth)) if isinstance(contender, Lance) else truth

    def recall_of(value: int) -> float:
        if value not in seen:
            seen[value] = float(recalls(vectors, asked, contender.search(asked.queries, value)).mean())
        return seen[value]

    found = [(level, least_meeting(contender.ladder, recall_of, level)) for level in levels]
    if not any(at for _, at in found):
        print(f"{contender.name}: at most {max(seen.values()):.3f}", flush=True)
    return [Point(built, level, *at) for level, at in found if at is not None]


def timings(point: Point, queries: np.ndarray) -> dict[str, Any]:
    """What `in_turn` runs: seconds a query."""
    contender, value = point.built.contender, point.value
    if isinstance(contender, Lance):
        return {"single": lambda: 1 / rate(lambda: [contender.one(query, value) for query in queries[:50]], 50)}
    return {
        "batched": lambda: 1 / rate(lambda: contender.search(queries, value), len(queries)),
        "single": lambda: 1 / rate(lambda: [contender.one(query, value) for query in queries[:SINGLE]], SINGLE),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder that search_vectors.py filled")
    parser.add_argument("--n", type=int, default=60_970, help="rows of the gallery (default: %(default)s)")
    parser.add_argument("--levels", type=float, nargs="+", default=[0.95, 0.99], help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="contenders whose name has one of these words in it")
    parser.add_argument(
        "--texts", action="store_true", help="ask names of taxa, not pictures: they lie far from all vectors"
    )
    parser.add_argument("--no-ours", action="store_true", help="leave the store's own search out")
    options = parser.parse_args()
    data = load(options.cache, options.n)
    data = data._replace(queries=data.texts) if options.texts else data
    print(
        f"{machine()}; {len(data.vectors):,} x {data.vectors.shape[1]}, k = {K}, {len(data.queries):,} queries from outside"
    )
    chosen = [one for one in contenders() if not options.only or any(word in one.name for word in options.only)]
    for name in sorted({one.missing for one in chosen if one.missing}):
        print(f"not installed, left out: {name}")
    truth = truth_of(data.vectors, data.queries[:: max(1, len(data.queries) // SWEEP_QUERIES)], K)
    at: list[Point] = []
    for one in chosen:
        if not one.missing:
            at += points(build(one, data.vectors), data.vectors, truth, options.levels)
    works = {
        (number, mode): work for number, point in enumerate(at) for mode, work in timings(point, data.queries).items()
    }
    took = in_turn({str(key): work for key, work in works.items()}, rounds=options.rounds)
    ours = {} if options.no_ours else {one: rows_of_ours(options, one, data, truth) for one in options.levels}
    for level in options.levels:
        rows = []
        for number, point in enumerate(at):
            if point.level == level:
                rates = {
                    mode: 1 / took[str((number, mode))] for mode in ("batched", "single") if str((number, mode)) in took
                }
                rows.append(
                    (
                        point.built.contender.name,
                        f"{point.built.contender.knob} {point.value}",
                        point.recall,
                        rates,
                        point.built.seconds,
                        point.built.n_bytes / options.n,
                    )
                )
        print_rows(level, rows + ours.get(level, []))


def rows_of_ours(options: argparse.Namespace, level: float, data: Any, truth: Truth) -> list[tuple]:
    """Our store at a level: rows alone, hits with all that is stored of them, and these with their consensus."""
    ours = Ours(options.cache, options.n, level)
    recall = float(recalls(data.vectors, truth, ours.search(truth.queries)).mean())
    works = {
        "batched": lambda: 1 / _batched(ours, data.queries),
        **{
            name: partial(_single, ask, data.queries[:SINGLE])
            for name, ask in (("rows", ours.bare), ("hits", ours.with_hits), ("consensus", ours.with_consensus))
        },
    }
    took = {name: 1 / seconds for name, seconds in in_turn(works, rounds=options.rounds).items()}
    said = "its own tuner"
    cost = (ours.card.build_seconds, ours.card.bytes_per_vector)
    called = f"Cladescope {ours.card.kind}, target {level}"
    return [
        (f"{called}: rows", said, recall, {"batched": took["batched"], "single": took["rows"]}, *cost),
        (f"{called}: hits", said, recall, {"single": took["hits"]}, *cost),
        (f"{called}: hits and consensus", said, recall, {"single": took["consensus"]}, *cost),
    ]


def _batched(ours: Ours, queries: np.ndarray) -> float:
    threads(THREADS)
    return rate(lambda: ours.searcher.search_batch(queries, k=K).row_ids, len(queries))


def _single(ask: Callable[[np.ndarray], object], queries: np.ndarray) -> float:
    threads(1)
    return 1 / rate(lambda: [ask(query) for query in queries], len(queries))


def print_rows(level: float, rows: list[tuple]) -> None:
    """The table of one level."""
    best = {mode: max((row[3].get(mode, 0) for row in rows), default=0) for mode in ("batched", "single")}
    cells = []
    for name, said, recall, rates, seconds, n_bytes in rows:
        told = [f"{rates[mode]:,.0f}" if mode in rates else "" for mode in best]
        share = " / ".join(f"{rates[mode] / best[mode]:.2f}" if mode in rates else "-" for mode in best)
        cells.append([name, said, f"{recall:.3f}", *told, share, f"{seconds:.1f}", f"{n_bytes:,.0f}"])
    print(f"\nann_recall@{K} >= {level}\n")
    header = ["index", "at", "ann_recall", "batched, q/s", "single, q/s", "of the best", "build, s", "bytes a vector"]
    print_table(header, cells)


if __name__ == "__main__":
    main()
