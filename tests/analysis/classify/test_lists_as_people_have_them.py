"""Lists of taxa, labels, bins and priors as people have them."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cladescope.analysis.classify.made_by import made_by
from cladescope.analysis.classify.name_lists import with_members
from cladescope.analysis.classify.taxon_lists import LabelList, read_labels, read_prior, read_taxa
from cladescope.embedding.encoder import EncoderCard
from cladescope.errors import InputError
from cladescope.taxonomy.taxon import RANKS


def put(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("name", ["checklist.csv", "checklist.tsv", "checklist.txt"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_checklist_of_gbif_is_read_as_it_is_downloaded(tmp_path: Path, name: str, encoding: str) -> None:
    text = (
        "taxonKey\tscientificName\tnumberOfOccurrences\tclass\torder\tfamily\tgenus\tspecies\n"
        '9\tLarus "fuscus" L.\t4\tAves\tCharadriiformes\tLaridae\tLarus\tLarus fuscus\n'
    )
    (row,) = read_taxa(put(tmp_path / name, text, encoding)).to_pylist()
    assert [row[rank] for rank in RANKS] == [None, None, "Aves", "Charadriiformes", "Laridae", "Larus", "Larus fuscus"]


def test_beside_cls_a_class_that_names_the_species_is_a_label(tmp_path: Path) -> None:
    text = ",cls,genus,species,class\n0,Aves,Larus,fuscus,Larus fuscus\n1,Insecta,Apis,mellifera,Apis mellifera\n"
    table = read_taxa(put(tmp_path / "rare.csv", text))
    assert table["class"].to_pylist() == ["Aves", "Insecta"]
    assert table["species"].to_pylist() == ["Larus fuscus", "Apis mellifera"]
    with pytest.raises(InputError, match="'class' and 'cls' both give the class"):
        read_taxa(put(tmp_path / "two.csv", text.replace("Apis mellifera", "Insecta")))


def test_headers_of_lists_are_known_in_any_spelling(tmp_path: Path) -> None:
    table = read_taxa(put(tmp_path / "t.csv", "CLASS;Genus;Vernacular Name\nAves;Larus;gull\n"))
    assert (table["class"][0].as_py(), table["genus"][0].as_py(), table["common_name"][0].as_py()) == (
        "Aves",
        "Larus",
        "gull",
    )
    weights, unknown = read_prior(put(tmp_path / "p.csv", "Taxon;Weight\nLarus;4\nNemo;1\n"), table)
    assert (np.exp(weights).tolist(), unknown) == ([pytest.approx(4.0)], ["Nemo"])


def test_words_for_missing_are_no_taxa_and_a_genus_of_that_name_is_kept_in_quotes(tmp_path: Path) -> None:
    text = 'family,genus\nLaridae,NA\nunknown,Apis\nNaidae,"Na"\n'
    table = read_taxa(put(tmp_path / "t.csv", text))
    assert set(zip(table["family"].to_pylist(), table["genus"].to_pylist(), strict=True)) == {
        ("Laridae", None),
        (None, "Apis"),
        ("Naidae", "Na"),
    }
    pq.write_table(pa.table({"family": ["Laridae", "Indet."], "genus": ["NA", "Apis"]}), tmp_path / "t.parquet")
    table = read_taxa(tmp_path / "t.parquet")
    assert {*table["family"].to_pylist(), *table["genus"].to_pylist()} == {"Laridae", "Apis", None}


@pytest.mark.parametrize("header", ["cls,bin", "CLS,Bin", "label,bin", "what,where"])
def test_bins_are_read_whatever_their_columns_are_called(tmp_path: Path, header: str) -> None:
    found = read_labels(put(tmp_path / "bins.csv", f"{header}\nowl,one\nbeetle,two\n"))
    assert found == LabelList(("owl", "beetle"), ("one", "two"))


def test_a_list_of_another_length_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 3 of .* has 1 values, its header 2"):
        read_taxa(put(tmp_path / "t.csv", "class,genus\nAves,Larus\nAves\n"))
    with pytest.raises(InputError, match="expected some of kingdom"):
        read_taxa(put(tmp_path / "none.csv", "plot,colour\n1,red\n"))


def test_names_of_a_list_that_are_no_species_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = "Scientific name\nLarus fuscus\nLarus sp.\nMilvus migrans/milvus\nAnas acuta x crecca\n"
    with caplog.at_level("INFO"):
        table = read_taxa(put(tmp_path / "t.csv", text))
    assert sorted(filter(None, table["species"].to_pylist())) == ["Larus fuscus"]
    assert "3 of 4 names say no species" in caplog.text


def test_a_taxon_without_known_members_is_told(tmp_path: Path) -> None:
    table = read_taxa(put(tmp_path / "t.csv", "family,genus,species\nLaridae,,\n,Milvus,\n,Apis,Apis mellifera\n"))
    known = read_taxa(put(tmp_path / "k.csv", "family,genus,species\nLaridae,Larus,Larus fuscus\n"))
    whole, note = with_members(table, "species", lambda: known, None)
    assert whole.num_rows == 3
    assert note == (
        "1 taxa above the species stand for their 1 members that are known; "
        "1 taxa above the species have no known members and are no answers: Milvus"
    )


def test_two_weights_of_one_taxon_are_refused(tmp_path: Path) -> None:
    table = read_taxa(put(tmp_path / "t.csv", "genus\nLarus\n"))
    with pytest.raises(InputError, match="gives 'Larus' the weights 2 and 3"):
        read_prior(put(tmp_path / "p.csv", "taxon,weight\nLarus,2\nLarus,3\n"), table)


@pytest.mark.parametrize("read", [read_taxa, read_labels])
def test_a_pipe_is_no_list(tmp_path: Path, read: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "list.csv")
    with pytest.raises(InputError, match="is a pipe or a device, not a file"):
        read(tmp_path / "list.csv")


def test_known_taxa_are_read_once_for_all_names(tmp_path: Path) -> None:
    table = read_taxa(put(tmp_path / "t.csv", "family\nLaridae\nParidae\n"))
    known = read_taxa(
        put(tmp_path / "k.csv", "family,genus,species\nLaridae,Larus,Larus fuscus\nParidae,Parus,Parus major\n")
    )
    read: list[pa.Table] = []

    def once() -> pa.Table:
        read.append(known)
        return known

    whole, _ = with_members(table, "species", once, None)
    assert (whole.num_rows, len(read)) == (2, 1)


def test_the_label_that_is_there_twice_is_named() -> None:
    with pytest.raises(InputError, match="the label 'beetle' is there twice: leave one out"):
        LabelList(("owl", "beetle", "beetle"))


def test_few_labels_are_told_by_name_and_many_by_number() -> None:
    card = EncoderCard(name="pixels", dim=960, weight_hash="5e1f", transform=None, has_text=False)
    told = [made_by(card, [f"a{number}" for number in range(n)])["classes"] for n in (5, 6)]
    assert told == ["a0, a1, a2, a3, a4", "6 labels"]
