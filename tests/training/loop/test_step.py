"""One step: its loss against plain open_clip, gradient caching with all objectives, and what moves."""

import shutil

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

import cladescope.training.loop.step as stepping
from cladescope.embedding.prompts import prompt
from cladescope.errors import TrainingError
from cladescope.training.data.texts import chosen_types
from cladescope.training.loop.checkpoint import Progress
from cladescope.training.loop.step import backward, take_step
from tests.conftest import write_checkpoint
from tests.training.small_runs import EVERY_TERM, OPEN_CLIP, batches_of, captions, small, started

pytestmark = pytest.mark.usefixtures("one_thread")


def gradients(run, batch, *, replay=None):
    """Loss, terms and gradients of a batch, by the names of the weights."""
    run.optimiser.zero_grad(set_to_none=True)
    loss, terms = backward(run, batch, replay)
    named = [*run.towers.named_parameters(), *run.criterion.named_parameters()]
    return loss, terms, {name: None if weight.grad is None else weight.grad.clone() for name, weight in named}


def assert_close(found, expected):
    """Gradients agree, each to a part of the greatest number in it."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert (found[name] is None) == (value is None), name
        if value is not None:
            torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-5 + 1e-4 * float(value.abs().max()))


def test_the_loss_of_a_step_is_that_of_plain_open_clip(clades, checkpoint, tmp_path):
    import open_clip

    config = small(clades, {**OPEN_CLIP, "model.open_clip": str(checkpoint)})
    run = started(config, tmp_path)
    _, batch = batches_of(run, 2)
    run.towers.eval()
    _, terms, _ = gradients(run, batch)

    model = open_clip.create_model(f"local-dir:{checkpoint}")
    # This architecture keeps the text side's weights at the top.
    model.load_state_dict({name.removeprefix("text."): value for name, value in run.towers.weights().items()})
    types = chosen_types(config.data, seed=config.seed, step=0, epoch=0, positions=batch.positions.tolist())
    rows = batch.rows.tolist()
    texts = [
        prompt(run.examples.taxa[row], text_type, common_name=run.examples.common_names[row])
        for row, text_type in zip(rows, types, strict=True)
    ]
    assert len(set(types)) > 1
    pixels = (batch.pixels / 255.0 - run.towers.transform.mean) / run.towers.transform.std
    with torch.inference_mode():
        image = model.encode_image(
            torch.tensor(pixels, dtype=torch.float32).permute(0, 3, 1, 2), normalize=True
        ).numpy()
        text = model.encode_text(open_clip.get_tokenizer(f"local-dir:{checkpoint}")(texts), normalize=True).numpy()
    logits = float(model.logit_scale.exp().detach()) * image @ text.T
    own = np.arange(len(rows))
    expected = -(log_softmax(logits, axis=1)[own, own] + log_softmax(logits, axis=0)[own, own]).mean() / 2
    assert terms["clip"] == pytest.approx(expected, rel=1e-4)


def test_texts_are_drawn_anew_in_each_epoch(clades, tmp_path, monkeypatch):
    run = started(small(clades), tmp_path)
    batch = batches_of(run, 1)[0]
    asked = []
    real = stepping.chosen_types
    monkeypatch.setattr(
        stepping, "chosen_types", lambda *given, **named: (asked.append(named), real(*given, **named))[1]
    )
    for step in (0, 4):
        run.progress = Progress(step=step)
        backward(run, batch)
    assert [(named["step"], named["epoch"]) for named in asked] == [(0, 0), (4, 1)]
    assert asked[0]["positions"] == batch.positions.tolist()


@pytest.mark.parametrize("chunk_size", [1, 3, 8, 100])
@pytest.mark.parametrize("kind", ["timm", "open_clip with replay"])
def test_chunks_give_the_loss_and_gradient_of_the_whole_batch(clades, checkpoint, tmp_path, kind, chunk_size):
    config = {"objective.terms": EVERY_TERM, "objective.label_smoothing": 0.1}
    if kind != "timm":
        source = str(captions(clades, tmp_path / "captions.csv"))
        replayed = {"objective.replay_source": source, "objective.replay_batch": 4, "objective.replay_weight": 0.5}
        config |= {**OPEN_CLIP, "model.open_clip": str(checkpoint), **replayed}
    run = started(small(clades, config), tmp_path)
    batch = batches_of(run, 2)[1]
    replay = None if run.replay is None else run.replay.batch(1, run.group, run.towers)
    loss, terms, expected = gradients(run, batch, replay=replay)
    run.config = small(clades, {**config, "loop.chunk_size": chunk_size})
    chunked_loss, chunked_terms, found = gradients(run, batch, replay=replay)
    assert terms.keys() == EVERY_TERM.keys()
    assert chunked_loss == pytest.approx(loss, rel=1e-5)
    assert chunked_terms == pytest.approx(terms, rel=1e-5)
    assert_close(found, expected)
    assert all(value is not None and value.any() for name, value in found.items() if "num_batches" not in name)
    if run.replay is not None:
        run.replay.close()


def test_checkpointing_gives_the_same_gradient(clades, checkpoint, tmp_path):
    config = {**OPEN_CLIP, "model.open_clip": str(checkpoint)}
    plain = started(small(clades, config), tmp_path)
    batch = batches_of(plain, 1)[0]
    loss, _, expected = gradients(plain, batch)
    saving = started(small(clades, {**config, "loop.checkpointing": True}), tmp_path)
    assert saving.towers.clip.visual.transformer.grad_checkpointing
    found_loss, _, found = gradients(saving, batch)
    assert found_loss == pytest.approx(loss, rel=1e-6)
    assert_close(found, expected)


def test_compiled_towers_take_the_same_step(clades, tmp_path, monkeypatch):
    # Without a code generator, whose compiler takes a minute: what is captured is run as it is.
    run = started(small(clades, {"model.timm": "test_vit", "model.freeze_norm": False}), tmp_path)
    batch = batches_of(run, 1)[0]
    names = list(run.towers.state_dict())
    loss, _, expected = gradients(run, batch)
    run.towers.compile(backend="eager")
    found_loss, _, found = gradients(run, batch)
    assert found_loss == pytest.approx(loss, rel=1e-6)
    assert_close(found, expected)
    assert list(run.towers.state_dict()) == names


@pytest.mark.skipif(
    all(shutil.which(name) is None for name in ("c++", "g++", "clang++")), reason="needs a C++ compiler"
)
@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore:.*:FutureWarning", "ignore:.*:UserWarning")
def test_towers_compiled_by_the_default_backend_take_the_same_step(clades, inductor, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    # A second layer would be the same code again, and seconds of the compiler.
    checkpoint = write_checkpoint(tmp_path / "checkpoint", seed=0, layers=1)
    run = started(small(clades, {**OPEN_CLIP, "model.open_clip": str(checkpoint)}), tmp_path)
    batch = batches_of(run, 1)[0]
    loss, _, expected = gradients(run, batch)
    run.towers.compile()
    found_loss, _, found = gradients(run, batch)
    assert found_loss == pytest.approx(loss, rel=1e-5)
    assert_close(found, expected)
    assert any((tmp_path / "compiled").rglob("*.so")), "nothing was compiled"


def weights_after(run, n):
    """Weights before and after n steps."""
    before = {name: value.clone() for name, value in run.towers.state_dict().items()}
    for batch in batches_of(run, n):
        take_step(run, batch)
    return before, run.towers.state_dict()


def moved(before, after, start):
    """Whether any and all tensors whose names start so have changed."""
    changed = [not torch.equal(after[name], value) for name, value in before.items() if name.startswith(start)]
    assert changed
    return any(changed), all(changed)


@pytest.mark.parametrize("freeze_norm", [True, False])
@pytest.mark.parametrize("cached", [True, False])
def test_a_locked_picture_side_stays_bit_for_bit(clades, tmp_path, freeze_norm, cached):
    config = {"model.lock_image": True, "model.freeze_norm": freeze_norm, "model.lock_image_cached": cached}
    run = started(small(clades, {**config, "objective.terms": EVERY_TERM}), tmp_path)
    before, after = weights_after(run, 3)
    assert moved(before, after, "clip.visual.") == (False, False)
    assert moved(before, after, "projection.") == (False, False)
    assert moved(before, after, "clip.text.transformer.") == (True, True)
    assert moved(before, after, "clip.text.token_embedding.") == (True, True)


def test_the_picture_side_is_unlocked_after_its_steps(clades, tmp_path):
    run = started(small(clades, {"model.lock_image_steps": 2}), tmp_path)
    first, second, third = batches_of(run, 3)
    start = run.towers.projection.weight.clone()
    take_step(run, first)
    take_step(run, second)
    assert torch.equal(run.towers.projection.weight, start)
    take_step(run, third)
    assert not torch.equal(run.towers.projection.weight, start)


@pytest.mark.parametrize("freeze_norm", [True, False])
def test_frozen_stages_and_their_statistics_stay(clades, tmp_path, freeze_norm):
    run = started(small(clades, {"model.frozen_stages": 2, "model.freeze_norm": freeze_norm}), tmp_path)
    before, after = weights_after(run, 3)
    for start in ("clip.visual.trunk.conv_stem", "clip.visual.trunk.bn1", "clip.visual.trunk.blocks.0"):
        if any(name.startswith(start) for name in before):
            assert moved(before, after, start) == (False, False)
    for start in ("clip.visual.trunk.blocks.1", "clip.visual.trunk.conv_head", "projection.", "clip.text.transformer"):
        assert moved(before, after, start)[0]


def test_the_temperature_stays_within_its_bounds(clades, tmp_path):
    run = started(small(clades, {"model.logit_scale": 99.0, "optimiser.learning_rate": 1.0}), tmp_path)
    with torch.no_grad():
        run.towers.clip.logit_scale.fill_(9.0)
    take_step(run, batches_of(run, 1)[0])
    assert float(run.towers.scale.detach()) == pytest.approx(100.0)


def test_the_norm_of_the_gradient_is_limited(clades, tmp_path, monkeypatch):
    run = started(small(clades, {"optimiser.clip_norm": 0.01}), tmp_path)
    take_step(run, batches_of(run, 1)[0])
    grads = [weight.grad for weight in run.parameters if weight.grad is not None]
    assert float(torch.cat([grad.ravel() for grad in grads]).norm()) == pytest.approx(0.01, rel=1e-3)


def overflowing(run, monkeypatch, *, steps):
    """Let the gradient of some steps be infinite, under a scaler as fp16 has it."""
    run.scaler = torch.amp.GradScaler("cpu")
    real = stepping.backward
    taken = []

    def backward(run, batch, replay):
        found = real(run, batch, replay)
        if len(taken) in steps:
            next(weight.grad for weight in run.parameters if weight.grad is not None).fill_(float("inf"))
        taken.append(run.scaler.get_scale())
        return found

    monkeypatch.setattr(stepping, "backward", backward)
    return taken


def test_a_gradient_that_overflows_skips_the_step_and_halves_the_scale(clades, tmp_path, monkeypatch):
    run = started(small(clades, {"optimiser.average": 0.9}), tmp_path)
    scales = overflowing(run, monkeypatch, steps={0})
    batch = batches_of(run, 1)[0]
    before = {name: value.clone() for name, value in run.towers.state_dict().items()}
    average = [value.clone() for value in run.average.state_dict()["shadow"]]
    take_step(run, batch)
    assert moved(before, run.towers.state_dict(), "") == (False, False)
    assert all(map(torch.equal, run.average.state_dict()["shadow"], average))
    assert (run.progress.step, run.progress.n_skipped) == (1, 1)
    take_step(run, batch)
    assert moved(before, run.towers.state_dict(), "")[0]
    assert not all(map(torch.equal, run.average.state_dict()["shadow"], average))
    assert (run.progress.step, run.progress.n_skipped) == (2, 1)
    assert scales == [2.0**16, 2.0**15]


def test_a_gradient_that_is_never_finite_ends_an_fp16_run(clades, tmp_path, monkeypatch):
    run = started(small(clades), tmp_path)
    scales = overflowing(run, monkeypatch, steps=range(100))
    batch = batches_of(run, 1)[0]
    before = {name: value.clone() for name, value in run.towers.state_dict().items()}
    for _ in range(30):
        take_step(run, batch)
    with pytest.raises(
        TrainingError,
        match="norm of the gradient is (inf|nan) at step 31, after 30 skipped steps in fp16: no checkpoint was written",
    ):
        take_step(run, batch)
    assert run.progress.n_skipped == 30
    assert scales == [2.0**power for power in range(16, -15, -1)]
    assert moved(before, run.towers.state_dict(), "") == (False, False)
