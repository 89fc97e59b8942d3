"""What must not be in the data set by what is said of it: the first reason that holds, and nothing else is dropped."""

import csv
import json

import pytest

from cladescope.embedding.records import id_of_uri
from cladescope.errors import InputError
from cladescope.taxonomy import RANKS
from cladescope.taxonomy.backbone import Backbone
from cladescope.training.curation.config import load_config
from cladescope.training.curation.job import Job
from cladescope.training.curation.screen import screen
from tests.conftest import SHARED_DATA
from tests.training.curation.screening import BIRD, HERB, TIT, reasons, record, screened

SHARED = SHARED_DATA / "taxonomy" / "bioclip-eval-labels" / "rare_species.csv"


def test_nothing_is_dropped_where_nothing_is_asked_for(tmp_path):
    job, rows = screened(tmp_path, "", [record(number) for number in range(4)])
    assert reasons(rows) == [None] * 4
    assert job.manifest("screen")["counts"]["in"] == {"a": 4}


def test_the_first_reason_that_holds_is_told_and_what_was_dropped_stays_so(tmp_path):
    (tmp_path / "taxa.txt").write_text("Animalia > Chordata > Aves > Passeriformes > Paridae\n")
    (tmp_path / "ids.txt").write_text("0.jpg\n1.jpg\n2.jpg\n3.jpg\n5\n")
    text = (
        '[names]\nleast_rank = "family"\n[licences]\nforbid = ["nd"]\n[[exclude]]\ntaxa = "taxa.txt"\nids = "ids.txt"\n'
        '[kinds]\nkeep = ["live"]\n'
    )
    bad = {"licence": "CC BY-NC-ND 4.0", "basis_of_record": "PreservedSpecimen"}
    _, rows = screened(
        tmp_path,
        text,
        [
            record(0, TIT[:4], **bad),
            record(1, **bad),
            record(2, basis_of_record="PreservedSpecimen"),
            record(3, HERB, basis_of_record="PreservedSpecimen"),
            record(4, HERB, basis_of_record="PreservedSpecimen"),
            record(5, HERB, dropped="names: name not accepted (unknown)", **bad),
            record(6, HERB, basis_of_record="HUMAN_OBSERVATION", licence="CC0"),
            record(7, HERB),
        ],
    )
    assert reasons(rows) == [
        "not named down to its family",
        "licence forbids (by-nc-nd)",
        "excluded taxon (taxa.txt)",
        "excluded picture (ids.txt)",
        "shows a specimen",
        "names: name not accepted (unknown)",
        None,
        None,
    ]
    assert [row["licence_kind"] for row in rows] == [*["by-nc-nd"] * 2, None, None, None, None, "cc0", None]
    assert [row["kind"] for row in rows] == [*["specimen"] * 5, None, "live", None]


@pytest.mark.parametrize(
    "text, dropped",
    [
        ('forbid = ["by-nd"]', {"by-nd"}),
        ('forbid = ["nd", "All rights reserved"]', {"by-nd", "by-nc-nd", "all rights reserved"}),
        ('forbid = ["CC BY-NC 4.0"]', {"by-nc"}),
        ('allow = ["by", "cc0"]', {"by-nd", "by-nc-nd", "by-nc", "all rights reserved", None}),
        ('allow = ["by", "cc0"]\nunknown = "keep"', {"by-nd", "by-nc-nd", "by-nc", "all rights reserved"}),
        ('allow = ["nc"]\nunknown = "drop"', {"by-nd", "by", "cc0", "all rights reserved", None}),
        ('unknown = "drop"', {None}),
    ],
)
def test_licences_are_forbidden_by_their_short_form_or_an_element(tmp_path, text, dropped):
    written = {
        "by": "http://creativecommons.org/licenses/by/4.0/", "by-nd": "CC_BY_ND_4_0", "by-nc-nd": "cc-by-nc-nd", "by-nc": "(c) A B, some rights reserved (CC BY-NC)",
        "cc0": "No rights reserved", "all rights reserved": "(c) X, all rights reserved", None: "ask me",
    }  # fmt: skip
    job, rows = screened(
        tmp_path, f"[licences]\n{text}\n", [record(n, licence=one) for n, one in enumerate(written.values())]
    )
    assert [row["licence_kind"] for row in rows] == list(written)
    assert {kind for kind, why in zip(written, reasons(rows), strict=True) if why} == dropped
    for kind, why in zip(written, reasons(rows), strict=True):
        words = {f"licence forbids ({kind})", f"licence not allowed ({kind})", "licence not known"}
        assert why is None or why in words
    assert job.manifest("screen")["more"]["licences_not_known"] == {"ask me": 1}


def test_a_word_that_is_no_licence_is_refused_before_anything_starts(tmp_path):
    (tmp_path / "tree.toml").write_text('[[sources]]\nname="a"\npath="."\n[licences]\nforbid = ["by-dn"]\n')
    with pytest.raises(InputError, match="by-dn"):
        load_config(tmp_path / "tree.toml")


def test_what_sources_say_that_is_not_understood_is_counted(tmp_path):
    bases = ["MATERIAL_SAMPLE", "Seen by Ann", "Seen by Ann", None, "LIVING_SPECIMEN", "MachineObservation"]
    records = [record(number, basis_of_record=one, licence=f"ask {number % 60}") for number, one in enumerate(bases)]
    records += [record(10 + number, licence=f"ask {number}") for number in range(60)]
    job, rows = screened(tmp_path, "", records)
    assert [row["kind"] for row in rows[:6]] == [None, None, None, None, "live", "camera trap"]
    more = job.manifest("screen")["more"]
    assert more["bases_not_known"] == {"Seen by Ann": 2}
    assert len(more["licences_not_known"]) == 51
    assert more["licences_not_known"]["(others)"] == 10
    assert sum(more["licences_not_known"].values()) == 66


# Excluded taxa

KEY = "-".join([*TIT[:6], "major"])
LISTS = {
    "paths.txt": " > ".join(TIT) + "\n",
    "dashed.txt": KEY + "\n",
    "keys.json": json.dumps({KEY: ["0.jpg"]}),
    "list.json": json.dumps([KEY]),
    "objects.json": json.dumps([dict(zip(RANKS, TIT, strict=True))]),
    "table.csv": f"{','.join(RANKS)}\n{','.join(TIT)}\n",
    "epithet.csv": f"kingdom,phylum,cls,order,family,genus,species,class\n{','.join([*TIT[:6], 'major', TIT[6]])}\n",
    "name.json": json.dumps({"Parus major": ["0.jpg"]}),
    "names.txt": "Parus major\n",
}


def test_the_kind_of_a_source_stands_where_its_rows_say_none(tmp_path):
    records = [
        record(0, kind="camera trap"),
        record(1, kind="camera trap", basis_of_record="PRESERVED_SPECIMEN"),
        record(2, kind="camera trap", basis_of_record="Seen by Ann"),
        record(3),
        record(4, kind="specimen"),
    ]
    job, rows = screened(tmp_path, '[kinds]\nkeep = ["camera trap"]\n', records)
    assert [row["kind"] for row in rows] == ["camera trap", "specimen", "camera trap", None, "specimen"]
    assert reasons(rows) == [None, "shows a specimen", None, None, "shows a specimen"]
    manifest = job.manifest("screen")
    assert manifest["counts"]["changed"] == [["a", "kind by the kind of table: camera trap", 2]]
    assert manifest["more"]["bases_not_known"] == {"Seen by Ann": 1}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_excludes_all_pictures_of_its_taxa_however_it_is_written(tmp_path, name):
    """BioCLIP's published lists exclude none but the named pictures (reference 1.6)."""
    (tmp_path / name).write_text(LISTS[name])
    shorter = (*TIT[:4], None, *TIT[5:])
    records = [record(0), record(1), record(2, shorter), record(3, BIRD), record(4, HERB), record(5, TIT[:6])]
    job, rows = screened(tmp_path, f'[[exclude]]\ntaxa = "{name}"\n', records)
    assert reasons(rows) == [*[f"excluded taxon ({name})"] * 3, None, None, None]
    assert job.manifest("screen")["more"]["exclusions"] == {name: {"entries": 1, "met": 1, "pictures": 3}}


def test_homonyms_under_another_path_stay_and_a_name_alone_that_is_of_two_taxa_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("Animalia > Chordata > Aves > Passeriformes > Muscicapidae > Oenanthe\n")
    (tmp_path / "b.txt").write_text("Oenanthe\n")
    records = [record(0, BIRD), record(1, HERB), record(2, HERB[:6])]
    _, rows = screened(tmp_path, '[[exclude]]\ntaxa = "a.txt"\n', records)
    assert reasons(rows) == ["excluded taxon (a.txt)", None, None]
    with pytest.raises(InputError, match=r"b.txt excludes by a name alone, but 'Oenanthe' names 2 taxa"):
        screened(tmp_path, '[[exclude]]\ntaxa = "b.txt"\n', records, out="other")


def test_a_picture_is_excluded_by_the_name_that_was_written_too(tmp_path):
    (tmp_path / "a.txt").write_text(f"{' > '.join(TIT)}\nOenanthe oenanthe\n")
    renamed = (*TIT[:5], "Cyanistes", "Cyanistes major")
    records = [record(0, renamed, written=TIT), record(1, renamed), record(2, BIRD)]
    job, rows = screened(tmp_path, '[[exclude]]\ntaxa = "a.txt"\n', records)
    assert reasons(rows) == ["excluded taxon (a.txt)", None, "excluded taxon (a.txt)"]
    assert job.manifest("screen")["more"]["exclusions"] == {"a.txt": {"entries": 2, "met": 2, "pictures": 2}}


@pytest.mark.parametrize(
    "entry", ["Animalia > Chordata > Aves > Passeriformes > Paridae > Parus > Parus ater", "Parus ater"]
)
def test_a_list_excludes_the_accepted_taxon_of_its_synonyms(tmp_path, entry):
    rows = [
        "1,,,Animalia,kingdom,accepted", "2,1,,Chordata,phylum,accepted", "3,2,,Aves,class,accepted", "4,3,,Passeriformes,order,accepted",
        "5,4,,Paridae,family,accepted", "6,5,,Periparus,genus,accepted", "7,6,,Periparus ater,species,accepted", "8,5,,Parus,genus,accepted",
        "9,8,7,Parus ater,species,synonym",
    ]  # fmt: skip
    header = "taxonID,parentNameUsageID,acceptedNameUsageID,scientificName,taxonRank,taxonomicStatus"
    (tmp_path / "Taxon.tsv").write_text("\n".join([header, *rows]).replace(",", "\t") + "\n")
    Backbone.build([tmp_path / "Taxon.tsv"], tmp_path / "backbone")
    (tmp_path / "a.txt").write_text(entry + "\n")
    records = [record(0, (*TIT[:5], "Periparus", "Periparus ater")), record(1, BIRD)]
    text = '[[exclude]]\ntaxa = "a.txt"\n'
    with pytest.raises(InputError, match="no picture is of one"):
        screened(tmp_path, text, records, out="without")
    _, found = screened(tmp_path, f'[names]\nbackbone = "backbone"\n{text}', records)
    assert reasons(found) == ["excluded taxon (a.txt)", None]


def test_a_list_meets_what_was_dropped_for_another_reason(tmp_path):
    (tmp_path / "a.txt").write_text(KEY + "\n")
    text = '[licences]\nforbid = ["nd"]\n[[exclude]]\ntaxa = "a.txt"\n'
    job, rows = screened(tmp_path, text, [record(0, licence="CC BY-ND"), record(1, HERB)])
    assert reasons(rows) == ["licence forbids (by-nd)", None]
    assert job.manifest("screen")["more"]["exclusions"]["a.txt"]["met"] == 1


@pytest.mark.parametrize(
    "text, words",
    [
        (
            'taxa = "a.txt"',
            "names 1 taxa to exclude, and no picture is of one of them .*nearest to .*mayor.*Parus major",
        ),
        ('ids = "b.txt"', "names 2 pictures to exclude, the first 'x.jpg', and none is .*image_id 'i0' at '/p/0.jpg'"),
        ('taxa = "none.txt"', "none.txt is not there"),
        ('taxa = "empty.json"', "names no taxon"),
        ('ids = "empty.json"', "names no picture"),
        ('taxa = "odd.txt"', "odd.txt: found the path 'Animalia-Chordata-Aves'"),
        ('taxa = "damaged.json"', "is no JSON"),
    ],
)
def test_a_list_that_meets_nothing_or_cannot_be_read_stops_the_stage(tmp_path, text, words):
    (tmp_path / "a.txt").write_text(KEY.replace("major", "mayor") + "\n")
    (tmp_path / "b.txt").write_text("x.jpg\ny.jpg\n")
    (tmp_path / "empty.json").write_text("[]")
    (tmp_path / "odd.txt").write_text("Animalia-Chordata-Aves\n")
    (tmp_path / "damaged.json").write_text("{")
    with pytest.raises(InputError, match=words):
        screened(tmp_path, f"[[exclude]]\n{text}\n", [record(0), record(1, BIRD)])
    assert not list((tmp_path / "out" / "work" / "screen").glob("part-*")), "nothing is written before"


def test_a_list_may_meet_nothing_where_it_is_said(tmp_path):
    (tmp_path / "a.txt").write_text(KEY + "\n")
    (tmp_path / "b.txt").write_text("x.jpg\n")
    text = '[[exclude]]\ntaxa = "a.txt"\nids = "b.txt"\nmust_hit = false\n'
    job, rows = screened(tmp_path, text, [record(0, BIRD)])
    assert reasons(rows) == [None]
    told = job.manifest("screen")["more"]["exclusions"]
    assert told == {name: {"entries": 1, "met": 0, "pictures": 0} for name in ("a.txt", "b.txt")}


def test_pictures_are_excluded_by_ids_and_names_of_files(tmp_path):
    (tmp_path / "l.json").write_text(
        json.dumps({KEY: ["2.jpg", "x/3.jpg", "p/4.jpg"], "k": ["i0", "u1", 5, "m.jpg", "no"]})
    )
    uris = {6: "/p/s.tar#q/m.jpg", 7: "https://a.org/q/m.jpg?size=1", 8: "/p/m.jpg#box=0,0,2,2", 9: "/p/xm.jpg"}
    records = [record(n, **({"uri": uris[n]} if n in uris else {})) for n in range(10)]
    job, rows = screened(tmp_path, '[[exclude]]\nids = "l.json"\n', records)
    assert [bool(why) for why in reasons(rows)] == [True, True, True, False, True, True, True, True, True, False]
    assert job.manifest("screen")["more"]["exclusions"] == {"l.json": {"entries": 8, "met": 6, "pictures": 8}}


def test_pictures_are_excluded_by_the_ids_that_stores_have_for_those_without_one(tmp_path):
    (tmp_path / "l.txt").write_text(f"{id_of_uri('/p/1.jpg')}\n")
    job, rows = screened(tmp_path, '[[exclude]]\nids = "l.txt"\n', [record(0), record(1)])
    assert reasons(rows) == [None, "excluded picture (l.txt)"]


def test_one_file_may_be_a_list_of_taxa_and_of_pictures(tmp_path):
    (tmp_path / "l.json").write_text(json.dumps({KEY: ["7.jpg"]}))
    job, rows = screened(tmp_path, '[[exclude]]\ntaxa = "l.json"\nids = "l.json"\n', [record(0), record(7, HERB)])
    assert reasons(rows) == ["excluded taxon (l.json, taxa)", "excluded picture (l.json, pictures)"]
    assert set(job.manifest("screen")["more"]["exclusions"]) == {"l.json, taxa", "l.json, pictures"}


@pytest.mark.skipif(not SHARED.is_file(), reason="needs ../shared/data: the labels of Rare Species are not there")
@pytest.mark.parametrize("written", ["table", "dashed keys", "names alone"])
def test_rare_species_excludes_every_picture_of_its_species(tmp_path, written):
    """BioCLIP's list has dashed keys of listed pictures; pictures of these species that it does not list must be excluded, too (reference 1.6)."""
    with SHARED.open() as file:
        lines = list(csv.DictReader(file))
    keys = {
        "dashed keys": {"-".join(one[rank if rank != "class" else "cls"] for rank in RANKS): ["1_2_eol.jpg"] for one in lines},
        "names alone": {f"{one['genus']} {one['species']}": ["1_2_eol.jpg"] for one in lines},
    }  # fmt: skip
    if written != "table":
        (tmp_path / "unseen_in_training.json").write_text(json.dumps(keys[written]))
    place = SHARED if written == "table" else tmp_path / "unseen_in_training.json"
    records = [
        record(
            n, (*(one[rank if rank != "class" else "cls"] for rank in RANKS[:6]), f"{one['genus']} {one['species']}")
        )
        for n, one in enumerate(lines[::7])
    ]
    species = {one["species"] for one in records}
    # Two of its species under another path, in another kingdom: by their paths they stay, by a name alone nobody can say.
    twins = [] if written == "names alone" else [record(len(records) + n, ("Plantae", *[None] * 4, one["genus"], one["species"])) for n, one in enumerate(records[:2])]  # fmt: skip
    others = [*twins, record(len(records) + len(twins), HERB)]
    job, rows = screened(tmp_path, f'[[exclude]]\ntaxa = "{place}"\n', [*records, *others], part_rows=500)
    assert [why is None for why in reasons(rows)] == [False] * len(records) + [True] * len(others)
    told = job.manifest("screen")["more"]["exclusions"][place.name]
    assert told == {"entries": 400, "met": len(species), "pictures": len(records)}


def test_the_same_bytes_whether_it_was_cut_short_or_not(tmp_path):
    (tmp_path / "taxa.txt").write_text(KEY + "\n")
    text = '[[exclude]]\ntaxa = "taxa.txt"\n[bursts]\nmost = 2\n'
    records = [record(n, (TIT, BIRD, HERB)[n % 3], observation_id=f"o{n // 9}", licence=f"x{n % 4}") for n in range(20)]
    job, _ = screened(tmp_path, text, records)
    whole = {path.name: path.read_bytes() for path in (job.work / "screen").iterdir()}
    (job.work / "screen" / "manifest.json").unlink()
    job.path("screen", 1).unlink()
    job.path("screen", 5).unlink()
    screen(Job(job.config, job.out, part_rows=3))
    assert {path.name: path.read_bytes() for path in (job.work / "screen").iterdir()} == whole


def test_another_list_is_another_stage(tmp_path):
    (tmp_path / "a.txt").write_text(KEY + "\n")
    job, _ = screened(tmp_path, '[[exclude]]\ntaxa = "a.txt"\n', [record(0)])
    (tmp_path / "a.txt").write_text(" > ".join(TIT[:6]) + "\n")
    with pytest.raises(InputError, match="other settings of the stage screen"):
        screen(job)
