"""Average precision of ranked lists."""

import numpy as np
from jaxtyping import Bool, Float


def average_precision(relevant: Bool[np.ndarray, "q m"]) -> Float[np.ndarray, " q"]:
    """Mean, over what is relevant in a list, of the precision down to there; NaN for a list without anything relevant.

    Lists hold everything that is relevant, best first. scikit-learn's `average_precision_score` of each row, all at once
    and with one value for an empty list. Manning et al. 2008, Introduction to Information Retrieval, section 8.4. Memory:
    16 q m bytes.

    >>> average_precision(np.array([[True, False, True], [False, False, False]]))
    array([0.83333333,        nan])
    """
    found = np.cumsum(relevant, axis=1, dtype=np.float64)
    total = found[:, -1] if relevant.shape[1] else np.zeros(len(relevant))
    places = np.arange(1, relevant.shape[1] + 1)
    precision = np.where(relevant, found / places, 0.0).sum(axis=1)
    average: Float[np.ndarray, " q"] = np.divide(precision, total, out=np.full(len(relevant), np.nan), where=total > 0)
    return average
