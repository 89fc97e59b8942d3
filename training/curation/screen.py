"""The stage `screen`: what must not be in the data set by what is said of it, before any picture is read.

A record is dropped for the first of these that holds: its name is not known down to `names.least_rank`; its licence; a list excludes its taxon; a list excludes
the picture; its source says a kind that is not kept; it is one of too many pictures of an observation.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Bool, Int, Int16

from cladescope.embedding.backboned import BackboneLabels
from cladescope.errors import InputError
from cladescope.files import hash_file
from cladescope.licences import short_form
from cladescope.steps import counted
from cladescope.taxonomy import RANK_INDEX, RANKS, Taxon
from cladescope.taxonomy.backbone import Backbone
from cladescope.training.curation import bursts
from cladescope.training.curation.basis import dropped_as, read_basis
from cladescope.training.curation.columns import SCREENED
from cladescope.training.curation.excluded import ExcludedPictures, ExcludedTaxa, read_lists
from cladescope.training.curation.flow import Flow, carried
from cladescope.training.curation.job import Job, Stage
from cladescope.training.curation.licences import LicenceRules

logger = logging.getLogger(__name__)

SHOWN: Final = 50
"""Texts that are not understood which the manifest shows, with their pictures, the most frequent first."""
_COUNTED: Final = 100_000
"""Different texts that are counted; those that come after are counted together."""
OTHERS: Final = "(others)"
_WRITTEN: Final = tuple(f"written_{rank}" for rank in RANKS)
_GAP: Final = "\x1f"


def screen(job: Job) -> None:
    """Drop what may not go in, and say of each picture its licence's short form and the kind that its source says.

    All parts are looked at before the first is written, so that the counts are whole and a list that meets nothing stops the stage at once. Memory: a part,
    2 bytes a record, the lists of `[[exclude]]`, with lists of taxa some 600 bytes a distinct lineage, and with `bursts.most` what `bursts.too_many` says.

    Raises InputError where a list is missing, damaged, meets nothing and must, or has a name alone that is that of several taxa.
    """
    with job.stage("screen", settings_of(job)) as stage:
        if stage.is_done:
            return
        screening = _Screening(job)
        screening.survey()
        n_rows = sum(pq.read_metadata(job.path("gather", part)).num_rows for part in range(job.n_parts))
        codes = np.zeros(n_rows, np.int16)
        for part in counted(range(job.n_parts), "screening, in parts of records:", job.n_parts):
            found = screening.codes_of(part)
            codes[part * job.part_rows :][: len(found)] = found
        screening.check()
        saved = np.empty(0, np.int64)
        if job.config.bursts.most:
            burst = bursts.too_many(job, codes == 0)
            codes[burst.dropped] = screening.code(bursts.reason(job.config.bursts))
            saved = burst.saved
            if burst.n_undated and job.config.bursts.act == "thin":
                stage.more["pictures of bursts without a date in order"] = burst.n_undated
                logger.warning(
                    "%s pictures of too large observations have no date that begins with year, month and day: they are thinned in the order of their source",
                    f"{burst.n_undated:,}",
                )
        for part in stage.unmade():
            first = part * job.part_rows
            _write(
                stage, part, [screening.words[code] for code in codes[first : first + job.part_rows].tolist()], saved
            )
        stage.more.update(screening.told())


def settings_of(job: Job) -> dict[str, Any]:
    """What decides the stage: its sections of the configuration, and what is in the lists."""
    config = job.config
    return {
        "names.least_rank": config.names.least_rank,
        "licences": asdict(config.licences),
        "kinds.keep": list(config.kinds.keep),
        "bursts": asdict(config.bursts),
        "exclude": [
            {"taxa": _hash(one.taxa), "ids": _hash(one.ids), "must_hit": one.must_hit}
            for one in config.exclude
            if one.taxa or one.ids
        ],
    }


def _hash(path: str) -> list[str] | None:
    if not path:
        return None
    if not Path(path).is_file():
        raise InputError(f"{path} is not there: expected a list of what to exclude")
    return [Path(path).name, hash_file(Path(path))]


def _write(stage: Stage, part: int, reasons: list[str | None], saved: Int[np.ndarray, " s"]) -> None:
    job = stage.job
    table = job.read("gather", part, ["row", "source", "licence", "basis_of_record", "kind"])
    before = job.read("names", part, ["dropped"])["dropped"]
    is_in = pc.is_null(before)
    columns = []
    is_said, kinds = _kinds_of(table)
    for column, read in ((table["licence"], _short_form), (kinds, _kind)):
        values, places = _distinct(column)
        found = pa.array([read(value) for value in values], pa.string()).take(pa.array(places))
        columns.append(pc.if_else(is_in.combine_chunks(), found, None).dictionary_encode())
    made = pa.Table.from_arrays([table["row"], *columns, carried("screen", before, reasons)], schema=SCREENED)
    changed = Flow()
    bounds = np.searchsorted(saved, [part * job.part_rows, part * job.part_rows + table.num_rows])
    if some := (saved[slice(*bounds)] - part * job.part_rows).tolist():
        words = [bursts.saved_as(job.config.bursts)] * len(some)
        changed.change(table["source"].take(pa.array(some)), words)
    taken = pc.and_(pc.and_(pc.is_null(made["dropped"]), pa.array(~is_said)), pc.is_valid(table["kind"]))
    if pc.any(taken).as_py():
        own = pa.array([one.name for one in job.config.sources if one.kind], pa.string())
        from_config = pc.is_in(table["source"].cast(pa.string()), value_set=own)
        said = pc.if_else(from_config, "kind by the configuration: ", "kind by the kind of table: ")
        words = pc.binary_join_element_wise(said, table["kind"].cast(pa.string()), "")
        changed.change(table["source"], pc.if_else(taken, words, pa.scalar(None, pa.string())).to_pylist())
    stage.write(part, made, changed)


def _kinds_of(table: pa.Table) -> tuple[Bool[np.ndarray, " n"], pa.ChunkedArray]:
    """Which rows say themselves what is shown, and what is to be read for the kind of each: what it says, else what is said of its source."""
    values, places = _distinct(table["basis_of_record"])
    is_said: Bool[np.ndarray, " n"] = np.array([_kind(value) is not None for value in values], bool)[places]
    written = table["basis_of_record"].cast(pa.string())
    return is_said, pc.if_else(pa.array(is_said), written, pc.coalesce(table["kind"].cast(pa.string()), written))


class _Screening:
    """Looks at parts, and counts."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.words: list[str | None] = [None]
        """Reasons by their codes; 0 is none."""
        self._codes: dict[str, int] = {}
        self._rules = LicenceRules(job.config.licences)
        folder = job.config.names.backbone
        needs_backbone = folder and any(one.taxa for one in job.config.exclude)
        backbone = BackboneLabels(Backbone.open(Path(folder))) if needs_backbone else None
        self._of_taxa, self._of_pictures = read_lists(job.config.exclude, backbone)
        self._lists: list[ExcludedTaxa | ExcludedPictures] = [*self._of_taxa, *self._of_pictures]
        self._excluded: dict[str, int] = {}
        """By lineages as given and written, the code of the list of taxa that excludes them; those that none does are not in it."""
        self._taxa: set[Taxon] = set()
        self._licences: Counter[str] = Counter()
        self._bases: Counter[str] = Counter()

    def code(self, reason: str | None) -> int:
        """The code of a reason."""
        if reason is None:
            return 0
        if reason not in self._codes:
            self._codes[reason] = len(self.words)
            self.words.append(reason)
        return self._codes[reason]

    def survey(self) -> None:
        """Find which lineages the lists of taxa exclude."""
        if not self._of_taxa:
            return
        job = self.job
        pictures: Counter[str] = Counter()
        for part in counted(range(job.n_parts), "looking for excluded taxa, in parts of records:", job.n_parts):
            values, places = _distinct(self._lineages(part).filter(job.is_in("names", part)))
            numbers = np.bincount(places, minlength=len(values)).tolist()
            pictures.update({value or "": n for value, n in zip(values, numbers, strict=True)})
        pairs = {text: _both(text) for text in pictures}
        self._taxa = {named for named, _ in pairs.values() if named is not None}
        written = {one for _, one in pairs.values() if one is not None}
        for listed in self._of_taxa:
            listed.settle(self._taxa, written)
            for text, taxa in pairs.items():
                if places_ := listed.places_of(taxa):
                    listed.met.update(places_)
                    listed.pictures += pictures[text]
                    self._excluded.setdefault(text, self.code(listed.reason))

    def codes_of(self, part: int) -> Int16[np.ndarray, " p"]:
        """The reason of each row of a part, bursts aside; what is not understood is counted."""
        job = self.job
        columns = ["id", "image_id", "uri"] if self._of_pictures else []
        table = job.read("gather", part, [*columns, "licence", "basis_of_record", "kind"])
        names = job.read("names", part, [*RANKS, "dropped"])
        is_in = pc.is_null(names["dropped"]).to_numpy()
        keep, least = self.job.config.kinds.keep, self.job.config.names.least_rank
        # The reasons that come first are laid on last.
        _count_values(table["basis_of_record"], is_in, self._count_basis)
        found = self._by_value(
            _kinds_of(table)[1],
            _kind,
            lambda kind: dropped_as(kind) if kind is not None and kind not in keep else None,
        )
        for listed in reversed(self._of_pictures):
            found[listed.names(table, is_in)] = self.code(listed.reason)
        if self._excluded:
            values, places = _distinct(self._lineages(part))
            excluded = np.array([self._excluded.get(value or "", 0) for value in values], np.int16)[places]
            found = np.where(excluded > 0, excluded, found)
        _count_values(table["licence"], is_in, self._count_licence)
        licences = self._by_value(table["licence"], _short_form, self._rules.reason)
        found = np.where(licences > 0, licences, found)
        found[_depth(names) < RANK_INDEX[least]] = self.code(f"not named down to its {least}")
        # A record that was dropped before is not in; no reason of this stage is its.
        found[~is_in] = self.code("dropped before")
        return found

    def check(self) -> None:
        """Raise InputError where a list that must meet something met nothing."""
        for one in self._lists:
            one.check(self._taxa)

    def told(self) -> dict[str, Any]:
        """Figures for the manifest, of the pictures that went in."""
        return {
            "exclusions": {one.name: one.told() for one in self._lists},
            "licences_not_known": _first(self._licences),
            "bases_not_known": _first(self._bases),
        }

    def _by_value(
        self,
        column: pa.ChunkedArray,
        read: Callable[[str | None], str | None],
        reason: Callable[[str | None], str | None],
    ) -> Int16[np.ndarray, " n"]:
        """The code of each row by its value; the distinct values are read once."""
        values, places = _distinct(column)
        codes: Int16[np.ndarray, " n"] = np.array([self.code(reason(read(one))) for one in values], np.int16)[places]
        return codes

    def _count_licence(self, text: str | None, n: int) -> None:
        if text is not None and _short_form(text) is None:
            _add(self._licences, text, n)

    def _count_basis(self, text: str | None, n: int) -> None:
        if not read_basis(text)[1]:
            _add(self._bases, text or "", n)

    def _lineages(self, part: int) -> pa.ChunkedArray:
        """The seven names that each record was given, and those that were written, as one text."""
        names, written = self.job.read("names", part, RANKS), self.job.read("gather", part, _WRITTEN)
        columns = [
            column.cast(pa.string())
            for table, names_ in ((names, RANKS), (written, _WRITTEN))
            for column in table.select(names_).columns
        ]
        joined: pa.ChunkedArray = pc.binary_join_element_wise(
            *columns, _GAP, null_handling="replace", null_replacement=""
        )
        return joined


_short_form = lru_cache(_COUNTED)(short_form)


def _kind(text: str | None) -> str | None:
    return read_basis(text)[0]


def _both(text: str) -> tuple[Taxon | None, Taxon | None]:
    """The taxon that a record was given, and that which was written."""
    names = [name or None for name in text.split(_GAP)]
    return Taxon.from_ranks(names[: len(RANKS)]), Taxon.from_ranks(names[len(RANKS) :])


def _depth(names: pa.Table) -> Int[np.ndarray, " n"]:
    """Position of each row's deepest known rank; -1 where it has none."""
    depth = np.full(names.num_rows, -1, np.int64)
    for place, rank in enumerate(RANKS):
        depth[pc.is_valid(names[rank]).to_numpy()] = place
    return depth


def _distinct(column: pa.ChunkedArray) -> tuple[list[str | None], Int[np.ndarray, " n"]]:
    """The different values of a column, null among them, and the place of each row's."""
    encoded = pc.dictionary_encode(column.cast(pa.string()), null_encoding="encode").combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = pa.concat_arrays(encoded.chunks)
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _count_values(
    column: pa.ChunkedArray, is_in: Bool[np.ndarray, " n"], count: Callable[[str | None, int], None]
) -> None:
    """Count each distinct value of the rows that are in."""
    values, places = _distinct(column)
    for value, n in zip(values, np.bincount(places[is_in], minlength=len(values)).tolist(), strict=True):
        if n:
            count(value, n)


def _add(counts: Counter[str], text: str, n: int) -> None:
    counts[text if text in counts or len(counts) < _COUNTED else OTHERS] += n


def _first(counts: Mapping[str, int]) -> dict[str, int]:
    """The most frequent, and how many pictures have others."""
    most = sorted(((text, n) for text, n in counts.items() if text != OTHERS), key=lambda one: (-one[1], one[0]))
    rest = counts.get(OTHERS, 0) + sum(n for _, n in most[SHOWN:])
    return dict(most[:SHOWN]) | ({OTHERS: rest} if rest else {})
