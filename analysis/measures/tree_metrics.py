"""How far off wrong answers are, by the tree: hierarchical precision and recall, severity of mistakes, depth of the first.

Arrays in, floats out. `codes` number the taxon of a picture at each rank, widest first, -1 where it has none (an answer
that stops at its family has -1 below it). A code is one taxon: equal codes at a rank mean equal lineages above.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from cladescope.errors import InputError


def hierarchical_f(
    answers: Int[np.ndarray, "n ranks"], truth: Int[np.ndarray, "n ranks"]
) -> tuple[float, float, float]:
    """Precision, recall and F of the sets of ancestors, summed over pictures (micro); each taxon counts with its ancestors.

    Kiritchenko et al. 2006, Learning and Evaluation in the Presence of Class Hierarchies, section 4. An answer that goes
    less deep loses recall only. With no answer at all precision is 1, and F 0 where nothing is shared.

    Raises InputError where no picture has a taxon.

    >>> hierarchical_f(np.array([[0, 1, -1]]), np.array([[0, 1, 5]]))
    (1.0, 0.6666666666666666, 0.8)
    """
    if not (truth >= 0).any():
        raise InputError(f"none of {len(truth)} pictures has a true taxon: there is nothing to measure")
    shared = int(((answers == truth) & (truth >= 0)).sum())
    n_answered, n_true = int((answers >= 0).sum()), int((truth >= 0).sum())
    precision = shared / n_answered if n_answered else 1.0
    return precision, shared / n_true, 2 * shared / (n_answered + n_true)


def correct_depth(answers: Int[np.ndarray, "n ranks"], truth: Int[np.ndarray, "n ranks"]) -> Float[np.ndarray, " n"]:
    """Share of the ranks of each true taxon that are right before the first that is not; NaN where it has no rank.

    A rank that the truth does not have is passed over. 1 is right to the last rank.

    >>> correct_depth(np.array([[0, 1, 7], [0, 2, 5]]), np.array([[0, 1, 5], [0, 1, 5]])).round(2)
    array([0.67, 0.33])
    """
    known = truth >= 0
    right = np.logical_and.accumulate(~known | (answers == truth), axis=1) & known
    n_known = known.sum(axis=1)
    shares: Float[np.ndarray, " n"] = np.where(n_known > 0, right.sum(axis=1) / np.maximum(n_known, 1), np.nan)
    return shares


def mistake_severity(answers: Int[np.ndarray, "n ranks"], truth: Int[np.ndarray, "n ranks"]) -> tuple[float, float]:
    """Mean height of the lowest common ancestor with the truth: over the mistakes, and over all answers.

    The height is the number of ranks from the common ancestor down to the last rank of the array, so that with all seven
    ranks a wrong species of the right genus has 1 and of another kingdom 7. For pictures whose truth has the last rank;
    a right answer has 0, one that stops early the height where it stopped. Over mistakes it is NaN where there is none.

    Bertinetto et al. 2020, Making Better Mistakes, https://arxiv.org/abs/1912.09393, section 4.1.

    Raises InputError where no truth has the last rank.

    >>> mistake_severity(np.array([[0, 1, 7], [0, 1, 5]]), np.array([[0, 1, 5], [0, 1, 5]]))
    (1.0, 0.5)
    """
    whole = truth[:, -1] >= 0
    if not whole.any():
        raise InputError(f"none of {len(truth)} true taxa reaches the last rank: leave out the ranks that none has")
    known, same = truth[whole] >= 0, answers[whole] == truth[whole]
    right = np.logical_and.accumulate(~known | same, axis=1) & known
    ranks = np.arange(1, truth.shape[1] + 1)
    height = truth.shape[1] - np.where(right, ranks, 0).max(axis=1)
    mistakes = height[height > 0]
    return float(mistakes.mean()) if len(mistakes) else float("nan"), float(height.mean())


def information_gained(
    classes: Int[np.ndarray, "c ranks"], answers: Int[np.ndarray, "n ranks"], right: Bool[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Bits that each answer tells: log2 of c over the classes that lie in it; 0 for a wrong answer and for none.

    `classes` holds the codes of each class. Deng et al. 2012, Hedging Your Bets: Optimizing Accuracy-Specificity
    Trade-offs in Large Scale Visual Recognition, section 3.

    >>> classes = np.array([[0, 1], [0, 2], [3, 4], [3, 5]])
    >>> information_gained(classes, np.array([[0, -1], [3, 4], [-1, -1]]), np.array([True, True, True]))
    array([1., 2., 0.])
    """
    named = np.flatnonzero((answers >= 0).any(axis=1))
    rank = answers.shape[1] - 1 - (answers[named, ::-1] >= 0).argmax(axis=1)
    gained = np.zeros(len(answers))
    for row, place in zip(named, rank, strict=True):
        inside = int((classes[:, place] == answers[row, place]).sum())
        gained[row] = np.log2(len(classes) / max(inside, 1)) if right[row] else 0.0
    return gained


def top_k_by_rank(
    probabilities: Float[np.ndarray, "n c"],
    classes: Int[np.ndarray, "c ranks"],
    truth: Int[np.ndarray, "n ranks"],
    k: int,
) -> Float[np.ndarray, " ranks"]:
    """For each rank the share of pictures whose taxon is among the k likeliest, probabilities being summed along the tree.

    `classes` holds the codes of each class. A picture counts at the ranks of its own lineage; one whose taxon is none of
    the classes' is wrong there. Of equally likely taxa the one with the smaller code comes first. NaN for a rank that no
    picture has. Memory: 8 n t bytes for the t taxa of a rank.

    Raises InputError for k below 1.

    >>> classes = np.array([[0, 0], [0, 1], [1, 2]])
    >>> top_k_by_rank(np.array([[0.3, 0.3, 0.4]]), classes, np.array([[0, 1]]), 1)
    array([1., 0.])
    """
    if k < 1:
        raise InputError(f"k is {k}: it must be at least 1")
    shares = np.full(classes.shape[1], np.nan)
    for place in range(classes.shape[1]):
        known = truth[:, place] >= 0
        has = classes[:, place] >= 0
        if not known.any():
            continue
        names, of = np.unique(classes[has, place], return_inverse=True)
        summed = np.zeros((len(names), int(known.sum())))
        np.add.at(summed, of, probabilities[known][:, has].T)
        own = truth[known, place]
        column = np.searchsorted(names, own)
        rows = np.flatnonzero(np.isin(own, names))
        score = summed[column[rows], rows]
        before = (summed[:, rows] > score) | (
            (summed[:, rows] == score) & (np.arange(len(names))[:, None] < column[rows])
        )
        shares[place] = (before.sum(axis=0) < k).sum() / len(own)
    return shares
