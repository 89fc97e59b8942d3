"""Camera Trap Data Packages, with made-up rows under the columns of versions 1.0 and 0.1."""

import json
import logging
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.embedding.records import Record, left_out_of, notes_of
from cladescope.embedding.sources import open_source
from cladescope.errors import InputError
from tests.embedding.reading import put, read

DEPLOYMENTS = (
    "deploymentID,locationID,locationName,latitude,longitude,coordinateUncertainty,deploymentStart,deploymentEnd,setupBy,cameraID\n"
    "d1,l1,beech wood,51.496,4.774,187,2020-05-30T04:57:37+02:00,2020-07-01T11:41:41+02:00,ann,320\n"
    "d2,l2,pond,51.181,5.655,187,2020-07-29T07:29:41+02:00,2020-08-08T06:20:40+02:00,,250\n"
)
MEDIA_COLUMNS = "mediaID,deploymentID,captureMethod,timestamp,filePath,filePublic,fileName,fileMediatype,exifData,favorite,mediaComments"
OBSERVATION_COLUMNS = (
    "observationID,deploymentID,mediaID,eventID,eventStart,eventEnd,observationLevel,observationType,cameraSetupType,"
    "scientificName,count,lifeStage,sex,behavior,individualID,bboxX,bboxY,bboxWidth,bboxHeight,classificationMethod,"
    "classifiedBy,classificationTimestamp,classificationProbability,observationTags,observationComments"
)
DESCRIPTOR: dict[str, Any] = {
    "profile": "https://raw.githubusercontent.com/tdwg/camtrap-dp/1.0.2/camtrap-dp-profile.json",
    "resources": [{"name": name, "path": f"{name}.csv"} for name in ("deployments", "media", "observations")],
    "contributors": [{"title": "Ann's Institute", "role": "rightsHolder"}, {"title": "Ben", "role": "contact"}],
    "licenses": [{"name": "CC0-1.0", "scope": "data"}, {"path": "http://creativecommons.org/licenses/by/4.0/", "scope": "media"}],
    "taxonomic": [
        {
            "scientificName": "Anas platyrhynchos", "taxonRank": "species", "kingdom": "Animalia", "phylum": "Chordata",
            "class": "Aves", "order": "Anseriformes", "family": "Anatidae", "genus": "Anas",
            "vernacularNames": {"nld": "wilde eend", "eng": "mallard"},
        },
        {"scientificName": "Ardea", "taxonRank": "genus", "vernacularNames": {"en": "great herons"}},
        {"scientificName": "Homo sapiens", "taxonRank": "species"},
    ],
}  # fmt: skip


def medium(name: str, minute: int, *, deployment: str = "d1", path: str | None = None, kind: str = "image/jpeg") -> str:
    return f"{name},{deployment},activityDetection,2020-06-01T10:{minute:02}:00Z,{path or f'media/{name}.jpg'},true,{name}.jpg,{kind},,false,"


def seen(
    name: str,
    medium: str = "",
    *,
    kind: str = "animal",
    taxon: str = "",
    box: str = ",,,",
    minutes: tuple[int, int] = (0, 0),
) -> str:
    start, end = (f"2020-06-01T10:{minute:02}:00Z" for minute in minutes)
    level = "media" if medium else "event"
    return (
        f"{name},d1,{medium},e1,{start},{end},{level},{kind},,{taxon},1,adult,female,foraging,,{box},human,Peter,,0.9,,"
    )


def package(
    folder: Path, media: list[str], observations: list[str], descriptor: Mapping[str, Any] | None = DESCRIPTOR
) -> Path:
    put(folder / "deployments.csv", DEPLOYMENTS.encode())
    put(folder / "media.csv", "\n".join([MEDIA_COLUMNS, *media, ""]).encode())
    put(folder / "observations.csv", "\n".join([OBSERVATION_COLUMNS, *observations, ""]).encode())
    if descriptor is not None:
        put(folder / "datapackage.json", json.dumps(descriptor).encode())
    return folder


def told(records: list[Record]) -> list[tuple[str, str | None]]:
    return [(record.image_id, record.labels.get("species") or record.labels.get("genus")) for record in records]


def test_observations_of_a_picture_give_its_labels_and_its_deployment_the_place(tmp_path: Path) -> None:
    put(tmp_path / "p/media/m1.jpg")
    folder = package(
        tmp_path / "p",
        [medium("m1", 0), medium("m2", 1, path="https://agouti.eu/assets/m2/file")],
        [seen("o1", "m1", taxon="Anas platyrhynchos"), seen("o2", "m2", taxon="Ardea")],
    )
    first, second = read(folder)
    assert (first.image_id, first.uri) == ("m1", f"{tmp_path}/p/media/m1.jpg")
    assert first.labels == {
        **{"kingdom": "Animalia", "phylum": "Chordata", "class": "Aves", "order": "Anseriformes", "family": "Anatidae"},
        **{"genus": "Anas", "species": "Anas platyrhynchos", "common_name": "mallard", "observation_id": "o1"},
        **{"licence": "http://creativecommons.org/licenses/by/4.0/", "rights_holder": "Ann's Institute"},
    }
    place = {
        name: first.extra[name]
        for name in ("latitude", "longitude", "locationID", "deploymentStart", "timestamp", "sex", "count")
    }
    assert place == {
        **{"latitude": 51.496, "longitude": 4.774, "locationID": "l1", "deploymentStart": "2020-05-30T04:57:37+02:00"},
        **{"timestamp": "2020-06-01T10:00:00Z", "sex": "female", "count": "1"},
    }
    assert second.uri == "https://agouti.eu/assets/m2/file"
    assert (second.labels["genus"], second.labels["common_name"]) == ("Ardea", "great herons")
    assert left_out_of(open_source(folder)) == {}


def test_an_event_labels_the_pictures_in_its_time_that_have_no_observation_of_their_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = package(
        tmp_path,
        [medium("m1", 0), medium("m2", 5), medium("m3", 9), medium("m4", 30), medium("m5", 5, deployment="d2")],
        [
            seen("o1", minutes=(0, 9), taxon="Anas platyrhynchos"),
            seen("o2", "m2", kind="blank"),
            seen("o3", minutes=(50, 51), taxon="Ardea"),
        ],
    )
    records = read(folder)
    assert told(records) == [
        ("m1", "Anas platyrhynchos"),
        ("m2", None),
        ("m3", "Anas platyrhynchos"),
        ("m4", None),
        ("m5", None),
    ]
    assert [record.extra["observationLevel"] for record in records] == ["event", "media", "event", None, None]
    assert [record.missing for record in records[1:4]] == [("blank",), (), ("no observation",)]
    with caplog.at_level(logging.INFO):
        source = open_source(folder)
    assert "2 pictures have the observation of their event" in caplog.text
    assert left_out_of(source) == {"observations of events without a picture that has none of its own": 1}


def test_a_table_of_media_that_names_events_is_believed_before_the_time(tmp_path: Path) -> None:
    """Version 0.1: sequences in place of events."""
    put(tmp_path / "deployments.csv", b"deploymentID,latitude,longitude,start,end\nd1,51,4,,\n")
    put(
        tmp_path / "media.csv",
        b"mediaID,deploymentID,sequenceID,captureMethod,timestamp,filePath,fileName,fileMediatype,exifData,favourite,comments,_id\n"
        b"m1,d1,s1,motion detection,2020-06-01T10:00:00Z,a/1.jpg,1.jpg,image/jpeg,,,near,\n"
        b"m2,d1,s2,time lapse,2020-06-01T10:00:00Z,a/2.jpg,2.jpg,image/jpeg,,,,\n",
    )
    put(
        tmp_path / "observations.csv",
        b"observationID,deploymentID,sequenceID,mediaID,timestamp,observationType,cameraSetup,taxonID,scientificName,count,"
        b"lifeStage,sex,behaviour,individualID,classificationMethod,classifiedBy,classificationConfidence,comments,_id\n"
        b"o1,d1,s1,,2020-06-01T10:00:00Z,animal,false,GCHS,Ardea cinerea,1,adult,,resting,,machine,x,0.8,far,\n",
    )
    profile = {"profile": "https://raw.githubusercontent.com/tdwg/camtrap-dp/0.1.7/camtrap-dp-profile.json"}
    put(tmp_path / "datapackage.json", json.dumps(profile).encode())
    first, second = read(tmp_path)
    assert told([first, second]) == [("m1", "Ardea cinerea"), ("m2", None)]
    assert {first.extra["comments"], first.extra["observations_comments"]} == {"near", "far"}


def test_boxes_are_regions_and_several_taxa_of_one_picture_are_records_each(tmp_path: Path) -> None:
    folder = package(
        tmp_path,
        [medium("m1", 0), medium("m2", 1)],
        [
            seen("o1", "m1", taxon="Anas platyrhynchos", box="0.1,0.2,0.3,0.4"),
            seen("o2", "m1", taxon="Anas platyrhynchos", box="0.5,0.5,0.2,0.2"),
            seen("o3", "m2", taxon="Ardea"),
            seen("o4", "m2", taxon="Anas platyrhynchos"),
            seen("o5", "m2", taxon="Ardea"),
        ],
    )
    records = read(folder)
    assert told(records) == [
        ("m1", "Anas platyrhynchos"), ("m1#o2", "Anas platyrhynchos"), ("m2", "Ardea"), ("m2#o4", "Anas platyrhynchos"),
    ]  # fmt: skip
    assert [record.uri.removeprefix(f"{tmp_path}/media/") for record in records] == [
        "m1.jpg#box=0.1,0.2,0.3,0.4", "m1.jpg#box=0.5,0.5,0.2,0.2", "m2.jpg", "m2.jpg",
    ]  # fmt: skip
    assert left_out_of(open_source(folder)) == {"further observations of a taxon that a picture shows already": 1}


@pytest.mark.parametrize("kind", ["human", "vehicle", "unknown", "unclassified", "blank"])
def test_what_is_no_taxon_is_a_record_without_labels_and_counted(tmp_path: Path, kind: str) -> None:
    (record,) = read(
        package(
            tmp_path, [medium("m1", 0)], [seen("o1", "m1", kind=kind, taxon="Homo sapiens" if kind == "human" else "")]
        )
    )
    assert record.labels.keys() <= {"observation_id", "licence", "rights_holder"}
    assert record.missing == (kind,)
    assert (record.extra["observationType"], record.extra["scientificName"]) == (kind, None)


def test_videos_and_observations_of_media_that_are_not_listed_are_counted(tmp_path: Path) -> None:
    folder = package(
        tmp_path,
        [medium("m1", 0), medium("v1", 1, kind="video/mp4"), medium("v2", 1, kind="video/mp4")],
        [seen("o1", "m1", taxon="Aves"), seen("o2", "lost", taxon="Ardea"), seen("o3", "v1", taxon="Ardea")],
    )
    source = open_source(folder)
    assert [record.image_id for record in source.records()] == ["m1"]
    assert left_out_of(source) == {
        "media that are no pictures (video/mp4)": 2,
        "observations of media that are not listed": 1,
        "observations of media that are no pictures": 1,
        "taxa of a rank that is not said, in pictures": 1,
    }


@pytest.mark.parametrize("inside", ["", "export-2024/"])
def test_a_zip_and_its_descriptor_give_the_records_of_the_folder(tmp_path: Path, inside: str) -> None:
    folder = package(tmp_path / "p", [medium("m1", 0)], [seen("o1", "m1", taxon="Ardea")])
    put(folder / "media/m1.jpg", b"picture")
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, f"{inside}{path.relative_to(folder)}")
    (zipped,), (listed,), (described,) = read(tmp_path / "p.zip"), read(folder), read(folder / "datapackage.json")
    assert listed == described
    assert (zipped.labels, zipped.extra) == (listed.labels, listed.extra)
    assert zipped.uri == f"{tmp_path}/p.zip#{inside}media/m1.jpg"


def test_the_tables_suffice_without_a_descriptor(tmp_path: Path) -> None:
    (record,) = read(package(tmp_path, [medium("m1", 0)], [seen("o1", "m1", taxon="Anas platyrhynchos")], None))
    assert record.labels == {"genus": "Anas", "species": "Anas platyrhynchos", "observation_id": "o1"}


@pytest.mark.parametrize(
    "file, content, reason",
    [
        ("media.csv", None, r"no table of media: names 'media.csv' for it, which is not there \(version 1.0.2\)"),
        ("observations.csv", None, "no table of observations"),
        ("observations.csv", b"", "observations.csv is empty"),
        ("media.csv", b"mediaID;filePath\nm1;a.jpg\n", "media.csv has no column deploymentID among mediaID, filePath"),
        ("media.csv", MEDIA_COLUMNS.encode() + b"\n", "has a header and no rows"),
        ("media.csv", (MEDIA_COLUMNS + "\nm1,d1,x\n").encode(), "line 2 of .*media.csv has 3 values, its header 11"),
        ("datapackage.json", b'{"profile": "camtrap-dp', "is no JSON that can be read"),
        ("datapackage.json", b'["camtrap-dp"]', "holds no object of keys"),
        ("datapackage.json", b'{"profile": "x/camtrap-dp/0.5/x.json", "resources": [{"name": "media-observations"}]}', "'media-observations' .version 0.5."),
        ("datapackage.json", b'{"profile": "camtrap-dp", "resources": [{"name": "deployments", "path": "../deployments.csv"}]}', "outside|not there"),
    ],
)  # fmt: skip
def test_a_package_that_lacks_something_is_refused_in_one_line(
    tmp_path: Path, file: str, content: bytes | None, reason: str
) -> None:
    folder = package(tmp_path / "p", [medium("m1", 0)], [seen("o1", "m1", taxon="Ardea")])
    if content is None:
        (folder / file).unlink()
    else:
        put(folder / file, content)
    with pytest.raises(InputError, match=reason) as refusal:
        open_source(folder)
    assert "\n" not in str(refusal.value)


def test_a_table_of_a_package_in_another_encoding_is_noted_for_the_summary(tmp_path: Path) -> None:
    folder = package(tmp_path, [medium("m1", 0)], [seen("o1", "m1", taxon="Ardea")])
    (folder / "deployments.csv").write_bytes(DEPLOYMENTS.replace("d1", "étang").encode("cp1252"))
    (note,) = notes_of(open_source(folder))
    assert note.startswith(f"{folder}/deployments.csv is not UTF-8")


def test_a_picture_whose_deployment_is_not_listed_has_no_place_and_is_counted(tmp_path: Path) -> None:
    folder = package(tmp_path, [medium("m1", 0), medium("m2", 0, deployment="lost")], [])
    source = open_source(folder)
    assert [record.extra["latitude"] is None for record in source.records()] == [False, True]
    assert left_out_of(source) == {"places of pictures whose deployment is not listed": 1}


def test_an_event_over_midnight_and_one_of_years_label_all_pictures_in_them(tmp_path: Path) -> None:
    times = ("2020-06-01T23:59:59Z", "2020-06-02T00:00:01+00:00", "2020-06-03T00:00:00Z", "2022-01-01T02:00:00+02:00")
    media = [f"m{n},d1,,{at},m{n}.jpg,true,,image/jpeg,,," for n, at in enumerate(times)]
    spans = [
        ("o1", "2020-06-01T23:59:00Z", "2020-06-02T00:01:00Z", "Ardea"),
        ("o2", "2020-06-03T00:00:00Z", "2022-01-01T00:00:00Z", "Anas platyrhynchos"),
    ]
    observations = [f"{name},d1,,e,{start},{end},event,animal,,{taxon}" + "," * 15 for name, start, end, taxon in spans]
    records = read(package(tmp_path, media, observations))
    assert told(records) == [
        ("m0", "Ardea"),
        ("m1", "Ardea"),
        ("m2", "Anas platyrhynchos"),
        ("m3", "Anas platyrhynchos"),
    ]


@settings(max_examples=15)
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=6),
    st.lists(
        st.tuples(
            st.integers(-1, 6),
            st.integers(0, 6),
            st.integers(0, 3),
            st.sampled_from(["Ardea", "Anas platyrhynchos", ""]),
        ),
        max_size=6,
    ),
)
def test_every_picture_comes_with_ids_of_its_own_whatever_was_seen(
    minutes: list[int], found: list[tuple[int, int, int, str]]
) -> None:
    media = [medium(f"m{n}", minute) for n, minute in enumerate(minutes)]
    observations = [
        seen(f"o{n}", f"m{of}" if of >= 0 else "", taxon=taxon, minutes=(start, start + length))
        for n, (of, start, length, taxon) in enumerate(found)
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = package(Path(name), media, observations or [seen("o", "nowhere")])
        records = read(folder)
    assert len({record.image_id for record in records}) == len(records)
    assert list(dict.fromkeys(record.image_id.partition("#")[0] for record in records)) == [
        f"m{n}" for n in range(len(minutes))
    ]
    for place, minute in enumerate(minutes):
        own = [record for record in records if record.image_id.partition("#")[0] == f"m{place}"]
        by_itself = {taxon for of, _, _, taxon in found if of == place}
        by_event = {taxon for of, start, length, taxon in found if of < 0 and start <= minute <= start + length}
        taxa = [record.labels.get("species") or record.labels.get("genus") or "" for record in own]
        assert sorted(taxa) == sorted(by_itself or by_event or {""})
