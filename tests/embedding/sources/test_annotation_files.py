"""Annotations of COCO and MegaDetector, and tables of Timelapse."""

import json
from pathlib import Path
from typing import Any

import pytest

from cladescope.embedding.records import left_out_of, notes_of
from cladescope.embedding.sources import open_source
from cladescope.errors import InputError
from tests.embedding.reading import put, read


def write(path: Path, document: Any) -> Path:
    return put(path, json.dumps(document).encode())


def test_megadetector_gives_a_region_a_detection(tmp_path: Path) -> None:
    detections = [
        {"category": "1", "conf": 0.93, "bbox": [0.1, 0.2, 0.3, 0.4]},
        {"category": "2", "conf": 0.5, "bbox": [0.5, 0.5, 0.2, 0.2]},
        {"category": "1", "conf": 0.01, "bbox": [0, 0, 1, 1]},
        {"category": "1", "conf": 0.9, "bbox": [0, 0]},
    ]
    images = [
        {"file": "a/1.jpg", "detections": detections},
        {"file": "a/2.jpg", "detections": []},
        {"file": "a/3.jpg", "failure": "Failure image access"},
        {"name": "x"},
    ]
    document = {"images": images, "detection_categories": {"1": "animal", "2": "person"}, "info": {}}
    source = open_source(write(tmp_path / "md.json", document))
    first, second, third, failed, nameless = source.records()
    assert first.uri == f"{tmp_path}/a/1.jpg#box=0.1,0.2,0.3,0.4"
    assert first.extra == {"detection": "animal", "confidence": 0.93}
    assert second.extra["detection"] == "person"
    assert len({first.image_id, second.image_id, third.image_id}) == 3
    assert third.problem == "its box is not four numbers: expected x, y, width and height"
    assert failed.problem == "MegaDetector failed on it: Failure image access"
    assert nameless.problem == "it names no file"
    assert left_out_of(source) == {"detections below 0.2": 1, "pictures without a stronger detection": 1}


def test_coco_gives_a_record_an_annotation_with_the_ranks_of_inaturalist(tmp_path: Path) -> None:
    ranks = {"kingdom": "Animalia", "class": "Aves", "genus": "Parus", "specific_epithet": "major"}
    categories = [
        {"id": 7, "name": "Parus major", **ranks},
        {"id": 8, "name": "Vulpes vulpes"},
        {"id": 9, "name": "empty"},
    ]
    images = [{"id": n, "file_name": f"train/{n}.jpg"} for n in (1, 2, 3)]
    annotations = [
        {"id": 1, "image_id": 1, "category_id": 7, "bbox": [0, 0, 20, 30]},
        {"id": 2, "image_id": 1, "category_id": 8, "bbox": [20, 0, 20, 30]},
        {"id": 3, "image_id": 2, "category_id": 9},
    ]
    document = {"images": images, "annotations": annotations, "categories": categories}
    records = read(write(tmp_path / "coco.json", document))
    assert [record.uri.removeprefix(f"{tmp_path}/train/") for record in records] == [
        "1.jpg#box=0,0,20,30",
        "1.jpg#box=20,0,20,30",
        "2.jpg",
        "3.jpg",
    ]
    assert [record.labels.get("species") for record in records] == ["Parus major", "Vulpes vulpes", None, None]
    assert records[0].labels["class"] == "Aves"
    assert [record.extra["category"] for record in records] == ["Parus major", "Vulpes vulpes", "empty", None]


EARTHWORM = "00000_Animalia_Annelida_Clitellata_Haplotaxida_Lumbricidae_Lumbricus_terrestris"
RANKS_OF_EARTHWORM = {
    **{"kingdom": "Animalia", "phylum": "Annelida", "class": "Clitellata", "order": "Haplotaxida"},
    **{"family": "Lumbricidae", "genus": "Lumbricus", "species": "Lumbricus terrestris"},
}


def test_inaturalist_2021_is_read_alike_from_its_json_and_its_folders_and_the_json_says_more(tmp_path: Path) -> None:
    names = EARTHWORM.split("_")[1:]
    ranks = dict(
        zip(("kingdom", "phylum", "class", "order", "family", "genus", "specific_epithet"), names, strict=True)
    )
    category = {"id": 0, "name": "Lumbricus terrestris", "common_name": "Common Earthworm", "supercategory": "Animalia"}
    own = {"width": 500, "height": 375, "rights_holder": "Jane Doe", "date": "2014-07-12 10:00:00+00:00"}
    file = f"train/{EARTHWORM}/cbd7f9a1-5a04-4a70-8b17-7b5b25e3a1cf.jpg"
    place = {"latitude": 43.5, "longitude": -2, "location_uncertainty": None}
    images = [
        {"id": 7, "file_name": file, "license": 0, **own, **place},
        {
            "id": 8,
            "file_name": file.replace("cbd7", "0000"),
            "license": 1,
            "rights_holder": None,
            "latitude": "no number",
        },
    ]
    document = {
        "images": images,
        "categories": [{**category, **ranks, "image_dir_name": EARTHWORM}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 0}, {"id": 2, "image_id": 8, "category_id": 0}],
        "licenses": [
            {
                "id": 0,
                "name": "Attribution-NonCommercial License",
                "url": "http://creativecommons.org/licenses/by-nc/4.0/",
            },
            {"id": 1, "name": "No known copyright restrictions", "url": ""},
        ],
    }
    for image in images:
        put(tmp_path / str(image["file_name"]))
    first, second = read(write(tmp_path / "train.json", document))
    of_folder, *_ = sorted(read(tmp_path / "train"), key=lambda record: record.uri)[1:]
    assert of_folder.labels == RANKS_OF_EARTHWORM
    assert (of_folder.image_id, of_folder.uri) == (first.image_id, first.uri)
    rights = {"licence": "http://creativecommons.org/licenses/by-nc/4.0/", "rights_holder": "Jane Doe"}
    assert first.labels == {**RANKS_OF_EARTHWORM, "common_name": "Common Earthworm", **rights}
    assert first.extra == {"category": "Lumbricus terrestris", "date": own["date"], "latitude": 43.5, "longitude": -2.0}
    assert (second.labels["licence"], second.labels.get("rights_holder")) == ("No known copyright restrictions", None)
    assert second.extra["latitude"] is None


@pytest.mark.parametrize(
    "content, reason",
    [(b"", "no JSON"), (b"[" * 200_000, "nested too deeply"), (b"[1]", "no object"), (b'{"a": 1}', "the keys 'a'")],
)
def test_json_of_another_kind_is_refused_in_one_line(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as refusal:
        open_source(put(tmp_path / "x.json", content))
    assert "\n" not in str(refusal.value)


def test_timelapse_writes_the_folder_beside_the_file(tmp_path: Path) -> None:
    put(tmp_path / "Station1/Deploy2/IMG_1.JPG")
    table = put(tmp_path / "t.csv", b"File,RelativePath,Species\nIMG_1.JPG,Station1\\Deploy2,Vulpes vulpes\n")
    (record,) = read(table)
    assert record.uri == f"{tmp_path}/Station1/Deploy2/IMG_1.JPG"
    assert record.labels["species"] == "Vulpes vulpes"


def test_coco_counts_what_becomes_no_record_and_gives_categories_at_one_place_a_record_each(tmp_path: Path) -> None:
    categories = [
        {"id": 1, "name": "Parus major", "family": "Paridae"},
        {"id": "2", "name": "weasel", "family": "unknown"},
    ]
    images = [{"id": "a", "file_name": "a.jpg"}, {"id": 5, "file_name": "b.jpg"}, {"id": 6}, "junk"]
    annotations = [
        {"image_id": "a", "category_id": 1},
        {"image_id": "a", "category_id": 2},
        {"image_id": "a", "category_id": "1"},
        {"image_id": "5", "category_id": 99},
        {"image_id": 9, "category_id": 1},
        None,
    ]
    document = {"images": images, "annotations": annotations, "categories": categories}
    source = open_source(write(tmp_path / "coco.json", document))
    first, second, lost, nameless = source.records()
    assert (first.uri, first.labels["species"]) == (second.uri, "Parus major")
    assert (second.extra["category"], second.labels, second.missing) == ("weasel", {}, ("unknown",))
    assert first.image_id != second.image_id
    assert (lost.labels, lost.missing) == ({}, ("category not listed",))
    assert nameless.problem == "it names no file"
    assert left_out_of(source) == {
        "annotations of pictures that are not listed": 1,
        "images and annotations that are no objects of keys": 2,
        "further annotations of a category that a picture or box shows already": 1,
    }


def test_species_by_the_name_of_a_coco_category_alone_are_told(tmp_path: Path) -> None:
    categories = [
        {"id": 1, "name": "Red fox"},
        {"id": 2, "name": "teddy bear"},
        {"id": 3, "name": "A b", "class": "Aves"},
    ]
    annotations = [{"image_id": 1, "category_id": n} for n in (1, 1, 2, 3)]
    document = {"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": annotations, "categories": categories}
    (note,) = notes_of(open_source(write(tmp_path / "coco.json", document)))
    assert note.startswith("1 categories are taken for species by their name alone, in 2 annotations: Red fox;")


def test_a_detection_without_a_confidence_is_counted_as_such(tmp_path: Path) -> None:
    box = [0.1, 0.1, 0.5, 0.5]
    detections = [{"category": "1", "conf": conf, "bbox": box} for conf in (0.1, None, "0.8")]
    document = {"images": [{"file": "1.jpg", "detections": detections}], "detection_categories": {"1": "animal"}}
    source = open_source(write(tmp_path / "md.json", document))
    assert [record.extra["confidence"] for record in source.records()] == [0.8]
    assert left_out_of(source) == {"detections below 0.2": 1, "detections without a confidence": 1}
