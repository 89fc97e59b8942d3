"""Records of one taxon with and without some of its ranks: which agree, and what the fuller ones say of the others."""

from collections import defaultdict
from collections.abc import Iterable, Set

from cladescope.taxonomy.spelling import preferred
from cladescope.taxonomy.taxon import Taxon

_Key = tuple[str, ...]


def agree(taxon: Taxon, other: Taxon) -> bool:
    """Whether two taxa have the same rank and no rank at which both record different names.

    >>> agree(Taxon(("Animalia", None, "Aves")), Taxon(("Animalia", "Chordata", "Aves")))
    True
    """
    return _agree(taxon.key, other.key)


def fill_gaps(taxa: Iterable[Taxon]) -> dict[Taxon, Taxon]:
    """Each taxon, and its path with the ranks that the others record of it; equal taxa get one spelling.

    Two records speak of one taxon where they bear the same name at some rank and no rank above it contradicts. A gap above
    that rank is filled where all records that speak of the taxon and fill the gap give it the same name, and at least one of
    them cannot be another taxon: whatever agrees with it agrees with the record too. Elsewhere the record is ambiguous, as
    *Oenanthe* is beside a bird and a plant of that name, and keeps its gap. Records of the taxon itself come before those
    of the taxa above it. The result does not depend on the order.

    >>> short, full = Taxon((None, None, "Aves")), Taxon(("Animalia", "Chordata", "Aves", "Piciformes"))
    >>> str(fill_gaps([short, full])[short])
    'Animalia > Chordata > Aves'
    """
    members = list(taxa)
    full: dict[_Key, _Key] = {taxon.key: taxon.key for taxon in members}
    depth = max(map(len, full), default=0)
    while depth and any("" in path for path in full.values()):
        filled = _filled_at(depth, set(full.values()))
        changed = any(path != filled[path] for path in full.values())
        full = {key: filled[path] for key, path in full.items()}
        # What the records of a taxon say of each other comes before what is said of the taxa above it.
        depth = max(map(len, full)) if changed else depth - 1
    spellings: dict[str, set[str]] = defaultdict(set)
    for taxon in members:
        for folded, name in zip(taxon.key, taxon.path, strict=True):
            spellings[folded].add(name or "")
    shown = {folded: preferred(names) or None for folded, names in spellings.items()}
    return {taxon: Taxon(tuple(shown[folded] for folded in full[taxon.key])) for taxon in members}


def _agree(path: _Key, other: _Key) -> bool:
    return len(path) == len(other) and all(
        not mine or not theirs or mine == theirs for mine, theirs in zip(path, other, strict=True)
    )


def _filled_at(depth: int, paths: Set[_Key]) -> dict[_Key, _Key]:
    """Every path with those gaps filled that paths of the same name at one rank fill; all at once, so no order matters."""
    namesakes: dict[str, set[_Key]] = defaultdict(set)
    for path in paths:
        if len(path) >= depth and path[depth - 1]:
            namesakes[path[depth - 1]].add(path[:depth])
    nodes = {node: _filled(node, others) for others in namesakes.values() for node in others}
    return {path: nodes.get(path[:depth], path[:depth]) + path[depth:] for path in paths}


def _filled(node: _Key, namesakes: Set[_Key]) -> _Key:
    """A node with those gaps filled to which the namesakes that agree with it give one name, one of them being surely it."""
    if "" not in node:
        return node
    agreeing = [other for other in namesakes if _agree(node, other)]
    strangers = [other for other in namesakes if not _agree(node, other)]
    names = list(node)
    for place in (place for place, name in enumerate(node) if not name):
        telling = [other for other in agreeing if other[place]]
        sure = any(not any(_agree(other, stranger) for stranger in strangers) for other in telling)
        if sure and len({other[place] for other in telling}) == 1:
            names[place] = telling[0][place]
    return tuple(names)
