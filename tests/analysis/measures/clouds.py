"""Vectors to measure."""

import numpy as np


def clusters(n_classes=6, n_each=9, d=12, *, spread=0.6, seed=0, names=None):
    """Vectors around class means, away from the origin, and their labels, shuffled."""
    rng = np.random.default_rng(seed)
    names = np.arange(n_classes) * 4 + 3 if names is None else np.asarray(names)
    labels = rng.permutation(np.repeat(names, n_each))
    means = 0.5 + rng.normal(size=(n_classes, d))
    vectors = means[np.searchsorted(np.sort(names), labels)] + spread * rng.normal(size=(len(labels), d))
    return vectors, labels


def units(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
