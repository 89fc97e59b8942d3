"""Back-off: the promise of conformal risk control on simulated draws, and the walk along paths against loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from cladescope.analysis.backoff import NOTHING_ALLOWED, BackOff, critical_values, is_right, without_own
from cladescope.analysis.class_tree import ClassTree
from cladescope.errors import InputError
from cladescope.taxon import RANKS, Taxon


def species(order, family, genus, name):
    return Taxon(("Animalia", "Chordata", "Aves", order, family, genus, f"{genus} {name}"))


CLASSES = [species(f"order{n // 8}", f"family{n // 4}", f"Genus{n // 2}", f"species{n}") for n in range(16)]
TREE = ClassTree.from_taxa(CLASSES)


def draw(n, seed, *, sharpness=6.0):
    """Pictures whose probabilities favour relatives of the true class."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(len(CLASSES), size=n)
    shared = (TREE.class_nodes[truth][:, None] == TREE.class_nodes[None]).sum(axis=2)
    scores = 0.8 * shared + rng.gumbel(size=shared.shape)
    scores *= sharpness / 6
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True), [CLASSES[row] for row in truth]


def answer_by_loop(p, threshold):
    rolled = TREE.roll_up(p[None])[0]
    here, answered = -1, -1
    while len(children := TREE.children(here)):
        here = int(children[rolled[children].argmax()])
        if rolled[here] >= threshold:
            answered = here
    return answered


@pytest.mark.parametrize("risk", [0.05, 0.1, 0.3])
def test_the_risk_is_kept_over_many_draws(risk):
    wrong, n_asked = 0, 0
    for seed in range(60):
        p, truth = draw(200, seed)
        back_off = BackOff(critical_values(TREE, p[:150], truth[:150]))
        answered, _ = back_off.answer(TREE, p[150:], risk)
        wrong += int((~is_right(TREE, answered, truth[150:])).sum())
        n_asked += 50
    # Calibration sets differ, so the spread is a little wider than binomial: twice its standard deviation is added.
    assert wrong <= binom.ppf(0.999, n_asked, risk) + 2 * np.sqrt(n_asked * risk)
    assert wrong >= 0.5 * risk * n_asked  # not by saying nothing


@given(st.integers(0, 500), st.floats(0.01, 0.99))
def test_an_answer_is_the_deepest_node_that_reaches_the_threshold(seed, risk):
    p, truth = draw(30, seed)
    back_off = BackOff(critical_values(TREE, p[:20], truth[:20]))
    answered, chance = back_off.answer(TREE, p[20:], risk)
    assert answered.tolist() == [answer_by_loop(row, back_off.threshold(risk)) for row in p[20:]]
    rolled = TREE.roll_up(p[20:])
    met = answered >= 0
    np.testing.assert_allclose(chance[met], rolled[met, answered[met]])
    assert (chance[~met] == 1).all()


@given(st.integers(0, 500), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_less_risk_never_goes_deeper(seed, one, other):
    p, truth = draw(40, seed)
    back_off = BackOff(critical_values(TREE, p, truth))
    careful, _ = back_off.answer(TREE, p, min(one, other))
    bold, _ = back_off.answer(TREE, p, max(one, other))
    assert (TREE.contains(careful, bold) | (careful < 0)).all()
    assert back_off.threshold(min(one, other)) >= back_off.threshold(max(one, other))


@given(st.integers(0, 500), st.floats(0.0, 1.0))
def test_an_answer_is_wrong_exactly_where_it_reaches_the_critical_value(seed, threshold):
    p, truth = draw(20, seed)
    critical = critical_values(TREE, p, truth)
    answered = np.array([answer_by_loop(row, threshold) for row in p])
    wrong = ~is_right(TREE, answered, truth)
    assert (wrong == ((critical >= threshold) & (critical > 0))).all()


def test_few_pictures_promise_nothing():
    back_off = BackOff(np.zeros(8))
    assert back_off.threshold(0.1) == NOTHING_ALLOWED
    answered, chance = back_off.answer(TREE, draw(3, 0)[0], 0.1)
    assert answered.tolist() == [-1, -1, -1]
    assert chance.tolist() == [1, 1, 1]
    assert BackOff(np.zeros(9)).threshold(0.1) < 1e-300


def test_a_truth_of_a_higher_rank_blames_nothing_below_it():
    p = np.zeros((1, 16))
    p[0, 3] = 1.0
    genus = Taxon(CLASSES[3].path[:6])
    assert critical_values(TREE, p, [genus]).tolist() == [0.0]
    assert critical_values(TREE, p, [Taxon(CLASSES[0].path[:6])]).tolist() == [1.0]


def test_a_stranger_is_right_as_far_as_its_lineage_goes():
    p = np.zeros((1, 16))
    p[0, 3] = 1.0
    stranger = species("order0", "family0", "Genus1", "stranger")
    answered = TREE.lineage[TREE.node_of(CLASSES[3])]
    right = [bool(is_right(TREE, answered[[place]], [stranger])[0]) for place in range(len(RANKS))]
    assert right == [True] * 6 + [False]
    elsewhere = Taxon(("Plantae",))
    assert not is_right(TREE, answered[[0]], [elsewhere])[0]


def test_without_its_own_class_a_picture_is_asked_as_if_never_seen():
    p, truth = draw(50, 1)
    left = without_own(TREE, p, truth)
    own = np.array([CLASSES.index(taxon) for taxon in truth])
    assert (left[np.arange(50), own] == 0).all()
    np.testing.assert_allclose(left.sum(axis=1), 1)
    p[np.arange(50), own] = 0
    np.testing.assert_allclose(left, p / p.sum(axis=1, keepdims=True))
    certain = np.eye(16)[own]
    np.testing.assert_allclose(without_own(TREE, certain, truth).max(axis=1), 1 / 15)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: BackOff(np.zeros(0)), "no calibration picture"),
        (lambda: BackOff(np.array([2.0])), "must be probabilities"),
        (lambda: BackOff(np.zeros(5)).threshold(0.0), "the risk is 0.0"),
        (lambda: BackOff(np.zeros(5)).threshold(1.0), "the risk is 1.0"),
        (lambda: critical_values(TREE, draw(2, 0)[0], CLASSES[:1]), "1 true taxa for 2 pictures"),
    ],
)
def test_what_cannot_be_promised_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
