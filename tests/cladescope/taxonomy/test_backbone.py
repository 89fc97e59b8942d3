"""Names in a backbone: synonyms, homonyms, gaps, and what is refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.errors import InputError
from cladescope.taxonomy.backbone import Backbone
from cladescope.taxonomy.taxon import RANKS

TAXA = """
taxonID|parentNameUsageID|acceptedNameUsageID|scientificName|scientificNameAuthorship|taxonRank|taxonomicStatus
1|||Animalia||kingdom|accepted
2|1||Chordata||phylum|accepted
3|2||Aves||class|accepted
4|3||Passeriformes||order|accepted
5|4||Paridae|Vigors, 1825|family|accepted
6|5||Periparus Selys|Selys|genus|accepted
7|6||Periparus ater (Linnaeus, 1758)|(Linnaeus, 1758)|species|accepted
8|5||Parus||genus|accepted
9|8|7|Parus ater Linnaeus, 1758|Linnaeus, 1758|species|synonym
10|8||Parus major "Linnaeus" 1758|Linnaeus, 1758|species|accepted
11|4||Muscicapidae||family|accepted
12|11||Oenanthe||genus|accepted
13|||Plantae||kingdom|accepted
14|13||Apiales||order|accepted
15|14||Apiaceae||family|accepted
16|15||Oenanthe||genus|accepted
17|15||Aegus × albus||species|accepted
18|7||Periparus ater britannicus||subspecies|accepted
"""
FULL = ("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Periparus", "Periparus ater")


def darwin_core(path: Path, text: str = TAXA) -> Path:
    path.write_text(text.strip().replace("|", "\t") + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backbone")
    return Backbone.build([darwin_core(folder / "Taxon.tsv")], folder / "b", release="test 1")


def lineage(**ranks):
    return tuple(ranks.get(rank.replace("class", "class_")) for rank in RANKS)


def one(backbone, text, ranks=None):
    (found,) = backbone.match_names([text]) if ranks is None else backbone.match([(text, ranks)])
    return found


def test_a_synonym_leads_to_the_accepted_taxon_with_its_whole_lineage(backbone):
    found = one(backbone, "Parus ater Linnaeus, 1758")
    assert (found.status, found.ranks, found.taxon_id) == ("synonym", FULL, "9")
    assert one(backbone, "parus ater", lineage(genus="Parus", species="Parus ater")).ranks == FULL
    assert one(backbone, "Periparus ater").status == "accepted"


def test_homonyms_are_told_apart_by_the_rest_of_the_lineage_and_never_by_name_alone(backbone):
    assert one(backbone, "Oenanthe").status == "ambiguous"
    assert len(one(backbone, "Oenanthe").others) == 2
    assert one(backbone, "Plantae > Oenanthe").ranks[4] == "Apiaceae"
    assert one(backbone, "Oenanthe", lineage(class_="Aves", genus="Oenanthe")).ranks[4] == "Muscicapidae"
    assert one(backbone, "Oenanthe", lineage(family="Apiaceae", genus="Oenanthe")).ranks[0] == "Plantae"
    assert one(backbone, "Oenanthe", lineage(kingdom="Fungi", genus="Oenanthe")).status == "conflict"
    assert one(backbone, "Parus major", lineage(kingdom="Plantae", species="Parus major")).status == "conflict"


def test_a_misspelt_name_is_offered_the_nearest_and_never_replaced(backbone):
    found = one(backbone, "Periparus atr")
    assert (found.status, found.ranks) == ("unknown", (None,) * 7)
    assert backbone.suggestions("Periparus atr")[0] == "Periparus ater"
    assert one(backbone, "Parus cf. ater").status == "no name"
    assert one(backbone, "Parus ater sp.").status == "no name"


def test_hybrids_and_another_name_of_a_family_are_found_and_told(backbone):
    assert one(backbone, "Aegus x albus").ranks[6] == "Aegus × albus"
    found = one(backbone, "Parus ater", lineage(kingdom="Metazoa", family="Sylviidae", species="Parus ater"))
    assert (found.ranks, found.differs) == (FULL, ("family",))


def test_the_first_of_two_files_counts_and_the_description_says_what_it_was_made_of(tmp_path):
    (tmp_path / "ranks.csv").write_text(
        "kingdom,class,family,genus,species,common_name\n"
        "Animalia,Aves,Paridae,Parus,Parus ater,coal tit\nFungi,,,Boletus,Boletus edulis Bull.,\n"
    )
    paths = [darwin_core(tmp_path / "Taxon.tsv"), tmp_path / "ranks.csv"]
    first, other = Backbone.build(paths, tmp_path / "a"), Backbone.build(paths[::-1], tmp_path / "b", release="two")
    assert one(first, "Parus ater").ranks == FULL
    assert one(other, "Parus ater").ranks[6] == "Parus ater"
    assert one(first, "Boletus edulis").ranks[6] == "Boletus edulis"
    again = Backbone.open(tmp_path / "b")
    assert (again.release, again.hash) == ("two", other.hash)
    assert other.hash != first.hash


def test_the_crosswalk_of_birds_makes_synonyms_of_other_lists_names_unless_they_are_accepted_or_of_subspecies(tmp_path):
    (tmp_path / "birds.csv").write_text(
        "CATEGORY,SCI_NAME,ORDER,FAMILY,PRIMARY_COM_NAME,TAXON_CONCEPT_ID,ott_name,IOC_name,sci_name_2025\n"
        "species,Aus bus,Passeriformes,Paridae (Tits),A Tit,a1,Zus bus,Aus bus,Aus bus\n"
        "species,Aus cus,Passeriformes,Paridae (Tits),B Tit,a2,Aus bus cus,Aus bus,Aus cus\n"
    )
    backbone = Backbone.build([tmp_path / "birds.csv"], tmp_path / "b")
    found = one(backbone, "Zus bus")
    assert (found.status, found.ranks[4:]) == ("synonym", ("Paridae", "Aus", "Aus bus"))
    assert [one(backbone, name).ranks[6] for name in ("Aus bus", "Aus cus")] == ["Aus bus", "Aus cus"]


@pytest.mark.parametrize(
    "text, reason",
    [
        ("taxonID|parentNameUsageID|scientificName|taxonRank\n1|2|Aus|genus\n2|1|Bidae|family", "round in a circle"),
        ("taxonID|scientificName|taxonRank\n1|Aus|genus\n1|Bidae|family", "taxonID twice"),
        ("taxonID|scientificName|taxonRank", "no taxon"),
        ("a|b\n1|2", "expected taxonID"),
    ],
)
def test_a_taxonomy_that_contradicts_itself_is_refused_in_one_line(tmp_path, text, reason):
    with pytest.raises(InputError, match=reason) as error:
        Backbone.build([darwin_core(tmp_path / "Taxon.tsv", text)], tmp_path / "b")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "b").exists()


def test_what_is_no_backbone_is_refused(tmp_path):
    with pytest.raises(InputError, match="no backbone"):
        Backbone.open(tmp_path)
    with pytest.raises(InputError, match="not a file"):
        Backbone.build([tmp_path / "none.tsv"], tmp_path / "b")
    (tmp_path / "backbone.json").write_text('{"format_version": 99}')
    with pytest.raises(InputError, match="newer version"):
        Backbone.open(tmp_path)


@given(st.text(max_size=20))
def test_a_text_that_the_backbone_does_not_hold_is_never_given_a_taxon(backbone, text):
    found = one(backbone, f"{text} zzz")
    assert not found.found
