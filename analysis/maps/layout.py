"""Maps: every vector as a point in 2 or 3 dimensions by UMAP or t-SNE; new vectors are placed on a UMAP."""

import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int64, Real
from safetensors import safe_open
from safetensors.numpy import save_file

from cladescope.analysis.numbers import check_at_least
from cladescope.arrays import has_direction, normalise
from cladescope.errors import InputError
from cladescope.index.neighbour_graph import nearest

METHODS, DIMENSIONS = ("umap", "tsne"), (2, 3)
MIN_POINTS = 4
MIN_DISTANCE = 0.1
TSNE_LIMIT = 20_000
EPOCHS, EPOCHS_OF_MANY, MANY = 200, 100, 10_000
"""Passes of the layout over the graph, and those above 10,000 vectors: half of umap-learn's, since principal components are a
good start. More gained no trustworthiness where it was measured (docs/benchmarks.md)."""

SIGMA_STEPS = 64
"""Halvings with which the reach of a new vector's neighbours is found; umap-learn's number."""


@dataclass(frozen=True, eq=False)
class Map:
    """n unit vectors and their points; what is needed to place others."""

    vectors: Float32[np.ndarray, "n d"]
    points: Float32[np.ndarray, "n m"]
    method: str
    neighbours: int
    seconds: dict[str, float]
    """Time by step: graph, initialisation, optimisation."""

    def place(self, vectors: Real[np.ndarray, "q d"]) -> Float32[np.ndarray, "q m"]:
        """Points of new vectors: the mean of their nearest on the map, weighted as UMAP's own `transform` starts.

        McInnes et al. 2018, UMAP, https://arxiv.org/abs/1802.03426; without the optimisation that follows there, so
        a point stands among its neighbours and never outside them. Raises InputError for vectors of another length.
        """
        if vectors.shape[1] != self.vectors.shape[1]:
            raise InputError(f"the map has vectors of {self.vectors.shape[1]} numbers, these have {vectors.shape[1]}")
        rows, distances = nearest(self.vectors, _unit(vectors), min(self.neighbours, len(self.vectors)))
        weights = neighbour_weights(distances)
        placed: Float32[np.ndarray, "q m"] = np.einsum("qk,qkm->qm", weights, self.points[rows]).astype(np.float32)
        return placed

    def save(self, path: Path) -> None:
        """One safetensors file: vectors as float16, points, and the parameters as text."""
        about = {"method": self.method, "neighbours": str(self.neighbours)}
        save_file({"vectors": self.vectors.astype(np.float16), "points": self.points}, path, metadata=about)

    @classmethod
    def load(cls, path: Path) -> "Map":
        """A map that `save` wrote. Raises SafetensorError, OSError, KeyError, TypeError or ValueError where it is none."""
        with safe_open(path, framework="numpy") as file:
            about = file.metadata()
            vectors, points = file.get_tensor("vectors").astype(np.float32), file.get_tensor("points")
        if points.ndim != 2 or len(points) != len(vectors) or not np.isfinite(points).all():
            raise ValueError(f"{len(vectors)} vectors and points of shape {points.shape}, or some that are not finite")
        return cls(normalise(vectors), points, about["method"], int(about["neighbours"]), {})


def fit_map(
    vectors: Real[np.ndarray, "n d"], *, method: str = "umap", dim: int = 2, neighbours: int = 15, seed: int = 0
) -> Map:
    """Lay out vectors; the same seed gives the same points on one machine.

    UMAP by umap-learn's fuzzy graph and layout (McInnes et al. 2018) on a graph by FAISS, from scaled principal
    components instead of the spectral start; seeded, its layout runs in one thread. t-SNE by scikit-learn, from
    principal components too. Fewer points than neighbours: all others are neighbours.

    Raises InputError for fewer than 4 vectors, one without direction, more than 20,000 for t-SNE, and an unknown method.
    """
    if method not in METHODS:
        raise InputError(f"unknown method {method!r}: expected one of {', '.join(METHODS)}")
    if dim not in DIMENSIONS:
        raise InputError(f"found {dim} dimensions, expected 2 or 3")
    check_at_least(2, neighbours=neighbours)
    check_at_least(0, seed=seed)
    n = len(vectors)
    if n < MIN_POINTS:
        raise InputError(f"{n} pictures make no map: give at least {MIN_POINTS}")
    unit = _unit(vectors)
    k = min(neighbours, n - 1)
    clock = [time.perf_counter()]
    if method == "tsne":
        if n > TSNE_LIMIT:
            raise InputError(f"t-SNE of {n:,} pictures takes too long: use a limit of {TSNE_LIMIT}, or the method umap")
        from sklearn.manifold import TSNE

        start = principal_points(unit, dim, seed) * 1e-5
        clock.append(time.perf_counter())
        layout = TSNE(dim, init=start, perplexity=min(30.0, (n - 1) / 3), random_state=seed).fit_transform(unit)
        clock.append(time.perf_counter())
        return Map(unit, layout.astype(np.float32), method, k, _steps(("initialisation", "optimisation"), clock))
    umap = _umap()
    clock = [time.perf_counter()]
    random = np.random.RandomState(seed)
    rows, distances = itself_first(*nearest(unit, unit, k + 1))
    clock.append(time.perf_counter())
    graph, *_ = umap.fuzzy_simplicial_set(unit, k + 1, random, "euclidean", knn_indices=rows, knn_dists=distances)
    clock.append(time.perf_counter())
    start = principal_points(unit, dim, seed)
    clock.append(time.perf_counter())
    a, b = umap.find_ab_params(1.0, MIN_DISTANCE)
    epochs = EPOCHS_OF_MANY if n > MANY else EPOCHS
    points, _ = umap.simplicial_set_embedding(
        unit, graph, dim, 1.0, a, b, 1.0, 5, epochs, start, random, "euclidean", {}, False, {}, False, parallel=False
    )
    clock.append(time.perf_counter())
    steps = ("graph", "fuzzy set", "initialisation", "optimisation")
    return Map(unit, np.asarray(points, np.float32), method, k, _steps(steps, clock))


def neighbour_weights(distances: Float32[np.ndarray, "q k"]) -> Float[np.ndarray, "q k"]:
    """How much each of k neighbours counts for a new vector, by its distance; each row sums to 1.

    exp(-distance / sigma), where sigma is such that all but the nearest sum to log2 k, found by halving: umap-learn's `smooth_knn_dist` with a
    local connectivity of 0, without the seconds of its import.

    >>> neighbour_weights(np.array([[0.1, 0.2, 0.2]], np.float32)).round(2).tolist()
    [[0.36, 0.32, 0.32]]
    """
    k = distances.shape[1]
    far = np.maximum(distances.astype(np.float64), 0.0)
    low, high = np.zeros(len(far)), np.full(len(far), np.inf)
    sigma = np.ones(len(far))
    for _ in range(SIGMA_STEPS):
        is_more = np.exp(-far[:, 1:] / sigma[:, None]).sum(axis=1) > np.log2(k)
        high, low = np.where(is_more, sigma, high), np.where(is_more, low, sigma)
        sigma = np.where(np.isinf(high), sigma * 2, (low + high) / 2)
    # As umap-learn does: not below a thousandth of the mean distance of all.
    sigma = np.maximum(sigma, 1e-3 * far.mean())
    weights: Float[np.ndarray, "q k"] = np.exp(-(far - far[:, :1]) / np.maximum(sigma[:, None], 1e-12))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def itself_first(
    rows: Int64[np.ndarray, "n k"], distances: Float32[np.ndarray, "n k"]
) -> tuple[Int64[np.ndarray, "n k"], Float32[np.ndarray, "n k"]]:
    """Each vector as its own first neighbour, as umap-learn takes it; repeated vectors and HNSW may have it elsewhere or not.

    Where it is missing, the farthest makes room.

    >>> itself_first(np.array([[1, 0], [1, 0]]), np.zeros((2, 2), np.float32))[0].tolist()
    [[0, 1], [1, 0]]
    """
    n, k = rows.shape
    own = np.arange(n)[:, None]
    is_own = rows == own
    place = np.where(is_own.any(axis=1), is_own.argmax(axis=1), k - 1)
    others = np.arange(k) != place[:, None]
    return (
        np.concatenate([own, rows[others].reshape(n, k - 1)], axis=1),
        np.concatenate([np.zeros((n, 1), np.float32), distances[others].reshape(n, k - 1)], axis=1),
    )


def _umap() -> Any:
    """umap-learn's functions; its import takes seconds, and warns where TensorFlow, which we do not use, is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)
        import umap.umap_
    return umap.umap_


def _steps(names: tuple[str, ...], clock: list[float]) -> dict[str, float]:
    return {name: round(stop - start, 3) for name, start, stop in zip(names, clock, clock[1:], strict=False)}


def _unit(vectors: Real[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d"]:
    if bad := int((~has_direction(vectors)).sum()):
        raise InputError(f"{bad} of {len(vectors)} vectors are zero or not finite: remove them from the store")
    return normalise(vectors).astype(np.float32, copy=False)


def principal_points(vectors: Float32[np.ndarray, "n d"], dim: int, seed: int) -> Float32[np.ndarray, "n m"]:
    """Principal components within 10 of zero, with a little noise so that repeated vectors part."""
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    found = np.zeros((len(vectors), dim), np.float32)
    used = min(dim, vectors.shape[1])
    found[:, :used] = centred @ axes[:, ::-1][:, :used]
    found *= 10 / max(float(np.abs(found).max()), 1e-6)
    noise = np.random.default_rng(seed).normal(0, 1e-3, found.shape)
    return (found + noise).astype(np.float32)
