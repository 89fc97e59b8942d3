"""Backbones built from archives, common names and damaged files: what is counted, what is refused."""

import json
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.errors import InputError
from cladescope.taxonomy.backbone import Backbone
from cladescope.taxonomy.backbone_taxa import lineages
from tests.cladescope.taxonomy.test_backbone import FULL, TAXA, darwin_core, one

VERNACULAR = """
taxonID|vernacularName|language|isPreferredName
7|Tannenmeise|de|
7|Zebra Tit|en|true
7|a tit|en|
7|Coal Tit|eng|
9|Coal Tit|en|
10|Great Tit|en|
10|great tit|en|
10|a big tit|en|
"""
META = """<archive xmlns="http://rs.tdwg.org/dwc/text/"><core rowType="http://rs.tdwg.org/dwc/terms/Taxon" ignoreHeaderLines="{lines}">
<files><location>Taxon.tsv</location></files><id index="0"/><field index="1" term="http://rs.tdwg.org/dwc/terms/scientificName"/>
<field index="2" term="http://rs.tdwg.org/dwc/terms/taxonRank"/></core></archive>"""


def tabs(text):
    return text.strip().replace("|", "\t") + "\n"


def zipped(path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), text)
    return path


def built(tmp_path, text, name="Taxon.tsv", **options):
    return Backbone.build([darwin_core(tmp_path / name, text)], tmp_path / "b", **options)


def test_a_zip_of_taxa_and_common_names_is_a_backbone_whatever_the_folder_in_it(tmp_path):
    head, *rest = TAXA.strip().split("\n")
    prefixed = "\n".join(["|".join(f"dwc:{term}" for term in head.split("|")), *rest])
    path = zipped(
        tmp_path / "b.zip", dump__Taxon_tsv=tabs(prefixed), dump__VernacularName_tsv=tabs(VERNACULAR), eml_xml="<eml/>"
    )
    backbone = Backbone.build([path], tmp_path / "b")
    found = one(backbone, "Parus ater")
    assert (found.status, found.ranks, found.common_name) == ("synonym", FULL, None)
    assert one(backbone, "Periparus ater").common_name == "Zebra Tit"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "open")
    again = Backbone.build([tmp_path / "open" / "dump"], tmp_path / "c")
    assert one(again, "Periparus ater").common_name == "Zebra Tit"


def test_of_common_names_the_preferred_comes_first_then_the_one_most_rows_give_then_the_alphabet(tmp_path):
    (tmp_path / "VernacularName.tsv").write_text(tabs(VERNACULAR))
    paths = [darwin_core(tmp_path / "Taxon.tsv"), tmp_path / "VernacularName.tsv"]
    backbone = Backbone.build(paths, tmp_path / "en", language="eng")
    assert [one(backbone, name).common_name for name in ("Periparus ater", "Parus major")] == ["Zebra Tit", "Great Tit"]
    assert backbone.description["counts"]["common names in other languages"] == 1
    assert backbone.description["counts"]["common names"] == 2
    german = Backbone.build(paths, tmp_path / "de", language="ger")
    assert [one(german, name).common_name for name in ("Periparus ater", "Parus major")] == ["Tannenmeise", None]
    assert german.hash != backbone.hash
    with pytest.raises(InputError, match=r"'fr'.*the files have en \(6\), de \(1\), eng \(1\)"):
        Backbone.build(paths, tmp_path / "fr", language="fra")
    (tmp_path / "VernacularName.tsv").write_text("taxonID\tvernacularName\tlanguage\n7\tTannenmeise\tde\n")
    unasked = Backbone.build(paths, tmp_path / "unasked")
    assert unasked.description["counts"] == {"common names in other languages": 1}
    with pytest.raises(InputError, match="ISO 639"):
        Backbone.build(paths, tmp_path / "x", language="klingon")


def test_columns_that_only_meta_xml_names_are_found_and_a_table_without_a_header_is_refused(tmp_path):
    rows = "x|y|z\n1|Aves|class\n2|Parus|genus\n"
    path = zipped(tmp_path / "a.zip", Taxon_tsv=rows.replace("|", "\t"), meta_xml=META.format(lines=1))
    assert one(Backbone.build([path], tmp_path / "a"), "Parus").status == "accepted"
    path = zipped(tmp_path / "b.zip", Taxon_tsv=rows.replace("|", "\t"), meta_xml=META.format(lines=0))
    with pytest.raises(InputError, match="no header line"):
        Backbone.build([path], tmp_path / "b")
    path = zipped(tmp_path / "c.zip", other_tsv="a\tb\n", meta_xml=META.format(lines=1))
    with pytest.raises(InputError, match="lacks Taxon.tsv"):
        Backbone.build([path], tmp_path / "c")


def test_what_leads_nowhere_is_counted_and_chains_of_synonyms_are_followed(tmp_path):
    text = """
taxonID|parentNameUsageID|acceptedNameUsageID|scientificName|taxonRank|taxonomicStatus
1|99||Paridae|family|accepted
2|1||Parus|genus|accepted
3|2||Parus major|species|accepted
4|2|3|Parus alpha|species|synonym
5|2|4|Parus beta|species|synonym
6|2|5|Parus gamma|species|heterotypic synonym
7|2|88|Parus lost|species|synonym
8|2||Parus orphan|species|synonym
9|2|3|Parus wrong|species|misapplied
10|2|11|Parus round|species|synonym
11|2|10|Parus about|species|synonym
12|3||Parus major minor|subspecies|accepted
13|2|12|Parus minor|species|synonym
14|2|2|Parus vague|species|synonym
15|2|9|Parus astray|species|synonym
"""
    backbone = built(tmp_path, text)
    for name in ("alpha", "beta", "gamma", "minor"):
        assert one(backbone, f"Parus {name}").ranks[6] == "Parus major"
    for name in ("lost", "orphan", "wrong", "round", "about", "vague", "astray"):
        assert one(backbone, f"Parus {name}").status == "unknown"
    assert {
        "synonyms of synonyms followed": 2,
        "synonyms whose accepted taxon is not there": 1,
        "synonyms without an accepted taxon": 1,
        "synonyms that lead to no taxon of their rank": 2,
        "misapplied or pro parte names left out": 1,
        "synonyms in a circle": 2,
        "parents that are not there": 1,
    }.items() <= backbone.description["counts"].items()


def test_columns_of_ranks_fill_what_parents_leave_out_and_contradictions_are_counted(tmp_path):
    text = """
taxonID|parentNameUsageID|scientificName|taxonRank|kingdom|class|family
1||Animalia|kingdom|||
2|1|Paridae|family|Animalia|Aves|
3|2|Parus|genus|Plantae|Aves|Paridae
4|3|Parus major|species|Animalia|Aves|Paridae
5|3|Paridae|family|||
"""
    backbone = built(tmp_path, text)
    assert one(backbone, "Parus major").ranks == ("Animalia", None, "Aves", None, "Paridae", "Parus", "Parus major")
    counts = backbone.description["counts"]
    assert counts["lineages that contradict the columns of their row"] == 1
    assert counts["taxa below one of the same or a lower rank"] == 1


@pytest.mark.parametrize(
    "text, reason",
    [
        (
            "taxonID|parentNameUsageID|scientificName|taxonRank\na|b|Aus|genus\nb|c|Bidae|family\nc|b|Cales|order",
            r"\(b > c > b\)|\(c > b > c\)",
        ),
        ("taxonID|scientificName|taxonRank\n1|Aus|genus\n2|Aus", "line 3 of .* has 2 values"),
        ("taxonID;scientificName,taxonRank\n1;Aus,genus", "has the columns"),
        ("taxonID|vernacularName|language\n1|tit|en", "only tables of common names"),
    ],
)
def test_damage_is_refused_in_one_line_with_its_place(tmp_path, text, reason):
    with pytest.raises(InputError, match=reason) as error:
        built(tmp_path, text)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "b").exists()


def test_files_that_are_empty_or_no_archive_are_refused(tmp_path):
    (tmp_path / "empty.tsv").write_text("")
    (tmp_path / "no.zip").write_bytes(b"PK\x03\x04 cut off")
    (tmp_path / "folder").mkdir()
    zipped(tmp_path / "other.zip", readme_txt="nothing here")
    whole = zipped(tmp_path / "whole.zip", Taxon_tsv=tabs(TAXA) * 1).read_bytes()
    (tmp_path / "flipped.zip").write_bytes(whole[:200] + bytes(255 - byte for byte in whole[200:260]) + whole[260:])
    for name in ("empty.tsv", "no.zip", "folder", "other.zip", "flipped.zip"):
        with pytest.raises(InputError) as error:
            Backbone.build([tmp_path / name], tmp_path / "b")
        assert name in str(error.value)
        assert "\n" not in str(error.value)


def test_a_damaged_backbone_and_one_of_another_format_are_refused(tmp_path):
    built(tmp_path, TAXA)
    names = tmp_path / "b" / "names.arrow"
    whole = names.read_bytes()
    names.write_bytes(whole.replace(b"Periparus", b"Peripatus"))
    with pytest.raises(InputError, match="not as it was built"):
        Backbone.open(tmp_path / "b")
    names.unlink()
    with pytest.raises(InputError, match="damaged"):
        Backbone.open(tmp_path / "b")
    description = tmp_path / "b" / "backbone.json"
    description.write_text(json.dumps(json.loads(description.read_text()) | {"format_version": 1}))
    with pytest.raises(InputError, match="earlier version"):
        Backbone.open(tmp_path / "b")


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(-1, 8)), min_size=1, max_size=30))
def test_lineages_are_those_of_a_walk_upwards_or_a_circle_is_named(taxa):
    n = len(taxa)
    above = np.array([min(parent, n) for parent, _ in taxa])
    rank = np.array([code for _, code in taxa])

    def walk(row):
        path = []
        while row < n and row not in path:
            path.append(row)
            row = above[row]
        return None if row < n else path

    paths = [walk(row) for row in range(n)]
    circles = []

    def refuse(rows):
        circles.append(rows)
        return InputError("circle")

    if None in paths:
        with pytest.raises(InputError):
            lineages(above, rank, refuse)
        (circle,) = circles
        assert [above[row] for row in circle] == [*circle[1:], circle[0]]
        return
    found, _ = lineages(above, rank, refuse)
    for row, path in enumerate(paths):
        expected, widest = [n] * 7, 7
        for taxon in path:
            if 0 <= rank[taxon] < widest:
                widest = rank[taxon]
                expected[widest] = taxon
        assert found[:, row].tolist() == expected


def test_a_hybrid_whose_canonical_name_has_lost_its_sign_is_a_hybrid(tmp_path):
    text = "taxonID|scientificName|canonicalName|scientificNameAuthorship|taxonRank\n1|Salix ×fragilis L.|Salix fragilis|L.|species"
    backbone = built(tmp_path, text)
    assert one(backbone, "Salix xfragilis").ranks[6] == "Salix × fragilis"
    assert one(backbone, "Salix fragilis").status == "unknown"


def test_a_place_that_cannot_be_written_is_refused_in_one_line_and_nothing_is_left(tmp_path):
    taxa = darwin_core(tmp_path / "Taxon.tsv")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="choose another folder") as error:
        Backbone.build([taxa], tmp_path / "file" / "b")
    assert "\n" not in str(error.value)
    backbone = Backbone.build([taxa], tmp_path / "b")
    assert sorted(path.name for path in backbone.path.iterdir()) == ["backbone.json", "lineages.arrow", "names.arrow"]


def test_lists_of_tree_of_life_have_epithets_beside_the_genus(tmp_path):
    head = "kingdom,phylum,class,order,family,genus,species,common_name\n"
    rows = "Animalia,Arthropoda,Insecta,,Nymphalidae,Vanessa,atalanta,red admiral\nPlantae,,,,,Salix,× fragilis,\nPlantae,,,,,Rosa,sp.,\n"
    (tmp_path / "catalog.csv").write_text(head + rows)
    entries = [
        [["Animalia", "Arthropoda", "Insecta", "", "Nymphalidae", "Vanessa", "atalanta"], "red admiral"],
        [["Plantae", "", "", "", "", "Rosa", ""], ""],
    ]
    (tmp_path / "txt_emb_species.json").write_text(json.dumps(entries))
    (tmp_path / "rows.json").write_text(json.dumps([{"Class": "Insecta", "species": "Vanessa atalanta", "n": 3}]))
    for name in ("catalog.csv", "txt_emb_species.json", "rows.json"):
        backbone = Backbone.build([tmp_path / name], tmp_path / f"of-{name}")
        assert one(backbone, "Vanessa atalanta").ranks[2] == "Insecta"
        assert not one(backbone, "atalanta").found
        if name == "catalog.csv":
            assert one(backbone, "Salix x fragilis").status == "accepted"
            assert backbone.names.starting("rosa") == ["Rosa"]
    (tmp_path / "bad.json").write_text("[1, 2")
    with pytest.raises(InputError, match="bad.json"):
        Backbone.build([tmp_path / "bad.json"], tmp_path / "bad")
