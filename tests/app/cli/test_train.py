"""`cladescope train` from the command line to a search with what it made."""

import json
import re
import shutil
import sys

import numpy as np
import pytest

from cladescope.app.verbs import train as verb
from cladescope.embedding.decode import decode
from cladescope.embedding.encoder import Encoder
from cladescope.training.config import load_config
from tests.training.small_runs import SMALL, manifest_of

pytestmark = pytest.mark.usefixtures("one_thread")


def test_an_encoder_is_trained_and_searched_with(run, clades, tmp_path):
    out = tmp_path / "run"
    command = ["train", SMALL, "--data", manifest_of(clades), "--out", out, "--set", "loop.epochs=1"]
    command += ["--set", "model.projection=whitened"]  # which spreads the vectors of pictures
    ended = run(*command)
    assert ended.status == 0, ended.err
    assert "zero_shot_images" in ended.out
    assert f"encoder: {out}/export (use it with --encoder {out}/export)" in ended.out
    assert "step 3 of 3: loss" in ended.err
    again = run(*command, "--resume", "--json")
    assert again.json["encoder"] == str(out / "export")
    assert again.json["scores"].keys() == {"zero_shot_images", "zero_shot_species"}
    assert again.json["notes"] == []
    assert min(json.loads((out / "export" / "onnx.json").read_text())["cosines"].values()) >= 0.99999
    store = tmp_path / "clades.store"
    assert run("embed", manifest_of(clades), "--store", store, "--encoder", out / "export").status == 0
    pictures = sorted(clades.glob("images/*/*.jpg"))
    encoder = Encoder.load(str(out / "export"), device="cpu", precision="fp32", runtime="torch")
    pixels = [encoder.card.transform.apply(decode(path.read_bytes()).image) for path in pictures]
    vectors = encoder.encode_pixels(np.stack(pixels))
    for query, vector in (
        (("--text", "a photo of a thorndrifter"), encoder.encode_texts(["a photo of a thorndrifter"])[0]),
        (("--image", pictures[5]), vectors[5]),
    ):
        hits = run("search", store, *query, "-k", len(pictures), "--json").json["hits"]
        found = {hit["uri"]: hit["score"] for hit in hits}
        expected = {str(path): float(score) for path, score in zip(pictures, vectors @ vector, strict=True)}
        assert found == pytest.approx(expected, abs=2e-3)
        assert max(expected.values()) - min(expected.values()) > 0.05
    assert hits[0]["uri"] == str(pictures[5])


def test_keys_are_replaced_from_the_command_line_and_shown(run, tmp_path):
    ended = run(
        *("train", "bioclip", "--show", "--out", tmp_path / "run"),
        *("--set", "loop.epochs=3"),
        *("--set", "data.source=a b.csv"),
        *("--set", "augment.scale=[0.5, 1.0]"),
        *("--set", "objective.terms.siglip=0.5"),
        *("--set", 'data.text_types=["sci"]'),
    )
    assert ended.json == json.loads(
        json.dumps(
            load_config(
                "bioclip",
                {
                    "loop.epochs": 3,
                    "data.source": "a b.csv",
                    "augment.scale": [0.5, 1.0],
                    "objective.terms": {"clip": 1.0, "siglip": 0.5},
                    "data.text_types": ["sci"],
                },
            ).to_dict()
        )
    )
    assert not (tmp_path / "run").exists()


def test_a_folder_of_a_recipes_name_does_not_hide_the_recipe(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bioclip").mkdir()
    assert run("train", "bioclip", "--show").json["loop"]["batch_size"] == 4096


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["missing.toml"], "missing.toml cannot be read"),
        ([SMALL, "--data", "nowhere.csv"], "nowhere.csv"),
        ([SMALL, "--data", "CLADES", "--resume"], "start the run without resuming"),
        ([SMALL, "--data", "CLADES", "--set", "loop.monitor=luck"], "loop.monitor is 'luck': expected one of"),
        ([SMALL, "--data", "CLADES", "--set", "model.timm=mobilenet_v9"], "timm has no backbone 'mobilenet_v9'"),
    ],
)
def test_wrong_input_is_told_in_one_line(run, clades, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    given = [str(manifest_of(clades)) if argument == "CLADES" else argument for argument in arguments]
    ended = run("train", *given, "--out", tmp_path / "run")
    assert (ended.status, ended.out) == (1, "")
    *_, reason = ended.err.splitlines()
    assert reason.startswith("error: ")
    assert message in reason
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["bioclap"], "no recipe 'bioclap'"),
        (["tiny", "--set", "loop.epochs"], "--set 'loop.epochs' is not KEY=VALUE"),
        (["tiny", "--set", "loop.epoch=3"], "unknown key loop.epoch in the configuration: did you mean epochs?"),
        (["tiny", "--set", "loop.epochs=many"], "loop.epochs is 'many': expected a whole number"),
        (["tiny", "--set", "seed.x=1"], "'seed' in tiny is 0: expected a section"),
        (["tiny", "--set", "seed=-1"], "expected 0 or more"),
        ([SMALL], "data.source is empty: name a manifest, a folder, shards or a store"),
        (["fine-tune"], "of labelled pictures as data, for instance photos/"),
    ],
)
def test_a_recipe_that_there_is_not_or_a_setting_that_does_not_fit_or_no_pictures_is_wrong_usage(
    misused, tmp_path, arguments, message
):
    assert message in misused("train", *arguments, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_all_that_is_wrong_with_a_configuration_is_told_at_once_with_its_line(run, tmp_path):
    config = tmp_path / "mine.toml"
    config.write_text(
        'seed = -1\nspeed = 3\n\n[loop]\nepochs = 0\nprecision = "bf61"\n[objective.terms]\nclap = 1.0\n'
        '[data]\ntext_types = [\n  "sci",\n  "latin",\n]\nworkers = "two"\n[model]\nopen_clip = 3\n'
    )
    ended = run("train", config, "--set", "optimiser.beta1=2", "--out", tmp_path / "run")
    assert (ended.status, ended.out) == (1, "")
    at = f"error: {config}, line"
    assert [line.partition(": expected")[0] for line in ended.err.splitlines()] == [
        f"{at} 1: seeds are -1 and 0",
        f"{at} 2: unknown key speed in the configuration: did you mean seed?",
        f"{at} 5: loop.epochs is 0",
        f"{at} 6: loop.precision holds 'bf61'",
        f"{at} 8: objective.terms holds 'clap'",
        f"{at} 10: data.text_types holds 'latin'",
        f"{at} 14: data.workers is 'two'",
        f"{at} 16: model.open_clip is 3",
        "error: optimiser.beta1 is 2.0",
    ]
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_without_graphs_says_why_and_keeps_no_old_ones(finished, tmp_path, monkeypatch):
    folder = shutil.copytree(finished / "export", tmp_path / "export")
    (folder / "onnx.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "onnx", None)
    (note,) = verb._with_graphs(folder)
    assert "torch computes this encoder: no graph can be written: the package onnx is not installed" in note
    assert not (folder / "onnx.json").exists()


def test_fine_tuning_on_a_folder_ends_with_a_verdict_and_an_encoder_that_fit_and_predict_take(
    run, clades, checkpoint, tmp_path
):
    command = ["train", "fine-tune", "--data", clades / "images", "--encoder", checkpoint, "--out", tmp_path / "run"]
    quick = ["loop.epochs=1", "loop.batch_size=8", "optimiser.warmup_steps=1", "model.blend_shares=[0.0, 1.0]"]
    ended = run(*command, *(part for key in quick for part in ("--set", key)))
    assert ended.status == 0, ended.err
    assert " steps, and a test at the end: about " in ended.err
    assert "10 for the test at the end" in ended.err
    assert re.match(r"(no better|cannot be told from 10 pictures)", ended.out)
    assert f"encoder: {tmp_path}/run/export (use it with --encoder {tmp_path}/run/export)" in ended.out
    encoder = ("--encoder", tmp_path / "run" / "export")
    fitted = run("fit", clades / "images", *encoder, "--out", tmp_path / "c.safetensors")
    assert fitted.status == 0, fitted.err
    picture = sorted(clades.glob("images/*/*.jpg"))[0]
    named = run("predict", picture, "--classifier", tmp_path / "c.safetensors", "--closed-set", "--json")
    assert named.status == 0, named.err
    species = {path.name.replace("_", " ") for path in (clades / "images").iterdir()}
    by_name = run("predict", picture, *encoder, "-k", "1", "--json")
    assert by_name.json["predictions"][0]["answers"][0]["species"] in species


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--encoder", "pixels"), "cannot start from 'pixels'"),
        (("--encoder", "tiny", "--set", "model.open_clip=tiny"), "encoder and the key model.open_clip say the same"),
        (("--set", "model.blend_shares=[2.0]"), "expected shares from 0 to 1"),
        (("--set", "data.tested_images=0.0"), "belong together"),
        (("--labels-from", "fodler"), "expected folder, parent, none, or a regular"),
    ],
)
def test_what_fine_tuning_cannot_use_is_told_in_one_line(run, clades, tmp_path, options, message):
    ended = run("train", "fine-tune", "--data", clades / "images", "--out", tmp_path / "run", *options)
    assert ended.status in (1, 2)
    assert message in ended.err
    assert len([line for line in ended.err.splitlines() if line.startswith("error: ")]) == 1
    assert not (tmp_path / "run" / "export").exists()
