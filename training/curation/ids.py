"""What records are called: the UUID of a picture, and the id under which its source knows it, which do not change when the source's folder moves."""

import hashlib
import uuid
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import pyarrow as pa

from cladescope.embedding.columns import is_url
from cladescope.embedding.locations import canonical
from cladescope.embedding.record_columns import RecordColumns
from cladescope.embedding.records import Record, id_of_uri
from cladescope.training.curation.ends import fixed_part
from cladescope.training.curation.sections import SourceConfig

NAMESPACE: Final = uuid.UUID("8f6d1f0e-2f6c-5a43-9a53-7c1adebadeca")
"""Of the UUIDs that are made of a source's name and an id."""
_UUID_LENGTH: Final = 36
_MADE_LENGTH: Final = 32
"""Characters of an id that is made of an address (`id_of_uri`)."""


def id_of(source: str, image_id: str) -> str:
    """The UUID of a picture: its own id where that is one, else made of its source's name and its id.

    >>> id_of("eol", "3F2504E0-4F89-41D3-9A0C-0305E82C3301")
    '3f2504e0-4f89-41d3-9a0c-0305e82c3301'
    >>> id_of("eol", "17") == id_of("eol", "17"), id_of("eol", "17") == id_of("gbif", "17")
    (True, False)
    """
    if len(image_id) == _UUID_LENGTH and image_id.count("-") == 4:
        try:
            return str(uuid.UUID(image_id))
        except ValueError:
            pass
    return str(uuid.uuid5(NAMESPACE, f"{source}/{image_id}"))


def uuids_of(namespace: uuid.UUID, names: Sequence[str]) -> list[str]:
    """`uuid.uuid5` of each name.

    >>> uuids_of(uuid.NAMESPACE_URL, ["a/1"]) == [str(uuid.uuid5(uuid.NAMESPACE_URL, "a/1"))]
    True
    """
    start = hashlib.sha1(namespace.bytes, usedforsecurity=False)
    found = []
    for name in names:
        one = start.copy()
        one.update(name.encode())
        digits = one.hexdigest()
        # RFC 9562: version 5, and the two bits of its variant.
        variant = f"{int(digits[16], 16) & 3 | 8:x}"
        found.append(f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}")
    return found


def ids_of(source: SourceConfig, image_ids: Sequence[str]) -> list[str]:
    """As `id_of` for many pictures."""
    made = uuids_of(NAMESPACE, [f"{source.name}/{one}" for one in image_ids])
    return [
        id_of(source.name, one) if len(one) == _UUID_LENGTH else new for one, new in zip(image_ids, made, strict=True)
    ]


def id_in(record: Record, source: SourceConfig) -> str:
    """Under which id its source knows a record."""
    if record.apart is not None and record.image_id == id_of_uri(f"{record.uri}\n{record.apart}"):
        within = _lasting_id(id_of_uri(record.uri), record.uri, None, source)
        return f"{within}:{record.apart}" if within != id_of_uri(record.uri) else record.image_id
    return _lasting_id(record.image_id, record.uri, record.labels.get("observation_id"), source)


def ids_in(columns: RecordColumns, source: SourceConfig) -> list[str]:
    """As `id_in` for many records."""
    observations = columns.labels.get("observation_id", pa.nulls(columns.num_rows))
    told = zip(columns.image_id.to_pylist(), columns.uri.to_pylist(), observations.to_pylist(), strict=True)
    return [_lasting_id(*one, source) for one in told]


def _lasting_id(image_id: str, uri: str, observation: str | None, source: SourceConfig) -> str:
    """The id of a record, which is the same wherever the source's folder lies: where it is made of an address within the folder, what leads there."""
    if len(image_id) != _MADE_LENGTH:
        return image_id
    if image_id == id_of_uri(uri):
        before = ""
    elif observation is not None and image_id == id_of_uri(f"{observation}\n{uri}"):  # as tables of occurrences have it
        before = f"{observation}:"
    else:
        return image_id
    place = _place(source.path)
    within = uri.removeprefix(f"{place}/")
    if within == uri:  # a table names pictures from the folder that it lies in
        within = uri.removeprefix(f"{place.rpartition('/')[0]}/")
    return before + within if within != uri else image_id


@lru_cache(maxsize=64)
def _place(path: str) -> str:
    return canonical(path if is_url(path) else fixed_part(path)).rstrip("/")
