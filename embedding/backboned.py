"""Labels by a backbone: synonyms become accepted names, gaps are filled upward, what is not sure stays as it came.

A taxon that the backbone knows gets the backbone's name at each rank; its own name before is in `verbatim_name`. A species that it
does not know, but whose genus it does, gets the ranks above from the genus. Every label says in `taxon_match` how it came about.
What the backbone does not know, or knows as several taxa or only in another kingdom, phylum or class, is left alone, but for the
name of its kingdom where that goes by two (`Metazoa`). The looking up is `cladescope.taxonomy.backbone`'s.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import repeat
from typing import Final

import pyarrow as pa

from cladescope.embedding.conflicts import Conflicts
from cladescope.embedding.records import Record, Source
from cladescope.embedding.wrapped import WrappedSource
from cladescope.taxonomy import RANKS, Taxon
from cladescope.taxonomy.backbone import Backbone
from cladescope.taxonomy.backbone_match import Match, kingdom_of, one_class
from cladescope.taxonomy.backbone_names import Lineage

AHEAD: Final = 1024
AHEAD_BYTES: Final = 4 * 2**20
"""Records whose names are looked up together: so many, or fewer where they carry so many bytes of pictures."""
KEPT: Final = 200_000
"""Lineages whose match is remembered."""


class BackboneLabels:
    """Labels as a backbone has them. Memory: `KEPT` lineages of about 1 KiB, what a match of the new ones takes, and the conflicts."""

    def __init__(self, backbone: Backbone) -> None:
        """Nothing is read yet."""
        self._backbone = backbone
        self._known: OrderedDict[Lineage, Match] = OrderedDict()
        self.conflicts = Conflicts()
        """What the backbone was not sure of, or had otherwise than the labels."""
        self.counts: Counter[str] = Counter()
        """How many labels came about how: the words of `taxon_match`."""

    def start_over(self) -> None:
        """Forget what was counted and noted, as where a source is read a second time."""
        self.counts.clear()
        self.conflicts = Conflicts()

    @property
    def backbone(self) -> Backbone:
        """Where names are looked up."""
        return self._backbone

    @property
    def release(self) -> str:
        """The backbone's."""
        return self._backbone.release

    @property
    def hash(self) -> str:
        """The backbone's."""
        return self._backbone.hash

    @property
    def named_by(self) -> dict[str, str]:
        """Release and hash, as stores and answers note them."""
        return {"release": self.release, "hash": self.hash}

    def to_dict(self) -> dict[str, object]:
        """What a run tells of its backbone: release, hash, and the first names that were left alone, with what they could be."""
        return {**self.named_by, "left_alone": self.conflicts.left_alone()}

    def told(self, what: str) -> tuple[str, ...]:
        """What was done to the labels so far, in a line, where `what` were looked up."""
        if not self.counts:
            return ()
        counted = sorted(self.counts.items(), key=lambda one: (-one[1], one[0]))
        words = "; ".join(f"{n:,} {word}" for word, n in counted)
        return (f"{what} by the backbone {self.release}: {words}",)

    def apply(
        self, labels: Sequence[Mapping[str, str | None]], image_ids: Sequence[str] | None = None
    ) -> list[dict[str, str | None]]:
        """The labels of records, each with the ranks that the backbone gives; `image_ids` are noted beside conflicts."""
        lineages = [tuple(one.get(rank) for rank in RANKS) for one in labels]
        new = list(dict.fromkeys(lineage for lineage in lineages if any(lineage) and lineage not in self._known))
        asked = ((next(name for name in reversed(lineage) if name), lineage) for lineage in new)
        found = dict(zip(new, self._backbone.match(asked), strict=True))
        made = []
        for one, lineage, image_id in zip(labels, lineages, image_ids or repeat("", len(labels)), strict=True):
            match = found.get(lineage) or self._known.get(lineage)
            named = self._labels(one, match)
            if match is not None:
                self.conflicts.note(lineage, match, image_id)
                self.counts[named["taxon_match"] or ""] += 1
            made.append(named)
        self._known |= found
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return made

    def columns(
        self, columns: Mapping[str, pa.Array | pa.ChunkedArray], n_rows: int, image_ids: Sequence[str] | None = None
    ) -> dict[str, pa.Array]:
        """As `apply`, for labels that are columns of n rows."""
        names = list(columns)
        values = zip(*(columns[name].to_pylist() for name in names), strict=True) if names else [()] * n_rows
        rows = self.apply([dict(zip(names, row, strict=True)) for row in values], image_ids)
        said = dict.fromkeys(name for row in rows for name in row)
        return {name: pa.array([row.get(name) for row in rows], pa.string()) for name in said}

    def table(self, table: pa.Table) -> pa.Table:
        """A table with its rank columns, and its `common_name` where it has one, as the backbone has them; other columns stay."""
        asked = {name: table[name] for name in (*RANKS, "common_name") if name in table.column_names}
        named = self.columns(
            asked, table.num_rows, table["image_id"].to_pylist() if "image_id" in table.column_names else None
        )
        for rank in RANKS:
            if rank not in table.column_names and rank in named:
                table = table.append_column(rank, named[rank])
        for name in asked:
            if name in named:
                table = table.set_column(table.column_names.index(name), name, named[name].cast(table[name].type))
        return table

    def accepted(self, text: str) -> str:
        """The accepted name of a taxon that a text names, or the text where the backbone knows no other."""
        (match,) = self._backbone.match_names([text])
        self.counts[match.status] += 1
        if match.status != "synonym":
            return text
        return next(name for name in reversed(match.ranks) if name)

    def taxon(self, text: str) -> Taxon | None:
        """The accepted taxon that a text names; None where the backbone knows none, or several."""
        (match,) = self._backbone.match_names([text])
        self.counts[match.status] += 1
        return Taxon.from_ranks(match.ranks) if match.found else None

    def members(self, taxon: Taxon) -> pa.Table:
        """The accepted species below a taxon, a row each, with the seven ranks and `common_name`."""
        found = self._backbone.names.below(taxon.rank, taxon.name)
        rows = [row for row in found if one_class(taxon.path, row.ranks)]
        told = [dict(zip(RANKS, row.ranks, strict=True)) | {"common_name": row.common_name} for row in rows]
        columns = (*RANKS, "common_name")
        return pa.table({name: pa.array([row[name] for row in told], pa.large_string()) for name in columns})

    @staticmethod
    def _labels(labels: Mapping[str, str | None], match: Match | None) -> dict[str, str | None]:
        if match is None:
            return dict(labels)
        if not match.found and (kingdom := kingdom_of(labels.get("kingdom"))) != labels.get("kingdom"):
            # Where the taxon is not known the kingdom is, or half of its taxa would lie in another.
            told = BackboneLabels._labels({**labels, "kingdom": kingdom}, match)
            return {**told, "taxon_match": f"{told['taxon_match']}, kingdom renamed"}
        ranks = dict(zip(RANKS, match.ranks, strict=True))
        filled = any(name and not labels.get(rank) for rank, name in ranks.items())
        if match.status == "genus known":
            told = {**labels, **{rank: name for rank, name in ranks.items() if name and not labels.get(rank)}}
            return {**told, "taxon_match": "unknown, genus known" + (", gaps filled" if filled else "")}
        if not match.found:
            return {**labels, "taxon_match": match.status}
        # A rank that the backbone leaves out keeps the record's own name.
        told = {**labels, **{rank: name for rank, name in ranks.items() if name}}
        notes = [match.status, *(["gaps filled"] if filled else []), *(f"another {rank}" for rank in match.differs)]
        if match.common_name and not labels.get("common_name"):
            told["common_name"] = match.common_name
            notes.append("common name given")
        if match.status == "synonym" and not labels.get("verbatim_name"):
            told["verbatim_name"] = match.asked
        return {**told, "taxon_match": ", ".join(notes)}


class BackboneSource(WrappedSource):
    """A source whose records have the labels that a backbone gives them, in the same order."""

    def __init__(self, source: Source, labels: BackboneLabels) -> None:
        """Nothing is read yet."""
        super().__init__(source)
        self._labels = labels

    def records(self) -> Iterator[Record]:
        """The source's records. What it raises is raised after the records that came before. Counts are of the last reading."""
        self._labels.start_over()
        records = super().records()
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
            named = deque(self._labels.apply([one.labels for one in chunk], [one.image_id for one in chunk]))
            while chunk:  # a picture that is carried must be let go when it is decoded
                yield replace(chunk.popleft(), labels=named.popleft())
        raise failed
