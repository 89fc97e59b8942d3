"""Facets: how the hits of a search, and the pictures that were searched, are spread over the taxa of a rank."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from cladescope.errors import TaxonError
from cladescope.schema import LEVELS
from cladescope.taxonomy import Taxon


@dataclass(frozen=True, slots=True)
class Facet:
    """One taxon of the rank that was asked for."""

    taxon: Taxon | None
    """None for the pictures whose rank is not known."""
    hits: int
    best_score: float | None
    """Score of its first hit; None where it has none."""
    images: int
    """Its pictures among all that were searched, which is the store, or what a clade or condition leaves of it."""
    label: str | None = None
    """The label, where labels were asked for."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        score = None if self.best_score is None else round(self.best_score, 6)
        taxon = None if self.taxon is None else str(self.taxon)
        name = self.label if self.taxon is None else self.taxon.name
        return {"taxon": taxon, "name": name, "hits": self.hits, "best_score": score, "images": self.images}


def check_rank(rank: str) -> None:
    """Raise TaxonError for what is neither a rank nor `label`.

    >>> check_rank("tribe")
    Traceback (most recent call last):
    cladescope.errors.TaxonError: unknown rank 'tribe': expected one of kingdom, phylum, class, order, family, genus, species, label
    """
    if rank not in LEVELS:
        raise TaxonError(f"unknown rank {rank!r}: expected one of {', '.join(LEVELS)}")


def label_facets(scores: Sequence[float], labels: Sequence[str | None], images: pa.Array) -> tuple[Facet, ...]:
    """As `facets`, of labels; `images` are those of all pictures searched.

    >>> label_facets([0.9, 0.8], ["tit", "tit"], pa.array(["tit", "crow", "tit", None]))[0].to_dict()
    {'taxon': None, 'name': 'tit', 'hits': 2, 'best_score': 0.9, 'images': 2}
    """
    counts = {row["values"] or None: row["counts"] for row in images.value_counts().to_pylist()}
    of_hits = Counter(labels)
    best: dict[str | None, float] = {}
    for score, label in zip(scores, labels, strict=True):
        best.setdefault(label, score)
    found = [Facet(None, of_hits[one], best.get(one), counts.get(one, 0), one) for one in {**counts, **of_hits}]
    return tuple(sorted(found, key=lambda one: (-one.hits, -one.images, one.label or "")))


def facets(scores: Sequence[float], taxa: Sequence[Taxon | None], gallery: pa.Table, *, rank: str) -> tuple[Facet, ...]:
    """Every taxon of a rank in a gallery, those with the most hits first, then those with the most pictures.

    `scores` and `taxa` are those of the hits, best first; `gallery` has each lineage of the pictures and their number, as
    `cladescope.index.lineages.count_lineages` makes it. Raises TaxonError for what is no rank.
    """
    check_rank(rank)
    of_hits, images = Counter[Taxon | None](), Counter[Taxon | None]()
    best: dict[Taxon | None, float] = {}
    for score, taxon in zip(scores, taxa, strict=True):
        at = _at(taxon, rank)
        of_hits[at] += 1
        best.setdefault(at, score)
    for row in gallery.to_pylist():
        images[_at(Taxon.from_ranks(row), rank)] += row["n_images"]
    found = [Facet(taxon, of_hits[taxon], best.get(taxon), images[taxon]) for taxon in {**images, **of_hits}]
    return tuple(sorted(found, key=lambda one: (-one.hits, -one.images, "" if one.taxon is None else str(one.taxon))))


def _at(taxon: Taxon | None, rank: str) -> Taxon | None:
    return None if taxon is None else next((one for one in taxon.lineage if one.rank == rank), None)
