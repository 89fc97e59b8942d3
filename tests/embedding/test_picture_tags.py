"""What is written into pictures' files, and columns made of it."""

import io
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, PngImagePlugin, TiffImagePlugin
from PIL.TiffImagePlugin import IFDRational

import cladescope
from cladescope.embedding import picture_tags
from cladescope.embedding.picture_tags import MAX_TEXT, tags_of
from cladescope.embedding.xmp import read_xmp
from cladescope.errors import InputError

GPS = {1: "S", 2: (41.0, 30.0, 36.0), 3: "W", 4: (2.0, 0.0, 0.0), 5: b"\x00", 6: 120.5}
XMP = """<?xpacket begin="\ufeff"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:lr="http://ns.adobe.com/lightroom/1.0/"
 xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/" xmpRights:WebStatement="https://creativecommons.org/licenses/by/4.0/">
<dc:subject><rdf:Bag><rdf:li>Great tit</rdf:li><rdf:li>Parus major</rdf:li></rdf:Bag></dc:subject>
<lr:hierarchicalSubject><rdf:Bag><rdf:li>Aves|Paridae|Parus major</rdf:li></rdf:Bag></lr:hierarchicalSubject>
<dc:description><rdf:Alt><rdf:li xml:lang="de">Meise</rdf:li><rdf:li xml:lang="x-default">A tit</rdf:li></rdf:Alt></dc:description>
<dc:creator><rdf:Seq><rdf:li>Ana</rdf:li><rdf:li>Bo</rdf:li></rdf:Seq></dc:creator>
<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">© Ana</rdf:li></rdf:Alt></dc:rights>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""
ALL = {
    "date_taken": "2019-06-01T08:30:00+02:00",
    "latitude": -41.51,
    "longitude": -2.0,
    "altitude": 120.5,
    "camera_make": "Nikon",
    "camera_model": "X100",
    "orientation": 6,
    "keywords": "Great tit; Parus major; Aves|Paridae|Parus major",
    "description": "A tit",
    "creator": "Ana; Bo",
    "copyright": "© Ana",
}


def exif(gps: dict[int, Any] = GPS, **tags: Any) -> Image.Exif:
    made = Image.Exif()
    for name, value in ({"Make": "Nikon", "Model": "X100", "Orientation": 6} | tags).items():
        made[ExifTags.Base[name]] = value
    made.get_ifd(ExifTags.IFD.Exif).update({36867: "2019:06:01 08:30:00", 36881: "+02:00"})
    made.get_ifd(ExifTags.IFD.GPSInfo).update(gps)
    return made


def written(kind: str, tags: Image.Exif, xmp: str = XMP, **more: Any) -> bytes:
    image, buffer = Image.new("RGB", (40, 30), "teal"), io.BytesIO()
    if kind == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", xmp)
        more["pnginfo"] = texts
    elif kind == "TIFF":
        info = TiffImagePlugin.ImageFileDirectory_v2()
        info[700] = xmp.encode()
        info.tagtype[700] = 1
        more["tiffinfo"] = info
    elif kind == "HEIF":
        pillow_heif.from_pillow(image).save(buffer, exif=tags.tobytes(), xmp=xmp.encode())
        return buffer.getvalue()
    else:
        more["xmp"] = xmp.encode()
    image.save(buffer, kind, exif=tags, **more)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP", "HEIF", "AVIF"])
def test_the_same_columns_come_from_every_kind_of_file(kind: str) -> None:
    found = tags_of(written(kind, exif()))
    assert found.problems == ()
    assert found.values == ALL
    assert found.licence == "https://creativecommons.org/licenses/by/4.0/"


def behind_the_pixels(data: bytes, *, sums: bool) -> bytes:
    """The same PNG, its texts and EXIF behind its pixels; with check sums that are right or not."""
    chunks, at = [], 8
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        chunks.append(data[at:end])
        at = end
    texts = [one for one in chunks if one[4:8] in (b"tEXt", b"iTXt", b"zTXt", b"eXIf")]
    assert texts
    others = [one for one in chunks if one not in texts]
    behind = texts if sums else [one[:-4] + b"\0\0\0\0" for one in texts]
    return data[:8] + b"".join([*others[:-1], *behind, others[-1]])


@pytest.mark.parametrize("sums", [True, False])
def test_what_stands_behind_the_pixels_of_a_png_is_read_without_them(
    sums: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = written("PNG", exif())
    moved = behind_the_pixels(data, sums=sums)
    assert moved != data
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", None)
    assert tags_of(moved) == tags_of(data)
    assert tags_of(moved).values == ALL


def test_texts_behind_the_second_frame_of_a_png_are_passed_over_as_pillow_does() -> None:
    image, buffer = Image.new("RGB", (40, 30), "teal"), io.BytesIO()
    image.save(buffer, "PNG", save_all=True, append_images=[Image.new("RGB", (40, 30), "red")], exif=exif())
    moved = behind_the_pixels(buffer.getvalue(), sums=True)
    opened = PngImagePlugin.PngImageFile(io.BytesIO(moved))
    opened.load()
    assert "exif" not in opened.info
    assert tags_of(moved).values == {}


def test_a_jpeg_without_any_block_has_no_tags_and_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(buffer, "JPEG", comment=b"by hand")
    before = tags_of(buffer.getvalue()[:2] + b"\xff\xff" + buffer.getvalue()[3:])  # padded, so that Pillow opens it
    monkeypatch.setattr(picture_tags, "opened_picture", None)
    assert tags_of(buffer.getvalue()) == before == picture_tags.PictureTags()


def test_a_tiff_has_them_in_its_own_directory() -> None:
    image, buffer = Image.new("RGB", (40, 30), "teal"), io.BytesIO()
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[271], info[272], info[700] = "Cafe", "X100", XMP.encode()
    info.tagtype[700] = 1
    image.save(buffer, "TIFF", tiffinfo=info)
    found = tags_of(buffer.getvalue()).values
    assert (found["camera_make"], found["keywords"], found["creator"]) == ("Cafe", ALL["keywords"], "Ana; Bo")


def test_iptc_gives_words_where_xmp_does_not(tmp_path: Path) -> None:
    def entry(number: int, text: bytes) -> bytes:
        return b"\x1c\x02" + bytes([number]) + len(text).to_bytes(2, "big") + text

    block = entry(25, "Bläuling".encode()) + entry(25, b"Sch\xe4fer") + entry(80, b"Ana") + entry(55, b"20190601")
    resource = b"8BIM\x04\x04\0\0" + len(block).to_bytes(4, "big") + block + b"\0" * (len(block) % 2)
    body = b"Photoshop 3.0\0" + resource
    plain = io.BytesIO()
    Image.new("RGB", (40, 30)).save(plain, "JPEG")
    data = plain.getvalue()[:2] + b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body + plain.getvalue()[2:]
    assert tags_of(data).values == {
        "date_taken": "2019-06-01T00:00:00",
        "keywords": "Bläuling; Schäfer",
        "creator": "Ana",
    }


@pytest.mark.parametrize(
    "gps, problems",
    [
        ({**GPS, 2: (IFDRational(41, 0), 30.0, 36.0)}, ("place is none",)),
        ({**GPS, 1: "Q"}, ("place is none",)),
        ({**GPS, 2: (91.0, 0.0, 0.0)}, ("place is none",)),
        ({1: "S", 2: (41.0, 30.0, 36.0)}, ("place is none",)),
        ({**GPS, 6: IFDRational(1, 0)}, ("altitude is none",)),
    ],
)
def test_a_place_that_can_be_none_is_counted_and_left_out(gps: dict[int, Any], problems: tuple[str, ...]) -> None:
    found = tags_of(written("JPEG", exif(gps)))
    assert found.problems == problems
    assert ("latitude" in found.values) == ("altitude" in problems[0])
    assert found.values["keywords"] == ALL["keywords"]


@pytest.mark.parametrize(
    "date, expected, problems",
    [
        ("0000:00:00 00:00:00", None, ()),
        ("    :  :     :  :  ", None, ()),
        ("2019:13:45 99:00:00", None, ("date is none",)),
        ("2019:06:01 08:30:00", "2019-06-01T08:30:00+02:00", ()),
    ],
)
def test_a_date_of_zeros_is_no_date(date: str, expected: str | None, problems: tuple[str, ...]) -> None:
    tags = exif()
    tags.get_ifd(ExifTags.IFD.Exif)[36867] = date
    found = tags_of(written("JPEG", tags))
    assert (found.values.get("date_taken"), found.problems) == (expected, problems)


@pytest.mark.parametrize(
    "block",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        "<x>" * 1000,
        "<x",
        "<x/><x/>",
        "<?xml version='1.0' encoding='none'?><x/>",
    ],
)
def test_a_bad_block_is_a_problem_and_never_more(block: str) -> None:
    found = tags_of(written("JPEG", exif(), xmp=block))
    assert found.problems == ("XMP cannot be read",)
    assert found.values["camera_model"] == "X100"


def test_a_block_too_large_to_be_read_is_told() -> None:
    found = tags_of(written("PNG", exif(), xmp=XMP.replace("A tit", "A tit" * 2**18)))
    assert found.problems == ("a text of more than 1 MiB passed over",)
    assert found.values["camera_model"] == "X100"


@pytest.mark.filterwarnings("ignore:Corrupt EXIF", "ignore:Truncated File", "ignore:Possibly corrupt")
def test_exif_that_is_cut_off_is_said_to_be_damaged() -> None:
    tags = exif().tobytes()
    found = tags_of(written("JPEG", tags[:60]))  # type: ignore[arg-type] # Pillow takes bytes, too
    assert found.problems[0] == "EXIF is damaged"
    assert found.values["keywords"] == ALL["keywords"]


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_damage_to_tags_raises_anything(data: st.DataObject) -> None:
    content = bytearray(written("JPEG", exif()))
    start = content.index(b"Exif")
    for place in data.draw(st.lists(st.integers(start, start + 700), min_size=1, max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    found = tags_of(bytes(content))
    assert all(isinstance(value, str | int | float) for value in found.values.values())
    assert all(len(value) <= MAX_TEXT for value in found.values.values() if isinstance(value, str))


def test_xmp_in_any_form_of_rdf_gives_the_same() -> None:
    spaces = (
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"'
    )
    as_attribute = f'<rdf:RDF {spaces}><rdf:Description photoshop:DateCreated="2019-06-01T08:30"/></rdf:RDF>'
    as_element = f"<rdf:RDF {spaces}><rdf:Description><photoshop:DateCreated>2019-06-01T08:30</photoshop:DateCreated></rdf:Description></rdf:RDF>"
    assert (
        read_xmp(as_attribute.encode())
        == read_xmp(as_element.encode())
        == {"photoshop:DateCreated": ["2019-06-01T08:30"]}
    )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(written("JPEG", exif(ImageDescription="x" * 3000), xmp="<x/>"))
    (folder / "b.jpg").write_bytes(written("JPEG", exif(), xmp="<x"))
    Image.new("RGB", (40, 30), "red").save(folder / "c.png")
    return folder


def rows(store: Path, columns: list[str]) -> dict[str, list[object]]:
    from cladescope.index.store import Store

    table = Store.open(store).table(["uri", *columns])
    return {Path(row["uri"]).name: [row[name] for name in columns] for row in table.to_pylist()}


def test_embed_makes_columns_counts_them_and_says_what_was_not_read(photos: Path, tmp_path: Path) -> None:
    summary = cladescope.embed(photos, tmp_path / "s.store", encoder="pixels", exif=True)
    assert rows(tmp_path / "s.store", ["latitude", "date_taken", "orientation"]) == {
        "a.jpg": [-41.51, ALL["date_taken"], 6],
        "b.jpg": [-41.51, ALL["date_taken"], 6],
        "c.png": [None, None, None],
    }
    assert summary.tags["latitude"] == 2
    assert dict(summary.tag_problems) == {"XMP cannot be read": 1, f"description cut to {MAX_TEXT} letters": 1}
    again = cladescope.embed(photos, tmp_path / "s.store", exif=True)
    assert (again.already_stored, again.relabelled) == (3, 0)
    assert "3 pictures that are stored already" in again.notes[0]
    with pytest.raises(InputError, match=r"strict: .*XMP cannot be read|strict: .*cut to"):
        cladescope.embed(photos, tmp_path / "t.store", encoder="pixels", exif=True, strict=True)


def test_a_column_of_the_table_wins_and_regions_have_the_tags_of_their_picture(photos: Path, tmp_path: Path) -> None:
    table = photos / "t.csv"
    table.write_text("file,Latitude,bbox,license\na.jpg,1.5,0 0 20 20,CC0\na.jpg,,10 10 20 20,\n")
    cladescope.embed(table, tmp_path / "s.store", encoder="pixels", exif=True)
    from cladescope.index.store import Store

    found = Store.open(tmp_path / "s.store").table(["Latitude", "longitude", "camera_model", "licence"]).to_pylist()
    assert [row["Latitude"] for row in found] == [1.5, None]
    assert {row["longitude"] for row in found} == {-2.0}
    assert [row["licence"] for row in found] == ["CC0", None]
