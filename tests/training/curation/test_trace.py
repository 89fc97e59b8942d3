"""A picture traced from the shard to its raw row, whether it is in the data set or not."""

import json
import shutil

import pyarrow.parquet as pq
import pytest

from cladescope.errors import InputError
from cladescope.training.curation.out.write import write
from cladescope.training.curation.trace import trace
from tests.training.curation.out.made import job_of, rows_of
from tests.training.curation.tables import put_stages


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("traced")
    write(job_of(folder / "in", folder / "out"))
    return folder / "out", rows_of(folder / "in")


@pytest.mark.parametrize("way", ["id", "image_id", "both", "member", "text"])
def test_a_picture_is_found_by_its_id_its_image_id_and_its_source(made, way):
    out, rows = made
    row = rows[15]
    asked = {"id": row["id"], "image_id": row["image_id"], "both": f"museum/{row['image_id']}"}.get(way)
    asked = asked or {"member": f"{row['id']}.jpg", "text": f"{row['id']}.com.txt"}[way]
    (found,) = trace(out, [asked])
    assert {name: found[name] for name in ("asked", "id", "row", "source", "image_id", "split")} == {
        "asked": asked,
        **{name: row[name] for name in ("id", "row", "source", "image_id", "split")},
    }
    assert (found["dropped"], found["duplicate_of"]) == (None, None)
    assert (out / found["shard"]).is_file()
    assert found["member"] == f"{row['id']}.jpg"
    assert list(found["stages"]) == ["names", "screen", "look", "leaks", "flag", "single", "split"]
    assert found["stages"]["names"]["species"] == row["species"]
    assert found["stages"]["look"]["md5"] == row["md5"]
    assert (found["raw"]["source"], found["raw"]["record"], found["raw"]["uri"]) == ("museum", 7, row["uri"])
    assert found["raw"]["row"] == {"file": "p15.jpg", "n": 15}


def test_a_picture_is_found_by_its_place_in_the_catalogue_and_its_address(made):
    out, rows = made
    places = {
        row["uuid"]: row["base_dataset_file_path"] or row["source_url"]
        for row in pq.read_table(out / "catalog.parquet").to_pylist()
    }
    assert len(places) == 20
    assert [one["image_id"] for one in trace(out, ["https://b.org/15"])] == ["sub/p15"]
    for picture, place in places.items():
        assert [one["id"] for one in trace(out, [place])] == [picture]
    assert [one["image_id"] for one in trace(out, ["sub/p15.jpg", rows[15]["uri"]])] == ["sub/p15", "sub/p15"]
    assert [one["image_id"] for one in trace(out, [f"birds/{rows[8]['uri']}"])] == ["sub/p8"]
    for wrong in ("birds/sub/p15.jpg", "p15.jpg", "15.jpg"):
        with pytest.raises(InputError, match="knows no picture"):
            trace(out, [wrong])


def test_names_are_told_as_they_were_written_too(made, tmp_path):
    row = {**made[1][0], "as_written": json.dumps({"species": "<i>Parus</i> major"}), "dropped": "names: not named"}
    put_stages(job_of(tmp_path / "in", tmp_path / "x", n=1).config, tmp_path / "out", [row, {**made[1][1]}])
    first, second = trace(tmp_path / "out", [row["id"], made[1][1]["id"]])
    assert first["raw"]["as_written"] == {"species": "<i>Parus</i> major"}
    assert second["raw"]["as_written"] == {}


def test_a_picture_that_was_dropped_is_told_with_stage_and_reason_and_what_is_kept(made):
    out, rows = made
    first, second = trace(out, [rows[5]["id"], rows[11]["id"]])
    assert (first["dropped"], first["duplicate_of"]) == ({"stage": "screen", "reason": "licence forbids (by-nd)"}, None)
    assert list(first["stages"]) == ["names", "screen"]
    assert (second["dropped"]["stage"], second["duplicate_of"]) == ("single", rows[10]["id"])
    assert (second["shard"], second["member"], second["split"]) == (None, None, None)


def test_a_name_that_two_sources_have_is_told_of_both(made, tmp_path):
    rows = [{**row, "image_id": "same", "dropped": None} for row in made[1][:2]]
    put_stages(job_of(tmp_path / "in", tmp_path / "x", n=2).config, tmp_path / "out", rows)
    assert [one["source"] for one in trace(tmp_path / "out", ["same"])] == ["birds", "museum"]
    assert [one["source"] for one in trace(tmp_path / "out", ["museum/same"])] == ["museum"]


def test_a_curation_that_is_not_finished_is_traced_as_far_as_it_is(made, tmp_path):
    shutil.copytree(made[0] / "work", tmp_path / "work", ignore=shutil.ignore_patterns("single", "split", "write"))
    (found,) = trace(tmp_path, [made[1][3]["id"]])
    assert (found["split"], found["shard"]) == (None, None)
    assert list(found["stages"]) == ["names", "screen", "look", "leaks", "flag"]
    assert found["problem"] == "the curation is not finished: run it again"
    (dropped,) = trace(tmp_path, [made[1][5]["id"]])
    assert (dropped["dropped"]["stage"], dropped["problem"]) == ("screen", None)


def test_a_stage_that_is_being_made_anew_is_said_beside_the_shard_that_is_there_still(made, tmp_path):
    shutil.copytree(made[0], tmp_path / "out")
    asked = made[1][3]["id"]
    assert trace(tmp_path / "out", [asked])[0]["problem"] is None
    for stage in ("split", "write"):
        shutil.rmtree(tmp_path / "out" / "work" / stage)
    (found,) = trace(tmp_path / "out", [asked])
    assert found["split"] is None
    assert (tmp_path / "out" / found["shard"]).is_file()
    assert found["problem"] == "the curation is not finished: run it again, the shard is of the data set as it was"


def test_an_unknown_id_names_the_nearest(made, tmp_path):
    out, rows = made
    with pytest.raises(
        InputError,
        match=r"knows no picture 'sub/p15x' \(did you mean sub/p15\?\): give an id, an image_id, a place in its source, or SOURCE/ and one of them",
    ):
        trace(out, ["sub/p15x"])
    with pytest.raises(InputError, match=r"did you mean museum/sub/p15\?"):
        trace(out, ["museum/sub/p15x"])
    wrong = rows[4]["id"][:-1] + ("0" if rows[4]["id"][-1] != "0" else "1")
    with pytest.raises(InputError, match=f"did you mean {rows[4]['id']}"):
        trace(out, [wrong])
    with pytest.raises(InputError, match="knows no picture 'zzz': give an id"):
        trace(out, ["zzz"])
    with pytest.raises(InputError, match="holds no curation: expected a folder that `curate` wrote"):
        trace(tmp_path, ["a"])


def test_a_part_that_is_damaged_names_the_stage_to_make_anew(made, tmp_path):
    shutil.copytree(made[0] / "work", tmp_path / "work")
    part = tmp_path / "work/look/part-000000.parquet"
    part.write_bytes(part.read_bytes()[:300])
    with pytest.raises(InputError, match=r"part-000000.parquet is damaged: make its stage anew .*redo look"):
        trace(tmp_path, [made[1][0]["id"]])
