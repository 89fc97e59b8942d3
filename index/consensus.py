"""What a list of hits says of the query's place in the tree: the score-weighted vote at every rank."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import fsum

from cladescope.taxonomy import RANKS, Taxon
from cladescope.taxonomy.gaps import fill_gaps
from cladescope.taxonomy.spelling import fold, preferred

MAJORITY = 0.5


@dataclass(frozen=True, slots=True)
class RankVote:
    """The vote at one rank."""

    rank: str
    taxon: Taxon
    """The taxon with the greatest share at this rank."""
    share: float
    """Its part of the weight of all hits, 0 to 1; hits that lack the rank count against it."""
    known: float
    """Part of the weight of hits that have a taxon at this rank."""


@dataclass(frozen=True, slots=True)
class Consensus:
    """The deepest taxon that holds most of the hits' weight, and the vote at each rank."""

    taxon: Taxon | None
    """None where no taxon holds more than half: the hits disagree from the root, or have no ranks."""
    share: float
    votes: tuple[RankVote, ...]
    label: str | None = None
    """Where there is no such taxon: the label, such as the name of a folder, that holds most of the weight; `share` is its then."""


def agreed(taxa: Sequence[Taxon | None], labels: Sequence[str | None], scores: Sequence[float]) -> Consensus:
    """The `consensus` on a taxon or, where hits agree on none, on a label; None stands for a hit without one.

    >>> found = agreed([None] * 3, ["tit", "Tit", "crow"], [0.9, 0.8, 0.7])
    >>> found.label, round(found.share, 2)
    ('Tit', 0.71)
    """
    found = consensus(taxa, scores)
    if found.taxon is not None:
        return found
    weights = [max(score, 0.0) for score in scores]
    held: dict[str, list[float]] = defaultdict(list)
    written: dict[str, list[str]] = defaultdict(list)
    for label, weight in zip(labels, weights, strict=True):
        if label:
            held[fold(label)].append(weight)
            written[fold(label)].append(label)
    best = min(held, key=lambda key: (-fsum(held[key]), key), default=None)
    if best is None or fsum(held[best]) <= MAJORITY * fsum(weights):
        return found
    return replace(found, label=preferred(written[best]), share=fsum(held[best]) / fsum(weights))


def consensus(taxa: Sequence[Taxon | None], scores: Sequence[float]) -> Consensus:
    """Vote of hits, each weighted by its score (none below zero), None standing for a hit without ranks.

    A taxon holds its own hits and those of every taxon below it. Where it holds more than half of the weight no other
    taxon of its rank can, so the taxa that hold a majority form one path, and its deepest end is the consensus.

    A hit whose path lacks a rank counts for the taxon that the other hits' fuller paths make of it, where only one comes
    into question; otherwise it keeps the gap and votes for no taxon that names the rank: the rule is that of
    `cladescope.taxonomy.gaps.fill_gaps`. Spellings of one name are one taxon, shown as `preferred` chooses. The order of the
    hits does not matter.

    >>> tits = [Taxon(("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Parus")), None]
    >>> str(consensus([tits[0], tits[0], None], [0.9, 0.8, 0.4]).taxon)
    'Animalia > Chordata > Aves > Passeriformes > Paridae > Parus'
    """
    weights = [max(score, 0.0) for score in scores]
    total = fsum(weights)
    if total <= 0:
        return Consensus(None, 0.0, ())
    full = fill_gaps(taxon for taxon, weight in zip(taxa, weights, strict=True) if taxon is not None and weight)
    held: list[dict[Taxon, list[float]]] = [defaultdict(list) for _ in RANKS]
    for taxon, weight in zip(taxa, weights, strict=True):
        for above in full[taxon].lineage if taxon in full else ():
            held[RANKS.index(above.rank)][above].append(weight)
    votes = []
    for rank, parts in zip(RANKS, held, strict=True):
        if parts:
            shares = {taxon: fsum(weights) for taxon, weights in parts.items()}
            best = min(shares, key=lambda taxon: (-shares[taxon], str(taxon)))
            votes.append(RankVote(rank, best, shares[best] / total, fsum(shares.values()) / total))
    deepest = next((vote for vote in reversed(votes) if vote.share > MAJORITY), None)
    return Consensus(deepest.taxon if deepest else None, deepest.share if deepest else 0.0, tuple(votes))
