"""The stages of a job run side by side, and each may fail."""

import threading

import pytest

from cladescope.embedding import listing
from cladescope.embedding.encoders.pixels import Pixels
from cladescope.embedding.pipeline import EmbedConfig, Progress, embed
from cladescope.embedding.records import Record
from cladescope.embedding.sources import open_source
from cladescope.errors import StoreError
from cladescope.index.store import Store
from tests.embedding.test_pipeline import Listed, new_store, write_pictures


def test_rows_are_written_while_the_encoder_computes(clades, tmp_path):
    encoding, n_encoded = threading.Condition(), 0

    class Watching(Pixels):
        def encode_pixels(self, batch):
            nonlocal n_encoded
            with encoding:
                n_encoded += 1
                encoding.notify_all()
            return super().encode_pixels(batch)

    class Slow(Store):
        def write(self, images, failures, **named):
            before = n_encoded
            if 4 * before < 48:
                with encoding:
                    assert encoding.wait_for(lambda: n_encoded > before, 10), "nothing was encoded meanwhile"
            super().write(images, failures, **named)

    new_store(tmp_path / "s")
    summary = embed(
        open_source(clades / "metadata.csv"),
        Watching(),
        Slow.open(tmp_path / "s"),
        EmbedConfig(batch_size=4, commit_rows=4),
    )
    assert (summary.embedded, Store.open(tmp_path / "s").count()) == (48, 48)


def test_a_store_that_cannot_be_written_ends_the_job_with_what_was_committed_before(clades, tmp_path):
    class Full(Store):
        n_written = 0

        def write(self, images, failures, **named):
            self.n_written += 1
            if self.n_written == 3:
                raise StoreError("the disk is full")
            super().write(images, failures, **named)

    _, encoder = new_store(tmp_path / "s")
    config = EmbedConfig(batch_size=4, commit_rows=8)
    with pytest.raises(StoreError, match="the disk is full"):
        embed(open_source(clades / "metadata.csv"), encoder, Full.open(tmp_path / "s"), config)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("decode", "list", "encode"))]
    assert Store.open(tmp_path / "s").count() == 16
    assert embed(open_source(clades / "metadata.csv"), encoder, Store.open(tmp_path / "s")).embedded == 32


def test_a_source_that_hangs_can_be_stopped_and_what_was_encoded_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("cladescope.embedding.ahead.LEAVE_SECONDS", 0.1)
    folder = write_pictures(tmp_path / "pictures", 6)
    goes_on, stop = threading.Event(), threading.Event()

    class Hanging(Listed):
        def records(self):
            yield from self.listed
            goes_on.wait(60)

    listed = [Record(image_id=f"{n}", uri=str(folder / f"{n:03}.jpg"), source="s") for n in range(6)]
    monkeypatch.setattr(listing, "CHUNK_RECORDS", 2)
    store, encoder = new_store(tmp_path / "s")

    def after_all(progress: Progress) -> None:
        if progress.embedded >= 6:
            stop.set()

    summary = embed(Hanging(listed), encoder, store, EmbedConfig(batch_size=2), progress=after_all, stop=stop)
    goes_on.set()
    assert (summary.embedded, summary.stopped, Store.open(tmp_path / "s").count()) == (6, True, 6)


def test_rows_that_wait_are_committed_in_time_though_no_more_are_encoded(tmp_path, monkeypatch):
    folder = write_pictures(tmp_path / "pictures", 4)
    goes_on = threading.Event()
    store, encoder = new_store(tmp_path / "s")

    class Slow(Listed):
        def records(self):
            yield from self.listed[:2]
            waited = 0
            while Store.open(tmp_path / "s").count() < 2 and waited < 100:
                waited += 1
                goes_on.wait(0.1)
            goes_on.set()
            yield from self.listed[2:]

    listed = [Record(image_id=f"{n}", uri=str(folder / f"{n:03}.jpg"), source="s") for n in range(4)]
    monkeypatch.setattr(listing, "CHUNK_RECORDS", 1)
    seen = []
    config = EmbedConfig(batch_size=1, commit_seconds=0.3)
    summary = embed(Slow(listed), encoder, store, config, progress=lambda state: seen.append(store.count()))
    assert (summary.embedded, goes_on.is_set(), Store.open(tmp_path / "s").count()) == (4, True, 4)
    assert 2 in seen, "two rows were committed before the others were listed"


def test_a_summary_says_how_busy_each_stage_was_and_what_the_others_waited_for(clades, tmp_path):
    class Slow(Pixels):
        def encode_pixels(self, batch):
            threading.Event().wait(0.1)
            return super().encode_pixels(batch)

    store, _ = new_store(tmp_path / "s")
    summary = embed(open_source(clades / "metadata.csv"), Slow(), store, EmbedConfig(batch_size=4))
    told = summary.to_dict()
    assert [(name, stage["n"]) for name, stage in told["stages"].items()] == [
        (name, 48) for name in ("list", "read", "decode", "encode", "write")
    ]
    assert told["bottleneck"].startswith("the encoder is what the others wait for")
    assert 0 < told["stages"]["encode"]["per_second_at_work"] < 40


def test_a_slow_source_is_handed_on_in_small_chunks_and_a_fast_one_in_large_ones(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(listing.time, "monotonic", lambda: now[0])

    def records(seconds):
        for number in range(10):
            now[0] += seconds
            yield Record(image_id=f"{number}", uri=f"/{number}", source="s")

    assert [len(chunk) for chunk in listing.chunks(records(0.11))] == [2, 2, 2, 2, 2]
    assert [len(chunk) for chunk in listing.chunks(records(0.001))] == [10]
