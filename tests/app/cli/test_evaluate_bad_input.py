"""What `cladescope evaluate` says of input that it cannot use."""

import csv
import shutil

import pytest

from tests.analysis.benchmark import field_layouts


@pytest.fixture
def folders(clades, tmp_path):
    """Three species with four pictures each."""
    root = tmp_path / "three"
    for folder in sorted((clades / "images").iterdir())[:3]:
        shutil.copytree(folder, root / folder.name)
    return root


@pytest.fixture
def refused(fails, tmp_path):
    """Run `evaluate few-shot` with `pixels`, which must fail, and return the reason."""

    def call(*arguments):
        return fails("evaluate", "few-shot", *arguments, "--encoder", "pixels", "--out", tmp_path / "o")

    return call


def write(path, *rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_no_task(refused, tmp_path, query):
    assert "none does not exist: expected an annotation CSV" in refused(tmp_path / "none")
    assert "is no CSV: expected an annotation CSV" in refused(query)
    (tmp_path / "empty").mkdir()
    assert "found no pictures in" in refused(tmp_path / "empty")


def test_a_csv_without_class_column(refused, tmp_path):
    reason = refused(write(tmp_path / "t.csv", ["", "filepath"], [0, "a.jpg"]))
    assert reason.endswith("t.csv has no column 'class' (it has '', 'filepath'): expected 'filepath' and 'class'")


def test_one_class_only_and_a_class_without_pictures(refused, tmp_path, folders):
    (folders / "empty").mkdir()
    assert "the class 'empty' has no pictures in" in refused(folders)
    assert "holds one class only" in refused(write(tmp_path / "t.csv", ["filepath", "class"], ["a.jpg", "x"]))


def test_all_files_missing(run, tmp_path):
    path = write(tmp_path / "t.csv", ["filepath", "class"], *([f"{n}.jpg", "xy"[n % 2]] for n in range(12)))
    ended = run("evaluate", "few-shot", path, "--encoder", "pixels", "--out", tmp_path / "o")
    assert (ended.status, ended.out) == (1, "")
    reason = ended.err.splitlines()[-1]
    assert reason.startswith("error: 0 of 12 pictures of")
    assert "no such file" in reason


def test_more_shots_than_any_class_has_are_refused_before_any_work(refused, folders, tmp_path):
    reason = refused(folders, "--shots", "4,9")
    assert "no class has more than 4 pictures (the largest has 4), so that none is left to ask: ask for fewer" in reason
    assert not (tmp_path / "o").exists()


def test_a_text_that_the_task_cannot_give_is_refused_before_any_work(fails, tmp_path):
    path = write(tmp_path / "t.csv", ["filepath", "class"], ["a.jpg", "x"], ["b.jpg", "y"])
    reason = fails("evaluate", "zero-shot", path, "--text", "sci", "--out", tmp_path / "o")
    assert "no ranks for the class 'x', so that it has no 'sci' text: use the text kind asis" in reason
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("shots", ["0", "1,1", "-1"])
def test_shots_that_are_no_numbers_of_pictures(misused, folders, tmp_path, shots):
    reason = misused("evaluate", "few-shot", folders, f"--shots={shots}", "--out", tmp_path / "o")
    assert "expected different numbers of at least 1, such as 1,5" in reason


def test_an_unknown_kind_of_text(misused, folders, tmp_path):
    reason = misused("evaluate", "zero-shot", folders, "--text", "asis,latin", "--out", tmp_path / "o")
    assert "found the text kinds asis, latin, expected different ones of asis, sci, com, taxon" in reason


def test_an_encoder_without_texts_alone(fails, folders, tmp_path):
    reason = fails("evaluate", "zero-shot", folders, "--encoder", "pixels", "--out", tmp_path / "o")
    assert "zero-shot needs texts, and 'pixels' has no text side: use an encoder that has one" in reason


def test_an_unknown_encoder_is_found_before_any_work(fails, folders, tmp_path):
    fails("evaluate", "few-shot", folders, "--encoder", "pixels", "--encoder", "pixel", "--out", tmp_path / "o")
    assert not (tmp_path / "o/stores").exists()


def test_one_encoder_by_two_names(fails, folders, checkpoint, tmp_path):
    reason = fails(
        "evaluate", "few-shot", folders, "--encoder", checkpoint, "--encoder", f"{checkpoint}/", "--out", tmp_path / "o"
    )
    assert "is given twice: name each one once" in reason


def test_a_folder_of_results_that_is_something_else(refused, misused, folders, tmp_path):
    (tmp_path / "o").mkdir()
    (tmp_path / "o/results.json").write_text('{"other": 1}')
    assert "holds no results of an evaluation: choose another folder" in refused(folders)
    (tmp_path / "o/results.json").write_text('{"format_version": 99, "evaluations": []}')
    assert "has format 99, this version of cladescope reads 1" in refused(folders)
    shutil.rmtree(tmp_path / "o")
    (tmp_path / "o").write_text("a file")
    assert "o is a file, expected a folder: choose another folder" in misused(
        "evaluate", "few-shot", folders, "--out", tmp_path / "o"
    )


def test_a_rank_that_the_store_does_not_have(fails, store, tmp_path):
    store.delete(where="species IS NOT NULL")
    assert "no picture of" in fails("evaluate", "few-shot", store.path, "--out", tmp_path / "o")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["five-shot"], "'five-shot' is not one of"),
        (["few-shot", "--shots", "one"], "found --shots 'one', expected whole numbers such as 1,5"),
        (["few-shot", "--text", "sci"], "texts has no meaning for few-shot"),
        (["zero-shot", "--shots", "1"], "shots has no meaning for zero-shot"),
        (["retrieval", "--v1-folds"], "v1_folds has no meaning for retrieval"),
        (["few-shot", "--rank", "family"], "a rank is for stores"),
        (["few-shot", "--images", "."], "images is for CSVs"),
        (["few-shot", "--encoder", "pixels", "--encoder", "pixels"], "the encoder 'pixels' is given twice"),
        (["few-shot", "--parts", "half"], "'half' is not one of"),
    ],
)
def test_wrong_usage(misused, folders, tmp_path, arguments, message):
    protocol, *options = arguments
    assert message in misused("evaluate", protocol, folders, *options, "--out", tmp_path / "o")


def test_a_task_given_twice_and_an_encoder_for_a_store_are_wrong_usage(misused, folders, store):
    assert "is given twice" in misused("evaluate", "few-shot", folders, folders)
    assert "which has its encoder's vectors" in misused("evaluate", "few-shot", store.path, "--encoder", "pixels")
    assert "Missing argument" in misused("evaluate", "few-shot")


def test_a_published_task_is_asked_by_its_files_and_with_its_own_head(misused, fails, store, tmp_path):
    at = ("--out", tmp_path / "o")
    assert "newt is read from its published files" in misused("evaluate", "newt", store.path, *at)
    assert "found the head 'mlp', expected one of linear-svm, svm-search" in misused(
        "evaluate", "newt", tmp_path, "--head", "mlp", *at
    )
    assert "head has no meaning for few-shot" in misused("evaluate", "few-shot", store.path, "--head", "ridge", *at)
    assert "the parts of awa2 are its own" in misused("evaluate", "awa2", tmp_path, "--parts", "all", *at)
    assert "has its encoder's vectors" in misused(
        "evaluate", "newt", tmp_path, "--store", store.path, "--encoder", "tiny", *at
    )
    assert "holds no newt2021_labels.csv" in fails("evaluate", "newt", tmp_path, *at)
    assert "holds no train.csv: expected FishNet's folder" in fails("evaluate", "fishnet", tmp_path, *at)
    assert "classes.txt does not exist: expected AwA2's folder" in fails("evaluate", "awa2", tmp_path, *at)
    assert "holds no inquire_queries_test.csv" in fails("evaluate", "inquire", tmp_path, *at)
    assert "is no file: expected BioTrove's table" in fails("evaluate", "confusable", tmp_path / "none.csv", *at)
    assert "is no store: expected one that holds the task's pictures" in fails(
        "evaluate", "newt", tmp_path, "--store", tmp_path, *at
    )


def test_a_text_task_is_refused_for_an_encoder_without_texts(fails, clades, tmp_path):
    path = field_layouts.confusable(tmp_path, clades)
    assert "confusable needs texts, and 'pixels' has no text side" in fails(
        "evaluate", "confusable", path, "--encoder", "pixels", "--out", tmp_path / "o"
    )
