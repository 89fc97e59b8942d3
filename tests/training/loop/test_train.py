"""The training loop: what a run leaves behind, and how it fails."""

import importlib.util
import json
import resource
import shutil
import subprocess
import sys
from contextlib import nullcontext

import pytest
import torch
from safetensors.torch import load_file

import cladescope.training.loop.step as stepping
import cladescope.training.loop.train as loop
from cladescope.errors import InputError, StoreError, TrainingError
from cladescope.training.data.examples import load_examples
from cladescope.training.loop.checkpoint import Progress
from cladescope.training.loop.distributed import Group
from cladescope.training.loop.evaluate import encode_examples
from cladescope.training.loop.judging import APART, SAME
from cladescope.training.loop.logs import Log
from cladescope.training.loop.prepare import prepare
from cladescope.training.loop.run import held
from cladescope.training.loop.train import train
from tests.training.small_runs import OPEN_CLIP, card, curve, small, states

pytestmark = pytest.mark.usefixtures("one_thread")


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
    scores, judged = iter([0.5, 0.9, 0.9, 0.2, 0.7]), []

    def evaluate(towers, tokens, examples, split, **options):
        judged.append({*split.held_out_images.tolist(), *split.held_out_species.tolist()})
        return {"zero_shot_images": next(scores)}

    monkeypatch.setattr(loop, "evaluate", evaluate)
    train(small(clades, {"loop.epochs": 4}), tmp_path / "run", recipe="small")
    assert states(tmp_path / "run", "best.pt")[0].step == 6
    assert states(tmp_path / "run")[0].step == 12
    found = card(tmp_path / "run")
    assert (found["steps"], found["scores"], found["recipe"]) == (6, {"zero_shot_images": 0.7}, "small")
    assert found["scores_of"] == APART
    assert judged[0] == judged[3]
    assert judged[0].isdisjoint(judged[4])
    assert len(judged[0]) > 1 < len(judged[4])
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
    assert "scores_of" not in card(tmp_path / "run"), "nothing was chosen"


def test_where_too_few_are_held_out_for_two_parts_the_card_says_that_the_scores_chose(clades, tmp_path):
    train(small(clades, {"loop.epochs": 2, "loop.monitor": "zero_shot_species"}), tmp_path / "run")
    assert card(tmp_path / "run")["scores_of"] == SAME
    assert "somewhat too good" in (tmp_path / "run" / "export" / "README.md").read_text()


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


def test_a_folder_that_holds_a_run_is_left_alone(finished, clades):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    with pytest.raises(InputError, match="holds a run already: resume it, or choose another folder"):
        train(small(clades), finished)
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before


def test_two_trainings_do_not_share_a_folder(clades, tmp_path):
    folder = tmp_path / "run"
    with held(folder), pytest.raises(StoreError, match="another job is writing to .*run: wait for it to end"):
        train(small(clades), folder)
    assert not folder.exists(), "nothing came of either"
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file, expected a folder"):
        train(small(clades), tmp_path / "file")


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
    code = "import sys, cladescope.training.loop.train; print({'lancedb', 'faiss'} & sys.modules.keys())"
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ended.stdout == "set()\n"
