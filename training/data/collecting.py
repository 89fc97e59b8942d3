"""From a source's records, or the indexes of shards, to columns of examples; what is left out is counted."""

import json
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from jaxtyping import Bool, Int

from cladescope.embedding.records import Record
from cladescope.schema import LABEL
from cladescope.taxonomy import RANKS, Taxon
from cladescope.training.data.columns import AddressColumn, CodedColumn, SpanColumn, TextColumn, split_address

MAX_REASONS = 20
"""Different reasons that are told apart where records are left out; later ones are counted together."""
_BLOCK_ROWS = 65_536
_TEXTS = ("image_id", "rest", "group")
_CODED = ("beginning", "taxon", "common_name", "source", "licence")


class Collector:
    """Takes records one by one, or the indexes of whole shards, and makes columns of those that can be learnt from.

    Memory: 36 bytes a picture and its id, its name in its folder or shard, and its observation.
    """

    def __init__(self, *, by_label: bool = False) -> None:
        self.skipped: Counter[str] = Counter()
        self._by_label = by_label
        self._known: dict[tuple[str | None, ...], Taxon | None] = {}
        self._places: dict[str, dict[Any, int]] = {name: {} for name in _CODED}
        self._taxa: list[Taxon] = []
        self._texts: dict[str, list[pa.Array]] = {name: [] for name in _TEXTS}
        self._waiting: dict[str, list[str | None]] = {name: [] for name in _TEXTS}
        self._codes: dict[str, array[int]] = {name: array("i") for name in _CODED}
        self._spans: dict[str, list[Int[np.ndarray, " _"]]] = {"offset": [], "size": []}
        self._n_placed = 0

    def add(self, record: Record) -> None:
        """Take a record, or count why it is left out."""
        labels = record.labels
        ranks = (_text(record.extra.get(LABEL)),) if self._by_label else tuple(labels.get(rank) for rank in RANKS)
        code = self._taxon(ranks)
        if record.problem is not None:
            self._skip_problem(record.problem)
        elif code < 0:
            self.skipped[f"no {LABEL}" if self._by_label else "no taxon"] += 1
        else:
            beginning, rest = split_address(record.uri)
            texts = (record.image_id, rest, labels.get("observation_id"))
            for name, text in zip(_TEXTS, texts, strict=True):
                self._waiting[name].append(text)
            coded = (beginning, labels.get("common_name"), record.source, labels.get("licence"))
            self._codes["taxon"].append(code)
            for name, value in zip(("beginning", "common_name", "source", "licence"), coded, strict=True):
                self._codes[name].append(self._code(name, value))
            if len(self._waiting["image_id"]) >= _BLOCK_ROWS:
                self._flush()

    def add_shard(self, shard: str, table: pa.Table, *, source: str) -> None:
        """Take all pictures of a shard's index (`cladescope.training.data.shard_records`)."""
        for problem in table["problem"].drop_null().to_pylist():
            self._skip_problem(problem)
        table = table.filter(table["problem"].is_null())
        if self._by_label:
            self.skipped[f"no {LABEL}"] += table.num_rows
            return
        codes = self._coded(table, "taxon", self._taxon_of_json)
        without = codes < 0
        if without.any():
            self.skipped["no taxon"] += int(without.sum())
            table, codes = table.filter(pa.array(~without)), codes[~without]
        self._flush()
        n = table.num_rows
        self._extend("taxon", codes)
        self._extend("beginning", np.full(n, self._code("beginning", f"{shard}#"), np.int32))
        for name in ("common_name", "licence"):
            self._extend(name, self._coded(table, name, lambda value, name=name: self._code(name, value)))
        sources = self._coded(table, "source", lambda value: self._code("source", value))
        self._extend("source", np.where(sources < 0, self._code("source", source), sources).astype(np.int32))
        for name, column in zip(_TEXTS, ("image_id", "member", "observation_id"), strict=True):
            self._texts[name] += table[column].cast(pa.large_string()).chunks
        self._pad_spans(self._n_rows - n)
        for name in ("offset", "size"):
            self._spans[name].append(table[name].to_numpy().astype(np.int64))
        self._n_placed += n

    def columns(self) -> dict[str, Any]:
        """The columns of `Examples` by their names, without pictures whose id came before."""
        self._flush()
        self._pad_spans(self._n_rows)
        texts = {name: TextColumn(pa.chunked_array(chunks, pa.large_string())) for name, chunks in self._texts.items()}
        values: dict[str, Sequence[Any]] = {name: list(self._places[name]) for name in _CODED}
        values["taxon"] = self._taxa
        coded = {
            name: CodedColumn[Any](
                np.frombuffer(codes, np.int32) if len(codes) else np.empty(0, np.int32), values[name]
            )
            for name, codes in self._codes.items()
        }
        places = [np.concatenate([np.empty(0, np.int64), *self._spans[name]]) for name in ("offset", "size")]
        columns: dict[str, Any] = {
            "image_ids": texts["image_id"],
            "uris": AddressColumn(coded["beginning"], texts["rest"]),
            "taxa": coded["taxon"],
            "common_names": coded["common_name"],
            "groups": texts["group"],
            "sources": coded["source"],
            "licences": coded["licence"],
            "spans": SpanColumn(coded["beginning"], *places),
        }
        again = came_before(texts["image_id"].values)
        if again.any():
            self.skipped["image_id came before"] += int(again.sum())
            columns = {name: column.take(np.flatnonzero(~again)) for name, column in columns.items()}
        return columns

    @property
    def _n_rows(self) -> int:
        return len(self._codes["taxon"])

    def _flush(self) -> None:
        for name, waiting in self._waiting.items():
            if waiting:
                self._texts[name].append(pa.array(waiting, pa.large_string()))
        self._waiting = {name: [] for name in _TEXTS}

    def _pad_spans(self, n: int) -> None:
        """Rows up to `n` whose place in a shard is not known yet."""
        if (lacking := n - self._n_placed) > 0:
            self._spans["offset"].append(np.zeros(lacking, np.int64))
            self._spans["size"].append(np.full(lacking, -1, np.int64))
            self._n_placed = n

    def _extend(self, name: str, codes: Int[np.ndarray, " n"]) -> None:
        self._codes[name].frombytes(codes.astype(np.int32).tobytes())

    def _code(self, name: str, value: str | None) -> int:
        places = self._places[name]
        return -1 if value is None else places.setdefault(value, len(places))

    def _coded(self, table: pa.Table, name: str, code: Any) -> Int[np.ndarray, " n"]:
        """Codes of a column of an index, whose values are told once each."""
        column = table[name].combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
        used = np.full(len(column.dictionary) + 1, -1, np.int32)
        places = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        values = column.dictionary.to_pylist()
        for place in np.unique(places[places >= 0]).tolist():
            used[place] = code(values[place])
        codes: Int[np.ndarray, " n"] = used[places]
        return codes

    def _taxon(self, ranks: tuple[str | None, ...]) -> int:
        """Place of a taxon among those of different spelling, -1 where no rank is named."""
        if ranks not in self._known:
            self._known[ranks] = Taxon.from_ranks(ranks)
        taxon = self._known[ranks]
        if taxon is None:
            return -1
        places = self._places["taxon"]
        place = places.setdefault(taxon.path, len(places))
        if place == len(self._taxa):
            self._taxa.append(taxon)
        return place

    def _taxon_of_json(self, path: str) -> int:
        return self._taxon(tuple(path_of(path)))

    def _skip_problem(self, problem: str) -> None:
        reason = f"no picture: {problem}"
        told_apart = reason in self.skipped or len(self.skipped) < MAX_REASONS
        self.skipped[reason if told_apart else "no picture, for other reasons"] += 1


def came_before(ids: pa.ChunkedArray) -> Bool[np.ndarray, " n"]:
    """Whether each id is one that came before. Memory: about 40 bytes an id while it works.

    >>> came_before(pa.chunked_array([["a", "b"], ["a"]])).tolist()
    [False, False, True]
    """
    again = np.zeros(len(ids), bool)
    if not len(ids):
        return again
    hashes = pl.Series("ids", ids).hash().to_numpy()
    order = np.argsort(hashes, kind="stable")
    like = np.flatnonzero(hashes[order][1:] == hashes[order][:-1])
    rows = np.unique(order[np.concatenate([like, like + 1])])
    # Ids of one hash are compared themselves.
    seen: set[str] = set()
    for row, one in zip(rows.tolist(), ids.take(pa.array(rows)).to_pylist(), strict=True):
        again[row] = one in seen
        seen.add(one)
    return again


def path_of(text: str) -> list[str | None]:
    """The names of a taxon's path as an index has them.

    >>> path_of('["Animalia", null, "Aves"]')
    ['Animalia', None, 'Aves']
    """
    names: list[str | None] = json.loads(text)
    return names


def _text(value: object) -> str | None:
    return None if value is None else str(value)
