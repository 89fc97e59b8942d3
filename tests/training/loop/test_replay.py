"""The second stream: which pictures it has, and that a step sees the same whatever came before."""

import io
import shutil
import tarfile
from collections import Counter

import numpy as np
import pytest
import torch

from cladescope.embedding.encoder import Encoder
from cladescope.embedding.pipeline import embed
from cladescope.embedding.sources import open_source
from cladescope.errors import InputError
from cladescope.index.store import Store
from cladescope.training.data.captions import CaptionedPictures, load_captions
from cladescope.training.loop.distributed import Group
from cladescope.training.loop.replay import ReplayStream
from tests.training.small_runs import captions, small, started

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def manifest(clades, tmp_path):
    return captions(clades, tmp_path / "captions.csv", n=16)


@pytest.fixture
def run(clades, manifest, tmp_path):
    """A run with replay of five pictures a step: three steps an epoch of sixteen."""
    config = small(clades, {"objective.replay_source": str(manifest), "objective.replay_batch": 5})
    run = started(config, tmp_path / "run")
    yield run
    run.replay.close()


def test_pictures_have_their_captions_and_blank_ones_are_left_out(clades, manifest):
    pictures = load_captions(str(manifest))
    files = sorted(clades.glob("images/*/*.jpg"))[:16]
    assert len(pictures) == 16
    assert pictures.captions == [f"picture number {n}, wow! of something" for n in range(16)]
    assert [pictures.read(row) for row in range(16)] == [path.read_bytes() for path in files]


@pytest.mark.parametrize("column", ["caption", "text", "TEXT"])
def test_a_caption_may_go_by_several_names(clades, tmp_path, column):
    path = sorted(clades.glob("images/*/*.jpg"))[0]
    (tmp_path / "a.csv").write_text(f'file,{column}\n{path}," a tit "\n')
    assert load_captions(str(tmp_path / "a.csv")).captions == ["a tit"]


def test_a_source_without_captions_is_refused(clades, tmp_path):
    with pytest.raises(InputError, match="no picture of .* has a caption: expected a manifest with a column caption"):
        load_captions(str(clades / "metadata.csv"))


def test_captions_lie_beside_the_pictures_of_shards(clades, tmp_path, caplog):
    files = sorted(clades.glob("images/*/*.jpg"))[:6]
    beside = {
        "0.txt": b" a tit in snow\n",
        "1.json": b'{"caption": "a heron", "width": 3}',
        "2.txt": b"",
        "3.txt": b"\xff\xfe",
        "4.json": b'{"width": 3}',
        "sub/5.txt": b"a picture in a folder",
        "sub/5.json": b'{"caption": "not this"}',
    }
    with tarfile.open(tmp_path / "a.tar", "w") as shard:
        for place, path in enumerate(files):
            shard.add(path, f"{'sub/' if place == 5 else ''}{place}.jpg")
            for name, content in beside.items():
                if name.partition(".")[0].rpartition("/")[2] == str(place):
                    entry = tarfile.TarInfo(name)
                    entry.size = len(content)
                    shard.addfile(entry, io.BytesIO(content))
    pictures = load_captions(tmp_path / "a.tar")
    assert pictures.captions == ["a tit in snow", "a heron", "a picture in a folder"]
    assert [pictures.read(row) for row in range(3)] == [files[place].read_bytes() for place in (0, 1, 5)]
    assert "the text of 3.jpg" in caplog.text


def test_captions_of_a_store_are_those_of_the_manifest_that_filled_it(clades, manifest, tmp_path):
    encoder = Encoder.load("pixels")
    embed(open_source(manifest), encoder, Store.create(tmp_path / "a.store", encoder.card))
    stored, listed = load_captions(tmp_path / "a.store"), load_captions(manifest)
    assert sorted(zip(stored.uris, stored.captions, strict=True)) == sorted(
        zip(listed.uris, listed.captions, strict=True)
    )


def test_a_store_without_captions_is_refused(store):
    with pytest.raises(InputError, match="no picture of .* has a caption: .* a store with one, or shards"):
        load_captions(store.path)


def test_pictures_in_a_shard_are_read_in_their_place(clades, tmp_path):
    files = sorted(clades.glob("images/*/*.jpg"))[:3]
    with tarfile.open(tmp_path / "a.tar", "w") as shard:
        for place, path in enumerate(files):
            shard.add(path, f"{place}.jpg")
    rows = [f"{tmp_path}/a.tar#{place}.jpg,caption {place}" for place in range(3)]
    (tmp_path / "a.csv").write_text("\n".join(["file,caption", *rows]) + "\n")
    pictures = load_captions(str(tmp_path / "a.csv"))
    assert [pictures.read(row) for row in range(3)] == [path.read_bytes() for path in files]


def seen(stream, step, towers, group=None):
    batch = stream.batch(step, group or Group(), towers)
    return batch.captions, batch.pixels


def test_a_step_sees_the_same_whatever_came_before(run):
    going = [seen(run.replay, step, run.towers) for step in range(8)]
    for step in (7, 2, 3, 0):
        fresh = ReplayStream.open(run.config)
        found, pixels = seen(fresh, step, run.towers)
        fresh.close()
        assert found == going[step][0]
        assert torch.equal(pixels, going[step][1])


def test_an_epoch_has_no_picture_twice_and_the_next_another_order(run):
    steps = [seen(run.replay, step, run.towers)[0] for step in range(6)]
    first, second = (sum(steps[start : start + 3], ()) for start in (0, 3))
    assert max(Counter(first).values()) == max(Counter(second).values()) == 1
    assert len(first) == 15
    assert first != second


def test_captions_belong_to_the_pictures(clades, run, monkeypatch):
    read = []
    real = CaptionedPictures.read
    monkeypatch.setattr(CaptionedPictures, "read", lambda self, row: (read.append(row), real(self, row))[1])
    stream = ReplayStream.open(run.config)
    order = np.random.default_rng((run.config.seed, 0, 1)).permutation(16)
    found, _ = seen(stream, 0, run.towers)
    stream.close()
    assert found == tuple(f"picture number {row}, wow! of something" for row in order[:5])
    assert set(order[:5].tolist()) <= set(read)


def test_broken_pictures_are_replaced_by_others_with_their_captions(clades, tmp_path, caplog):
    source = tmp_path / "clades"
    shutil.copytree(clades, source)
    path = captions(source, tmp_path / "captions.csv", n=8)
    sorted(source.glob("images/*/*.jpg"))[3].write_bytes(b"no picture")
    config = small(clades, {"objective.replay_source": str(path), "objective.replay_batch": 8})
    run = started(config, tmp_path / "run")
    for step in range(3):
        batch = run.replay.batch(step, Group(), run.towers)
        assert batch.n_replaced == 1
        assert "picture number 3, wow! of something" not in batch.captions
        assert len(set(batch.captions)) == 7
    run.replay.close()
    assert caplog.text.count("cannot be used and is replaced by another") == 1


def test_too_few_pictures_for_a_batch_are_refused(run, clades, manifest):
    config = small(clades, {"objective.replay_source": str(manifest), "objective.replay_batch": 17})
    with pytest.raises(InputError, match="16 pictures an epoch do not fill one batch of 17"):
        ReplayStream.open(config).batch(0, Group(), run.towers)
