"""What lies behind one share of right answers: by class, by rank of the taxonomy, by how far off, and by confidence."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int

from cladescope.analysis.measures.answers import Answers
from cladescope.analysis.measures.by_class import by_frequency, macro
from cladescope.analysis.measures.calibration import calibration_error
from cladescope.analysis.measures.mistakes import mistake_height, shared_taxa
from cladescope.analysis.measures.outcomes import Outcome
from cladescope.taxonomy.taxon import RANKS


@dataclass(frozen=True, eq=False, kw_only=True)
class Details:
    """Further measures of the same answers; a group is empty where the task or the answers do not allow it."""

    by_class: Mapping[str, Outcome]
    """`macro`, in which classes weigh alike, and the same of the classes in the `head`, `middle` and `tail`."""
    by_rank: Mapping[str, Outcome] = field(default_factory=dict)
    """Share of answers whose taxon at the rank is the picture's, for each rank that a class has."""
    by_tree: Mapping[str, Outcome] = field(default_factory=dict)
    """Hierarchical `precision`, `recall` and `F`; `severity`, the mean height of mistakes in ranks, and `height`, that of
    all answers."""
    confidence: Mapping[str, Outcome] = field(default_factory=dict)
    """`Brier`, the mean squared distance of the answer's probability from right (1) or wrong (0)."""
    calibration_error: float | None = None
    """Mean distance of probability and share of right answers, over 15 bins; None where answers have no probability."""


def details_of(
    answers: Answers,
    own: Int[np.ndarray, " n"],
    n_training: Int[np.ndarray, " n"],
    *,
    answer_codes: Int[np.ndarray, "a ranks"],
    own_codes: Int[np.ndarray, "n ranks"],
) -> Details:
    """Everything that answers tell beyond how many are right.

    `own` is the right answer of each picture, `n_training` how many pictures its class has to learn from; `answer_codes`
    and `own_codes` number the taxa at the seven ranks of each answer and of each picture, -1 where there is none.
    """
    n = len(own)
    right = answers.named == own[answers.rows]
    outcome = answers.outcome(own)
    by_class = {"macro": macro(outcome, own), **by_frequency(outcome, own, n_training)}
    confidence, error = {}, None
    if answers.confidence is not None:
        # Rounding may bring a softmax a hair above 1.
        believed = np.minimum(answers.confidence, 1.0)
        squares = answers.summed((believed - right) ** 2, n)
        confidence, error = {"Brier": Outcome(squares, outcome.asked)}, calibration_error(believed, right)
    by_rank, by_tree = _along_the_tree(answers, answer_codes[answers.named], own_codes[answers.rows], n)
    return Details(by_class=by_class, by_rank=by_rank, by_tree=by_tree, confidence=confidence, calibration_error=error)


def _along_the_tree(
    answers: Answers, named: Int[np.ndarray, "q ranks"], true: Int[np.ndarray, "q ranks"], n: int
) -> tuple[dict[str, Outcome], dict[str, Outcome]]:
    """The outcomes by rank, and of the tree, where a picture that was asked has a taxon."""
    ranks = np.flatnonzero((true >= 0).any(axis=0))
    if not len(ranks):
        return {}, {}
    named, true = named[:, ranks], true[:, ranks]

    def outcome(scored: np.ndarray, asked: np.ndarray) -> Outcome:
        return Outcome(answers.summed(scored.astype(np.float64), n), answers.summed(asked.astype(np.float64), n))

    by_rank = {
        RANKS[rank]: outcome((named[:, place] == true[:, place]) & (true[:, place] >= 0), true[:, place] >= 0)
        for place, rank in enumerate(ranks.tolist())
    }
    shared, n_named, n_true = shared_taxa(named, true)
    by_tree = {
        "precision": outcome(shared, n_named),
        "recall": outcome(shared, n_true),
        "F": outcome(2 * shared, n_named + n_true),
    }
    height = mistake_height(named, true)
    known = np.isfinite(height)
    height = np.where(known, height, 0.0)
    by_tree["severity"] = outcome(height, height > 0)
    by_tree["height"] = outcome(height, known)
    return by_rank, {name: one for name, one in by_tree.items() if one.asked.any()}
