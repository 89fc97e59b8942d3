"""How far off answers of a wrong taxon are, by the tree: the taxa shared with the truth, and the height at which lineages meet.

`codes` number the taxon of a picture at each rank, widest first, -1 where it has none (an answer that stops at its family
has -1 below it). A code is one taxon: equal codes at a rank mean equal lineages above.
"""

import numpy as np
from jaxtyping import Float64, Int

from cladescope.errors import InputError


def shared_taxa(
    answers: Int[np.ndarray, "n ranks"], truth: Int[np.ndarray, "n ranks"]
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """For each answer: how many taxa it shares with the truth, how many it names, and how many the truth has.

    Each taxon counts with its ancestors. Summed over pictures, shared / named is the hierarchical precision, shared / true
    the recall, and 2 shared / (named + true) their F: Kiritchenko et al. 2006, Learning and Evaluation in the Presence of
    Class Hierarchies, section 4 (micro). An answer that goes less deep loses recall only.

    Raises InputError where no picture has a taxon.

    >>> shared_taxa(np.array([[0, 1, -1]]), np.array([[0, 1, 5]]))
    (array([2.]), array([2.]), array([3.]))
    """
    if not (truth >= 0).any():
        raise InputError(f"none of {len(truth)} pictures has a true taxon: there is nothing to measure")
    same, named, true = (answers == truth) & (truth >= 0), answers >= 0, truth >= 0
    shared, n_named, n_true = (part.sum(axis=1).astype(np.float64) for part in (same, named, true))
    return shared, n_named, n_true


def mistake_height(answers: Int[np.ndarray, "n ranks"], truth: Int[np.ndarray, "n ranks"]) -> Float64[np.ndarray, " n"]:
    """Height of the lowest common ancestor of each answer and its truth; NaN where the truth lacks the last rank.

    The height is the number of ranks from the common ancestor down to the last rank of the array, so that with all seven
    ranks a wrong species of the right genus has 1 and one of another kingdom 7. A right answer has 0, one that stops early
    the height where it stopped. The mean over mistakes is the severity of Bertinetto et al. 2020, Making Better Mistakes,
    https://arxiv.org/abs/1912.09393, section 4.1.

    Raises InputError where no truth has the last rank.

    >>> mistake_height(np.array([[0, 1, 7], [0, 1, 5], [3, 8, 9]]), np.array([[0, 1, 5], [0, 1, 5], [0, 1, 5]]))
    array([1., 0., 3.])
    """
    whole = truth[:, -1] >= 0
    if not whole.any():
        raise InputError(f"none of {len(truth)} true taxa reaches the last rank: leave out the ranks that none has")
    known = truth >= 0
    right = np.logical_and.accumulate(~known | (answers == truth), axis=1) & known
    ranks = np.arange(1, truth.shape[1] + 1)
    return np.where(whole, truth.shape[1] - np.where(right, ranks, 0).max(axis=1), np.nan)
