"""BioCLIP's rules for cleaning names, as behaviour: what its code makes of a label, ours makes of it, through the doors and a backbone.

The rules are those of https://github.com/Imageomics/bioclip, `src/imageomics/naming.py`. Where Cladescope differs on purpose the test says so: it writes binomials and
capitals, keeps apart what it cuts off, and guesses no homonym.
"""

import csv

import pytest

from cladescope.embedding.backboned import BackboneLabels
from cladescope.embedding.sources import open_source
from cladescope.taxonomy import RANKS
from cladescope.taxonomy.backbone import Backbone

SPECIES = {
    # As written, and what BioCLIP makes of it: genus and epithet.
    "Zygodon <i>viridissimus</i>": "Zygodon viridissimus",
    "<i>Zygodon <i>viridissimus</i></i> viridissimus": "Zygodon viridissimus",
    "Gigartina papillata": "Gigartina papillata",
    "Atrypanius cinerascens (Bates 1864)": "Atrypanius cinerascens",
    "Xymene huttoni (Murdoch, 1900)": "Xymene huttoni",
    "Huperzia dacrydioides (Baker) Pic.Serm.": "Huperzia dacrydioides",
    "Lagophylla ramosissima ssp. ramosissima": "Lagophylla ramosissima",
    "Lagocheirus araneiformis subsp. parvulus Casey 1913": "Lagocheirus araneiformis",
    "Megacyllene asteca Chevrolat 1860": "Megacyllene asteca",
    "Partula subangulata Pease, 1870": "Partula subangulata",
    "Echinocereus rigidissimus var. rubrispinus": "Echinocereus rigidissimus",
    "Collotheca orchidacea Meksuwan, Pholpunthin & Segers, 2013": "Collotheca orchidacea",
    "Agosia yarrowi Jordan & Evermann": "Agosia yarrowi",
    "Pellaea boivinii <br > var. boivinii": "Pellaea boivinii",
    "Pellaea boivinii<br>var. boivinii": "Pellaea boivinii",
    "Stylidium spinulosum r.br.": "Stylidium spinulosum",
    "Drosera aliciae r.hamet": "Drosera aliciae",
    "Morinda citrifolia L.": "Morinda citrifolia",
    "Parus major 1758": "Parus major",
    "geospiza fuliginosa fuliginosa": "Geospiza fuliginosa",
    "geospiza fuliginosa fuliginosa fuliginosa": "Geospiza fuliginosa",
}
TAXA = """
kingdom,phylum,class,order,family,genus,species
Animalia,Chordata,Aves,Passeriformes,Paridae,Parus,Parus major
Animalia,Chordata,Aves,Passeriformes,Muscicapidae,Oenanthe,Oenanthe oenanthe
Plantae,Tracheophyta,Magnoliopsida,Apiales,Apiaceae,Oenanthe,Oenanthe crocata
Bacteria,Actinobacteria,Actinobacteria,Actinomycetales,Micrococcaceae,Micrococcus,Micrococcus luteus
Animalia,Arthropoda,Collembola,Collembola,Isotomidae,Isotoma,Isotoma viridis
Animalia,Arthropoda,Insecta,Diptera,Asilidae,Leptogaster,Leptogaster flavipes
Animalia,Arthropoda,Insecta,Diptera,Leptogastridae,Leptogaster,Leptogaster flavipes
"""
PARUS = ("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Parus", "Parus major")


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backbone")
    (folder / "taxa.csv").write_text(TAXA.strip() + "\n")
    return Backbone.build([folder / "taxa.csv"], folder / "b")


@pytest.fixture
def read(tmp_path):
    """Rows of labels through the door of a manifest."""

    def read(*rows):
        columns = list(dict.fromkeys(name for row in rows for name in row))
        with (tmp_path / "t.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["file", *columns])
            writer.writeheader()
            writer.writerows({"file": f"{number}.jpg", **row} for number, row in enumerate(rows))
        return list(open_source(tmp_path / "t.csv").records())

    return read


@pytest.fixture
def named(read, backbone):
    """A row of labels through the door, then the backbone: ranks, and how they came about."""

    def named(**row):
        (record,) = read({name.rstrip("_"): value for name, value in row.items()})
        (labels,) = BackboneLabels(backbone).apply([record.labels])
        return tuple(labels.get(rank) for rank in RANKS), labels.get("taxon_match")

    return named


@pytest.mark.parametrize("with_genus", [False, True])
def test_species_lose_what_bioclip_cuts_off(read, with_genus):
    rows = [
        {"genus": expected.split()[0] if with_genus else "", "species": written}
        for written, expected in SPECIES.items()
    ]
    records = read(*rows)
    assert [record.labels.get("species") for record in records] == list(SPECIES.values())
    assert [record.labels.get("genus") for record in records] == [one.split()[0] for one in SPECIES.values()]


def test_what_is_cut_off_is_kept_apart_which_bioclip_loses(read):
    rows = [
        "Echinocereus rigidissimus var. rubrispinus",
        "Xymene huttoni (Murdoch, 1900)",
        "Stylidium spinulosum r.br.",
    ]
    records = read(*({"species": one} for one in rows))
    kept = [(one.labels.get("infraspecific"), one.labels.get("authorship")) for one in records]
    assert kept == [("var. rubrispinus", None), (None, "(Murdoch, 1900)"), (None, "r.br.")]


def test_words_that_mean_nothing_and_marks_of_html_are_no_names_and_counted(read):
    words = ["(unidentified)", "unknown", "pleasehelp", "PleaseHelp", "not_classified"]
    records = read(*({"order": word, "genus": word, "species": word, "common_name": word} for word in words))
    assert [dict(record.labels) for record in records] == [{}] * 5
    assert [set(record.missing) for record in records] == [{word} for word in words]
    (record,) = read({"genus": "<i>Parus</i>", "common_name": "<b>Great tit</b><br/>Kohlmeise"})
    assert dict(record.labels) == {"genus": "Parus", "common_name": "Great tit"}
    assert record.respelt, "so that the summary counts it"


def test_brackets_in_a_common_name_stay_where_bioclip_cuts_there(read):
    (record,) = read({"genus": "Myotis", "common_name": "Bat (Little Brown)"})
    assert record.labels["common_name"] == "Bat (Little Brown)"


def test_a_small_sign_is_no_mark_of_html(read):
    (record,) = read({"genus": "Peziza", "species": "Peziza <1mm", "common_name": "cup < 1 mm > 0"})
    assert record.labels["common_name"] == "cup < 1 mm > 0"
    assert record.labels["verbatim_name"] == "Peziza <1mm"


@pytest.mark.parametrize(
    ("genus", "species"),
    [("Parus", "Parus major"), ("Parus", "major"), ("", "Parus major"), ("", "parus major"), ("parus", "major major")],
    ids=["genus repeated", "epithet", "genus in the species", "small letters", "epithet twice"],
)
def test_genus_and_species_are_told_apart(read, genus, species):
    (record,) = read({"genus": genus, "species": species})
    assert (record.labels["genus"], record.labels["species"]) == ("Parus", "Parus major")


@pytest.mark.parametrize("species", ["Agonum (Olisares) sexpunctatum", "Agonum sexpunctatum", "sexpunctatum"])
def test_a_subgenus_behind_the_genus_does_not_keep_it_from_its_species(read, species):
    (record,) = read({"genus": "Agonum (Olisares)", "species": species})
    assert (record.labels["genus"], record.labels["species"]) == ("Agonum", "Agonum sexpunctatum")


@pytest.mark.parametrize("kingdom", ["Metazoa", "metazoa"])
def test_kingdoms_that_go_by_two_names_get_one_also_where_the_taxon_is_not_known(named, kingdom):
    assert named(kingdom=kingdom, species="Parus major") == (PARUS, "accepted, gaps filled")
    ranks, match = named(kingdom=kingdom, family="Nobodyidae", species="Nobodius nullus")
    assert (ranks[0], match) == ("Animalia", "unknown, kingdom renamed")
    ranks, match = named(kingdom=kingdom, species="Parus nullus")
    assert ranks == (*PARUS[:6], "Parus nullus")
    assert match == "unknown, genus known, gaps filled, kingdom renamed"
    for other in ("Archaeplastida", "Chloroplastida", "Viridiplantae"):
        assert named(kingdom=other, species="Oenanthe crocata")[0][0] == "Plantae"
        assert named(kingdom=other, species="Nobodius nullus")[0][0] == "Plantae"
    assert named(kingdom="Fungi", species="Nobodius nullus") == (
        (*("Fungi",), *(None,) * 4, "Nobodius", "Nobodius nullus"),
        "unknown",
    )


def test_without_a_backbone_a_kingdom_stays_as_it_is_written(read):
    (record,) = read({"kingdom": "Metazoa", "species": "Parus major"})
    assert record.labels["kingdom"] == "Metazoa"


def test_gaps_are_filled_upward_from_the_lowest_name(named):
    assert named(species="Parus major") == (PARUS, "accepted, gaps filled")
    assert named(kingdom="Animalia", order="Passeriformes", species="Parus major")[0] == PARUS
    assert named(family="Paridae") == ((*PARUS[:5], None, None), "accepted, gaps filled")
    # BioCLIP tries a rank lower where one leads nowhere; here the lowest name is asked first.
    assert named(kingdom="Animalia", order="Passeriformes", family="Paridae")[0] == (*PARUS[:5], None, None)


def test_a_gap_is_not_filled_where_several_taxa_have_the_name(named):
    ranks, match = named(genus="Oenanthe")
    assert (ranks, match) == ((None,) * 5 + ("Oenanthe", None), "ambiguous")
    assert named(kingdom="Plantae", genus="Oenanthe")[0][4] == "Apiaceae"
    assert named(genus="Oenanthe", species="Oenanthe oenanthe")[0][4] == "Muscicapidae"


@pytest.mark.parametrize(
    ("rank", "name", "kingdom"),
    [
        ("phylum", "Actinobacteria", "Bacteria"),
        ("class", "Actinobacteria", "Bacteria"),
        ("class", "Collembola", "Animalia"),
        ("order", "Collembola", "Animalia"),
    ],
)
def test_a_name_at_two_ranks_is_that_of_its_own_column(named, rank, name, kingdom):
    ranks, match = named(**{rank: name})
    place = RANKS.index(rank)
    assert ranks[0] == kingdom
    assert ranks[place] == name
    assert ranks[place + 1 :] == (None,) * (6 - place), "nothing below is guessed"
    assert match == "accepted, gaps filled"


def test_a_name_at_two_ranks_alone_is_ambiguous_where_bioclip_has_a_fixed_list(backbone):
    assert [one.status for one in backbone.match_names(["Actinobacteria", "Collembola", "Insecta"])] == [
        "ambiguous",
        "ambiguous",
        "accepted",
    ]


def test_the_homonym_leptogaster_flavipes_is_not_guessed_where_bioclip_always_takes_one(named):
    assert named(species="Leptogaster flavipes")[1] == "ambiguous"
    assert named(class_="Insecta", genus="Leptogaster", species="flavipes")[0][4] is None
    assert named(family="Asilidae", species="Leptogaster flavipes")[0][4] == "Asilidae"
    assert named(family="Leptogastridae", species="Leptogaster flavipes")[0][4] == "Leptogastridae"


def test_specimens_of_bioscan_keep_the_three_ranks_that_bioclip_fixes(read):
    words = dict.fromkeys(("order", "family", "genus", "species"), "not_classified")
    fixed = {"kingdom": "Animalia", "phylum": "Arthropoda", "class": "Insecta"}
    (record,) = read({**fixed, **words})
    assert dict(record.labels) == fixed
    assert list(record.missing) == ["not_classified"] * 4
