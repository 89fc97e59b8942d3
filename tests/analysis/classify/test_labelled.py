"""Which picture belongs to which class, against plain loops."""

import csv

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.analysis.classify.labelled import by_column, by_csv, by_label, by_rank, ends_among, of_several_lineages
from cladescope.analysis.pictures import Pictures
from cladescope.errors import InputError

PARTS = st.sampled_from(["a", "b", "", "tit.jpg"])
URIS = st.lists(st.lists(PARTS, min_size=1, max_size=4).map("/".join), max_size=12)


def longest_end(uri, names):
    ends = [uri.split("/", cut)[-1] for cut in range(uri.count("/") + 1)]
    return next((names.index(end) for end in ends if end in names), -1)


@given(URIS, URIS.map(lambda names: list(dict.fromkeys(names))))
def test_the_longest_end_of_a_uri_names_the_picture(uris, names):
    found = ends_among(pa.chunked_array([pa.array(uris, pa.string())]), pa.array(names, pa.string()))
    assert found.tolist() == [longest_end(uri, names) for uri in uris]


def pictures_of(**columns):
    n = len(next(iter(columns.values())))
    return Pictures(np.eye(n, dtype=np.float32), pa.table(columns))


def test_a_label_that_says_it_is_missing_is_no_class():
    found = by_column(pictures_of(label=["tit", "NA", "crow", r"\N", None]))
    assert (found.labels, found.without_label) == (("crow", "tit"), 3)


def test_two_taxa_of_one_name_are_labelled_by_their_paths():
    found = by_rank(pictures_of(kingdom=["Animalia", "Plantae", "Plantae"], genus=["Ficus", "Ficus", "Acer"]), "genus")
    assert found.labels == ("Animalia > Ficus", "Acer", "Plantae > Ficus")
    assert found.classes.tolist() == [0, 2, 1]
    assert [str(found.tree.class_taxon(row)) for row in range(3)] == [
        "Animalia > Ficus",
        "Plantae > Acer",
        "Plantae > Ficus",
    ]


def test_what_has_no_label_is_left_out_and_counted():
    pictures = pictures_of(image_id=["a", "b", "c"], genus=["Parus", None, "Corvus"])
    found = by_rank(pictures, "genus")
    assert (found.without_label, found.pictures.left_out) == (1, {"no genus": 1})
    np.testing.assert_array_equal(found.pictures.vectors, pictures.vectors[[0, 2]])
    found = by_label(pictures, {"c": "crow", "a": "tit", "z": "tit"})
    assert (found.labels, found.classes.tolist(), found.missing) == (("crow", "tit"), [1, 0], ("z",))
    assert found.pictures.left_out == {"no label": 1}
    with pytest.raises(InputError, match="none of 3 pictures has a family"):
        by_rank(pictures, "family")
    with pytest.raises(InputError, match="class 'owl' of the labels has no picture"):
        by_label(pictures, {"a": "tit", "z": "owl"})


def test_a_csv_and_a_mapping_say_the_same(tmp_path):
    pictures = pictures_of(image_id=["a", "b", "c"], uri=["/x/1.jpg", "/x/2.jpg", "/y/1.jpg"])
    for key, names in (("image_id", ["c", "a"]), ("file", ["y/1.jpg", "1.jpg"])):
        with (tmp_path / f"{key}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([[key, "label"], [names[0], "crow"], [names[1], "tit"]])
        found = by_csv(pictures, tmp_path / f"{key}.csv")
        assert (found.labels, found.classes.tolist()) == (("crow", "tit"), [1, 0])


def test_spellings_of_one_label_are_one_class(tmp_path):
    spellings = ["Parus major", "parus major", "Parus\u00a0major", "PARUS MAJOR", "Corvus corax"]
    lines = [f"{number},{label}" for number, label in enumerate(spellings)]
    (tmp_path / "labels.csv").write_text("\n".join(["image_id,label", *lines]), encoding="utf-8")
    found = by_csv(pictures_of(image_id=[str(number) for number in range(5)]), tmp_path / "labels.csv")
    assert (found.labels, found.classes.tolist()) == (("Parus major", "Corvus corax"), [0, 0, 0, 0, 1])


def test_names_under_several_lineages_are_told_at_the_highest_rank_that_differs():
    rows = [("Animalia", "Paridae", "Parus", "Parus major"), ("Animalia", "Corvidae", "Parus", "Parus major")]
    rows += [("Plantae", "Moraceae", "Morus", "Morus alba"), ("Animalia", "Sulidae", "Morus", "Morus bassanus")]
    names = ("kingdom", "family", "genus", "species")
    found = by_rank(pictures_of(**dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))), "species")
    assert of_several_lineages(found.tree) == [
        "the genus Morus (in Moraceae, in Sulidae)",
        "the genus Parus (in Corvidae, in Paridae)",
    ]
    assert of_several_lineages(by_rank(pictures_of(genus=["Parus", "Corvus"]), "genus").tree) == []


def test_the_only_other_column_of_a_csv_has_the_labels(tmp_path):
    pictures = pictures_of(image_id=["a", "b", "c"], uri=["/x/1.jpg", "/x/2.jpg", "/y/1.jpg"])
    (tmp_path / "l.csv").write_text("image_id,kind\na,tit\nc,crow\n")
    found = by_csv(pictures, tmp_path / "l.csv")
    assert [found.labels[number] for number in found.classes] == ["tit", "crow"]
    (tmp_path / "m.csv").write_text("image_id,kind,place\na,tit,garden\n")
    with pytest.raises(InputError, match="has the columns image_id, kind, place: expected one of .* and `label`"):
        by_csv(pictures, tmp_path / "m.csv")
