"""Names of folders that count as species only because of the folders beside them."""

import pytest

from cladescope.embedding.folder_company import Company, folders_in
from cladescope.embedding.folder_labels import FolderLabels
from cladescope.embedding.folder_names import said_by
from cladescope.embedding.known_taxa import ListedTaxa

NOTHING = ListedTaxa([], said="nothing")
THREE = ("Ciconia nigra", "Vanessa_atalanta", "Mniotilta-varia")


def among(name, *beside):
    company = Company(NOTHING, lambda _: (*beside, name))
    return company.said_of(said_by(name, NOTHING), "/photos")


@pytest.mark.parametrize("written", ["Quercus robur", "Quercus_robur", "Quercus robur (Oak)", "012_Quercus_robur"])
def test_a_binomial_without_the_ending_of_an_epithet_is_a_species_among_species(written):
    assert said_by(written, NOTHING).kind == "word"
    said = among(written, *THREE)
    assert (said.kind, said.labels["species"], said.by_company) == ("binomial", "Quercus robur", True)
    assert said.labels.get("common_name") == ("Oak" if "Oak" in written else None)


def test_a_name_that_is_one_by_itself_needs_no_company():
    said = among("Ciconia nigra")
    assert (said.kind, said.by_company) == ("binomial", False)


@pytest.mark.parametrize(
    "beside",
    [THREE[:2], (*THREE, "Old barn", "Night walk", "Garden pond", "Hay meadow"), ("2024-05-03", "DCIM", "A12"), ()],
)
def test_two_species_or_more_other_words_than_species_are_no_company(beside):
    assert among("Quercus robur", *beside).kind == "word"


def test_what_names_nothing_does_not_count_against_the_company():
    assert among("Quercus robur", *THREE, "2024-05-03", "DCIM", "100RECNX", "A12", "unknown", "train").by_company


@pytest.mark.parametrize(
    "written",
    [
        *("Old barn", "Garden pond", "Night walk", "Campus walk", "Bonus shots", "Camera north", "Cactus garden", "Virus samples", "Extra dark"),
        *("quercus robur", "QUERCUS ROBUR", "Quercus Robur", "Quercus", "Quercus robur barn", "Sea side", "Alte scheune"),
        *("2024-05-03", "May 2024", "DCIM", "100RECNX", "Site 3", "A12", "unknown", "train", "to sort"),
    ],
)  # fmt: skip
def test_ordinary_words_dates_codes_and_cameras_are_none_in_any_company(written):
    said = among(written, *THREE)
    assert not said.by_company
    assert "species" not in said.labels


def test_folders_of_another_machine_and_of_nowhere_are_not_looked_at(tmp_path):
    assert folders_in("s3://bucket/photos") == folders_in(str(tmp_path / "nowhere")) == ()
    (tmp_path / "b").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "a.jpg").touch()
    assert folders_in(str(tmp_path)) == ("b",)


@pytest.mark.parametrize("rule", ["folder", "parent"])
def test_what_was_inferred_is_counted_named_and_marked(tmp_path, rule):
    for name in (*THREE, "Quercus robur", "Old barn"):
        (tmp_path / name).mkdir()
    labels = FolderLabels(rule)
    labels.known = NOTHING
    said = {name: labels.of(str(tmp_path), (name, "IMG_1.jpg")) for name in (*THREE, "Quercus robur", "Old barn")}
    assert said["Quercus robur"].labels["species"] == "Quercus robur"
    assert "by the form of the name among folders that are species" in said["Quercus robur"].labels["inferred"]
    assert "inferred" not in said["Ciconia nigra"].labels
    assert said["Old barn"].labels == {}
    assert (labels.counts["binomial"], labels.counts["by company"], labels.counts["word"]) == (4, 1, 1)
    assert labels.notes[:2] == (
        "names of folders: 4 read as species; 1 word kept as label only: Old barn",
        "1 of these species by the form of the name alone, among folders that are species: Quercus robur",
    )


def test_a_name_is_judged_by_each_place_that_it_stands_in(tmp_path):
    for name in (*(f"trees/{one}" for one in (*THREE, "Quercus robur")), "walks/Quercus robur", "walks/Old barn"):
        (tmp_path / name).mkdir(parents=True)
    labels = FolderLabels()
    labels.known = NOTHING
    assert labels.of(str(tmp_path), ("trees", "Quercus robur", "1.jpg")).labels["species"] == "Quercus robur"
    assert labels.of(str(tmp_path), ("walks", "Quercus robur", "1.jpg")).labels == {}
