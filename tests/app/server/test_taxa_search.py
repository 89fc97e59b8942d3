"""Taxa by the letters of their names."""

import pytest

import cladescope
from cladescope.index.store import Store


@pytest.fixture
def named(serving, store, tmp_path):
    """A client of a store called `named` of some lines of a table, which begin with its columns."""

    def make(*lines):
        uris = store.table(["uri"]).column(0).to_pylist()
        rows = [f"{uri},{line}" for uri, line in zip(uris, lines[1:], strict=False)]
        (tmp_path / "t.csv").write_text("\n".join([f"file,{lines[0]}", *rows]) + "\n")
        cladescope.embed(tmp_path / "t.csv", tmp_path / "named.store", encoder="pixels")
        client = serving(Store.open(tmp_path / "named.store"))
        return lambda q, **asked: client.json("/stores/named/taxa", params={"q": q, **asked})["taxa"]

    return make


BIRDS = (
    "kingdom,class,genus,species,common_name",
    "Animalia,Aves,Parus,Parus major,Great Tit",
    "Animalia,Aves,Parus,Parus major,great tit",
    "Animalia,Aves,Parus,Parus major,Great Tit",
    "Animalia,Aves,Cyanistes,Cyanistes caeruleus,Blåmejse",
    "Animalia,Aves,Cyanistes,Cyanistes caeruleus,Blåmejse",
    "Animalia,Insecta,Apis,Apis mellifera,honey bee",
    "Plantae,,Oenanthe,,",
    "Animalia,Aves,Oenanthe,,",
)


def test_names_that_begin_so_come_first_then_words_then_letters(named):
    find = named(*BIRDS)
    assert [one["name"] for one in find("par")] == ["Parus", "Parus major"]
    assert [one["name"] for one in find("m")][:1] != []
    assert [one["name"] for one in find("major")] == ["Parus major"]
    assert [one["name"] for one in find("tit")] == ["Parus major"]
    found = find("a")
    begins = [one["name"].lower().startswith("a") for one in found]
    assert begins == sorted(begins, reverse=True)
    assert [one["name"] for one in found[:2]] == ["Animalia", "Aves"]
    assert len(find("a", limit=2)) == 2


def test_a_taxon_is_told_with_its_path_count_and_most_frequent_common_name(named):
    find = named(*BIRDS)
    (found,) = find("PARUS M")
    assert found == {
        "taxon": "Animalia > Aves > Parus > Parus major",
        "name": "Parus major",
        "rank": "species",
        "common_name": "Great Tit",
        "images": 3,
    }
    assert {(one["taxon"], one["images"]) for one in find("oenanthe")} == {
        ("Plantae > Oenanthe", 1),
        ("Animalia > Aves > Oenanthe", 1),
    }


@pytest.mark.parametrize("letters", ["blåm", "blam", "BLÅMEJSE", " blåmejse "])
def test_case_and_accents_make_no_difference(named, letters):
    assert [one["name"] for one in named(*BIRDS)(letters)] == ["Cyanistes caeruleus"]


def test_labels_are_found_where_there_are_no_ranks(named):
    find = named("label", "red sparrow", "red sparrow", "kite")
    assert find("spar") == [
        {"taxon": "red sparrow", "name": "red sparrow", "rank": "label", "common_name": None, "images": 2}
    ]


@pytest.mark.parametrize("letters", ["%", "_", ".*", "(", "\\", "'", "zzz", "\x00", " ", "\u0301"])
def test_letters_are_letters(client, letters):
    assert client.json("/stores/clades/taxa", params={"q": letters})["taxa"] == []


def test_a_long_or_empty_question_is_refused(client):
    client.refused("/stores/clades/taxa", 422, params={"q": ""})
    client.refused("/stores/clades/taxa", 422, params={"q": "x" * 201})
