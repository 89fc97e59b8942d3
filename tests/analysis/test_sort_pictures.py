"""Sorting pictures into folders, and turning it back: nothing lost, nothing overwritten, and everything as it was."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.analysis import placing, sort_log
from cladescope.analysis.sort_log import SortLog, logs_of, read_log
from cladescope.analysis.sort_pictures import check_sort_folder, folder_name, sort_pictures
from cladescope.analysis.undo_sorting import undo_sorting
from cladescope.errors import InputError


def tree(folder):
    """Everything in a folder: what a link says, what a file holds, and when it was changed."""
    return {
        path.relative_to(folder).as_posix(): str(path.readlink())
        if path.is_symlink()
        else (path.read_bytes(), path.stat().st_mtime_ns)
        if path.is_file()
        else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def two(tmp_path):
    """Pictures of one name in two folders, one with a sidecar; and what they show."""
    for name in ("a/IMG_1.jpg", "b/IMG_1.jpg", "b/IMG_2.jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
        os.utime(path, ns=(1, 10**18 + 7))
    (tmp_path / "photos" / "b" / "IMG_1.jpg.xmp").write_text("<x/>")
    names = {"a/IMG_1.jpg": "Parus major", "b/IMG_1.jpg": "Parus major", "b/IMG_2.jpg": "not known"}
    return [(str(tmp_path / "photos" / name), said) for name, said in names.items()]


PLACED = ["Parus major/IMG_1-2.jpg", "Parus major/IMG_1-2.jpg.xmp", "Parus major/IMG_1.jpg", "not known/IMG_2.jpg"]


@pytest.mark.parametrize("by", sort_log.WAYS)
def test_sorting_and_undoing_leave_everything_as_it_was(two, tmp_path, by):
    before, out = tree(tmp_path), tmp_path / "new" / "sorted"
    found = sort_pictures(two, out, by=by)
    assert (found.placed, found.folders, found.renamed, found.sidecars) == (3, 2, 1, 1)
    assert sorted(name for name, content in tree(out).items() if content and "jsonl" not in name) == PLACED
    assert (out / "Parus major" / "IMG_1-2.jpg").read_bytes() == b"b/IMG_1.jpg"
    assert (out / "Parus major" / "IMG_1-2.jpg").stat().st_mtime_ns == 10**18 + 7
    assert (tmp_path / "photos" / "b" / "IMG_1.jpg").exists() == (by != "move")
    undone = undo_sorting(out)
    assert (undone.kept, undone.log_removed) == (0, True)
    assert undone.moved_back + undone.links_removed + undone.copies_removed == 4
    assert tree(tmp_path) == before


@pytest.mark.parametrize("by", ["link", "copy"])
def test_sorting_twice_places_nothing_twice(two, tmp_path, by):
    sort_pictures(two, tmp_path / "sorted", by=by)
    before = tree(tmp_path)
    again = sort_pictures(two, tmp_path / "sorted", by=by)
    assert (again.placed, again.already_there, again.log) == (0, 3, "")
    assert tree(tmp_path) == before


def test_a_second_sorting_by_other_names_says_that_pictures_stand_twice_and_each_is_undone_alone(two, tmp_path):
    sort_pictures(two, tmp_path / "sorted")
    first = tree(tmp_path / "sorted")
    found = sort_pictures([(uri, "Paridae") for uri, _ in two], tmp_path / "sorted")
    assert (found.placed, found.elsewhere_too) == (3, 3)
    assert [path.name for path in logs_of(tmp_path / "sorted")] == ["sorted-1.jsonl", "sorted-2.jsonl"]
    assert undo_sorting(tmp_path / "sorted").log.endswith("sorted-2.jsonl")
    assert tree(tmp_path / "sorted") == first


@pytest.mark.parametrize("by", ["copy", "move"])
def test_a_file_that_is_there_is_never_overwritten(two, tmp_path, by):
    theirs = tmp_path / "sorted" / "Parus major" / "IMG_1.jpg"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"another picture")
    before = tree(tmp_path)
    assert sort_pictures(two, tmp_path / "sorted", by=by).renamed == 2
    assert theirs.read_bytes() == b"another picture"
    undo_sorting(tmp_path / "sorted")
    assert tree(tmp_path) == before


def across_disks(monkeypatch):
    """Let each rename between folders fail as between disks; drafts are renamed within one."""
    rename = Path.replace

    def replace(self, target):
        if self.parent != Path(target).parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", replace)


def test_a_move_to_another_disk_and_back_keeps_content_and_times(two, tmp_path, monkeypatch):
    across_disks(monkeypatch)
    before = tree(tmp_path)
    assert sort_pictures(two, tmp_path / "sorted", by="move").placed == 3
    assert not list((tmp_path / "photos").rglob("*.jpg"))
    assert undo_sorting(tmp_path / "sorted").moved_back == 4
    assert tree(tmp_path) == before


def test_an_original_stays_where_its_copy_on_another_disk_differs(two, tmp_path, monkeypatch):
    across_disks(monkeypatch)
    monkeypatch.setattr(placing, "is_same", lambda *_: False)
    before = tree(tmp_path)
    found = sort_pictures(two, tmp_path / "sorted", by="move")
    assert (found.placed, found.refused, found.reason) == (0, 3, "IMG_1.jpg: the copy differs from its original")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("by", ["copy", "move"])
def test_on_a_full_disk_nothing_is_lost_and_a_later_run_goes_on(two, tmp_path, monkeypatch, by):
    across_disks(monkeypatch)
    before, copy = tree(tmp_path), shutil.copyfile

    def copyfile(source, target):
        copy(source, target)
        if Path(source).name == "IMG_1.jpg" and "/b/" in str(source):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", copyfile)
    found = sort_pictures(two, tmp_path / "sorted", by=by)
    assert (found.is_full, found.placed) == (True, 1)
    there = tree(tmp_path)
    assert not [name for name in there if ".part-" in name]
    contents = {content[0] for content in there.values() if isinstance(content, tuple)}
    assert {content[0] for content in before.values() if content} <= contents
    monkeypatch.setattr(shutil, "copyfile", copy)
    left = [(uri, name) for uri, name in two if Path(uri).exists()]
    assert sort_pictures(left, tmp_path / "sorted", by=by).placed == 2
    undo_sorting(tmp_path / "sorted")
    undo_sorting(tmp_path / "sorted")
    assert tree(tmp_path) == before


def test_a_run_killed_at_any_line_of_its_log_is_turned_back(two, tmp_path, monkeypatch):
    before, done = tree(tmp_path), placing.place
    for by in sort_log.WAYS:
        for n_done in range(4):
            placed = []

            def killed(source, target, how, placed=placed, n_done=n_done):
                if len(placed) == n_done:
                    if how != "link":
                        target.touch()  # the name was taken, and no more
                    raise KeyboardInterrupt
                placed.append(target)
                done(source, target, how)

            monkeypatch.setattr("cladescope.analysis.sort_pictures.place", killed)
            with pytest.raises(KeyboardInterrupt):
                sort_pictures(two, tmp_path / "sorted", by=by)
            assert undo_sorting(tmp_path / "sorted").kept == 0
            assert tree(tmp_path) == before, (by, n_done)


def test_what_cannot_be_turned_back_is_kept_and_told_with_its_log(two, tmp_path):
    out = tmp_path / "sorted"
    sort_pictures(two, out, by="copy")
    (out / "not known" / "IMG_2.jpg").write_bytes(b"edited")
    Path(two[0][0]).unlink()
    undone = undo_sorting(out)
    assert (undone.copies_removed, undone.kept, undone.log_removed) == (2, 2, False)
    assert undone.reasons == [
        "not known/IMG_2.jpg: it differs from its original now",
        "Parus major/IMG_1.jpg: it is the only copy: its original is gone",
    ]
    assert (out / "Parus major" / "IMG_1.jpg").read_bytes() == b"a/IMG_1.jpg"
    Path(two[0][0]).write_bytes(b"a/IMG_1.jpg")
    (out / "not known" / "IMG_2.jpg").unlink()
    assert undo_sorting(out).kept == 0
    assert not out.exists()


def test_a_moved_picture_does_not_return_over_another(two, tmp_path):
    sort_pictures(two, tmp_path / "sorted", by="move")
    Path(two[2][0]).write_bytes(b"new")
    undone = undo_sorting(tmp_path / "sorted" / "sorted-1.jsonl")
    assert (undone.moved_back, undone.kept) == (3, 1)
    assert Path(two[2][0]).read_bytes() == b"new"
    assert (tmp_path / "sorted" / "not known" / "IMG_2.jpg").read_bytes() == b"b/IMG_2.jpg"


def test_what_is_no_file_is_counted_and_boxes_lie_in_each_of_their_folders(two, tmp_path):
    uri = two[0][0]
    named = [
        *[("https://a.org/tit.jpg", "x"), ("memory:1", "x"), (str(tmp_path / "a.zip") + "#tit.jpg", "x")],
        *[(f"{uri}#box=0,0,9,9", "Parus major"), (f"{uri}#box=9,0,9,9", "Corvus corax"), (f"{uri}#box=3,0,9,9", "Parus major")],
    ]  # fmt: skip
    found = sort_pictures(named, tmp_path / "sorted")
    assert (found.no_file, found.placed) == (3, 2)
    moved = sort_pictures(named, tmp_path / "moved", by="move")
    assert (moved.placed, moved.several_names) == (0, 1)
    link = Path(uri).with_name("link.jpg")
    link.symlink_to(uri)
    assert sort_pictures([(str(link), "x")], tmp_path / "moved", by="move").links_left == 1
    assert not (tmp_path / "moved").exists()


def test_pictures_that_lie_in_the_folder_already_stay(two, tmp_path):
    photos = tmp_path / "photos"
    sort_pictures(two, photos, by="move")
    again = [(str(path), "Corvus corax") for path in photos.rglob("*.jpg")]
    found = sort_pictures(again, photos, by="move")
    assert (found.placed, found.inside, found.already_there) == (0, 3, 0)


def test_a_folder_that_cannot_be_is_refused_before_anything_is_done(two, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="is a file, expected a folder"):
        check_sort_folder(Path(two[0][0]))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match="may not be written"):
        check_sort_folder(tmp_path / "sorted")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is no log of a sorting"),
        ("[1]\n", "is no log of a sorting"),
        ('{"log": "cladescope sorted pictures", "version": 1}\nx\n{}\n', "is damaged in line 2"),
        (
            '{"log": "cladescope sorted pictures", "version": 1}\n{"did": "copy", "to": "../a", "from": "/b"}\n',
            "no act",
        ),
        ('{"log": "cladescope sorted pictures", "version": 1}\n{"did": "copy", "to": "/a", "from": "/b"}\n', "no act"),
    ],
)
def test_a_file_that_is_no_log_is_refused(tmp_path, text, reason):
    (tmp_path / "sorted-1.jsonl").write_text(text)
    with pytest.raises(InputError, match=reason):
        undo_sorting(tmp_path)


def test_an_act_that_another_process_was_quicker_with_is_taken_back_in_the_log(tmp_path):
    with SortLog(tmp_path, "move", made_folders=0, made_by={}) as log:
        log.will("move", tmp_path / "a.jpg", Path("/photos/a.jpg"))
        log.did_not(tmp_path / "a.jpg")
        log.will("move", tmp_path / "a-2.jpg", Path("/photos/a.jpg"))
    assert [entry.to.name for entry in read_log(log.path)[1]] == ["a-2.jpg"]


@settings(max_examples=200)
@given(st.text())
def test_any_name_makes_a_folder_that_lies_where_it_should(name):
    made = folder_name(name)
    assert Path("a", made).parts == ("a", made)
    assert made not in (".", "..")
    assert len(made.encode()) <= 255
