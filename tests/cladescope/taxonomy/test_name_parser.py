"""What a written name says. The names are our own, made after the codes' rules and after gnparser's and GBIF's published rules."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.taxonomy import name_parser
from cladescope.taxonomy.name_parser import NOT_EPITHETS, ParsedName, parse_name
from cladescope.taxonomy.spelling import fold, hybrid_signs

# text | species | infraspecific | authorship | qualifier
NAMES = """
Erithacus rubecula                          | Erithacus rubecula
Erithacus rubecula (Linnaeus, 1758)         | Erithacus rubecula | | (Linnaeus, 1758)
Erithacus rubecula Linnaeus, 1758           | Erithacus rubecula | | Linnaeus, 1758
Erithacus rubecula Linnaeus 1758            | Erithacus rubecula | | Linnaeus, 1758
Erithacus_rubecula                          | Erithacus rubecula
ERITHACUS RUBECULA                          | Erithacus rubecula
erithacus rubecula                          | Erithacus rubecula
Cyperus longus L.                           | Cyperus longus | | L.
Cyperus longus (L.) Rchb.                   | Cyperus longus | | (L.) Rchb.
Cyperus longus Rchb. ex Kunth               | Cyperus longus | | Rchb. ex Kunth
Cyperus longus Rchb. & Kunth                | Cyperus longus | | Rchb. & Kunth
Podocarpus nivalis de Laub.                 | Podocarpus nivalis | | de Laub.
Libellula fulva van der Linden              | Libellula fulva | | van der Linden
Libellula fulva von Siebold, 1840           | Libellula fulva | | von Siebold, 1840
Boletus edulis Bull.                        | Boletus edulis | | Bull.
Homo (Homo) sapiens                         | Homo sapiens
Dryopteris filix-mas (L.) Schott            | Dryopteris filix-mas | | (L.) Schott
Coccinella 7-punctata                       | Coccinella 7-punctata
†Mammuthus primigenius (Blumenbach, 1799)   | Mammuthus primigenius | | (Blumenbach, 1799)
Anser fabalis rossicus                      | Anser fabalis | rossicus
Anser fabalis rossicus Buturlin, 1933       | Anser fabalis | rossicus | Buturlin, 1933
Anser fabalis ssp. rossicus                 | Anser fabalis | rossicus
Anser fabalis subsp. rossicus               | Anser fabalis | rossicus
Anser fabalis fabalis (Latham, 1787)        | Anser fabalis | fabalis | (Latham, 1787)
Briza media var. pilosa                     | Briza media | var. pilosa
Briza media L. var. pilosa Gray             | Briza media | var. pilosa | Gray
Briza media f. viridis                      | Briza media | f. viridis
Briza media L. var. media                   | Briza media | var. media | L.
Briza media var. pilosa f. viridis          | Briza media | f. viridis
Acer campestre 'Elsrijk'                    | Acer campestre | 'Elsrijk'
Acer campestre L. 'Elsrijk'                 | Acer campestre | 'Elsrijk'
Acer campestre cv. Elsrijk                  | Acer campestre | 'Elsrijk'
Rosa 'Queen Mary'                           | | 'Queen Mary'
Tilia × vulgaris                            | Tilia × vulgaris
Tilia ×vulgaris                             | Tilia × vulgaris
Tilia x vulgaris                            | Tilia × vulgaris
Tilia X vulgaris                            | Tilia × vulgaris
Tilia × vulgaris Hayne                      | Tilia × vulgaris | | Hayne
Tilia x vulgaris Hayne                      | Tilia × vulgaris | | Hayne
TILIA X VULGARIS                            | Tilia × vulgaris
× Fatshedera lizei                          | × Fatshedera lizei
×Fatshedera lizei                           | × Fatshedera lizei
x Fatshedera lizei                          | × Fatshedera lizei
xFatshedera lizei                           | × Fatshedera lizei
Tilia cordata × Tilia platyphyllos          | | | | hybrid
Tilia cordata x platyphyllos                | | | | hybrid
Tilia cordata × T. platyphyllos             | | | | hybrid
Tilia cordata Mill. × T. platyphyllos Scop. | | | | hybrid
Tilia cordata ×                             | | | | hybrid
Friesea baltica Weiner WM & Sun X in Sun, X, 2019 | Friesea baltica | | W.M.Weiner & X.Sun, 2019 |
Friesea baltica Xie X | Friesea baltica | | X.Xie |
Tilia hybrid                                | | | | hybrid
Aythya fuligula hybrid                      | | | | hybrid
Russula cf. emetica                         | | | | cf. emetica
Russula cf emetica                          | | | | cf. emetica
cf. Russula emetica                         | | | | cf. emetica
Russula emetica cf.                         | | | | cf. emetica
Russula aff. emetica                        | | | | aff. emetica
Russula nr. emetica                         | | | | nr. emetica
Russula sp. aff. emetica                    | | | | sp. aff. emetica
Russula ?emetica                            | | | | ? emetica
Russula emetica?                            | | | | ? emetica
Larus cachinnans/michahellis                | | | | cachinnans/michahellis
Russula emetica cf. silvestris              | Russula emetica | | | cf. silvestris
Russula sp.                                 | | | | sp.
Russula sp                                  | | | | sp
Russula spp.                                | | | | spp.
Russula sp. nov.                            | | | | sp. nov.
Russula sp. 3                               | | | | sp. 3
Russula sp. B                               | | | | sp. B
Russula n. sp.                              | | | | n. sp.
Russula emetica sp.                         | | | | emetica sp.
Russula ochracea sp. nov.                   | Russula ochracea
Russula indet.                              | | | | indet.
Megaselia sp. BOLD:AAB1234                  | | | | sp. BOLD:AAB1234
Megaselia BOLD:AAB1234                      | | | | BOLD:AAB1234
BOLD:AAB1234                                | | | | BOLD:AAB1234
SH1508347.08FU                              | | | | SH1508347.08FU
R. emetica                                  | | | | abbreviated genus
Rubus fruticosus agg.                       | Rubus fruticosus | | | agg.
Rubus fruticosus s.l.                       | Rubus fruticosus | | | s.l.
Rubus fruticosus sensu lato                 | Rubus fruticosus | | | sensu lato
Rubus fruticosus auct. non L.               | Rubus fruticosus | | | auct. non L.
Erithacus rubecula male                     | Erithacus rubecula
Russula                                     |
Russula Pers.                               | | | Pers.
Muscicapidae Fleming, 1822                  | | | Fleming, 1822
Coleoptera indet.                           | | | | indet.
Candidatus Phytoplasma mali                 | Candidatus Phytoplasma mali
Potato virus Y                              |
incertae sedis                              |
42                                          |
"""
CASES = [line.split("|") for line in NAMES.strip().splitlines()]


@pytest.mark.parametrize("case", CASES, ids=[case[0].strip() for case in CASES])
def test_a_name_has_these_parts(case: list[str]) -> None:
    text, *expected = (part.strip() for part in case)
    found = parse_name(text)
    parts = [found.species, found.infraspecific, found.authorship, found.qualifier]
    assert [part or "" for part in parts] == [*expected, *[""] * (4 - len(expected))]
    assert found.verbatim == text


@pytest.mark.parametrize(
    "text, name, genus",
    [
        ("Russula cf. emetica", "Russula", "Russula"),
        ("Tilia cordata x platyphyllos", "Tilia", "Tilia"),
        ("Anser anser × Branta canadensis", None, None),
        ("Coleoptera indet.", "Coleoptera", None),
        ("× Fatshedera", "× Fatshedera", None),
        ("Muscicapidae Fleming, 1822", "Muscicapidae", None),
        ("Oryx", "Oryx", None),
    ],
)
def test_the_name_above_an_unsure_species_is_kept_and_a_genus_is_only_one_in_a_name_of_two_words(
    text: str, name: str | None, genus: str | None
) -> None:
    found = parse_name(text)
    assert (found.name, found.genus, found.species) == (name, genus, None)


words = st.sampled_from(
    [case[0].strip() for case in CASES]
    + ["x", "×", "cf.", "aff.", "sp.", "L.", "(L.)", "1758", "ex", "var.", "'", "?", "/", "é", "\u0301", "Xus", "xus"]
)
texts = st.one_of(
    st.text(max_size=40), st.lists(words, max_size=4).map(" ".join), st.lists(words, max_size=4).map("".join)
)


@given(texts)
def test_parsing_a_parsed_name_again_changes_nothing(text: str) -> None:
    found = parse_name(text)
    for name in (found.name, found.species):
        if name is not None:
            again = parse_name(name)
            assert (again.name, again.qualifier, again.authorship, again.infraspecific) == (name, None, None, None)
    assert parse_name(found.species or "").species == found.species


@given(texts)
def test_every_word_of_a_species_stands_in_the_text(text: str) -> None:
    species = parse_name(text).species
    if species is not None:
        written = set(re.split(r"[^\w-]+", fold(hybrid_signs(text))))
        genus, *epithets = fold(species).replace("×", " ").split()
        assert epithets
        assert {genus, *epithets} <= written
        assert not NOT_EPITHETS & set(epithets)


@given(
    st.sampled_from(["cf.", "aff.", "cf", "aff"]), st.sampled_from(["Rosa", "Parus"]), st.sampled_from(["alba", "ater"])
)
def test_a_doubt_before_the_epithet_or_the_genus_leaves_no_species(doubt: str, genus: str, epithet: str) -> None:
    for text in (f"{genus} {doubt} {epithet}", f"{doubt} {genus} {epithet}", f"{genus} {doubt} {epithet} L."):
        assert parse_name(text).species is None
        assert epithet in (parse_name(text).qualifier or "")


@pytest.mark.parametrize(
    "text, genus",
    [
        *(
            (f"Parus major{between}Parus minor", "Parus")
            for between in ("; ", ";", ", ", " & ", " and ", " or ", " vs ", " | ", " - ")
        ),
        *(("Parus major (P. minor)", "Parus"), ("Parus major, P. minor", "Parus"), ("Parus major, Corvus corax", None)),
        *(
            (text, None)
            for text in ("Not identified", "Unidentified bird", "Unknown beetle", "Incertae sedis", "NO bird")
        ),
        *(("Navicula n. sp. A", "Navicula"), ("Poaceae gen. sp.", "Poaceae"), ("Bombus worker", "Bombus")),
    ],
)
def test_a_text_that_names_several_taxa_or_none_has_no_species(text, genus):
    found = parse_name(text)
    assert (found.species, found.name) == (None, genus)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "Poaceae gen. sp.",
            "Poaceae gen sp. 3",
            "Poaceae gen. et sp. indet.",
            "Formicidae gen. sp. A",
            "Diptera fam. indet.",
        ),
        *("Aves fam. gen. sp.", "Insecta ord. indet.", "Staphylinidae subfam. gen. sp.", "Aves fam"),
    ],
)
def test_a_taxon_whose_genus_is_not_known_is_no_genus_and_has_no_authors(text):
    found, (taxon, rest) = parse_name(text), text.split(" ", 1)
    assert found == ParsedName(text, name=taxon, qualifier=rest)


@pytest.mark.parametrize(
    "text, species",
    [
        *(("Salix xfragilis", "Salix × fragilis"), ("Mentha xpiperita L.", "Mentha × piperita")),
        *((name, name) for name in ("Xanthium xanthocarpum", "Lonicera xylosteum", "Aus xhosa", "Aus xeric", "Aus xi")),
        *(
            ("Turdus merula - Common blackbird", "Turdus merula"),
            ("Tridentella tangeroae Bruce, 198?", "Tridentella tangeroae"),
        ),
        *(("Aus bus Linnaeus, de Vries", "Aus bus"), ("Aus bus Brown, Black and White, 1999", "Aus bus")),
        *(("Bombus terrestris queen", "Bombus terrestris"), ("Rosa canina gr.", "Rosa canina")),
    ],
)
def test_a_joined_x_before_a_consonant_marks_a_hybrid_and_what_follows_a_species_leaves_it(text, species):
    assert parse_name(text).species == species
    assert parse_name(species).species == species


AUTHORS = st.sampled_from(["Linnaeus", "Müller", "Hübner", "Mill", "L", "DC", "Hook", "Sensu", "Auct", "Nom", "Author"])


@given(
    st.sampled_from(["Parus", "Salix", "Candidatus", "Bacterium", "Salmonella", "Adenovirus"]),
    st.sampled_from(["major", "alba", "sensu", "auct", "near", "type", "nov", "dubia", "rex", "hort", "virus", "tit"]),
    *(AUTHORS, AUTHORS, st.integers(1760, 2029)),
    st.sampled_from(["{a}, {y}", "({a}, {y})", "{a} & {b}, {y}", "({a} & {b}, {y})", "{a}.", "({a}.) {b}."]),
)
def test_names_with_plain_authors_are_read_as_the_parser_reads_them(genus, epithet, a, b, year, form):
    text = f"{genus} {epithet} {form.format(a=a, b=b, y=year)}"
    quick = name_parser.parse_name.__wrapped__(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(name_parser, "_AUTHORED", re.compile("(?!)"))
        assert name_parser.parse_name.__wrapped__(text) == quick
