"""The two support vector machines by which NeWT is scored; what they are to choose they choose on training pictures.

`linear-svm` is that of Van Horn et al. 2021, https://arxiv.org/abs/2103.16483 (`benchmark/linear_evaluation.py` of github.com/visipedia/newt):
numbers standardised, pictures brought to unit length, a linear SVM, C by three folds. `svm-search` is biobench's and BioCLIP 2's
(`biobench/newt` of github.com/samuelstevens/biobench): vectors centred and of unit length, 100 random settings of a kernel SVM by five folds.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from cladescope.arrays import normalise

LINEAR_SVM, SVM_SEARCH = "linear-svm", "svm-search"
C_VALUES = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
N_SEARCHED = 100


def svm_answers(
    train: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"],
    test: Float[np.ndarray, "m d"],
    *,
    head: str = LINEAR_SVM,
    n_searched: int = N_SEARCHED,
    seed: int = 42,
) -> Int[np.ndarray, " m"]:
    """The label that the head gives each test picture; both classes have training pictures.

    Folds are fewer where the smaller class has fewer pictures, and of one picture nothing is chosen (C = 1).

    >>> train = np.array([[1.0, 0.1], [1.0, 0.0], [0.9, 0.2], [0.1, 1.0], [0.0, 1.0], [0.2, 0.9]])
    >>> svm_answers(train, np.array([0, 0, 0, 1, 1, 1]), np.array([[0.8, 0.1], [0.1, 0.8]]))
    array([0, 1])
    """
    smallest = int(np.bincount(labels)[np.unique(labels)].min())
    if head == SVM_SEARCH:
        centre = train.mean(axis=0)
        train, test = normalise(train - centre), normalise(test - centre)
        model = _searched(min(5, smallest), n_searched, seed)
    else:
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(train)
        train, test = (normalise(scaler.transform(part)) for part in (train, test))
        model = _linear(min(3, smallest))
    return np.asarray(_fitted(model, train, labels).predict(test), np.int64)


def _linear(folds: int) -> Any:
    from sklearn.model_selection import GridSearchCV
    from sklearn.svm import LinearSVC

    model = LinearSVC(random_state=0, tol=1e-5, C=1.0, dual=False, max_iter=1000)
    return GridSearchCV(model, {"C": C_VALUES}, cv=folds) if folds > 1 else model


def _searched(folds: int, n_searched: int, seed: int) -> Any:
    from scipy.stats import loguniform
    from sklearn.model_selection import RandomizedSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    model = make_pipeline(StandardScaler(), SVC(C=1.0, kernel="rbf"))
    settings = {
        "svc__C": loguniform(1e-3, 1e1),
        "svc__kernel": ["rbf", "linear", "sigmoid", "poly"],
        "svc__gamma": loguniform(1e-4, 1e-3),
    }
    if folds < 2:
        return model
    return RandomizedSearchCV(model, settings, n_iter=n_searched, cv=folds, random_state=seed)


def _fitted(model: Any, train: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"]) -> Any:
    """A model fitted as it is published: the most iterations are part of the protocol, and not reaching the end of them is no error."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(train, labels)
