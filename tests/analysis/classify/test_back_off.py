"""Back-off: the promise of conformal risk control on simulated draws, and the walk along paths against loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from cladescope.analysis.classify.answer_paths import Traces, critical_values, is_right, without_own
from cladescope.analysis.classify.back_off import (
    MIN_CONFIDENCE,
    NOTHING_ALLOWED,
    BackOff,
    RankConfidence,
    calibrated,
)
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.errors import InputError
from cladescope.taxonomy.taxon import RANKS, Taxon


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


KNOWN = [taxon for row, taxon in enumerate(CLASSES) if row % 4]
SMALLER = ClassTree.from_taxa(KNOWN)


def draw_known(n, seed):
    """Pictures of all classes and their probabilities over a smaller tree, which lacks every fourth of them."""
    p, truth = draw(n, seed)
    left = p[:, [CLASSES.index(taxon) for taxon in KNOWN]]
    return left / left.sum(axis=1, keepdims=True), truth


@pytest.mark.parametrize("risk", [0.1, 0.3])
def test_the_risk_is_kept_for_known_taxa_and_for_strangers_apart(risk):
    wrong, asked, named = {True: 0, False: 0}, {True: 0, False: 0}, {True: 0, False: 0}
    for seed in range(30):
        p, truth = draw_known(500, seed)
        known = np.array([taxon in KNOWN for taxon in truth])
        # Calibrated by pictures of known taxa alone, so that strangers are imitated; then asked for both.
        half = np.arange(500) < 350
        own = half & known
        back_off = calibrated(SMALLER, [(p[own], [truth[row] for row in np.flatnonzero(own)])], seed=seed)
        answered, sure = back_off.answer(SMALLER, p[~half], risk)
        right = is_right(SMALLER, answered, truth[350:])
        assert ((sure >= back_off.threshold(risk)) | (answered < 0)).all()
        for kind in (True, False):
            here = known[350:] == kind
            wrong[kind] += int((~right[here]).sum())
            asked[kind] += int(here.sum())
            named[kind] += int((SMALLER.rank[answered[here]] == 6)[answered[here] >= 0].sum())
    for kind in (True, False):
        assert wrong[kind] <= binom.ppf(0.999, asked[kind], risk) + 3 * np.sqrt(asked[kind] * risk), kind
    assert named[False] / asked[False] < named[True] / asked[True]


def test_a_closed_set_answers_deeper_and_promises_less():
    p, truth = draw_known(400, 2)
    back_off = calibrated(SMALLER, [(p, truth)])
    closed = back_off.closed_set()
    deep, careful = (one.answer(SMALLER, p, 0.1)[0] for one in (closed, back_off))
    assert (SMALLER.contains(careful, deep) | (careful < 0)).all()
    assert (deep != careful).any()
    with pytest.raises(InputError, match="no calibration picture is of a taxon among the classes"):
        BackOff(np.empty(0), np.array([0.5])).closed_set()


def test_true_strangers_count_with_the_imitated_ones():
    p, truth = draw_known(60, 0)
    known = [taxon in KNOWN for taxon in truth]
    back_off = calibrated(SMALLER, [(p[:25], truth[:25]), (p[25:], truth[25:])])
    assert (len(back_off.seen), len(back_off.unseen)) == (sum(known), 60)
    assert back_off.confidence is None
    np.testing.assert_array_equal(
        np.sort(back_off.seen), np.sort(critical_values(SMALLER, p[known], [*filter(KNOWN.__contains__, truth)]))
    )


def test_few_pictures_keep_their_probabilities_and_many_are_halved():
    p, truth = draw_known(MIN_CONFIDENCE, 1)
    back_off = calibrated(SMALLER, [(p, truth)])
    known = sum(taxon in KNOWN for taxon in truth)
    assert back_off.confidence is not None
    # A picture is in one half, as it is and as a stranger.
    assert len(back_off.unseen) == MIN_CONFIDENCE // 2
    assert abs(len(back_off.seen) - known // 2) < 25
    in_turn = calibrated(SMALLER, [(p, truth)], in_turn=True)
    assert (len(in_turn.seen), len(in_turn.unseen)) == (known, MIN_CONFIDENCE)
    assert in_turn.confidence is not None
    few = calibrated(SMALLER, [(p[:15], truth[:15])], in_turn=True)
    assert few.confidence is None


def test_confidence_is_how_often_answers_of_a_rank_are_right():
    rng = np.random.default_rng(3)
    chances = np.sort(rng.uniform(0.02, 0.98, (20_000, 7)), axis=1)[:, ::-1]
    slopes, offsets = np.linspace(1.0, 0.6, 7), np.linspace(1.5, -1.5, 7)
    logits = np.log(chances / (1 - chances))
    expected = 1 / (1 + np.exp(-(slopes * logits + offsets)))
    wrong = rng.uniform(size=expected.shape) > expected
    chances[::5, 3] = np.nan
    wrong[::5, 3] = False
    confidence = RankConfidence.fit(Traces(chances, wrong))
    np.testing.assert_allclose(confidence.slopes, slopes, atol=0.08)
    np.testing.assert_allclose(confidence.offsets, offsets, atol=0.1)
    found = confidence.of(chances)
    assert np.isnan(found[::5, 3]).all()
    down = np.where(np.isnan(found), np.inf, found)
    assert (down[:, 4:] <= np.minimum.accumulate(down, axis=1)[:, 3:-1]).all()


def test_where_all_is_right_there_is_nothing_to_be_learnt_of_confidence():
    assert RankConfidence.fit(Traces(np.full((5, 7), 0.5), np.zeros((5, 7), bool))) is None


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
        (lambda: calibrated(TREE, []), "no calibration picture"),
        (lambda: BackOff(np.array([2.0])), "must be probabilities"),
        (lambda: BackOff(np.zeros(5)).threshold(0.0), "the risk is 0.0"),
        (lambda: BackOff(np.zeros(5)).threshold(1.0), "the risk is 1.0"),
        (lambda: critical_values(TREE, draw(2, 0)[0], CLASSES[:1]), "1 true taxa for 2 pictures"),
    ],
)
def test_what_cannot_be_promised_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
