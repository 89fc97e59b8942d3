"""Artefacts are written whole or not at all, and what a killed job left aside does not stay."""

import json
import os
import subprocess
import sys

import pytest

from cladescope.files import PART, hash_file, is_sealed, leftovers, replacing, sealed, write_json


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


@pytest.fixture
def gone():
    """The number of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_a_file_takes_its_name_when_it_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with replacing(path) as draft:
        draft.write_text("after")
        assert path.read_text() == "before"
    assert (path.read_text(), names(tmp_path)) == ("after", ["a.txt"])


def test_a_block_that_fails_leaves_what_stood_there_and_no_draft(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")

    def fail(error):
        with replacing(path) as draft:
            draft.write_text("half")
            raise error

    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            fail(error)
    assert (path.read_text(), names(tmp_path)) == ("before", ["a.txt"])


def test_a_folder_takes_its_name_when_it_is_whole_and_never_that_of_a_full_one(tmp_path):
    path = tmp_path / "map"
    path.mkdir()
    with replacing(path) as draft:
        draft.mkdir()
        (draft / "map.json").write_text("{}")
        assert names(path) == []
    assert names(path) == ["map.json"]
    with pytest.raises(OSError, match="not empty"), replacing(path) as draft:
        draft.mkdir()
    assert (names(tmp_path), names(path)) == (["map"], ["map.json"])


def test_what_a_killed_process_left_is_cleared_away_and_that_of_a_living_one_is_not(tmp_path, gone):
    path = tmp_path / "a.txt"
    dead, living, other = (
        tmp_path / f"{PART}{gone}-a.txt",
        tmp_path / f"{PART}{os.getppid()}-a.txt",
        tmp_path / f"{PART}{gone}-b.txt",
    )
    dead.mkdir()
    (dead / "half").write_text("")
    for file in (living, other):
        file.write_text("half")
    assert leftovers(path) == [dead]
    with replacing(path) as draft:
        draft.write_text("whole")
    assert names(tmp_path) == sorted([living.name, other.name, "a.txt"])


def test_a_sealed_document_knows_its_own_change(tmp_path):
    document = sealed({"b": [1, 2.5, None], "a": {"é": "x"}})
    assert is_sealed(document)
    assert not is_sealed(document | {"b": [1, 2.5]})
    assert sealed(document) == document
    write_json(tmp_path / "a.json", document)
    first = hash_file(tmp_path / "a.json")
    (tmp_path / "a.json").write_bytes((tmp_path / "a.json").read_bytes() + b" ")
    assert (len(first), hash_file(tmp_path / "a.json") != first) == (32, True)


def test_json_keeps_letters_and_bytes_that_are_no_letters(tmp_path):
    names = {"letters": "Kohlmeise é 鳥", "bytes": os.fsdecode(b"\xff.jpg")}
    write_json(tmp_path / "a.json", {"letters": names["letters"]})
    assert "Kohlmeise é 鳥" in (tmp_path / "a.json").read_text(encoding="utf-8")
    write_json(tmp_path / "b.json", names)
    assert json.loads((tmp_path / "b.json").read_text(encoding="utf-8")) == names
