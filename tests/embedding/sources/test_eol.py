"""EOL's media manifest beside the Dynamic Hierarchy, with made-up rows in the real shape."""

from pathlib import Path

import pytest

from cladescope.embedding.records import left_out_of
from cladescope.embedding.sources import open_source
from cladescope.errors import InputError
from tests.embedding.reading import put, read

MEDIA = "EOL content ID,EOL page ID,Medium Source URL,EOL Full-Size Copy URL,License Name,Copyright Owner\n"
FULL = "https://content.eol.org/data/media"
ROWS = (
    f"1,100,https://a.org/1,{FULL}/1.jpg,cc-by-nc-3.0,Jane\n"
    f"2,200,https://a.org/2,{FULL}/2.jpg,cc-by-3.0,\n"
    f"3,999,https://a.org/3,{FULL}/3.jpg,cc-0,Jim\n"
    f"1,200,https://a.org/1,{FULL}/1.jpg,cc-by-nc-3.0,Jane\n"
    f"4,300,https://a.org/4,{FULL}/4.jpg,cc-by-3.0,\n"
    f"5,,https://a.org/5,{FULL}/5.jpg,cc-by-3.0,\n"
)
HEAD = "taxonID\tsource\tacceptedNameUsageID\tparentNameUsageID\tscientificName\ttaxonRank\ttaxonomicStatus\tcanonicalName\tEOLid\n"
TAXA = (
    "E-1\tt\t\t\tLife\tclade\taccepted\tLife\t2913056\n"
    "E-2\tt\t\tE-1\tMetazoa\tkingdom\taccepted\tMetazoa\t1\n"
    "E-3\tt\t\tE-2\tChordata\tphylum\taccepted\tChordata\t694\n"
    "E-4\tt\t\tE-3\tAves\tclass\taccepted\tAves\t695\n"
    "E-5\tt\t\tE-4\tMuscicapidae\tfamily\taccepted\tMuscicapidae\t7467\n"
    "E-6\tt\t\tE-5\tOenanthe Vieillot 1816\tgenus\taccepted\tOenanthe\t100\n"
    "E-7\tt\t\tE-1\tPlantae\tkingdom\taccepted\tPlantae\t281\n"
    "E-8\tt\t\tE-7\tOenanthe L.\tgenus\taccepted\tOenanthe\t200\n"
    "E-9\tt\tE-10\t\tMotacilla oenanthe L. 1758\tspecies\tsynonym\tMotacilla oenanthe\t300\n"
    "E-10\tt\t\tE-6\tOenanthe oenanthe (L. 1758)\tspecies\taccepted\tOenanthe oenanthe\t301\n"
)


def tables(folder: Path, *, taxa: str = TAXA, rows: str = ROWS) -> Path:
    put(folder / "media_manifest_1.csv", f"{MEDIA}{rows}".encode())
    put(folder / "taxon.tab", f"{HEAD}{taxa}".encode())
    return folder


def test_media_have_the_ranks_of_their_page_and_homonyms_stay_apart(tmp_path: Path) -> None:
    bird, plant, lost, other, synonym, unnamed = read(tables(tmp_path))
    assert (bird.image_id, bird.uri) == ("1", f"{FULL}/1.jpg")
    ranks = {
        rank: bird.labels.get(rank) for rank in ("kingdom", "phylum", "class", "order", "family", "genus", "species")
    }
    assert ranks == {
        **{"kingdom": "Metazoa", "phylum": "Chordata", "class": "Aves", "order": None},
        **{"family": "Muscicapidae", "genus": "Oenanthe", "species": None},
    }
    assert (bird.labels["licence"], bird.labels["rights_holder"]) == ("cc-by-nc-3.0", "Jane")
    assert bird.extra["eol_page_id"] in (100, "100")
    assert (plant.labels["kingdom"], plant.labels["genus"]) == ("Plantae", "Oenanthe")
    assert (other.image_id, other.labels["genus"], other.labels["kingdom"]) == ("1", "Oenanthe", "Plantae")
    assert synonym.labels["species"] == "Oenanthe oenanthe"
    assert synonym.labels["family"] == "Muscicapidae"
    assert lost.missing == ("page not in taxon.tab",)
    assert unnamed.missing == ("no page named",)
    assert "genus" not in lost.labels


def test_what_is_listed_again_is_counted(tmp_path: Path) -> None:
    again = f"4,300,https://a.org/4,{FULL}/4.jpg,cc-by-3.0,\n"
    source = open_source(tables(tmp_path, rows=ROWS + again))
    assert left_out_of(source) == {"media listed again": 1}
    assert len(list(source.records())) == 6, "a medium of two pages is there twice"


def test_several_manifests_are_one_source(tmp_path: Path) -> None:
    tables(tmp_path)
    put(tmp_path / "media_manifest_2.csv", f"{MEDIA}7,100,https://a.org/7,{FULL}/7.jpg,cc-0,\n".encode())
    assert [record.image_id for record in read(tmp_path)] == ["1", "2", "3", "1", "4", "5", "7"]


def test_parents_in_a_circle_are_refused(tmp_path: Path) -> None:
    taxa = TAXA.replace("E-5\tt\t\tE-4\t", "E-5\tt\t\tE-6\t")
    with pytest.raises(InputError, match="go round in a circle"):
        open_source(tables(tmp_path, taxa=taxa))


def test_a_hierarchy_without_pages_is_no_such_package(tmp_path: Path) -> None:
    put(tmp_path / "media_manifest_1.csv", f"{MEDIA}{ROWS}".encode())
    put(tmp_path / "taxon.tab", b"taxonID\tEOLid\nE-1\t1\n")
    with pytest.raises(InputError, match="parentNameUsageID"):
        open_source(tmp_path)
