"""A source's unit: one picture to embed, known by its id, with all that the source says of it."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import pyarrow as pa
from PIL import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One entry of a source, before its picture is read."""

    image_id: str
    """The source's own id, else `id_of_uri(uri)`; unique within a store."""
    uri: str
    """Canonical address: absolute path, URL, `shard.tar#member` or `table.parquet#row=17`."""
    source: str
    """Name of the data set that the picture belongs to."""
    labels: Mapping[str, str | None] = field(default_factory=dict)
    """Ranks, `common_name` and optional columns under the store's names (`cladescope.schema`); absent means null."""
    extra: Mapping[str, object] = field(default_factory=dict)
    """The source's own columns, as they came."""
    data: bytes | Image.Image | None = None
    """The picture, encoded or as pixels, where the source carries it; otherwise it is read from `uri`."""
    respelt: bool = False
    """Whether a taxon's name or common name in `labels` is spelt otherwise than the source spells it: see `stored_name`."""
    written: Mapping[str, str] = field(default_factory=dict)
    """Names as the source writes them, by part, where `labels` has them otherwise or not at all."""
    public_only: bool = False
    """Whether the address comes from a table that lies elsewhere, so that it may not lead into this network."""
    missing: tuple[str, ...] = ()
    """Words of the source, such as `NA`, that were read as a label that is not known."""
    path_rule: str | None = None
    """How its path was read, where it is written otherwise than the file is called (`cladescope.embedding.schemes.found`)."""
    apart: str | None = None
    """What tells it from others at its address, where its id is made of both: `id_of_uri` of the address, a new line and this."""
    tag_problems: tuple[str, ...] = ()
    """What of the tags in the picture's file cannot be read, once it was asked for (`cladescope.embedding.picture_tags`)."""
    problem: str | None = None
    """Why this entry has no picture to offer (a row without a path, a folder without permission)."""

    @property
    def carried_bytes(self) -> int:
        """Memory that the carried picture takes; 0 where it is read from `uri`.

        >>> Record(image_id="a", uri="memory:a", source="s", data=Image.new("RGB", (40, 30))).carried_bytes
        3600
        """
        if isinstance(self.data, Image.Image):
            return self.data.width * self.data.height * len(self.data.getbands())
        return 0 if self.data is None else len(self.data)

    @property
    def said_bytes(self) -> int:
        """Letters of all that its source says of it in words: about the memory that these take.

        >>> Record(image_id="a", uri="/a.jpg", source="s", labels={"genus": "Parus"}, extra={"n": 3}).said_bytes
        13
        """
        said = (self.image_id, self.uri, self.source, *self.labels.values(), *self.extra.values())
        return sum(len(value) for value in said if isinstance(value, str))


@runtime_checkable
class Source(Protocol):
    """Where records come from. Records come in the same order every time."""

    name: str
    """What is written into the `source` column where the source has no such column of its own."""
    extra_fields: tuple[pa.Field, ...]
    """Names and types of the columns in each record's `extra`."""

    def count(self) -> int | None:
        """Number of records, or None where that is not known without reading everything."""

    def records(self) -> Iterator[Record]:
        """Every record, in a fixed order, holding none of them."""


def left_out_of(source: Source) -> Mapping[str, int]:
    """What a source's records lack of what was there, in words, and how many: its `left_out`, if it counts such.

    >>> class Photos:
    ...     name, extra_fields, left_out = "photos", (), {"media without an occurrence": 3}
    ...     def count(self): return 0
    ...     def records(self): return iter(())
    >>> left_out_of(Photos())
    {'media without an occurrence': 3}
    """
    found: Mapping[str, int] = getattr(source, "left_out", {})
    return found


def ignored_by(source: Source) -> Mapping[str, int]:
    """Files of a folder that are not named as pictures, by ending, and how many: a source's `ignored`, if it counts such."""
    found: Mapping[str, int] = getattr(source, "ignored", {})
    return found


def ignored_said(ignored: Mapping[str, int]) -> str:
    """Files that were passed over, in a line.

    >>> ignored_said({".mp4": 2, "without ending": 1})
    'files that are not named as pictures 3: .mp4 2, without ending 1'
    """
    kinds = ", ".join(f"{ending} {n:,}" for ending, n in ignored.items())
    return f"files that are not named as pictures {sum(ignored.values()):,}: {kinds}"


def notes_of(source: Source) -> tuple[str, ...]:
    """How a source was read otherwise than as it stands, in lines for a summary: its `notes`, if it makes such.

    >>> class Photos:
    ...     name, extra_fields, notes = "photos", (), ("column 'lat' has commas: they are read as decimal points",)
    ...     def count(self): return 0
    ...     def records(self): return iter(())
    >>> notes_of(Photos())
    ("column 'lat' has commas: they are read as decimal points",)
    """
    found: tuple[str, ...] = getattr(source, "notes", ())
    return found


def names_said(source: Source) -> tuple[Mapping[str, int], tuple[str, ...]]:
    """What the names of a source's folders and files were read as, in numbers and in lines: its `labels`, if it reads such.

    >>> class Photos:
    ...     name, extra_fields = "photos", ()
    ...     def count(self): return 0
    ...     def records(self): return iter(())
    >>> names_said(Photos())
    ({}, ())
    """
    labels = getattr(source, "labels", None)
    return ({}, ()) if labels is None else (labels.counts, labels.notes)


def counts_beside(source: Source) -> bool:
    """Whether a source may be counted in another thread while its records are read: its `counts_beside`, if it says so."""
    found: bool = getattr(source, "counts_beside", False)
    return found


def id_of_uri(uri: str) -> str:
    """Key of a picture whose source gives it none: 32 hexadecimal digits from its canonical address.

    >>> id_of_uri("/photos/tit.jpg")
    '84e7f2593664d8c1181d991ca00d5601'
    """
    return hashlib.blake2b(uri.encode(), digest_size=16).hexdigest()
