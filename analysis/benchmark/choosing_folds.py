"""The folds by which a head chooses its settings on training pictures alone."""

import warnings
from typing import Any

import numpy as np
from jaxtyping import Int

Fold = tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]]


def choosing_folds(
    classes: Int[np.ndarray, " n"], n_folds: int, *, kin: Int[np.ndarray, " n"] | None = None
) -> list[Fold]:
    """Rows that teach and rows that are asked, fold by fold, of equal shares of each class, kin together; none where nothing could be chosen.

    Folds are fewer where the largest class has fewer pictures. A fold whose others are all of one class teaches nothing, and is left out;
    where the folds could ask for one class only, all are.

    >>> [asked.tolist() for _, asked in choosing_folds(np.array([3, 3, 7, 7]), 3)], choosing_folds(np.array([3, 7]), 3)
    ([[0, 2], [1, 3]], [])
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    largest = int(np.unique(classes, return_counts=True)[1].max())
    n_folds = min(n_folds, largest, len(classes) if kin is None else len(np.unique(kin)))
    if n_folds < 2:
        return []
    drawn: Any = StratifiedKFold(n_folds) if kin is None else StratifiedGroupKFold(n_folds)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        every = drawn.split(classes[:, None], classes, kin)
        folds = [(told, asked) for told, asked in every if len(np.unique(classes[told])) > 1]
    return folds if len({one for _, asked in folds for one in classes[asked].tolist()}) > 1 else []
