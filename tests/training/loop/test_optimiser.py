"""Groups of weights, the schedule against open_clip's own, and the moving average against a plain loop."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.training.config import load_config
from cladescope.training.loop.optimiser import Average, make_optimiser, rate_at
from cladescope.training.loop.run import averaged
from cladescope.training.loop.step import take_step
from cladescope.training.loss.criterion import Criterion
from cladescope.training.model.start import build
from cladescope.training.sections import ObjectiveConfig
from tests.training.small_runs import EVERY_TERM, SMALL, batches_of, small, started

pytestmark = pytest.mark.usefixtures("one_thread")


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 30), st.integers(1, 60))
def test_the_schedule_is_that_of_open_clip(warmup, rest):
    from open_clip_train.scheduler import cosine_lr  # type: ignore[import-untyped]

    total = warmup + rest
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = cosine_lr(optimiser, 1.0, warmup, total)
    for step in range(total):
        schedule(step)
        assert rate_at(step, warmup=warmup, total=total) == pytest.approx(optimiser.param_groups[0]["lr"], abs=1e-12)


def groups_of(overrides):
    """Peak rate and decay of each weight that the optimiser has, by name, and the towers."""
    config = load_config(SMALL, {"objective.terms": EVERY_TERM, **overrides})
    towers = build(config.model)
    criterion = Criterion(ObjectiveConfig(terms=EVERY_TERM), head_dim=256, n_classes=3, n_taxa={0: 2})
    optimiser = make_optimiser(config, towers, criterion)
    names = {id(value): name for name, value in [*towers.named_parameters(), *criterion.named_parameters()]}
    found = {
        names[id(value)]: (group["peak"], group["weight_decay"])
        for group in optimiser.param_groups
        for value in group["params"]
    }
    assert all(group["lr"] == group["peak"] for group in optimiser.param_groups)
    return found, towers, names.values()


@pytest.mark.parametrize("freeze_norm", [True, False])
def test_every_weight_is_trained_and_only_matrices_and_kernels_decay(freeze_norm):
    found, towers, names = groups_of({"optimiser.weight_decay": 0.3, "model.freeze_norm": freeze_norm})
    assert found.keys() == set(names)
    sizes = {name: value.ndim for name, value in towers.named_parameters()}
    for name, (rate, decay) in found.items():
        assert rate == 1e-3
        if name.endswith("bias") or ".bn" in name or ".ln_" in name or name == "clip.logit_scale":
            assert decay == 0.0, name
        elif name in sizes:
            assert decay == (0.3 if sizes[name] >= 2 else 0.0), name
    assert found["head.weight"] == (1e-3, 0.3)
    assert found["clip.text.transformer.resblocks.0.attn.in_proj_weight"][1] == 0.3


def test_rates_fall_from_the_top_of_the_picture_side_to_its_stem():
    found, towers, _ = groups_of({"optimiser.layer_decay": 0.5, "optimiser.image_learning_rate": 0.01})
    for name, _ in towers.clip.visual.named_parameters():
        depth = towers.n_layers - 1 - towers.layer_of(name)
        assert found[f"clip.visual.{name}"][0] == pytest.approx(0.01 * 0.5**depth)
    assert found["clip.visual.trunk.conv_head.weight"][0] == 0.01
    assert found["clip.visual.trunk.conv_stem.weight"][0] == pytest.approx(0.01 * 0.5**6)
    assert found["projection.weight"][0] == 0.01
    assert found["clip.text.text_projection"][0] == found["head.weight"][0] == 1e-3


def test_what_stands_still_is_not_in_the_optimiser():
    found, towers, names = groups_of({"model.frozen_stages": 2})
    left_out = set(names) - found.keys()
    visual = {name for name, _ in towers.clip.visual.named_parameters() if towers.layer_of(name) < 2}
    assert left_out == {f"clip.visual.{name}" for name in visual}
    found, towers, names = groups_of({"model.lock_image": True})
    assert set(names) - found.keys() == {name for name in names if name.startswith(("clip.visual.", "projection."))}


def test_the_average_is_that_of_a_plain_loop():
    generator = torch.Generator().manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(5, generator=generator, dtype=torch.float64))
    still = torch.nn.Parameter(torch.ones(2, dtype=torch.float64), requires_grad=False)
    average, expected = Average([weight, still], decay=0.95), weight.detach().numpy().copy()
    for step in range(400):
        with torch.no_grad():
            weight.copy_(torch.randn(5, generator=generator, dtype=torch.float64))
        average.update([weight, still], step=step)
        decay = min(0.95, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weight.detach().numpy()
    before = weight.detach().clone()
    with average.swapped([weight, still]):
        np.testing.assert_allclose(weight.detach().numpy(), expected)
        assert torch.equal(still, torch.ones(2, dtype=torch.float64))
    assert torch.equal(weight, before)


def test_the_weights_come_back_where_something_fails_meanwhile():
    weight = torch.nn.Parameter(torch.zeros(2))
    average = Average([weight], decay=0.5)
    with torch.no_grad():
        weight.fill_(3.0)

    def fail():
        with average.swapped([weight]):
            assert float(weight.detach()[0]) == 0.0
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        fail()
    assert weight.tolist() == [3.0, 3.0]


def test_an_average_goes_on_from_its_state():
    weight = torch.nn.Parameter(torch.zeros(2))
    first = Average([weight], decay=0.9)
    with torch.no_grad():
        weight.fill_(1.0)
    first.update([weight], step=3)
    second = Average([weight], decay=0.9)
    second.load_state_dict({"shadow": [value.clone() for value in first.state_dict()["shadow"]]}, [weight])
    for average in (first, second):
        average.update([weight], step=4)
    assert torch.equal(first.state_dict()["shadow"][0], second.state_dict()["shadow"][0])


def test_the_statistics_of_batch_norms_are_averaged_with_their_weights(clades, tmp_path):
    run = started(small(clades, {"optimiser.average": 0.9, "model.freeze_norm": False}), tmp_path)
    norms = [module for module in run.towers.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    expected = [norm.running_var.double().clone() for norm in norms]
    for step, batch in enumerate(batches_of(run, 3)):
        take_step(run, batch)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = [decay * old + (1 - decay) * norm.running_var for old, norm in zip(expected, norms, strict=True)]
    now = [norm.running_var.clone() for norm in norms]
    with averaged(run):
        for norm, value, last in zip(norms, expected, now, strict=True):
            torch.testing.assert_close(norm.running_var, value.float(), rtol=1e-5, atol=1e-7)
            assert not torch.equal(norm.running_var, last)
    assert all(torch.equal(norm.running_var, value) for norm, value in zip(norms, now, strict=True))


def test_an_average_of_an_earlier_version_goes_on_with_the_statistics_that_there_are():
    weight, statistic = torch.nn.Parameter(torch.zeros(2)), torch.full((2,), 7.0)
    average = Average([weight, torch.zeros(2)], decay=0.9)
    average.load_state_dict({"shadow": [torch.ones(2)]}, [weight, statistic])
    with average.swapped([weight, statistic]):
        assert (weight.tolist(), statistic.tolist()) == ([1.0, 1.0], [7.0, 7.0])
