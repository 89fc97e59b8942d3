"""The stage `names`: accepted names by a backbone, gaps filled upward, and common names by a stated order.

What the backbone does not know, or knows as several taxa, or only under another kingdom, phylum or class stays as it is written, and stands in
`conflicts.csv` with what the backbone says: nothing is guessed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from cladescope.embedding.backboned import BackboneLabels
from cladescope.embedding.conflicts import Conflicts
from cladescope.errors import InputError
from cladescope.steps import counted
from cladescope.taxonomy import RANKS
from cladescope.taxonomy.backbone import Backbone
from cladescope.taxonomy.backbone_names import Lineage
from cladescope.training.curation.columns import NAMED
from cladescope.training.curation.common_names import CommonNames
from cladescope.training.curation.flow import Flow, carried
from cladescope.training.curation.job import Job, Stage

CONFLICTS: Final = "conflicts.csv"
_WRITTEN: Final = tuple(f"written_{rank}" for rank in RANKS)
_BLOCK: Final = 100_000


def names(job: Job) -> None:
    """Name all records. Memory: a part, 200,000 lineages of the backbone, and those that it was not sure of.

    Raises InputError where the backbone or a list of common names cannot be read, and where the stage was begun with another release.
    """
    config = job.config.names
    backbone = Backbone.open(Path(config.backbone)) if config.backbone else None
    labels = None if backbone is None else BackboneLabels(backbone)
    settings = {
        # First, so that a resumed run with another one says its release and not its hash.
        "backbone": None if labels is None else labels.release,
        "backbone_hash": None if labels is None else labels.hash,
        "common_names": [_named_file(one) for one in config.common_names],
        "fall_back": config.fall_back,
        "unknown": config.unknown,
    }
    with job.stage("names", settings) as stage:
        if stage.is_done:
            return
        common = CommonNames.of(job.config, backbone)
        if common.needs_survey:
            _survey(job, labels, common)
        unmade = stage.unmade()
        for part in counted(unmade, "naming, in parts of records:", len(unmade)):
            _name_part(job, stage, part, labels, common)
        stage.more["statuses"] = _statuses(job)
        if labels is not None:
            stage.more["backbone"] = labels.named_by
            stage.more["conflicts"] = _write_conflicts(job, labels, stage.folder / CONFLICTS)


def _named_file(name: str) -> Any:
    """What decides a list of common names: a file's size and time, beside its name."""
    file = Path(name)
    if not file.is_file():
        return name
    about = file.stat()
    return [name, about.st_size, about.st_mtime_ns]


def _survey(job: Job, labels: BackboneLabels | None, common: CommonNames) -> None:
    """Tell the lists of common names which taxa there are, so that a name that several bear is given to none."""
    for table in counted(job.scan("gather", _WRITTEN), "looking for homonyms, in parts of records:", job.n_parts):
        distinct = list(dict.fromkeys(_lineages(table, _WRITTEN)))
        common.survey(lineage for lineage, _ in _matched(distinct, labels))


def _name_part(job: Job, stage: Stage, part: int, labels: BackboneLabels | None, common: CommonNames) -> None:
    table = job.read("gather", part, ["row", "source", *_WRITTEN, "written_common_name", "dropped"])
    is_in = table["dropped"].is_null().to_pylist()
    written = _lineages(table, _WRITTEN)
    distinct = list(dict.fromkeys(lineage for lineage, kept in zip(written, is_in, strict=True) if kept))
    found = dict(zip(distinct, _matched(distinct, labels), strict=True))
    nothing: tuple[Lineage, str | None] = ((None,) * len(RANKS), None)
    named = [found[lineage] if kept else nothing for lineage, kept in zip(written, is_in, strict=True)]
    lineages = [lineage for lineage, _ in named]
    own = [name if kept else None for name, kept in zip(table["written_common_name"].to_pylist(), is_in, strict=True)]
    sources = table["source"].to_pylist()
    called, called_by, called_rank = common.give(lineages, own, sources)
    is_unknown = [
        kept and match is not None and not _is_found(match) for kept, (_, match) in zip(is_in, named, strict=True)
    ]
    drop = job.config.names.unknown == "drop"
    reasons = [
        f"name not accepted ({match})" if drop and unknown else None
        for unknown, (_, match) in zip(is_unknown, named, strict=True)
    ]
    columns: dict[str, Sequence[str | None]] = {
        **dict(zip(RANKS, zip(*lineages, strict=True), strict=True)),
        "common_name": called,
        "common_name_from": called_by,
        "common_name_rank": called_rank,
        "taxon_match": [match for _, match in named],
    }
    arrays = [pa.array(columns[name], pa.string()).dictionary_encode() for name in NAMED.names[1:-1]]
    made = pa.Table.from_arrays([table["row"], *arrays, carried("names", table["dropped"], reasons)], schema=NAMED)
    changed = Flow()
    changed.change(table["source"], _changes(written, named, is_in))
    changed.change(table["source"], _common_changes(own, called, called_by, called_rank))
    changed.changed.update(common.counts)
    stage.write(part, made, changed)


def _matched(lineages: Sequence[Lineage], labels: BackboneLabels | None) -> Iterator[tuple[Lineage, str | None]]:
    """What each lineage is called by the backbone, and how that came about."""
    if labels is None:
        yield from zip(lineages, repeat(None), strict=False)
        return
    for start in range(0, len(lineages), _BLOCK):
        some = lineages[start : start + _BLOCK]
        for named in labels.apply([dict(zip(RANKS, lineage, strict=True)) for lineage in some]):
            yield tuple(named.get(rank) for rank in RANKS), _without_common(named.get("taxon_match"))


def _without_common(match: str | None) -> str | None:
    """How a label came about, but for its common name, which is given apart."""
    return None if match is None else match.replace(", common name given", "")


def _is_found(match: str) -> bool:
    return match.split(",")[0] in ("accepted", "synonym")


def _changes(
    written: Sequence[Lineage], named: Sequence[tuple[Lineage, str | None]], is_in: Sequence[bool]
) -> Iterator[str | None]:
    for before, (after, match), kept in zip(written, named, is_in, strict=True):
        yield f"named by the backbone: {match}" if kept and before != after else None


def _common_changes(
    own: Sequence[str | None], called: Sequence[str | None], by: Sequence[str | None], rank: Sequence[str | None]
) -> Iterator[str | None]:
    for before, after, source, of in zip(own, called, by, rank, strict=True):
        if after == before:
            yield None
        elif after is None:
            yield "common name not used: no stated source has it"
        else:
            what = "replaced" if before else "given"
            # A source's file goes by its name, so that a report says no place of this machine.
            yield f"common name {what} from {Path(source or '').name}" + (
                f", that of its {of}" if of != "species" else ""
            )


def _lineages(table: pa.Table, columns: Sequence[str]) -> list[Lineage]:
    return list(zip(*(table[name].to_pylist() for name in columns), strict=True))


def _statuses(job: Job) -> dict[str, int]:
    """Records by what the backbone said of their name."""
    counts: Counter[str] = Counter()
    for table in job.scan("names", ["taxon_match"]):
        for one in table["taxon_match"].value_counts().to_pylist():
            if one["values"] is not None:
                counts[one["values"]] += one["counts"]
    return dict(sorted(counts.items()))


def _write_conflicts(job: Job, labels: BackboneLabels, file: Path) -> int:
    """Write the lineages that the backbone was not sure of; how many they are."""
    pictures: Counter[Lineage] = Counter()
    first: dict[Lineage, str] = {}
    for part in range(job.n_parts):
        match = job.read("names", part, ["taxon_match"])["taxon_match"].to_pylist()
        unsure = [row for row, one in enumerate(match) if one is not None and not is_sure(one)]
        if unsure:
            table = job.read("gather", part, ["image_id", *_WRITTEN]).take(pa.array(unsure))
            for lineage, image_id in zip(_lineages(table, _WRITTEN), table["image_id"].to_pylist(), strict=True):
                pictures[lineage] += 1
                first.setdefault(lineage, image_id)
    conflicts = Conflicts()
    asked = [(next(name for name in reversed(lineage) if name), lineage) for lineage in pictures]
    for lineage, match_ in zip(pictures, labels.backbone.match(asked), strict=True):
        conflicts.note(lineage, match_, first[lineage], n=pictures[lineage])
    conflicts.write(file)
    return len(conflicts.rows())


def is_sure(match: str) -> bool:
    """Whether the backbone was sure of a name, by its word in `taxon_match`.

    >>> is_sure("accepted, gaps filled"), is_sure("ambiguous"), is_sure("unknown, genus known")
    (True, False, False)
    """
    return _is_found(match) and "another " not in match


def conflicts_of(job: Job) -> Path | None:
    """The table of names that the backbone was not sure of, None where no backbone was named. Raises InputError as `Job.manifest`."""
    if job.manifest("names")["settings"]["backbone"] is None:
        return None
    file = job.work / "names" / CONFLICTS
    if not file.exists():
        raise InputError(f"{file} is gone: delete {file.parent} and run the curation again")
    return file


def backbone_of(job: Job) -> Mapping[str, str] | None:
    """Release and hash of the backbone that named the records; None where there was none."""
    found: Mapping[str, str] | None = job.manifest("names")["more"].get("backbone")
    return found
