"""Jobs whose pictures are decoded in processes: the same rows and failures as by threads."""

import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cladescope
from cladescope.embedding import decoders
from cladescope.embedding.decoder_process import DecoderProcess
from cladescope.embedding.decoders import APART, HERE
from cladescope.embedding.encoders.pixels import Pixels
from cladescope.embedding.pipeline import EmbedConfig, EmbedSummary, embed
from cladescope.embedding.prepare import too_long
from cladescope.embedding.sources import open_source
from cladescope.embedding.transform import ImageTransform
from cladescope.errors import EncoderError
from cladescope.index.store import Store
from tests.embedding.encoding import encode, patches
from tests.embedding.test_decoders import png, tagged
from tests.embedding.treacherous import HANGS, KILLED_ONCE, Treacherous

COLUMNS = ["uri", "content_hash", "width", "height", "date_taken", "keywords", "vector"]


def mixed(folder: Path) -> Path:
    """Good, bad, thin, large, equal and tagged files of several kinds."""
    folder.mkdir(parents=True)
    files = {f"{kind}.png": encode(patches(90, 70), kind) for kind in ("PNG", "GIF", "TIFF", "WEBP", "HEIF", "AVIF")}
    files |= {f"{n}.jpg": encode(Image.fromarray(np.asarray(patches(300 + n, 200))), "JPEG") for n in range(6)}
    files |= {"large.jpg": encode(patches(1600, 1200), "JPEG"), "again.jpg": files["1.jpg"], "tags.jpg": tagged(6)}
    files |= {"cut.jpg": files["2.jpg"][:900], "empty.jpg": b"", "text.jpg": b"no picture", "thin.png": png(4000)}
    files |= {"page.jpg": b"<!doctype html>", "bomb.png": encode(Image.new("1", (19000, 19000)), "PNG")}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def job(source: Any, path: Path, **settings: Any) -> tuple[EmbedSummary, list[Any], list[Any]]:
    """A job's summary, its rows, and its failures."""
    encoder = Pixels()
    store = Store.create(path, encoder.card)
    summary = embed(
        open_source(str(source)), encoder, store, EmbedConfig(**({"workers": 2, "batch_size": 4} | settings))
    )
    columns = [name for name in COLUMNS if name in store.schema.names]
    rows = [row for batch in store.scan(columns) for row in batch.to_pylist()]
    failures = sorted((row["uri"], row["stage"], row["reason"]) for row in store.failures.to_pylist())
    return summary, rows, failures


def test_a_mixed_folder_comes_out_as_by_threads_bit_by_bit(tmp_path: Path) -> None:
    folder = mixed(tmp_path / "photos")
    threads, *others = job(folder, tmp_path / "threads.store", decode_in="threads", exif=True)
    summary, *found = job(folder, tmp_path / "processes.store", decode_in="processes", exif=True)
    assert found == others
    assert summary.failures_by_reason == threads.failures_by_reason
    assert (summary.embedded, summary.failed, summary.reused) == (15, 6, 1)
    assert {row["uri"]: row["date_taken"] for row in found[0]}[str(folder / "tags.jpg")] == "2024-05-17T10:11:12"
    assert summary.decoded == {APART: 21}
    assert threads.decoded == {}
    (note,) = [note for note in summary.notes if "processes" in note]
    assert note.startswith("decoded in processes: 21 pictures, by at most 2 at a time, each began in ")


def test_pictures_of_tars_and_boxes_of_pictures_come_out_as_by_threads(clades: Path, tmp_path: Path) -> None:
    files = sorted(clades.rglob("*.jpg"))[:6]
    subprocess.run(
        ["tar", "-cf", tmp_path / "some.tar", "-C", clades, *(str(file.relative_to(clades)) for file in files)],
        check=True,
    )
    lines = [f"{file},{box}" for file in files for box in ('"0,0,40,40"', '"20,20,50,50"', '"900,900,5,5"')]
    (tmp_path / "boxes.csv").write_text("\n".join(["file,bbox", *lines]))
    for source, n in ((tmp_path / "some.tar", 6), (tmp_path / "boxes.csv", 12)):
        _, *others = job(source, tmp_path / f"{source.stem}-threads.store", decode_in="threads")
        summary, *found = job(source, tmp_path / f"{source.stem}-processes.store", decode_in="processes", workers=1)
        assert found == others
        assert (summary.embedded, len(found[1])) == (n, 18 - n if n == 12 else 0)
        assert summary.decoded == {APART: 6}


class Hanging(Pixels):
    """Its transform hangs at some pictures, or kills the process once."""

    def __init__(self, notes: Path) -> None:
        super().__init__()
        plain = {name: getattr(self.card.transform, name) for name in ImageTransform.__dataclass_fields__}
        self.treacherous = Treacherous(**plain, notes=str(notes))

    @property
    def transform(self) -> ImageTransform:
        return self.treacherous


def test_a_job_goes_on_past_what_hangs_and_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for n in range(12):
        (folder / f"{n:02}.png").write_bytes(png({3: HANGS, 5: KILLED_ONCE, 8: HANGS}.get(n, 60 + n), seed=n))
    ask = DecoderProcess.ask

    def in_vain(*asked: Any) -> None:
        with pytest.raises((EOFError, OSError)):
            ask(*asked)

    def impatient(process: DecoderProcess, data: bytes, wanted: Any) -> Any:
        """What hangs is waited for until it does, and no longer."""
        if int.from_bytes(data[16:20], "big") != HANGS:
            return ask(process, data, wanted)
        threading.Thread(target=in_vain, args=(process, data, wanted)).start()
        while not (tmp_path / str(HANGS)).exists():
            time.sleep(0.01)
        raise TimeoutError

    monkeypatch.setattr(DecoderProcess, "ask", impatient)
    encoder = Hanging(tmp_path)
    store = Store.create(tmp_path / "s", encoder.card)
    summary = embed(
        open_source(str(folder)), encoder, store, EmbedConfig(workers=3, batch_size=2, decode_in="processes")
    )
    assert (summary.embedded, summary.failed) == (10, 2)
    rows = [row["uri"].rpartition("/")[2] for batch in store.scan(["uri"]) for row in batch.to_pylist()]
    assert rows == [f"{n:02}.png" for n in range(12) if n not in (3, 8)]
    assert {(row["stage"], row["reason"]) for row in store.failures.to_pylist()} == {("decode", too_long(120.0))}
    assert [note.partition(" in ")[0] for note in summary.notes[1:]] == [
        "processes that decode pictures died: 1 (SIGKILL 1); they were replaced, and their pictures decoded anew",
        "processes that hung",
    ]


@pytest.mark.parametrize("decode_in", ["processes", "auto"])
def test_where_no_process_starts_auto_goes_on_in_threads_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decode_in: Any
) -> None:
    folder = mixed(tmp_path / "photos")
    _, *others = job(folder, tmp_path / "threads.store", decode_in="threads")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setattr(decoders, "_is_apart", lambda encoder: True)
    monkeypatch.setattr(decoders, "AUTO_WORKERS", 2)
    monkeypatch.setattr(decoders, "AUTO_AFTER", 4)
    if decode_in == "processes":
        with pytest.raises(
            EncoderError, match="a process that decodes pictures cannot be started .*: decode in threads$"
        ):
            job(folder, tmp_path / "s", decode_in=decode_in)
        return
    summary, *found = job(folder, tmp_path / "s", decode_in=decode_in)
    assert found == others
    assert summary.notes[-1].startswith("decoded in threads, for processes could not be started (")


def test_auto_begins_in_threads_and_goes_on_in_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "_is_apart", lambda encoder: True)
    monkeypatch.setattr(decoders, "AUTO_WORKERS", 2)
    monkeypatch.setattr(decoders, "AUTO_AFTER", 5)
    folder = mixed(tmp_path / "photos")
    _, *others = job(folder, tmp_path / "threads.store", decode_in="threads")
    summary, *found = job(folder, tmp_path / "s", decode_in="auto")
    assert found == others
    assert summary.decoded == Counter({APART: 16, HERE: 5})


def test_shards_and_devices_decode_in_processes(clades: Path, tmp_path: Path) -> None:
    whole = cladescope.embed(clades / "metadata.csv", tmp_path / "whole.store", encoder="pixels")
    summary = cladescope.embed(
        clades / "metadata.csv", tmp_path / "s", encoder="pixels", devices=["cpu", "cpu"], decode="processes"
    )
    assert summary.embedded == whole.embedded == 48
    assert summary.decoded == {APART: 48}
    one, other = (
        {
            row["image_id"]: row["vector"]
            for batch in Store.open(path).scan(["image_id", "vector"])
            for row in batch.to_pylist()
        }
        for path in (tmp_path / "whole.store", tmp_path / "s")
    )
    assert one == other
