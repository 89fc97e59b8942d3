"""Folders, patterns and single files as sources."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.embedding.folder_names import scheme_ranks
from cladescope.embedding.labels import clean_labels
from cladescope.embedding.locations import read_bytes
from cladescope.embedding.records import id_of_uri, ignored_by, left_out_of
from cladescope.embedding.sources import open_source
from cladescope.errors import InputError
from tests.conftest import REPOSITORY
from tests.embedding.reading import INAT, LINEAGE, names, put, read


def test_sources_load_neither_torch_nor_a_store() -> None:
    code = "import sys, cladescope.embedding.sources; print({'torch', 'lancedb', 'faiss'} & set(sys.modules))"
    run = [sys.executable, "-c", code]
    root = REPOSITORY
    assert subprocess.run(run, capture_output=True, check=True, cwd=root, text=True).stdout.strip() == "set()"


def test_a_nested_folder_gives_its_pictures_in_order_with_their_labels(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "b/1.jpeg", "a.png", "c/d/3.Webp", "c/notes.txt", f"{INAT}/x/4.heic"):
        put(tmp_path / name)
    records = read(tmp_path, name="photos")
    relative = [record.uri.removeprefix(f"{tmp_path}/") for record in records]
    assert relative == [f"{INAT}/x/4.heic", "a.png", "b/1.jpeg", "b/2.JPG", "c/d/3.Webp"]
    assert [record.extra["label"] for record in records] == [None, None, "b", "b", "d"]
    assert records[0].labels == LINEAGE
    assert all(record.source == "photos" and record.image_id == id_of_uri(record.uri) for record in records)
    assert [read_bytes(record.uri) for record in records] == [b"picture"] * 5


def test_a_folder_is_named_after_itself_and_resolved(tmp_path: Path) -> None:
    put(tmp_path / "birds/1.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "birds")
    (record,) = read(tmp_path / "link")
    assert (record.source, record.uri) == ("birds", f"{tmp_path}/birds/1.jpg")


def test_hidden_files_and_thumbnails_are_left_out(tmp_path: Path) -> None:
    for name in (".a.jpg", "__MACOSX/b.jpg", ".thumbnails/c.jpg", "d.jpg"):
        put(tmp_path / name)
    assert names(read(tmp_path)) == ["d.jpg"]


def test_thumbnails_and_deleted_files_of_drives_are_left_out_and_counted(tmp_path: Path) -> None:
    for name in ("x/a.jpg", "x/@eaDir/a.jpg/THUMB.jpg", "#recycle/b.jpg", "$RECYCLE.BIN/c.jpg"):
        put(tmp_path / name)
    source = open_source(tmp_path)
    assert names(list(source.records())) == ["a.jpg"]
    assert left_out_of(source) == {"folders of thumbnails or deleted files": 3}


def test_other_files_are_counted_once(tmp_path: Path) -> None:
    for name in ("a.jpg", "b/1.txt", "c/2.TXT", "README"):
        put(tmp_path / name)
    source = open_source(tmp_path)
    for _ in range(2):
        list(source.records())
        assert ignored_by(source) == {".txt": 2, "without ending": 1}


def test_a_folder_without_pictures_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    put(tmp_path / "a/shard.tar")
    put(tmp_path / "notes.pdf")
    with pytest.raises(InputError, match=r"no pictures in .*2 other files .*\.tar 1.*\.jpg.*FOLDER/\*\.tar"):
        open_source(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no pictures in .*empty, it is empty: expected"):
        open_source(tmp_path / "empty")


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    put(tmp_path / "a/1.jpg")
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "c.jpg").symlink_to("c.jpg")
    first, looped = read(tmp_path)
    assert first.uri == f"{tmp_path}/a/1.jpg"
    assert looped.problem == f"is a link that leads to itself: {tmp_path}/c.jpg"


def test_one_picture_has_one_address_with_and_without_a_link(tmp_path: Path) -> None:
    for name in ("all/a/1.jpg", "other/2.jpg", ".hidden/3.jpg"):
        put(tmp_path / name)
    for link, target in (("all/b", "all/a"), ("all/0", "other"), ("all/9", "other"), ("all/h", ".hidden")):
        (tmp_path / link).symlink_to(tmp_path / target)
    source = open_source(tmp_path / "all")
    records = list(source.records())
    assert [record.uri.removeprefix(f"{tmp_path}/") for record in records] == [
        "other/2.jpg",
        "all/a/1.jpg",
        ".hidden/3.jpg",
    ]
    assert [record.extra["label"] for record in records] == [None, "a", "h"]
    assert left_out_of(source) == {"pictures that a link leads to again": 2}
    assert names(read(f"{tmp_path}/all/b/*.jpg")) == ["1.jpg"]
    table = put(tmp_path / "all/m.csv", b"file\nb/1.jpg\na/1.jpg\n0/../other/2.jpg\n")
    assert [record.uri for record in read(table)] == [f"{tmp_path}/all/a/1.jpg"] * 2 + [f"{tmp_path}/other/2.jpg"]


def test_folders_may_lie_as_deep_as_names_can_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(1500):
        os.mkdir("d")  # noqa: PTH102
        os.chdir("d")
    Path("1.jpg").write_bytes(b"picture")
    monkeypatch.chdir(tmp_path)
    try:
        assert [record.problem for record in open_source(tmp_path).records()] == [None]
    finally:
        subprocess.run(["rm", "-rf", f"{tmp_path}/d"], check=True)


@pytest.mark.parametrize("ending", ["jp2", "j2k", "JPX", "mpo", "jfif", "bmp", "avif", "hif", "apng"])
def test_every_ending_of_a_format_that_is_read_is_a_picture(tmp_path: Path, ending: str) -> None:
    put(tmp_path / f"photos/a.{ending}")
    assert names(read(tmp_path / "photos")) == names(read(tmp_path / f"photos/a.{ending}")) == [f"a.{ending}"]


def test_what_cannot_be_read_becomes_a_problem_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/1.jpg", "b/2.jpg", "c.jpg", "d.jpg"):
        put(tmp_path / name)
    (tmp_path / "e.jpg").symlink_to(tmp_path / "nowhere.jpg")
    os.mkfifo(tmp_path / "f.jpg")
    scandir, access = os.scandir, os.access

    def guarded(folder: str) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
        if str(folder).endswith("/a"):
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr("cladescope.embedding.sources.walk.os.scandir", guarded)
    monkeypatch.setattr(
        "cladescope.embedding.sources.walk.os.access",
        lambda path, mode: not path.endswith("/c.jpg") and access(path, mode),
    )
    problems = {Path(record.uri).name: record.problem for record in read(tmp_path)}
    assert problems == {
        "a": f"no permission to read {tmp_path}/a",
        "2.jpg": None,
        "c.jpg": f"no permission to read {tmp_path}/c.jpg",
        "d.jpg": None,
        "e.jpg": f"is a broken link: {tmp_path}/e.jpg",
        "f.jpg": f"is a pipe (FIFO), not a file: {tmp_path}/f.jpg",
    }


def test_an_unreadable_root_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: str) -> None:
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr("cladescope.embedding.sources.walk.os.scandir", refuse)
    with pytest.raises(InputError, match=f"^no permission to read {tmp_path}$"):
        open_source(tmp_path)


def test_a_name_that_is_not_utf8_becomes_a_problem(tmp_path: Path) -> None:
    put(tmp_path / "a.jpg")
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).write_bytes(b"picture")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    first, second = read(tmp_path)
    assert first.problem is None
    assert second.uri == f"{tmp_path}/caf\\xe9.jpg"
    assert second.problem is not None
    assert second.problem.startswith("its name is not UTF-8")


def test_a_remote_folder_gives_urls(remote: fsspec.AbstractFileSystem) -> None:
    for name in ("/photos/b/2.jpg", "/photos/1.jpg", "/photos/notes.txt", f"/photos/{INAT}/3.jpg"):
        remote.pipe(name, b"picture")
    records = read("memory://photos")
    assert [record.uri for record in records] == [
        f"memory:///photos/{INAT}/3.jpg",
        "memory:///photos/1.jpg",
        "memory:///photos/b/2.jpg",
    ]
    assert records[0].labels == LINEAGE
    assert [read_bytes(record.uri) for record in records] == [b"picture"] * 3
    with pytest.raises(InputError, match="no such folder: memory:///nowhere"):
        open_source("memory://nowhere")


@given(st.lists(st.sampled_from(["", "Animalia", "Insecta", "unknown"]), min_size=6, max_size=6))
def test_empty_parts_of_an_inat21_folder_are_null(parts: list[str]) -> None:
    labels = clean_labels(scheme_ranks(f"00012_{'_'.join(parts)}_atalanta"))
    ranks = ("kingdom", "phylum", "class", "order", "family", "genus")
    expected = {rank: part for rank, part in zip(ranks, parts, strict=True) if part not in ("", "unknown")}
    if "genus" in expected:
        expected["species"] = f"{expected['genus']} atalanta"
    else:  # counted, not lost
        expected |= {"qualifier": "atalanta", "verbatim_name": "atalanta"}
    assert labels == expected


# Patterns and single files


def test_a_pattern_gives_the_pictures_that_match(tmp_path: Path) -> None:
    for name in ("a/1.jpg", "a/2.png", "a/b/3.jpg", "c/4.jpg", "5.jpg"):
        put(tmp_path / name)
    assert names(read(f"{tmp_path}/**/*.jpg")) == ["5.jpg", "1.jpg", "3.jpg", "4.jpg"]
    assert names(read(f"{tmp_path}/*/*.jpg")) == ["1.jpg", "4.jpg"]
    assert names(read(f"{tmp_path}/[a]/?.{{png,jpg}}")) == ["1.jpg", "2.png"]
    assert names(read(f"{tmp_path}/{{a,c}}/*.jpg")) == ["1.jpg", "4.jpg"]


def test_a_relative_pattern_starts_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "photos/1.jpg")
    monkeypatch.chdir(tmp_path)
    for spec in ("*/*.jpg", "photos/*.jpg", "**/1.jpg", "./photos/*"):
        assert [record.uri for record in read(spec)] == [f"{tmp_path}/photos/1.jpg"]


def test_a_pattern_that_matches_nothing_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "a.jpg")
    with pytest.raises(InputError, match=r"no picture that matches \*\.png in [^,]*: expected"):
        open_source(f"{tmp_path}/*.png")
    with pytest.raises(InputError, match=r"no such folder: .*/none"):
        open_source(f"{tmp_path}/none/*.png")
    with pytest.raises(InputError, match=r"nothing matches '.*\*\.csv': check the name"):
        open_source(f"{tmp_path}/*.csv")
    (tmp_path / "a.csv").write_text("file\na.jpg\n")
    with pytest.raises(InputError, match="give one manifest"):
        open_source(f"{tmp_path}/*.csv")


def test_a_remote_pattern_gives_the_pictures_that_match(remote: fsspec.AbstractFileSystem) -> None:
    for name in ("/photos/a/1.jpg", "/photos/2.jpg", "/photos/3.png"):
        remote.pipe(name, b"picture")
    assert names(read("memory://photos/**/*.jpg")) == ["2.jpg", "1.jpg"]
    assert names(read("memory://photos/*.{jpg,png}")) == ["2.jpg", "3.png"]


def test_a_single_picture_is_one_record(tmp_path: Path, remote: fsspec.AbstractFileSystem) -> None:
    put(tmp_path / "a/tit.jpg")
    put(tmp_path / "a/tit[1].jpg")
    remote.pipe("/tit.jpg", b"tit")
    (record,) = read(tmp_path / "a/tit.jpg")
    assert (record.uri, record.source) == (f"{tmp_path}/a/tit.jpg", "tit")
    assert names(read(f"{tmp_path}/a/tit[1].jpg")) == ["tit[1].jpg"]
    assert [record.uri for record in read("memory://tit.jpg")] == ["memory://tit.jpg"]


def test_a_source_that_is_nothing_is_refused_with_what_is_accepted(tmp_path: Path) -> None:
    put(tmp_path / "notes.pdf")
    with pytest.raises(InputError, match=r"found the file .*notes.pdf: expected a folder, a picture"):
        open_source(tmp_path / "notes.pdf")
    with pytest.raises(InputError, match=r"no such file or folder: .*/none: check the name$"):
        open_source(tmp_path / "none")
    with pytest.raises(InputError, match=r"no such file or folder: .*/note.pdf \(did you mean notes.pdf\?\)$"):
        open_source(tmp_path / "note.pdf")
    with pytest.raises(InputError, match="found ''"):
        open_source("")
