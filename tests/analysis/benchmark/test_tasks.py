"""Tasks from annotation CSVs, class folders and stores."""

import csv
import hashlib
import os

import numpy as np
import pyarrow as pa
import pytest

from cladescope.analysis.benchmark.annotations import read_annotations
from cladescope.analysis.benchmark.class_folders import read_class_folders
from cladescope.analysis.benchmark.store_task import read_store
from cladescope.analysis.benchmark.tasks import task_hash
from cladescope.errors import InputError
from tests.conftest import SHARED_DATA

LABELS = SHARED_DATA / "taxonomy" / "bioclip-eval-labels"
HEAD = ["", "kingdom", "phylum", "cls", "order", "family", "genus", "species", "common_name", "filepath", "class"]
LION = ["Animalia", "Chordata", "Mammalia", "Carnivora", "Felidae", "Panthera", "leo", "Lion"]
CRANE = ["Animalia", "Chordata", "Aves", "Gruiformes", "Gruidae", "Grus", "americana", ""]


def annotations(path, rows, head=HEAD):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"picture")


def class_folders(root, *paths):
    for path in paths:
        touch(root / path)
    return root


def uris_of(task):
    return task.table["uri"].to_pylist()


def test_an_annotation_csv_with_ranks_is_read_as_bioclip_means_it(tmp_path):
    rows = [[0, *CRANE, "b/1.jpg", "crane"], [1, *LION, "a/1.jpg", "lion"], [2, *LION, "a/2.jpg", "lion"]]
    task = read_annotations(annotations(tmp_path / "rare.csv", rows))
    assert (task.name, task.labels) == ("rare", ["crane", "lion", "lion"])
    assert [one.label for one in task.classes] == ["crane", "lion"], "in the order of first appearance"
    crane, lion = task.classes
    assert lion.taxon.path == (*LION[:6], "Panthera leo"), "class is the label and cls the rank"
    assert (lion.common_name, crane.common_name) == ("Lion", None)
    assert uris_of(task)[0] == str(tmp_path / "b/1.jpg")
    assert task.codes["kingdom"].tolist() == [0, 0, 0]
    assert task.codes["species"].tolist() == [0, 1, 1]
    assert not task.has_parts


def test_a_csv_without_ranks_has_classes_without_taxa(tmp_path):
    rows = [[0, "x y/1.jpg", "Amanita excelsa Gonn. & Rabenh."], [1, "z/1.jpg", "Lamium_galeobdolon"]]
    folder = tmp_path / "fng"
    folder.mkdir()
    task = read_annotations(annotations(folder / "annotations.csv", rows, ["", "filepath", "class"]))
    assert task.name == "fng", "a file's name that says nothing gives way to the folder's"
    assert [one.taxon for one in task.classes] == [None, None]
    assert task.classes[0].label == "Amanita excelsa Gonn. & Rabenh."
    assert task.codes == {}


def test_paths_start_where_images_says(tmp_path):
    (tmp_path / "pictures").mkdir()
    path = annotations(tmp_path / "t.csv", [[0, "1.jpg", "a"], [1, "2.jpg", "b"]], ["", "filepath", "class"])
    assert uris_of(read_annotations(path, images=tmp_path / "pictures"))[0] == str(tmp_path / "pictures/1.jpg")
    with pytest.raises(InputError, match="no such folder of pictures"):
        read_annotations(path, images=tmp_path / "none")


def test_rows_without_path_or_class_are_left_out_and_listed(tmp_path):
    rows = [[0, "1.jpg", "a"], [1, "", "a"], [2, "2.jpg", " "], [3, "3.jpg", "b"]]
    task = read_annotations(annotations(tmp_path / "t.csv", rows, ["", "filepath", "class"]))
    assert len(task) == 2
    assert [entry.split(" of ")[0] for entry in task.left_out] == ["row 2", "row 3"]
    assert [entry.rpartition(" ")[2] for entry in task.left_out] == ["filepath", "class"]


@pytest.mark.parametrize(
    "head, rows, message",
    [
        (
            ["", "filepath", "label"],
            [[0, "1.jpg", "a"]],
            "no column 'class' .it has '', 'filepath', 'label'.: expected",
        ),
        (["", "file", "class"], [[0, "1.jpg", "a"]], "no column 'filepath'"),
        (["", "filepath", "class"], [], "has a header and no rows|holds no picture of a class"),
        (["", "filepath", "class"], [[0, "1.jpg", "a"], [1, "2.jpg", "a"]], "holds one class only, 'a'"),
        (["", "filepath", "class"], [[0, "1.jpg", "a"], [1, "2.jpg"]], "line 3 of .* has 2 values, its header 3"),
    ],
)
def test_a_csv_that_is_no_task_is_refused(tmp_path, head, rows, message):
    with pytest.raises(InputError, match=message):
        read_annotations(annotations(tmp_path / "t.csv", rows, head))


def test_class_folders_are_read_class_by_class(tmp_path):
    root = class_folders(tmp_path / "t", "b/2.jpg", "b/1.jpg", "a/deep/1.jpg", "stray.jpg", "notes.txt")
    task = read_class_folders(root)
    assert (task.name, task.labels) == ("t", ["a", "b", "b"])
    assert [uri.rpartition("/")[2] for uri in uris_of(task)] == ["1.jpg", "1.jpg", "2.jpg"]
    assert task.left_out == (f"{root}/stray.jpg lies in no class folder",)


@pytest.mark.parametrize("name", ["test", "val", "validation"])
def test_train_and_test_folders_are_parts(tmp_path, name):
    root = class_folders(
        tmp_path / "t", f"{name}/a/1.jpg", f"{name}/b/1.jpg", "train/b/2.jpg", "train/a/3.jpg", "x/c/1.jpg"
    )
    task = read_class_folders(root)
    assert [*zip(task.table["part"].to_pylist(), task.labels, strict=True)] == [
        ("train", "a"),
        ("train", "b"),
        ("test", "a"),
        ("test", "b"),
    ]
    assert task.left_out == (f"{root}/x/c/1.jpg lies in no class folder",)


def test_a_folder_called_train_alone_is_a_class(tmp_path):
    assert read_class_folders(class_folders(tmp_path / "t", "train/1.jpg", "ship/1.jpg")).labels == [
        "ship",
        "train",
    ]


def test_labels_csv_says_what_the_classes_are(tmp_path):
    root = class_folders(tmp_path / "t", "LION/1.jpg", "CRANE/1.jpg", "OTHER/1.jpg")
    (root / "labels.csv").write_text(
        "label,species,common_name\nLION,Panthera leo,Lion\nCRANE,Grus americana,\nGONE,A b,\n"
    )
    crane, lion, other = read_class_folders(root).classes
    assert lion.taxon.path[-2:] == ("Panthera", "Panthera leo"), "the binomial names the genus"
    assert (lion.common_name, crane.common_name, other.taxon) == ("Lion", None, None)
    (root / "labels.csv").write_text("label,colour\nLION,red\n")
    with pytest.raises(InputError, match="says nothing of its classes .columns 'label', 'colour'.: expected"):
        read_class_folders(root)


def test_folders_named_as_in_inaturalist_give_ranks(tmp_path):
    name = "00001_Animalia_Chordata_Mammalia_Carnivora_Felidae_Panthera_leo"
    lion, _ = read_class_folders(class_folders(tmp_path / "t", f"{name}/1.jpg", "x/1.jpg")).classes
    assert lion.taxon.name == "Panthera leo"


def test_folders_that_are_no_task_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds one class only, 'a'"):
        read_class_folders(class_folders(tmp_path / "one", "a/1.jpg"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="found no pictures in"):
        read_class_folders(tmp_path / "empty")
    with pytest.raises(InputError, match="holds no picture of a class"):
        read_class_folders(class_folders(tmp_path / "flat", "1.jpg"))
    root = class_folders(tmp_path / "t", "train/a/1.jpg", "train/b/1.jpg", "test/a/1.jpg", "test/b/1.txt")
    with pytest.raises(InputError, match="the class 'b' has no pictures in .*/test: add some, or remove its folder"):
        read_class_folders(root)


def test_a_changed_file_gets_another_id_and_a_moved_task_the_same_hash(tmp_path):
    root = class_folders(tmp_path / "t", "a/1.jpg", "b/1.jpg")
    before = read_class_folders(root)
    (root / "a/1.jpg").write_bytes(b"another picture")
    os.utime(root / "b/1.jpg", ns=(1, 1))
    after = read_class_folders(root)
    assert not {*before.image_ids.to_pylist()} & {*after.image_ids.to_pylist()}
    root.rename(tmp_path / "u")
    moved = read_class_folders(tmp_path / "u")
    contents, used = pa.array(["x", "y"]), np.ones(2, bool)
    assert task_hash(after, contents, used) == task_hash(moved, contents, used)
    assert task_hash(after, contents, used) != task_hash(after, pa.array(["x", "z"]), used)
    assert task_hash(after, contents, used) != task_hash(after, contents, np.array([True, False]))


def test_the_hash_of_a_task_is_that_of_its_lines(tmp_path):
    root = class_folders(tmp_path / "t", "train/a/1.jpg", "train/b/2.jpg", "test/a/3.jpg", "test/b/4.jpg")
    task = read_class_folders(root)
    contents, used = pa.array(["u", None, "x", "y"]), np.array([True, True, False, True])
    lines = f"a\ttrain\tu\nb\ttrain\t{root}/train/b/2.jpg\nb\ttest\ty\n"
    assert task_hash(task, contents, used) == hashlib.sha256(lines.encode()).hexdigest()


def test_a_store_is_a_task_of_the_taxa_at_a_rank(store):
    task = read_store(store, rank="family")
    families = store.lineages().column("family").to_pylist()
    assert {one.label for one in task.classes} == set(families)
    assert all(one.taxon.rank == "family" for one in task.classes)
    assert np.array_equal(task.codes["family"], task.class_numbers)
    assert len(task) == 48
    species = read_store(store)
    assert len(species.classes) == 12


def test_a_rank_that_a_store_does_not_have_is_refused(store, run, photos, tmp_path):
    with pytest.raises(InputError, match="found the rank 'tribe', expected one of kingdom"):
        read_store(store, rank="tribe")
    run("embed", photos, "--store", tmp_path / "s", "--encoder", "pixels")
    from cladescope.index.store import Store

    with pytest.raises(
        InputError, match="no picture of .* has a species: it has no ranks at all, so evaluate the folder"
    ):
        read_store(Store.open(tmp_path / "s"))


@pytest.mark.skipif(not LABELS.exists(), reason="BioCLIP's label lists of shared/data are not here")
@pytest.mark.parametrize(
    "name, classes, images", [("PLK", 86, 3440), ("FNG", 25, 1000), ("INS", 104, 4160), ("rare_species", 400, 11983)]
)
def test_bioclips_own_annotation_files_are_read(name, classes, images):
    task = read_annotations(LABELS / f"{name}.csv")
    assert (len(task.classes), len(task), task.left_out) == (classes, images, ())
    if name == "rare_species":
        assert all(one.taxon.rank == "species" and one.common_name for one in task.classes)
