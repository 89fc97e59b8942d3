"""Training on one pass over shards an epoch: resumed bit for bit, damage counted, and refused where it cannot be."""

import logging
from dataclasses import replace

import pytest

import cladescope.training.loop.run as run_of
from cladescope.errors import ConfigError, InputError
from cladescope.training.data.examples import load_examples
from cladescope.training.data.shard_writer import write_shards
from cladescope.training.loop.train import train
from tests.training.loop.test_resume import altered, assert_same_run, cut_before
from tests.training.small_runs import batches_of, curve, manifest_of, small, started

pytestmark = pytest.mark.usefixtures("one_thread")

STREAM = {
    "data.read": "stream",
    "data.balance": 0.0,
    "data.shuffle_buffer": 6,
    "data.shards_at_once": 2,
    "loop.save_every": 2,
}


@pytest.fixture(scope="module")
def shards(clades, tmp_path_factory):
    """The simulated clades in shards of unequal size."""
    folder = tmp_path_factory.mktemp("streamed") / "shards"
    listed = load_examples(manifest_of(clades))
    write_shards(replace(listed, image_ids=[f"i{row:02}" for row in range(len(listed))]), folder, max_count=11)
    return folder


def config_of(shards, **overrides):
    return small(shards / "*.tar", {**STREAM, **overrides})


def test_a_run_over_shards_that_stops_goes_on_bit_for_bit(shards, tmp_path, monkeypatch, caplog):
    config = config_of(shards)
    with caplog.at_level(logging.INFO):
        train(config, tmp_path / "whole")
    assert "reading 5 shards in order" in caplog.text
    assert "steps, which leave" in caplog.text
    with cut_before(monkeypatch, "take_step", lambda run, _: run.progress.step == 5):
        train(config, tmp_path / "stopped")
    train(config, tmp_path / "stopped", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "stopped")


def test_an_epoch_shows_each_training_picture_once_but_for_what_fills_no_batch(shards, tmp_path):
    run = started(config_of(shards), tmp_path)
    rows = [row for batch in batches_of(run, run.steps_per_epoch) for row in batch.rows.tolist()]
    assert len(set(rows)) == len(rows)
    assert set(rows) <= set(run.split.train.tolist())
    assert len(run.split.train) - len(rows) < run.config.loop.batch_size


def test_a_damaged_shard_is_made_up_for_and_counted(shards, tmp_path):
    run = started(config_of(shards), tmp_path)
    gone = {row for row in run.split.train.tolist() if run.examples.spans[row][0].endswith("shard-000001.tar")}
    assert gone
    kept = shards / "shard-000001.tar"
    kept.rename(kept.with_suffix(".away"))
    try:
        found = batches_of(run, run.steps_per_epoch)
    finally:
        kept.with_suffix(".away").rename(kept)
    order = run.streamed_order(0)
    n_shown = run.steps_per_epoch * run.config.loop.batch_size
    assert sum(batch.n_replaced for batch in found) == sum(order[place] in gone for place in range(n_shown))
    assert not gone & {row for batch in found for row in batch.rows.tolist()}


def test_a_shuffle_that_changed_is_not_resumed(shards, tmp_path, monkeypatch):
    config = config_of(shards)
    with cut_before(monkeypatch, "take_step", lambda run, _: run.progress.step == 2):
        train(config, tmp_path / "run")
    monkeypatch.setattr(run_of, "shuffle_hash", lambda: "another")
    with pytest.raises(
        InputError, match="webdataset does not shuffle as it did when the checkpoint in .*run was written"
    ):
        train(config, tmp_path / "run", resume=True)


def test_a_checkpoint_from_before_streams_is_resumed(finished, clades, tmp_path, monkeypatch):
    config = small(clades, {"loop.save_every": 2})
    with cut_before(monkeypatch, "take_step", lambda run, _: run.progress.step == 5):
        train(config, tmp_path / "stopped")
    altered(tmp_path / "stopped", lambda content: content.pop("shuffle_hash"))
    train(config, tmp_path / "stopped", resume=True)
    assert curve(tmp_path / "stopped") == curve(finished)


def test_pictures_outside_shards_are_refused_before_the_first_step(clades, tmp_path):
    with pytest.raises(InputError, match="data.read is stream, but .* lie in no shard"):
        train(small(clades, STREAM), tmp_path / "run")


@pytest.mark.parametrize("other", [{"data.balance": 0.5}, {"data.samples_per_epoch": 9}])
def test_a_stream_goes_through_all_pictures_as_they_are(shards, other):
    with pytest.raises(ConfigError, match=r"data\.read is stream, which goes once through all pictures"):
        config_of(shards, **other)


def test_a_stream_of_cached_features_is_refused(shards, tmp_path):
    locked = {"model.lock_image_steps": 2, "model.lock_image_cached": True}
    with pytest.raises(InputError, match=r"data.read is stream and model.lock_image_cached reads no pictures"):
        train(config_of(shards, **locked), tmp_path / "run")


def test_an_unknown_way_to_read_is_refused(shards):
    with pytest.raises(ConfigError, match=r"data\.read"):
        config_of(shards, **{"data.read": "backwards"})
