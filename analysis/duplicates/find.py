"""Pictures that show one photograph, by all the evidence there is: bytes, pixels, vectors, joined into one answer.

What two pictures have in common is looked for cheaply (`candidates`), and decided by a look at the pixels of both (`alignment`): twice, the
second time at a higher resolution. Every threshold is a constant, measured on photographs of which none was planted
(`benchmarks/planted_duplicates.py`), so that it does not depend on what else is in the folder.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from cladescope.analysis.duplicates.alignment import align, sums
from cladescope.analysis.duplicates.candidates import PARTS_UP_TO, Pairs, by_hash, by_parts, distinct, starts
from cladescope.analysis.duplicates.looks import Looks, look_at
from cladescope.arrays import blocks
from cladescope.embedding.regions import split_region
from cladescope.steps import counted, step

FIRST_LOOK = 0.6
"""Likeness at the first look below which there is no second."""
_UNSURE, _SURE, _TRIES = 0.4, 0.8, 4
"""Likeness at the first look from which on, and below which, it begins at further places, and at how many."""
_FIRST_GIVE_UP, _SECOND_GIVE_UP = 0.6, 0.8
"""Correlation after the first step below which a pair is left. Gravel and grass hardly correlate before the box fits to a pixel of the small copy."""
_SECOND_SIDE, _SECOND_CELLS = 160, 40
_FIRST_CELLS = 24
_PAIRS = 2_048


@dataclass(frozen=True, eq=False)
class Alike:
    """Pairs of rows whose pictures look alike, and how; the most alike first."""

    pairs: Pairs
    """The picture that holds the other first, where one of them is a part."""
    likeness: Float64[np.ndarray, " p"]
    """Up to 1; of two with the same bytes exactly 1."""
    is_exact: Bool[np.ndarray, " p"]
    """Whether both files have the same bytes."""
    is_mirrored: Bool[np.ndarray, " p"]
    boxes: Float64[np.ndarray, "p 4"]
    """Where the second lies in the first: top, bottom, left, right, as shares of its height and width."""
    n_candidates: int
    """Pairs that were looked at."""


def alike(
    uris: Sequence[str],
    looks: Looks,
    *,
    least: float,
    also: Pairs | None = None,
) -> Alike:
    """The pairs of pictures whose likeness is `least` or more; `also` are pairs to look at on other grounds, such as near vectors.

    Pictures with a problem are in no pair, nor are regions of one picture. Of pictures with the same bytes one is compared with others, and all are paired with it.
    """
    exact, one_of_each = _same_bytes(looks)
    thumbs = looks.thumbs[one_of_each]
    with step("looking for pictures that may be the same"):
        found = [by_hash(thumbs)]
        if len(thumbs) <= PARTS_UP_TO:
            found.append(by_parts(thumbs))
    pairs = [one_of_each[some] for some in found]
    if also is not None:
        pairs.append(also[np.isin(also, one_of_each).all(axis=1)])
    candidates = distinct(pairs)
    decided = compared(uris, looks, candidates, least=least)
    n = len(exact)
    return _in_order(
        Alike(
            np.concatenate([exact, decided.pairs]),
            np.concatenate([np.ones(n), decided.likeness]),
            np.concatenate([np.ones(n, bool), decided.is_exact]),
            np.concatenate([np.zeros(n, bool), decided.is_mirrored]),
            np.concatenate([np.tile([0.0, 1.0, 0.0, 1.0], (n, 1)), decided.boxes]),
            decided.n_candidates,
        )
    )


def compared(uris: Sequence[str], looks: Looks, candidates: Pairs, *, least: float) -> Alike:
    """Those of the candidates, pairs of rows, whose likeness is `least` or more, decided by the pixels.

    Each pair is decided by itself, whatever others there are. Regions of one picture are no pair, and nothing is like a picture with a problem. Pictures
    of the same bytes are compared as any others.
    """
    parents = np.array([split_region(uri)[0] for uri in uris], object)
    candidates = candidates[parents[candidates[:, 0]] != parents[candidates[:, 1]]]
    first = _aligned(looks, candidates)
    kept = first.likeness >= FIRST_LOOK
    second = _looked_again(uris, first.pairs[kept], first.is_mirrored[kept], first.boxes[kept])
    good = second.likeness >= least
    found = Alike(
        second.pairs[good], second.likeness[good], np.zeros(good.sum(), bool), second.is_mirrored[good],
        second.boxes[good], len(candidates),
    )  # fmt: skip
    return _in_order(found)


def _in_order(found: Alike) -> Alike:
    """The most alike first."""
    order = np.lexsort([*found.pairs.T, -found.likeness, ~found.is_exact])
    return Alike(
        found.pairs[order], found.likeness[order], found.is_exact[order], found.is_mirrored[order],
        found.boxes[order], found.n_candidates,
    )  # fmt: skip


def _same_bytes(looks: Looks) -> tuple[Pairs, Int64[np.ndarray, " m"]]:
    """Pairs of the first picture of some bytes with each later one; and the first of each."""
    first: dict[str, int] = {}
    pairs = []
    for row, hashed in enumerate(looks.content_hashes):
        if hashed is not None and (known := first.setdefault(hashed, row)) != row:
            pairs.append((known, row))
    return np.array(pairs, np.int64).reshape(-1, 2), np.array(sorted(first.values()), np.int64)


@dataclass(frozen=True, eq=False)
class _Placed:
    pairs: Pairs
    likeness: Float64[np.ndarray, " p"]
    is_mirrored: Bool[np.ndarray, " p"]
    boxes: Float64[np.ndarray, "p 4"]

    def where(self, some: Bool[np.ndarray, " p"] | Int64[np.ndarray, " s"]) -> "_Placed":
        """Some of the pairs."""
        return _Placed(self.pairs[some], self.likeness[some], self.is_mirrored[some], self.boxes[some])


def _aligned(looks: Looks, candidates: Pairs) -> _Placed:
    """The first look, at the small copies; where it is not sure, from further places to begin at."""
    parts = []
    parted = list(blocks(len(candidates), size=_PAIRS))
    for start, stop in counted(parted, "comparing small copies, in blocks of pairs:", len(parted)):
        some = _aligned_from(looks, candidates[start:stop], tries=1)
        is_unsure = (some.likeness >= _UNSURE) & (some.likeness < _SURE)
        parts += [some.where(~is_unsure), _aligned_from(looks, candidates[start:stop][is_unsure], tries=_TRIES)]
    return _joined(parts)


def _aligned_from(looks: Looks, candidates: Pairs, *, tries: int) -> _Placed:
    """The best that comes of so many places to begin at."""
    pairs, is_mirrored, boxes = starts(looks.thumbs, candidates, tries=tries)
    placed, likeness, _ = align(
        sums(looks.thumbs[pairs[:, 0]]), sums(looks.thumbs[pairs[:, 1]]), is_mirrored, boxes,
        cells=_FIRST_CELLS, steps=(0.04, 0.02, 0.01), give_up_below=_FIRST_GIVE_UP,
    )  # fmt: skip
    best = likeness.reshape(-1, tries).argmax(axis=1) + np.arange(len(candidates)) * tries
    return _Placed(pairs, likeness, is_mirrored, placed).where(best)


def _looked_again(
    uris: Sequence[str], pairs: Pairs, is_mirrored: Bool[np.ndarray, " p"], boxes: Float64[np.ndarray, "p 4"]
) -> _Placed:
    """The second look, at the pictures themselves, block by block."""
    parts = []
    parted = list(blocks(len(pairs), size=_PAIRS))
    for start, stop in counted(parted, "comparing the pictures, in blocks of pairs:", len(parted)):
        some = pairs[start:stop]
        rows = np.unique(some)
        again = look_at([uris[row] for row in rows], side=_SECOND_SIDE)
        at = np.searchsorted(rows, some)
        total = sums(again.thumbs)
        placed, likeness, brightness = align(
            total[at[:, 0]], total[at[:, 1]], is_mirrored[start:stop], boxes[start:stop],
            cells=_SECOND_CELLS, steps=(0.01, 0.005, 0.0025), give_up_below=_SECOND_GIVE_UP,
        )  # fmt: skip
        parts.append(_Placed(some, np.minimum(likeness, brightness), is_mirrored[start:stop], placed))
    return _joined(parts)


def _joined(parts: list[_Placed]) -> _Placed:
    return _Placed(
        np.concatenate([np.empty((0, 2), np.int64), *(part.pairs for part in parts)]),
        np.concatenate([np.empty(0), *(part.likeness for part in parts)]),
        np.concatenate([np.empty(0, bool), *(part.is_mirrored for part in parts)]),
        np.concatenate([np.empty((0, 4)), *(part.boxes for part in parts)]),
    )
