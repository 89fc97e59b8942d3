"""The records that pictures of any kind mean: paths, folders, tables, bytes, pixels."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from cladescope.embedding.given import AnyPicture, as_records
from cladescope.embedding.records import Record, Source, ignored_by, ignored_said, left_out_of
from cladescope.embedding.sources import open_source
from cladescope.embedding.sources.folder import FileSource
from cladescope.errors import InputError

logger = logging.getLogger(__name__)


class Meant(NamedTuple):
    """A picture, or a place with pictures, and what it was opened as."""

    picture: AnyPicture
    source: Source | None = None
    """None for a picture in memory, and for a place that is not there."""
    problem: str | None = None
    """Why it cannot be opened."""


def opened_places(pictures: Sequence[AnyPicture], allow: Sequence[str]) -> list[Meant]:
    """What pictures mean, opened, so that a place that is not there is told before any work.

    `allow` as in `open_source`. Raises InputError for one place that is not there; of several it has a problem.
    """
    found = []
    for picture in pictures:
        if not isinstance(picture, str | Path):
            found.append(Meant(picture))
            continue
        try:
            found.append(Meant(picture, open_source(picture, allowed=allow)))
        except InputError as error:
            if len(pictures) == 1:
                raise
            found.append(Meant(picture, problem=str(error)))
    return found


def records_of(places: Sequence[Meant], failures: list[str]) -> Iterator[Record]:
    """Every picture meant, called as the caller called it; places that are not there are noted in `failures`."""
    for picture, source, problem in places:
        if problem is not None:
            failures.append(problem)
            continue
        if source is None:
            for record in as_records([picture]):
                yield replace(record, image_id=record.uri)
            continue
        name = str(picture) if isinstance(source, FileSource) else None
        for record in source.records():
            yield replace(record, image_id=name or record.uri)
        if left_out := left_out_of(source):
            logger.warning("%s: left out: %s", picture, ", ".join(f"{words} {n:,}" for words, n in left_out.items()))
        if ignored := ignored_by(source):
            logger.warning("%s: %s", picture, ignored_said(ignored))
