"""`predict --taxa` and `--within` with lists that name taxa of any rank."""

import zipfile

import pytest

from tests.cladescope.taxonomy.test_backbone import darwin_core

HEAD = (
    "taxonKey\tscientificName\tacceptedTaxonKey\tacceptedScientificName\tnumberOfOccurrences\ttaxonRank\ttaxonomicStatus\tkingdom\t"
    "phylum\tclass\torder\tfamily\tgenus\tspecies\tiucnRedListCategory\n"
)
BIRDS = "Animalia\tChordata\tAves\tPasseriformes"
GBIF = (
    f"{HEAD}1\tParus major Linnaeus, 1758\t1\tParus major Linnaeus, 1758\t12\tSPECIES\tACCEPTED\t{BIRDS}\tParidae\tParus\tParus major\tLC\n"
    f"2\tParus ater Linnaeus, 1758\t3\tPeriparus ater (Linnaeus, 1758)\t4\tSPECIES\tSYNONYM\t{BIRDS}\tParidae\tPeriparus\tPeriparus ater\tLC\n"
    f"4\tCorvidae\t4\tCorvidae\t9\tFAMILY\tACCEPTED\t{BIRDS}\tCorvidae\t\t\t\n"
    f"5\tParus Linnaeus, 1758\t5\tParus Linnaeus, 1758\t2\tGENUS\tACCEPTED\t{BIRDS}\tParidae\tParus\t\t\n"
)
STORED = [
    *(("Paridae", "Parus", "Parus major"), ("Paridae", "Parus", "Parus minor"), ("Corvidae", "Corvus", "Corvus corax")),
    *(("Corvidae", "Pica", "Pica pica"), ("Muscicapidae", "Oenanthe", "Oenanthe oenanthe"), ("Corvidae", "", "")),
]


@pytest.fixture
def store(run, photos, checkpoint, tmp_path):
    pictures = sorted(photos.rglob("*.jpg"))[:6]
    rows = [
        f"{path},Animalia,Chordata,Aves,Passeriformes,{','.join(names)}"
        for path, names in zip(pictures, STORED, strict=True)
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["file,kingdom,phylum,class,order,family,genus,species", *rows, ""]))
    assert run("embed", tmp_path / "labels.csv", "--store", tmp_path / "s", "--encoder", checkpoint).status == 0
    return tmp_path / "s"


@pytest.fixture
def named(run, store, tmp_path):
    def call(*arguments):
        found = run("predict", store, "--limit", 1, "-k", 20, "--cache", tmp_path / "cache", "--csv", *arguments)
        return found, {row.get("species", row["family"]) for row in found.rows}

    return call


@pytest.mark.parametrize("packed", [False, True])
def test_a_checklist_of_gbif_in_which_a_family_stands_for_its_known_members(named, tmp_path, packed):
    path = tmp_path / "0001234-26.csv"
    path.write_text(GBIF)
    if packed:
        with zipfile.ZipFile(tmp_path / "list.zip", "w") as archive:
            archive.write(path, "folder/0001234-26.csv")
            archive.writestr("citations.txt", "please cite")
        path = tmp_path / "list.zip"
    found, species = named("--taxa", path)
    # Of Parus the list holds a species, so it stands for no other.
    assert species == {"Parus major", "Periparus ater", "Corvus corax", "Pica pica"}
    assert "1 taxa above the species stand for their 2 members that are known" in found.err
    _, families = named("--taxa", path, "--rank", "family")
    assert families == {"Paridae", "Corvidae"}


def test_names_a_line_of_any_rank_are_found_among_known_taxa_and_the_others_counted(named, tmp_path):
    (tmp_path / "list.txt").write_text("Corvidae\nParus major Linnaeus, 1758\n\nNemo nemo\nparus MAJOR\n")
    found, species = named("--taxa", tmp_path / "list.txt")
    assert species == {"Corvus corax", "Pica pica", "Parus major"}
    assert f"1 of 4 names of {tmp_path / 'list.txt'} are unknown or ambiguous here: Nemo nemo" in found.err
    (tmp_path / "none.csv").write_text("scientificName\nNemo nemo\nNemidae\n")
    found, _ = named("--taxa", tmp_path / "none.csv", "--within", "Aves")
    assert found.status == 1


def test_a_backbone_tells_the_members_that_are_not_in_the_store(run, named, tmp_path):
    assert run("taxonomy", "build", darwin_core(tmp_path / "Taxon.tsv"), "--out", tmp_path / "b").status == 0
    (tmp_path / "list.csv").write_text("taxon\nParidae\nPeriparus\n")
    _, species = named("--taxa", tmp_path / "list.csv", "--backbone", tmp_path / "b")
    assert species == {"Parus major", "Parus minor", "Periparus ater"}


def test_within_takes_lists_and_clades_side_by_side(named, tmp_path):
    (tmp_path / "region.tsv").write_text(
        GBIF + "9\tOenanthe L.\t9\tOenanthe L.\t1\tGENUS\tACCEPTED\tPlantae\t\t\t\tApiaceae\tOenanthe\t\t\n"
    )
    found, species = named("--within", tmp_path / "region.tsv")
    assert species == {"Parus major", "Parus minor", "Corvus corax", "Pica pica"}
    assert "2 of 5 names" in found.err
    _, species = named("--within", tmp_path / "region.tsv", "--within", "Oenanthe")
    assert "Oenanthe oenanthe" in species
    (tmp_path / "none.txt").write_text("Nemo\n")
    found, _ = named("--within", tmp_path / "none.txt")
    assert found.status == 1
    assert "none of 1 names" in found.err


def test_a_name_whose_rank_the_row_says_is_a_taxon_of_that_rank(named, tmp_path):
    (tmp_path / "list.csv").write_text("scientificName,taxonRank\nCorvidae Leach,FAMILY\nParus major L.,species\n")
    _, species = named("--taxa", tmp_path / "list.csv")
    assert species == {"Corvus corax", "Pica pica", "Parus major"}


def test_the_table_of_rare_species_is_a_list_of_taxa(named, tmp_path):
    head = ",kingdom,phylum,cls,order,family,genus,species,common_name,filepath,class"
    rows = ["0,Animalia,Chordata,Aves,Passeriformes,Paridae,Parus,major,great tit,a.jpg,Parus major"]
    (tmp_path / "rare.csv").write_text("\n".join([head, *rows, ""]))
    found, species = named("--taxa", tmp_path / "rare.csv")
    assert (species, found.rows[0]["class"], found.rows[0]["common_name"]) == ({"Parus major"}, "Aves", "great tit")
