"""The training loop: exact resume, what a run leaves behind, and how it fails."""

import dataclasses
import importlib.util
import json
import resource
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, nullcontext

import pytest
import torch
from safetensors.torch import load_file

import cladescope.training.step as stepping
import cladescope.training.train as loop
from cladescope.errors import InputError, StoreError, TrainingError
from cladescope.training.checkpoint import Progress
from cladescope.training.distributed import Group
from cladescope.training.evaluate import encode_examples
from cladescope.training.examples import load_examples
from cladescope.training.logs import Log
from cladescope.training.run import prepare
from cladescope.training.train import train
from tests.training import EVERY_TERM, OPEN_CLIP, captions, card, curve, manifest_of, small, states

pytestmark = pytest.mark.usefixtures("one_thread")


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


@pytest.fixture(scope="module")
def finished(clades, tmp_path_factory):
    """A finished run of the small configuration, saved at every second step."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    train(small(clades, {"loop.save_every": 2}), folder, recipe="small")
    return folder


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
import cladescope.training.train as loop
from tests.training import small
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


def test_a_run_leaves_its_configuration_split_curve_and_card(finished, clades):
    config = json.loads((finished / "config.json").read_text())
    assert config == json.loads(json.dumps(small(clades, {"loop.save_every": 2}).to_dict()))
    split = json.loads((finished / "split.json").read_text())
    assert split["n_train"] + split["n_held_out_images"] + split["n_held_out_species"] + split["n_left_out"] == 48
    assert set(split["overlaps"].values()) == {0}
    assert [(line["kind"], line["step"]) for line in curve(finished)] == [
        *(("train", step) for step in (1, 2, 3)),
        ("evaluate", 3),
        *(("train", step) for step in (4, 5, 6)),
        ("evaluate", 6),
    ]
    # Two steps of warm-up, then half a cosine to zero over the other four.
    rates = [line["learning_rate"] for line in curve(finished) if line["kind"] == "train"]
    assert rates == pytest.approx([0.0005, 0.001, 0.001, 0.00085355, 0.0005, 0.00014645], rel=1e-4)
    assert len(list((finished / "tensorboard").iterdir())) == 1


def test_the_best_checkpoint_is_exported_with_its_scores(clades, tmp_path, monkeypatch):
    scores = iter([0.5, 0.9, 0.9, 0.2])
    monkeypatch.setattr(loop, "evaluate", lambda *_, **__: {"zero_shot_images": next(scores)})
    train(small(clades, {"loop.epochs": 4}), tmp_path / "run", recipe="small")
    assert states(tmp_path / "run", "best.pt")[0].step == 6
    assert states(tmp_path / "run")[0].step == 12
    found = card(tmp_path / "run")
    assert (found["steps"], found["scores"], found["recipe"]) == (6, {"zero_shot_images": 0.9}, "small")
    _, best = states(tmp_path / "run", "best.pt")
    exported = load_file(tmp_path / "run" / "export" / "open_clip_model.safetensors")
    assert torch.equal(exported["visual.head.proj.weight"], best["/towers/projection.weight"])


def test_the_moving_average_is_what_is_exported(clades, tmp_path):
    config = {"data.held_out_species": 0.0, "data.held_out_images": 0.0, "optimiser.average": 0.9, "loop.epochs": 1}
    train(small(clades, config), tmp_path / "run")
    assert card(tmp_path / "run")["scores"] == {}
    _, found = states(tmp_path / "run")
    names = [name for name, _ in prepare_towers(clades, tmp_path).named_parameters()]
    place = names.index("projection.weight")
    exported = load_file(tmp_path / "run" / "export" / "open_clip_model.safetensors")["visual.head.proj.weight"]
    assert torch.equal(exported, found[f"/average/shadow/{place}"])
    assert not torch.equal(exported, found["/towers/projection.weight"])


def prepare_towers(clades, tmp_path):
    return prepare(small(clades), tmp_path / "unused", Group(), resume=False).towers


def test_evaluation_comes_as_often_as_is_asked(clades, tmp_path):
    train(small(clades, {"loop.epochs": 3, "loop.evaluate_every": 2, "loop.log_every": 100}), tmp_path / "second")
    assert [(line["kind"], line["step"]) for line in curve(tmp_path / "second")] == [
        ("evaluate", 6),
        ("train", 9),
        ("evaluate", 9),
    ]


def test_too_little_to_judge_by_is_told_and_the_last_weights_are_exported(clades, tmp_path, caplog):
    train(small(clades, {"loop.epochs": 1, "loop.monitor": "five_shot"}), tmp_path / "run")
    assert "too little is held out for five_shot: the last checkpoint is exported" in caplog.text
    assert not (tmp_path / "run" / "checkpoints" / "best.pt").exists()
    assert card(tmp_path / "run")["scores"].keys() == {"zero_shot_images", "zero_shot_species"}


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda loss, features: loss * torch.nan, "the loss is nan at step 5"),
        # The value is that of the loss, the gradient of a root at zero is none.
        (lambda loss, features: loss + (features.image.sum() * 0).sqrt(), "the norm of the gradient is nan at step 5"),
    ],
)
def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(
    clades, tmp_path, monkeypatch, spoil, message
):
    real = stepping.backward

    def spoilt(run, batch, replay=None):
        forward = run.criterion.forward
        if run.progress.step == 4:
            run.criterion.forward = lambda features: (spoil(forward(features)[0], features), forward(features)[1])
        return real(run, batch, replay)

    monkeypatch.setattr(stepping, "backward", spoilt)
    with pytest.raises(TrainingError) as caught:
        train(small(clades, {"loop.save_every": 1}), tmp_path / "run")
    last = tmp_path / "run" / "checkpoints" / "last.pt"
    assert f"{message}: the last good checkpoint, of step 4, is kept in {last}" in str(caught.value)
    assert "\n" not in str(caught.value)
    progress, found = states(tmp_path / "run")
    assert progress.step == 4
    assert all(value.isfinite().all() for value in found.values() if value.is_floating_point())


def test_without_a_checkpoint_a_loss_that_is_not_finite_says_so(clades, tmp_path, monkeypatch):
    monkeypatch.setattr(stepping, "backward", lambda *_: (float("inf"), {}))
    with pytest.raises(TrainingError, match="the loss is inf at step 1: no checkpoint was written before; lower"):
        train(small(clades), tmp_path / "run")


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


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        lambda path: path.write_bytes(b"no checkpoint"),
        lambda path: path.write_bytes(b""),
        lambda path: torch.save({"weights": torch.zeros(3)}, path),
        lambda path: torch.save([1, 2], path),
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
    with pytest.raises(InputError, match="no checkpoint .*last.pt: start without --resume"):
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
    assert "at step 4" in str(caught.value)
    assert "the checkpoint before it is untouched; free some space and go on with --resume" in str(caught.value)
    checkpoints = tmp_path / "run" / "checkpoints"
    assert sorted(path.name for path in checkpoints.iterdir()) == ["best.pt", "last.pt"]
    train(config, tmp_path / "run", resume=True)
    assert_same_run(finished, tmp_path / "run")


def test_a_folder_that_holds_a_run_is_left_alone(finished, clades):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    with pytest.raises(InputError, match="holds a run already: go on with --resume, or choose another folder"):
        train(small(clades), finished)
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before


def test_what_a_run_left_that_never_saved_is_not_taken_for_its_own(finished, clades, tmp_path):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    shutil.copy(finished / "checkpoints" / "best.pt", tmp_path / "run" / "checkpoints")
    (tmp_path / "run" / "log.jsonl").write_text('{"kind": "train", "step": 1, "loss": 7.0}\n{"kind": "tra')
    nothing_held_out = {"data.held_out_species": 0.0, "data.held_out_images": 0.0, "loop.epochs": 1}
    train(small(clades, nothing_held_out), tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints" / "best.pt").exists()
    assert [line["step"] for line in curve(tmp_path / "run")] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "overrides, message",
    [
        ({"data.source": ""}, "data.source is empty: name a manifest"),
        ({"data.source": "/nowhere/metadata.csv"}, "/nowhere/metadata.csv"),
        ({"loop.monitor": "zero_shot"}, "loop.monitor is 'zero_shot': expected one of zero_shot_images"),
        ({"data.held_out_images": 0.0}, "loop.monitor is 'zero_shot_images', but data.held_out_images is 0"),
        ({"objective.terms": {"cross_entropy": 1.0}}, "but no objective trains texts: monitor one_shot"),
        ({"loop.precision": "fp16"}, "loop.precision is fp16 and the device a CPU: use bf16 or fp32"),
        ({"optimiser.warmup_steps": 6}, "optimiser.warmup_steps is 6, but the run has only 6 steps"),
        ({"loop.batch_size": 500}, "do not fill one batch of 500"),
        (
            {"loop.chunk_size": 4, "model.freeze_norm": False},
            "loop.chunk_size is 4, but 13 batch norms of the model take the statistics of their batch",
        ),
        ({"model.projection": "whitened", "model.embed_dim": 500}, "500 numbers are asked of"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(clades, tmp_path, overrides, message):
    with pytest.raises(InputError) as caught:
        train(small(clades, overrides), tmp_path / "run")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_whitening_needs_a_projection_with_a_bias(clades, checkpoint, tmp_path):
    config = small(clades, {**OPEN_CLIP, "model.open_clip": str(checkpoint), "model.projection": "whitened"})
    with pytest.raises(InputError, match="needs a projection with a bias; this model has none: use random"):
        train(config, tmp_path / "run")


def test_a_whitened_projection_gives_centred_vectors_of_the_training_pictures(clades, tmp_path):
    run = prepare(small(clades, {"model.projection": "whitened"}), tmp_path, Group(), resume=False)
    pooled, kept = encode_examples(
        run.towers, run.examples, run.split.train, workers=1, autocast=nullcontext, pooled=True
    )
    assert len(kept) == len(run.split.train)
    with torch.no_grad():
        vectors = run.towers.projection(torch.from_numpy(pooled))
    assert float(vectors.mean(dim=0).abs().max()) < 1e-4
    assert float(vectors.norm(dim=1).mean()) == pytest.approx(1.0, rel=1e-3)


def test_excluded_taxa_are_neither_trained_on_nor_scored(clades, tmp_path):
    whole = load_examples(clades / "metadata.csv")
    genus = whole.taxa[0].path[5]
    path = " > ".join(whole.taxa[0].path[:6])
    run = prepare(small(clades, {"data.exclude": [path]}), tmp_path, Group(), resume=False)
    assert len(run.examples) == sum(taxon.path[5] != genus for taxon in whole.taxa) < 48
    assert genus not in {taxon.path[5] for taxon in run.examples.taxa}


def test_a_log_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Log(tmp_path, Progress()) as log:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
        try:
            with pytest.raises(StoreError) as caught:
                log.write("train", 1, {"loss": 1.0})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(tmp_path) in str(caught.value)


def test_a_gpu_that_is_not_there_is_refused(clades, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="loop.device is cuda, and no CUDA device was found: set it to cpu or auto"):
        train(small(clades, {"loop.device": "cuda"}), tmp_path / "run")


@pytest.mark.parametrize(
    "n_species, held_out, message", [(1, 0.0, "all 4 pictures are of one taxon"), (2, 0.5, "needs")]
)
def test_a_single_class_is_refused(clades, tmp_path, n_species, held_out, message):
    header, *lines = (clades / "metadata.csv").read_text().splitlines()
    species = sorted({line.split(",")[7] for line in lines})[:n_species]
    chosen = [f"{clades}/{line}" for line in lines if line.split(",")[7] in species]
    manifest = tmp_path / "few.csv"
    manifest.write_text("\n".join([header, *chosen]) + "\n")
    config = small(manifest, {"data.held_out_species": held_out, "data.held_out_images": 0.25, "loop.batch_size": 2})
    with pytest.raises(InputError, match=message):
        train(config, tmp_path / "run")


@pytest.mark.parametrize("cached", [False, True])
def test_broken_pictures_are_replaced_and_counted(clades, tmp_path, cached):
    source = tmp_path / "clades"
    shutil.copytree(clades, source)
    for path in sorted(source.glob("images/*/000.jpg"))[:2]:
        path.write_bytes(b"no picture")
    locked = {"model.lock_image_steps": 6, "model.lock_image_cached": True} if cached else {}
    everything = {"data.held_out_species": 0.0, "data.held_out_images": 0.0, "data.balance": 0.0, **locked}
    train(small(source, everything), tmp_path / "run")
    # Six steps of eight go once through all 48 pictures.
    replaced = {line["step"]: line["replaced"] for line in curve(tmp_path / "run")}
    assert (replaced[6], replaced[12]) == (2, 4)
    assert states(tmp_path / "run")[0].n_replaced == 4


def test_training_needs_no_database_and_no_index():
    code = "import sys, cladescope.training.train; print({'lancedb', 'faiss'} & sys.modules.keys())"
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ended.stdout == "set()\n"
