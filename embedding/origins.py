"""What a source held when it was embedded last: size and time of each file, and what the source said of the picture.

With it a run over a source tells what is as it was without opening a file. Nothing here touches a store.
"""

import json
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int, UInt8, UInt32, UInt64

from cladescope.embedding.known import GONE, LISTED, SEEN, STAMPED, KnownPictures
from cladescope.embedding.records import Record
from cladescope.embedding.sorted_rows import half, hashed, salted
from cladescope.embedding.stamps import UNKNOWN
from cladescope.schema import LABEL

ROWS_AT_ONCE = 1 << 20
"""Rows of what a source listed that are looked up together."""

_Listed = tuple[UInt64[np.ndarray, " _"], UInt32[np.ndarray, " _"], UInt32[np.ndarray, " _"], UInt8[np.ndarray, " _"]]


class Origins:
    """The pictures that one source listed, as they were then, and which of them this run has met.

    They are noted in the rows of `KnownPictures`. Memory: nothing beside these, but 21 bytes for a picture that is not stored.
    Sizes, times and words are kept as fingerprints of 32 bits, each mixed with its picture's id: of four thousand million changed files one would
    be taken for unchanged, and what was noted of another picture is not taken for what was noted of this one.

    That a picture was listed is told by the row of its key. An id that was listed and never stored may have the fingerprint of one that was stored
    by another source; where a row of that would be touched, `InStep` asks the store for the id itself.
    """

    def __init__(self, pictures: KnownPictures, batches: Iterable[pa.RecordBatch]) -> None:
        """`batches` hold the columns `image_id, size, modified, said, gone` of `schema.ORIGIN_SCHEMA`; `pictures` is that of the job."""
        self._pictures, self._n = pictures, 0
        self.take_in(batches)

    def take_in(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Note what was listed."""
        waiting: list[_Listed] = []
        n_rows = 0
        for batch in batches:
            waiting.append(self._listed(batch))
            n_rows += batch.num_rows
            if n_rows >= ROWS_AT_ONCE:
                self._note(waiting)
                waiting, n_rows = [], 0
        if waiting:
            self._note(waiting)

    def _listed(self, batch: pa.RecordBatch) -> _Listed:
        """Keys, sizes and times, words, and what is known of the pictures of some rows."""
        sizes, times = (batch.column(name).fill_null(UNKNOWN).to_numpy() for name in ("size", "modified"))
        gone = batch.column("gone").is_valid().to_numpy(zero_copy_only=False)
        bits = LISTED | np.where(gone, GONE, 0) | np.where(times != UNKNOWN, STAMPED, 0)
        image_ids = batch.column("image_id")
        salt = salted(image_ids)
        said = half(hashed(batch.column("said")) ^ (salt << np.uint64(32)))
        return self._pictures.keys_of(image_ids), _stamp(sizes, times) ^ half(salt), said, bits.astype(np.uint8)

    def _note(self, waiting: Sequence[_Listed]) -> None:
        """Note what was listed of many pictures: the more keys are sought at once, the faster."""
        keys, stamps, said, bits = (np.concatenate(column) for column in zip(*waiting, strict=True))
        rows = self._pictures.rows
        places = rows.find(keys)
        if (new := places < 0).any():
            rows.add(np.unique(keys[new]))
            places = rows.find(keys)
        rows.put("stamp", places, stamps)
        rows.put("said", places, said)
        rows.put("known", places, self._pictures.known_of(places) | bits)
        self._n += len(keys)

    def __len__(self) -> int:
        """Number of pictures that the source listed."""
        return self._n

    def meet(self, image_ids: Sequence[str]) -> None:
        """Note that the source still lists these."""
        places = self._places(image_ids)
        self._pictures.note(places[places >= 0], SEEN)

    def is_met(self, image_ids: Sequence[str]) -> Bool[np.ndarray, " n"]:
        """Which of some pictures that it listed before the source was seen to list in this run."""
        found: Bool[np.ndarray, " n"] = (self._known(image_ids) & (LISTED | SEEN)) == LISTED | SEEN
        return found

    def is_known(self, image_ids: Sequence[str]) -> Bool[np.ndarray, " n"]:
        """Which of some pictures the source listed before."""
        return (self._known(image_ids) & LISTED) > 0

    def as_before(
        self, image_ids: Sequence[str], stamps: Int[np.ndarray, "n 2"], said: Sequence[str]
    ) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
        """Which pictures have the size and time that they had, and of which the source says what it said.

        A picture that was not listed, or was gone, is as before in neither.
        """
        places, salt = self._places(image_ids), salted(pa.array(image_ids, pa.string()))
        known = self._pictures.known_of(places)
        listed = (known & (LISTED | GONE)) == LISTED
        file, words = np.zeros(len(places), np.bool_), np.zeros(len(places), np.bool_)
        timed = listed & ((known & STAMPED) > 0) & (stamps[:, 1] != UNKNOWN)
        now = _stamp(stamps[timed, 0], stamps[timed, 1]) ^ half(salt[timed])
        file[timed] = self._pictures.rows.take("stamp", places[timed]) == now
        now = half(hashed(pa.array(said, pa.string())) ^ (salt << np.uint64(32)))
        words[listed] = self._pictures.rows.take("said", places[listed]) == now[listed]
        return file, words

    def _known(self, image_ids: Sequence[str]) -> UInt8[np.ndarray, " n"]:
        return self._pictures.known_of(self._places(image_ids))

    def _places(self, image_ids: Sequence[str]) -> Int[np.ndarray, " n"]:
        return self._pictures.rows.find(self._pictures.keys_of(pa.array(image_ids, pa.string())))


def _stamp(sizes: Int[np.ndarray, " n"], times: Int[np.ndarray, " n"]) -> UInt32[np.ndarray, " n"]:
    """Fingerprints of sizes and times; the steps are the finaliser of SplitMix64 (Steele et al. 2014, doi:10.1145/2660193.2660195)."""
    mixed = sizes.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + times.astype(np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return half(mixed ^ (mixed >> np.uint64(31)))


def said_of(record: Record) -> str:
    """What a source says of a picture, as JSON, nulls left out.

    >>> said_of(Record(image_id="a", uri="/a.jpg", source="s", labels={"genus": "Parus"}, extra={"sex": None}))
    '{"genus": "Parus", "source": "s"}'
    """
    words = {"source": record.source, **record.labels, **record.extra}
    return plain({name: value for name, value in words.items() if value is not None})


class Saying:
    """`said_of` of records that follow each other: where a source says the same again, it is not written again.

    >>> record = Record(image_id="a", uri="/a.jpg", source="s", labels={"genus": "Parus"})
    >>> saying = Saying()
    >>> saying.of(record) is saying.of(record)
    True
    """

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._last: Record | None = None
        self._words = ""

    def of(self, record: Record) -> str:
        """What the source says of a record, as `said_of` has it."""
        last = self._last
        same = (
            last is not None
            and record.labels == last.labels
            and record.extra == last.extra
            and record.source == last.source
            # 1, 1.0 and True are equal, and not the same in JSON.
            and all(value is None or type(value) is str for value in record.extra.values())
        )
        if not same:
            self._last, self._words = record, said_of(record)
        return self._words


def plain(value: object) -> str:
    """A value as JSON, so that two can be compared whatever they are."""
    return json.dumps(value, default=str, sort_keys=True, ensure_ascii=False)


def corrections(record: Record, row: Mapping[str, object], before: str | None) -> dict[str, object]:
    """Columns of a stored row that what its source says now puts right, and their new values.

    A column of which the source says what it said before keeps what the row has, so that labels which were put right in the
    store stay. Where it is not known what the source said (`before` is None), what it does not say now changes nothing.

    >>> record = Record(image_id="a", uri="/a.jpg", source="s", labels={"genus": "Parus", "species": "Parus major"})
    >>> row = {"genus": "Parus", "species": "Parus ater", "common_name": "Coal tit"}
    >>> corrections(record, row, None)
    {'species': 'Parus major'}
    >>> corrections(record, row, '{"genus": "Parus", "species": "Parus major", "common_name": "Great tit"}')
    {'common_name': None}
    >>> corrections(Record(image_id="a", uri="/p/May 2024/a.jpg", source="s", extra={"label": None}), {"label": "May 2024"}, None)
    {'label': None}
    """
    words = {"source": record.source, **record.labels, **record.extra}
    if before is None:
        changed = {name for name, value in words.items() if value is not None and name != "source"}
        # Earlier versions took whatever a folder was called for its label, a date as well.
        folder = record.uri.rpartition("/")[0].rpartition("/")[2]
        changed |= {LABEL} & {name for name, value in words.items() if value is None and row.get(name) == folder}
    else:
        said = json.loads(before)
        now = json.loads(said_of(record))
        changed = {name for name in said.keys() | now.keys() if plain(said.get(name)) != plain(now.get(name))}
    found = {name: words.get(name) for name in sorted(changed) if name in row}
    return {name: value for name, value in found.items() if plain(value) != plain(row[name])}
