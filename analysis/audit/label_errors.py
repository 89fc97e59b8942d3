"""Likely label errors: pictures whose neighbours and whose nearest class mean agree on another taxon."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int, Integer

from cladescope.analysis.measures import BLOCK_BYTES
from cladescope.analysis.measures.class_sums import class_sums
from cladescope.arrays import blocks
from cladescope.taxonomy.rank_table import in_order_of_rows, taxon_codes

MIN_VOTES = 3
MIN_MEMBERS = 2
ENOUGH = 2 / 3
"""Share of the votes that always suffices: vote shares saturate at 1, and t_j with them."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A picture whose label is doubtful from a rank down."""

    row: int
    rank: int
    """The highest rank at which given and suggested lineage part, by its place among the columns of codes."""
    suggested: int
    """Code of the suggested taxon at that rank."""
    confidence: float
    """Share of the labelled neighbours in the suggested taxon, less the share in the given one."""


def uneven_codes(names: Int[np.ndarray, "n ranks"]) -> Int[np.ndarray, "n ranks"]:
    """Taxa of labels that are recorded unevenly: `taxon_codes` across gaps, numbered in the order of their first pictures.

    Of taxa with equally many votes `find` takes the one that comes first.

    >>> uneven_codes(np.array([[1, 3], [1, 2], [1, 0]])).tolist()
    [[0, 0], [0, 1], [0, -1]]
    """
    return in_order_of_rows(taxon_codes(names, across_gaps=True))


def find(
    vectors: Float[np.ndarray, "n d"],
    neighbours: Integer[np.ndarray, "n k"],
    codes: Int[np.ndarray, "n ranks"],
    *,
    deepest: int | None = None,
) -> list[Suspect]:
    """Pictures that belong elsewhere, by how high up the tree the labels part, then by confidence.

    Confident Learning (Northcutt et al. 2021, https://arxiv.org/abs/1911.00068, section 3.1): p(j | x) is the share of
    the k nearest, the picture itself left out, whose label is j; t_j is the mean of p(j | x) over the pictures labelled
    j; a picture labelled i is doubted where its best j is not i and p(j | x) >= t_j. We differ: two thirds of the votes always suffice; the nearest
    class mean, computed without the picture, must be j too; we go from the kingdom down and keep the highest rank.
    A missing rank neither votes nor is doubted, and a taxon of one picture, which cannot vote for itself, is not
    doubted. `codes` as `uneven_codes` makes them. Memory: 4 c d bytes for c taxa, and 8 n k for the votes.
    """
    found: dict[int, Suspect] = {}
    for rank in range(codes.shape[1] if deepest is None else deepest + 1):
        own = codes[:, rank]
        best, share, own_share, votes = _votes(own, neighbours)
        n_taxa = int(own.max(initial=-1)) + 1
        if n_taxa < 2:
            continue
        labelled = np.flatnonzero((own >= 0) & (votes >= MIN_VOTES))
        size = np.bincount(own[own >= 0], minlength=n_taxa)
        seen = np.maximum(np.bincount(own[labelled], minlength=n_taxa), 1)
        usual = np.bincount(own[labelled], weights=own_share[labelled], minlength=n_taxa) / seen
        doubtful = (
            (best[labelled] != own[labelled])
            & (share[labelled] > own_share[labelled])
            & (share[labelled] >= np.minimum(usual[best[labelled]], ENOUGH))
            & (size[own[labelled]] >= MIN_MEMBERS)
        )
        doubted = np.setdiff1d(labelled[doubtful], np.fromiter(found, np.int64, len(found)))
        agreed = _nearest_mean(vectors, own, doubted)
        for row, by_mean in zip(doubted.tolist(), agreed, strict=True):
            if by_mean == best[row]:
                found[row] = Suspect(row, rank, int(best[row]), float(share[row] - own_share[row]))
    return sorted(found.values(), key=lambda one: (one.rank, -one.confidence, one.row))


def _votes(
    own: Int[np.ndarray, " n"], neighbours: Integer[np.ndarray, "n k"]
) -> tuple[Int[np.ndarray, " n"], Float64[np.ndarray, " n"], Float64[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """The taxon of most neighbours, its share, the share of the own taxon, and how many neighbours have a label."""
    theirs = np.sort(own[neighbours], axis=1)
    votes = (theirs >= 0).sum(axis=1)
    best, most = np.full(len(own), -1, np.int64), np.zeros(len(own), np.int64)
    for place in range(theirs.shape[1]):
        count = (theirs == theirs[:, place : place + 1]).sum(axis=1)
        better = (theirs[:, place] >= 0) & (count > most)
        best[better], most[better] = theirs[better, place], count[better]
    mine = (theirs == own[:, None]).sum(axis=1)
    total = np.maximum(votes, 1)
    return best, most / total, mine / total, votes


def _nearest_mean(
    vectors: Float[np.ndarray, "n d"], own: Int[np.ndarray, " n"], rows: Int[np.ndarray, " q"]
) -> Int[np.ndarray, " q"]:
    """The taxon of the nearest mean by cosine, the row itself taken out of its own taxon's sum."""
    known = own >= 0
    sums, _ = class_sums(vectors[known], own[known])
    length = np.maximum(np.linalg.norm(sums, axis=1), 1e-12)
    nearest = np.empty(len(rows), np.int64)
    for start, stop in blocks(len(rows), size=max(1, BLOCK_BYTES // (4 * len(sums)))):
        asked, mine = vectors[rows[start:stop]], own[rows[start:stop]]
        scores = asked @ sums.T / length
        rest = sums[mine] - asked
        alone = np.einsum("bd,bd->b", rest, asked) / np.maximum(np.linalg.norm(rest, axis=1), 1e-12)
        scores[np.arange(stop - start), mine] = alone
        nearest[start:stop] = scores.argmax(axis=1)
    return nearest
