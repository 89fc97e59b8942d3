"""Resuming a run of training: bit for bit, whatever stopped it, and refused where it would be another run."""

import dataclasses
import functools
import json
import resource
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
import torch

import cladescope.training.loop.train as loop
from cladescope.embedding.encoder import Encoder
from cladescope.errors import InputError, StoreError
from cladescope.training.sections import HEAD_TERMS, PAIR_TERMS
from tests.training.small_runs import EVERY_TERM, OPEN_CLIP, captions, card, curve, manifest_of, small, states

pytestmark = pytest.mark.usefixtures("one_thread")
train = functools.partial(loop.train, load_encoder=Encoder.load)


class PowerCut(Exception):  # noqa: N818
    """Ends a run where it stands."""


@contextmanager
def cut_before(monkeypatch, name, when):
    """End a run before it calls a function of the loop, the first time that `when(run, *arguments)` is true."""
    real = getattr(loop, name)

    def cut(run, *arguments):
        if when(run, *arguments):
            raise PowerCut
        return real(run, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop, name, cut)
        with pytest.raises(PowerCut):
            yield


def assert_same_run(one, other):
    """Two finished runs took the same steps, bit for bit."""
    (progress, expected), (found_progress, found) = states(one), states(other)
    assert found_progress == progress
    assert found.keys() == expected.keys()
    assert len(found) > 100
    different = [name for name, value in expected.items() if not torch.equal(found[name], value)]
    assert different == []
    assert curve(other) == curve(one)
    assert card(other)["weights"]["sha256"] == card(one)["weights"]["sha256"]
    assert card(other)["scores"] == card(one)["scores"]


SETTINGS = {
    "teachers": {"teachers.encoders": ["pixels"], "teachers.dim": 24, "model.lock_image_steps": 3},
    "average, whitened projection and a locked start": {
        "model.projection": "whitened",
        "model.lock_image_steps": 4,
        "model.frozen_stages": 1,
        "optimiser.average": 0.9,
        "optimiser.clip_norm": 1.0,
        "objective.terms": EVERY_TERM,
        "objective.head_on": "embedding",
    },
    "cached features, moving batch norm and a balanced, shorter epoch": {
        "model.lock_image_steps": 4,
        "model.lock_image_cached": True,
        "model.freeze_norm": False,
        "data.samples_per_epoch": 24,
        "data.balance": 1.0,
        "data.text_choice": "step",
        "augment.flip": True,
    },
    "replay and random patches, in chunks, in bfloat16": {
        **OPEN_CLIP,
        "objective.replay_batch": 4,
        "loop.chunk_size": 3,
        "loop.precision": "bf16",
    },
}


OBJECTIVES = {name: {"objective.terms": {name: 1.0}} for name in (*PAIR_TERMS, *HEAD_TERMS)}
"""Each objective alone; those of pairs with a second stream, and each with an average and moving batch norms."""


def with_random_patches(checkpoint, folder):
    """A checkpoint whose picture side sees half of the patches in training, drawn by torch's generator."""
    shutil.copytree(checkpoint, folder)
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["vision_cfg"]["patch_dropout"] = 0.5
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return folder


def settings_of(name, clades, checkpoint, tmp_path):
    config = dict(SETTINGS[name])
    if "model.timm" in config:
        config["model.open_clip"] = str(with_random_patches(checkpoint, tmp_path / "random-patches"))
        config["objective.replay_source"] = str(captions(clades, tmp_path / "captions.csv"))
    return small(clades, {**config, "loop.save_every": 2})


@pytest.fixture
def stopped(finished, clades, tmp_path, monkeypatch):
    """The same run, stopped in its second epoch, and its configuration."""
    config = small(clades, {"loop.save_every": 2})
    with cut_before(monkeypatch, "take_step", lambda run, _: run.progress.step == 5):
        train(config, tmp_path / "stopped")
    return tmp_path / "stopped", config


def altered(folder, change):
    """Change the content of a run's last checkpoint."""
    path = folder / "checkpoints" / "last.pt"
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_run_that_stops_within_an_epoch_goes_on_bit_for_bit(clades, checkpoint, tmp_path, monkeypatch, name):
    config = settings_of(name, clades, checkpoint, tmp_path)
    train(config, tmp_path / "whole")
    with cut_before(monkeypatch, "take_step", lambda run, _: run.progress.step == 5):
        train(config, tmp_path / "stopped")
    assert states(tmp_path / "stopped")[0].step == 4
    assert [line["step"] for line in curve(tmp_path / "stopped") if line["kind"] == "train"] == [1, 2, 3, 4, 5]
    train(config, tmp_path / "stopped", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "stopped")


@pytest.mark.parametrize("name", OBJECTIVES)
def test_each_objective_goes_on_bit_for_bit_from_the_middle_of_an_epoch(clades, tmp_path, monkeypatch, name):
    overrides = {**OBJECTIVES[name], "model.freeze_norm": False, "optimiser.average": 0.9, "loop.epochs": 1}
    if name in PAIR_TERMS:
        source = str(captions(clades, tmp_path / "captions.csv", n=9))
        overrides |= {"objective.replay_source": source, "objective.replay_batch": 4, "objective.replay_weight": 0.5}
    config = small(clades, {**overrides, "loop.save_every": 2, "loop.evaluate_every": 0, "loop.monitor": "one_shot"})
    real = loop.save

    def save(run, name):
        real(run, name)
        if run.progress.step == 2:
            shutil.copytree(run.folder, tmp_path / "stopped")

    monkeypatch.setattr(loop, "_evaluate", lambda run, log: None)
    monkeypatch.setattr(loop, "_export", lambda run, recipe: None)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "save", save)
        train(config, tmp_path / "whole")
    (progress, before), (_, whole) = states(tmp_path / "stopped"), states(tmp_path / "whole")
    train(config, tmp_path / "stopped", resume=True)
    last, found = states(tmp_path / "stopped")
    assert (progress.step, last.step) == (2, 3)
    assert found.keys() == whole.keys()
    assert [key for key, value in whole.items() if not torch.equal(found[key], value)] == []
    moved = {key for key, value in whole.items() if not torch.equal(before[key], value)}
    assert any(key.startswith("/towers/clip.visual") for key in moved)
    assert any("running_var" in key for key in moved)


@pytest.mark.parametrize(
    "name, when",
    [
        ("_evaluate", lambda run, _: run.progress.step == 6),
        ("save", lambda run, name: name == "last.pt" and run.progress.evaluated == 6),
        ("_export", lambda run, _: True),
    ],
)
def test_a_run_that_stops_at_the_end_of_an_epoch_makes_up_for_what_is_missing(
    finished, clades, tmp_path, monkeypatch, name, when
):
    config = small(clades, {"loop.save_every": 2})
    with cut_before(monkeypatch, name, when):
        train(config, tmp_path / "stopped")
    train(config, tmp_path / "stopped", resume=True)
    assert_same_run(finished, tmp_path / "stopped")


def test_a_killed_process_goes_on_bit_for_bit(finished, clades, tmp_path):
    killed = f"""
import os, signal, sys
import torch
import cladescope.training.loop.train as loop
from tests.training.small_runs import small
from pathlib import Path

torch.set_num_threads(1)
take_step = loop.take_step

def until_killed(run, batch):
    if run.progress.step == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return take_step(run, batch)

loop.take_step = until_killed
loop.train(small(Path({str(clades)!r}), {{"loop.save_every": 2}}), Path({str(tmp_path / "killed")!r}))
"""
    ended = subprocess.run([sys.executable, "-c", killed], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert states(tmp_path / "killed")[0].step == 3  # saved with the evaluation at the end of the epoch
    train(small(clades, {"loop.save_every": 2}), tmp_path / "killed", resume=True)
    assert_same_run(finished, tmp_path / "killed")


def test_a_finished_run_is_exported_again_and_nothing_else(finished, clades, tmp_path):
    shutil.copytree(finished, tmp_path / "again")
    shutil.rmtree(tmp_path / "again" / "export")
    train(small(clades, {"loop.save_every": 2}), tmp_path / "again", resume=True, recipe="small")
    assert_same_run(finished, tmp_path / "again")
    first, second = ({**card(folder), "name": ""} for folder in (finished, tmp_path / "again"))
    assert first == second


def test_a_changed_configuration_is_not_resumed(stopped):
    folder, config = stopped
    changed = dataclasses.replace(
        config,
        optimiser=dataclasses.replace(config.optimiser, learning_rate=0.5),
        loop=dataclasses.replace(config.loop, log_every=7),
    )
    with pytest.raises(InputError) as caught:
        train(changed, folder, resume=True)
    assert "the configuration changed since" in str(caught.value)
    assert "optimiser.learning_rate (0.001, now 0.5)" in str(caught.value)
    assert "log_every" not in str(caught.value)


def test_changed_data_are_not_resumed(clades, tmp_path, monkeypatch):
    source = tmp_path / "clades"
    shutil.copytree(clades, source)
    config = small(source, {"loop.save_every": 2})
    with cut_before(monkeypatch, "take_step", lambda run, _: run.progress.step == 5):
        train(config, tmp_path / "run")
    manifest = manifest_of(source)
    manifest.write_text(manifest.read_text().replace("thorndrifter", "thornsitter"))
    with pytest.raises(InputError, match=r"the pictures or names in .*clades-pictures.csv changed since"):
        train(config, tmp_path / "run", resume=True)


def test_another_number_of_processes_is_not_resumed(stopped):
    folder, config = stopped
    altered(folder, lambda content: content.update(n_processes=2))
    with pytest.raises(InputError, match=r"is of 2 process\(es\), this run has 1: start as many"):
        train(config, folder, resume=True)


@pytest.mark.parametrize("key, value", [("model.text_width", 16), ("model.timm", "test_resnet")])
def test_a_checkpoint_of_another_architecture_is_not_resumed(stopped, clades, key, value):
    folder, _ = stopped
    other = small(clades, {"loop.save_every": 2, key: value})
    altered(folder, lambda content: content.update(config=json.dumps(other.to_dict())))
    with pytest.raises(
        InputError, match="is of another architecture or of other classes .*: start a new run"
    ) as caught:
        train(other, folder, resume=True)
    assert "\n" not in str(caught.value)


def flipped_in_the_middle(content):
    """A copy with one bit turned, in a weight: the archive is whole."""
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        lambda path: path.write_bytes(b"no checkpoint"),
        lambda path: path.write_bytes(b""),
        lambda path: torch.save({"weights": torch.zeros(3)}, path),
        lambda path: torch.save([1, 2], path),
        lambda path: torch.save(torch.zeros(3), path),
        lambda path: path.write_bytes(flipped_in_the_middle(path.read_bytes())),
    ],
)
def test_a_damaged_checkpoint_is_told_in_one_line(finished, clades, tmp_path, damage):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    damage(shutil.copy(finished / "checkpoints" / "last.pt", tmp_path / "run" / "checkpoints" / "last.pt"))
    with pytest.raises(InputError, match=r"last.pt is no checkpoint or is damaged \(.*\): put best.pt") as caught:
        train(small(clades, {"loop.save_every": 2}), tmp_path / "run", resume=True)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_a_later_format_is_not_resumed(stopped):
    folder, config = stopped
    altered(folder, lambda content: content.update(format_version=99))
    with pytest.raises(InputError, match="has checkpoint format 99, this version of cladescope reads 1"):
        train(config, folder, resume=True)


def test_nothing_to_resume_is_told(clades, tmp_path):
    with pytest.raises(InputError, match="no checkpoint .*last.pt: start the run without resuming"):
        train(small(clades), tmp_path / "run", resume=True)


def test_a_full_disk_leaves_the_checkpoint_before_it_whole(clades, finished, tmp_path, monkeypatch):
    real = loop.save
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def full(run, name):
        if run.progress.step != 4:
            return real(run, name)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # no file grows beyond it
        try:
            return real(run, name)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    config = small(clades, {"loop.save_every": 2})
    with monkeypatch.context() as patch:
        patch.setattr(loop, "save", full)
        with pytest.raises(StoreError) as caught:
            train(config, tmp_path / "run")
    assert "at step 4 (File too large)" in str(caught.value)
    assert "the checkpoint before it is untouched; free some space and then resume the run" in str(caught.value)
    checkpoints = tmp_path / "run" / "checkpoints"
    assert sorted(path.name for path in checkpoints.iterdir()) == ["best.pt", "last.pt"]
    train(config, tmp_path / "run", resume=True)
    assert_same_run(finished, tmp_path / "run")
