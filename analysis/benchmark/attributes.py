"""How BioCLIP 2's evaluation counts traits: AwA2's macro-F1 and FishNet's accuracy, as its code does and as meant.

Gu et al. 2025, BioCLIP 2, https://arxiv.org/abs/2505.23883. Two lines of its published code do not do what its text says.
Both ways of counting stand here, so that published figures can be reproduced and one's own be right. Arrays in, a
number out; training the heads is not part of this.
"""

import numpy as np
from jaxtyping import Float, Int

from cladescope.errors import InputError

PUBLISHED_THRESHOLD = 0.5
"""What the published FishNet code compares logits with: a probability of 0.62."""


def macro_f1(truth: Int[np.ndarray, "n a"], predicted: Int[np.ndarray, "n a"]) -> float:
    """F1 of each attribute (1 present, 0 absent), averaged over all attributes; 0 for one never present nor predicted.

    Raises InputError for no picture or values other than 0 and 1.

    >>> macro_f1(np.array([[1, 0], [1, 1]]), np.array([[1, 0], [1, 0]]))
    0.5
    """
    return float(_f1(truth, predicted).mean())


def published_macro_f1(truth: Int[np.ndarray, "n a"], predicted: Int[np.ndarray, "n a"]) -> float:
    """The macro-F1 that the published AwA2 code computes: that of the attributes 0 and 1 alone.

    It passes `labels=np.unique(truth)` to scikit-learn's `f1_score`, which for several attributes takes labels as their
    column numbers: [0, 1] where the truth holds both values. Only to compare with figures of that code.

    Raises InputError as `macro_f1` does.

    >>> truth, predicted = np.array([[1, 1, 1], [1, 1, 0]]), np.array([[1, 1, 0], [1, 1, 0]])
    >>> published_macro_f1(truth, predicted), round(macro_f1(truth, predicted), 3)
    (1.0, 0.667)
    """
    return float(_f1(truth, predicted)[np.unique(truth)].mean())


def all_right(logits: Float[np.ndarray, "n a"], truth: Int[np.ndarray, "n a"], *, threshold: float = 0.0) -> float:
    """Share of pictures all of whose attributes are right, FishNet's measure; an attribute is present above `threshold`.

    A logit above 0 is a probability above 0.5. The published code compares logits themselves with 0.5
    (`PUBLISHED_THRESHOLD`), so that it calls an attribute present only above a probability of 0.62.

    Raises InputError for no picture, values other than 0 and 1, or a logit that is NaN.

    >>> logits, truth = np.array([[0.3, -1.0], [2.0, -2.0]]), np.array([[1, 0], [1, 0]])
    >>> all_right(logits, truth), all_right(logits, truth, threshold=PUBLISHED_THRESHOLD)
    (1.0, 0.5)
    """
    if np.isnan(logits).any():
        raise InputError(f"logits of {np.isnan(logits).any(axis=1).sum()} of {len(logits)} pictures are NaN")
    _check(truth)
    return float(((logits > threshold) == (truth == 1)).all(axis=1).mean())


def _f1(truth: Int[np.ndarray, "n a"], predicted: Int[np.ndarray, "n a"]) -> Float[np.ndarray, " a"]:
    """F1 of each attribute."""
    _check(truth)
    _check(predicted)
    both = (truth * predicted).sum(axis=0)
    either = truth.sum(axis=0) + predicted.sum(axis=0)
    f1: Float[np.ndarray, " a"] = np.divide(2 * both, either, out=np.zeros(truth.shape[1]), where=either > 0)
    return f1


def _check(values: Int[np.ndarray, "n a"]) -> None:
    if not values.size or not np.isin(values, (0, 1)).all():
        found = f"values from {values.min()} to {values.max()}" if values.size else "none"
        raise InputError(
            f"attributes of {len(values)} pictures hold {found}: expected 0 and 1, for one picture at least"
        )
