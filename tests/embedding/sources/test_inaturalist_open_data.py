"""The tables of iNaturalist's open data, with made-up rows in the real shape."""

import gzip
from pathlib import Path

import pytest

from cladescope.embedding.records import left_out_of
from cladescope.embedding.sources import open_source
from cladescope.embedding.sources.joined import Joining
from cladescope.errors import InputError
from tests.embedding.reading import put, read

BUCKET = "https://inaturalist-open-data.s3.amazonaws.com/photos"
TABLES = {
    "photos": (
        "photo_uuid\tphoto_id\tobservation_uuid\tobserver_id\textension\tlicense\twidth\theight\tposition\n"
        "p-1\t101\to-1\t7\tjpg\tCC-BY-NC\t2048\t1536\t0\n"
        "p-2\t102\to-1\t7\tjpeg\tCC-BY-NC\t2048\t1536\t1\n"
        "p-3\t103\to-2\t8\tpng\tCC0\t800\t600\t0\n"
        "p-4\t104\to-3\t8\tjpg\tCC0\t800\t600\t0\n"
        "p-3\t103\to-4\t8\tpng\tCC0\t800\t600\t0\n"
        "p-5\t105\to-9\t9\tjpg\tCC0\t800\t600\t0\n"
    ),
    "observations": (
        "observation_uuid\tobserver_id\tlatitude\tlongitude\tpositional_accuracy\ttaxon_id\tquality_grade\tobserved_on\tanomaly_score\n"
        "o-1\t7\t52.16\t4.49\t5\t12\tresearch\t2024-05-01\t0.1\n"
        "o-2\t8\t\t\t\t4\tneeds_id\t2024-05-02\t\n"
        "o-3\t8\t1\t2\t\t\tcasual\t\t\n"
        "o-4\t8\t1\t2\t\t13\tresearch\t2024-05-03\t\n"
        "o-5\t8\t1\t2\t\t13\tresearch\t2024-05-03\t\n"
    ),
    "taxa": (
        "taxon_id\tancestry\trank_level\trank\tname\tactive\n"
        "48460\t\t100\tstateofmatter\tLife\tt\n"
        "1\t48460\t70\tkingdom\tAnimalia\tt\n"
        "2\t48460/1\t60\tphylum\tChordata\tt\n"
        "355675\t48460/1/2\t57\tsubphylum\tVertebrata\tt\n"
        "3\t48460/1/2/355675\t50\tclass\tAves\tt\n"
        "4\t48460/1/2/355675/3\t40\torder\tPasseriformes\tt\n"
        "5\t48460/1/2/355675/3/4\t30\tfamily\tParidae\tt\n"
        "6\t48460/1/2/355675/3/4/5\t20\tgenus\tParus\tt\n"
        "11\t48460/1/2/355675/3/4/5/6\t10\tspecies\tParus major\tt\n"
        "12\t48460/1/2/355675/3/4/5/6/11\t5\tsubspecies\tParus major newtoni\tt\n"
        "13\t48460/1/2/355675/3/4/5/6\t10\thybrid\tParus × cinereus\tf\n"
    ),
    "observers": 'observer_id\tlogin\tname\n7\twren\tJenny "Wren" O\'Neill\n8\thawk\t\n',
}


def tables(folder: Path, *, packed: bool = True, taxa: str = TABLES["taxa"], without: str = "") -> Path:
    for name, text in (TABLES | {"taxa": taxa}).items():
        if name != without:
            put(folder / f"{name}.csv{'.gz' * packed}", gzip.compress(text.encode()) if packed else text.encode())
    return folder


@pytest.mark.parametrize("packed", [True, False])
def test_photos_have_the_ranks_place_licence_and_holder_of_their_observation(tmp_path: Path, packed: bool) -> None:
    first, second, third, *_ = read(tables(tmp_path, packed=packed))
    assert (first.image_id, first.uri) == ("101", f"{BUCKET}/101/medium.jpg")
    ranks = {"kingdom": "Animalia", "phylum": "Chordata", "class": "Aves", "order": "Passeriformes"}
    assert first.labels == {
        **ranks,
        **{"family": "Paridae", "genus": "Parus", "species": "Parus major", "infraspecific": "newtoni"},
        **{"verbatim_name": "Parus major newtoni", "observation_id": "o-1", "licence": "CC-BY-NC"},
        "rights_holder": 'Jenny "Wren" O\'Neill',
    }
    told = ("latitude", "longitude", "quality_grade", "observed_on", "photo_position", "observer_login", "photo_uuid")
    assert {name: first.extra[name] for name in told} == {
        **{"latitude": 52.16, "longitude": 4.49, "quality_grade": "research", "observed_on": "2024-05-01"},
        **{"photo_position": "0", "observer_login": "wren", "photo_uuid": "p-1"},
    }
    assert (second.uri, second.labels["observation_id"]) == (f"{BUCKET}/102/medium.jpeg", "o-1")
    assert third.labels == {**ranks, "observation_id": "o-2", "licence": "CC0", "rights_holder": "hawk"}


def test_a_photo_of_two_observations_is_two_records_and_one_without_labels_is_counted(tmp_path: Path) -> None:
    source = open_source(tables(tmp_path))
    records = list(source.records())
    assert [(record.image_id, record.labels.get("species"), record.missing) for record in records[2:]] == [
        ("103", None, ()),
        ("104", None, ("observation without taxon",)),
        ("103#2", "Parus × cinereus", ()),
        ("105", None, ("observation not listed",)),
    ]
    assert left_out_of(source) == {"observations without a photo": 1}


def test_a_copy_of_the_bucket_beside_the_tables_is_taken(tmp_path: Path) -> None:
    put(tmp_path / "photos/102/medium.jpeg")
    assert [record.uri for record in read(tables(tmp_path))][:2] == [
        f"{BUCKET}/101/medium.jpg",
        f"{tmp_path}/photos/102/medium.jpeg",
    ]


@pytest.mark.parametrize("table", ["observations", "taxa", "observers"])
def test_all_four_tables_must_be_there(tmp_path: Path, table: str) -> None:
    with pytest.raises(InputError, match=rf"has no {table}\.csv or {table}\.csv\.gz: expected the tables"):
        open_source(tables(tmp_path, without=table))


def test_a_lineage_with_a_cycle_or_an_unknown_ancestor_ends(tmp_path: Path) -> None:
    taxa = "taxon_id\tancestry\trank_level\trank\tname\tactive\n12\t6/12/99\t10\tspecies\tParus major\tt\n6\t12/6\t20\tgenus\tParus\tt\n"
    first, *_ = read(tables(tmp_path, taxa=taxa))
    assert {rank: first.labels.get(rank) for rank in ("genus", "species", "class")} == {
        "genus": "Parus", "species": "Parus major", "class": None,
    }  # fmt: skip


def test_a_join_that_takes_long_prints_nothing_among_the_results() -> None:
    with Joining() as joining:
        assert joining.run("SELECT current_setting('enable_progress_bar')") == [(False,)]


def test_rows_that_come_again_are_counted_and_make_no_further_records(tmp_path: Path) -> None:
    folder = tables(tmp_path / "t", packed=False)
    before = read(folder)
    put(folder / "observations.csv", (TABLES["observations"] + "o-1\t8\t9\t9\t\t13\tcasual\t2024-06-01\t\n").encode())
    put(folder / "observers.csv", (TABLES["observers"] + "8\teagle\tAnn\n").encode())
    source = open_source(folder)
    assert list(source.records()) == before
    assert left_out_of(source) == {
        "observations without a photo": 1,
        "observations listed again": 1,
        "observers listed again": 1,
    }
