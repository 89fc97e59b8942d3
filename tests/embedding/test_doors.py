"""The list of kinds of sources, and which one an unknown table is nearest to."""

import logging
import re
from pathlib import Path

import pytest

from cladescope.embedding.doors import DOORS, Door, nearest_door
from cladescope.embedding.sources import open_source
from cladescope.errors import InputError
from tests.embedding.reading import put


@pytest.mark.parametrize(
    "door", [door for door in DOORS if door.columns and not door.module], ids=lambda door: door.name
)
def test_every_table_of_the_list_is_nearest_to_itself_and_opens(door: Door, tmp_path: Path) -> None:
    assert nearest_door([name.upper() for name in door.columns]).columns[0] == door.columns[0]
    values = {"identifier": "https://a.org/1.jpg", "image_url": "https://a.org/1.jpg", "bbox": "0 0 10 10"}
    row = ",".join(values.get(name, "a.jpg").replace(",", " ") for name in door.columns)
    table = put(tmp_path / "t.csv", f"{','.join(door.columns)}\n{row}\n".encode())
    (record,) = open_source(table).records()
    assert record.problem is None


def test_an_unknown_table_says_its_columns_and_the_nearest_kind(tmp_path: Path) -> None:
    table = put(tmp_path / "t.csv", b"RelativePath,Species\na,b\n")
    with pytest.raises(
        InputError, match=r"'RelativePath', 'Species'.*nearest to Timelapse, which has File, RelativePath"
    ):
        open_source(table)


def test_a_folder_of_tables_says_which_and_the_nearest_kind(tmp_path: Path) -> None:
    put(tmp_path / "deployments.csv", b"deploymentID\nd1\n")
    put(tmp_path / "observations.csv", b"observationID\no1\n")
    with pytest.raises(
        InputError,
        match=r"no pictures in .*the tables deployments.csv, observations.csv, nearest to Camtrap DP's tables, which has "
        r"deployments.csv, media.csv, observations.csv$",
    ):
        open_source(tmp_path)


@pytest.mark.parametrize(
    "content, told",
    [
        (b"file,species\na.jpg,b\n", "to embed the pictures that t.csv names, give /"),
        (
            b"RelativePath,Species\na,b\n",
            "t.csv has the columns RelativePath, Species, nearest to Timelapse, which has File, R",
        ),
        (b"", "give the table itself"),
    ],
)
def test_a_folder_with_a_table_and_no_pictures_says_what_to_give(tmp_path: Path, content: bytes, told: str) -> None:
    put(tmp_path / "t.csv", content)
    with pytest.raises(InputError, match=re.escape(told)) as refusal:
        open_source(tmp_path)
    assert "\n" not in str(refusal.value)


def test_a_folder_of_pictures_with_a_table_stays_one_and_says_that_the_table_is_not_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path / "a.jpg")
    put(tmp_path / "labels.csv", b"file,species\na.jpg,b\n")
    with caplog.at_level(logging.INFO):
        (record,) = open_source(tmp_path).records()
    assert record.uri == f"{tmp_path}/a.jpg"
    assert (
        "its tables (labels.csv) are not read: to embed the pictures that one names, with its labels, give the table"
        in caplog.text
    )


def test_a_package_among_its_pictures_is_the_package(tmp_path: Path) -> None:
    put(tmp_path / "media/m1.jpg")
    put(tmp_path / "deployments.csv", b"deploymentID\nd1\n")
    put(tmp_path / "media.csv", b"mediaID,deploymentID,filePath\nm1,d1,media/m1.jpg\n")
    put(tmp_path / "observations.csv", b"observationID,deploymentID,mediaID,scientificName\no1,d1,m1,Vulpes vulpes\n")
    (record,) = open_source(tmp_path).records()
    assert (record.image_id, record.labels["species"]) == ("m1", "Vulpes vulpes")


def test_a_table_that_is_only_called_like_one_of_a_package_is_told_by_its_columns(tmp_path: Path) -> None:
    put(tmp_path / "photos.csv", b"file,species\na.jpg,b\n")
    with pytest.raises(InputError, match=r"to embed the pictures that photos\.csv names, give /"):
        open_source(tmp_path)
