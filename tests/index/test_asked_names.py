"""Common names and slips of the pen where a store is narrowed: what was meant is found, and said."""

import logging
from pathlib import Path

import pytest
from PIL import Image

import cladescope
from cladescope.errors import InputError, TaxonError
from cladescope.index.store import Store

ROWS = {
    "tit": {"kingdom": "Animalia", "phylum": "Chordata", "class": "Aves", "order": "Passeriformes", "species": "Parus major", "common_name": "Great tit"},
    "coal": {"kingdom": "Animalia", "phylum": "Chordata", "class": "Aves", "order": "Passeriformes", "species": "Periparus ater", "common_name": "Coal tit"},
    "fox": {"kingdom": "Animalia", "phylum": "Chordata", "class": "Mammalia", "order": "Carnivora", "species": "Vulpes vulpes", "common_name": "red fox"},
    "oak": {"kingdom": "Plantae", "phylum": "Tracheophyta", "class": "Magnoliopsida", "order": "Fagales", "species": "Quercus robur", "common_name": "red fox"},
}  # fmt: skip


@pytest.fixture
def store(tmp_path):
    """A store of four pictures, of which two have one common name."""
    rows = [f"{name}.png,{','.join(labels.values())}" for name, labels in ROWS.items()]
    (tmp_path / "t.csv").write_text("\n".join([f"file,{','.join(ROWS['tit'])}", *rows]))
    for number, name in enumerate(ROWS):
        Image.new("RGB", (8, 8), (60 * number, 0, 0)).save(tmp_path / f"{name}.png")
    cladescope.embed(tmp_path / "t.csv", tmp_path / "s", encoder="pixels")
    return Store.open(tmp_path / "s")


def found(store, **narrowed):
    condition = store.condition(**narrowed)
    return sorted(
        Path(uri).stem for batch in store.scan(["uri"], condition=condition) for uri in batch.column("uri").to_pylist()
    )


@pytest.mark.parametrize(
    ("within", "ids"),
    [
        ("great tits", ["tit"]),
        ("Coal-tit", ["coal"]),
        ("birds", ["coal", "tit"]),
        ("Mammals", ["fox"]),
        ("plants", ["oak"]),
        (["great tit", "plants"], ["oak", "tit"]),
        ("Aves", ["coal", "tit"]),
    ],
)
def test_a_clade_may_be_named_by_a_common_name(store, within, ids):
    assert found(store, within=within) == ids


def test_what_a_common_name_was_taken_for_is_said_once(store, caplog):
    caplog.set_level(logging.INFO)
    found(store, within="birds")
    found(store, within="birds")
    assert [record.message for record in caplog.records] == ["'birds' is taken for Animalia > Chordata > Aves"]


def test_a_common_name_of_two_taxa_or_of_none_is_no_clade(store):
    for name in ("red fox", "unicorns", "fish"):
        with pytest.raises(TaxonError, match="unknown taxon"):
            store.condition(within=name)


def test_a_common_name_of_what_is_not_there_is_told_apart_from_an_unknown_word(store):
    with pytest.raises(TaxonError, match="'insects' means Insecta, of which nothing is here"):
        store.condition(within="insects")


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("species = 'Parus major'", ["tit"]),
        ("species = 'parus MAJOR'", ["tit"]),
        ("species = 'great tit'", ["tit"]),
        ("'great tit' = species", ["tit"]),
        ("species <> 'great tit'", ["coal", "fox", "oak"]),
        ("class = 'birds' AND species <> 'coal tits'", ["tit"]),
        ("species IN ('great tit', 'Quercus robur')", ["oak", "tit"]),
        ("class NOT IN ('birds')", ["fox", "oak"]),
        ("common_name = 'GREAT TIT'", ["tit"]),
        ("common_name = 'red foxes'", ["fox", "oak"]),
        ("class = 'great tit'", ["coal", "tit"]),
        ("species LIKE 'Parus%'", ["tit"]),
    ],
)
def test_ranks_in_a_condition_may_be_named_as_people_do(store, where, ids):
    assert found(store, where=where) == ids


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (
            "species = 'Aves'",
            "no picture has the species 'Aves', which is a class: write class = 'Aves', or name it as a clade",
        ),
        ("species = 'Parus mayor'", "no picture has the species 'Parus mayor': did you mean 'Parus major'?"),
        ("species = 'Nemo'", "no picture has the species 'Nemo'"),
    ],
)
def test_a_text_that_no_picture_has_is_said(store, caplog, where, said):
    caplog.set_level(logging.INFO)
    assert found(store, where=where) == []
    assert [record.message for record in caplog.records] == [said]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("species = Aves", "no column: a text stands in single quotes, write species = 'Aves'"),
        ('species = "Aves"', "write species = 'Aves'"),
        ("species <> Aves", "write species <> 'Aves'"),
        ("species = Parus major", "write species = 'Parus major', a text in single quotes"),
        ("speces = 'x'", "did you mean 'species'?"),
        ("Specie = 'x'", "did you mean 'species'?"),
        ("nothing = 3", "no column 'nothing' in the condition 'nothing = 3': the store has image_id"),
    ],
)
def test_a_wrong_condition_is_told_how_to_be_right(store, where, said):
    with pytest.raises(InputError) as error:
        store.condition(where=where)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
