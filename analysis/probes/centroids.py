"""Probes that train: nearest centroid and a linear probe, tested on other species than trained on."""

import numpy as np
from jaxtyping import Bool, Float, Int

from cladescope.analysis.measures.class_sums import class_sums


def group_split(labels: Int[np.ndarray, " n"], groups: Int[np.ndarray, " n"], *, seed: int) -> Bool[np.ndarray, " n"]:
    """Whether each row is for training: half of the groups of each label, the larger half; a group is never cut.

    A group lies in one label. A label of one group has it in training, so nothing of it is tested.
    """
    rng = np.random.default_rng(seed)
    groups_there, first, group = np.unique(groups, return_index=True, return_inverse=True)
    label = labels[first]
    order = np.lexsort((rng.random(len(groups_there)), label))
    _, start, count = np.unique(label[order], return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(start, count)
    train = np.empty(len(order), bool)
    train[order] = place < np.repeat((count + 1) // 2, count)
    chosen: Bool[np.ndarray, " n"] = train[group]
    return chosen


def nearest_centroid(
    train: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], test: Float[np.ndarray, "m d"]
) -> Int[np.ndarray, " m"]:
    """Label of the class mean of highest cosine; Snell et al. 2017, https://arxiv.org/abs/1703.05175, with a frozen encoder."""
    there, label = np.unique(labels, return_inverse=True)
    sums, _ = class_sums(train, label)
    means = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return np.asarray(there[(test @ means.T).argmax(axis=1)])


def linear_probe(
    train: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], test: Float[np.ndarray, "m d"]
) -> Int[np.ndarray, " m"]:
    """Label by ridge regression onto the classes (penalty 1, classes weigh alike).

    The linear probe of Alain & Bengio 2016, https://arxiv.org/abs/1610.01644, by least squares instead of logistic regression.
    """
    from sklearn.linear_model import RidgeClassifier

    predicted: Int[np.ndarray, " m"] = RidgeClassifier(class_weight="balanced").fit(train, labels).predict(test)
    return predicted
