"""One rule for what is there already, whichever verb writes."""

import pytest

from cladescope.errors import InputError, TakenError
from cladescope.files import PART, replacing
from cladescope.outputs import check_is_folder, check_new_folder, check_out_file, check_out_folder

NAMES = ("map.*", "points.csv")


def check(folder, *, overwrite):
    check_new_folder(folder, what="map", names=NAMES, overwrite=overwrite)


def test_a_file_is_replaced_only_where_that_is_asked_for(tmp_path):
    path = tmp_path / "a.safetensors"
    check_out_file(path, overwrite=False)
    path.write_text("before")
    check_out_file(path, overwrite=True)
    with pytest.raises(TakenError, match="is there already: choose another file, or overwrite it"):
        check_out_file(path, overwrite=False)
    with pytest.raises(InputError, match="is a folder, expected a file"):
        check_out_file(tmp_path, overwrite=True)
    with pytest.raises(InputError, match="is no folder: make it"):
        check_out_file(tmp_path / "no" / "a", overwrite=True)


def test_a_folder_of_results_is_known_by_its_files_and_others_are_no_matter(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    check_out_folder(tmp_path, what="map", names=NAMES, overwrite=False)
    (tmp_path / "map.json").write_text("{}")
    with pytest.raises(TakenError, match=r"holds a map already \(map.json\)"):
        check_out_folder(tmp_path, what="map", names=NAMES, overwrite=False)
    check_out_folder(tmp_path, what="map", names=NAMES, overwrite=True)
    with pytest.raises(InputError, match="is a file, expected a folder"):
        check_out_folder(tmp_path / "map.json", what="map", names=NAMES, overwrite=True)


def test_a_folder_that_is_replaced_whole_may_hold_nothing_else(tmp_path):
    folder = tmp_path / "map"
    check(folder, overwrite=False)
    folder.mkdir()
    (folder / f"{PART}1-x").write_text("left by a killed job")
    check(folder, overwrite=False)
    (folder / "map.json").write_text("{}")
    check(folder, overwrite=True)
    with pytest.raises(TakenError, match="is there already, not empty"):
        check(folder, overwrite=False)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds notes.txt, which is not of the map"):
        check(folder, overwrite=True)


def test_a_folder_goes_over_an_earlier_one_at_the_end_and_not_where_the_job_fails(tmp_path):
    folder = tmp_path / "map"
    folder.mkdir()
    (folder / "map.json").write_text("before")

    def fail():
        with replacing(folder, over=True) as draft:
            draft.mkdir()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (folder / "map.json").read_text() == "before"
    with replacing(folder, over=True) as draft:
        draft.mkdir()
        (draft / "points.csv").write_text("after")
        assert (folder / "map.json").read_text() == "before"
    assert [path.name for path in tmp_path.rglob("*")] == ["map", "points.csv"]


def test_a_link_that_leads_nowhere_is_no_folder(tmp_path):
    (tmp_path / "dead").symlink_to("nowhere")
    with pytest.raises(InputError, match="dead is a link to what is not there: make that folder, or choose another"):
        check_is_folder(tmp_path / "dead")
    (tmp_path / "nowhere").mkdir()
    check_is_folder(tmp_path / "dead")
