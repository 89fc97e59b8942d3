"""A FAISS index of any kind behind one door: made, added to, and searched with named parameters."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float16, Float32, Int64

from cladescope.arrays import blocks
from cladescope.errors import InputError
from cladescope.files import PART
from cladescope.index.ann.kinds import EF_CONSTRUCTION, Kind, empty
from cladescope.index.late_faiss import faiss
from cladescope.index.resident.flat import Flat

Parameters = Mapping[str, int]
"""In FAISS's own words: `efSearch` of a graph, `nprobe` of an inverted file, `k_factor` of re-ranking."""
BLOCK_ROWS = 1 << 14
FEW_VECTORS = 20_000
KEPT_PARAMETERS = 64
DRAFT_BYTES = 1 << 30
"""Above so many bytes of float32 a graph is built from a file that is mapped into memory."""
TRAINING_PER_CELL = 64
TRAINING_ROWS = 1 << 16
EF_LADDER = (*range(10, 24, 2), *range(24, 64, 8), 64, 80, 96, 128, 192, 256, 384, 512, 1024, 2048, 4096, 8192)
PROBES_LADDER = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024)
FACTORS = (2, 8, 32)


class Engine:
    """A FAISS index and, in it, the store's vectors for exact answers."""

    def __init__(self, index: Any) -> None:
        """Over an index that `kinds.empty` made, or one read from a file. Raises TypeError for any other."""
        self.index = index
        self.is_flat = isinstance(index, faiss.IndexScalarQuantizer)
        if self.is_flat:
            self.vectors = index
        elif isinstance(index, faiss.IndexHNSW):
            self.vectors = faiss.downcast_index(index.storage)
        elif isinstance(index, faiss.IndexRefine):
            self.vectors = faiss.downcast_index(index.refine_index)
        else:
            raise TypeError(f"{type(index).__name__} keeps no vectors of its own")
        if not isinstance(self.vectors, faiss.IndexScalarQuantizer):
            raise TypeError(f"{type(self.vectors).__name__} keeps no vectors of 16-bit numbers")
        self.flat = Flat.over(self.vectors)
        self._parameters: dict[tuple[object, ...], Any] = {}

    @classmethod
    def built(
        cls, kind: Kind, vectors: Float16[np.ndarray, "n d"], *, seed: int, folder: Path | None = None
    ) -> "Engine":
        """A new index of a kind over some vectors. Raises InputError where they are too few for it.

        Memory: the index, 4 b d bytes for a block, and for a graph 4 n d more, which lie in a file in `folder` where they are
        above `DRAFT_BYTES`.
        """
        index = empty(kind, vectors.shape[1])
        for one in _parts(index):
            if isinstance(one, faiss.IndexHNSW):
                one.hnsw.efConstruction = EF_CONSTRUCTION
            for settings in (getattr(one, "cp", None), getattr(getattr(one, "pq", None), "cp", None)):
                if settings is not None:  # FAISS warns on the terminal of few vectors
                    settings.min_points_per_centroid, settings.seed = 1, seed + 1
            if isinstance(one, faiss.IndexIVF):
                _on_devices(one)
        if not index.is_trained:
            try:
                index.train(_sample(vectors, _training_rows(index), seed))
            except RuntimeError as error:
                told = " ".join(str(error).split()).rpartition("Error: ")[2][:160]
                raise InputError(
                    f"{kind.factory} cannot be trained over {len(vectors):,} vectors (FAISS: {told}): choose flat or hnsw"
                ) from error
        for one in _parts(index):
            if isinstance(one, faiss.IndexIVF):
                one.clustering_index = None
        engine = cls(index)
        engine.add(vectors, whole=kind.is_graph, folder=folder)
        return engine

    def add(self, vectors: Float16[np.ndarray, "n d"], *, whole: bool = False, folder: Path | None = None) -> None:
        """Append vectors; `whole` in one call, as a graph wants it, which inserts the vectors of a call in random order."""
        if not whole:
            for start, stop in blocks(len(vectors), size=BLOCK_ROWS):
                self.index.add(vectors[start:stop].astype(np.float32))
        elif 4 * vectors.size <= DRAFT_BYTES:
            self.index.add(vectors.astype(np.float32))
        else:
            with tempfile.TemporaryFile(prefix=PART, dir=folder) as file:
                wide = np.memmap(file, np.float32, "w+", shape=vectors.shape)
                for start, stop in blocks(len(vectors), size=BLOCK_ROWS):
                    wide[start:stop] = vectors[start:stop]
                self.index.add(wide)
        self.flat = Flat.over(self.vectors)

    def __len__(self) -> int:
        return int(self.index.ntotal)

    def search(
        self, queries: Float32[np.ndarray, "q d"], k: int, parameters: Parameters
    ) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
        """Scores and positions of about the k best, best first; -inf and -1 where fewer were found."""
        if self.is_flat:
            return self.flat.search(queries, k)
        key = (k, *parameters.items())
        given = self._parameters.get(key)
        if given is None:
            if len(self._parameters) >= KEPT_PARAMETERS:
                self._parameters.clear()
            given = self._parameters[key] = _search_parameters(self.index, k, parameters)
        scores, found = self.index.search(queries, k, params=given)
        if len(found) > 1 or found[0, -1] < 0:
            scores[found < 0] = -np.inf
        return scores, found

    def ladder(self, k: int) -> list[dict[str, int]]:
        """Parameters to try for k hits, from the fastest on."""
        graph = cells = None
        parts = _parts(self.index)
        for one in parts:
            graph = one if isinstance(one, faiss.IndexHNSW) and cells is None else graph
            cells = one if isinstance(one, faiss.IndexIVF) else cells
        factors: tuple[int | None, ...] = FACTORS if isinstance(self.index, faiss.IndexRefine) else (None,)
        if _is_exact(parts[-1]) and not any(isinstance(one, faiss.IndexPreTransform) for one in parts):
            factors = (None,)
        if graph is not None:
            # A graph is never searched more narrowly than for the hits that are wanted, re-ranked ones among them.
            steps = [{"efSearch": breadth} for breadth in sorted({max(breadth, k) for breadth in EF_LADDER})]
        elif cells is not None:
            steps = [{"nprobe": probes} for probes in PROBES_LADDER if probes < cells.nlist] + [{"nprobe": cells.nlist}]
        else:
            steps = [{}]
        return [{**step, **({} if factor is None else {"k_factor": factor})} for step in steps for factor in factors]


@contextlib.contextmanager
def threads_for(n: int) -> Iterator[None]:
    """Have FAISS use one thread for few vectors: on a machine that others use, its threads wait for each other longer than they work."""
    before = faiss.omp_get_max_threads()
    if n < FEW_VECTORS:
        faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _search_parameters(index: Any, k: int, parameters: Parameters) -> Any:
    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexRefine):
        factor = parameters.get("k_factor", 1)
        base = _search_parameters(index.base_index, k * factor, parameters)
        return faiss.IndexRefineSearchParameters(k_factor=float(factor), base_index_params=base)
    if isinstance(index, faiss.IndexPreTransform):
        inner = _search_parameters(index.index, k, parameters)
        return faiss.SearchParametersPreTransform(index_params=inner)
    if isinstance(index, faiss.IndexHNSW):
        return faiss.SearchParametersHNSW(efSearch=max(parameters.get("efSearch", 16), k))
    if isinstance(index, faiss.IndexIVF):
        probes = min(parameters.get("nprobe", 1), index.nlist)
        made = faiss.SearchParametersIVF(nprobe=probes)
        if isinstance(faiss.downcast_index(index.quantizer), faiss.IndexHNSW):
            made.quantizer_params = coarse = faiss.SearchParametersHNSW(efSearch=max(2 * probes, 64))
            made.kept = coarse  # FAISS holds a bare pointer
        return made
    return faiss.SearchParameters()


def _parts(index: Any) -> list[Any]:
    """An index and those that it is made of, from the outside in."""
    found = [faiss.downcast_index(index)]
    while (inner := getattr(found[-1], "base_index", None) or getattr(found[-1], "index", None)) is not None:
        found.append(faiss.downcast_index(inner))
    return found


def _is_exact(codes: Any) -> bool:
    """Whether an index compares whole vectors, so that re-ranking more of its hits changes nothing."""
    if isinstance(codes, faiss.IndexHNSW):
        codes = faiss.downcast_index(codes.storage)
    quantizer = getattr(codes, "sq", None)
    return isinstance(codes, faiss.IndexFlat | faiss.IndexIVFFlat) or (
        quantizer is not None and quantizer.qtype == faiss.ScalarQuantizer.QT_fp16
    )


def _training_rows(index: Any) -> int:
    cells = max((one.nlist for one in _parts(index) if isinstance(one, faiss.IndexIVF)), default=0)
    return max(TRAINING_ROWS, TRAINING_PER_CELL * cells)


def _sample(vectors: Float16[np.ndarray, "n d"], size: int, seed: int) -> Float32[np.ndarray, "m d"]:
    if len(vectors) <= size:
        return vectors.astype(np.float32)
    rows = np.sort(np.random.default_rng(seed).choice(len(vectors), size, replace=False))
    return vectors[rows].astype(np.float32)


def _on_devices(cells: Any) -> None:
    """Have the centres of cells found on GPUs, where FAISS sees some."""
    if faiss.get_num_gpus():
        with contextlib.suppress(RuntimeError):
            cells.kept_clustering = faiss.index_cpu_to_all_gpus(faiss.IndexFlatIP(cells.d))
            cells.clustering_index = cells.kept_clustering
