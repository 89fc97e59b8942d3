"""Losses against loops in float64 that follow the papers' formulas, and what must not change them."""

import math
from itertools import pairwise
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from cladescope.training.loss import objectives
from cladescope.training.loss.objectives import (
    cross_entropy,
    hierarchical_cross_entropy,
    info_nce,
    info_nce_with_same_taxon_positive,
    info_nce_without_same_taxon,
    level_restricted,
    siglip,
)

quick = settings(max_examples=25, deadline=None)
SEEDS = st.integers(0, 10**6)
CODES = st.lists(st.integers(-1, 3), min_size=1, max_size=9)
SCALE, BIAS = 7.0, -3.0


def features(seed, *sizes, d=5, dtype=torch.float64):
    """Unit vectors, as many as each size says, that want gradients."""
    rng = np.random.default_rng(seed)
    drawn = [rng.normal(size=(n, d)) for n in sizes]
    return [
        torch.tensor(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=dtype).requires_grad_() for rows in drawn
    ]


def codes_of(values):
    return torch.tensor(values, dtype=torch.int64)


def products(image, text, scale=SCALE):
    return scale * image.detach().double().numpy() @ text.detach().double().numpy().T


def same(taxa, i, j):
    return i == j or (taxa[i] >= 0 and taxa[i] == taxa[j])


def log_softmax(row, at, among):
    return row[at] - math.log(sum(math.exp(row[j]) for j in among))


def by_pairs(logits, taxa=None, *, drop=False, share=False):
    """Symmetric InfoNCE of a square of logits, row by row; pairs of one taxon leave or share the target."""
    b = len(logits)
    taxa = [-1] * b if taxa is None else taxa
    total = 0.0
    for matrix in (logits, logits.T):
        for i in range(b):
            among = [j for j in range(b) if not drop or j == i or not same(taxa, i, j)]
            positives = [j for j in range(b) if same(taxa, i, j)] if share else [i]
            total -= sum(log_softmax(matrix[i], j, among) for j in positives) / len(positives)
    return total / (2 * b)


def by_levels(image, texts, owns):
    total = 0.0
    for text, own in zip(texts, owns, strict=True):
        logits = products(image, text)
        known = [i for i, label in enumerate(own) if label >= 0]
        groups = {label: [i for i in known if own[i] == label] for label in {own[i] for i in known}}
        for label, rows in groups.items():
            for i in rows:
                weight = 1 / (2 * len(groups) * len(rows))
                total -= weight * log_softmax(logits[i], label, range(logits.shape[1]))
                total -= weight * log_softmax(logits[:, label], i, known)
    return total


def by_sigmoid(logits, taxa):
    b = len(logits)
    signs = [[1 if same(taxa, i, j) else -1 for j in range(b)] for i in range(b)]
    return sum(math.log1p(math.exp(-signs[i][j] * logits[i][j])) for i in range(b) for j in range(b)) / b


def by_rows(logits, classes, smoothing=0.0):
    known = [i for i, label in enumerate(classes) if label >= 0]
    total = 0.0
    for i in known:
        row, c = logits[i], len(logits[i])
        for j in range(c):
            target = (1 - smoothing) * (j == classes[i]) + smoothing / c
            total -= target * log_softmax(row, j, range(c))
    return total / len(known) if known else 0.0


PAIRED = {
    "info_nce": lambda image, text, taxa, **rows: info_nce(image, text, SCALE, **rows),
    "masked": lambda image, text, taxa, **rows: info_nce_without_same_taxon(image, text, SCALE, taxa=taxa, **rows),
    "positive": lambda image, text, taxa, **rows: info_nce_with_same_taxon_positive(
        image, text, SCALE, taxa=taxa, **rows
    ),
    "siglip": lambda image, text, taxa, **rows: siglip(image, text, SCALE, BIAS, **rows),
    "siglip_taxa": lambda image, text, taxa, **rows: siglip(image, text, SCALE, BIAS, taxa=taxa, **rows),
    "level": lambda image, text, taxa, **rows: level_restricted(
        image, [text[:4]], [taxa.clamp(max=len(text) - 1)], SCALE, **rows
    ),
}
REFERENCE = {
    "info_nce": lambda logits, taxa: by_pairs(logits),
    "masked": lambda logits, taxa: by_pairs(logits, taxa, drop=True),
    "positive": lambda logits, taxa: by_pairs(logits, taxa, share=True),
    "siglip": lambda logits, taxa: by_sigmoid(logits + BIAS, [-1] * len(taxa)),
    "siglip_taxa": lambda logits, taxa: by_sigmoid(logits + BIAS, taxa),
}
paired = pytest.mark.parametrize("loss", PAIRED.values(), ids=PAIRED)


@pytest.mark.parametrize("name", REFERENCE)
@quick
@given(SEEDS, CODES)
def test_losses_of_pairs_agree_with_loops(name, seed, taxa):
    image, text = features(seed, len(taxa), len(taxa))
    found = PAIRED[name](image, text, codes_of(taxa)).item()
    assert math.isclose(found, REFERENCE[name](products(image, text), taxa), rel_tol=1e-9, abs_tol=1e-12)


@quick
@given(SEEDS, st.integers(1, 8), st.data())
def test_the_level_restricted_loss_agrees_with_loops(seed, b, data):
    sizes = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=3))
    owns = [data.draw(st.lists(st.integers(-1, m - 1), min_size=b, max_size=b)) for m in sizes]
    image, *texts = features(seed, b, *sizes)
    found = level_restricted(image, texts, [codes_of(own) for own in owns], SCALE).item()
    assert math.isclose(found, by_levels(image, texts, owns), rel_tol=1e-9, abs_tol=1e-12)


@quick
@given(SEEDS, st.integers(1, 6), st.data())
def test_the_part_of_a_picture_in_a_rank_is_its_own_and_that_of_its_label(seed, b, data):
    """Parts that are those of others add up to the same loss, but each process would send its pictures a wrong gradient."""
    place = data.draw(st.integers(0, b - 1))
    image, text = features(seed, b, b)
    found = level_restricted(image, [text], [torch.arange(b)], SCALE, rows=slice(place, place + 1)).item()
    scores = SCALE * image.detach() @ text.detach().T
    own = scores[place].logsumexp(0) - scores[place, place]
    of_label = scores[:, place].logsumexp(0) - scores[place, place]
    assert math.isclose(found, float(own + of_label) / (2 * b), rel_tol=1e-9, abs_tol=1e-12)


@quick
@given(SEEDS, CODES, st.sampled_from([0.0, 0.1]))
def test_the_cross_entropy_agrees_with_loops(seed, classes, smoothing):
    (logits,) = features(seed, len(classes))
    found = cross_entropy(logits, codes_of(classes), label_smoothing=smoothing).item()
    assert math.isclose(found, by_rows(logits.tolist(), classes, smoothing), rel_tol=1e-9, abs_tol=1e-12)


@quick
@given(SEEDS, st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), min_size=1, max_size=6))
def test_the_hierarchical_cross_entropy_is_the_weighted_sum_over_ranks(seed, codes):
    wide, narrow = features(seed, len(codes), d=4)[0], features(seed + 1, len(codes), d=6)[0]
    found = hierarchical_cross_entropy([wide, narrow], codes_of(codes), weights=[2.0, 0.5], label_smoothing=0.2).item()
    first, second = zip(*codes, strict=True)
    expected = 2 * by_rows(wide.tolist(), first, 0.2) + 0.5 * by_rows(narrow.tolist(), second, 0.2)
    assert math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12)
    plain = hierarchical_cross_entropy([wide, narrow], codes_of(codes)).item()
    assert math.isclose(plain, by_rows(wide.tolist(), first) + by_rows(narrow.tolist(), second), abs_tol=1e-9)


@paired
@quick
@given(SEEDS, CODES, st.data())
def test_the_order_of_a_batch_makes_no_difference(loss, seed, taxa, data):
    image, text = features(seed, len(taxa), len(taxa))
    order = data.draw(st.permutations(range(len(taxa))))
    before = loss(image, text, codes_of(taxa)).item()
    if loss is PAIRED["level"]:
        after = loss(image[order], text, codes_of(taxa)[order]).item()
    else:
        after = loss(image[order], text[order], codes_of(taxa)[order]).item()
    assert math.isclose(before, after, rel_tol=1e-9, abs_tol=1e-12)


@pytest.mark.parametrize("name", ["masked", "positive"])
@pytest.mark.parametrize("taxa", [[4, 2, 0, 9], [-1, -1, -1, -1], [-1, 3, -1, 5]])
def test_without_two_of_a_taxon_it_is_plain_info_nce(name, taxa):
    image, text = features(1, 4, 4)
    found = PAIRED[name](image, text, codes_of(taxa)).item()
    assert math.isclose(found, info_nce(image, text, SCALE).item(), rel_tol=1e-12)


def test_two_of_a_taxon_make_a_difference():
    image, text = features(1, 4, 4)
    plain = info_nce(image, text, SCALE).item()
    values = [PAIRED[name](image, text, codes_of([7, 7, 0, 1])).item() for name in ("masked", "positive")]
    assert values[0] < plain
    assert len({plain, *values}) == 3


def test_a_batch_of_one_taxon_has_nothing_to_tell_apart():
    image, text = features(2, 4, 4)
    loss = info_nce_without_same_taxon(image, text, SCALE, taxa=codes_of([3, 3, 3, 3]))
    assert loss.item() == 0
    for gradient in torch.autograd.grad(loss, (image, text)):
        assert (gradient == 0).all()


@paired
@quick
@given(SEEDS, CODES)
def test_gradients_are_finite(loss, seed, taxa):
    image, text = features(seed, len(taxa), len(taxa), dtype=torch.float32)
    value = loss(image, text, codes_of(taxa))
    value.backward()
    assert value.isfinite()
    assert image.grad.isfinite().all()
    assert text.grad.isfinite().all()


@paired
def test_gradients_agree_with_differences(loss):
    image, text = features(3, 5, 5)
    taxa = codes_of([0, 0, -1, 1, -1])
    assert torch.autograd.gradcheck(lambda image, text: loss(image, text, taxa), (image, text))


def test_the_temperature_and_the_bias_are_learnt():
    image, text = features(3, 4, 4)
    scale, bias = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (5.0, -2.0))
    assert torch.autograd.gradcheck(lambda scale: info_nce(image.detach(), text.detach(), scale), (scale,))
    assert torch.autograd.gradcheck(
        lambda scale, bias: siglip(image.detach(), text.detach(), scale, bias), (scale, bias)
    )


@paired
@quick
@given(SEEDS, CODES, st.integers(1, 30), st.data())
def test_parts_of_the_rows_add_up_to_the_loss_and_its_gradient(loss, seed, taxa, block, data):
    image, text = features(seed, len(taxa), len(taxa))
    whole = loss(image, text, codes_of(taxa))
    gradient = torch.autograd.grad(whole, (image, text))
    ends = [0, *sorted(data.draw(st.lists(st.integers(0, len(taxa)), max_size=3))), len(taxa)]
    with mock.patch.object(objectives, "BLOCK_NUMBERS", block):
        parts = [loss(image, text, codes_of(taxa), rows=slice(*pair)) for pair in pairwise(ends)]
        found = torch.autograd.grad(torch.stack(parts).sum(), (image, text))
    assert math.isclose(sum(part.item() for part in parts), whole.item(), rel_tol=1e-9, abs_tol=1e-12)
    for part, expected in zip(found, gradient, strict=True):
        torch.testing.assert_close(part, expected, rtol=1e-9, atol=1e-12)


@quick
@given(SEEDS, CODES, st.data())
def test_parts_of_the_rows_add_up_to_the_cross_entropies(seed, classes, data):
    (logits,) = features(seed, len(classes))
    end = data.draw(st.integers(0, len(classes)))
    whole = cross_entropy(logits, codes_of(classes), label_smoothing=0.1)
    codes = codes_of(classes)[:, None].expand(-1, 2)
    both = hierarchical_cross_entropy([logits, logits], codes, weights=[1.0, 2.0], label_smoothing=0.1)
    single, ranks = [], []
    for rows in (slice(0, end), slice(end, len(classes))):
        own = logits[rows]
        single.append(cross_entropy(own, codes_of(classes), label_smoothing=0.1, rows=rows))
        ranks.append(hierarchical_cross_entropy([own, own], codes, weights=[1.0, 2.0], label_smoothing=0.1, rows=rows))
    assert math.isclose(sum(part.item() for part in single), whole.item(), rel_tol=1e-9, abs_tol=1e-12)
    assert math.isclose(sum(part.item() for part in ranks), both.item(), rel_tol=1e-9, abs_tol=1e-12)


class Sizes(TorchDispatchMode):
    """Notes the size of the greatest tensor that any operation made."""

    greatest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        for value in found if isinstance(found, tuple | list) else (found,):
            if isinstance(value, torch.Tensor):
                self.greatest = max(self.greatest, value.numel())
        return found


@paired
def test_no_square_of_scores_is_ever_made(loss):
    image, text = features(13, 120, 120)
    taxa = codes_of([code % 5 - 1 for code in range(120)])
    with mock.patch.object(objectives, "BLOCK_NUMBERS", 360), Sizes() as sizes:
        loss(image, text, taxa, rows=slice(30, 90)).backward()
    # Two columns of features for each of 120 rows are 600 numbers; 60 rows with 120 columns would be 7,200.
    assert 360 <= sizes.greatest <= 600


@paired
@pytest.mark.parametrize("code", [-1, 3])
def test_a_batch_of_one_has_a_loss(loss, code):
    image, text = features(4, 1, 1)
    value = loss(image, text, codes_of([code]))
    value.backward()
    assert value.isfinite()
    assert image.grad.isfinite().all()
    if loss not in (PAIRED["siglip"], PAIRED["siglip_taxa"]):
        assert value.item() == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@paired
def test_half_precision_features_are_compared_in_float32(loss, dtype):
    image, text = features(5, 6, 6, dtype=dtype)
    taxa = codes_of([0, 0, 1, 2, 3, -1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(image, text, taxa)
    expected = loss(image.detach().double(), text.detach().double(), taxa)
    assert found.dtype == torch.float32
    assert math.isclose(found.item(), expected.item(), rel_tol=1e-5)


@paired
def test_a_great_scale_does_not_overflow(loss):
    image, text = features(6, 4, 4, dtype=torch.float32)
    value = loss(1e4 * image, text, codes_of([0, 0, 1, -1]))
    assert value.isfinite()


def test_pictures_without_a_label_add_nothing_and_learn_nothing():
    (logits,) = features(8, 4)
    some = cross_entropy(logits, codes_of([2, -1, 0, -1]))
    assert torch.equal(some, cross_entropy(logits[[0, 2]], codes_of([2, 0])))
    some.backward()
    assert (logits.grad[[1, 3]] == 0).all()
    assert (logits.grad[[0, 2]] != 0).all()

    image, text = features(8, 4, 3)
    some = level_restricted(image, [text], [codes_of([2, -1, 0, -1])], SCALE)
    assert torch.equal(some, level_restricted(image[[0, 2]], [text], [codes_of([2, 0])], SCALE))
    some.backward()
    assert (image.grad[[1, 3]] == 0).all()
    assert (image.grad[[0, 2]] != 0).any()


def test_a_rank_without_any_label_is_zero_with_a_gradient_of_zero():
    (logits,) = features(9, 3)
    for loss in (
        cross_entropy(logits, codes_of([-1, -1, -1]), label_smoothing=0.1),
        hierarchical_cross_entropy([logits, logits], codes_of([[-1, -1]] * 3)),
    ):
        assert loss.item() == 0
        (gradient,) = torch.autograd.grad(loss, logits)
        assert (gradient == 0).all()

    image, text = features(9, 3, 2)
    none = codes_of([-1, -1, -1])
    loss = level_restricted(image, [text, text[:0]], [none, none], SCALE)
    assert loss.item() == 0
    for gradient in torch.autograd.grad(loss, (image, text)):
        assert (gradient == 0).all()


def test_a_rank_without_labels_leaves_the_others_as_they_are():
    image, text = features(10, 3, 2)
    own, none = codes_of([0, 1, 1]), codes_of([-1, -1, -1])
    alone = level_restricted(image, [text], [own], SCALE)
    assert torch.equal(level_restricted(image, [text[:0], text], [none, own], SCALE), alone)
    assert torch.equal(
        hierarchical_cross_entropy([text @ text.T, text], codes_of([[0, -1], [1, -1]])),
        cross_entropy(text @ text.T, codes_of([0, 1])),
    )


def test_a_label_weighs_the_same_however_many_pictures_it_has():
    image, text = features(11, 2, 2)
    own = codes_of([0, 1])
    # In the direction of the texts a repeated picture changes nothing; in the other it halves its own target.
    many = [0, 0, 0, 1]
    once = level_restricted(image, [text], [own], SCALE).item()
    repeated = level_restricted(image[many], [text], [own[many]], SCALE).item()
    logits = products(image, text)
    to_text = -(log_softmax(logits[0], 0, [0, 1]) + log_softmax(logits[1], 1, [0, 1])) / 2
    column = logits[many]
    to_image = -(log_softmax(column[:, 0], 0, range(4)) + log_softmax(column[:, 1], 3, range(4))) / 2
    assert math.isclose(repeated, (to_text + to_image) / 2, rel_tol=1e-12)
    assert not math.isclose(once, repeated, rel_tol=1e-3)


def test_ranks_and_their_labels_must_match():
    image, text = features(12, 2, 2)
    with pytest.raises(ValueError, match="shorter"):
        level_restricted(image, [text, text], [codes_of([0, 1])], SCALE)
    with pytest.raises(ValueError, match="longer|shorter"):
        hierarchical_cross_entropy([text], codes_of([[0, 1], [1, 0]]))
