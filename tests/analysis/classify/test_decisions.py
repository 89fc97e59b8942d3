"""Where answers stop, how sure they are, and when an alarm rings: at the edges, and worked out from the definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, softmax
from scipy.stats import ks_2samp

from cladescope.analysis.classify import drift as drift_module
from cladescope.analysis.classify.back_off import NOTHING_ALLOWED, BackOff, RankConfidence
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.confidence_figures import can_be_drawn, draw_reliability, draw_risk_coverage
from cladescope.analysis.classify.drift import Drift
from cladescope.analysis.classify.neighbour_vote import NeighbourVote
from cladescope.errors import InputError
from tests.analysis.classify.clusters import TAXA


@given(st.lists(st.integers(0, 8), min_size=1, max_size=12), st.data())
def test_the_threshold_is_the_least_that_conformal_risk_control_allows(eighths, data):
    critical, n = np.array(eighths) / 8, len(eighths)
    risk = data.draw(st.integers(1, n)) / (n + 1)
    found = BackOff(critical).threshold(risk)

    def kept(threshold):  # the loss of n pictures, and 1 for the new one
        return ((critical >= threshold).sum() + 1) / (n + 1) <= risk + 1e-9

    assert kept(found)
    if found > 0:
        assert not kept(np.nextafter(found, -np.inf))
    too_few = BackOff(critical).threshold(0.99 / (n + 1))
    assert too_few == NOTHING_ALLOWED


def test_both_kinds_of_pictures_are_kept_and_the_scarcer_one_says_what_is_usual():
    seen, unseen = np.linspace(0.0, 0.5, 60), np.linspace(0.5, 1.0, 60)
    both = BackOff(seen, unseen)
    assert both.threshold(0.2) == BackOff(unseen).threshold(0.2) > both.closed_set().threshold(0.2)
    assert BackOff(np.zeros(60), np.zeros(19)).usual_risk == 1 / 20
    assert BackOff(np.zeros(60), np.zeros(18)).usual_risk is None
    assert BackOff(np.zeros(60), np.zeros(90)).usual_risk == 0.02


@pytest.mark.parametrize("risk", [0.0, 1.0, -0.1, float("nan")])
def test_a_risk_is_above_none_and_below_all(risk):
    with pytest.raises(InputError, match="expected a share above 0 and below 1"):
        BackOff(np.zeros(4)).threshold(risk)


@pytest.mark.parametrize(
    "value, is_probability", [(-0.001, False), (0.0, True), (1.0, True), (1.000001, True), (1.001, False)]
)
def test_critical_values_are_probabilities_but_for_rounding(value, is_probability):
    if is_probability:
        assert BackOff(np.array([value])).seen.tolist() == [value]
        return
    with pytest.raises(InputError, match="critical values must be probabilities"):
        BackOff(np.array([value]))


def test_what_would_name_more_is_the_least_wider_risk_that_does():
    # Of 9 pictures no risk below 0.1 is promised, and at 0.2 one may be wrong.
    few = BackOff(np.linspace(0.1, 0.9, 9))
    assert few.more(0.05) == "risk 0.1 or more labelled pictures"
    assert few.more(0.1) == "risk 0.2 or more labelled pictures"
    assert few.more(0.5) == "more labelled pictures"
    assert BackOff(few.seen, few.seen).more(0.5) == "closed_set"
    assert BackOff(np.zeros(9)).more(0.1) == "more labelled pictures"  # all are allowed now


def test_confidence_of_a_rank_is_its_line_and_no_rank_is_surer_than_one_above():
    chances = np.array([[0.9, 0.6, 0.5], [0.5, np.nan, 0.999], [1.0, 0.0, 0.2]])
    standing = np.array([0.5, -1.0, 2.0])
    slopes, offsets, weights = np.array([1.0, 2.0, 0.5]), np.array([0.1, -0.2, 3.0]), np.array([0.3, 0.0, 1.0])
    clipped = np.clip(chances, 1e-6, 1 - 1e-6)
    logits = np.log(clipped / (1 - clipped))
    for given_weights, line in (
        (None, slopes * logits + offsets),
        (weights, slopes * logits + offsets + weights * standing[:, None]),
    ):
        found = RankConfidence(slopes, offsets, given_weights).of(chances, standing)
        np.testing.assert_allclose(found, np.where(np.isnan(chances), np.nan, np.fmin.accumulate(expit(line), axis=1)))
    with pytest.raises(InputError, match="which is not given"):
        RankConfidence(slopes, offsets, weights).of(chances)


def test_an_answer_reaches_the_threshold_and_the_next_rank_does_not():
    tree = ClassTree.from_taxa(TAXA)
    probabilities = np.array([[0.5, 0.3, 0.1, 0.1], [0.25, 0.25, 0.25, 0.25]])
    # Family F has 0.9 and 0.75, genus G of it 0.8 and 0.5.
    back_off = BackOff(np.array([0.8] * 4 + [0.1] * 5))  # the fifth of ten may be wrong: anything above 0.8
    nodes, sure = back_off.answer(tree, probabilities, 0.4)
    assert [tree.taxon(node).name for node in nodes] == ["F", "Animalia"]
    assert sure.tolist() == pytest.approx([0.9, 1.0])
    nodes, sure = BackOff(np.zeros(3)).answer(tree, probabilities, 0.25)
    assert [tree.taxon(node).name for node in nodes] == ["G a", "G a"]
    nodes, sure = BackOff(np.zeros(3)).answer(tree, probabilities, 0.2)  # three pictures promise no such risk
    assert (nodes.tolist(), sure.tolist()) == ([-1, -1], [1.0, 1.0])


def test_an_alarm_needs_twenty_pictures_of_both_kinds_and_looks_at_no_more_than_its_share(monkeypatch):
    near, far = np.linspace(0, 1, 40), np.linspace(-2, 0.5, 40)
    for n_held, n_noted, is_told in ((20, 20, True), (19, 20, False), (20, 19, False)):
        drift = Drift(near[:n_held].astype(np.float32))
        drift.note(far[:n_noted])
        assert (drift.p_value() is not None) == is_told
    monkeypatch.setattr(drift_module, "MOST", 30)
    drift = Drift(near.astype(np.float32))
    drift.note(near[::2])
    drift.note(far)
    drift.note(far)
    looked_at = np.concatenate([near[::2], far[:10]])
    assert drift.p_value() == ks_2samp(looked_at, near.astype(np.float32), alternative="greater").pvalue
    drift.start_over()
    assert drift.p_value() is None


def test_neighbours_vote_by_the_exponent_of_their_cosine_unless_told_otherwise_five_of_them():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(12, 4))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    vote = NeighbourVote(vectors, np.arange(12) % 3, ("a", "b", "c"))
    query = np.array([[1.0, 2.0, -1.0, 0.5]])
    cosines = vectors @ (query[0] / np.linalg.norm(query))
    five = np.argsort(-cosines)[:5]
    weights = softmax(cosines[five] / 0.07)
    expected = [weights[five % 3 == one].sum() for one in range(3)]
    np.testing.assert_allclose(vote.probabilities(query)[0], expected, atol=1e-5)
    only = vote.only(np.array([True, False, True]))
    assert (only.labels, only.classes.tolist()) == (("a", "c"), [0, 1] * 4)
    np.testing.assert_array_equal(only.vectors, vectors[np.arange(12) % 3 != 1])
    for parts in (
        (vectors, np.zeros(12, int), ("a",), 0),
        (vectors[:0], np.zeros(0, int), ("a",), 1),
    ):
        with pytest.raises(InputError, match="expected at least one of each"):
            NeighbourVote(*parts)


def test_a_line_needs_thirty_answers_in_three_bins_of_five_and_has_a_dot_a_bin():
    edge = np.repeat([0.0, 0.5, 1.0], [5, 20, 5])
    assert can_be_drawn(edge)
    assert not can_be_drawn(edge[:-1])
    assert not can_be_drawn(np.repeat([0.0, 0.5, 1.0], [4, 22, 4]))
    right = np.arange(30) % 2 == 0
    line = draw_reliability({"genus": (edge, right)}, title="x").axes[0].lines[1]
    assert line.get_xdata().tolist() == [0.0, 0.5, 1.0]
    assert line.get_ydata().tolist() == pytest.approx([3 / 5, 10 / 20, 2 / 5])
    axes = draw_risk_coverage({"genus": (edge, np.ones(30, bool))}, title="x").axes[0]
    assert axes.get_ylim() == (0, pytest.approx(0.021))  # where nothing is wrong two in a hundred are shown
