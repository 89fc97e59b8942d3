"""What names of folders and files say: names of taxa in all their spellings, and what never is one."""

import re
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.embedding.dates_in_names import is_date
from cladescope.embedding.folder_names import said_by
from cladescope.embedding.known_taxa import ListedTaxa, common_key

KNOWN = ListedTaxa(
    [
        {"kingdom": "Animalia", "class": "Aves", "family": "Ciconiidae", "genus": "Ciconia", "species": "Ciconia ciconia", "common_name": "white stork"},
        {"kingdom": "Animalia", "class": "Mammalia", "genus": "Vulpes", "species": "Vulpes vulpes", "common_name": "Red Fox"},
        {"kingdom": "Animalia", "class": "Mammalia", "genus": "Canis", "species": "Canis lupus", "common_name": "grey wolf"},
        {"kingdom": "Animalia", "class": "Aves", "genus": "Erithacus", "species": "Erithacus rubecula", "common_name": "robin"},
        {"kingdom": "Animalia", "class": "Aves", "genus": "Turdus", "species": "Turdus migratorius", "common_name": "thrush"},
        {"kingdom": "Animalia", "class": "Aves", "genus": "Turdus", "species": "Turdus merula", "common_name": "Thrush"},
        {"kingdom": "Plantae", "genus": "Iris", "species": "Iris germanica"},
        {"kingdom": "Plantae", "genus": "Paris", "species": "Paris quadrifolia"},
        {"kingdom": "Animalia", "class": "Insecta", "order": "Lepidoptera", "common_name": "butterfly"},
        {"kingdom": "Animalia", "genus": "Oenanthe"},
        {"kingdom": "Plantae", "genus": "Oenanthe"},
    ],
    said="a list",
)  # fmt: skip
NOTHING = ListedTaxa([], said="nothing")


@pytest.mark.parametrize("known", [KNOWN, NOTHING])
@pytest.mark.parametrize(
    "written",
    [
        *("Ciconia nigra", "Ciconia_nigra", "Ciconia-nigra", " Ciconia  nigra ", "Ciconia nigra (Black stork)", "Black stork (Ciconia nigra)"),
        *("Ciconia nigra - Black stork", "Ciconia_nigra_0012", "0012_Ciconia_nigra", "001.Ciconia_nigra", "Ciconia nigra (2)", "Ciconia nigra 2024"),
        *("2024-05-03 Ciconia nigra", "20240503_Ciconia_nigra", "Ciconia_nigra_2024_05_03", "Ciconia nigra L.", "Ciconia nigra (Linnaeus, 1758)"),
        *("Ciconia nigra male", "Ciconia nigra juv.", "Ciconia nigra - copy", "Ciconia.nigra"),
    ],
)  # fmt: skip
def test_a_binomial_is_a_species_in_all_its_spellings(written, known):
    said = said_by(written, known)
    assert (said.kind, said.labels["genus"], said.labels["species"]) == ("binomial", "Ciconia", "Ciconia nigra")
    if "Black" in written:
        assert said.labels["common_name"] == "Black stork"


@pytest.mark.parametrize("written", ["ciconia nigra", "ciconia_nigra", "CICONIA NIGRA", "ciconia-nigra"])
def test_without_capitals_the_genus_must_be_known(written):
    assert said_by(written, KNOWN).labels["species"] == "Ciconia nigra"
    assert said_by(written, NOTHING).kind == "word"


def test_author_and_year_stay_whole_and_are_no_date_of_the_picture():
    for written, author in {
        "Lama glama (L., 1758)": "(L., 1758)",
        "Lama_glama_(Smith_&_Jones,_1890)": "(Smith & Jones, 1890)",
        "Lama glama Linnaeus 1758": "Linnaeus, 1758",
    }.items():
        said = said_by(written, KNOWN)
        assert (said.labels["species"], said.labels["authorship"]) == ("Lama glama", author)
    assert "authorship" not in said_by("Lama glama 1998", KNOWN).labels


def test_folders_that_a_phone_makes_say_nothing():
    for written in ("Screenshots", "WhatsApp Images", "Telegram", "Camera"):
        assert said_by(written, KNOWN).kind == "unknown"


def test_any_case_will_do_for_a_species_that_is_known():
    for written in ("vulpes vulpes", "VULPES VULPES", "Vulpes Vulpes", "vulpes_vulpes_003", "VulpesVulpes"):
        assert said_by(written, KNOWN).labels["species"] == "Vulpes vulpes"


@pytest.mark.parametrize(
    "written", ["Ciconia sp.", "Ciconia_sp", "ciconia sp", "Ciconia spp.", "Ciconia cf. nigra", "Ciconia indet."]
)
def test_a_name_in_doubt_is_its_genus(written):
    said = said_by(written, KNOWN)
    assert (said.kind, said.labels["genus"], "species" in said.labels) == ("genus", "Ciconia", False)
    assert said.labels["qualifier"]


def test_a_doubt_behind_the_name_leaves_the_species_open():
    for written in ("Vulpes vulpes cf.", "Vulpes vulpes ?", "Ciconia nigra cf"):
        said = said_by(written, KNOWN)
        assert (said.kind, "species" in said.labels, bool(said.labels["qualifier"])) == ("genus", False, True)


def test_two_names_are_none():
    for written in (
        "Vulpes vulpes and Canis lupus", "Vulpes vulpes + Canis lupus", "Vulpes vulpes Canis lupus", "Ciconia nigra & Ciconia ciconia",
        "Vulpes vulpes with cubs", "Ciconia nigra vs ciconia",
    ):  # fmt: skip
        assert said_by(written, KNOWN).kind == "word"


def test_codes_and_words_behind_a_species_that_is_known_do_not_hide_it():
    for written in (
        "Vulpes vulpes GBIF12345",
        "Vulpes_vulpes_best",
        "Vulpes vulpes at night",
        "Ciconia_nigra_GBIF12345",
    ):
        assert said_by(written, KNOWN).labels["species"] in ("Vulpes vulpes", "Ciconia nigra")


def test_a_word_that_is_no_genus_is_none_with_sp():
    assert {said_by(one, KNOWN).kind for one in ("Bird sp.", "bat sp", "Frog spp.", "Unknown sp.", "Gull sp. 2")} <= {
        "word",
        "unknown",
    }


def test_names_below_and_beside_the_species_stay_beside_it():
    said = said_by("Salix x fragilis", NOTHING)
    assert said.labels["species"] == "Salix \N{MULTIPLICATION SIGN} fragilis"
    assert said_by("Ciconia nigra africana", NOTHING).labels["infraspecific"] == "africana"


@pytest.mark.parametrize(
    "written",
    ["White stork", "white-stork", "White_Storks", "WHITE STORK", "whiteStork", "White stork 12", "white storks 2024"],
)
def test_a_common_name_that_one_taxon_has_is_that_taxon(written):
    said = said_by(written, KNOWN)
    assert (said.kind, said.labels["species"], said.lineage[4]) == ("common", "Ciconia ciconia", "Ciconiidae")
    assert said_by(written, NOTHING).kind == "word"


def test_of_a_higher_taxon_a_common_name_gives_its_rank():
    assert said_by("Butterflies", KNOWN).labels == {"order": "Lepidoptera", "common_name": "Butterflies"}
    assert said_by("grey wolves", KNOWN).labels["species"] == "Canis lupus"


def test_a_common_name_of_two_taxa_or_of_people_is_a_word():
    assert [said_by(one, KNOWN).kind for one in ("Thrush", "thrushes", "Robin")] == ["word"] * 3


def test_a_scientific_name_alone_counts_where_one_taxon_has_it():
    assert said_by("Vulpes", KNOWN).labels == {"genus": "Vulpes"}
    assert said_by("Aves", KNOWN).labels == {"class": "Aves"}
    assert said_by("Ichneumonidae", NOTHING).labels == {"family": "Ichneumonidae"}
    assert [said_by(one, KNOWN).kind for one in ("Oenanthe", "Iris", "Paris", "vulpes", "Ciconi")] == ["word"] * 5


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("date", "2024-05-03 2024_05_03 20240503 03.05.2024 3-5-24 2024 2023-05 May_2024 May Summer_2023 20240503_102233 3rd_June Mai_2023 Day_3 2024-05-03T10:22 KW_23"),
        ("camera", "DCIM 100RECNX 100_BTCF 101_PANA 100EK113 IMG_0001 IMG_20240503_102233 DSC01234 _MG_1234 P1010001 RCNX0001 GOPR0001 DJI_0001 Screenshot_2024-05-03"),
        ("unknown", "unknown UNKNOWN misc other new_folder New_folder_(2) untitled to_sort tosort toidentify photos Bilder not_identified Unknown_species data raw"),
        ("split", "train val test validation training fold_1 split_2 dev holdout"),
        ("code", "A12 Site_3 Plot-07 CAM02 Station_4 T-01 SD_card_2 12 0001 3a 2A-17 Site_A N1 K-1234 0f8fad5b-d9cb-469f-a165-70867728950e"),
        ("word", "Camera_trap Holiday_photos South_meadow Old_barn Red_barn John_Smith Anna_Kowalska Erica_Silva Costa_rica Sierra_nevada Kenya_safari Campus_forum empty person male"),
    ],
)  # fmt: skip
def test_what_is_no_name_never_is_a_taxon(kind, written):
    for one in written.split():
        for text in (one, one.replace("_", " ")):
            said = said_by(text, KNOWN)
            assert (text, said.kind) == (text, kind)
            assert said.labels == {}


@given(
    st.datetimes(),
    st.sampled_from(
        [
            "%Y-%m-%d",
            "%Y_%m_%d",
            "%Y.%m.%d",
            "%d.%m.%Y",
            "%d-%m-%y",
            "%m/%d/%Y",
            "%B %Y",
            "%b %Y",
            "%d %B %Y",
            "%d%b%Y",
            "%B",
            "%A %d %B",
            "%Y-%m-%d %H:%M:%S",
            "%Y-%m-%dT%H%M",
            "%Y-%m-%d_%H-%M-%S",
            "%d %b %y",
            "%a %d %b",
            "%B_%d_%Y",
            "%Y %B",
            "%Y%B%d",
        ]
    ),
)
def test_a_date_never_is_a_taxon(moment, form):
    text = moment.strftime(form)
    for written in (text, text.upper(), text.lower(), text.replace(" ", "_")):
        said = said_by(written, KNOWN)
        assert not said.is_taxon
        assert said.labels == {}


@given(st.dates(min_value=date(1900, 1, 1), max_value=date(2099, 12, 31)), st.sampled_from(["-", "_", ".", "", " "]))
def test_a_date_of_year_month_and_day_is_said_to_be_one(day, between):
    assert is_date(day.strftime(f"%Y{between}%m{between}%d"))
    assert said_by(day.strftime(f"%Y{between}%m{between}%d"), KNOWN).kind == "date"
    later = day + timedelta(days=1)
    assert is_date(f"{day.isoformat()} to {later.isoformat()}")


@given(st.from_regex(r"[A-Za-z]{0,4}[ _-]?[0-9]{1,6}[A-Za-z]?", fullmatch=True))
def test_a_code_with_a_number_never_is_a_taxon(text):
    assert not said_by(text, KNOWN).is_taxon


@given(st.text(max_size=40))
def test_any_name_is_read_and_gives_clean_ranks(text):
    said = said_by(text, KNOWN)
    assert said.is_taxon == bool(said.labels)
    assert all(value == value.strip() and value for value in said.labels.values())


def test_weekdays_that_are_epithets_too_do_not_hide_a_species():
    assert said_by("Martes martes", NOTHING).labels["species"] == "Martes martes"


def test_keys_of_common_names_forgive_case_hyphens_and_plurals():
    assert {common_key(one) for one in ("Black-Stork", "black storks", "BLACK STORK")} == {"black stork"}
    assert re.fullmatch("[a-z ]+", common_key("Père David's Deer").replace("è", "e"))
