"""`cladescope pack`: a kit says what `predict` says, without Cladescope; and what it says of arguments that cannot be used."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys

import onnx
import pytest

import cladescope
from cladescope.analysis.field_kit.packing import runner_text
from cladescope.errors import InputError

ALONE = """
import sys, runpy
class Others:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in {*sys.stdlib_module_names, "numpy", "onnxruntime", "PIL"}:
            raise ImportError(f"{name} is not on this machine")
sys.meta_path.insert(0, Others())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def classifier(clades, tmp_path_factory):
    """A classifier of `tiny` on the simulated clades."""
    path = tmp_path_factory.mktemp("classifiers") / "clades.safetensors"
    cladescope.fit(clades / "metadata.csv", encoder="tiny", out=path)
    return path


def run_alone(kit, *photos):
    """The runner beside a kit, where nothing can be imported but numpy, ONNX Runtime and Pillow, and a terminal knows ASCII alone."""
    arguments = [sys.executable, "-c", ALONE, kit.parent / "kit.py", kit, *photos]
    poor = {**os.environ, "PYTHONIOENCODING": "ascii"}
    words = [str(one) for one in arguments]
    ended = subprocess.run(words, capture_output=True, encoding="utf-8", cwd=kit.parent, env=poor)
    return ended, list(csv.DictReader(io.StringIO(ended.stdout)))


def photos_of(clades):
    return sorted(clades.glob("images/*/*.jpg"))[::3]


def check_as_predicted(rows, predicted):
    """Rows of the runner, and the first of the answers of `predict` for each picture."""
    assert [row["file_name"] for row in rows] == [name for name, _ in predicted]
    for row, (_, (first, *_)) in zip(rows, predicted, strict=True):
        verdict = first["verdict"]
        names = {column: first[column] for column in row if column in first}
        assert {column: row[column] for column in names} == {column: str(name) for column, name in names.items()}
        assert row["name"] == (
            verdict
            if verdict != "named"
            else str([name for name in map(first.get, cladescope.taxonomy.RANKS) if name][-1])
        )
        assert abs(float(row["confidence"]) - first["score"]) < 1e-3


@pytest.mark.parametrize("how", [{"risk": 0.3}, {"closed_set": True, "rank": "family"}, {}])
def test_a_kit_says_what_predict_says_without_cladescope(how, classifier, clades, tmp_path):
    kit = tmp_path / "kit.onnx"
    cladescope.pack(kit, classifier=classifier, **how)
    ended, rows = run_alone(kit, *photos_of(clades))
    assert (ended.returncode, ended.stderr) == (0, "")
    check_as_predicted(rows, list(cladescope.predict(photos_of(clades), classifier=classifier, **how)))


def test_a_kit_of_the_names_that_tiny_knows_says_what_predict_says_within_a_clade(clades, tmp_path, run):
    kit = tmp_path / "owls.onnx"
    made = run("pack", "--within", "Aves", "--out", kit, "--json").json
    assert (made["classes"], made["precision"], made["int8"]) == (151, "fp32", None)
    _, rows = run_alone(kit, *photos_of(clades))
    check_as_predicted(rows, list(cladescope.predict(photos_of(clades), within="Aves")))


def test_what_is_no_picture_is_left_out_and_said_and_a_later_kit_is_refused(classifier, clades, tmp_path):
    kit = tmp_path / "kit.onnx"
    cladescope.pack(kit, classifier=classifier)
    text = tmp_path / "notes.txt"
    text.write_text("Parus major")
    photo = shutil.copyfile(photos_of(clades)[0], tmp_path / "Grünspecht (1).jpg")
    ended, rows = run_alone(kit, text, tmp_path / "gone.jpg", photo)
    assert [row["file_name"] for row in rows] == [str(photo)]
    said = ended.stderr.splitlines()
    assert (ended.returncode, len(said)) == (1, 2)
    assert said[0].startswith(f"left out: {text}: cannot identify image file")
    model = onnx.load(kit)
    next(one for one in model.metadata_props if one.key == "kit").value = "2"
    onnx.save(model, kit)
    ended, _ = run_alone(kit, photos_of(clades)[0])
    assert (ended.returncode, ended.stderr) == (1, f"{kit} is no kit of format 1\n")


def test_a_kit_is_one_file_that_tells_what_it_is(classifier, tmp_path, run):
    kit = tmp_path / "kit.onnx"
    ended = run("pack", "--classifier", classifier, "--risk", 0.3, "--out", kit)
    assert "risk of a wrong name  0.3" in " ".join(ended.out.split()).replace("name 0.3", "name  0.3")
    assert f"next: python {tmp_path / 'kit.py'} {kit} PHOTO..." in ended.err
    assert sorted(one.name for one in tmp_path.iterdir()) == ["kit.onnx", "kit.py"]
    assert (tmp_path / "kit.py").read_text() == runner_text()
    model = onnx.load(kit, load_external_data=False)
    assert not any(one.data_location for one in model.graph.initializer)
    about = json.loads(next(one.value for one in model.metadata_props if one.key == "about"))
    assert (about["encoder"]["name"], about["classes"], about["risk"], about["precision"]) == ("tiny", 12, 0.3, "fp32")
    assert about["risks"]["0.3"] <= about["risks"]["0.2"] <= 1


def test_wrong_usage_is_told_before_anything_is_loaded(misused, tmp_path):
    out = ("--out", tmp_path / "kit.onnx")
    lists = ("--taxa", __file__, "--labels", __file__)
    assert "give one of --taxa, --labels and --classifier" in misused("pack", *out, *lists)
    assert "--least-cosine is 1.5" in misused("pack", *out, "--least-cosine", 1.5)
    assert "--risk is 1" in misused("pack", *out, "--risk", 1)
    assert "is no folder" in misused("pack", "--out", tmp_path / "nowhere" / "kit.onnx")
    assert "does not end in .onnx" in misused("pack", "--out", tmp_path / "kit.py")


def test_what_cannot_be_packed_is_refused_in_one_line(classifier, clades, store, tmp_path, fails):
    out = ("--out", tmp_path / "kit.onnx")
    assert "pixels is no network" in fails("pack", *out, "--encoder", "pixels")
    own = tmp_path / "pixels.safetensors"
    cladescope.fit(store, out=own)
    assert "pixels is no network" in fails("pack", *out, "--classifier", own)
    assert "fitted to vectors of 'pixels'" in fails("pack", *out, "--classifier", own, "--encoder", "tiny")
    assert "Strigiformes" in fails("pack", *out, "--classifier", classifier, "--within", "Strigiformes")
    species = cladescope.predict(photos_of(clades)[:1], classifier=classifier, closed_set=True).to_table()["species"][0]
    assert "1 class is left" in fails("pack", *out, "--classifier", classifier, "--within", species)
    with pytest.raises(InputError, match="kit.py is what the runner is called"):
        cladescope.pack(tmp_path / "kit.py", within="Aves")
    few = tmp_path / "few"
    few.mkdir()
    assert "few" in fails("pack", *out, "--classifier", classifier, "--calibrate-on", few)
    for number, photo in enumerate(photos_of(clades)[:3]):
        shutil.copyfile(photo, few / f"{number}.jpg")
    said = fails("pack", *out, "--classifier", classifier, "--calibrate-on", few)
    assert "3 pictures that can be read are too few to calibrate int8 and to measure it: give 40 or more" in said
    assert list(tmp_path.glob("kit*")) == []


def test_what_is_there_stays_unless_it_may_be_replaced(classifier, tmp_path, fails, run):
    kit = tmp_path / "kit.onnx"
    arguments = ("pack", "--classifier", classifier, "--out", kit)
    (tmp_path / "kit.py").write_text("mine")
    assert "kit.py is there already, and is not the runner" in fails(*arguments)
    assert run(*arguments, "--overwrite").status == 0
    assert "kit.onnx is there already" in fails(*arguments)
    assert run("pack", "--classifier", classifier, "--out", tmp_path / "other.onnx").status == 0
