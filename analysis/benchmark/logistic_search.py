"""biobench's head for clips of videos: logistic regression of standardised numbers, the best of 30 random strengths by macro-F1.

`init_clf` of `biobench/mammalnet` of github.com/samuelstevens/biobench at commit 0eb9dad (Stevens 2025, https://arxiv.org/abs/2511.16315).
"""

import warnings

import numpy as np
from jaxtyping import Float, Int

from cladescope.analysis.benchmark.choosing_folds import choosing_folds

LOGISTIC_SEARCH = "logistic-search"
N_SEARCHED, N_FOLDS, N_STEPS, SEED = 30, 5, 200, 17
C_RANGE = (1e-2, 1e2)


def searched_answers(
    train: Float[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    test: Float[np.ndarray, "m d"],
    *,
    n_searched: int = N_SEARCHED,
    seed: int = SEED,
) -> Int[np.ndarray, " m"]:
    """The class of each test vector; C is drawn log-uniformly from 0.01 to 100, and the best by the mean macro-F1 of five folds is taken.

    Where folds could choose nothing, C is 1. Two classes at least are taught. Equal seeds give equal answers.

    >>> train = np.array([[1.0, 0.1], [1.0, 0.0], [0.9, 0.2], [0.1, 1.0], [0.0, 1.0], [0.2, 0.9]])
    >>> searched_answers(train, np.array([4, 4, 4, 9, 9, 9]), np.array([[0.8, 0.1], [0.1, 0.8]]))
    array([4, 9])
    """
    from scipy.stats import loguniform
    from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import RandomizedSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=N_STEPS))
    if folds := choosing_folds(classes, N_FOLDS):
        strengths = {"logisticregression__C": loguniform(*C_RANGE)}
        model = RandomizedSearchCV(model, strengths, n_iter=n_searched, cv=folds, random_state=seed, scoring="f1_macro")
    with warnings.catch_warnings():
        # The most steps are part of the protocol, and a fold may ask a class that it did not teach.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        model.fit(np.asarray(train, np.float64), classes)
    return np.asarray(model.predict(np.asarray(test, np.float64)), np.int64)
