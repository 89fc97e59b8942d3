"""How many pictures of unnamed groups are right, once each group has the one class that suits all groups best.

Kuhn 1955, The Hungarian Method; as accuracy of clusters in Xie et al. 2016, https://arxiv.org/abs/1511.06335, and Vaze et al. 2022, Generalized
Category Discovery, https://arxiv.org/abs/2201.02609 (`project_utils/cluster_utils.py` of github.com/sgvaze/generalized-category-discovery).
"""

import numpy as np
from jaxtyping import Bool, Int

from cladescope.errors import InputError


def rightly_grouped(groups: Int[np.ndarray, " n"], classes: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Whether each picture is of the class that its group was given.

    Groups get different classes, so that as many pictures as can be are right (scipy's `linear_sum_assignment`); where there are more groups than
    classes some get none, and where there are fewer some classes have none. Chance is not 0: with a group for each picture of each class all could be right.
    Memory: 8 bytes for each pair of a group and a class.

    Raises InputError for no picture.

    >>> rightly_grouped(np.array([5, 5, 5, 2]), np.array([0, 0, 1, 1]))
    array([ True,  True, False,  True])
    """
    from scipy.optimize import linear_sum_assignment

    if not len(groups):
        raise InputError("no picture to match: expected one at least")
    _, group = np.unique(groups, return_inverse=True)
    _, own = np.unique(classes, return_inverse=True)
    shape = (int(group.max()) + 1, int(own.max()) + 1)
    together = np.bincount(group * shape[1] + own, minlength=shape[0] * shape[1]).reshape(shape)
    given = np.full(shape[0], -1)
    rows, columns = linear_sum_assignment(together, maximize=True)
    given[rows] = columns
    return np.asarray(given[group] == own)
