"""The bird checklists' crosswalk and a table of 137,268 species as a backbone: synonyms resolved, homonyms kept apart."""

from collections import Counter, defaultdict

import polars as pl
import pytest

from cladescope.taxonomy.backbone import Backbone
from cladescope.taxonomy.taxon import RANKS
from tests.conftest import SHARED_DATA

FOLDER = SHARED_DATA / "taxonomy"
BIRDS = FOLDER / "birds_clements2025_crosswalk.csv"
SPECIES = FOLDER / "taxonomy.parquet"
pytestmark = pytest.mark.skipif(
    not BIRDS.is_file(), reason="needs ../shared/data/taxonomy, which a clone does not have"
)
OTHERS = ("SCI_NAME", "ott_name", "H_M_name", "Birdlife_name", "IOC_name")
PLANTED = "kingdom,class,family,genus,species\nPlantae,,Apiaceae,Parus,Parus officinalis\nFungi,,,Corvus,\n"


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    (folder / "planted.csv").write_text(PLANTED)
    return Backbone.build([BIRDS, SPECIES, folder / "planted.csv"], folder / "b")


def lineage(**ranks):
    return tuple(ranks.get(rank.replace("class", "class_")) for rank in RANKS)


def test_names_of_other_checklists_lead_to_the_species_of_clements_or_are_ambiguous(backbone):
    rows = pl.read_csv(BIRDS, infer_schema=False).filter(pl.col("CATEGORY") == "species")
    accepted = rows.select(pl.coalesce("sci_name_2025", "SCI_NAME"))["sci_name_2025"].to_list()
    meant = defaultdict(set)
    for column in OTHERS:
        for name, species in zip(rows[column], accepted, strict=True):
            if name and name != species and len(name.split()) == 2 and ";" not in name:
                meant[name].add(species)
    found = {
        match.asked: match
        for match in backbone.match((name, lineage(kingdom="Animalia", class_="Aves", species=name)) for name in meant)
    }
    own = set(accepted)
    for name, match in found.items():
        if name in own:
            assert (match.status, match.ranks[6]) == ("accepted", name)
        elif len(meant[name]) > 1:
            assert match.status == "ambiguous" or match.ranks[6] in meant[name]
        else:
            assert (match.status, {match.ranks[6]}) == ("synonym", meant[name])
    counts = Counter(match.status for match in found.values())
    assert counts == {"synonym": 1764, "accepted": 571, "ambiguous": 64}


def test_genera_of_two_kingdoms_are_kept_apart_and_so_are_planted_ones(backbone):
    table = pl.read_parquet(SPECIES).filter(pl.col("genus").is_not_null() & pl.col("kingdom").is_not_null())
    several = (
        table.select("kingdom", "genus")
        .unique()
        .filter(pl.col("genus").is_duplicated())
        .sort("genus", "kingdom")
        .rows()
    )
    assert len(several) > 100
    by_kingdom = backbone.match((genus, lineage(kingdom=kingdom, genus=genus)) for kingdom, genus in several)
    for (kingdom, _), match in zip(several, by_kingdom, strict=True):
        # Of genera that several classes of the kingdom share no one is chosen.
        assert match.status == "ambiguous" or match.ranks[0] == kingdom
    alone = Counter(match.status for match in backbone.match_names([genus for _, genus in several]))
    assert alone == {"ambiguous": len(several)}
    planted = backbone.match([("Parus", lineage(kingdom=one, genus="Parus")) for one in ("Animalia", "Plantae")])
    assert [match.ranks[4] for match in planted] == ["Paridae", "Apiaceae"]
    assert [match.status for match in backbone.match_names(["Parus", "Corvus"])] == ["ambiguous"] * 2
    (fungus,) = backbone.match([("Corvus corax", lineage(kingdom="Fungi", genus="Corvus", species="Corvus corax"))])
    assert fungus.status == "conflict"
