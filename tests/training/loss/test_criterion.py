"""The weighted sum of the objectives, each against its function, and the heads that belong to it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from cladescope.errors import ConfigError, InputError
from cladescope.training.loss import objectives
from cladescope.training.loss.criterion import Criterion, Features, Replayed
from cladescope.training.sections import HEAD_TERMS, PAIR_TERMS, ObjectiveConfig

N_CLASSES, N_TAXA = 6, {0: 1, 1: 2, 2: 3, 3: 3, 4: 4, 5: 5, 6: 6}


def features(*, b=8, p=12, d=5, replay=False, dtype=torch.float64):
    """A batch of eight pictures with five different texts, some ranks of which are missing."""
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=dtype)  # noqa: E731
    unit = lambda *shape: functional.normalize(draw(*shape), dim=-1)  # noqa: E731
    classes = torch.tensor([0, 1, 2, 2, 3, 4, 5, 5])[:b]
    codes = torch.stack([(classes * n // N_CLASSES) for n in N_TAXA.values()], dim=1)
    codes[1, 6] = codes[1, 5] = codes[0, 2] = -1
    own = torch.tensor([0, 1, 0, -1, 2, 2, 1, 0])[:b]
    return Features(
        pooled=draw(b, p).requires_grad_(),
        image=unit(b, d).requires_grad_(),
        text=unit(9, d).requires_grad_(),
        pairs=torch.tensor([0, 1, 2, 2, 3, 4, 5, 5])[:b],
        levels=((torch.tensor([6, 7, 8]), own), (torch.tensor([1]), torch.zeros(b, dtype=torch.int64))),
        codes=codes,
        classes=classes,
        scale=torch.tensor(7.0, dtype=dtype),
        replay=Replayed(unit(3, d), unit(3, d), torch.tensor([0, 1, 0])) if replay else None,
    )


def criterion(terms, **options):
    torch.manual_seed(1)
    config = ObjectiveConfig(terms=terms, **options)
    head_dim = 12 if config.head_on == "pooled" else 5
    return Criterion(config, head_dim=head_dim, n_classes=N_CLASSES, n_taxa=N_TAXA).double()


def test_each_contrastive_term_is_its_function_of_pictures_and_their_texts():
    of = features()
    text = of.text[of.pairs]
    expected = {
        "clip": objectives.info_nce(of.image, text, of.scale),
        "clip_masked": objectives.info_nce_without_same_taxon(of.image, text, of.scale, taxa=of.classes),
        "clip_positive": objectives.info_nce_with_same_taxon_positive(of.image, text, of.scale, taxa=of.classes),
        "siglip": objectives.siglip(of.image, text, of.scale, torch.tensor(-10.0)),
        "siglip_taxa": objectives.siglip(of.image, text, of.scale, torch.tensor(-10.0), taxa=of.classes),
        "level_restricted": objectives.level_restricted(
            of.image, [of.text[6:9], of.text[1:2]], [of.levels[0][1], of.levels[1][1]], of.scale
        ),
    }
    _, terms = criterion(dict.fromkeys(expected, 1.0))(of)
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value)
    assert terms["siglip"] != terms["siglip_taxa"], "pictures of one taxon are in the batch"


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_heads_on_the_pooled_feature_are_linear(smoothing):
    of = features()
    made = criterion({"cross_entropy": 1.0, "hierarchical_cross_entropy": 1.0}, label_smoothing=smoothing)
    _, terms = made(of)
    logits = of.pooled @ made.head.weight.T + made.head.bias
    torch.testing.assert_close(
        terms["cross_entropy"], functional.cross_entropy(logits, of.classes, label_smoothing=smoothing)
    )
    by_rank = []
    for rank in range(1, 7):
        head = made.rank_heads[str(rank)]
        has = of.codes[:, rank] >= 0
        logits = (of.pooled @ head.weight.T + head.bias)[has]
        by_rank.append(functional.cross_entropy(logits, of.codes[has, rank], label_smoothing=smoothing))
    torch.testing.assert_close(terms["hierarchical_cross_entropy"], sum(by_rank))


def test_ranks_count_as_much_as_they_are_given():
    of = features()
    made = criterion({"hierarchical_cross_entropy": 1.0}, rank_weights={"order": 0.5, "species": 0.0})
    _, terms = made(of)
    weights = {3: 0.5, 6: 0.0}
    by_rank = []
    for rank in map(int, made.rank_heads):
        has = of.codes[:, rank] >= 0
        own = functional.cross_entropy(made.rank_heads[str(rank)](of.pooled)[has], of.codes[has, rank])
        by_rank.append(weights.get(rank, 1.0) * own)
    torch.testing.assert_close(terms["hierarchical_cross_entropy"], sum(by_rank))
    with pytest.raises(ConfigError, match="did you mean order"):
        ObjectiveConfig(terms={"hierarchical_cross_entropy": 1.0}, rank_weights={"ordr": 1.0})
    with pytest.raises(ConfigError, match="are those of hierarchical_cross_entropy"):
        ObjectiveConfig(terms={"clip": 1.0}, rank_weights={"order": 1.0})


def test_heads_on_the_embedding_are_cosines():
    of = features()
    made = criterion({"cross_entropy": 1.0}, head_on="embedding", head_scale=9.0)
    assert made.head.bias is None
    _, terms = made(of)
    cosines = functional.cosine_similarity(of.image[:, None], made.head.weight[None], dim=-1)
    torch.testing.assert_close(terms["cross_entropy"], functional.cross_entropy(9.0 * cosines, of.classes))


def test_a_rank_of_one_taxon_has_no_head():
    made = criterion({"hierarchical_cross_entropy": 1.0})
    assert {rank: head.out_features for rank, head in made.rank_heads.items()} == {
        str(rank): n for rank, n in N_TAXA.items() if n > 1
    }


def test_pictures_without_a_class_teach_the_heads_nothing():
    of = features()
    of.classes[:] = -1
    of.codes[:] = -1
    made = criterion({"cross_entropy": 1.0, "hierarchical_cross_entropy": 1.0})
    loss, _ = made(of)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert float(of.pooled.grad.abs().max()) == 0.0


def function_of(name, image, text, scale, taxa):
    """Each objective of pairs as a function, where levels of captions are told apart as CLIP does it."""
    bias = torch.tensor(-10.0)
    match name:
        case "clip_masked":
            return objectives.info_nce_without_same_taxon(image, text, scale, taxa=taxa)
        case "clip_positive":
            return objectives.info_nce_with_same_taxon_positive(image, text, scale, taxa=taxa)
        case "siglip":
            return objectives.siglip(image, text, scale, bias)
        case "siglip_taxa":
            return objectives.siglip(image, text, scale, bias, taxa=taxa)
        case _:
            return objectives.info_nce(image, text, scale)


@pytest.mark.parametrize("name", PAIR_TERMS)
def test_replay_is_a_second_stream_of_each_objective_never_held_against_the_first(name):
    of = features(replay=True)
    second = of.replay
    for weight in (0.25, 0.0):
        made = criterion({name: 1.0}, replay_source="a.csv", replay_batch=3, replay_weight=weight)
        _, terms = made(of)
        _, without = made(replace(of, replay=None))
        expected = function_of(name, second.image, second.text, of.scale, second.captions)
        torch.testing.assert_close(terms[name], without[name] + weight * expected)
    pictures, texts = torch.cat([of.image, second.image]), torch.cat([of.text[of.pairs], second.text])
    assert objectives.info_nce(pictures, texts, of.scale) > objectives.info_nce(of.image, of.text[of.pairs], of.scale)


def test_of_several_terms_the_first_has_the_second_stream():
    of = features(replay=True)
    options = {"replay_source": "a.csv", "replay_batch": 3}
    made = criterion({"siglip": 1.0, "clip": 1.0, "cross_entropy": 1.0}, **options)
    _, terms = made(of)
    _, without = made(replace(of, replay=None))
    assert [name for name, value in terms.items() if not torch.equal(value, without[name])] == ["clip"]
    with pytest.raises(ConfigError, match="is a second stream of pictures and captions: add one of clip,"):
        ObjectiveConfig(terms={"cross_entropy": 1.0}, **options)


def test_the_parts_of_processes_add_up_to_the_loss_and_its_gradient():
    whole = features(replay=True)
    options = {"replay_source": "a.csv", "replay_batch": 1, "label_smoothing": 0.1}
    for head_on in ("pooled", "embedding"):
        made = criterion(dict.fromkeys((*PAIR_TERMS, *HEAD_TERMS), 0.5), head_on=head_on, **options)
        weights = [*made.parameters()]
        loss, terms = made(whole)
        expected = torch.autograd.grad(loss, [whole.image, whole.pooled, whole.text, *weights], allow_unused=True)
        parts = []
        for rows, again in ((slice(0, 5), slice(0, 1)), (slice(5, 8), slice(1, 3))):
            replay = replace(whole.replay, rows=again)
            parts.append(made(replace(whole, pooled=whole.pooled[rows], rows=rows, replay=replay)))
        total = sum(part for part, _ in parts)
        found = torch.autograd.grad(total, [whole.image, whole.pooled, whole.text, *weights], allow_unused=True)
        torch.testing.assert_close(total, loss)
        for name, value in terms.items():
            torch.testing.assert_close(sum(part[name] for _, part in parts), value)
        for one, other in zip(found, expected, strict=True):
            assert (one is None) == (other is None)
            if other is not None:
                torch.testing.assert_close(one, other)


@settings(deadline=None, max_examples=10)
@given(st.lists(st.floats(0.01, 10), min_size=4, max_size=4))
def test_the_loss_is_the_weighted_sum_of_its_terms(weights):
    names = ("clip", "siglip", "level_restricted", "hierarchical_cross_entropy")
    loss, terms = criterion(dict(zip(names, weights, strict=True)))(features())
    expected = sum(weight * float(terms[name].detach()) for name, weight in zip(names, weights, strict=True))
    assert float(loss.detach()) == pytest.approx(expected)


def test_only_what_the_terms_need_is_trained():
    assert [name for name, _ in criterion({"clip": 1.0}).named_parameters()] == []
    assert [name for name, _ in criterion({"siglip": 1.0}).named_parameters()] == ["bias"]
    assert float(criterion({"siglip": 1.0}).bias.detach()) == -10.0


def test_without_a_text_side_no_text_is_needed():
    of = features()
    without = Features(
        pooled=of.pooled,
        image=of.image,
        text=torch.empty(0, 5, dtype=torch.float64),
        pairs=torch.empty(0, dtype=torch.int64),
        levels=(),
        codes=of.codes,
        classes=of.classes,
        scale=of.scale,
    )
    _, terms = criterion({"cross_entropy": 1.0})(of)
    _, found = criterion({"cross_entropy": 1.0})(without)
    torch.testing.assert_close(found["cross_entropy"], terms["cross_entropy"])


def test_two_classes_are_enough_for_a_head():
    config = ObjectiveConfig(terms={"cross_entropy": 1.0})
    assert Criterion(config, head_dim=3, n_classes=2, n_taxa={}).head.weight.shape == (2, 3)


@pytest.mark.parametrize(
    "terms, n_classes, n_taxa, message",
    [
        ({"cross_entropy": 1.0}, 1, N_TAXA, "found 1 class in the training data, expected at least 2"),
        ({"hierarchical_cross_entropy": 1.0}, 6, {0: 1, 1: 0}, "no rank of the training data has two taxa"),
    ],
)
def test_a_head_over_one_class_is_refused(terms, n_classes, n_taxa, message):
    with pytest.raises(InputError, match=message):
        Criterion(ObjectiveConfig(terms=terms), head_dim=4, n_classes=n_classes, n_taxa=n_taxa)


def test_teachers_count_their_mean_cosine_distance_and_their_weight_in_all_processes():
    of = features()
    taught = functional.normalize(torch.randn(8, 4, generator=torch.Generator().manual_seed(3)).double(), dim=1)
    taught[2] = 0.0
    torch.manual_seed(1)
    student = torch.nn.Linear(12, 4)
    config = ObjectiveConfig(terms={"clip": 1.0})
    made = Criterion(
        config, head_dim=12, n_classes=N_CLASSES, n_taxa=N_TAXA, student=student, teachers_weight=3.0
    ).double()
    loss, terms = made(replace(of, taught=taught))
    foretold = (of.pooled @ student.weight.T + student.bias).detach().numpy()
    cosines = [
        float(one @ other) / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-12)
        for one, other in zip(foretold, taught.numpy(), strict=True)
    ]
    assert float(terms["teachers"].detach()) == pytest.approx(np.mean([1 - cosine for cosine in cosines]))
    torch.testing.assert_close(loss, terms["clip"] + 3.0 * terms["teachers"])
    parts = [
        made(replace(of, pooled=of.pooled[rows], rows=rows, taught=taught[rows]))[1]["teachers"]
        for rows in (slice(0, 5), slice(5, 8))
    ]
    torch.testing.assert_close(sum(parts), terms["teachers"])
    (gradient,) = torch.autograd.grad(terms["teachers"], of.pooled)
    assert float(gradient[2].abs().max()) == 0.0, "a picture of which nothing is known teaches nothing"
    assert float(gradient[3].abs().max()) > 0.0
    _, without = made(of)
    assert "teachers" not in without
