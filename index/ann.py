"""Approximate search: a FAISS HNSW graph over float16 codes, kept in the store's folder with its card."""

import json
import logging
import shutil
import time
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
from jaxtyping import Float, Float32, Int64

from cladescope.errors import InputError, StoreError
from cladescope.index.card import IndexCard, recall_text
from cladescope.index.defaults import TARGET_RECALL
from cladescope.index.exact import search as search_exactly
from cladescope.index.store import Store

logger = logging.getLogger(__name__)

KIND = "hnsw"
M = 32
EF_CONSTRUCTION = 128
EF_SEARCH_LADDER = (16, 32, 64, 128, 256, 512, 1024)
"""Breadths of search tried in turn until the target is met."""
N_QUERIES = 500
RECALL_AT = (1, 10, 100)
RARE_IMAGES = 5
MIN_RARE_QUERIES = 20


class AnnIndex:
    """An index as it lies on disk: the graph, the row id of each of its vectors, and the card."""

    def __init__(self, graph: Any, row_ids: Int64[np.ndarray, " n"], card: IndexCard) -> None:
        self.graph, self.row_ids, self.card = graph, row_ids, card

    @classmethod
    def find(cls, store_path: Path) -> "AnnIndex | None":
        """The index of a store, or None where it has none; read once, until it is built anew.

        Raises StoreError where its files are damaged.
        """
        card_path = folder(store_path) / "card.json"
        try:
            stamp = card_path.stat().st_mtime_ns
        except FileNotFoundError:
            return None
        return cls(*_read(card_path.parent, stamp))

    def search(
        self, query: Float[np.ndarray, " d"], k: int
    ) -> tuple[Float32[np.ndarray, " m"], Int64[np.ndarray, " m"]]:
        """Scores and row ids of about the k best, best first; m may fall short of k."""
        breadth = max(k, self.card.parameters["efSearch"])
        scores, places = self.graph.search(
            np.ascontiguousarray(query[None], np.float32),
            k,
            params=faiss.SearchParametersHNSW(efSearch=breadth),
        )
        found = places[0] >= 0
        return scores[0][found], self.row_ids[places[0][found]]


def folder(store_path: Path) -> Path:
    """Where the index of a store lies."""
    return store_path / "indexes" / KIND


@lru_cache(maxsize=4)
def _read(path: Path, stamp: int) -> tuple[Any, Int64[np.ndarray, " n"], IndexCard]:
    try:
        card = IndexCard.from_dict(json.loads((path / "card.json").read_text()), path / "card.json")
        graph = faiss.read_index(str(path / "index.faiss"))
        row_ids = np.load(path / "row_ids.npy", allow_pickle=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise StoreError(
            f"the index in {path} is damaged ({str(error)[:120]}): run `cladescope index` again"
        ) from error
    if not graph.ntotal == len(row_ids) == card.n_vectors:
        raise StoreError(f"the index in {path} is damaged (its parts differ in length): run `cladescope index` again")
    return graph, row_ids, card


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
    return _write(folder(store.path), graph, row_ids, card)


def remove(store_path: Path) -> bool:
    """Delete the index of a store, so that every search is exact; whether there was one."""
    path = folder(store_path)
    if not path.exists():
        return False
    shutil.rmtree(path)
    return True


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


def _write(path: Path, graph: Any, row_ids: Int64[np.ndarray, " n"], card: IndexCard) -> IndexCard:
    """Put the files of an index in place of an earlier one, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(parents=True)
        faiss.write_index(graph, str(draft / "index.faiss"))
        np.save(draft / "row_ids.npy", row_ids)
        size = (draft / "index.faiss").stat().st_size
        card = replace(card, bytes_per_vector=round(size / len(row_ids), 1))
        (draft / "card.json").write_text(json.dumps(card.to_dict(), indent=2) + "\n")
        (draft / "card.md").write_text(card.to_markdown())
    except (OSError, RuntimeError) as error:
        shutil.rmtree(draft, ignore_errors=True)
        found = getattr(error, "strerror", None) or "the disk is full, or failed"
        raise StoreError(
            f"the index could not be written to {path} ({found}): free some space and try again"
        ) from error
    if path.exists():
        shutil.rmtree(path)
    draft.rename(path)
    return card
