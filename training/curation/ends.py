"""Pictures that a list names by the ends of their addresses: a file's name, or that with some of the folders around it."""

import os
import re
from collections.abc import Iterable
from typing import Final

from cladescope.embedding.columns import is_url
from cladescope.embedding.regions import split_region

_GAP: Final = re.compile(r"[/#\\]+")


def parts_of(address: str) -> tuple[str, ...]:
    """The folders and the file's name of an address or path, without the box of a region and the question of a URL.

    The member of a shard is a path in it.

    >>> parts_of("https://a.org/b/1.jpg?size=2"), parts_of("./b/1.jpg"), parts_of("/s.tar#b/1.jpg#box=0,0,2,2")
    (('https:', 'a.org', 'b', '1.jpg'), ('b', '1.jpg'), ('s.tar', 'b', '1.jpg'))
    """
    whole = split_region(address)[0]
    if is_url(whole):
        whole = whole.partition("?")[0]
    return tuple(part for part in _GAP.split(whole) if part not in ("", "."))


class PathEnds:
    """Names of a list, each of which may be the end of an address, by whole parts. Memory: some 250 bytes a name.

    >>> ends = PathEnds(["1.jpg", "b/1.jpg"])
    >>> [ends.find(address) for address in ("/a/b/1.jpg", "/a/c/1.jpg", "/a/b1.jpg")]
    [1, 0, None]
    """

    def __init__(self, names: Iterable[str]) -> None:
        """The place of a name is that among `names`; of several that are alike the first counts."""
        self._places: dict[tuple[str, ...], int] = {}
        for place, name in enumerate(names):
            if parts := parts_of(name):
                self._places.setdefault(parts, place)
        self._lengths = sorted({len(parts) for parts in self._places}, reverse=True)

    def find(self, address: str) -> int | None:
        """The place of the longest name that an address ends with; None where it ends with none."""
        parts = parts_of(address)
        for n in self._lengths:
            if n <= len(parts) and (place := self._places.get(parts[len(parts) - n :])) is not None:
                return place
        return None


def fixed_part(path: str) -> str:
    """A path as it is where it is there or holds no pattern, else the folder that all which matches it lies in.

    >>> fixed_part("/data/{train,val}/*.tar"), fixed_part("/data/birds")
    ('/data', '/data/birds')
    """
    if os.path.lexists(path):
        return path
    return re.split(r"[^/]*[*?\[{]", path)[0].rstrip("/") or path
