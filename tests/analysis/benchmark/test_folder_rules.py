"""Classes of a folder's pictures by a rule for the names of folders."""

import pytest

from cladescope.analysis.benchmark.class_folders import read_class_folders
from cladescope.analysis.benchmark.evaluate import contradiction
from cladescope.errors import InputError
from tests.embedding.reading import put

PLACES = (
    "north/Ciconia nigra/a.jpg",
    "north/Vanessa atalanta/b.jpg",
    "south/Ciconia nigra/c.jpg",
    "south/2024-05-03/d.jpg",
    "e.jpg",
)


@pytest.fixture
def photos(tmp_path):
    for place in PLACES:
        put(tmp_path / "photos" / place)
    return tmp_path / "photos"


def classes(task):
    labels = [task.classes[number].label for number in task.table["class_number"].to_pylist()]
    return sorted(zip((uri[-5] for uri in task.table["uri"].to_pylist()), labels, strict=True))


def test_without_a_rule_the_first_folder_is_the_class(photos):
    task = read_class_folders(photos)
    assert classes(task) == [("a", "north"), ("b", "north"), ("c", "south"), ("d", "south")]


def test_a_rule_says_what_the_class_is_and_who_has_none_is_left_out(photos):
    task = read_class_folders(photos, labels_from="folder")
    assert classes(task) == [("a", "Ciconia nigra"), ("b", "Vanessa atalanta"), ("c", "Ciconia nigra"), ("d", "south")]
    assert [text.partition(" has ")[0][-5] for text in task.left_out] == ["e"]
    assert task.classes[0].taxon.name == "Ciconia nigra"
    assert [one for _, one in classes(read_class_folders(photos, labels_from="parent"))] == [
        *("Ciconia nigra", "Vanessa atalanta", "Ciconia nigra", "2024-05-03")
    ]
    by_pattern = read_class_folders(photos, labels_from="/(?P<label>[A-Z])[^/]+/")
    assert classes(by_pattern) == [("a", "C"), ("b", "V"), ("c", "C")]


def test_parts_stay_parts_under_a_rule(photos, tmp_path):
    (tmp_path / "task").mkdir()
    photos.rename(tmp_path / "task" / "train")
    for place in PLACES[:2]:
        put(tmp_path / "task" / "test" / place)
    task = read_class_folders(tmp_path / "task", labels_from="parent")
    assert task.table["part"].to_pylist().count("test") == 2
    assert {one.label for one in task.classes} == {"Ciconia nigra", "Vanessa atalanta", "2024-05-03"}


def test_a_rule_that_gives_no_class_is_refused(photos):
    with pytest.raises(InputError, match="labels from 'none' give no picture of the folder in .* a class"):
        read_class_folders(photos, labels_from="none")


def test_a_rule_is_for_folders(photos, tmp_path):
    reason = contradiction("few-shot", [tmp_path / "t.csv"], [], labels_from="parent")
    assert reason is not None
    assert "labels_from is for folders of pictures" in reason
    assert contradiction("few-shot", [photos], [], labels_from="parent") is None
