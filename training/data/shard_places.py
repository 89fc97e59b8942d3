"""Where pictures lie in tar shards, by their addresses."""

import logging
import re
from collections.abc import Sequence

import numpy as np

from cladescope.training.data.columns import AddressColumn, Span, SpanColumn
from cladescope.training.data.shard_index import index_shard
from cladescope.training.data.shard_records import index_of

logger = logging.getLogger(__name__)

_IN_SHARD = re.compile(r"(?P<shard>.+?\.tar)#(?P<member>.+)", re.IGNORECASE)


def place_in_shard(uri: str) -> tuple[str, str] | None:
    """Shard and member of an address in a tar shard; None for any other.

    >>> place_in_shard("/shards/a.tar#folder/tit.jpg"), place_in_shard("/photos/tit.jpg")
    (('/shards/a.tar', 'folder/tit.jpg'), None)
    """
    inside = _IN_SHARD.fullmatch(uri)
    return None if inside is None else (inside["shard"], inside["member"])


def find_spans(uris: Sequence[str]) -> list[Span | None]:
    """Place of each picture in its tar shard; None for one that is in none, or in one that cannot be indexed.

    >>> find_spans(["/photos/tit.jpg"])
    [None]
    """
    spans: list[Span | None] = [None] * len(uris)
    wanted: dict[str, dict[str, list[int]]] = {}
    for row, uri in enumerate(uris):
        if (inside := place_in_shard(uri)) is not None:
            shard, name = inside
            wanted.setdefault(shard, {}).setdefault(name, []).append(row)
    for shard, members in wanted.items():
        for name, (offset, size) in _places(shard, members).items():
            for row in members[name]:
                spans[row] = (shard, offset, size)
    return spans


def placed(uris: AddressColumn) -> SpanColumn:
    """The places of pictures whose addresses lead into shards."""
    offsets, sizes = np.zeros(len(uris), np.int64), np.full(len(uris), -1, np.int64)
    codes, beginnings = uris.beginnings.codes, uris.beginnings.values
    inside = [code for code, beginning in enumerate(beginnings) if beginning.lower().endswith(".tar#")]
    rows = np.flatnonzero(np.isin(codes, inside))
    rows = rows[np.argsort(codes[rows], kind="stable")]
    for part in np.split(rows, np.flatnonzero(np.diff(codes[rows])) + 1):
        if not len(part):
            continue
        names = list(uris.rests.take(part))
        found = _places(beginnings[int(codes[part[0]])].removesuffix("#"), names)
        for row, name in zip(part.tolist(), names, strict=True):
            offsets[row], sizes[row] = found.get(name, (0, -1))
    return SpanColumn(uris.beginnings, offsets, sizes)


def _places(shard: str, names: Sequence[str] | dict[str, list[int]]) -> dict[str, tuple[int, int]]:
    """First byte and number of bytes of some members, as far as the shard holds them."""
    table, _ = index_of(shard)
    known = {
        name: (offset, size)
        for name, offset, size in zip(*(table[one].to_pylist() for one in ("member", "offset", "size")), strict=True)
        if size >= 0
    }
    if all(name in known for name in names):
        return {name: known[name] for name in names}
    # An address may name what is no picture of its own, such as the second of two that differ in their endings.
    index = index_shard(shard)
    if index.problem is not None:
        logger.warning("%s: indexed %d members: %s", shard, len(index.members), index.problem)
    # The first member of a name is the picture, as in `read_bytes`.
    known = {member.name: (member.offset, member.size) for member in reversed(index.members)}
    return {name: known[name] for name in names if name in known}
