"""Labels by a backbone: synonyms become accepted names, gaps are filled upward, what is not sure stays as it came.

A taxon that the backbone knows gets the backbone's name at each rank; its own name before is in `verbatim_name`. Every label says
in `taxon_match` how it came about. What the backbone does not know, or knows as several taxa or only in another kingdom, phylum
or class, is left alone. The looking up is `cladescope.taxonomy.backbone`'s.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import pyarrow as pa

from cladescope.embedding.records import Record, Source, left_out_of
from cladescope.taxonomy import RANKS
from cladescope.taxonomy.backbone import Backbone, Lineage, Match

AHEAD: Final = 1024
AHEAD_BYTES: Final = 4 * 2**20
"""Records whose names are looked up together: so many, or fewer where they carry so many bytes of pictures."""
KEPT: Final = 200_000
"""Lineages whose match is remembered."""
NOTED: Final = 100
"""Conflicts that the run's manifest tells of one by one."""


class BackboneLabels:
    """Labels as a backbone has them. Memory: `KEPT` lineages of about 1 KiB, and what a match of the new ones takes."""

    def __init__(self, backbone: Backbone) -> None:
        """Nothing is read yet."""
        self._backbone = backbone
        self._known: OrderedDict[Lineage, Match] = OrderedDict()
        self._conflicts: dict[str, list[str]] = {}

    def to_dict(self) -> dict[str, object]:
        """What a run tells of its backbone: release, hash, and the first names that were left alone, with what they could be."""
        return {"release": self._backbone.release, "hash": self._backbone.hash, "left_alone": self._conflicts}

    def apply(self, labels: Sequence[Mapping[str, str | None]]) -> list[dict[str, str | None]]:
        """The labels of records, each with the ranks that the backbone gives."""
        lineages = [tuple(one.get(rank) for rank in RANKS) for one in labels]
        new = list(dict.fromkeys(lineage for lineage in lineages if any(lineage) and lineage not in self._known))
        asked = ((next(name for name in reversed(lineage) if name), lineage) for lineage in new)
        found = dict(zip(new, self._backbone.match(asked), strict=True))
        for match in found.values():
            self._note(match)
        made = [
            self._labels(one, found.get(lineage) or self._known.get(lineage))
            for one, lineage in zip(labels, lineages, strict=True)
        ]
        self._known |= found
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return made

    def columns(self, columns: Mapping[str, pa.Array], n_rows: int) -> dict[str, pa.Array]:
        """As `apply`, for labels that are columns of n rows."""
        names = list(columns)
        values = zip(*(columns[name].to_pylist() for name in names), strict=True) if names else [()] * n_rows
        rows = self.apply([dict(zip(names, row, strict=True)) for row in values])
        said = dict.fromkeys(name for row in rows for name in row)
        return {name: pa.array([row.get(name) for row in rows], pa.string()) for name in said}

    def _note(self, match: Match) -> None:
        if match.others and len(self._conflicts) < NOTED:
            others = [" > ".join(filter(None, ranks)) for ranks in match.others]
            self._conflicts.setdefault(match.asked, [match.status, *others])

    @staticmethod
    def _labels(labels: Mapping[str, str | None], match: Match | None) -> dict[str, str | None]:
        if match is None:
            return dict(labels)
        if not match.found:
            return {**labels, "taxon_match": match.status}
        ranks = dict(zip(RANKS, match.ranks, strict=True))
        # A rank that the backbone leaves out keeps the record's own name.
        told = {**labels, **{rank: name for rank, name in ranks.items() if name}}
        filled = any(name and not labels.get(rank) for rank, name in ranks.items())
        notes = [match.status, *(["gaps filled"] if filled else []), *(f"another {rank}" for rank in match.differs)]
        if match.status == "synonym" and not labels.get("verbatim_name"):
            told["verbatim_name"] = match.asked
        return {**told, "taxon_match": ", ".join(notes)}


class BackboneSource:
    """A source whose records have the labels that a backbone gives them, in the same order."""

    def __init__(self, source: Source, labels: BackboneLabels) -> None:
        """Nothing is read yet."""
        self.name, self.extra_fields = source.name, source.extra_fields
        self._source, self._labels = source, labels

    @property
    def left_out(self) -> Mapping[str, int]:
        """As the source's own."""
        return left_out_of(self._source)

    def count(self) -> int | None:
        """As the source's own."""
        return self._source.count()

    def records(self) -> Iterator[Record]:
        """The source's records. What it raises is raised after the records that came before."""
        records = self._source.records()
        failed: Exception | None = None
        while failed is None:
            chunk: deque[Record] = deque()
            carried = 0
            try:
                for record in records:
                    chunk.append(record)
                    carried += record.carried_bytes
                    if len(chunk) >= AHEAD or carried >= AHEAD_BYTES:
                        break
            except Exception as error:  # noqa: BLE001 - whatever a source raises goes on to who reads it
                failed = error
            if not chunk and failed is None:
                return
            named = deque(self._labels.apply([one.labels for one in chunk]))
            while chunk:  # a picture that is carried must be let go when it is decoded
                yield replace(chunk.popleft(), labels=named.popleft())
        raise failed
