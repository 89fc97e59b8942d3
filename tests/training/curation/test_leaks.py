"""Excluded pictures: whatever was done to them they are found, and a list that hits nothing is an error."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from cladescope.embedding.encoder import Encoder
from cladescope.errors import InputError
from cladescope.training.curation import leaks as stage_module
from cladescope.training.curation.encode import encode
from cladescope.training.curation.leaks import leaks
from cladescope.training.curation.sections import ExcludeConfig, KindsConfig
from tests.analysis.duplicates.made import photograph, photographs
from tests.training.curation.test_single import CHANGES, job_of, row_of, saved

pytest.importorskip(
    "pdqhash", reason="perceptual hashes need the package pdqhash (it is compiled on Linux: a C++ compiler)"
)


@pytest.fixture
def rows(tmp_path):
    """Six photographs of ours, changed copies of the first five held-out ones, and the sixth as it is."""
    held_out = photographs(tmp_path / "held-out", 8, first=100)
    folder = tmp_path / "pictures"
    folder.mkdir()
    own = [saved(photograph(seed), folder / f"{seed}.jpg", 92) for seed in range(6)]
    copies = [
        saved(change(photograph(100 + number)), folder / f"leak-{number}.jpg", 40 if name == "saved anew" else 88)
        for number, (name, change) in enumerate(CHANGES.items())
    ]
    exact = shutil.copy(held_out[5], folder / "exact.jpg")
    return [row_of(path) for path in (*own, *copies, folder / exact)]


def job_with(tmp_path, rows, *excluded):
    job = job_of(tmp_path, rows, before="look")
    job.config = replace(job.config, exclude=excluded)
    return job


def result(job):
    return [row for table in job.scan("leaks") for row in table.to_pylist()]


def test_changed_copies_of_excluded_pictures_are_dropped_and_no_other(tmp_path, rows):
    (tmp_path / "held-out" / "broken.jpg").write_bytes(b"no picture")
    job = job_with(tmp_path, rows, ExcludeConfig(pictures=str(tmp_path / "held-out")))
    leaks(job)
    found = result(job)
    assert [row["dropped"] for row in found[:6]] == [None] * 6
    assert [row["dropped"] for row in found[6:]] == ["leaks: shows an excluded picture (held-out)"] * 6
    assert [row["leak"] for row in found] == [None] * 6 + [f"held-out: {number}.jpg" for number in range(6)]
    assert found[11]["leak_likeness"] == 1
    assert all(0.8 <= row["leak_likeness"] <= 1 for row in found[6:])
    hits = job.manifest("leaks")["more"]["hits"]
    assert hits == {"held-out": {"pictures": 9, "unreadable": 1, "hit": 6, "dropped": 6}}
    assert job.manifest("leaks")["more"]["crops_sought"] is True


def test_hashes_alone_lead_to_all_but_crops(tmp_path, rows, monkeypatch):
    monkeypatch.setattr(stage_module, "PARTS_UP_TO", 0)
    job = job_with(tmp_path, rows, ExcludeConfig(pictures=str(tmp_path / "held-out")))
    leaks(job)
    dropped = {row["row"] for row in result(job) if row["dropped"]}
    assert dropped | {8} == {6, 7, 8, 9, 10, 11}
    assert job.manifest("leaks")["more"]["crops_sought"] is False


def test_near_vectors_lead_to_crops_too_and_a_second_run_encodes_nothing(tmp_path, rows, monkeypatch):
    monkeypatch.setattr(stage_module, "PARTS_UP_TO", 0)
    monkeypatch.setattr(stage_module, "NEIGHBOURS", 1)
    monkeypatch.setattr(stage_module, "_by_hash", lambda *_: np.empty((0, 2), np.int64))
    job = job_with(tmp_path, rows, ExcludeConfig(pictures=str(tmp_path / "held-out")))
    job.config, job.load_encoder = replace(job.config, kinds=KindsConfig(encoder="pixels")), Encoder.load
    encode(job)
    leaks(job)
    before = {part.name: part.read_bytes() for part in (job.work / "leaks").glob("part-*")}
    # The vector of the grey copy is far from that of its original; its hash is not.
    assert {row["row"] for row in result(job) if row["dropped"]} == {6, 7, 8, 10, 11}
    assert job.manifest("leaks")["more"]["excluded_without_vector"] == 0
    for name in ("manifest.json", *before):
        (job.work / "leaks" / name).unlink()
    monkeypatch.setattr(stage_module, "encoded", None)
    leaks(job)
    assert {part.name: part.read_bytes() for part in (job.work / "leaks").glob("part-*")} == before


def test_an_excluded_picture_that_cannot_be_encoded_is_counted(tmp_path, rows, monkeypatch):
    job = job_with(tmp_path, rows, ExcludeConfig(pictures=str(tmp_path / "held-out")))
    job.config, job.load_encoder = replace(job.config, kinds=KindsConfig(encoder="pixels")), Encoder.load
    encode(job)
    by_hash = stage_module._by_hash

    def lost(*given):
        """What is done just before the excluded pictures are encoded."""
        found = by_hash(*given)
        (tmp_path / "held-out" / "7.jpg").unlink()
        return found

    monkeypatch.setattr(stage_module, "_by_hash", lost)
    monkeypatch.setattr(stage_module, "PARTS_UP_TO", 0)
    leaks(job)
    assert job.manifest("leaks")["more"]["excluded_without_vector"] == 1


def test_a_list_that_hits_nothing_is_an_error_unless_it_need_not(tmp_path, rows):
    photographs(tmp_path / "strangers", 2, first=500)
    job = job_with(tmp_path, rows, ExcludeConfig(pictures=str(tmp_path / "strangers")))
    with pytest.raises(InputError, match=r"of strangers hit nothing \(2 pictures, compared with 12\)"):
        leaks(job)
    lists = [ExcludeConfig(pictures=str(tmp_path / name), must_hit=False) for name in ("strangers", "held-out")]
    job = job_with(tmp_path / "again", rows, *lists)
    leaks(job)
    hits = job.manifest("leaks")["more"]["hits"]
    assert hits["strangers"] == {"pictures": 2, "unreadable": 0, "hit": 0, "dropped": 0}
    assert hits["held-out"]["dropped"] == 6


@pytest.mark.parametrize("key", ["taxa", "ids"])
def test_pictures_must_hit_by_themselves_beside_taxa_or_ids(tmp_path, rows, key):
    photographs(tmp_path / "strangers", 2, first=500)
    job = job_with(tmp_path, rows, ExcludeConfig(pictures=str(tmp_path / "strangers"), **{key: "list.csv"}))
    with pytest.raises(InputError, match=r"strangers hit nothing .* put pictures into an \[\[exclude\]\] of its own"):
        leaks(job)


def test_a_list_without_a_picture_that_can_be_read_is_an_error(tmp_path, rows):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.jpg").write_bytes(b"no picture")
    job = job_with(tmp_path, rows, ExcludeConfig(pictures=str(tmp_path / "broken"), must_hit=False))
    with pytest.raises(InputError, match="none of the 1 excluded pictures of broken can be read"):
        leaks(job)


def test_without_lists_all_stay(tmp_path, rows):
    job = job_with(tmp_path, rows)
    leaks(job)
    assert all(row["dropped"] is None for row in result(job))
    assert job.manifest("leaks")["more"]["hits"] == {}


def test_what_was_dropped_before_stays_so_and_is_not_compared(tmp_path, rows):
    gone = {**rows[11], "dropped": "screen: licence forbids (by-nd)", "pdq": None, "content_hash": None}
    job = job_with(tmp_path, [*rows[:11], gone], ExcludeConfig(pictures=str(tmp_path / "held-out")))
    leaks(job)
    assert result(job)[11]["dropped"] == "screen: licence forbids (by-nd)"
    assert job.manifest("leaks")["more"]["hits"]["held-out"]["hit"] == 5


def test_a_second_run_gives_the_same_bytes_and_does_not_decode_again(tmp_path, rows, monkeypatch):
    exclude = ExcludeConfig(pictures=str(tmp_path / "held-out"))
    folders = []
    for name in ("one", "two"):
        job = job_with(tmp_path / name, rows, exclude)
        leaks(job)
        folders.append(job.work / "leaks")
    files = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
    assert files[0] == files[1]
    (folders[0] / "manifest.json").unlink()
    monkeypatch.setattr(stage_module, "_hashed", lambda *_: pytest.fail("decoded again"))
    leaks(job_with_there(tmp_path / "one", job))
    assert {path.name: path.read_bytes() for path in folders[0].iterdir()} == files[0]


def job_with_there(folder, job):
    """The job again, in a folder where its earlier stages are."""
    return type(job)(job.config, folder / "out", part_rows=job.part_rows)


def test_pictures_with_the_same_bytes_are_met_without_a_look(tmp_path, rows, monkeypatch):
    monkeypatch.setattr(stage_module, "PARTS_UP_TO", 0)
    blind = [{**row, "pdq": None, "pdq_mirrored": None} for row in rows]
    job = job_with(tmp_path, blind, ExcludeConfig(pictures=str(tmp_path / "held-out")))
    leaks(job)
    assert [row["row"] for row in result(job) if row["dropped"]] == [11]


def test_excluded_pictures_of_the_web_count_as_unreadable(tmp_path, rows):
    table = tmp_path / "held-out.csv"
    table.write_text("file\nheld-out/0.jpg\nhttp://127.0.0.1:9/1.jpg\n")
    job = job_with(tmp_path, rows, ExcludeConfig(pictures=str(table)))
    leaks(job)
    assert job.manifest("leaks")["more"]["hits"] == {
        "held-out.csv": {"pictures": 2, "unreadable": 1, "hit": 1, "dropped": 1}
    }
    assert result(job)[6]["leak"] == "held-out.csv: held-out/0.jpg"


def test_a_folder_of_excluded_pictures_that_changed_since_is_not_taken_for_what_it_was(tmp_path, rows):
    folder = tmp_path / "strangers"
    photographs(folder, 2, first=500)
    job = job_with(tmp_path, rows, ExcludeConfig(pictures=str(folder)))
    with pytest.raises(InputError, match="hit nothing"):
        leaks(job)
    shutil.copy(tmp_path / "held-out" / "5.jpg", folder / "5.jpg")
    with pytest.raises(InputError, match="other settings of the stage leaks: lists"):
        leaks(job)
    shutil.rmtree(job.work / "leaks")
    leaks(job)
    assert job.manifest("leaks")["more"]["hits"]["strangers"]["hit"] == 1


@pytest.mark.parametrize("gone", ["held-out/2.jpg", "pictures/leak-2.jpg"])
def test_a_picture_that_is_gone_while_parts_are_compared_stops_the_stage(tmp_path, rows, monkeypatch, gone):
    job = job_with(tmp_path, rows, ExcludeConfig(pictures=str(tmp_path / "held-out")))
    by_hash = stage_module._by_hash

    def vanishes(*given):
        (tmp_path / gone).rename(tmp_path / "gone.jpg")
        return by_hash(*given)

    monkeypatch.setattr(stage_module, "_by_hash", vanishes)
    with pytest.raises(InputError, match=rf"{gone} cannot be read any more .*: bring it back"):
        leaks(job)
