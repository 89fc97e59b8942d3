"""`cladescope curate` as a user meets it: its table, its JSON, its refusals, and the way back from a picture to its row."""

import json
import os
import shutil

import pytest

import cladescope
from cladescope.simulation import SimulationConfig, simulate
from cladescope.training.curation import pdq
from tests.app.cli.command_line import Ended, fails, run

__all__ = ["Ended", "fails", "run"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    simulate(folder / "photos", SimulationConfig(species=4, images=3, seed=5))
    (folder / "tree.toml").write_text(
        '[[sources]]\nname = "photos"\npath = "photos/metadata.csv"\n[duplicates]\nnear = "copies"\n[splits]\nval = 0.2\n[out]\nsize = 32\n'
    )
    return folder


def test_a_table_says_what_each_stage_did_and_json_the_same(run, sources, tmp_path):
    told = run("curate", sources / "tree.toml", "--out", tmp_path / "tree")
    assert told.status == 0
    assert "gather taken in 12" in " ".join(told.out.split())
    assert f"12 pictures: {tmp_path}/tree (read {tmp_path}/tree/card.html)" in told.out
    again = run("curate", sources / "tree.toml", "--out", tmp_path / "tree", "--json")
    assert again.json["pictures"] == 12
    assert again.json["kept"][0] == "gather"
    assert sum(again.json["splits"].values()) == 12
    row = json.loads((tmp_path / "tree" / "curate.json").read_text())
    assert row["pictures"] == 12


def test_trace_leads_back_to_the_row(run, fails, sources, tmp_path):
    run("curate", sources / "tree.toml", "--out", tmp_path / "tree")
    image = sources / "photos" / "images"
    any_id = run("curate", "trace", "photos/x", "--out", tmp_path / "tree")
    assert any_id.status == 1
    told = run("curate", "trace", _an_id(tmp_path / "tree"), "--out", tmp_path / "tree", "--json")
    (picture,) = told.json["pictures"]
    assert picture["source"] == "photos"
    assert str(image) in picture["raw"]["uri"]
    table = run("curate", "trace", picture["id"], "--out", tmp_path / "tree")
    assert picture["id"] in table.out
    assert "stages.look.md5" in table.out
    assert "no curation" in fails("curate", "trace", "a", "--out", sources)


def _an_id(out):
    import pyarrow.parquet as pq

    return pq.read_table(out / "catalog.parquet", columns=["uuid"])["uuid"][0].as_py()


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["trace", "--out", "tree"], "trace needs an id"),
        (["trace", "a", "--redo", "look", "--out", "tree"], "leave them out of trace"),
        (["tree.toml"], "--out is missing"),
        (["tree.toml", "a", "--out", "tree"], "ids are for trace"),
        (["trce", "a", "--out", "tree"], "did you mean trace?"),
        (["tree.toml", "--out", "tree", "--set", "seed"], "is not KEY=VALUE"),
        (["tree.toml", "--out", "tree", "--set", "seed=1", "--set", "seed=2"], "given twice"),
    ],
)
def test_wrong_usage_ends_with_2(run, monkeypatch, tmp_path, arguments, said):
    monkeypatch.chdir(tmp_path)
    told = run("curate", *arguments)
    assert told.status == 2
    assert said in told.err


def test_what_cannot_be_done_is_one_line(fails, sources, tmp_path):
    assert "tree.toml cannot be read" in fails("curate", tmp_path / "tree.toml", "--out", tmp_path / "tree")
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "a.jpg").write_bytes(b"")
    assert "holds a.jpg, which is not of a curation" in fails(
        "curate", sources / "tree.toml", "--out", tmp_path / "holiday"
    )
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[[sources]]\nname = "a"\npath = "gone"\n')
    said = fails("curate", wrong, "--out", tmp_path / "tree")
    assert f"the path of source a is {tmp_path}/gone, which is not there" in said
    assert not (tmp_path / "tree").exists(), "nothing was begun"
    wrong.write_text('[[sources]]\nname = "a"\npath = "gone"\nnme = "b"\n')
    assert "wrong.toml, line 4: unknown key sources.0.nme" in fails("curate", wrong, "--out", tmp_path / "tree")


def test_a_stage_that_there_is_not_is_asked_about(run, sources, tmp_path):
    told = run("curate", sources / "tree.toml", "--out", tmp_path / "tree", "--redo", "lok")
    assert told.status == 2
    assert "did you mean look" in told.err


@pytest.mark.skipif(
    not pdq.is_installed(), reason="the package pdqhash is not installed: it is compiled on Linux, by a C++ compiler"
)
def test_other_settings_are_refused_and_a_stage_is_made_anew_when_asked(run, fails, sources, tmp_path):
    run("curate", sources / "tree.toml", "--out", tmp_path / "tree")
    other = ["curate", sources / "tree.toml", "--out", tmp_path / "tree", "--set", "splits.val=0.4"]
    said = fails(*other)
    assert "was begun with other settings of the stage split: " in said
    assert "redo split" in said
    told = run(*other, "--redo", "split")
    assert told.status == 0
    assert "done before, and kept: gather, names" in told.err


def test_a_folder_of_other_things_is_left_alone_even_if_it_has_a_folder_called_work(fails, sources, tmp_path):
    mine = tmp_path / "mine" / "work" / "split"
    mine.mkdir(parents=True)
    (mine / "notes.txt").write_text("mine")
    said = fails("curate", sources / "tree.toml", "--out", tmp_path / "mine", "--redo", "split")
    assert "which is not of a curation" in said
    assert (mine / "notes.txt").read_text() == "mine"


def test_what_is_refused_by_an_earlier_stage_is_not_deleted_before(run, fails, sources, tmp_path):
    run("curate", sources / "tree.toml", "--out", tmp_path / "tree")
    before = sorted((tmp_path / "tree" / "work" / "split").iterdir())
    said = fails(
        "curate", sources / "tree.toml", "--out", tmp_path / "tree", "--redo", "split", "--set", "pictures.min_side=1"
    )
    assert "other settings of the stage look: min_side (64, now 1)" in said
    assert sorted((tmp_path / "tree" / "work" / "split").iterdir()) == before


def test_sources_in_another_folder_of_another_time_give_the_same_bytes(run, sources, tmp_path):
    shutil.copytree(sources, tmp_path / "moved")
    os.utime(tmp_path / "moved" / "photos" / "metadata.csv", (1, 1))
    for number, folder in enumerate((sources, tmp_path / "moved")):
        assert run("curate", folder / "tree.toml", "--out", tmp_path / str(number)).status == 0
    one, other = (
        {
            path.relative_to(out): path.read_bytes()
            for path in sorted(out.rglob("*"))
            if path.is_file() and path.relative_to(out).parts[0] not in ("work", ".lock")
        }
        for out in (tmp_path / "0", tmp_path / "1")
    )
    assert len(one) > 10
    assert [str(path) for path in one if one[path] != other.get(path)] == []
    assert one.keys() == other.keys()


def test_an_encoder_that_cannot_be_made_is_said_before_anything_starts(fails, sources, tmp_path):
    said = fails("curate", sources / "tree.toml", "--out", tmp_path / "tree", "--set", "kinds.encoder=nothing")
    assert "no encoder 'nothing'" in said
    assert not (tmp_path / "tree" / "work").exists()


def test_a_stage_that_made_nothing_before_it_failed_takes_other_settings(run, fails, sources, tmp_path):
    (tmp_path / "ids.txt").write_text("nobody\n")
    (tmp_path / "tree.toml").write_text(
        (sources / "tree.toml").read_text().replace("photos/", f"{sources}/photos/") + '[[exclude]]\nids = "ids.txt"\n'
    )
    assert "set must_hit = false" in fails("curate", tmp_path / "tree.toml", "--out", tmp_path / "tree")
    (tmp_path / "tree.toml").write_text((tmp_path / "tree.toml").read_text() + "must_hit = false\n")
    assert run("curate", tmp_path / "tree.toml", "--out", tmp_path / "tree").status == 0


def test_trace_needs_no_right_to_write(run, sources, tmp_path, monkeypatch):
    run("curate", sources / "tree.toml", "--out", tmp_path / "tree")

    def refused(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    assert run("curate", "trace", _an_id(tmp_path / "tree"), "--out", tmp_path / "tree").status == 0
    assert "Read-only" in run("curate", sources / "tree.toml", "--out", tmp_path / "tree").err


def test_a_process_that_is_killed_while_it_deletes_stages_leaves_none_in_part(run, sources, tmp_path, monkeypatch):
    run("curate", sources / "tree.toml", "--out", tmp_path / "tree")
    before = (tmp_path / "tree" / "curate.json").read_bytes()
    with monkeypatch.context() as patched:

        def killed(folder, *_, **__):
            # As it is with manifest and without a part.
            next(folder.glob("part-*.parquet"), folder / "begun.json").unlink()
            raise KeyboardInterrupt

        patched.setattr("cladescope.training.curation.job.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            cladescope.curate(sources / "tree.toml", out=tmp_path / "tree", redo="single")
    assert run("curate", sources / "tree.toml", "--out", tmp_path / "tree", "--redo", "write").status == 0
    assert (tmp_path / "tree" / "curate.json").read_bytes() == before
    assert not list((tmp_path / "tree" / "work").glob(".part-*"))
