"""A source and its records made safe for a stored job: whatever is wrong with one is a failure, never the end of the others.

A source is somebody's code over somebody's files. It may raise anything, and a record of it may hold what no table can.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from cladescope.embedding.encode import EncodedBatch
from cladescope.embedding.prepare import Failure, unexpected
from cladescope.embedding.records import Record, Source, id_of_uri
from cladescope.embedding.tables import images_table
from cladescope.errors import InputError

logger = logging.getLogger(__name__)


def count_of(source: Source) -> int | None:
    """Number of a source's records; None where it is not known or cannot be told."""
    try:
        return source.count()
    except Exception as error:  # noqa: BLE001 - the records may be had all the same
        logger.info("%s cannot say how many records it has: %s", source.name, unexpected(error))
        return None


def sound_records(source: Source) -> Iterator[Record | Failure]:
    """A source's records. One whose texts are no Unicode is a failure; so is all that a source still had when it raised.

    >>> class Broken:
    ...     name, extra_fields = "photos", ()
    ...     def count(self): return None
    ...     def records(self):
    ...         yield Record(image_id="a", uri="/a.jpg", source="photos")
    ...         raise KeyError("b")
    >>> _, failure = sound_records(Broken())
    >>> failure.reason
    "nothing more could be had after 1 records: unexpected KeyError: 'b'"
    """
    n_records = 0
    try:
        for record in source.records():
            n_records += 1
            yield record if _is_unicode(record) else _spelt_out(record)
            del record  # only the consumer may hold what it carries
    except Exception as error:  # noqa: BLE001 - a source may raise anything
        text = str(error) if isinstance(error, InputError) else unexpected(error)
        reason = f"nothing more could be had after {n_records} records: {text}"
        logger.warning("%s: %s", source.name, reason)
        name = _escaped(source.name)
        yield Failure(Record(image_id=id_of_uri(name), uri=name, source=name), "list", reason)


def sound_rows(batch: EncodedBatch, extra_fields: Sequence[pa.Field]) -> tuple[pa.Table, list[Failure]]:
    """Rows of `images`, and failures for records with a value that is not of its column's type."""
    try:
        return _rows(batch, range(len(batch.records)), extra_fields), []
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        pass
    good: list[int] = []
    failures = []
    for place, record in enumerate(batch.records):
        try:
            _rows(batch, [place], extra_fields)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            failures.append(Failure(record, "list", f"a value is not of its column's type: {unexpected(error)}"))
        else:
            good.append(place)
    return _rows(batch, good, extra_fields), failures


def _rows(batch: EncodedBatch, places: Sequence[int], extra_fields: Sequence[pa.Field]) -> pa.Table:
    found: dict[str, Sequence[object]] = {
        "content_hash": [batch.content_hashes[place] for place in places],
        "width": [batch.sizes[place][0] for place in places],
        "height": [batch.sizes[place][1] for place in places],
    }
    vectors = batch.vectors[np.asarray(places, np.int64)].astype(np.float16)
    return images_table([batch.records[place] for place in places], vectors, extra_fields, found)


def _is_unicode(record: Record) -> bool:
    """Whether all texts of a record can be written; half of a surrogate pair cannot."""
    texts = (
        record.image_id,
        record.uri,
        record.source,
        record.problem,
        *record.labels.values(),
        *record.extra.values(),
    )
    joined = "\0".join([text for text in texts if isinstance(text, str)])
    if joined.isascii():
        return True
    try:
        joined.encode()
    except UnicodeEncodeError:
        return False
    return True


def _spelt_out(record: Record) -> Failure:
    named = replace(
        record, image_id=_escaped(record.image_id), uri=_escaped(record.uri), source=_escaped(record.source),
        labels={}, extra={}, data=None,
    )  # fmt: skip
    return Failure(named, "list", _escaped(record.problem or "a text of it is no Unicode: rename it or mend the table"))


def _escaped(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
