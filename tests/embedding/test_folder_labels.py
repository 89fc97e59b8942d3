"""Labels by where pictures lie: nested folders, names of files, patterns, and ranks that are inferred and say so."""

import pytest

from cladescope.embedding.folder_labels import FolderLabels
from cladescope.embedding.known_taxa import ListedTaxa
from cladescope.errors import InputError

STORK = {
    "kingdom": "Animalia",
    "class": "Aves",
    "order": "Ciconiiformes",
    "genus": "Ciconia",
    "species": "Ciconia ciconia",
}
KNOWN = ListedTaxa(
    [STORK | {"common_name": "White stork"}, {"kingdom": "Animalia", "class": "Insecta"}], said="the list"
)


def said(path, rule="folder", root="/photos"):
    labels = FolderLabels(rule)
    labels.known = KNOWN
    return labels.of(root, tuple(path.split("/"))), labels


@pytest.mark.parametrize(
    ("path", "species", "label"),
    [
        ("Ciconia ciconia/1.jpg", "Ciconia ciconia", "Ciconia ciconia"),
        ("Ciconia ciconia/Site 3/1.jpg", "Ciconia ciconia", "Ciconia ciconia"),
        ("Ciconia ciconia/South meadow/1.jpg", "Ciconia ciconia", "Ciconia ciconia"),
        ("South meadow/Ciconia_ciconia/1.jpg", "Ciconia ciconia", "Ciconia_ciconia"),
        ("train/Ciconia ciconia/2024-05-03/100RECNX/1.jpg", "Ciconia ciconia", "Ciconia ciconia"),
        ("Aves/Ciconiiformes/Ciconia nigra/1.jpg", "Ciconia nigra", "Ciconia nigra"),
        ("white storks/1.jpg", "Ciconia ciconia", "white storks"),
        ("South meadow/2024-05-03/1.jpg", None, "South meadow"),
        ("2024-05-03/1.jpg", None, None),
        ("A12/DCIM/IMG_0001.jpg", None, None),
        ("1.jpg", None, None),
        ("2024-05-03/Ciconia_ciconia_0012.jpg", "Ciconia ciconia", None),
        ("South meadow/Ciconia ciconia.jpg", "Ciconia ciconia", "South meadow"),
        ("empty/1.jpg", None, "empty"),
    ],
)
def test_the_deepest_name_counts_and_what_is_no_name_is_passed_over(path, species, label):
    found, _ = said(path)
    assert (found.labels.get("species"), found.extra["label"]) == (species, label)


def test_ranks_above_are_inferred_and_marked():
    found, labels = said("Ciconia nigra/1.jpg")
    assert found.labels == {
        "kingdom": "Animalia", "class": "Aves", "order": "Ciconiiformes", "genus": "Ciconia", "species": "Ciconia nigra",
        "inferred": "kingdom, class, order from the list",
    }  # fmt: skip
    assert labels.notes[-1] == "ranks above inferred from the list for 1 of 1 of these names"


def test_of_a_common_name_the_species_is_inferred_too():
    assert said("White stork/1.jpg")[0].labels["inferred"] == "kingdom, class, order, genus, species from the list"


def test_what_folders_above_say_is_kept_and_nothing_is_inferred_against_it():
    found, labels = said("Insecta/Ciconia nigra/1.jpg")
    assert found.labels == {"class": "Insecta", "genus": "Ciconia", "species": "Ciconia nigra"}
    assert "contradict what is known: 1" in " ".join(labels.notes)


def test_a_species_in_the_folder_of_another_is_counted_and_the_inner_one_taken():
    found, labels = said("Vulpes vulpes/Ciconia ciconia/1.jpg")
    assert found.labels["species"] == "Ciconia ciconia"
    assert labels.counts["within another taxon"] == 1


def test_the_folder_that_is_embedded_may_be_a_name_itself():
    assert said("1.jpg", root="/photos/Ciconia nigra")[0].labels["species"] == "Ciconia nigra"
    assert said("1.jpg", root="/photos/holiday")[0].extra == {"label": None}


def test_the_parent_is_a_label_whatever_it_is_called():
    for name in ("2024-05-03", "A12", "unknown", "train"):
        assert said(f"Ciconia nigra/{name}/1.jpg", "parent")[0].extra == {"label": name}
    assert said("A/Ciconia nigra/1.jpg", "parent")[0].labels["species"] == "Ciconia nigra"
    assert said("1.jpg", "parent")[0].extra == {"label": None}


def test_none_reads_nothing_at_all():
    path = "00001_Animalia_Chordata_Aves_Ciconiiformes_Ciconiidae_Ciconia_nigra/1.jpg"
    found, labels = said(path, "none")
    assert (found.labels, found.extra, labels.notes) == ({}, {"label": None}, ())


def test_a_pattern_takes_what_its_groups_name():
    rule = r"(?P<site>[^/]+)/(?P<species>[^/]+)/(?P<year>\d{4})"
    found, labels = said("Old barn/Ciconia_nigra/2024-05-03/1.jpg", rule)
    assert found.labels["species"] == "Ciconia nigra"
    assert found.labels["class"] == "Aves"
    assert found.extra == {"label": None, "site": "Old barn", "year": "2024"}
    assert labels.notes == ("labels from paths by the pattern: 1 picture matches, 0 do not",)
    assert said("elsewhere.jpg", rule)[0].extra == {"label": None, "site": None, "year": None}


def test_a_group_may_be_the_label_or_a_common_name_and_a_taken_word_is_renamed():
    found, labels = said("x/tit/7.jpg", "(?P<label>[^/]+)/(?P<width>[0-9]+)")
    assert (found.extra, labels.columns) == ({"label": "tit", "manifest_width": "7"}, {"width": "manifest_width"})


@pytest.mark.parametrize("rule", ["fodler", "(?P<species>", "([^/]+)/"])
def test_what_is_no_rule_is_said_in_a_line(rule):
    with pytest.raises(InputError, match=r"expected folder, parent, none, or a regular expression with named groups"):
        FolderLabels(rule)


def test_the_summary_counts_names_by_what_they_say():
    labels = FolderLabels()
    labels.known = KNOWN
    folders = [
        "Ciconia nigra",
        "Ciconia ciconia",
        "white storks",
        "2024-05-03",
        "2024-05-04",
        "DCIM",
        "misc",
        "Old barn",
    ]
    for folder in folders:
        for number in range(3):
            labels.of("/photos", (folder, f"{number}.jpg"))
    assert labels.counts == {"binomial": 2, "date": 2, "common": 1, "camera": 1, "unknown": 1, "word": 1}
    assert labels.notes[0] == (
        "names of folders: 2 read as species; 1 read by common names; 2 dates, 1 camera's folder and 1 that says nothing passed "
        "over; 1 word kept as label only: Old barn"
    )
