"""What detectors said of pictures: matched by id, address or the end of it, and never by an end that several share."""

import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from cladescope.errors import InputError
from cladescope.training.curation.config import load_config
from cladescope.training.curation.job import Job
from cladescope.training.curation.people import Detections, detections_settings, people_of
from tests.training.curation.screening import record
from tests.training.curation.tables import put_stage


def job_of(folder, files, uris, more=""):
    text = f'[[sources]]\nname = "a"\npath = "."\n[people]\ndetections = {json.dumps(list(files))}\n{more}'
    (folder / "tree.toml").write_text(text)
    for name, content in files.items():
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    job = Job(load_config(folder / "tree.toml"), folder / "out", part_rows=2)
    put_stage(job, "gather", [record(number, uri=uri) for number, uri in enumerate(uris)])
    return job


def found(job):
    detections = Detections.read(job)
    kinds, scores, missed = people_of(detections, pa.concat_tables(job.scan("gather", ["image_id", "uri"])))
    return kinds, scores, missed, detections.told()


def seen(file, *boxes, **more):
    return {"file": file, "detections": [{"category": kind, "conf": score} for kind, score in boxes], **more}


CATEGORIES = {"1": "animal", "2": "person", "3": "vehicle"}


def test_people_of_megadetector_are_matched_by_the_end_of_the_address(tmp_path):
    images = [
        seen("cam1/1.jpg", ("2", 0.4), ("2", 0.9), ("1", 0.95)),
        seen("cam1/2.jpg", ("2", 0.49)),
        seen("1.jpg", ("1", 0.9)),
        seen("am1/3.jpg", ("2", 0.9)),
        {"file": "cam1/4.jpg", "failure": "damaged"},
    ]
    document = {"images": images, "detection_categories": CATEGORIES}
    uris = ["/p/cam1/1.jpg", "/p/cam1/2.jpg#box=0,0,3,3", "/p/cam2/1.jpg", "/p/cam1/3.jpg", "/p/cam1/4.jpg"]
    kinds, scores, missed, told = found(job_of(tmp_path, {"md.json": document}, uris))
    assert kinds == [["person"], [], [], None, None]
    assert scores == [0.9, None, None, None, None]
    assert missed == 2
    assert told == {
        "looked_at": 4, "met": 3, "ambiguous": 0, "not_met": 1, "not_read": 1, "detections_without_score": 0,
        "detections of animal, which do not count": 2,
    }  # fmt: skip


def test_a_kind_that_no_detection_has_is_an_error_and_not_nobody(tmp_path):
    document = {"images": [seen("1.jpg", ("2", 0.9))], "detection_categories": CATEGORIES}
    with pytest.raises(
        InputError, match=r"names 'persons', and no detection is of that kind: the files have person .did you mean"
    ):
        found(job_of(tmp_path, {"md.json": document}, ["/p/1.jpg"], 'kinds = ["persons"]\n'))


def test_an_end_that_two_pictures_share_says_nothing_of_either(tmp_path):
    document = {"images": [seen("1.jpg", ("2", 0.9)), seen("2.jpg", ("2", 0.8))], "detection_categories": CATEGORIES}
    uris = ["/p/a/1.jpg", "/p/b/1.jpg", "/p/a/2.jpg#box=0,0,1,1", "/p/a/2.jpg#box=1,1,2,2"]
    kinds, _, missed, told = found(job_of(tmp_path, {"md.json": document}, uris))
    assert kinds == [None, None, ["person"], ["person"]], "regions of one picture share its address"
    assert (missed, told["ambiguous"], told["met"]) == (2, 1, 1)


def test_a_table_names_pictures_by_id_or_file_and_several_files_add_up(tmp_path):
    ids = "image_id,kind,score\ni0,Face,0.7\ni0,hand,0.6\ni1,,\ni2,face,\nelse,face,0.9\n"
    files = "File Name,Kind,Score\n/p/3.jpg,face,0.8\nhttps://a.org/4.jpg,dog,0.9\n"
    document = {"images": [seen("p/3.jpg", ("2", 0.95))], "detection_categories": CATEGORIES}
    uris = ["/p/0.jpg", "/p/1.jpg", "/p/2.jpg", "/p/3.jpg", "https://a.org/4.jpg?size=1"]
    job = job_of(tmp_path, {"ids.csv": ids, "files.csv": files, "md.json": document}, uris)
    kinds, scores, missed, told = found(job)
    assert kinds == [["face", "hand"], [], [], ["face", "person"], []]
    assert scores == [0.7, None, None, 0.95, None]
    assert (missed, told["not_met"], told["detections_without_score"]) == (0, 1, 1)


def test_the_section_says_which_kinds_count_and_from_which_score(tmp_path):
    rows = {"file": ["0.jpg", "1.jpg"], "kind": ["face", "person"], "score": [0.3, 0.9]}
    job = job_of(tmp_path, {}, ["/p/0.jpg", "/p/1.jpg"])
    parquet.write_table(pa.table(rows), tmp_path / "d.parquet")
    (tmp_path / "tree.toml").write_text(
        '[[sources]]\nname = "a"\npath = "."\n[people]\ndetections = ["d.parquet"]\nleast = 0.3\nkinds = ["face"]\n'
    )
    job.config = load_config(tmp_path / "tree.toml")
    assert found(job)[:3] == ([["face"], []], [0.3, None], 0)


def test_nobody_looked_where_no_detections_are_named(tmp_path):
    assert found(job_of(tmp_path, {}, ["/p/0.jpg"]))[:3] == ([None], [None], 1)


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("md.json", {"images": [seen("x.jpg", ("2", 0.9))]}, "speaks of 1 pictures and none is here"),
        ("md.json", {"images": [seen("1.jpg", ("2", 0.9))]}, "what the addresses of several end with"),
        ("md.json", {"pictures": []}, "has no list of images: expected MegaDetector"),
        ("md.json", "{", "cannot be read as JSON"),
        ("t.csv", "file,score\n1.jpg,0.9\n", "has the columns file, score: expected .* kind and score"),
        ("t.csv", "file,kind,score\n1.jpg,face,87\n", "score '87' in row 1: expected a number from 0 to 1"),
        ("t.csv", "file,kind,score\n1.jpg,face,high\n", "score 'high' in row 1"),
        ("t.parquet", "no", "cannot be read as Parquet"),
    ],
)
def test_detections_that_cannot_be_used_are_refused(tmp_path, name, content, words):
    job = job_of(tmp_path, {name: content}, ["/p/a/1.jpg", "/p/b/1.jpg"])
    with pytest.raises(InputError, match=words):
        Detections.read(job)


def test_settings_change_with_what_the_files_hold(tmp_path):
    job = job_of(tmp_path, {"t.csv": "file,kind,score\n1.jpg,face,0.9\n"}, ["/p/a/1.jpg"])
    before = detections_settings(job)
    assert before == detections_settings(job)
    (tmp_path / "t.csv").write_text("file,kind,score\n1.jpg,face,0.8\n")
    assert detections_settings(job) != before
    (tmp_path / "t.csv").unlink()
    with pytest.raises(InputError, match="t.csv is not there"):
        detections_settings(job)
