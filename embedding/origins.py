"""What a source held when it was embedded last: size and time of each file, and what the source said of the picture.

With it a run over a source tells what is as it was without opening a file. Nothing here touches a store.
"""

import json
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int, UInt64

from cladescope.embedding.known import hashed
from cladescope.embedding.records import Record
from cladescope.embedding.stamps import UNKNOWN


class Origins:
    """The pictures that one source listed, as they were then, and which of them this run has met.

    Memory: 34 bytes a picture, three times that while it is read.
    """

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        """`batches` hold the columns `image_id, size, modified, said, gone` of `schema.ORIGIN_SCHEMA`."""
        ids, sizes, times, said, gone = [], [], [], [], []
        for batch in batches:
            ids.append(hashed(batch.column("image_id")).to_numpy())
            sizes.append(batch.column("size").fill_null(UNKNOWN).to_numpy())
            times.append(batch.column("modified").fill_null(UNKNOWN).to_numpy())
            said.append(hashed(batch.column("said")).to_numpy())
            gone.append(batch.column("gone").is_valid().to_numpy(zero_copy_only=False))
        unsorted: UInt64[np.ndarray, " n"] = np.concatenate([np.empty(0, np.uint64), *ids])
        order = np.argsort(unsorted, kind="stable")
        self._ids = unsorted[order]
        self._sizes = np.concatenate([np.empty(0, np.int64), *sizes])[order]
        self._times = np.concatenate([np.empty(0, np.int64), *times])[order]
        self._said = np.concatenate([np.empty(0, np.uint64), *said])[order]
        self._gone = np.concatenate([np.empty(0, np.bool_), *gone])[order]
        self._met = np.zeros(len(order), np.bool_)

    def __len__(self) -> int:
        """Number of pictures that the source listed."""
        return len(self._ids)

    def meet(self, image_ids: Sequence[str]) -> None:
        """Note that the source still lists these."""
        places = self._places(image_ids)
        self._met[places[places >= 0]] = True

    def is_met(self, image_ids: Sequence[str]) -> Bool[np.ndarray, " n"]:
        """Which of some pictures the source was seen to list in this run."""
        places = self._places(image_ids)
        return (places >= 0) & self._met[places] if len(self) else np.zeros(len(places), np.bool_)

    def is_known(self, image_ids: Sequence[str]) -> Bool[np.ndarray, " n"]:
        """Which of some pictures the source listed before."""
        return self._places(image_ids) >= 0

    def as_before(
        self, image_ids: Sequence[str], stamps: Int[np.ndarray, "n 2"], said: Sequence[str]
    ) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
        """Which pictures have the size and time that they had, and of which the source says what it said.

        A picture that was not listed, or was gone, is as before in neither.
        """
        if not len(self):
            return np.zeros(len(image_ids), np.bool_), np.zeros(len(image_ids), np.bool_)
        places = self._places(image_ids)
        known = (places >= 0) & ~self._gone[places]
        file = (self._sizes[places] == stamps[:, 0]) & (self._times[places] == stamps[:, 1]) & (stamps[:, 1] != UNKNOWN)
        words = self._said[places] == hashed(pa.array(said, pa.string())).to_numpy()
        return known & file, known & words

    def _places(self, image_ids: Sequence[str]) -> Int[np.ndarray, " n"]:
        """Place of each picture, -1 for those that were not listed."""
        keys = hashed(pa.array(image_ids, pa.string())).to_numpy()
        if not len(self):
            return np.full(len(keys), -1)
        places = np.minimum(np.searchsorted(self._ids, keys), len(self) - 1)
        return np.where(self._ids[places] == keys, places, -1)


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
    """
    words = {"source": record.source, **record.labels, **record.extra}
    if before is None:
        changed = {name for name, value in words.items() if value is not None and name != "source"}
    else:
        said = json.loads(before)
        now = json.loads(said_of(record))
        changed = {name for name in said.keys() | now.keys() if plain(said.get(name)) != plain(now.get(name))}
    found = {name: words.get(name) for name in sorted(changed) if name in row}
    return {name: value for name, value in found.items() if plain(value) != plain(row[name])}
