"""What a report holds: the pictures by rank, the probes of each store, the paired differences, the maps."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32

from cladescope.analysis.maps.page_data import PageMap
from cladescope.analysis.probes.result import Difference, ProbeReport
from cladescope.analysis.report.examples import Example
from cladescope.index.notebook import page_cell


@dataclass(frozen=True, kw_only=True)
class RankCount:
    """The pictures at one rank."""

    rank: str
    taxa: int
    pictures: int
    missing: int
    """Pictures that have no taxon at this rank."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StoreMap:
    """A map of one store's pictures, and how far it keeps neighbours together."""

    label: str
    rank: str
    ids: tuple[str, ...]
    points: Float32[np.ndarray, "n 2"]
    lineages: tuple[tuple[str, ...] | None, ...]
    """Each picture's taxon at `rank` by its path; None where it has none."""
    neighbours: int
    trustworthiness: tuple[float, float]
    """Value and standard error, of at most 1,000 sampled points."""
    continuity: tuple[float, float]
    page: PageMap
    """The map as its page shows it, without small pictures."""

    def to_dict(self) -> dict[str, Any]:
        """As plain values that JSON knows."""
        return {
            "label": self.label,
            "rank": self.rank,
            "pictures": len(self.points),
            "neighbours": self.neighbours,
            **{
                name: {"value": value, "standard_error": error}
                for name, (value, error) in (
                    ("trustworthiness", self.trustworthiness),
                    ("continuity", self.continuity),
                )
            },
            "image_id": list(self.ids),
            "x": [round(value, 4) for value in self.points[:, 0].tolist()],
            "y": [round(value, 4) for value in self.points[:, 1].tolist()],
            "taxon": [None if lineage is None else lineage[-1] for lineage in self.lineages],
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """Everything that the page shows."""

    labels: tuple[str, ...]
    """A short name of each store: its encoder's, with the store's where two are alike."""
    totals: tuple[int, ...]
    """Pictures of each store before those that all share were picked."""
    ranks: tuple[RankCount, ...]
    n_images: int
    probes: tuple[ProbeReport, ...]
    """Of each store, the first one being asked about and the others held against it."""
    differences: tuple[Difference, ...] = ()
    maps: tuple[StoreMap, ...] = ()
    examples: tuple[Example, ...] = ()
    """Photographs of what is meant, of the first store."""
    not_measured: tuple[str, ...] = ()
    """What could not run, and why."""
    settings: dict[str, Any] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        """What a notebook shows: the page of the report, which needs no other file."""
        from cladescope.analysis.report.page import report_page  # stands above the report, and draws

        return page_cell(report_page(self, room=0))
