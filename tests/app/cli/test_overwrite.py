"""Every verb that writes a result refuses one that is there, names the option, and replaces it with that."""

import pytest

VERBS = {
    "fit": ("--out", "f.safetensors"),
    "export": ("--out", "exported"),
    "probe": ("--permutations", "2", "--out", "probes"),
    "audit": ("--out", "audit"),
    "report": ("--no-map", "--permutations", "2", "--out", "report"),
    "search": ("--id", "ID", "--sheet", "hits.png"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_there_is_refused_and_overwritten_when_asked(run, fails, store, tmp_path, verb):
    one = store.table(["image_id"])["image_id"][0].as_py()
    *options, name = VERBS[verb]
    options = [one if option == "ID" else option for option in options]
    out = tmp_path / name
    assert run(verb, store.path, *options, out).status == 0
    before = {path: path.stat().st_mtime_ns for path in (out.rglob("*") if out.is_dir() else [out])}
    if verb == "probe":
        (out / "probes-2.json").write_text("of an earlier run with several stores")
    said = fails(verb, store.path, *options, out)
    assert said.endswith("(--overwrite)")
    assert {path: path.stat().st_mtime_ns for path in before} == before, "nothing was touched"
    assert run(verb, store.path, *options, out, "--overwrite").status == 0
    after = {path: path.stat().st_mtime_ns for path in (out.rglob("*") if out.is_dir() else [out])}
    assert after.keys() == before.keys()
    assert all(after[path] != before[path] for path in before), "every file is a new one"


def test_an_export_of_another_format_leaves_nothing_of_the_earlier_one(run, store, tmp_path):
    out = tmp_path / "exported"
    run("export", store.path, "--out", out, "--format", "npy")
    run("export", store.path, "--out", out, "--format", "dwca", "--overwrite")
    assert sorted(path.name for path in out.iterdir()) == ["meta.xml", "multimedia.txt", "occurrence.txt"]


def test_a_backbone_is_replaced_only_when_asked(run, fails, clades, tmp_path):
    command = ("taxonomy", "build", clades / "metadata.csv", "--out", tmp_path / "b")
    assert run(*command, "--release", "one").status == 0
    assert fails(*command).endswith("(--overwrite)")
    assert run(*command, "--release", "two", "--overwrite").status == 0
    assert '"release": "two"' in (tmp_path / "b" / "backbone.json").read_text()


def test_files_of_other_people_are_never_deleted(run, fails, store, tmp_path):
    out = tmp_path / "exported"
    run("export", store.path, "--out", out)
    (out / "thesis.txt").write_text("mine")
    assert "holds thesis.txt, which is not of the export" in fails("export", store.path, "--out", out, "--overwrite")
    assert (out / "thesis.txt").read_text() == "mine"
