"""Building an index: a FAISS HNSW graph over float16 codes, and how often it finds what the exact search finds."""

import logging
import time
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Int64

from cladescope.errors import InputError
from cladescope.index.ann_files import KIND, AnnIndex, remove, write
from cladescope.index.card import IndexCard, recall_text
from cladescope.index.defaults import TARGET_RECALL
from cladescope.index.exact import search as search_exactly
from cladescope.index.store import Store

__all__ = ["KIND", "AnnIndex", "build", "remove"]

logger = logging.getLogger(__name__)

M = 32
EF_CONSTRUCTION = 128
EF_SEARCH_LADDER = (16, 32, 64, 128, 256, 512, 1024)
"""Breadths of search tried in turn until the target is met."""
N_QUERIES = 500
RECALL_AT = (1, 10, 100)
RARE_IMAGES = 5
MIN_RARE_QUERIES = 20


def build(store: Store, *, target_recall: float = TARGET_RECALL, seed: int = 0) -> IndexCard:
    """Build the store's index anew, set its breadth of search to meet `target_recall` at k = 10, and return its card.

    The breadth is the least of `EF_SEARCH_LADDER` whose measured ann_recall@10 reaches the target; where none does the
    widest stays and the card says so. Malkov & Yashunin 2018, Hierarchical Navigable Small World graphs,
    https://arxiv.org/abs/1603.09320; vectors are kept as float16, so scores equal the exact ones.
    Memory: n (2 d + 8 M) bytes for the graph.

    Raises InputError for a target outside 0 to 1 or a store of fewer than two rows.
    """
    if not 0 < target_recall <= 1:
        raise InputError(f"target recall is {target_recall}: it must lie in 0 to 1, for instance 0.95")
    version, began = store.version, time.monotonic()
    graph, row_ids = _graph(store)
    if len(row_ids) < 2:
        raise InputError(f"{store.path} holds {len(row_ids)} vectors: an index needs at least 2")
    seconds = time.monotonic() - began
    queries, rare = _queries(store, graph, row_ids, seed)
    ks = [k for k in RECALL_AT if k < len(row_ids)]
    _, exact_keys = search_exactly(store.vectors(), graph_vectors(graph, queries), max(ks) + 1)
    truth = _without_own(exact_keys, row_ids[queries])
    for breadth in EF_SEARCH_LADDER:
        found = {k: _approximate(graph, row_ids, queries, k, breadth) for k in ks}
        recall = {str(k): ann_recall_at_k(truth, found[k], k) for k in ks}
        met = recall[str(ks[:2][-1])] >= target_recall
        logger.info("efSearch %d: ann_recall %s", breadth, recall_text(recall))
        if met:
            break
    recall_rare = {str(k): ann_recall_at_k(truth[rare], found[k][rare], k) for k in ks}
    card = IndexCard(
        kind=KIND,
        n_vectors=len(row_ids),
        dim=graph.d,
        store_version=version,
        parameters={"M": M, "efConstruction": EF_CONSTRUCTION, "efSearch": breadth},
        build_seconds=round(seconds, 3),
        bytes_per_vector=0.0,
        n_queries=len(queries),
        ann_recall=recall,
        ann_recall_rare=recall_rare if rare.sum() >= MIN_RARE_QUERIES else None,
        target_recall=target_recall,
        target_met=met,
    )
    return write(store.path, graph, row_ids, card)


def ann_recall_at_k(truth: Int64[np.ndarray, "q m"], found: Int64[np.ndarray, "q f"], k: int) -> float:
    """Share of the exact k neighbours among the k found, averaged over queries; NaN without queries.

    >>> ann_recall_at_k(np.array([[1, 2, 3]]), np.array([[1, 3, 9]]), 2)
    0.5
    """
    hits = [len(np.intersect1d(row[:k], other[:k])) / k for row, other in zip(truth, found, strict=True)]
    return float(np.mean(hits)) if hits else float("nan")


def _graph(store: Store) -> tuple[Any, Int64[np.ndarray, " n"]]:
    graph = None
    row_ids = [np.empty(0, np.int64)]
    for keys, vectors in store.vectors():
        if graph is None:
            graph = faiss.IndexHNSWSQ(vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, M, faiss.METRIC_INNER_PRODUCT)
            graph.hnsw.efConstruction = EF_CONSTRUCTION
            graph.train(vectors[:1].astype(np.float32))
        graph.add(vectors.astype(np.float32))
        row_ids.append(keys.astype(np.int64))
        logger.info("indexed %d vectors", graph.ntotal)
    return graph, np.concatenate(row_ids)


def graph_vectors(graph: Any, rows: Int64[np.ndarray, " q"]) -> Float32[np.ndarray, "q d"]:
    """Vectors that a graph holds, as float32."""
    vectors = np.empty((len(rows), graph.d), np.float32)
    for place, row in enumerate(rows):
        graph.reconstruct(int(row), vectors[place])
    return vectors


def _queries(
    store: Store, graph: Any, row_ids: Int64[np.ndarray, " n"], seed: int
) -> tuple[Int64[np.ndarray, " q"], np.ndarray]:
    """Rows of the index that stand as queries, half of them of rare species where there are any, and which are rare."""
    generator = np.random.default_rng(seed)
    rare_rows = _rare(store, row_ids)
    n = min(N_QUERIES, len(row_ids))
    chosen = generator.choice(len(row_ids), n, replace=False)
    if len(rare_rows):
        more = generator.choice(rare_rows, min(N_QUERIES // 2, len(rare_rows)), replace=False)
        chosen = np.union1d(chosen, more)
    chosen = np.sort(chosen).astype(np.int64)
    return chosen, np.isin(chosen, rare_rows)


def _rare(store: Store, row_ids: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " r"]:
    """Rows of the index whose species has at most RARE_IMAGES pictures."""
    parts = [pa.table(batch) for batch in store.scan(["_rowid", "species"])]
    table = pa.concat_tables(parts).filter(pa.compute.field("species").is_valid())
    counts = table.group_by("species").aggregate([("_rowid", "count")])
    rare = counts.filter(pa.compute.field("_rowid_count") <= RARE_IMAGES).column("species")
    ids = table.filter(pa.compute.is_in(table.column("species"), rare)).column("_rowid").to_numpy()
    return np.flatnonzero(np.isin(row_ids, ids.astype(np.int64)))


def _without_own(keys: Int64[np.ndarray, "q m"], own: Int64[np.ndarray, " q"]) -> Int64[np.ndarray, "q k"]:
    """Keys in order with each query's own taken out, or the last one where it is not among them."""
    others = [row[row != self_key][: keys.shape[1] - 1] for row, self_key in zip(keys, own, strict=True)]
    return np.stack(others)


def _approximate(
    graph: Any, row_ids: Int64[np.ndarray, " n"], queries: Int64[np.ndarray, " q"], k: int, breadth: int
) -> Int64[np.ndarray, "q k"]:
    parameters = faiss.SearchParametersHNSW(efSearch=max(breadth, k + 1))
    _, places = graph.search(graph_vectors(graph, queries), k + 1, params=parameters)
    return _without_own(np.where(places >= 0, row_ids[places], -1), row_ids[queries])
