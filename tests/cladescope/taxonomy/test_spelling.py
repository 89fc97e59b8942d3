"""One name in many spellings: what is equal, what is stored, what is shown."""

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.taxonomy import RANKS, Taxon, Taxonomy
from cladescope.taxonomy.rank_table import rank_codes, spelt_alike
from cladescope.taxonomy.spelling import fold, preferred, stored_name, tidy

TEXTS = st.text(
    st.sampled_from("aBe\u00e9\u0301 \u00a0\u2003\u200b\u200c\ufeff_-\u00d7\u00df\u03a3\u03c2\u0130\u0627"), max_size=12
) | st.text(max_size=12)

ONE_NAME = [
    "Calliandra ébène",
    unicodedata.normalize("NFD", "Calliandra ébène"),
    "calliandra ébène",
    "CALLIANDRA ÉBÈNE",
    "Calliandra\u00a0ébène",
    "Calliandra\u2009 ébène ",
    "Calliandra ébè\u200bne",
    "\ufeffCalliandra ébène",
    "Calliandra_ébène",
]


@pytest.mark.parametrize("spelling", ONE_NAME)
def test_spellings_of_one_name_are_one_name(spelling):
    assert fold(spelling) == fold(ONE_NAME[0])
    assert Taxon((spelling,)) == Taxon((ONE_NAME[0],))
    assert hash(Taxon((spelling,))) == hash(Taxon((ONE_NAME[0],)))
    assert not Taxon((spelling,)) < Taxon((ONE_NAME[0],))


@given(TEXTS)
def test_tidying_and_folding_twice_is_doing_it_once(text):
    assert tidy(tidy(text)) == tidy(text)
    assert fold(fold(text)) == fold(text)
    assert fold(tidy(text)) == fold(text)


@given(TEXTS, st.sampled_from(RANKS))
def test_what_is_stored_is_the_same_name_and_stored_again_unchanged(text, rank):
    stored = stored_name(text, rank)
    assert fold(stored) == fold(text)
    assert stored_name(stored, rank) == stored


@pytest.mark.parametrize(
    "rank, written, stored",
    [
        ("species", "parus major", "Parus major"),
        ("species", "PARUS MAJOR", "Parus major"),
        ("species", "Parus Major", "Parus major"),
        ("species", "parus major newtoni", "Parus major newtoni"),
        ("species", "arctostaphylos uva-ursi", "Arctostaphylos uva-ursi"),
        ("species", "Parus\u00a0major", "Parus major"),
        ("genus", "parus", "Parus"),
        ("family", "PARIDAE", "Paridae"),
        ("kingdom", "animalia", "Animalia"),
        ("genus", "McFarlandia", "McFarlandia"),
        # Names with rules of their own keep their letters.
        ("species", "Quercus \u00d7 hispanica", "Quercus \u00d7 hispanica"),
        ("species", "quercus x hispanica", "quercus \u00d7 hispanica"),
        ("species", "Quercus \u00d7hispanica", "Quercus \u00d7 hispanica"),
        ("species", "tobacco mosaic virus", "tobacco mosaic virus"),
        ("family", "viridae", "viridae"),
        ("species", "Candidatus Phytoplasma", "Candidatus Phytoplasma"),
        ("species", "Parus sp. A", "Parus sp. A"),
        ("species", "Vanessa atalanta (L., 1758)", "Vanessa atalanta (L., 1758)"),
        ("species", "Rosa 'Peace'", "Rosa 'Peace'"),
        ("genus", "BOLD:AAA1234", "BOLD:AAA1234"),
        ("phylum", "SAR", "SAR"),
        ("order", "Incertae sedis A", "Incertae sedis A"),
    ],
)
def test_letters_change_their_case_only_where_the_codes_are_plain(rank, written, stored):
    assert stored_name(written, rank) == stored


def test_joiners_stay_where_they_belong_to_the_spelling():
    persian = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    assert tidy(persian) == persian
    assert tidy("Parus\u200c major") == "Parus major"


@given(st.permutations(ONE_NAME))
def test_the_spelling_that_is_shown_does_not_depend_on_the_order(spellings):
    assert preferred(spellings) == ONE_NAME[0]


def test_rows_that_differ_only_in_spelling_are_one_taxon():
    table = pa.table({"kingdom": ["Plantae", "PLANTAE"] * 4 + ["plantae"], "species": ONE_NAME})
    taxonomy = Taxonomy.from_table(table)
    assert [taxon.path for taxon in taxonomy] == [("Plantae",), ("Plantae", *[None] * 5, ONE_NAME[0])]
    assert taxonomy.spellings(ONE_NAME[4]) == tuple(sorted(ONE_NAME))
    for spelling in ONE_NAME:
        assert taxonomy.resolve(spelling) == taxonomy.taxa("species")
        assert Taxon(("plantae", *[None] * 5, spelling)) in taxonomy
    names, codes = rank_codes(table)
    assert names == [ONE_NAME[0], "Plantae"]
    assert (codes == codes[0]).all()
    assert set(spelt_alike(table)["species"].to_pylist()) == {ONE_NAME[0]}


def test_a_genus_of_two_kingdoms_stays_two_taxa_however_it_is_spelt():
    taxonomy = Taxonomy.from_taxa([Taxon(("Animalia", "Oenanthe")), Taxon(("plantae", "OENANTHE"))])
    assert len(taxonomy) == 4
    assert [str(taxon) for taxon in taxonomy.resolve("PLANTAE > oenanthe")] == ["plantae > Oenanthe"]


def test_a_name_that_shows_nothing_is_no_name():
    assert Taxon.from_ranks(["Animalia", "\u200b", " ", "_"]) == Taxon(("Animalia",))
    assert len(Taxonomy.from_table(pa.table({"kingdom": ["Animalia"], "phylum": ["\u200b \u00a0"]}))) == 1
