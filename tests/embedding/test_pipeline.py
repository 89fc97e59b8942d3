import functools
import http.server
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cladescope.embedding import listing, pipeline
from cladescope.embedding.encode import encoded
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.encoders.pixels import Pixels
from cladescope.embedding.pipeline import EmbedConfig, Progress, embed
from cladescope.embedding.prepare import prepare
from cladescope.embedding.records import Record
from cladescope.embedding.sources import open_source
from cladescope.errors import EncoderError, InputError, StoreError
from cladescope.index.store import Store
from cladescope.schema import NAME_COLUMNS, NAME_FIELDS
from tests.conftest import REPOSITORY


class Listed:
    """A source made of records at hand."""

    def __init__(self, records, extra_fields=()):
        self.name, self.extra_fields, self.listed = "listed", tuple(extra_fields), records

    def count(self):
        return len(self.listed)

    def records(self):
        return iter(self.listed)


def rows_of(store, columns=("image_id", "uri", "content_hash", "width", "species", "vector")):
    rows = [row for batch in store.scan(list(columns)) for row in batch.to_pylist()]
    return sorted(rows, key=lambda row: row["image_id"])


def new_store(path):
    encoder = Encoder.load("pixels")
    return Store.create(path, encoder.card), encoder


def write_pictures(folder, n, seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    for number in range(n):
        small = Image.fromarray(generator.integers(0, 255, (6, 8, 3), dtype=np.uint8))
        small.resize((160, 120)).save(folder / f"{number:03}.jpg")
    return folder


def test_a_second_run_embeds_nothing_and_changes_nothing(clades, tmp_path):
    store, encoder = new_store(tmp_path / "s")
    first = embed(open_source(clades / "metadata.csv"), encoder, store)
    rows, version = rows_of(store), store.version
    second = embed(open_source(clades / "metadata.csv"), encoder, Store.open(tmp_path / "s"))
    assert (first.embedded, second.embedded, second.already_stored) == (48, 0, 48)
    assert rows_of(Store.open(tmp_path / "s")) == rows
    assert Store.open(tmp_path / "s").version == version


def test_batches_threads_and_commits_do_not_change_the_rows(clades, tmp_path):
    stores = []
    for name, config in {
        "a": EmbedConfig(batch_size=1, workers=1, commit_rows=5),
        "b": EmbedConfig(batch_size=64, workers=4),
    }.items():
        store, encoder = new_store(tmp_path / name)
        embed(open_source(clades / "metadata.csv"), encoder, store, config)
        stores.append(rows_of(store))
    assert stores[0] == stores[1]


@pytest.mark.parametrize("records, n_bytes", [(1, 1 << 30), (5, 1 << 30), (1000, 10_000)])
def test_looking_ids_up_in_smaller_chunks_does_not_change_the_rows(tmp_path, monkeypatch, records, n_bytes):
    folder = write_pictures(tmp_path / "pictures", 9)
    uris = [str(folder / f"{number:03}.jpg") for number in range(9)]
    listed = [
        Record(image_id=f"r{n}", uri=uri, source="s", data=Path(uri).read_bytes() if n % 2 else None)
        for n, uri in enumerate(uris)
    ]
    listed.insert(2, Record(image_id="r1", uri=uris[0], source="s"))
    listed.insert(5, Record(image_id="r9", uri="/none", source="s", problem="no path"))
    results = []
    for name in ("whole", "chunks"):
        if name == "chunks":
            monkeypatch.setattr(listing, "CHUNK_RECORDS", records)
            monkeypatch.setattr(listing, "CHUNK_BYTES", n_bytes)
        store, encoder = new_store(tmp_path / name)
        first, second = (embed(Listed(listed), encoder, store) for _ in range(2))
        assert (first.records, first.embedded, first.failed) == (11, 9, 2)
        assert (second.already_stored, second.failed) == (9, 2)
        results.append((rows_of(store), store.failures.sort_by("uri").to_pylist()))
    assert results[0] == results[1]


def test_pictures_that_records_carry_are_let_go_chunk_by_chunk(tmp_path, monkeypatch):
    alive, most = set(), []

    class Watched(bytes):
        def __del__(self):
            alive.discard(id(self))

    picture = (write_pictures(tmp_path / "p", 1) / "000.jpg").read_bytes()
    size = 100_000

    class Carrying(Listed):
        def records(self):
            for number in range(60):
                data = Watched(picture + bytes(size))
                alive.add(id(data))
                most.append(len(alive))
                yield Record(image_id=f"{number}", uri=f"/{number}", source="s", data=data)
                del data

    monkeypatch.setattr(listing, "CHUNK_BYTES", 4 * size)
    monkeypatch.setattr(pipeline, "encoded", functools.partial(encoded, waiting_bytes=4 * (size + len(picture))))
    store, encoder = new_store(tmp_path / "s")
    assert embed(Carrying([None] * 60), encoder, store, EmbedConfig(workers=2)).embedded == 60
    # a chunk, the window, one in each worker's hands, and one on its way from the one to the other
    assert max(most) <= 4 + 4 + 2 + 1


def test_many_rows_make_few_commits(clades, tmp_path):
    store, encoder = new_store(tmp_path / "s")
    before = store.version
    embed(open_source(clades / "metadata.csv"), encoder, store, EmbedConfig(batch_size=2))
    assert store.version <= before + 2


def test_every_record_ends_in_images_or_failures(tmp_path):
    folder = write_pictures(tmp_path / "pictures", 5)
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("this is no picture")
    whole = (folder / "000.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (1, 10_000)).save(folder / "thin.png")
    store, encoder = new_store(tmp_path / "s")
    summary = embed(open_source(folder), encoder, store)
    assert (summary.records, summary.embedded, summary.failed) == (9, 5, 4)
    reasons = {Path(row["uri"]).name: row["reason"] for row in store.failures.to_pylist()}
    assert reasons.keys() == {"empty.jpg", "text.jpg", "cut.jpg", "thin.png"}
    assert "0 bytes" in reasons["empty.jpg"]
    assert "1 x 10000" in reasons["thin.png"]
    again = embed(open_source(folder), encoder, store)
    assert (again.already_stored, again.failed) == (5, 4)
    assert store.failures.num_rows == 4


def test_a_picture_that_was_mended_leaves_the_ledger(tmp_path):
    folder = write_pictures(tmp_path / "pictures", 2)
    good = (folder / "001.jpg").read_bytes()
    (folder / "001.jpg").write_bytes(b"")
    store, encoder = new_store(tmp_path / "s")
    assert embed(open_source(folder), encoder, store).failed == 1
    (folder / "001.jpg").write_bytes(good)
    assert embed(open_source(folder), encoder, store).embedded == 1
    assert (store.count(), store.failures.num_rows) == (2, 0)


def test_repeated_content_is_encoded_once_and_recorded_every_time(tmp_path):
    class Counting(Pixels):
        n_encoded = 0

        def encode_pixels(self, batch):
            self.n_encoded += len(batch)
            return super().encode_pixels(batch)

    folder = write_pictures(tmp_path / "pictures", 3)
    shutil.copy(folder / "000.jpg", folder / "twin.jpg")
    encoder = Counting()
    store = Store.create(tmp_path / "s", encoder.card)
    summary = embed(open_source(folder), encoder, store, EmbedConfig(batch_size=2, commit_rows=1))
    assert (summary.embedded, summary.reused, encoder.n_encoded) == (4, 1, 3)
    shutil.copy(folder / "001.jpg", folder / "later.jpg")
    assert embed(open_source(folder), encoder, store).reused == 1
    assert encoder.n_encoded == 3
    rows = {Path(row["uri"]).name: row["vector"] for row in rows_of(store)}
    assert rows["twin.jpg"] == rows["000.jpg"]
    assert rows["later.jpg"] == rows["001.jpg"]


def test_an_id_that_comes_again_fails_with_its_reason_and_the_first_stays(tmp_path):
    folder = write_pictures(tmp_path / "pictures", 3)
    uris = [str(folder / f"{n:03}.jpg") for n in range(3)]
    records = [Record(image_id=i, uri=u, source="s") for i, u in zip(["a", "b", "a"], uris, strict=True)]
    store, encoder = new_store(tmp_path / "s")
    summary = embed(Listed([*records, records[1]]), encoder, store)
    assert (summary.embedded, summary.failed) == (2, 2)
    assert {row["uri"] for row in rows_of(store)} == set(uris[:2])
    reasons = sorted(row["reason"] for row in store.failures.to_pylist())
    assert "record 3 came before, for another picture" in reasons[0]
    assert "record 4 came before, for the same picture" in reasons[1]
    embed(Listed([*records, records[1]]), encoder, store)
    assert (store.count(), store.failures.num_rows) == (2, 2)


def test_an_encoder_that_gives_nonsense_fails_the_picture_and_not_the_job(tmp_path):
    class Broken(Pixels):
        def encode_pixels(self, batch):
            vectors = super().encode_pixels(batch)
            vectors[batch.mean(axis=(1, 2, 3)) < 40] = np.nan
            return vectors

    folder = write_pictures(tmp_path / "pictures", 3)
    Image.new("RGB", (64, 64)).save(folder / "black.png")
    store = Store.create(tmp_path / "s", Broken().card)
    assert embed(open_source(folder), Broken(), store).embedded == 3
    (failure,) = store.failures.to_pylist()
    assert failure["stage"] == "encode"


def test_encoded_pictures_are_not_held_until_the_commit(tmp_path):
    data = (write_pictures(tmp_path / "p", 1) / "000.jpg").read_bytes()
    transform = Encoder.load("pixels").transform
    for content in (data, data[:200]):
        record = Record(image_id="a", uri="/t.tar#a.jpg", source="s", data=content)
        assert prepare(record, transform).record.data is None


def test_what_was_encoded_before_the_encoder_failed_is_kept(clades, tmp_path):
    class Failing(Pixels):
        def encode_pixels(self, batch):
            if len(seen := store.batches) == 3:
                raise EncoderError("out of memory")
            seen.append(len(batch))
            return super().encode_pixels(batch)

    store, _ = new_store(tmp_path / "s")
    store.batches = []
    with pytest.raises(EncoderError):
        embed(open_source(clades / "metadata.csv"), Failing(), store, EmbedConfig(batch_size=4))
    assert store.count() == 12


def test_a_job_that_is_asked_to_stop_keeps_what_it_encoded(clades, tmp_path):
    store, encoder = new_store(tmp_path / "s")
    stop = threading.Event()

    def after_some(progress: Progress) -> None:
        if progress.embedded >= 8:
            stop.set()

    config = EmbedConfig(batch_size=4, workers=1)
    summary = embed(open_source(clades / "metadata.csv"), encoder, store, config, progress=after_some, stop=stop)
    assert summary.stopped
    assert 8 <= store.count() == summary.embedded < 48
    rest = embed(open_source(clades / "metadata.csv"), encoder, store)
    assert store.count() == summary.embedded + rest.embedded == 48


def test_a_killed_job_run_again_gives_the_rows_of_an_uninterrupted_one(tmp_path):
    folder = write_pictures(tmp_path / "pictures", 120)
    whole, encoder = new_store(tmp_path / "whole")
    embed(open_source(folder), encoder, whole)
    script = (
        "import sys; from cladescope.embedding.encoder import Encoder; from cladescope.embedding.sources import open_source;"
        "from cladescope.embedding.pipeline import EmbedConfig, embed; from cladescope.index.store import Store;"
        "e = Encoder.load('pixels'); s = Store.open_or_create(sys.argv[2], e.card); print('ready', flush=True);"
        "embed(open_source(sys.argv[1]), e, s, EmbedConfig(batch_size=2, commit_rows=4))"
    )
    generator = random.Random(0)
    partial = []
    for _ in range(3):
        command = [sys.executable, "-c", script, str(folder), str(tmp_path / "killed")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(generator.uniform(0.02, 0.25))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        partial.append(Store.open(tmp_path / "killed").count())
    assert partial == sorted(partial)
    store = Store.open(tmp_path / "killed")
    embed(open_source(folder), encoder, store)
    assert rows_of(store) == rows_of(whole)


def test_another_writer_is_turned_away(clades, tmp_path):
    store, encoder = new_store(tmp_path / "s")
    with store.writing(), pytest.raises(StoreError, match="another job is writing"):
        embed(open_source(clades / "metadata.csv"), encoder, Store.open(tmp_path / "s"))


def test_the_first_records_are_the_same_whatever_the_limit(clades, tmp_path):
    store, encoder = new_store(tmp_path / "s")
    assert embed(open_source(clades / "metadata.csv"), encoder, store, EmbedConfig(limit=5)).embedded == 5
    summary = embed(open_source(clades / "metadata.csv"), encoder, store, EmbedConfig(limit=9))
    assert (summary.embedded, summary.already_stored) == (4, 5)


def test_progress_tells_how_far_and_how_long_still(clades, tmp_path):
    store, encoder = new_store(tmp_path / "s")
    seen: list[Progress] = []
    embed(open_source(clades / "metadata.csv"), encoder, store, EmbedConfig(batch_size=16), progress=seen.append)
    assert [state.done for state in seen][:3] == [16, 32, 48]
    assert seen[0].eta is not None
    assert seen[0].eta > 0
    assert seen[-1].eta == 0


def test_settings_that_cannot_work_are_refused():
    for bad in ({"batch_size": 0}, {"workers": 0}, {"commit_rows": 0}, {"limit": -1}):
        with pytest.raises(InputError, match="it must"):
            EmbedConfig(**bad)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_stands_in_the_ledger(tmp_path):
    folder = write_pictures(tmp_path / "pictures", 2)
    (folder / "000.jpg").chmod(0)
    store, encoder = new_store(tmp_path / "s")
    assert embed(open_source(folder), encoder, store).failed == 1
    assert "no permission" in store.failures.to_pylist()[0]["reason"]


def test_pictures_named_by_urls_are_fetched_and_missing_ones_stand_in_the_ledger(tmp_path):
    folder = write_pictures(tmp_path / "site", 2)
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        lines = ["url,genus", f"{address}/000.jpg,Parus", f"{address}/001.jpg,Corvus", f"{address}/gone.jpg,Parus"]
        (tmp_path / "table.csv").write_text("\n".join(lines))
        store, encoder = new_store(tmp_path / "s")
        summary = embed(open_source(tmp_path / "table.csv"), encoder, store)
        server.shutdown()
    assert (summary.embedded, summary.failed) == (2, 1)
    assert store.failures.to_pylist()[0]["reason"] == f"no such file (404): {address}/gone.jpg"
    local, _ = new_store(tmp_path / "local")
    embed(open_source(folder), encoder, local)
    assert sorted(row["vector"] for row in rows_of(store)) == sorted(row["vector"] for row in rows_of(local))


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, *arguments):
        """Nothing."""


def test_names_that_enter_in_another_spelling_are_counted(tmp_path):
    folder = write_pictures(tmp_path / "pictures", 4)
    names = ["Parus major", "parus major", "Parus\u00a0major", "PARUS MAJOR"]
    lines = [f"{number:03}.jpg,{name}" for number, name in enumerate(names)]
    (folder / "labels.csv").write_text("\n".join(["file,species", *lines, ""]), encoding="utf-8")
    store, encoder = new_store(tmp_path / "s")
    assert embed(open_source(folder / "labels.csv"), encoder, store).respelt == 3
    assert {row["species"] for row in rows_of(store)} == {"Parus major"}


def test_what_names_hold_beside_the_species_gets_columns_when_it_comes_and_is_counted(tmp_path):
    folder = write_pictures(tmp_path / "pictures", 7)
    store, encoder = new_store(tmp_path / "s")
    (folder / "plain.csv").write_text("file,species\n000.jpg,Parus major\n")
    assert embed(open_source(folder / "plain.csv"), encoder, store).names == {}
    assert not NAME_COLUMNS & set(store.schema.names)
    names = ["Parus ater L.", "Salix x alba", "Salix ×alba", "Parus cf. ater", "Parus ater newtoni", "Parus ater"]
    lines = [f"{number:03}.jpg,{name}" for number, name in enumerate(names, start=1)]
    (folder / "more.csv").write_text("\n".join(["file,species", *lines, ""]), encoding="utf-8")
    summary = embed(open_source(folder / "more.csv"), encoder, store)
    assert summary.names == {
        "hybrid sign unified": 2,
        "authorship removed": 1,
        "qualifier": 1,
        "infraspecific": 1,
        "no species": 1,
    }
    columns = ("image_id", "uri", "genus", "species", *(field.name for field in NAME_FIELDS[:4]))
    rows = {row["uri"][-7:-4]: row for row in rows_of(store, columns)}
    assert [rows[f"{number:03}"]["species"] for number in range(7)] == [
        *("Parus major", "Parus ater", "Salix × alba", "Salix × alba", None, "Parus ater", "Parus ater"),
    ]
    assert [rows["004"][part] for part in ("genus", "qualifier", "verbatim_name")] == [
        *("Parus", "cf. ater", "Parus cf. ater"),
    ]
    assert [rows["006"][field.name] for field in NAME_FIELDS[:4]] == [None] * 4
    assert embed(open_source(folder / "more.csv"), encoder, store).already_stored == 6
