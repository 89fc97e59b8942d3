"""What is written into a picture's file beside its pixels: date, place, camera, keywords, rights, from EXIF, XMP and IPTC.

Values are kept as they are; no label is made of a keyword. What cannot be read or cannot be is left out, counted in `problems`, and
no failure of the picture. Where blocks differ, EXIF comes first for date, place and camera, and XMP, then IPTC, then EXIF for words, as
https://www.iptc.org/std/photometadata/documentation/mappingguidelines asks of programs that read.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import pyarrow as pa
from PIL import ExifTags, Image, IptcImagePlugin
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from cladescope.delimited.headers import squash
from cladescope.embedding.damage import DAMAGE
from cladescope.embedding.decode import kind_of_bytes, opened_picture
from cladescope.embedding.exif_block import is_whole
from cladescope.embedding.jpeg import frame_of
from cladescope.embedding.png_texts import texts_first, without_large_texts
from cladescope.embedding.tag_values import (
    decoded,
    degrees_of,
    degrees_of_text,
    iptc_date,
    iso_date,
    number_of,
    text_of,
    text_of_windows,
)
from cladescope.embedding.xmp import read_xmp

Found = TypeVar("Found")

TAG_FIELDS = (
    pa.field("date_taken", pa.string()),
    pa.field("latitude", pa.float64()),
    pa.field("longitude", pa.float64()),
    pa.field("altitude", pa.float64()),
    pa.field("camera_make", pa.string()),
    pa.field("camera_model", pa.string()),
    pa.field("orientation", pa.int64()),
    pa.field("keywords", pa.string()),
    pa.field("description", pa.string()),
    pa.field("creator", pa.string()),
    pa.field("copyright", pa.string()),
)
"""Columns of a picture's tags, beside the licence: `date_taken` as ISO 8601, with the zone where the camera knew it; degrees of
WGS 84, south and west negative; metres above the sea; `orientation` as stored, 1 to 8, though pixels are turned upright; keywords
in their order with `; ` between them, those of a hierarchy as they are written (`Aves|Parus`)."""
MAX_TEXT = 2_000
"""Letters of a text; the rest of a longer one is cut off and counted."""
MAX_KEYWORDS = 200


@dataclass(frozen=True, slots=True)
class PictureTags:
    """Tags of one picture."""

    values: Mapping[str, object] = field(default_factory=dict)
    """By column of `TAG_FIELDS`; what a picture does not say is absent."""
    licence: str | None = None
    """Terms of use as they are written, or their address."""
    problems: tuple[str, ...] = ()
    """What could not be read or was cut: `EXIF cannot be read`, `keywords cut`."""


def fields_beside(fields: Iterable[pa.Field]) -> tuple[pa.Field, ...]:
    """Those of `TAG_FIELDS` for which a source has no column of its own, in any spelling.

    >>> len(TAG_FIELDS) - len(fields_beside([pa.field("Latitude", pa.string())]))
    1
    """
    own = {squash(field.name) for field in fields}
    return tuple(field for field in TAG_FIELDS if squash(field.name) not in own)


def tags_of(data: bytes) -> PictureTags:
    """Tags in the encoded picture `data`, which `decode` has read before; whatever is wrong with them is a problem that is told.

    >>> from io import BytesIO
    >>> buffer = BytesIO()
    >>> exif = Image.Exif()
    >>> exif[ExifTags.Base.Model] = "X100"
    >>> Image.new("RGB", (9, 9)).save(buffer, "JPEG", exif=exif)
    >>> tags_of(buffer.getvalue()).values
    {'camera_model': 'X100'}
    """
    kind = kind_of_bytes(data)
    frame = frame_of(data) if kind == "JPEG" else None
    if frame is not None and not frame.has_notes:
        return PictureTags()  # there is nothing to read
    reader = _TagReader()
    is_png = kind == "PNG"
    read = texts_first(without_large_texts(data)) if is_png else data
    image = reader.tried("picture", lambda: opened_picture(read))
    if image is None:
        return PictureTags(problems=tuple(reader.problems))
    if is_png and len(read) < len(data):
        reader.problems.append("a text of more than 1 MiB passed over")
    block = image.info.get("exif")
    if isinstance(block, bytes) and block and not is_whole(block):
        reader.problems.append("EXIF is damaged")
    exif = reader.tried("EXIF", lambda: _exif(image)) or {}
    xmp = reader.tried("XMP", lambda: read_xmp(_xmp_block(image))) or {}
    iptc = reader.tried("IPTC", lambda: _iptc(image)) or {}
    reader.date(exif, xmp, iptc)
    reader.place(exif, xmp)
    reader.words(exif, xmp, iptc)
    orientation = image.info.get("original_orientation") or exif.get("Orientation")  # HEIF's decoder sets EXIF's to 1
    if isinstance(orientation, int) and 1 <= orientation <= 8:
        reader.values["orientation"] = orientation
    licence = _first(xmp, "xmpRights:UsageTerms", "cc:license", "xmpRights:WebStatement")
    values = {column.name: reader.values[column.name] for column in TAG_FIELDS if column.name in reader.values}
    return PictureTags(values, reader.cut("licence", licence), tuple(reader.problems))


class _TagReader:
    """Values and problems of one picture, as they come."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self.problems: list[str] = []

    def tried(self, block: str, read: Callable[[], Found]) -> Found | None:
        """What `read` gives; None, and a problem, where a block is damaged."""
        try:
            return read()
        except DAMAGE:
            self.problems.append(f"{block} cannot be read")
            return None

    def cut(self, column: str, text: str | None) -> str | None:
        """A text without signs that cannot be shown, cut to `MAX_TEXT`; None where nothing is left."""
        if text is None:
            return None
        clean = "".join(letter if letter.isprintable() else " " for letter in text).strip()
        clean = clean.encode("utf-8", "replace").decode()
        if len(clean) > MAX_TEXT:
            self.problems.append(f"{column} cut to {MAX_TEXT} letters")
        return clean[:MAX_TEXT] or None

    def keep(self, column: str, text: str | None) -> None:
        if (clean := self.cut(column, text)) is not None:
            self.values[column] = clean

    def date(self, exif: Mapping[str, object], xmp: Mapping[str, list[str]], iptc: Mapping[str, list[str]]) -> None:
        """The date at which the picture was taken, never that at which its file was changed."""
        days, times = iptc.get("date", []), iptc.get("time", [])
        written = [
            (exif.get("DateTimeOriginal"), exif.get("OffsetTimeOriginal")),
            (exif.get("DateTimeDigitized"), exif.get("OffsetTimeDigitized")),
            (_first(xmp, "exif:DateTimeOriginal", "photoshop:DateCreated", "xmp:CreateDate"), None),
            (iptc_date(days[0], times[0] if times else "") if days else None, None),
        ]
        for text, zone in written:
            if not isinstance(text, str) or not text.strip(" :0\0-"):
                continue
            found = iso_date(text, zone)
            if found is not None:
                self.values["date_taken"] = found
                return
            self.problems.append("date is none")

    def place(self, exif: Mapping[str, object], xmp: Mapping[str, list[str]]) -> None:
        """Where the picture was taken; half a place is none."""
        latitude = degrees_of(exif.get("GPSLatitude"), exif.get("GPSLatitudeRef"), "NS", 90)
        longitude = degrees_of(exif.get("GPSLongitude"), exif.get("GPSLongitudeRef"), "EW", 180)
        if "GPSLatitude" not in exif:
            latitude = degrees_of_text(_first(xmp, "exif:GPSLatitude"), "NS", 90)
            longitude = degrees_of_text(_first(xmp, "exif:GPSLongitude"), "EW", 180)
        if latitude is not None and longitude is not None:
            self.values |= {"latitude": latitude, "longitude": longitude}
        elif {"GPSLatitude", "GPSLongitude"} & exif.keys() or {"exif:GPSLatitude", "exif:GPSLongitude"} & xmp.keys():
            self.problems.append("place is none")
        height = number_of(exif.get("GPSAltitude"))
        if height is not None:
            below = exif.get("GPSAltitudeRef") in (1, b"\x01", 3, b"\x03")
            self.values["altitude"] = -height if below else height
        elif "GPSAltitude" in exif:
            self.problems.append("altitude is none")

    def words(self, exif: Mapping[str, object], xmp: Mapping[str, list[str]], iptc: Mapping[str, list[str]]) -> None:
        self.keep("camera_make", text_of(exif.get("Make")) or _first(xmp, "tiff:Make"))
        self.keep("camera_model", text_of(exif.get("Model")) or _first(xmp, "tiff:Model"))
        of_windows = text_of_windows(exif.get("XPKeywords"))
        lists = [xmp.get("dc:subject", []), iptc.get("keywords", []), xmp.get("lr:hierarchicalSubject", [])]
        lists += [xmp.get("digiKam:TagsList", []), [word.strip() for word in of_windows.split(";")]]
        keywords = [one for one in dict.fromkeys(word for words in lists for word in words) if one]
        if len(keywords) > MAX_KEYWORDS:
            self.problems.append(f"keywords cut to {MAX_KEYWORDS}")
        self.keep("keywords", "; ".join(keywords[:MAX_KEYWORDS]))
        for column, names, own, tag in (
            ("description", ("dc:description",), "caption", "ImageDescription"),
            ("creator", ("dc:creator",), "creator", "Artist"),
            ("copyright", ("dc:rights",), "copyright", "Copyright"),
        ):
            several = "; ".join(xmp.get("dc:creator", [])) if column == "creator" else _first(xmp, *names)
            self.keep(column, several or "; ".join(iptc.get(own, [])) or text_of(exif.get(tag)))


def _exif(image: Image.Image) -> dict[str, object]:
    """Values of the blocks of EXIF by the name of their tag."""
    exif = Image.Image.getexif(image)  # that of a PNG would decode its pixels, to look for texts behind them
    found: dict[str, object] = {}
    for block, names in (
        (exif, ExifTags.TAGS),
        (exif.get_ifd(ExifTags.IFD.Exif), ExifTags.TAGS),
        (exif.get_ifd(ExifTags.IFD.GPSInfo), ExifTags.GPSTAGS),
    ):
        found |= {names[number]: value for number, value in block.items() if number in names}
    return found


def _xmp_block(image: Image.Image) -> bytes:
    """The XMP of an opened picture, empty where there is none."""
    found = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if found is None and isinstance(image, TiffImageFile):
        found = image.tag_v2.get(700)
    if isinstance(found, tuple):
        found = bytes(found)
    block = found.encode() if isinstance(found, str) else found or b"<none/>"
    assert isinstance(block, bytes), "Pillow gives XMP as bytes or text"
    return block


_IPTC = {
    (2, 25): "keywords",
    (2, 55): "date",
    (2, 60): "time",
    (2, 80): "creator",
    (2, 116): "copyright",
    (2, 120): "caption",
}


def _iptc(image: ImageFile) -> dict[str, list[str]]:
    """Texts of IPTC's record 2 by what they are."""
    found = IptcImagePlugin.getiptcinfo(image) or {}
    texts: dict[str, list[str]] = {}
    for tag, name in _IPTC.items():
        values = found.get(tag, [])
        texts[name] = [decoded(value) for value in (values if isinstance(values, list) else [values])]
    return texts


def _first(values: Mapping[str, Sequence[str]], *names: str) -> str | None:
    return next((values[name][0] for name in names if values.get(name)), None)
