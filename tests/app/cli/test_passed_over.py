"""Files of a folder that are no pictures are counted by every verb that reads folders."""

import shutil

import pytest


@pytest.mark.parametrize(
    "command",
    [
        ["predict", "FOLDER", "-k", "1"],
        ["duplicates", "FOLDER"],
        ["fit", "FOLDER", "--encoder", "pixels", "--out", "c.safetensors"],
        ["embed", "FOLDER", "--store", "s", "--encoder", "pixels"],
    ],
    ids=lambda command: command[0],
)
def test_videos_and_raw_files_are_counted_and_named_by_their_ending(run, clades, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "cards"
    for species in sorted((clades / "images").iterdir())[:2]:
        shutil.copytree(species, folder / species.name)
    for name in ("MVI_0001.mp4", "MVI_0002.mp4", "IMG_0003.cr2"):
        (folder / name).write_bytes(b"no picture")
    ended = run(*(str(folder) if word == "FOLDER" else word for word in command))
    assert ended.status == 0, ended.err
    assert "files that are not named as pictures 3: .mp4 2, .cr2 1" in ended.out + ended.err
