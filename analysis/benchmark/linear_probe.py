"""The linear probe: how well a linear classifier of the vectors tells the classes apart.

Kornblith et al. 2019, Do Better ImageNet Models Transfer Better?, https://arxiv.org/abs/1805.08974, and CLIP's evaluation (Radford et al.
2021, https://arxiv.org/abs/2103.00020, section 3.2): logistic regression on frozen vectors, its strength chosen on training pictures. biobench
(Stevens 2025, https://arxiv.org/abs/2511.16315) scores such heads by macro-F1, and has a head of its own, `layer-norm`.
"""

import warnings
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from cladescope.analysis.benchmark.biobench_heads import (
    LAYER_NORM,
    NEIGHBOURS,
    layer_norm_answers,
    neighbour_answers,
)
from cladescope.analysis.benchmark.choosing_folds import choosing_folds
from cladescope.analysis.benchmark.logistic_search import LOGISTIC_SEARCH, searched_answers
from cladescope.analysis.classify.linear_models import LINEAR_MODELS
from cladescope.analysis.measures.answers import Answers
from cladescope.arrays import normalise
from cladescope.errors import InputError
from cladescope.steps import counted

HEADS = (*LINEAR_MODELS, LAYER_NORM)
N_FOLDS = 5
CHOSEN = {
    "logistic": ("C", (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)),
    "ridge": ("alpha", (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)),
}
"""What is chosen of a head, and of which values; for C those of Van Horn et al. 2021 (NeWT's `linear_evaluation.py`)."""
N_CHOOSING = 3


def probe_answers(
    vectors: Float[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    *,
    head: str = HEADS[0],
    is_test: Bool[np.ndarray, " n"] | None = None,
    kin: Int[np.ndarray, " n"] | None = None,
) -> Answers:
    """The class that a linear head gives each picture: those of the test part, or all in turn, in five parts.

    The head learns from the other part, and chooses its strength on it alone. Without parts each picture is asked once, of a head of the
    pictures in the other four parts, which are of equal shares of each class; pictures of one photograph or observation (`kin`) stay
    together. A class without a picture to learn from is never named. `5-nn` has nothing to learn: each picture asks all others.

    Raises InputError where a head has fewer than two classes to learn, and where no class has two pictures.

    >>> vectors = np.array([[1.0, 0.1], [1.0, 0.0], [0.9, 0.2], [0.1, 1.0], [0.0, 1.0], [0.2, 0.9]])
    >>> is_test = np.array([False, False, True, False, False, True])
    >>> probe_answers(vectors, np.array([3, 3, 3, 7, 7, 7]), is_test=is_test).named
    array([3, 7])
    """
    if head == NEIGHBOURS:
        return Answers(np.arange(len(classes)), neighbour_answers(vectors, classes))
    parts = [is_test] if is_test is not None else _parts(classes, kin)
    rows, named = [], []
    for asked in counted(parts, f"fitting {head} heads", len(parts)):
        given = ~asked
        if len(np.unique(classes[given])) < 2:
            raise InputError(
                "a linear probe has pictures of one class only to learn from: expected two classes at least"
            )
        rows.append(np.flatnonzero(asked))
        if head == LAYER_NORM:
            named.append(layer_norm_answers(vectors[given], classes[given], vectors[asked]))
            continue
        if head == LOGISTIC_SEARCH:
            named.append(searched_answers(vectors[given], classes[given], vectors[asked]))
            continue
        model = _fitted(head, vectors[given], classes[given], None if kin is None else kin[given])
        named.append(np.asarray(model.predict(normalise(vectors[asked])), np.int64))
    return Answers(np.concatenate(rows), np.concatenate(named))


def fold_count(classes: Int[np.ndarray, " n"], kin: Int[np.ndarray, " n"] | None = None) -> int:
    """In how many parts pictures without parts are asked: five, or as many as the largest class has pictures and as there are groups of kin.

    >>> fold_count(np.array([3, 3, 3, 7])), fold_count(np.array([3, 3, 3, 7]), np.array([0, 0, 0, 1]))
    (3, 2)
    """
    n_groups = len(classes) if kin is None else len(np.unique(kin))
    return min(N_FOLDS, n_groups, int(np.unique(classes, return_counts=True)[1].max()))


def _fitted(
    head: str, vectors: Float[np.ndarray, "n d"], classes: Int[np.ndarray, " n"], kin: Int[np.ndarray, " n"] | None
) -> Any:
    """A head of unit vectors with the strength that names most in three folds; the usual one where these could ask for one class only, or for none."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import GridSearchCV

    unit, model = normalise(vectors), LINEAR_MODELS[head]()
    if not (folds := choosing_folds(classes, N_CHOOSING, kin=kin)):  # scikit-learn would take the first of all values
        return model.fit(unit, classes, groups=kin)
    name, values = CHOSEN[head]
    with warnings.catch_warnings():
        # The weakest strengths need more steps, and are seldom the best.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GridSearchCV(model, {name: values}, cv=folds).fit(unit, classes)


def _parts(classes: Int[np.ndarray, " n"], kin: Int[np.ndarray, " n"] | None) -> list[Bool[np.ndarray, " n"]]:
    """Five parts of about equal shares of each class, kin together; fewer where the largest class has fewer pictures."""
    from sklearn.model_selection import StratifiedGroupKFold

    groups = np.arange(len(classes)) if kin is None else kin
    if (n_folds := fold_count(classes, kin)) < 2:
        raise InputError("each class has one picture, or all are kin: a linear probe has none to ask what others teach")
    folds: Any = StratifiedGroupKFold(n_folds, shuffle=True, random_state=0)
    parts = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        for _, asked in folds.split(classes[:, None], classes, groups):
            part = np.zeros(len(classes), bool)
            part[asked] = True
            parts.append(part)
    return parts
