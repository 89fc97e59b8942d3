"""Figures of outcomes: who counts, and the spread over folds."""

import numpy as np

from cladescope.analysis.measures.outcomes import Figure, Outcome


def test_the_spread_over_folds_is_told_where_there_are_folds():
    outcome = Outcome(np.array([1.0, 0.0, 0.5]), np.array([1.0, 0.0, 0.5]))
    assert Figure.of(outcome).std is None
    folded = Figure.of(Outcome(outcome.scored, outcome.asked, (0.5, 1.0)))
    assert (folded.std, folded.folds) == (0.25, (0.5, 1.0))
    assert folded.n == 2  # pictures that were asked, however little they weigh
