"""Values of the tags in a picture's file as plain ones: texts, dates, places, numbers."""

import re
from collections.abc import Iterable
from datetime import datetime
from math import isfinite

_DATE = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d)(?::(\d\d))?")
_ZONE = re.compile(r"[+-]\d\d:\d\d|Z")


def decoded(value: bytes) -> str:
    """IPTC is UTF-8 or, in older files, Latin 1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def text_of(value: object) -> str | None:
    """A tag's text; EXIF's are UTF-8 where they can be, though Pillow reads them as Latin 1.

    >>> text_of("CafÃ©"), text_of(b"Nikon"), text_of(3)
    ('Café', 'Nikon', None)
    """
    if isinstance(value, bytes):
        return decoded(value).strip("\0 ")
    if not isinstance(value, str):
        return None
    try:
        return value.encode("latin-1").decode().strip("\0 ")
    except UnicodeError:
        return value.strip("\0 ")


def text_of_windows(value: object) -> str:
    r"""A text in UTF-16, as the tags of Windows have it; empty for what is none.

    >>> text_of_windows("тит".encode("utf-16-le") + b"\0\0"), text_of_windows(None)
    ('тит', '')
    """
    if isinstance(value, tuple) and all(isinstance(one, int) and 0 <= one < 256 for one in value):
        value = bytes(value)
    return value.decode("utf-16-le", "replace").strip("\0 ") if isinstance(value, bytes) else ""


def iso_date(text: str, zone: object) -> str | None:
    """A date of EXIF or XMP as ISO 8601; None where it is none.

    >>> iso_date("2019:06:01 08:30:00", "+02:00"), iso_date("2019-06-01T08:30", None), iso_date("2019:13:01 08:30:00", None)
    ('2019-06-01T08:30:00+02:00', '2019-06-01T08:30:00', None)
    """
    parts = _DATE.match(text.strip())
    if parts is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in parts.groups())
    try:
        found = datetime(year, month, day, hour, minute, second).isoformat()  # noqa: DTZ001 - the zone follows, if known
    except ValueError:
        return None
    own = _ZONE.search(text.strip()[parts.end() :]) or _ZONE.fullmatch(zone.strip() if isinstance(zone, str) else "")
    return found + (own[0] if own else "")


def iptc_date(day: str, time: str) -> str:
    """`20190601` and `083000+0200` as a date of EXIF."""
    zone = f"{time[6:9]}:{time[9:11]}" if len(time) >= 11 else ""
    return f"{day[:4]}:{day[4:6]}:{day[6:8]} {time[:2] or '00'}:{time[2:4] or '00'}:{time[4:6] or '00'}{zone}"


def degrees_of(value: object, ref: object, letters: str, most: int) -> float | None:
    """Degrees of a latitude or longitude; None for what can be none.

    >>> degrees_of((41, 30, 36), "S", "NS", 90), degrees_of((200, 0, 0), "E", "EW", 180)
    (-41.51, None)
    """
    parts = [number_of(one) for one in value] if isinstance(value, Iterable) and not isinstance(value, str) else []
    letter = (text_of(ref) or "").upper()[:1]
    if len(parts) != 3 or None in parts or letter not in letters or not letter:
        return None
    degrees, minutes, seconds = (float(part) for part in parts if part is not None)
    found = degrees + minutes / 60 + seconds / 3600
    if min(degrees, minutes, seconds) < 0 or minutes >= 61 or seconds >= 61 or found > most:
        return None
    return round(-found if letter == letters[1] else found, 9)


def degrees_of_text(text: str | None, letters: str, most: int) -> float | None:
    """Degrees as XMP writes them.

    >>> degrees_of_text("41,30.6S", "NS", 90), degrees_of_text("2,0,36E", "EW", 180)
    (-41.51, 2.01)
    """
    parts = (text or "").strip()[:-1].split(",")
    if text is None or not 2 <= len(parts) <= 3:
        return None
    return degrees_of([*parts, "0"][:3], text.strip()[-1:], letters, most)


def number_of(value: object) -> float | None:
    """A tag's number; None for what is none, such as a fraction of zero."""
    try:
        found = float(value)  # type: ignore[arg-type] # Pillow's own rational among others
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return found if isfinite(found) else None
