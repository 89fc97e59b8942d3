"""Captioned pictures as columns in memory: what replay draws from.

They come from a manifest or a store with a column of captions, or from shards in which each picture has a text beside it.
Pictures stay where they are and are read one at a time.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cladescope.embedding.locations import read_bytes
from cladescope.embedding.sources import open_source
from cladescope.errors import InputError, PictureError
from cladescope.training.data.shard_index import Member, index_shard, read_span
from cladescope.training.data.shard_places import find_spans, place_in_shard

logger = logging.getLogger(__name__)

CAPTION_NAMES = ("caption", "text", "TEXT")
"""Columns, and keys of a sample's `.json`, that hold captions; the first that is there and not blank is taken."""


@dataclass(frozen=True, eq=False)
class CaptionedPictures:
    """Pictures with a caption each, one at each position of every list. Memory: about 300 bytes a picture."""

    uris: list[str]
    captions: list[str]
    _spans: list[tuple[str, int, int] | None]

    def __len__(self) -> int:
        return len(self.uris)

    def read(self, row: int) -> bytes:
        """The encoded picture of a row. Raises PictureError if it cannot be read."""
        span = self._spans[row]
        return read_bytes(self.uris[row]) if span is None else read_span(*span)


def load_captions(spec: str | Path) -> CaptionedPictures:
    """The captioned pictures of a store (a folder with `store.json`), or of a manifest or shards that `open_source` opens.

    In shards the caption of `KEY.jpg` is `KEY.txt` or, as img2dataset (https://github.com/rom1504/img2dataset) also writes
    it, the key `caption` of `KEY.json`. Pictures without a caption are left out and counted.

    Raises InputError where no picture has one, and what `open_source` and `Store.open` raise.

    >>> load_captions("/nowhere/captions.csv")
    Traceback (most recent call last):
    cladescope.errors.InputError: no such file or folder: /nowhere/captions.csv: check the name
    """
    stored = Path(spec, "store.json").is_file()
    uris: list[str] = []
    captions: list[str] = []
    n_without = 0
    for uri, caption in _stored(Path(spec)) if stored else _sourced(spec):
        if caption:
            uris.append(uri)
            captions.append(caption)
        else:
            n_without += 1
    if not uris:
        raise InputError(
            f"no picture of {spec} has a caption: expected a manifest with a column {' or '.join(CAPTION_NAMES)}, "
            "a store with one, or shards with a KEY.txt beside each picture"
        )
    logger.info("%s: %d captioned pictures, %d without a caption left out", spec, len(uris), n_without)
    return CaptionedPictures(uris, captions, find_spans(uris))


def _first(values: object) -> str:
    """The caption among the values of a record, or nothing."""
    if not isinstance(values, dict):
        return ""
    return next((text for name in CAPTION_NAMES if (text := str(values.get(name) or "").strip())), "")


def _stored(folder: Path) -> Iterator[tuple[str, str]]:
    from cladescope.index.store import Store  # loads LanceDB, which a training machine may lack

    store = Store.open(folder)
    names = [name for name in CAPTION_NAMES if name in store.schema.names]
    for batch in store.scan(["uri", *names]):
        for row in batch.to_pylist():
            yield row["uri"], _first(row)


def _sourced(spec: str | Path) -> Iterator[tuple[str, str]]:
    shard, members = "", dict[str, Member]()
    for record in open_source(spec).records():
        if record.problem is not None:
            continue
        caption = _first(dict(record.extra))
        if not caption and (place := place_in_shard(record.uri)) is not None:
            if place[0] != shard:
                shard = place[0]
                members = {member.name: member for member in reversed(index_shard(shard).members)}
            caption = _beside(shard, place[1], members)
        yield record.uri, caption


def _beside(shard: str, picture: str, members: Mapping[str, Member]) -> str:
    """The text of a sample, or the caption in its `.json`; nothing where there is none or it cannot be read."""
    folder, slash, name = picture.rpartition("/")
    key = f"{folder}{slash}{name.partition('.')[0]}"
    try:
        if (text := members.get(f"{key}.txt")) is not None:
            return read_span(shard, text.offset, text.size).decode().strip()
        if (sidecar := members.get(f"{key}.json")) is not None:
            return _first(json.loads(read_span(shard, sidecar.offset, sidecar.size)))
    except (PictureError, ValueError) as error:
        logger.warning("the text of %s in %s cannot be read and counts as missing: %s", picture, shard, error)
    return ""
