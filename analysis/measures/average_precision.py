"""Average precision of ranked lists."""

import numpy as np
from jaxtyping import Bool, Float


def average_precision(relevant: Bool[np.ndarray, "q m"]) -> Float[np.ndarray, " q"]:
    """Mean, over what is relevant in a list, of the precision down to there; NaN for a list without anything relevant.

    Lists hold everything that is relevant, best first. scikit-learn's `average_precision_score` of each row, all at once
    and with one value for an empty list. Manning et al. 2008, Introduction to Information Retrieval, section 8.4. Memory:
    32 bytes for each that is relevant.

    >>> average_precision(np.array([[True, False, True], [False, False, False]]))
    array([0.83333333,        nan])
    """
    row, place = np.nonzero(relevant)
    total = np.bincount(row, minlength=len(relevant))
    nth = np.arange(len(row)) - (np.cumsum(total) - total)[row]  # how many of its list were found before
    precision = np.bincount(row, weights=(nth + 1) / (place + 1), minlength=len(relevant))
    average: Float[np.ndarray, " q"] = np.divide(precision, total, out=np.full(len(relevant), np.nan), where=total > 0)
    return average
