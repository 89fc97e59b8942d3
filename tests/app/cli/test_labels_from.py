"""`embed` of folders whose names are names: the summary counts them, the store has them, and old stores take them over."""

import numpy as np
import pytest
from PIL import Image

import cladescope
from cladescope.index.store import Store
from cladescope.taxonomy.backbone import Backbone


def picture(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)).save(path)


@pytest.fixture
def photos(tmp_path):
    """Folders of a biologist: species, a date, a common name and a word, with two pictures in each."""
    names = ("Fictonia nigra", "Panthera_leo (Lion)", "2024-05-03", "koalas", "Old barn/100RECNX")
    for number, name in enumerate(names):
        for copy in range(2):
            picture(tmp_path / "photos" / name / f"IMG_{copy:04}.png", 10 * number + copy)
    return tmp_path / "photos"


def rows(path, *columns):
    table = Store.open(path).table(list(columns))
    return sorted(set(zip(*(table[name].to_pylist() for name in columns), strict=True)), key=str)


def test_names_of_folders_are_taxa_and_dates_are_not(run, photos, tmp_path):
    ended = run("embed", photos, "--store", tmp_path / "s", "--encoder", "pixels")
    assert ended.status == 0, ended.err
    assert (
        "names of folders: 2 read as species; 1 read by common names; 1 date and 1 camera's folder passed over"
        in ended.err
    )
    assert "1 word kept as label only: Old barn" in ended.err
    assert rows(tmp_path / "s", "species", "class", "common_name", "label") == [
        ("Fictonia nigra", None, None, "Fictonia nigra"),
        ("Panthera leo", "Mammalia", "Lion", "Panthera_leo (Lion)"),
        ("Phascolarctos cinereus", "Mammalia", "koalas", "koalas"),
        (None, None, None, "Old barn"),
        (None, None, None, None),
    ]
    said = dict(rows(tmp_path / "s", "species", "inferred"))
    assert said["Phascolarctos cinereus"].endswith("family, genus, species from the taxa of tiny")
    assert said["Fictonia nigra"] is None
    found = run("search", tmp_path / "s", "--image", photos / "2024-05-03" / "IMG_0000.png", "-k", "10")
    assert "2024-05-03 " not in found.out.replace("/2024-05-03/", "")


def test_json_counts_names_by_what_they_are(run, photos, tmp_path):
    document = run("embed", photos, "--store", tmp_path / "s", "--encoder", "pixels", "--json").json
    assert document["folders"] == {"binomial": 2, "common": 1, "date": 1, "word": 1, "camera": 1}


@pytest.mark.parametrize(
    ("rule", "species", "labels"),
    [
        ("none", set(), {None}),
        ("parent", {"Fictonia nigra", "Panthera leo", "Phascolarctos cinereus"}, {"Fictonia nigra", "Panthera_leo (Lion)", "2024-05-03", "koalas", "100RECNX"}),
        ("(?P<species>Fictonia [^/]+)", {"Fictonia nigra"}, {None}),
    ],
)  # fmt: skip
def test_the_rule_may_be_another(photos, tmp_path, rule, species, labels):
    cladescope.embed(photos, tmp_path / "s", encoder="pixels", labels_from=rule)
    found = rows(tmp_path / "s", "species", "label")
    assert {one for one, _ in found if one} == species
    assert {one for _, one in found} == labels


def test_groups_of_a_pattern_become_columns(run, photos, tmp_path):
    rule = r"(?P<site>[^/]+)/(?P<camera>\d{3}[A-Z]+)/"
    ended = run("embed", photos, "--store", tmp_path / "s", "--encoder", "pixels", "--labels-from", rule)
    assert "labels from paths by the pattern: 2 pictures match, 8 do not" in ended.err
    assert rows(tmp_path / "s", "site", "camera") == [("Old barn", "100RECNX"), (None, None)]


def test_a_rule_that_is_none_or_of_a_table_is_refused_in_a_line(fails, misused, photos, tmp_path):
    store = ("--store", tmp_path / "s", "--encoder", "pixels")
    assert "expected folder, parent, none, or a regular" in misused("embed", photos, *store, "--labels-from", "fodler")
    (tmp_path / "t.csv").write_text("file,species\na.jpg,Parus major\n")
    assert "says its labels itself" in fails("embed", tmp_path / "t.csv", *store, "--labels-from", "parent")
    assert not (tmp_path / "s").exists()


def test_a_store_of_folders_takes_the_names_over_without_encoding_anew(run, photos, tmp_path):
    cladescope.embed(photos, tmp_path / "s", encoder="pixels", labels_from="parent")
    ended = run("embed", photos, "--store", tmp_path / "s", "--labels-from", "folder", "--json")
    document = ended.json
    assert (document["embedded"], document["already_stored"], document["relabelled"]) == (0, 10, 4)
    assert "labels are read by folder, and the last job on this folder read them by parent" in document["notes"]
    assert {label for (label,) in rows(tmp_path / "s", "label")} == {
        "Fictonia nigra",
        "Panthera_leo (Lion)",
        "koalas",
        "Old barn",
        None,
    }


def test_a_store_remembers_the_rule_of_a_folder_until_another_is_given(run, photos, tmp_path):
    def embedded(*options):
        document = run("embed", photos, "--store", tmp_path / "s", "--encoder", "pixels", "--json", *options).json
        return document["relabelled"], [note for note in document["notes"] if "last job" in note]

    assert embedded("--labels-from", "parent") == (0, [])
    remark = "labels are read as by the last job on this folder: by parent (for the usual rule, labels from folder)"
    assert embedded() == (0, [remark])
    assert embedded() == (0, [remark])
    differs = "labels are read by none, and the last job on this folder read them by parent"
    assert embedded("--labels-from", "none")[1] == [differs]
    assert [note.partition("by none")[1] for note in embedded()[1]] == ["by none"]
    (tmp_path / "more" / "Parus major").mkdir(parents=True)
    picture(tmp_path / "more" / "Parus major" / "a.png", 99)
    other = run("embed", tmp_path / "more", "--store", tmp_path / "s", "--json").json
    assert not [note for note in other["notes"] if "last job" in note]


def test_a_folder_that_is_renamed_keeps_its_vectors_and_gets_the_new_name(run, photos, tmp_path):
    cladescope.embed(photos, tmp_path / "s", encoder="pixels")
    (photos / "Old barn" / "100RECNX").rename(photos / "Ardea alba")
    document = run("embed", photos, "--store", tmp_path / "s", "--json").json
    assert (document["moved"], document["reused"], document["failed"]) == (2, 2, 0)
    assert ("Ardea alba",) in rows(tmp_path / "s", "species")


def test_a_backbone_knows_the_ranks_above(run, photos, tmp_path):
    taxa = "kingdom,class,family,genus,species,common_name\nAnimalia,Aves,Ciconiidae,Fictonia,Fictonia nigra,Black stork\nAnimalia,Mammalia,Felidae,Panthera,Panthera leo,Lion\n"
    (tmp_path / "taxa.csv").write_text(taxa)
    Backbone.build([tmp_path / "taxa.csv"], tmp_path / "backbone")
    (photos / "koalas").rename(photos / "Black-Storks")
    ended = run("embed", photos, "--store", tmp_path / "s", "--encoder", "pixels", "--backbone", tmp_path / "backbone")
    assert ended.status == 0, ended.err
    found = {one[0]: one[1:] for one in rows(tmp_path / "s", "label", "species", "family", "inferred")}
    assert found["Fictonia nigra"][:2] == found["Black-Storks"][:2] == ("Fictonia nigra", "Ciconiidae")
    assert found["Fictonia nigra"][2].startswith("kingdom, class, family from the backbone ")


def test_a_folder_of_named_folders_is_learnt_from_by_species(run, photos, tmp_path):
    ended = run(
        "fit", photos, "--encoder", "pixels", "--calibration", "0", "--out", tmp_path / "c.safetensors", "--json"
    )
    assert ended.status == 0, ended.err
    assert (ended.json["target"], ended.json["classes"]) == ("species", 3)
    assert "names of folders: 2 read as species" in ended.err
