"""The indexes that `search_peers.py` compares, each behind the same five words: build, search, one, n_bytes, ladder.

A peer is loaded when it is built; `missing` names the package where it is not installed. Recall is set by one number, in the peer's
own words (`knob`); all else is in the name. Vectors are float16 of unit length, scores inner products.
"""

import importlib.util
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from search_measures import ladder, threads

from cladescope.arrays import blocks

K = 10
THREADS = 2


class Contender:
    """One index of one library."""

    package: str
    knob = "ef"
    ladder: Sequence[int] = ladder(10, 1200)
    single_threads = "1"
    """How many threads one query may use."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def missing(self) -> str | None:
        """The package that is needed and not installed."""
        return None if importlib.util.find_spec(self.package) else self.package

    def build(self, vectors: np.ndarray) -> None:
        """Index float16 vectors with two threads."""
        raise NotImplementedError

    def search(self, queries: np.ndarray, value: int) -> np.ndarray:
        """Rows found for queries together with two threads, (q, K)."""
        raise NotImplementedError

    def one(self, query: np.ndarray, value: int) -> Any:
        """What is found for one query, in the form in which the library gives it."""
        raise NotImplementedError

    def n_bytes(self) -> int:
        """Size of the index, vectors for an exact re-rank included."""
        raise NotImplementedError


class Faiss(Contender):
    """A FAISS factory string; `refine` re-ranks refine * K candidates from float16 vectors."""

    package = "faiss"

    def __init__(self, factory: str, *, ef_construction: int = 128, refine: int = 0) -> None:
        super().__init__(
            f"FAISS {factory}"
            + f", efC {ef_construction}" * ("HNSW" in factory)
            + f", re-rank {refine}x" * bool(refine)
        )
        self.factory, self.ef_construction, self.refine = factory, ef_construction, refine
        self.is_graph = "HNSW" in factory and "IVF" not in factory
        if not self.is_graph:
            self.knob, self.ladder = "nprobe", ladder(1, 256)

    def build(self, vectors: np.ndarray) -> None:
        threads(THREADS)
        whole = self.factory + ",Refine(SQfp16)" * bool(self.refine)
        self.index = faiss.index_factory(vectors.shape[1], whole, faiss.METRIC_INNER_PRODUCT)
        base = faiss.downcast_index(self.index.base_index) if self.refine else self.index
        self.base = base
        if self.is_graph:
            base.hnsw.efConstruction = self.ef_construction
        else:
            base.cp.niter = 10
        sample = vectors[np.random.default_rng(0).permutation(len(vectors))[:100_000]]
        self.index.train(np.ascontiguousarray(sample, np.float32))
        for start, stop in blocks(len(vectors), size=65536):
            self.index.add(np.ascontiguousarray(vectors[start:stop], np.float32))

    def _parameters(self, value: int) -> Any:
        if self.is_graph:
            base = faiss.SearchParametersHNSW(efSearch=max(value, K * max(1, self.refine)))
        else:
            base = faiss.SearchParametersIVF(nprobe=value)
            if "RaBitQ" in self.factory:
                base = faiss.IVFRaBitQSearchParameters(nprobe=value, qb=0 if "fs" not in self.factory else 8)
        if not self.refine:
            return base
        return faiss.IndexRefineSearchParameters(k_factor=self.refine, base_index_params=base)

    def search(self, queries: np.ndarray, value: int) -> np.ndarray:
        threads(THREADS)
        return self.index.search(queries, K, params=self._parameters(value))[1]

    def one(self, query: np.ndarray, value: int) -> Any:
        return self.index.search(query[None], K, params=self._kept(value))

    def _kept(self, value: int) -> Any:
        if getattr(self, "_value", None) != value:
            threads(1)
            self._value, self._made = value, self._parameters(value)
        return self._made

    def n_bytes(self) -> int:
        return faiss.serialize_index(self.index).nbytes


class Usearch(Contender):
    """usearch's HNSW."""

    package = "usearch"

    def __init__(self, dtype: str = "f16", connectivity: int = 16, expansion_add: int = 128) -> None:
        super().__init__(f"usearch {dtype}, connectivity {connectivity}, expansion_add {expansion_add}")
        self.options = {"dtype": dtype, "connectivity": connectivity, "expansion_add": expansion_add}

    def build(self, vectors: np.ndarray) -> None:
        from usearch.index import Index

        self.index = Index(ndim=vectors.shape[1], metric="ip", **self.options)
        self.index.add(np.arange(len(vectors)), vectors, threads=THREADS)

    def search(self, queries: np.ndarray, value: int) -> np.ndarray:
        self.index.expansion_search = value
        return self.index.search(queries, K, threads=THREADS).keys.astype(np.int64)

    def one(self, query: np.ndarray, value: int) -> Any:
        self.index.expansion_search = value
        return self.index.search(query, K, threads=1)

    def n_bytes(self) -> int:
        return int(self.index.serialized_length)


class Symphony(Contender):
    """rabitqlib's SymphonyQG."""

    package = "rabitqlib"

    def __init__(self, degree: int = 32, bits: int = 0, ef_construction: int = 128) -> None:
        super().__init__(
            f"rabitqlib SymphonyQG {degree}, {bits or 'raw'} bits, efC {ef_construction}".replace(
                "raw bits", "raw vectors"
            )
        )
        self.degree, self.bits, self.ef_construction = degree, bits, ef_construction

    def build(self, vectors: np.ndarray) -> None:
        from rabitqlib import SymqgIndex

        self.index = SymqgIndex(vectors.shape[1], self.degree, metric="ip", quantization_bits=self.bits)
        self.index.build(np.ascontiguousarray(vectors, np.float32), self.ef_construction, num_threads=THREADS)

    def search(self, queries: np.ndarray, value: int) -> np.ndarray:
        return self.index.search_batch(queries, K, value, num_threads=THREADS)[0].astype(np.int64)

    def one(self, query: np.ndarray, value: int) -> Any:
        return self.index.search(query[None], K, value, num_threads=1)

    def n_bytes(self) -> int:
        with tempfile.TemporaryDirectory() as folder:
            self.index.save(f"{folder}/index")
            return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


class Ngt(Contender):
    """NGT's ANNG; the knob is epsilon in thousandths."""

    package = "ngtpy"
    knob = "epsilon/1000"
    ladder = ladder(1, 400, 1.2)

    def __init__(self, object_type: str = "Float16", edges: int = 20) -> None:
        super().__init__(f"ngt ANNG {object_type}, {edges} edges")
        self.object_type, self.edges = object_type, edges
        self.folder = Path(tempfile.mkdtemp())

    def build(self, vectors: np.ndarray) -> None:
        import ngtpy

        path = str(self.folder / "index")
        ngtpy.create(
            path,
            vectors.shape[1],
            edge_size_for_creation=self.edges,
            edge_size_for_search=40,
            distance_type="Normalized Cosine",
            object_type=self.object_type,
        )
        self.index = ngtpy.Index(path, log_disabled=True)
        self.index.batch_insert(np.ascontiguousarray(vectors, np.float32), THREADS)
        self.index.save()

    def search(self, queries: np.ndarray, value: int) -> np.ndarray:
        import ngtpy

        self.index.set(epsilon=value / 1000)
        results = ngtpy.BatchResults()
        self.index.batch_search(queries, results, K, False)
        return results.get_ids().astype(np.int64)

    def one(self, query: np.ndarray, value: int) -> Any:
        return self.index.search(query, K, value / 1000, with_distance=False)

    def n_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def __del__(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class Lance(Contender):
    """An index of LanceDB over a table on disk; `refine` re-ranks refine * K candidates, as its own word is."""

    package = "lancedb"
    knob = "nprobes"
    ladder = ladder(1, 256)
    single_threads = "its own"

    def __init__(self, kind: str, *, refine: int = 0, **options: Any) -> None:
        said = ", ".join(f"{name} {value}" for name, value in options.items())
        super().__init__(f"LanceDB {kind}{', ' * bool(said)}{said}" + f", refine {refine}x" * bool(refine))
        self.kind, self.refine, self.options = kind, refine, options
        if "Hnsw" in kind:
            self.knob, self.ladder = "ef", ladder(10, 1200)
        self.folder = Path(tempfile.mkdtemp())

    def build(self, vectors: np.ndarray) -> None:
        import lancedb
        import lancedb.index
        import pyarrow as pa

        table = lancedb.connect(self.folder).create_table(
            "t", schema=pa.schema([("row", pa.int64()), ("vector", pa.list_(pa.float32(), vectors.shape[1]))])
        )
        for start, stop in blocks(len(vectors), size=65536):
            block = pa.FixedSizeListArray.from_arrays(
                pa.array(vectors[start:stop].astype(np.float32).ravel()), vectors.shape[1]
            )
            table.add(pa.table({"row": np.arange(start, stop), "vector": block}))
        config = getattr(lancedb.index, self.kind)(distance_type="dot", **self.options)
        table.create_index("vector", config=config)
        self.table = table

    def _query(self, queries: np.ndarray, value: int) -> Any:
        query = (
            self.table.search(queries, vector_column_name="vector")
            .distance_type("dot")
            .limit(K)
            .select(["row", "_distance"])
        )
        query = query.ef(max(value, K * max(1, self.refine))).nprobes(1) if self.knob == "ef" else query.nprobes(value)
        return query.refine_factor(self.refine) if self.refine else query

    def search(self, queries: np.ndarray, value: int) -> np.ndarray:
        found = np.full((len(queries), K), -1, np.int64)
        for number, query in enumerate(queries):
            rows = self.one(query, value)["row"].to_numpy()
            found[number, : len(rows)] = rows
        return found

    def one(self, query: np.ndarray, value: int) -> Any:
        return self._query(query, value).to_arrow()

    def n_bytes(self) -> int:
        return sum(
            path.stat().st_size for path in self.folder.rglob("*") if path.is_file() and "_indices" in path.parts
        )

    def __del__(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
