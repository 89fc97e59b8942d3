"""Archives that cannot be read: one line that says what was found and what to do."""

import zipfile
from pathlib import Path

import pytest

from cladescope.embedding.sources import open_source
from cladescope.errors import InputError
from tests.embedding.reading import put
from tests.embedding.sources.archives import DWC, GBIF, TABS, fields, meta, part, text, write
from tests.embedding.sources.test_darwin_core import MEDIA, OCCURRENCES


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("meta.xml", b"", r"meta\.xml is no XML that can be read \(no element found"),
        ("meta.xml", b"<archive><core>", r"meta\.xml is no XML that can be read"),
        ("meta.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><archive>&b;</archive>', "declares a document type or entities"),
        ("meta.xml", b"<archive/>", "describes 0 cores: expected one <core>"),
        ("meta.xml", b"x" * (2**22 + 1), r"meta\.xml has more than 4,194,304 bytes"),
        ("occurrence.txt", None, r"meta\.xml names the file occurrence\.txt, which .* lacks: download"),
        ("multimedia.txt", None, r"meta\.xml names the file multimedia\.txt, which .* lacks: download"),
        ("occurrence.txt", b"", r"occurrence\.txt has no header on line 1"),
        ("occurrence.txt", text(OCCURRENCES, ";"), r"license is column 1, .* has 1 columns between '\\t'"),
        ("occurrence.txt", text([*OCCURRENCES, ["12", "CC0"]]), r"line 5 of .*occurrence\.txt has 2 values, its header 9"),
        ("occurrence.txt", text([OCCURRENCES[0]]), "has no pictures .media without an occurrence 8"),
        ("multimedia.txt", text([MEDIA[0]]), "has no pictures .occurrences without pictures 3.: ask for an archive with media"),
        ("multimedia.txt", text([MEDIA[0], ["9", *["x" * 5_000_000] * 6]]), "longer than 4 MiB"),
        ("multimedia.txt", text([["x"] * 100_000]), "has 100,000 columns: expected at most 4,096"),
        ("multimedia.txt", b"x" * 5_000_000, r"the first line of .*multimedia\.txt is longer than 4 MiB"),
    ],
)  # fmt: skip
def test_a_bad_archive_is_refused_in_one_line(name: str, content: bytes | None, message: str, tmp_path: Path) -> None:
    write(tmp_path, OCCURRENCES, MEDIA)
    if content is None:
        (tmp_path / name).unlink()
    else:
        put(tmp_path / name, content)
    with pytest.raises(InputError, match=message) as raised:
        open_source(tmp_path)
    assert "\n" not in str(raised.value)


CORE = part("core", f"{DWC}Occurrence", ["occurrence.txt"], fields(OCCURRENCES[0]))


@pytest.mark.parametrize(
    "described, message",
    [
        (meta(CORE.replace("/Occurrence", "/Event")), r"meta\.xml has a core of the type Event: expected Occurrence"),
        (meta(CORE.replace("/Occurrence", "/Taxon")), "core of the type Taxon: expected Occurrence"),
        (meta(CORE.replace(f"{DWC}Occurrence", "")), "core of the type that it leaves out"),
        (meta(CORE), "has no pictures: neither an extension of the type Multimedia nor the term associatedMedia"),
        (meta(CORE, CORE), "describes 2 cores"),
        (meta(CORE.replace("occurrence.txt", "../occurrence.txt")), "which lies outside it|which .* lacks"),
        (meta(CORE.replace('<id index="0"/>', '<id index="x"/>')), "has index='x': expected the number of a column"),
        (meta(CORE.replace('<id index="0"/>', '<id index="40"/>')), "says that the id is column 40, .* has 9 columns"),
        (meta(CORE.replace("<location>occurrence.txt</location>", "")), "names no file of Occurrence"),
        (meta(CORE.replace("UTF-8", "UTF-9")), "has encoding='UTF-9': expected the name of one"),
        (meta(CORE.replace(r"\t", "ab")), "has fieldsTerminatedBy='ab': expected one plain character"),
        (meta(CORE.replace('EnclosedBy=""', """EnclosedBy="'" """)), "has fieldsEnclosedBy=\"'\": expected a double quote"),
        (meta(CORE.replace(r"\n", "#")), "has linesTerminatedBy='#': expected"),
        (meta(CORE.replace('Lines="1"', 'Lines="-1"')), "has ignoreHeaderLines='-1': expected a number of lines"),
        (
            meta(CORE, part("extension", f"{GBIF}Multimedia", ["multimedia.txt"], "")),
            "lacks the <coreid index> of its extension Multimedia",
        ),
        (
            meta(CORE.replace('<id index="0"/>', ""), part("extension", f"{GBIF}Multimedia", ["m"], '<coreid index="0"/>')),
            "lacks the <id index> of its core|lacks: download",
        ),
        (
            meta(CORE, part("extension", f"{GBIF}Multimedia", ["multimedia.txt"], '<coreid index="77"/>', TABS)),
            "says that the id is column 77, counted from 0, and .*multimedia.txt has 7 columns",
        ),
    ],
)  # fmt: skip
def test_a_bad_description_is_refused_in_one_line(described: bytes, message: str, tmp_path: Path) -> None:
    write(tmp_path, OCCURRENCES, MEDIA)
    put(tmp_path / "meta.xml", described)
    with pytest.raises(InputError, match=message) as raised:
        open_source(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_simple_download_says_what_to_ask_for(tmp_path: Path) -> None:
    rows = [
        ["gbifID", "datasetKey", "species", "scientificName", "mediaType"],
        ["9", "k", "Apis mellifera", "x", "StillImage"],
    ]
    put(tmp_path / "0001.csv", text(rows))
    with zipfile.ZipFile(tmp_path / "0001.zip", "w") as archive:
        archive.write(tmp_path / "0001.csv", "0001.csv")
    for name in ("0001.csv", "0001.zip"):
        with pytest.raises(
            InputError, match="occurrences of GBIF without addresses of pictures: .* simple download ask GBIF"
        ):
            open_source(tmp_path / name)


def test_a_damaged_file_in_an_archive_is_told_in_one_line(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", [OCCURRENCES[0], *OCCURRENCES[1:] * 500], MEDIA)
    for name in ("occurrence.txt", "multimedia.txt", "meta.xml"):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            for path in sorted(folder.iterdir()):
                archive.write(path, path.name)
        content = (tmp_path / "a.zip").read_bytes()
        middle = content.index((folder / name).read_bytes()[-40:])
        put(tmp_path / "a.zip", content[:middle] + b"~" + content[middle + 1 :])
        with pytest.raises(InputError, match=rf"{name} in .*a\.zip cannot be unpacked \(Bad CRC-32"):
            open_source(tmp_path / "a.zip")
