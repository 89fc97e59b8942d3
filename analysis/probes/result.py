"""What the probes found: one result a probe and rank, and the report that holds them all, as JSON and back."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from cladescope.analysis.measures.multiple_tests import false_discoveries
from cladescope.analysis.measures.permutations import Null
from cladescope.errors import InputError
from cladescope.files import write_json

FORMAT_VERSION = 2
"""Version of probes.json."""
N_RESAMPLES = 500
"""Resamples of the interval of a probe."""
PICTURES, SPECIES, NOTHING = "pictures", "species", "nothing"
"""What may count alike in a value."""


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """One number of one probe, at one rank or over all."""

    probe: str
    value: float
    rank: str | None = None
    low: float | None = None
    """Lower end of the 95 % bootstrap interval; None where the probe has none."""
    high: float | None = None
    null: tuple[float, float, float] | None = None
    """Mean, 2.5 % and 97.5 % point of the values where labels are given out at random: among pictures at the narrowest rank, else among species."""
    p_value: float | None = None
    """Share of these values that are at least as good, this one among them (one-sided); None without permutations."""
    p_adjusted: float | None = None
    """The same among all probes of the report: the least share of false discoveries at which this would be one."""
    n_permutations: int = 0
    balanced: float | None = None
    """The value where every taxon of the rank counts alike, whatever its number of pictures; over all ranks every species. None where `alike` says why."""
    by_species: float | None = None
    """The value where every species (or deepest lineage) counts alike; that of `balanced` where these are the taxa."""
    alike: str = PICTURES
    """What counts alike in `value`: pictures, so that species with many of them rule; species; or nothing, as of a maximum."""
    n_images: int = 0
    n_taxa: int = 0
    n_left_out: int = 0
    """Pictures that lack the rank."""
    sampled: int | None = None
    """How many queries, pairs or triplets were drawn; None where all were taken."""
    higher_is_better: bool | None = True
    """None where the number describes and does not judge."""
    reference: str = ""
    meaning: str = ""


def of_null(null: Null | None, n_permutations: int) -> dict[str, Any]:
    """What a result tells of its null model, as keywords."""
    if null is None:
        return {}
    return {"null": null.span, "p_value": null.p_value, "n_permutations": n_permutations}


def with_adjusted(results: Iterable[ProbeResult]) -> list[ProbeResult]:
    """Results with their p-values adjusted among all that have one: by the rate of false discoveries, for probes of one encoder agree.

    >>> [one.p_adjusted for one in with_adjusted([ProbeResult(probe="x", value=1.0, p_value=0.02), ProbeResult(probe="y", value=0.0)])]
    [0.02, None]
    """
    found = list(results)
    tested = [place for place, one in enumerate(found) if one.p_value is not None]
    if tested:
        adjusted = false_discoveries(np.array([found[place].p_value for place in tested]))
        for place, p_value in zip(tested, adjusted.tolist(), strict=True):
            found[place] = replace(found[place], p_adjusted=p_value)
    return found


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One probe of another store less the first store's, over the same pictures."""

    probe: str
    rank: str | None
    other: str
    difference: float
    low: float | None
    """Lower end of the 95 % interval; it leaves out 0 where `p_value` is at most 0.05. None for too few species."""
    high: float | None
    p_value: float | None
    """Two-sided; None for too few species."""
    n_species: int = 0
    """Species, or other lineages, between which the probe differs or could."""
    p_adjusted: float | None = None
    """Among all probes of the two stores (Holm 1979)."""


@dataclass(frozen=True, kw_only=True)
class ProbeReport:
    """All results of one store, what was skipped and why, and how it was measured.

    >>> report = ProbeReport(store="a.store", encoder={}, results=(ProbeResult(probe="hubness", value=0.5),))
    >>> ProbeReport.from_dict(report.to_dict()) == report
    True
    """

    store: str
    encoder: Mapping[str, Any]
    results: tuple[ProbeResult, ...]
    store_version: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    """What was not measured, and why: one sentence each."""
    notes: tuple[str, ...] = ()
    """How names and branches of a given phylogeny were taken: one sentence each."""
    curves: Mapping[str, Mapping[str, list[float]]] = field(default_factory=dict)
    """Similarity against taxonomic distance, and the histogram of hubness: columns of numbers by name."""
    trees: Mapping[str, Any] = field(default_factory=dict)
    """How many names of the pictures and of a given phylogeny were matched, and which were not."""

    def to_dict(self) -> dict[str, Any]:
        """As plain values that JSON knows; NaN becomes null."""
        found: dict[str, Any] = _plain({"format_version": FORMAT_VERSION, **asdict(self)})
        return found

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "ProbeReport":
        """Raises InputError for a document that is no report of this format."""
        try:
            values = dict(document)
            if (version := values.pop("format_version")) != FORMAT_VERSION:
                raise InputError(f"probes have format {version}, expected {FORMAT_VERSION}: make them anew")
            results = tuple(_result(result) for result in values.pop("results"))
            skipped, notes = tuple(values.pop("skipped")), tuple(values.pop("notes", ()))
            return cls(results=results, skipped=skipped, notes=notes, **values)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"no report of probes ({error}): make it with probe") from error

    def write(self, path: Path) -> None:
        """Write as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, self.to_dict())

    @classmethod
    def read(cls, path: Path) -> "ProbeReport":
        """Raises InputError for a file that is no report."""
        try:
            document = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read as a report of probes: {error}") from error
        return cls.from_dict(document)


def _result(document: Mapping[str, Any]) -> ProbeResult:
    values = dict(document)
    if values["value"] is None:
        values["value"] = math.nan
    if values["null"] is not None:
        values["null"] = tuple(values["null"])
    return ProbeResult(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
