"""The records that pictures of any kind mean: paths, folders, tables, bytes, pixels."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from cladescope.embedding.given import AnyPicture, as_records
from cladescope.embedding.records import Record, left_out_of
from cladescope.embedding.sources import open_source
from cladescope.embedding.sources.folder import FileSource
from cladescope.errors import InputError

logger = logging.getLogger(__name__)


def records_of(pictures: Sequence[AnyPicture], allow: Sequence[str], failures: list[str]) -> Iterator[Record]:
    """Every picture meant, called as the caller called it; of several places one that is not there is noted in `failures`.

    `allow` as in `open_source`. Raises InputError for one place that is not there.
    """
    for picture in pictures:
        if not isinstance(picture, str | Path):
            for record in as_records([picture]):
                yield replace(record, image_id=record.uri)
            continue
        try:
            source = open_source(picture, allowed=allow)
        except InputError as error:
            if len(pictures) == 1:
                raise
            failures.append(str(error))
            continue
        name = str(picture) if isinstance(source, FileSource) else None
        for record in source.records():
            yield replace(record, image_id=name or record.uri)
        if left_out := left_out_of(source):
            logger.warning("%s: left out: %s", picture, ", ".join(f"{words} {n:,}" for words, n in left_out.items()))
