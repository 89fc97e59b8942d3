"""Common names by a stated order, by the path of a taxon and never by a name alone."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from cladescope.errors import InputError
from cladescope.taxonomy.backbone import Backbone
from cladescope.training.curation.common_names import ELSEWHERE, HOMONYM, CommonNames
from cladescope.training.curation.config import CurateConfig
from cladescope.training.curation.sections import NamesConfig, SourceConfig

TIT = ("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Parus", "Parus major")
OTHER = ("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Parus", "Parus minor")
PLANT = ("Plantae", "Tracheophyta", "Magnoliopsida", "Rosales", "Rosaceae", "Oenanthe", None)
BIRD = ("Animalia", "Chordata", "Aves", "Passeriformes", "Muscicapidae", "Oenanthe", None)


def common(*order, fall_back=False, backbone=None):
    config = CurateConfig(
        sources=(SourceConfig(name="birds", path="p"), SourceConfig(name="web", path="q")),
        names=NamesConfig(common_names=tuple(map(str, order)), fall_back=fall_back),
    )
    return CommonNames.of(config, backbone)


def backbone_in(folder, rows):
    names = ["kingdom", "phylum", "class", "order", "family", "genus", "species", "common_name"]
    columns = list(zip(*rows, strict=True))
    parquet.write_table(
        pa.table({name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)}),
        folder / "taxa.parquet",
    )
    return Backbone.build([folder / "taxa.parquet"], folder / "backbone")


def test_the_first_of_the_order_that_has_one_counts(tmp_path):
    backbone = backbone_in(tmp_path, [(*TIT, "Great Tit"), (*OTHER, None)])
    rows = [TIT, TIT, OTHER, OTHER]
    own = ["Kohlmeise", None, "Japanese Tit", None]
    sources = ["birds"] * 4
    assert common("backbone", "record", backbone=backbone).give(rows, own, sources) == (
        ["Great Tit", "Great Tit", "Japanese Tit", None],
        ["backbone", "backbone", "record", None],
        ["species", "species", "species", None],
    )
    assert common("record", "backbone", backbone=backbone).give(rows, own, sources)[0][0] == "Kohlmeise"
    assert common("record").give(rows, own, sources)[0] == ["Kohlmeise", None, "Japanese Tit", None]


def test_a_source_in_the_order_speaks_for_its_own_records_alone():
    given = common("web").give([TIT, TIT], ["a", "b"], ["birds", "web"])
    assert given == ([None, "b"], [None, "web"], [None, "species"])


def test_names_fall_back_up_the_ranks_and_say_so(tmp_path):
    file = tmp_path / "names.csv"
    file.write_text(
        "class,family,genus,species,common_name\nAves,Paridae,,,Tits\nAves,Paridae,Parus,Parus major,Great Tit\n"
    )
    assert common(file).give([TIT, OTHER], [None, None], ["birds"] * 2)[0] == ["Great Tit", None]
    assert common(file, fall_back=True).give([TIT, OTHER], [None, None], ["birds"] * 2) == (
        ["Great Tit", "Tits"],
        ["names.csv", "names.csv"],
        ["species", "family"],
    )


def test_homonyms_are_told_apart_by_their_lineage(tmp_path):
    ranked = tmp_path / "ranked.csv"
    ranked.write_text("kingdom,genus,common_name\nPlantae,Oenanthe,Water Dropworts\nAnimalia,Oenanthe,Wheatears\n")
    given = common(ranked).give([PLANT, BIRD], [None, None], ["birds"] * 2)
    assert given[0] == ["Water Dropworts", "Wheatears"]
    plain = tmp_path / "plain.csv"
    plain.write_text("scientific_name,common_name\nOenanthe,Wheatears\nParus major,Great Tit\n")
    names = common(plain)
    assert names.give([PLANT, BIRD, TIT], [None] * 3, ["birds"] * 3)[0] == [None, None, "Great Tit"]
    assert names.counts == {("birds", HOMONYM): 2}
    assert common(plain).give([BIRD], [None], ["birds"])[0] == ["Wheatears"], "no other is in this run"
    elsewhere = tmp_path / "elsewhere.csv"
    elsewhere.write_text("kingdom,genus,common_name\nPlantae,Oenanthe,Water Dropworts\n")
    names = common(elsewhere)
    assert names.give([BIRD], [None], ["birds"])[0] == [None]
    assert names.counts == {("birds", ELSEWHERE): 1}


def test_a_name_told_before_is_a_homonym_in_every_block(tmp_path):
    plain = tmp_path / "plain.csv"
    plain.write_text("scientific_name,common_name\nOenanthe,Wheatears\n")
    names = common(plain)
    assert names.needs_survey
    names.survey([PLANT, BIRD])
    assert names.give([BIRD], [None], ["birds"])[0] == [None]


CROW = ("Animalia", "Chordata", "Aves", "Passeriformes", "Corvidae", "Corvus", "Corvus corone")


@pytest.mark.parametrize(
    "content",
    [
        "scientific_name,common_name\nCorvus corone cornix,A Hooded Crow\nCorvus corone,Carrion Crow\nCorvus,Crows\n",
        "family,species,common_name\nCorvidae,Corvus corone cornix,A Hooded Crow\nCorvidae,Corvus corone,Carrion Crow\nCorvidae,,Crows\n",
        "family,genus,species,common_name\nCorvidae,Corvus,corone cornix,A Hooded Crow\nCorvidae,Corvus,corone,Carrion Crow\nCorvidae,Corvus,,Crows\n",
        "class,genus,scientificName,vernacularName\nAves,Corvus,Corvus corone cornix,A Hooded Crow\nAves,Corvus,Corvus corone L.,Carrion Crow\n"
        "Aves,Corvus,Corvus,Crows\n",
    ],
    ids=["names", "species", "epithets", "ranks and names"],
)
def test_a_subspecies_gives_its_species_no_name(tmp_path, content, caplog):
    file = tmp_path / "names.csv"
    file.write_text(content)
    given = common(file, fall_back=True).give([CROW, (*CROW[:6], "Corvus corax")], [None, None], ["birds"] * 2)
    assert given[0] == ["Carrion Crow", "Crows"]
    assert "1 common names of subspecies" in caplog.text


def test_treeoflifes_list_of_taxa_is_read(tmp_path):
    file = tmp_path / "txt_emb_species.json"
    file.write_text(json.dumps([[[*TIT[:6], "major"], "Great Tit"], [[*CROW[:6], "corone"], ""]]))
    assert common(file).give([TIT, CROW], [None, None], ["birds"] * 2)[0] == ["Great Tit", None]


def test_bioclips_object_of_names_is_read(tmp_path):
    file = tmp_path / "scientific_to_common.json"
    file.write_text(json.dumps({"Parus major": "Great Tit"}))
    assert common(file).give([TIT], [None], ["birds"])[0] == ["Great Tit"]


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("names.csv", "a,b\n1,2\n", "none of common names"),
        ("names.csv", "number,common_name\n1,Great Tit\n", "none to know a taxon by"),
        ("names.csv", "genus,common_name\nParus,\n", "holds no common names"),
        ("names.json", "[1]", "no JSON object of texts"),
        ("names.doc", "", "ends in '.doc'"),
    ],
)
def test_a_file_of_no_names_is_refused(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=said):
        common(tmp_path / name)


def test_a_file_that_is_gone_is_refused():
    with pytest.raises(InputError, match="is not there"):
        common(Path("/nowhere/names.csv"))
