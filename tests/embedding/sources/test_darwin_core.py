"""Darwin Core archives: which pictures they have, what is said of each, and what is left out in words."""

import logging
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.embedding.encoder import Encoder
from cladescope.embedding.locations import read_bytes
from cladescope.embedding.pipeline import EmbedConfig, embed
from cladescope.embedding.records import left_out_of
from cladescope.embedding.schemes import BACKSLASHES
from cladescope.embedding.sources import open_source
from cladescope.embedding.table_rules import TableRules
from cladescope.errors import InputError
from cladescope.index.exporting import export_store
from cladescope.index.store import Store
from tests.embedding.reading import check, put, read
from tests.embedding.sources.archives import DWC, GBIF, TABS, fields, meta, part, text, write

OCCURRENCES = [
    [
        "gbifID",
        "dc:license",
        "scientificName",
        "decimalLatitude",
        "eventDate",
        "sex",
        "gbif:species",
        "taxonRank",
        "genus",
    ],
    ["9", "CC0", "Parus major Linnaeus, 1758", "47.5", "2024-05-01", "", "Parus major", "SPECIES", "Parus"],
    ["10", "CC0", "Apus", "-3", "2024", "male", "", "GENUS", ""],
    ["11", "", "Bufo bufo", "", "", "", "", "SPECIES", "Bufo"],
]
MEDIA = [
    ["gbifID", "dc:type", "dc:format", "dc:identifier", "dc:license", "dc:rightsHolder", "dc:creator"],
    ["10", "StillImage", "image/jpeg", "https://a.org/1.jpg", "CC BY", "Ann", '"Bob'],
    ["9", "StillImage", "", "https://a.org/2.jpg", "", "", ""],
    ["9", "StillImage", "", "https://a.org/2.jpg", "", "", ""],
    ["9", "image/jpeg", "StillImage", "https://a.org/1.jpg", "", "", ""],
    ["9", "Sound", "audio/mpeg", "https://a.org/3.mp3", "", "", ""],
    ["9", "", "", "https://a.org/4.mp3", "", "", ""],
    ["9", "StillImage", "", "", "", "", ""],
    ["99", "StillImage", "", "https://a.org/5.jpg", "", "", ""],
]
LEFT_OUT = {
    "media without an occurrence": 1,
    "media that are no still images": 2,
    "media without an address": 1,
    "media listed again in their occurrence": 1,
    "occurrences without pictures": 1,
}


def test_a_record_is_a_picture_of_an_occurrence_with_what_both_say(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "birds", OCCURRENCES, MEDIA))
    records = list(source.records())
    check(source, records)
    assert [(one.uri, one.labels["observation_id"]) for one in records] == [
        ("https://a.org/2.jpg", "9"),
        ("https://a.org/1.jpg", "9"),
        ("https://a.org/1.jpg", "10"),
    ]
    assert len({one.image_id for one in records}) == 3
    assert {one.source for one in records} == {"birds"}
    first, _, last = records
    assert first.labels == {
        "genus": "Parus", "species": "Parus major", "observation_id": "9", "licence": "CC0",
        "authorship": "Linnaeus, 1758", "verbatim_name": "Parus major Linnaeus, 1758",
    }  # fmt: skip
    assert first.extra == {
        "scientificName": "Parus major Linnaeus, 1758", "taxonRank": "SPECIES", "eventDate": "2024-05-01", "decimalLatitude": 47.5,
        "sex": None, "creator": None,
    }  # fmt: skip
    assert last.labels == {"genus": "Apus", "observation_id": "10", "licence": "CC BY", "rights_holder": "Ann"}
    assert (last.extra["decimalLatitude"], last.extra["sex"], last.extra["creator"]) == (-3.0, "male", '"Bob')
    assert left_out_of(source) == LEFT_OUT


def test_a_zip_of_an_archive_gives_the_same_ids_as_its_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "birds", OCCURRENCES, MEDIA)
    with zipfile.ZipFile(tmp_path / "birds.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"out/0001-24/{path.name}")
    expected = [one.image_id for one in read(folder)]
    assert [one.image_id for one in read(tmp_path / "birds.zip")] == expected
    with zipfile.ZipFile(tmp_path / "birds.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    assert [one.image_id for one in read(tmp_path / "unpacked/out")] == expected


def test_what_is_left_out_stands_in_the_summary_and_is_an_error_where_none_may_be(tmp_path: Path) -> None:
    folder = write(tmp_path / "birds", OCCURRENCES, MEDIA)
    encoder = Encoder.load("pixels")
    with pytest.raises(InputError, match="strict: left out: media without an occurrence 1"):
        embed(
            open_source(folder), encoder, Store.create(tmp_path / "t", encoder.card), EmbedConfig(strict=True, limit=0)
        )
    summary = embed(open_source(folder), encoder, Store.create(tmp_path / "s", encoder.card), EmbedConfig(limit=0))
    assert summary.to_dict()["left_out"] == LEFT_OUT


def test_audubon_core_names_pictures_by_access_address(tmp_path: Path) -> None:
    media = [
        ["gbifID", "dc:identifier", "ac:accessURI", "ac:UsageTerms", "ac:Owner", "dc:rights"],
        ["9", "urn:1", "https://a.org/1.jpg", "CC BY", "Museum", "all"],
        ["10", "https://a.org/2.jpg", "", "", "", "CC0 rights"],
        ["10", "urn:2", "", "", "", ""],
    ]
    folder = write(tmp_path / "a", OCCURRENCES, media, media_type="http://rs.tdwg.org/ac/terms/Multimedia")
    first, second = read(folder)
    assert (first.uri, first.labels["licence"], first.labels["rights_holder"]) == (
        "https://a.org/1.jpg",
        "CC BY",
        "Museum",
    )
    assert (second.uri, second.labels["licence"]) == ("https://a.org/2.jpg", "CC0 rights")
    assert left_out_of(open_source(folder))["media without an address"] == 1


def test_media_of_the_occurrence_itself_are_used_where_there_is_no_extension(tmp_path: Path) -> None:
    occurrences = [
        ["id", "associatedMedia", "genus"],
        ["7", "https://a.org/1.jpg | https://a.org/2.jpg;x", "Apis"],
        ["8", "", "Apis"],
        ["9", "https://a.org/3.jpg, http://a.org/4.jpg|https://a.org/3.jpg", "Apis"],
    ]
    source = open_source(write(tmp_path / "a", occurrences))
    assert [(one.labels["observation_id"], one.uri) for one in source.records()] == [
        ("7", "https://a.org/1.jpg"),
        ("7", "https://a.org/2.jpg;x"),
        ("9", "https://a.org/3.jpg"),
        ("9", "http://a.org/4.jpg"),
    ]
    assert left_out_of(source) == {"media listed again in their occurrence": 1, "occurrences without pictures": 1}


def test_files_of_other_forms_are_read_as_meta_xml_says(tmp_path: Path) -> None:
    core = part(
        "core", f"{DWC}Occurrence", ["a.csv", "sub/b.csv"],
        f'<id index="2"/><field index="1" term="{DWC}genus" default="Apis"/><field index="0" term="{DWC}sex"/>'
        f'<field term="{DWC}basisOfRecord" default="d\'Orbigny"/>',
        {"encoding": "ISO-8859-1", "fieldsTerminatedBy": ";", "fieldsEnclosedBy": '"'},
    )  # fmt: skip
    media = part(
        "extension", f"{GBIF}Multimedia", ["m.txt"], '<coreid index="1"/><field index="0" term="dcterms:identifier"/>',
        {"encoding": "utf-16", "fieldsTerminatedBy": "|", "ignoreHeaderLines": "3", "linesTerminatedBy": "\\r\\n"},
    )  # fmt: skip
    put(tmp_path / "meta.xml", meta(core, media))
    put(tmp_path / "a.csv", '"m;x";;1\n'.encode("latin-1"))
    put(tmp_path / "sub/b.csv", "é;Bufo;2\n".encode("latin-1"))
    put(
        tmp_path / "m.txt",
        f'{"made today" * 20}\r\n"by|Ann\r\nurl|of\r\nhttps://a.org/é.jpg|2\r\nhttps://a.org/1.jpg|1\r\n'.encode(
            "utf-16"
        ),
    )
    first, second = read(tmp_path)
    assert (first.uri, first.labels["genus"], first.extra["sex"]) == ("https://a.org/1.jpg", "Apis", "m;x")
    assert (second.uri, second.labels["genus"], second.extra["sex"]) == ("https://a.org/é.jpg", "Bufo", "é")
    assert first.extra["basisOfRecord"] == "d'Orbigny"


def test_a_short_row_has_its_line_whatever_stands_before_the_rows(tmp_path: Path) -> None:
    for n_lines, line in (("0", 2), ("1", 3), ("4", 6)):
        attributes = {**TABS, "ignoreHeaderLines": n_lines}
        put(tmp_path / "meta.xml", meta(part("core", f"{DWC}Occurrence", ["o.txt"], fields(["id", "sex"]), attributes)))
        put(tmp_path / "o.txt", b"a\tb\n" * int(n_lines) + b"1\tmale\n2\n3\tmale\n")
        with pytest.raises(InputError, match=rf"line {line} of .*o\.txt has 1 values"):
            open_source(tmp_path)


def test_several_extensions_of_pictures_are_one_list_and_others_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, OCCURRENCES)
    put(tmp_path / "m.txt", text([["id", "u"], ["9", "https://a.org/1.jpg"]]))
    put(tmp_path / "n.txt", text([["id", "u"], ["9", "https://a.org/2.jpg"], ["9", "https://a.org/1.jpg"]]))
    pictures = [
        part("extension", f"{GBIF}{kind}", [file], fields(["gbifID", "dc:identifier"], "coreid"))
        for kind, file in (("Multimedia", "m.txt"), ("Image", "n.txt"))
    ]
    core = part("core", f"{DWC}Occurrence", ["occurrence.txt"], fields(OCCURRENCES[0]))
    verbatim = part("extension", f"{DWC}Occurrence", ["verbatim.txt"], '<coreid index="0"/>')
    put(tmp_path / "meta.xml", meta(core, verbatim, *pictures))
    with caplog.at_level(logging.WARNING):
        assert [one.uri for one in read(tmp_path)] == ["https://a.org/1.jpg", "https://a.org/2.jpg"]
    assert "no pictures are expected in verbatim.txt, which is not read" in caplog.text


def test_a_download_without_meta_xml_is_known_by_its_names(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, OCCURRENCES, MEDIA)
    expected = [one.image_id for one in read(tmp_path)]
    (tmp_path / "meta.xml").unlink()
    for name, rows in (("occurrence.txt", OCCURRENCES), ("multimedia.txt", MEDIA)):
        put(tmp_path / name, text([[one.rpartition(":")[2] for one in rows[0]], *rows[1:]]))
    with caplog.at_level(logging.WARNING):
        assert [one.image_id for one in read(tmp_path)] == expected
    assert "has no meta.xml" in caplog.text
    put(tmp_path / "multimedia.txt", text([["of", "identifier"], ["9", "https://a.org/1.jpg"]]))
    with pytest.raises(InputError, match=r"multimedia\.txt has none of the columns gbifID, id, coreid"):
        open_source(tmp_path)


def test_pictures_of_a_package_lie_in_it(tmp_path: Path) -> None:
    media = [["id", "dc:identifier"], ["9", "img/1.jpg"], ["10", "../2.jpg"], ["11", "file:///x/3.jpg"]]
    folder = write(tmp_path / "a", OCCURRENCES, media)
    put(folder / "img/1.jpg")
    first, climbing, absolute = read(folder)
    assert (first.uri, first.problem) == (f"{folder}/img/1.jpg", None)
    assert climbing.problem == f"its path leads out of {folder}"
    assert (absolute.uri, absolute.problem) == ("/x/3.jpg", None)


@pytest.mark.parametrize(
    "kind, form, is_picture",
    [
        ("StillImage", "image/jpeg", True), ("http://purl.org/dc/dcmitype/StillImage", "", True), ("Specimen photo", "jpg", True),
        ("image/jpeg", "StillImage", True), ("", "JPEG", True), ("Moving Image", "", False), ("dcmitype:Sound", "", False),
        ("video/mp4", "MovingImage", False), ("", "audio/x-wav", False), ("StillImage", "text/html", False), ("Text", "", False),
        ("http://purl.org/dc/dcmitype/InteractiveResource", "", False),
    ],
)  # fmt: skip
def test_what_is_named_as_something_else_is_no_picture(kind: str, form: str, is_picture: bool, tmp_path: Path) -> None:
    media = [MEDIA[0][:4], ["9", "StillImage", "", "https://a.org/1.jpg"], ["9", kind, form, "https://a.org/2.jpg"]]
    source = open_source(write(tmp_path, OCCURRENCES, media))
    assert source.count() == 1 + is_picture
    assert left_out_of(source).get("media that are no still images", 0) == (not is_picture)


def test_an_occurrence_that_comes_twice_is_one(tmp_path: Path) -> None:
    occurrences = [["gbifID", "sex"], ["9", "male"], ["9", "female"]]
    source = open_source(write(tmp_path, occurrences, [["id", "dc:identifier"], ["9", "https://a.org/1.jpg"]]))
    (record,) = source.records()
    assert record.extra["sex"] == "male"
    assert left_out_of(source) == {"occurrences whose id came before": 1}


def test_types_may_be_declared_and_missing_words_given_as_for_any_table(tmp_path: Path) -> None:
    rows = [["gbifID", "catalogNumber", "genus", "year"], ["9", "007", "nobody", "2024?"]]
    folder = write(tmp_path, rows, [["id", "dc:identifier"], ["9", "https://a.org/1.jpg"]])
    (record,) = open_source(folder, rules=TableRules(missing=frozenset({"nobody"}))).records()
    assert record.extra == {"catalogNumber": "007", "year": "2024?"}
    assert (record.labels.get("genus"), record.missing) == (None, ("nobody",))


KEYS = st.sampled_from(["1", "2", "3", "x"])


@settings(max_examples=15, deadline=None)
@given(st.lists(KEYS, max_size=6), st.lists(st.tuples(KEYS, st.sampled_from(["a", "b", ""])), min_size=1, max_size=12))
def test_pictures_and_what_is_left_out_are_all_media(
    tmp_path_factory: pytest.TempPathFactory, occurrences: list[str], media: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("a")
    write(
        folder, [["gbifID"], *([one] for one in occurrences)], [["id", "dc:identifier"], *(list(one) for one in media)]
    )
    pairs = list(dict.fromkeys((key, path) for key, path in media if key in occurrences and path))
    if not pairs:
        with pytest.raises(InputError, match="has no pictures"):
            open_source(folder)
        return
    source = open_source(folder)
    found = [(str(one.labels["observation_id"]), one.uri.rpartition("/")[2]) for one in source.records()]
    order = list(dict.fromkeys(occurrences))
    assert found == sorted(pairs, key=lambda pair: (order.index(pair[0]), media.index(pair)))
    left_out = left_out_of(source)
    assert sum(n for words, n in left_out.items() if words.startswith("media")) == len(media) - len(pairs)
    assert left_out.get("occurrences without pictures", 0) == len(set(occurrences) - {key for key, _ in pairs})


def test_what_is_exported_comes_back_with_the_same_labels(store: Store, tmp_path: Path) -> None:
    export_store(store, tmp_path / "out", format="dwca")
    encoder = Encoder.load("pixels")
    again = Store.create(tmp_path / "again", encoder.card)
    summary = embed(open_source(tmp_path / "out"), encoder, again)
    assert (summary.embedded, summary.respelt, summary.left_out) == (48, 0, {})
    assert labels(again) == labels(store)


def labels(store: Store) -> list[dict[str, object]]:
    names = ["uri", "kingdom", "phylum", "class", "order", "family", "genus", "species", "common_name", "licence"]
    rows: Sequence[dict[str, object]] = [row for batch in store.scan(names) for row in batch.to_pylist()]
    return sorted(rows, key=lambda row: str(row["uri"]))


def test_a_zip_made_on_windows_has_its_files_too(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", OCCURRENCES, [["id", "dc:identifier"], ["9", "img\\1.jpg"]])
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in folder.iterdir():
            archive.writestr(f"set\\{path.name}", path.read_bytes())
        archive.writestr("set\\img\\1.jpg", b"tit")
    (record,) = read(tmp_path / "a.zip")
    assert (record.uri, record.path_rule) == (f"{tmp_path}/a.zip#set/img/1.jpg", BACKSLASHES)
    assert read_bytes(record.uri) == b"tit"


def test_an_archive_is_found_by_its_meta_xml_and_not_on_the_web(tmp_path: Path) -> None:
    write(tmp_path, OCCURRENCES, MEDIA)
    assert len(read(tmp_path / "meta.xml")) == 3
    with pytest.raises(InputError, match="a .zip of the web, which is read on this machine only: download it first"):
        open_source("https://a.org/0001.zip")


def test_a_doubt_in_the_qualifier_of_the_identification_leaves_the_species_open(tmp_path: Path) -> None:
    rows = [["gbifID", "scientificName", "genus", "gbif:species", "specificEpithet", "identificationQualifier"]]
    doubts = ("cf.", "aff. major", "?", "", "s.l.")
    rows += [[str(n), "Parus major L.", "Parus", "Parus major", "major", doubt] for n, doubt in enumerate(doubts)]
    media = [["gbifID", "dc:identifier"], *([str(n), f"https://a.org/{n}.jpg"] for n in range(len(doubts)))]
    labels = [record.labels for record in read(write(tmp_path / "a", rows, media))]
    assert [one.get("species") for one in labels] == [None, None, None, "Parus major", "Parus major"]
    assert [one.get("qualifier") for one in labels] == ["cf.", "aff. major", "?", None, "s.l."]
    assert {one["genus"] for one in labels} == {"Parus"}
