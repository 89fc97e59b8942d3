"""Pictures known by their first bytes, whatever their files are called."""

import os
from pathlib import Path

import fsspec
import pytest

import cladescope
from cladescope.embedding.decode import decode
from cladescope.embedding.records import ignored_by
from cladescope.embedding.sources import open_source
from cladescope.errors import InputError, PictureError
from tests.embedding.encoding import encode, patches
from tests.embedding.reading import names, put, remote

__all__ = ["remote"]
VIDEO = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(1000)


def pictures(folder: Path) -> Path:
    put(folder / "a.png", encode(patches(), "JPEG"))  # the wrong ending
    put(folder / "b.dat", encode(patches(), "PNG"))
    put(folder / "c", encode(patches(), "GIF"))
    put(folder / "d.jpg_original", encode(patches(), "JPEG"))
    put(folder / "e.jpg.download", encode(patches(), "WEBP"))
    put(folder / "f.txt", b"BM is how this text begins, and it is no picture")
    put(folder / "g.mp4", VIDEO)
    put(folder / "h.csv", b"file\na.png\n")
    put(folder / ".hidden", encode(patches(), "PNG"))
    os.mkfifo(folder / "pipe")
    return folder


def test_a_folder_by_content_has_every_picture_and_counts_what_is_none(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "photos")
    plain, looked = open_source(folder), open_source(folder, by_content=True)
    assert names(list(plain.records())) == ["a.png"]
    found = list(looked.records())
    assert names(found) == ["a.png", "b.dat", "c", "d.jpg_original", "e.jpg.download"]
    assert looked.count() == 5
    assert ignored_by(looked) == {".txt": 1, ".mp4": 1, ".csv": 1, "without ending": 1}
    assert ignored_by(plain).keys() == {".dat", ".jpg_original", ".download", ".txt", ".mp4", ".csv", "without ending"}


def test_embed_by_content_takes_folders_patterns_and_single_files(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "photos")
    summary = cladescope.embed(folder, tmp_path / "s.store", encoder="pixels", by_content=True)
    assert (summary.embedded, summary.failed, summary.ignored[".mp4"]) == (5, 0, 1)
    assert names(list(open_source(f"{folder}/*.dat", by_content=True).records())) == ["b.dat"]
    assert names(list(open_source(folder / "c", by_content=True).records())) == ["c"]
    for name in ("f.txt", "g.mp4", "pipe"):
        with pytest.raises(InputError):
            open_source(folder / name, by_content=True)


def test_remote_folders_are_looked_into_too(remote: fsspec.AbstractFileSystem) -> None:
    remote.pipe("/p/a.dat", encode(patches(), "PNG"))
    remote.pipe("/p/b.dat", b"text")
    assert names(list(open_source("memory://p", by_content=True).records())) == ["a.dat"]
    with pytest.raises(InputError, match="no pictures"):
        open_source("memory://p")


@pytest.mark.parametrize(
    "content, kind",
    [
        (VIDEO, "a video"),
        (b"<html>secret words</html>", "a web page"),
        (b"BM secret words", "text"),
        (b"secret", "text"),
    ],
)
def test_what_is_no_picture_says_its_kind_and_nothing_of_its_content(content: bytes, kind: str) -> None:
    with pytest.raises(PictureError, match=f"not a picture but {kind}") as refusal:
        decode(content)
    assert "secret" not in str(refusal.value)
