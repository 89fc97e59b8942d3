"""Kin: rows that are not independent of each other, because they show one photograph or one individual.

Boxes of one picture and pictures of one occurrence look alike for reasons that have nothing to do with their taxon. A figure is
honest only where kin stay on one side of a split and do not answer for each other. Near-duplicates are the affair of `audit`.
"""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int

_BOX = re.compile(r"#box=[^#]*$")
"""What an address of a region has beside that of its picture."""


def kin_of(
    uris: pa.Array | pa.ChunkedArray,
    observations: pa.Array | pa.ChunkedArray,
    contents: pa.Array | pa.ChunkedArray | None = None,
) -> Int[np.ndarray, " n"]:
    """A number for each row, equal for rows that share a picture or an observation, or are linked by others that do.

    `uris` are addresses, of regions too; of `observations` null is none. With `contents`, where null is none too, copies of one picture are kin.
    Memory: some 100 bytes a row.

    >>> uris = pa.array(["/a.jpg#box=0,0,9,9", "/a.jpg#box=9,9,9,9", "/b.jpg", "/c.jpg"])
    >>> kin_of(uris, pa.array([None, "o1", "o1", None])).tolist()
    [0, 0, 0, 1]
    >>> kin_of(pa.array(["/a.jpg", "/copy of a.jpg", "/b.jpg"]), pa.nulls(3, pa.string()), pa.array(["0f", "0f", None])).tolist()
    [0, 0, 1]
    """
    n = len(uris)
    shared = [numbers_of(parents_of(uris)), numbers_of(observations)]
    if contents is not None:
        shared.append(numbers_of(contents))
    if not any(map(_repeats, shared[1:])) and (shared[0] >= 0).all():
        return shared[0]
    from scipy.sparse import coo_array  # takes longer to load than a search for a few hits
    from scipy.sparse.csgraph import connected_components

    edges, offset = [], n
    for codes in shared:
        rows = np.flatnonzero(codes >= 0)
        edges.append(np.stack([rows, codes[rows] + offset]))
        offset += int(codes.max(initial=-1)) + 1
    pairs = np.concatenate(edges, axis=1)
    graph = coo_array((np.ones(pairs.shape[1], bool), (pairs[0], pairs[1])), shape=(offset, offset))
    found = connected_components(graph, directed=False)[1][:n]
    numbers: Int[np.ndarray, " n"] = _in_order(found)
    return numbers


def kin_of_few(shown: Sequence[tuple[str, str | None]]) -> list[int]:
    """As `kin_of`, of some hits, each an address and an observation: for so few, Arrow and SciPy take longer than a search.

    >>> kin_of_few([("/a.jpg#box=0,0,9,9", None), ("/a.jpg#box=9,9,9,9", "o1"), ("/b.jpg", "o1"), ("/c.jpg", None)])
    [0, 0, 0, 1]
    """
    group: dict[tuple[str, str], int] = {}
    found: list[int] = []
    for uri, observation in shown:
        names = [("picture", _BOX.sub("", uri)), *([] if observation is None else [("observation", observation)])]
        known = sorted({group[name] for name in names if name in group})
        number = known[0] if known else len(found)
        joined = set(known[1:])
        if joined:
            group = {name: number if one in joined else one for name, one in group.items()}
            found = [number if one in joined else one for one in found]
        group |= dict.fromkeys(names, number)
        found.append(number)
    order = {number: place for place, number in enumerate(dict.fromkeys(found))}
    return [order[number] for number in found]


def parents_of(uris: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The pictures that addresses lead to, those of regions without their box.

    >>> parents_of(pa.array(["/a.jpg#box=0,0,9,9", "/b.jpg"])).to_pylist()
    ['/a.jpg', '/b.jpg']
    """
    parents: pa.Array | pa.ChunkedArray = pc.replace_substring_regex(uris, _BOX.pattern, "")
    return parents


def vote_weights(kin: Sequence[int], scores: Sequence[float]) -> list[float]:
    """How much each of some voters counts where kin have one vote together: that of the best of them, shared by their scores.

    Scores below zero count nothing.

    >>> vote_weights([0, 0, 1], [0.6, 0.3, 0.5]), vote_weights([0, 1], [0.6, -0.1])
    ([0.4, 0.2, 0.5], [0.6, 0.0])
    """
    weights = [max(score, 0.0) for score in scores]
    best: dict[int, float] = {}
    total: dict[int, float] = {}
    for group, weight in zip(kin, weights, strict=True):
        best[group] = max(best.get(group, 0.0), weight)
        total[group] = total.get(group, 0.0) + weight
    shares = [best[group] / total[group] if total[group] > best[group] else 1.0 for group in kin]
    return [weight * share for weight, share in zip(weights, shares, strict=True)]


def are_alone(kin: Int[np.ndarray, " n"]) -> bool:
    """Whether no row has kin.

    >>> are_alone(np.array([0, 1, 2])), are_alone(np.array([0, 1, 0]))
    (True, False)
    """
    return not len(kin) or len(np.unique(kin)) == len(kin)


def numbers_of(values: pa.Array | pa.ChunkedArray) -> Int[np.ndarray, " n"]:
    """A number for each value, equal for equal ones; -1 for none."""
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    codes: Int[np.ndarray, " n"] = pc.fill_null(array.dictionary_encode().indices, -1).to_numpy(zero_copy_only=False)
    return codes.astype(np.int64)


def _repeats(codes: Int[np.ndarray, " n"]) -> bool:
    """Whether two rows have one number; -1 is none."""
    known = codes[codes >= 0]
    return len(known) > 0 and int(known.max()) + 1 < len(known)


def _in_order(codes: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """The same groups, numbered in the order of their first rows."""
    _, first, place = np.unique(codes, return_index=True, return_inverse=True)
    number = np.empty(len(first), np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    return number[place]
