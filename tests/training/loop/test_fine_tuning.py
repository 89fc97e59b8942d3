"""The recipe `fine-tune`: three parts, what is kept of the training, and whether it got better."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import cladescope.training.loop.gain as gains
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.trained_on import trained_on
from cladescope.errors import InputError
from cladescope.training.config import load_config
from cladescope.training.data.apart import content_hashes
from cladescope.training.data.examples import load_examples
from cladescope.training.loop.distributed import Group
from cladescope.training.loop.foretelling import foretold
from cladescope.training.loop.gain import Gain, chosen_and_tested
from cladescope.training.loop.prepare import prepare
from cladescope.training.loop.train import _epoch, train
from tests.training.small_runs import card

pytestmark = pytest.mark.usefixtures("one_thread")


def recipe(folder, checkpoint, **others):
    quick = {"loop.epochs": 2, "loop.batch_size": 8, "optimiser.warmup_steps": 1, "data.workers": 1}
    return load_config("fine-tune", {**quick, "data.source": str(folder), "model.open_clip": str(checkpoint), **others})


@pytest.fixture(scope="module")
def tuned(one_thread, clades, checkpoint, tmp_path_factory):
    """A finished run on the folder of the simulated clades; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "tuned"
    train(recipe(clades / "images", checkpoint), folder, recipe="fine-tune")
    return folder


@pytest.fixture
def prepared(clades, checkpoint, tmp_path):
    """A run before its first step."""
    return prepare(recipe(clades / "images", checkpoint), tmp_path / "run", Group(), resume=False)


def test_what_is_told_is_of_pictures_that_nothing_was_trained_on_or_chosen_by(tuned, clades):
    split = json.loads((tuned / "split.json").read_text())
    assert (split["n_train"], split["n_held_out_images"], split["n_tested"]) == (28, 10, 10)
    assert set(split["overlaps"].values()) == {0}
    found = card(tuned)
    assert found["gain"]["n"] == 10
    assert found["scores"] == {"named_right": found["gain"]["after"], "named_right_before": found["gain"]["before"]}
    assert found["scores_of"].startswith("10 pictures that nothing was trained on or chosen by")
    assert found["started_from"] == "tiny-clip"


def test_the_encoder_is_taken_by_its_path_and_says_what_it_has_seen(tuned, clades, prepared):
    encoder = Encoder.load(str(tuned / "export"))
    assert encoder.encode_images(sorted(clades.glob("images/*/*.jpg"))[:2]).shape == (2, 32)
    seen = trained_on(str(tuned / "export"))
    assert len(seen.taxa) == 12
    # The encoder that it started from does not say what it has seen.
    assert (seen.has_all_pictures, seen.unknown) == (False, (Path(prepared.config.model.open_clip).name,))
    hashes = content_hashes(prepared.examples)
    used = [*prepared.split.train, *prepared.split.held_out_images]
    assert seen.pictures == {hashes[row] for row in used}
    assert not seen.pictures & {hashes[row] for row in prepared.split.tested}


def test_of_what_was_trained_the_least_share_of_the_best_is_kept_and_then_tested(prepared, monkeypatch):
    run, examples = prepared, prepared.examples
    classes = examples.classes()
    right = np.eye(12)[classes]
    wrong = np.eye(12)[(classes + 1) % 12]
    train, tested = np.isin(np.arange(48), run.split.train), np.isin(np.arange(48), run.split.tested)
    mixed = []

    def vectors(run, rows):
        share = mixed[-1]
        # Half of the tested pictures are named wrongly until half of the training is kept.
        is_bad = tested & (np.arange(48) % 2 == 0) if share < 0.5 else np.zeros(48, bool)
        is_bad |= ~train & ~tested if share < 0.5 else False
        return np.where(is_bad[:, None], wrong, right)[rows], rows

    monkeypatch.setattr(gains, "_mix", lambda towers, start, trained, share: mixed.append(share))
    monkeypatch.setattr(gains, "_vectors", vectors)
    found = chosen_and_tested(run)
    n_bad = (tested & (np.arange(48) % 2 == 0)).sum()
    assert mixed == [0.0, 0.25, 0.5, 0.75, 1.0, 0.0, 0.5]
    assert (found.share, found.n, found.after, found.before) == (0.5, 10, 1.0, 1 - n_bad / 10)
    assert found.low <= found.value == n_bad / 10 <= found.high


def test_without_any_share_the_encoder_is_what_it_started_from(tuned, clades, checkpoint, tmp_path):
    config = recipe(clades / "images", checkpoint)
    config = replace(config, model=replace(config.model, blend_shares=(0.0,), export_dtype="float32"))
    train(config, tmp_path / "run")
    start, made = (
        load_file(folder / "open_clip_model.safetensors") for folder in (checkpoint, tmp_path / "run" / "export")
    )
    assert torch.equal(made["visual.proj"], start["visual.proj"])
    assert card(tmp_path / "run")["gain"]["verdict"].startswith("no better: no share of what was trained")
    moved = load_file(tuned / "export" / "open_clip_model.safetensors")
    assert torch.equal(moved["text.token_embedding.weight"], start["token_embedding.weight"].half())  # names stay


def test_the_head_starts_as_the_means_of_its_classes(prepared):
    head = prepared.criterion.head.weight.detach().numpy()
    np.testing.assert_allclose(np.linalg.norm(head, axis=1), 1, rtol=1e-5)
    named = gains._named_right(prepared, *gains._vectors(prepared, np.arange(48)), prepared.split.train)
    vectors, kept = gains._vectors(prepared, prepared.split.train)
    nearest = (vectors @ head.T).argmax(axis=1)
    assert (nearest == prepared.classes[kept]).mean() > 1 / 6  # of twelve classes, by random weights
    assert len(named) == len(prepared.split.train)


def test_to_tell_the_time_changes_neither_weights_nor_random_numbers(prepared):
    before = {name: value.clone() for name, value in prepared.towers.state_dict().items()}
    random = torch.get_rng_state()
    assert " steps, and a test at the end: about " in foretold(prepared, _epoch(prepared))
    assert all(torch.equal(value, before[name]) for name, value in prepared.towers.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in prepared.parameters)
    assert prepared.progress.step == 0


@pytest.mark.parametrize(
    ("value", "low", "high", "n", "words"),
    [
        (0.1, 0.02, 0.2, 60, "better: 90 % of 60 pictures"),
        (0.1, 0.0, 0.2, 60, "no better that these pictures could show: 90 %"),
        (-0.1, -0.2, -0.02, 60, "worse: 90 %"),
        (0.3, 0.1, 0.5, 10, "cannot be told from 10 pictures, which are too few: 90 %"),
    ],
)
def test_the_verdict_follows_from_the_interval(value, low, high, n, words):
    found = Gain(share=1.0, before=0.9 - value, after=0.9, value=value, low=low, high=high, n=n)
    assert found.verdict.startswith(words)
    assert ("interval" in found.verdict) == (n >= gains.FEW)


def test_folders_that_are_no_names_are_told_apart_by_their_labels(clades, checkpoint, tmp_path):
    for place, folder in enumerate(sorted((clades / "images").iterdir())[:3] * 5):
        number, kind = divmod(place, 3)
        target = tmp_path / "photos" / ("Early leaf", "Late leaf", "Old barn")[kind]
        target.mkdir(parents=True, exist_ok=True)
        for picture in sorted(folder.iterdir()):
            content = picture.read_bytes() + b"\0" * (number + 1)  # another file of the same picture
            (target / f"{number}-{picture.name}").write_bytes(content)
    config = recipe(tmp_path / "photos", checkpoint, **{"loop.epochs": 1})
    examples = load_examples(config.data.source, classes="auto")
    assert (examples.by_label, len(examples), [str(one) for one in examples.class_taxa]) == (
        True,
        60,
        ["Early leaf", "Late leaf", "Old barn"],
    )
    train(config, tmp_path / "run")
    assert not (tmp_path / "run" / "export" / "taxa.csv").exists()
    assert trained_on(str(tmp_path / "run" / "export")).labels == ("Early leaf", "Late leaf", "Old barn")
    assert card(tmp_path / "run")["data"]["labels"] == 3


def test_pictures_that_cannot_be_read_are_counted_and_do_not_stop_a_run(clades, checkpoint, tmp_path):
    shutil.copytree(clades / "images", tmp_path / "photos")
    for folder in sorted((tmp_path / "photos").iterdir())[:3]:
        (folder / "000.jpg").write_bytes(f"no picture {folder.name}".encode())
    train(recipe(tmp_path / "photos", checkpoint, **{"loop.epochs": 1}), tmp_path / "run")
    assert card(tmp_path / "run")["gain"]["n_unreadable"] == 3


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (lambda species, copy: copy < 2, "found 24 pictures of 12 taxa: expected at least 40, to train on some"),
        (lambda species, copy: species < 1, "all 4 pictures are of one taxon"),
    ],
)
def test_too_few_pictures_or_classes_are_refused_before_anything_is_loaded(clades, checkpoint, tmp_path, kept, message):
    for species, folder in enumerate(sorted((clades / "images").iterdir())):
        for copy, picture in enumerate(sorted(folder.iterdir())):
            if kept(species, copy):
                (tmp_path / "photos" / folder.name).mkdir(parents=True, exist_ok=True)
                shutil.copy(picture, tmp_path / "photos" / folder.name)
    with pytest.raises(InputError, match=message):
        train(recipe(tmp_path / "photos", checkpoint), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_classes_of_one_picture_cannot_be_tested(clades, checkpoint, tmp_path):
    pictures = sorted(clades.glob("images/*/*.jpg"))
    rows = [f"{picture},Parus p{chr(97 + n // 26)}{chr(97 + n % 26)}us" for n, picture in enumerate(pictures)]
    table = tmp_path / "m.csv"
    table.write_text("\n".join(["file,species", *rows]) + "\n")
    with pytest.raises(
        InputError, match="48 of 48 taxa have one picture each: expected at least two taxa with several"
    ):
        train(recipe(table, checkpoint), tmp_path / "run")
