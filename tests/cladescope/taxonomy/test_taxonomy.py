"""Taxa by full path, what a user may call them, and the taxonomy that they make."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv

from cladescope.errors import InputError, TaxonError
from cladescope.taxonomy import RANK_INDEX, RANKS, Taxon, Taxonomy, lca
from cladescope.taxonomy.names import nearest
from cladescope.taxonomy.spelling import fold
from tests.conftest import SHARED_DATA

REAL = SHARED_DATA / "taxonomy" / "taxonomy.parquet"

quick = settings(max_examples=40, deadline=None)
names = st.sampled_from(["A", "B", "C", "a_b", "é x"])
paths = st.lists(st.none() | names, max_size=len(RANKS) - 1).flatmap(
    lambda above: names.map(lambda name: (*above, name))
)
taxa = paths.map(Taxon)


def taxon(text: str) -> Taxon:
    """A taxon from names with blanks between; "-" stands for a rank that is not recorded."""
    return Taxon(tuple(None if name == "-" else name for name in text.split()))


WHEATEAR = taxon("Animalia Chordata Aves Passeriformes Muscicapidae Oenanthe")
DROPWORT = taxon("Plantae Tracheophyta Magnoliopsida Apiales Apiaceae Oenanthe")


def differ(one: Taxon, other: Taxon) -> bool:
    return any(None not in pair and pair[0] != pair[1] for pair in zip(one.path, other.path, strict=True))


def found_or_refused(taxonomy: Taxonomy, text: str) -> tuple[Taxon, ...] | str:
    try:
        return taxonomy.resolve(text)
    except TaxonError as error:
        return str(error)


def refusal(taxonomy: Taxonomy, text: str) -> str:
    with pytest.raises(TaxonError) as caught:
        taxonomy.resolve(text)
    return str(caught.value)


def test_the_ranks_run_from_kingdom_to_species() -> None:
    assert RANKS == ("kingdom", "phylum", "class", "order", "family", "genus", "species")
    assert [RANKS[RANK_INDEX[rank]] for rank in RANKS] == list(RANKS)


def test_a_taxon_knows_its_rank_name_lineage_and_parent() -> None:
    aves = taxon("Animalia - Aves")
    assert (aves.rank, aves.name, str(aves)) == ("class", "Aves", "Animalia > Aves")
    assert aves.parent == taxon("Animalia")
    assert aves.lineage == (taxon("Animalia"), aves)
    assert taxon("- Chordata").parent is None


@pytest.mark.parametrize("path", [(), ("Animalia", None), ("Animalia", ""), ("",), ("A",) * 8])
def test_a_path_that_is_no_taxon_is_refused(path: tuple[str | None, ...]) -> None:
    with pytest.raises(TaxonError):
        Taxon(path)


def test_labels_become_the_deepest_taxon_they_name() -> None:
    assert Taxon.from_ranks({"kingdom": "Animalia", "class": "Aves", "genus": "", "name": "x"}) == taxon(
        "Animalia - Aves"
    )
    assert Taxon.from_ranks(["Animalia", None, "Aves", "", None]) == taxon("Animalia - Aves")
    assert Taxon.from_ranks({}) is None
    assert Taxon.from_ranks(["", None]) is None


def test_a_bare_text_is_not_taken_for_a_list_of_ranks() -> None:
    with pytest.raises(TaxonError, match=r"Taxonomy\.resolve"):
        Taxon.from_ranks("Aves")


def test_more_names_than_ranks_are_refused() -> None:
    with pytest.raises(TaxonError, match="8 ranks, expected 1 to 7"):
        Taxon.from_ranks(["x"] * 8)


@quick
@given(st.lists(taxa, unique=True))
def test_taxa_sort_with_missing_ranks_first_and_every_clade_in_one_piece(members: list[Taxon]) -> None:
    ordered = sorted(members)
    assert all(first < second and first <= second and second > first for first, second in pairwise(ordered))
    for clade in members:
        inside = [clade.contains(member) for member in ordered]
        assert sum(first != second for first, second in pairwise([False, *inside, False])) == 2


@quick
@given(st.lists(taxa, min_size=1, max_size=5))
def test_the_lca_is_the_deepest_taxon_that_contains_all(members: list[Taxon]) -> None:
    shared = [one for one in members[0].lineage if all(one.contains(member) for member in members)]
    assert lca(members) == (shared[-1] if shared else None)


def test_a_rank_that_one_taxon_leaves_out_separates_it_from_one_that_records_it() -> None:
    assert lca([taxon("Animalia Chordata Aves"), taxon("Animalia - Aves")]) == taxon("Animalia")
    assert lca([taxon("Animalia - Aves Piciformes"), taxon("Animalia - Aves")]) == taxon("Animalia - Aves")
    assert lca([taxon("Animalia - Aves"), taxon("Animalia - Insecta")]) == taxon("Animalia")
    assert lca([taxon("- Chordata"), taxon("Animalia Chordata")]) is None


def test_taxa_of_two_kingdoms_and_no_taxa_have_no_lca() -> None:
    assert lca([WHEATEAR, DROPWORT]) is None
    assert lca([]) is None


@quick
@given(st.lists(taxa, max_size=12))
def test_a_taxonomy_holds_exactly_the_taxa_given_and_their_ancestors(members: list[Taxon]) -> None:
    taxonomy = Taxonomy.from_taxa(members)
    expected = {one for member in members for one in member.lineage}
    everything = list(taxonomy)
    assert len(everything) == len(taxonomy) == len(expected)
    assert set(everything) == expected
    assert all(one in taxonomy for one in expected)
    assert set(taxonomy.roots) == {one for one in expected if one.parent is None}
    for one in expected:
        below = {other for other in expected if one.contains(other)}
        assert set(taxonomy.clade(one)) == below
        assert taxonomy.species_count(one) == sum(other.rank == "species" for other in below)
        children = taxonomy.children(one)
        assert set(children) == {other for other in expected if other.parent == one}
        assert list(children) == sorted(children, key=lambda child: (child.name, len(child.path)))
        assert taxonomy.parent(one) == one.parent
    assert [one for rank in RANKS for one in taxonomy.taxa(rank)] == everything


@quick
@given(st.lists(taxa, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter_and_the_table_reads_back(members: list[Taxon], random: Random) -> None:
    taxonomy = Taxonomy.from_taxa(members)
    shuffled = members.copy()
    random.shuffle(shuffled)
    assert list(Taxonomy.from_taxa(shuffled)) == list(taxonomy)
    assert list(Taxonomy.from_table(taxonomy.to_table())) == list(taxonomy)


@quick
@given(st.lists(taxa, min_size=1, max_size=12))
def test_a_full_path_with_its_rank_finds_its_taxon_unless_others_that_differ_fit_it_too(members: list[Taxon]) -> None:
    taxonomy = Taxonomy.from_taxa(members)
    for one in taxonomy:
        *above, own = one.lineage
        text = " > ".join([*(ancestor.name for ancestor in above), f"{own.rank}:{own.name}"])
        found = found_or_refused(taxonomy, text)
        if isinstance(found, str):
            assert "write more of the path, for instance" in found
            namesakes = [other for other in taxonomy.taxa(own.rank) if other.name == own.name]
            assert any(differ(first, second) for first in namesakes for second in namesakes)
        else:
            assert own in found
            assert not any(differ(first, second) for first in found for second in found)


def test_a_taxon_that_is_not_recorded_is_refused() -> None:
    taxonomy = Taxonomy.from_taxa([WHEATEAR])
    assert DROPWORT not in taxonomy
    assert "Oenanthe" not in taxonomy
    assert taxon("Animalia - Aves") not in taxonomy
    for ask in (taxonomy.children, taxonomy.parent, taxonomy.clade, taxonomy.species_count):
        with pytest.raises(TaxonError, match="Apiaceae > Oenanthe .genus. is not among the 6 taxa"):
            ask(DROPWORT)
    with pytest.raises(TaxonError, match="not among"):
        taxonomy.lca([WHEATEAR, DROPWORT])


def test_a_taxonomy_gives_the_lca_of_its_taxa() -> None:
    taxonomy = Taxonomy.from_taxa([taxon("Animalia Chordata Aves"), taxon("Animalia Arthropoda")])
    assert taxonomy.lca(taxonomy.taxa("phylum")) == taxon("Animalia")


def test_a_word_that_is_no_rank_is_refused() -> None:
    with pytest.raises(TaxonError, match=r"found 'tribe', expected a rank: kingdom, .* species"):
        Taxonomy.from_taxa([]).taxa("tribe")


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_rank_columns_of_any_text_type_are_read_and_others_ignored(kind: pa.DataType) -> None:
    table = pa.table(
        {
            "genus": pa.array(["Parus", "", None, "Parus"]).cast(kind),
            "kingdom": pa.chunked_array([["Animalia"], ["Plantae", None, "Animalia"]]).cast(kind),
            "order": pa.nulls(4),
            "image": [1, 2, 3, 4],
        }
    )
    assert [str(one) for one in Taxonomy.from_table(table)] == ["Animalia", "Plantae", "Animalia > Parus"]


def test_a_rank_column_of_numbers_or_two_of_one_rank_are_refused() -> None:
    with pytest.raises(InputError, match="column 'genus' holds int64, expected text"):
        Taxonomy.from_table(pa.table({"genus": [1, 2]}))
    twice = pa.table([pa.array(["a"]), pa.array(["b"])], names=["genus", "genus"])
    with pytest.raises(InputError, match="found 2 columns named 'genus'"):
        Taxonomy.from_table(twice)


def test_csv_and_parquet_files_give_the_same_taxonomy(tmp_path: Path) -> None:
    table = pa.table({"class": ["Aves", "Aves"], "species": ["Parus major", ""], "n": [1, 2]})
    csv.write_csv(table, tmp_path / "taxa.csv")
    pq.write_table(table, tmp_path / "taxa.parquet")
    expected = [taxon("- - Aves"), Taxon((None, None, "Aves", None, None, None, "Parus major"))]
    assert list(Taxonomy.read(tmp_path / "taxa.csv")) == expected
    assert list(Taxonomy.read(str(tmp_path / "taxa.parquet"))) == expected


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("missing.csv", None, "is not a file"),
        ("taxa.doc", b"class\nAves\n", "expected a taxonomy as .csv or .parquet"),
        ("taxa.csv", b"Klasse,label\nAves,1\n", "has the columns Klasse, label, expected some of kingdom"),
        ("taxa.csv", b"", "is empty: expected a header"),
        ("taxa.csv", b"class,genus\nAves\n", "line 2 of .* has 1 values"),
        ("taxa.csv", b"class\n\x81\n", "neither UTF-8"),
        ("taxa.parquet", b"class\nAves\n", "cannot be read as a table"),
    ],
)
def test_a_file_that_is_no_taxonomy_is_refused_with_its_reason(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        Taxonomy.read(path)
    assert name in str(caught.value)


@pytest.mark.parametrize("text", ["Aves", "aves", " AVES ", "class:Aves", "Animalia>aves", "animalia > Class:aves"])
def test_a_name_is_found_in_any_case_with_or_without_its_rank_or_ancestors(text: str) -> None:
    assert Taxonomy.from_taxa([WHEATEAR]).resolve(text) == (taxon("Animalia Chordata Aves"),)


@pytest.mark.parametrize("text", ["Turdus merula", "turdus_merula", "Turdus  Merula"])
def test_underscores_and_runs_of_blanks_count_as_one_blank(text: str) -> None:
    species = Taxon((*taxon("Animalia Chordata Aves Passeriformes Turdidae Turdus").path, "Turdus merula"))
    assert Taxonomy.from_taxa([species]).resolve(text) == (species,)


def test_a_name_with_a_colon_that_follows_no_rank_is_a_name() -> None:
    barcode = taxon("Animalia Arthropoda Insecta - - - BOLD:AAA1234")
    assert Taxonomy.from_taxa([barcode]).resolve("bold:aaa1234") == (barcode,)


def test_hemihomonyms_are_refused_with_a_path_that_tells_them_apart() -> None:
    taxonomy = Taxonomy.from_taxa([WHEATEAR, DROPWORT])
    assert refusal(taxonomy, "Oenanthe") == (
        "'Oenanthe' names 2 taxa: Animalia > Chordata > Aves > Passeriformes > Muscicapidae > Oenanthe (genus) "
        "and Plantae > Tracheophyta > Magnoliopsida > Apiales > Apiaceae > Oenanthe (genus): "
        "write more of the path, for instance 'Plantae > Oenanthe'"
    )
    assert taxonomy.resolve("Plantae>Oenanthe") == (DROPWORT,)
    assert taxonomy.resolve("Aves > oenanthe") == (WHEATEAR,)


def test_one_name_at_two_ranks_is_told_apart_by_the_rank() -> None:
    outer, inner = taxon("Protozoa"), taxon("Protozoa Protozoa")
    taxonomy = Taxonomy.from_taxa([inner])
    assert "'Protozoa > Protozoa'" in refusal(taxonomy, "Protozoa")
    assert taxonomy.resolve("kingdom:Protozoa") == (outer,)
    assert taxonomy.resolve("Protozoa > Protozoa") == (inner,)


def test_many_meanings_are_counted_but_not_all_listed() -> None:
    taxonomy = Taxonomy.from_taxa([taxon(f"Animalia P{i} X") for i in range(6)])
    message = refusal(taxonomy, "X")
    assert message.startswith("'X' names 6 taxa: Animalia > P0 > X (class) and ")
    assert "P3 > X (class) and 2 more: " in message
    assert "P4" not in message
    assert message.endswith("for instance 'P5 > X'")


def test_a_clade_recorded_with_and_without_a_rank_between_is_one_answer() -> None:
    full, short = taxon("Animalia Chordata Aves"), taxon("Animalia - Aves")
    taxonomy = Taxonomy.from_taxa([full, short])
    assert set(taxonomy.resolve("Aves")) == {full, short}
    assert set(taxonomy.resolve("Chordata > Aves")) == {full, short}


def test_a_path_leaves_out_a_record_that_could_be_either_of_two_taxa() -> None:
    one, other, either = taxon("Animalia P X"), taxon("Animalia Q X"), taxon("Animalia - X")
    taxonomy = Taxonomy.from_taxa([one, other, either])
    assert "names 2 taxa" in refusal(taxonomy, "X")
    assert taxonomy.resolve("P > X") == (one,)


def test_a_path_leaves_out_records_that_contradict_each_other() -> None:
    chosen, one, other = taxon("A - - X"), taxon("- B - X"), taxon("- C - X")
    assert Taxonomy.from_taxa([chosen, one, other]).resolve("A > X") == (chosen,)


def test_ancestors_in_the_wrong_order_or_of_another_clade_fit_nothing() -> None:
    taxonomy = Taxonomy.from_taxa([WHEATEAR])
    message = "fits no taxon, but 'Oenanthe' does: write the path of Animalia > Chordata"
    for text in ("Plantae > Oenanthe", "Aves > Chordata > Oenanthe", "family:Oenanthe", "Oenanthe > Oenanthe"):
        assert message in refusal(taxonomy, text)


def test_an_unknown_name_is_answered_with_the_nearest_ones() -> None:
    taxonomy = Taxonomy.from_taxa([WHEATEAR, DROPWORT, taxon("Animalia Chordata Mammalia")])
    assert refusal(taxonomy, "Chordata > Avs").startswith("unknown taxon 'Avs': did you mean Aves, ")
    assert refusal(taxonomy, "mamalia").startswith("unknown taxon 'mamalia': did you mean Mammalia, Animalia, ")


@quick
@given(st.text(min_size=1, max_size=8), st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=8))
def test_the_nearest_names_are_some_of_the_names_with_an_equal_one_first(name: str, known: list[str]) -> None:
    found = nearest(name, [*known, name] if name not in known else known)
    assert len(found) == len(set(found)) == min(3, len({*known, name}))
    assert set(found) <= {*known, name}
    assert fold(found[0]) == fold(name)


@pytest.mark.parametrize("text", ["", "  ", "Animalia >", "> Aves", "class:", "_"])
def test_an_empty_name_is_refused(text: str) -> None:
    assert "empty name" in refusal(Taxonomy.from_taxa([WHEATEAR]), text)


def test_a_taxonomy_without_taxa_says_that_no_ranks_are_recorded() -> None:
    empty = Taxonomy.from_table(pa.table({"image": [1, 2]}))
    assert (len(empty), list(empty), empty.roots, empty.to_table().num_rows) == (0, [], (), 0)
    assert "no ranks are recorded" in refusal(empty, "Aves")
    with pytest.raises(TaxonError, match="no ranks are recorded"):
        empty.to_tree()


@quick
@given(st.lists(taxa, min_size=1, max_size=12))
def test_the_tree_has_a_node_for_each_taxon_at_the_depth_of_its_rank(members: list[Taxon]) -> None:
    taxonomy = Taxonomy.from_taxa(members)
    tree = taxonomy.to_tree()
    ordered = [None, *taxonomy]
    assert tree.label == (None, *(one.name for one in taxonomy))
    assert tree.depth().tolist() == [0.0, *(float(len(one.path)) for one in taxonomy)]
    for one, parent in zip(ordered[1:], tree.parent[1:], strict=True):
        assert one is not None
        assert ordered[parent] == one.parent


def test_importing_the_taxonomy_loads_neither_torch_nor_a_tree_library() -> None:
    code = (
        "import sys, cladescope.taxonomy, cladescope.phylogeny.newick;"
        "print({'torch', 'lancedb', 'faiss', 'dendropy'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.skipif(not REAL.exists(), reason="the taxonomy of 137,268 species lies outside the repository")
def test_the_real_taxonomy_keeps_its_hemihomonyms_apart() -> None:
    taxonomy = Taxonomy.read(REAL)
    assert sum(taxonomy.species_count(root) for root in taxonomy.roots) == 137_268
    assert taxonomy.resolve("Animalia > Oenanthe") == (WHEATEAR,)
    assert taxonomy.resolve("Plantae > Oenanthe") == (DROPWORT,)
    assert "names 3 taxa" in refusal(taxonomy, "Proboscidea")


@pytest.mark.parametrize("text", ["Parus major Linnaeus, 1758", "Parus > Parus major (L.)", "species:Parus major L."])
def test_a_name_is_found_with_its_author_too(text):
    taxonomy = Taxonomy.from_table(
        pa.table({"genus": ["Parus", "Tilia"], "species": ["Parus major", "Tilia x vulgaris"]})
    )
    assert [taxon.name for taxon in taxonomy.resolve(text)] == ["Parus major"]
    assert [taxon.name for taxon in taxonomy.resolve("Tilia \u00d7vulgaris Hayne")] == ["Tilia x vulgaris"]


@pytest.mark.parametrize("text", ["Parus cf. major", "Parus major newtoni", "Parus sp."])
def test_a_name_in_doubt_or_of_a_subspecies_is_not_taken_for_the_species(text):
    taxonomy = Taxonomy.from_table(pa.table({"genus": ["Parus"], "species": ["Parus major"]}))
    with pytest.raises(TaxonError, match="unknown taxon"):
        taxonomy.resolve(text)
