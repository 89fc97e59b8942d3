"""What the raw labels of a row become."""

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.embedding.columns import plan_columns
from cladescope.embedding.labels import MISSING, clean_labels, is_respelt, written_otherwise
from cladescope.embedding.sources.rows import read_rows
from cladescope.schema import OPTIONAL_FIELDS
from cladescope.taxonomy import RANKS
from tests.conftest import SHARED_DATA

REAL_VECTORS = SHARED_DATA / "vectors/bioclip2_tol200m_1030.parquet"


@pytest.mark.skipif(not REAL_VECTORS.is_file(), reason="../shared/data is not there")
def test_the_real_treeoflife_table_gives_its_own_labels_back() -> None:
    table = pq.read_table(REAL_VECTORS)
    head = {"identifier": table["identifier"].to_pylist()}
    plan = plan_columns(table.schema, head, apart=("emb",), needs_picture=False)
    rows = [row for batch in table.to_batches() for row in read_rows(batch, plan)]
    raw = table.drop(["emb"]).to_pylist()
    assert [row.image_id for row in rows] == [one["uuid"] for one in raw]
    assert [row.labels.get("order") for row in rows] == [one["order"] for one in raw]
    same = [row.labels.get("species") == one["species"] for row, one in zip(rows, raw, strict=True)]
    assert all(equal for equal, one in zip(same, raw, strict=True) if one["species"])
    assert {row.path for row in rows} >= {one["identifier"] for one in raw}


@pytest.mark.parametrize(
    "raw, species",
    [
        ({"genus": "Vanessa", "species": "Vanessa atalanta"}, "Vanessa atalanta"),
        ({"genus": "Vanessa", "species": "atalanta"}, "Vanessa atalanta"),
        ({"genus": "Vanessa", "species": "Vanessa_atalanta"}, "Vanessa atalanta"),
        ({"genus": "Bufo", "species": "bufo"}, "Bufo bufo"),
        (
            {"genus": "Quercus", "species": "\N{MULTIPLICATION SIGN} hispanica"},
            "Quercus \N{MULTIPLICATION SIGN} hispanica",
        ),
        ({"genus": "Platanthera", "species": "Habenaria lacera"}, "Habenaria lacera"),
        ({"species": "Vanessa atalanta"}, "Vanessa atalanta"),
        ({"genus": "Vanessa", "epithet": "atalanta"}, "Vanessa atalanta"),
        ({"genus": "Vanessa", "species": "unknown", "epithet": "atalanta"}, "Vanessa atalanta"),
        ({"genus": "Vanessa", "species": "Vanessa"}, None),
        ({"species": "atalanta"}, None),
        ({"genus": "Amanita", "species": "Amanita sp."}, None),
        ({"genus": "Amanita", "species": "spp."}, None),
        ({"genus": "Vanessa"}, None),
    ],
)
def test_species_is_the_binomial_or_null(raw: dict[str, str | None], species: str | None) -> None:
    assert clean_labels(raw).get("species") == species


@pytest.mark.parametrize(
    "scientific_name, species",
    [
        ("Vanessa atalanta", "Vanessa atalanta"),
        ("Vanessa atalanta (Linnaeus, 1758)", "Vanessa atalanta"),
        ("Anas platyrhynchos Linnaeus, 1758", "Anas platyrhynchos"),
        ("Vochysia Aubl.", None),
        ("Foo de Vries, 1900", None),
        ("Canis lupus familiaris", "Canis lupus"),
        ("Carex flava L. var. alpina Kneuck.", "Carex flava"),
        ("Agathis montana de Laub.", "Agathis montana"),
        ("Amanita cf. muscaria", None),
        ("Quercus \N{MULTIPLICATION SIGN} hispanica", "Quercus \N{MULTIPLICATION SIGN} hispanica"),
        ("Quercus cerris x suber", None),
        ("great tit", None),
        ("incertae sedis", None),
        ("Lepidoptera", None),
    ],
)
def test_a_scientific_name_gives_the_species_only_where_it_holds_one_for_sure(
    scientific_name: str, species: str | None
) -> None:
    assert clean_labels({"scientific_name": scientific_name}).get("species") == species


@pytest.mark.parametrize(
    "raw, labels",
    [
        (
            {"species": "Salix x fragilis"},
            {"genus": "Salix", "species": "Salix × fragilis", "verbatim_name": "Salix x fragilis"},
        ),
        ({"genus": "Salix", "species": "×fragilis"}, {"species": "Salix × fragilis", "verbatim_name": "×fragilis"}),
        (
            {"genus": "Cupressocyparis", "species": "xCupressocyparis leylandii"},
            {"genus": "× Cupressocyparis", "species": "× Cupressocyparis leylandii"}
            | {"verbatim_name": "xCupressocyparis leylandii"},
        ),
        (
            {"genus": "×Cupressocyparis", "epithet": "leylandii"},
            {
                "genus": "× Cupressocyparis",
                "species": "× Cupressocyparis leylandii",
                "verbatim_name": "×Cupressocyparis",
            },
        ),
        (
            {"genus": "Anser", "species": "fabalis ssp. rossicus"},
            {"species": "Anser fabalis", "infraspecific": "rossicus", "verbatim_name": "fabalis ssp. rossicus"},
        ),
        (
            {"genus": "Anser", "species": "Anser fabalis", "scientific_name": "Anser fabalis rossicus Buturlin, 1933"},
            {"species": "Anser fabalis", "infraspecific": "rossicus", "authorship": "Buturlin, 1933"}
            | {"verbatim_name": "Anser fabalis rossicus Buturlin, 1933"},
        ),
        (
            {"genus": "Russula", "species": "Russula emetica", "scientific_name": "Russula cf. emetica"},
            {"qualifier": "cf. emetica", "verbatim_name": "Russula cf. emetica"},
        ),
        ({"genus": "Russula", "epithet": "sp. 3"}, {"qualifier": "sp. 3", "verbatim_name": "sp. 3"}),
        (
            {"scientific_name": "Russula aff. emetica"},
            {"genus": "Russula", "qualifier": "aff. emetica", "verbatim_name": "Russula aff. emetica"},
        ),
        (
            {"order": "Diptera indet."},
            {"order": "Diptera", "qualifier": "indet.", "verbatim_name": "Diptera indet."},
        ),
        ({"genus": "cf. Russula"}, {"qualifier": "cf.", "verbatim_name": "cf. Russula"} | {"genus": ""}),
        ({"genus": "Vanessa", "species": "V. atalanta"}, {"species": "Vanessa atalanta"}),
        ({"species": "BOLD:AAB1234"}, {"qualifier": "BOLD:AAB1234", "verbatim_name": "BOLD:AAB1234"}),
        (
            {"genus": "Salix", "species": "Salix alba x fragilis"},
            {"qualifier": "hybrid", "verbatim_name": "Salix alba x fragilis"},
        ),
        ({"phylum": "SAR group"}, {"phylum": "SAR group"}),
        ({"species": "Tobacco mosaic virus"}, {"species": "Tobacco mosaic virus"}),
        (
            {"species": "Parus major", "qualifier": "s.l."},
            {"genus": "Parus", "species": "Parus major", "qualifier": "s.l."},
        ),
    ],
)
def test_the_species_is_the_binomial_and_the_rest_of_its_name_stands_beside_it(
    raw: dict[str, str | None], labels: dict[str, str]
) -> None:
    expected = {part: value for part, value in raw.items() if part in RANKS[:-1]} | labels
    assert clean_labels(raw) == {part: value for part, value in expected.items() if value}


def test_a_scientific_name_of_another_genus_is_not_used() -> None:
    raw = {"genus": "Platanthera", "scientific_name": "Habenaria lacera (Michx.) R.Br."}
    assert clean_labels(raw) == {"genus": "Platanthera"}


@given(st.sampled_from(sorted(MISSING)), st.sampled_from(["lower", "upper", "title"]), st.sampled_from(RANKS))
def test_unknown_ranks_are_null_in_any_case(word: str, case: str, rank: str) -> None:
    assert clean_labels({rank: f" {getattr(word, case)()} "}) == {}


@given(st.dictionaries(st.sampled_from([*RANKS, "epithet", "scientific_name", "common_name"]), st.text(max_size=30)))
def test_cleaning_twice_changes_nothing_and_a_species_has_two_words(raw: dict[str, str | None]) -> None:
    once = clean_labels(raw)
    assert clean_labels(once) == once
    assert " " in once.get("species", "two words")
    assert all(value == value.strip() and value.lower() not in MISSING for value in once.values())


@pytest.mark.parametrize(
    "raw, labels, respelt",
    [
        ({"genus": "parus", "species": "major"}, {"genus": "Parus", "species": "Parus major"}, True),
        ({"genus": "Parus", "species": "MAJOR"}, {"genus": "Parus", "species": "Parus major"}, True),
        ({"genus": "Parus", "epithet": "major"}, {"genus": "Parus", "species": "Parus major"}, False),
        ({"species": "Parus\u00a0major"}, {"genus": "Parus", "species": "Parus major"}, True),
        ({"species": " Parus  major "}, {"genus": "Parus", "species": "Parus major"}, False),
        ({"family": "Cafe\u0301idae"}, {"family": "Caf\u00e9idae"}, True),
        ({"class": "Aves\u200b"}, {"class": "Aves"}, True),
        ({"class": "\u200b"}, {}, False),
        ({"species": "tobacco mosaic virus"}, {"species": "tobacco mosaic virus"}, False),
        ({"common_name": "great\u00a0tit"}, {"common_name": "great tit"}, True),
        ({"common_name": "<b>great</b> tit"}, {"common_name": "great tit"}, True),
        ({"common_name": " great  tit"}, {"common_name": "great tit"}, False),
        (
            {"genus": "Parus", "scientific_name": "Parus major L., 1758"},
            {
                "genus": "Parus",
                "species": "Parus major",
                "authorship": "L., 1758",
                "verbatim_name": "Parus major L., 1758",
            },
            False,
        ),
        (
            {"family": "Paridae Vigors, 1825"},
            {"family": "Paridae", "authorship": "Vigors, 1825", "verbatim_name": "Paridae Vigors, 1825"},
            False,
        ),
    ],
)
def test_names_enter_in_one_spelling_and_a_changed_one_is_told(
    raw: dict[str, str | None], labels: dict[str, str], respelt: bool
) -> None:
    assert clean_labels(raw) == labels
    assert is_respelt(raw, labels) == respelt
    if respelt:
        assert written_otherwise(raw, labels)


@pytest.mark.parametrize(
    "raw, written",
    [
        ({"genus": " Parus", "species": "major", "common_name": "great  tit"}, {}),
        ({"species": "Parus major L., 1758"}, {}),
        ({"species": "<i>Parus</i> major", "family": "NA"}, {"species": "<i>Parus</i> major", "family": "NA"}),
        ({"common_name": "T&ecirc;te"}, {"common_name": "T&ecirc;te"}),
        ({"family": "", "order": None, "class": " "}, {}),
        ({"species": "Deer"}, {"species": "Deer"}),
    ],
)
def test_what_is_written_otherwise_than_it_is_read_is_kept_by_its_part(raw, written):
    assert written_otherwise(raw, clean_labels(raw)) == written


def test_a_licence_may_be_unknown_but_not_empty() -> None:
    assert clean_labels({"licence": "unknown", "rights_holder": " ", "observation_id": "NaN"}) == {"licence": "unknown"}
    assert {field.name for field in OPTIONAL_FIELDS} == {"licence", "rights_holder", "observation_id"}


@pytest.mark.parametrize(
    ("raw", "labels"),
    [
        ({"species": "Deer"}, {"qualifier": "Deer", "verbatim_name": "Deer"}),
        ({"species": "gull sp."}, {"qualifier": "gull sp.", "verbatim_name": "gull sp."}),
        ({"species": "Parus species"}, {"qualifier": "Parus species", "verbatim_name": "Parus species"}),
        (
            {"species": "Amanita sect. Vaginatae"},
            {"genus": "Amanita", "qualifier": "sect. Vaginatae", "verbatim_name": "Amanita sect. Vaginatae"},
        ),
        (
            {"genus": "Quercus", "species": "Quercus (hybrid)"},
            {"genus": "Quercus", "qualifier": "(hybrid)", "verbatim_name": "Quercus (hybrid)"},
        ),
        ({"epithet": "atalanta"}, {"qualifier": "atalanta", "verbatim_name": "atalanta"}),
        ({"scientific_name": "Aves"}, {"qualifier": "Aves", "verbatim_name": "Aves"}),
        ({"class": "Aves", "scientific_name": "Aves"}, {"class": "Aves"}),
        ({"genus": "Parus", "species": "Parus"}, {"genus": "Parus"}),
        ({"class": "Aves", "species": "aves"}, {"class": "Aves"}),
        (
            {"genus": "Nomada vegana Cockerell"},
            {
                "genus": "Nomada",
                "qualifier": "vegana",
                "authorship": "Cockerell",
                "verbatim_name": "Nomada vegana Cockerell",
            },
        ),
        ({"genus": "Salix alba", "species": "Salix alba"}, {"genus": "Salix", "species": "Salix alba"}),
    ],
)
def test_a_word_that_names_no_rank_is_kept_and_counted(raw: dict[str, str | None], labels: dict[str, str]) -> None:
    assert clean_labels(raw) == labels


def test_a_family_whose_genus_is_not_known_gives_no_genus():
    raw = {"family": "Poaceae", "scientific_name": "Poaceae gen. sp."}
    assert clean_labels(raw) == {"family": "Poaceae", "qualifier": "gen. sp.", "verbatim_name": "Poaceae gen. sp."}
    assert clean_labels({"scientific_name": "Aves fam. gen. sp."}).keys() == {"qualifier", "verbatim_name"}


@pytest.mark.parametrize(
    ("qualifier", "species"),
    [
        ("cf.", None),
        ("aff. muscaria", None),
        ("?", None),
        ("s.l.", "Amanita muscaria"),
        ("cf. var. alba", "Amanita muscaria"),
    ],
)
def test_a_doubt_in_a_column_of_its_own_leaves_the_species_open(qualifier: str, species: str | None):
    labels = clean_labels({"scientific_name": "Amanita muscaria (L.) Lam.", "qualifier": qualifier})
    assert (labels.get("species"), labels["qualifier"]) == (species, qualifier)
    assert labels["verbatim_name"] == "Amanita muscaria (L.) Lam."
    assert labels.get("genus") == "Amanita"
