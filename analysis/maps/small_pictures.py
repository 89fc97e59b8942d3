"""Small pictures of a map, as many as a page has room for, those first that stand first in the map's order."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from cladescope.embedding.thumbnail import local_file, thumbnail
from cladescope.errors import InputError
from cladescope.shown import counted

SIDE = 96
"""Pixels of the longer side."""
QUALITY = 75
ROOM = 8_000_000
"""Bytes of all small pictures of a page, unless one says: some 2,500 of them."""
ELSEWHERE, GONE, UNREADABLE, NO_ROOM = (
    "on no disk of this machine",
    "file has gone",
    "cannot be read",
    "no room in the page",
)
_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class SmallPictures:
    """Pictures as JPEG by their place; and how many have none, by reason."""

    sizes: dict[int, int] = field(default_factory=dict)
    """Bytes of each."""
    missing: Counter[str] = field(default_factory=Counter)
    jpegs: dict[int, bytes] = field(default_factory=dict)
    """Of pictures that a page holds in itself; those that are files are read by nobody here."""

    def told(self, n: int) -> str:
        """How many of n there are, and why not more.

        >>> SmallPictures({0: 900}, Counter({GONE: 2})).told(3)
        '1 of 3 pictures have a thumbnail (file has gone: 2)'
        """
        why = ", ".join(f"{reason}: {count:,}" for reason, count in sorted(self.missing.items()))
        return f"{len(self.sizes):,} of {counted(n, 'picture')} {'has' if n == 1 else 'have'} a thumbnail" + (
            f" ({why})" if why else ""
        )


def small_pictures(uris: Sequence[str], *, side: int = SIDE, room: int = ROOM) -> SmallPictures:
    """Of pictures at some addresses those that can be had from this machine's disks, in their order, until the room (bytes) is full."""
    jpegs: dict[int, bytes] = {}
    missing: Counter[str] = Counter()
    used = 0
    for place, found in enumerate(_made(uris, side) if room else ()):
        if isinstance(found, str):
            missing[found] += 1
        elif used + len(found) > room:
            break
        else:
            jpegs[place] = found
            used += len(found)
    if n_left := len(uris) - len(jpegs) - missing.total():
        missing[NO_ROOM] += n_left
    return SmallPictures({place: len(data) for place, data in jpegs.items()}, missing, jpegs)


def jpeg_or_reason(uri: str, side: int, quality: int = QUALITY) -> bytes | str:
    """A small picture; or, in a few words, why there is none."""
    if (file := local_file(uri)) is None:
        return ELSEWHERE
    if not Path(file).is_file():
        return GONE
    try:
        data = BytesIO()
        thumbnail(uri, side).convert("RGB").save(data, "JPEG", quality=quality)
    except (InputError, OSError):
        return UNREADABLE
    return data.getvalue()


def _made(uris: Sequence[str], side: int) -> Iterator[bytes | str]:
    """One by one, a few made ahead side by side."""
    with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
        for start in range(0, len(uris), _AT_ONCE):
            yield from pool.map(lambda uri: jpeg_or_reason(uri, side), uris[start : start + _AT_ONCE])
