"""Which pictures may show one photograph: pairs that are worth a closer look, by three cheap signs, none of which decides.

* The perceptual hash (pHash of the package ImageHash: signs of the low frequencies, 64 bits) of the whole picture and of its mirror image.
* The low frequencies of the whole picture, and of its mirror image, against those of many parts of each other one: crops.
* The nearest vectors of a store, if there are any (`nearest_others`): whatever the encoder, and however many.
"""

from functools import cache

import imagehash
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8, UInt64
from PIL import Image
from scipy.fft import dct

from cladescope.arrays import blocks

HASH_BITS = 14
"""Bits of 64 in which the perceptual hashes of a pair may differ."""
PART_SCORE = 0.8
"""Least cosine of the low frequencies of a picture and a part of another."""
MOST_PARTS = 16
"""Pictures that each picture may hold, or be held by, as a part, the best first: a day's frames of one camera are all alike."""
PARTS_UP_TO = 20_000
"""Pictures among which crops are sought without vectors: time goes with the square of their number."""
_SIDES = (0.88, 0.77, 0.68)
_STEP = 0.08
_CELLS, _WAVES = 12, 6
_ROWS = 32
_HASH_ROWS = 512

Pairs = Int64[np.ndarray, "p 2"]


@cache
def part_boxes() -> Float64[np.ndarray, "b 4"]:
    """The parts that are tried: top, bottom, left, right as shares of 1; the whole picture first.

    They are as tall and wide as the shares `_SIDES` of the whole, both of one share or one of the full length, and lie at most `_STEP` apart.

    >>> len(part_boxes()), part_boxes()[0].tolist()
    (75, [0.0, 1.0, 0.0, 1.0])
    """
    found = []
    shapes = [(1.0, 1.0), *((s, s) for s in _SIDES), *((1.0, s) for s in _SIDES), *((s, 1.0) for s in _SIDES)]
    for down, across in shapes:
        found += [(y, y + down, x, x + across) for y in _starts(down) for x in _starts(across)]
    return np.array(found)


def _starts(side: float) -> Float64[np.ndarray, " n"]:
    """Where parts of a length begin."""
    return np.linspace(0.0, 1 - side, int(np.ceil((1 - side) / _STEP - 1e-9)) + 1)


@cache
def _transforms(side: int) -> Float32[np.ndarray, "b w s"]:
    """For each start and end along an axis: from pixels to the waves of the means of cells. Rows and columns share them."""
    waves = dct(np.eye(_CELLS), axis=0, norm="ortho")[:_WAVES]
    spans = np.unique(part_boxes()[:, :2], axis=0)
    edges = (spans[:, :1] + (spans[:, 1:] - spans[:, :1]) * np.linspace(0, 1, _CELLS + 1)) * side
    low, high, pixel = edges[:, :-1, None], edges[:, 1:, None], np.arange(side)
    overlap = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None) / (high - low)
    found: Float32[np.ndarray, "b w s"] = (waves @ overlap).astype(np.float32)
    return found


@cache
def _places() -> tuple[Int64[np.ndarray, " b"], Int64[np.ndarray, " b"]]:
    """For each box the numbers of its spans down and across among the transforms."""
    boxes = part_boxes()
    spans = np.unique(boxes[:, :2], axis=0)
    down, across = (
        np.abs(spans[None] - boxes[:, None, sides]).sum(axis=2).argmin(axis=1) for sides in ([0, 1], [2, 3])
    )
    return down.astype(np.int64), across.astype(np.int64)


def part_waves(thumbs: UInt8[np.ndarray, "n s s"]) -> Float32[np.ndarray, "n b f"]:
    """The low frequencies of every part of each picture, without the mean, at unit length; of a part without contrast shorter.

    Memory: 4 n b f bytes, with 75 parts and 35 frequencies 11 kB a picture.
    """
    transforms = _transforms(thumbs.shape[-1])
    down, across = _places()
    half = np.einsum("aws,nst->nawt", transforms, thumbs.astype(np.float32), optimize=True)
    full = np.einsum("nbwt,bvt->nbwv", half[:, down], transforms[across], optimize=True)
    return _unit(full.reshape(*full.shape[:2], _WAVES**2)[..., 1:])


def whole_waves(thumbs: UInt8[np.ndarray, "n s s"]) -> Float32[np.ndarray, "n f"]:
    """As `part_waves`, of the whole pictures alone."""
    transform = _transforms(thumbs.shape[-1])[_places()[0][0]]
    return _unit((transform @ thumbs.astype(np.float32) @ transform.T).reshape(len(thumbs), _WAVES**2)[:, 1:])


def _unit(waves: np.ndarray) -> np.ndarray:
    found: np.ndarray = waves / np.maximum(np.linalg.norm(waves, axis=-1, keepdims=True), _CELLS).astype(np.float32)
    return found


def by_hash(thumbs: UInt8[np.ndarray, "n s s"], *, bits: int = HASH_BITS) -> Pairs:
    """Pairs whose perceptual hashes, or that of one and that of the other's mirror image, differ in few bits.

    16 n bytes, and blocks of 512 rows; n^2 comparisons of 64 bits.

    >>> thumbs = np.random.default_rng(0).integers(0, 255, (3, 64, 64)).astype(np.uint8)
    >>> by_hash(np.concatenate([thumbs, thumbs[1:2, :, ::-1]])).tolist()
    [[1, 3]]
    """
    own, mirrored = _hashes(thumbs), _hashes(thumbs[:, :, ::-1])
    pairs = []
    for start, stop in blocks(len(thumbs), size=_HASH_ROWS):
        for other in (own, mirrored):
            near = np.bitwise_count(own[start:stop, None] ^ other[None, start:]) <= bits
            rows, others = np.nonzero(near)
            pairs.append(np.stack([rows, others], axis=1)[rows < others] + start)
    return distinct(pairs)


def _hashes(thumbs: UInt8[np.ndarray, "n s s"]) -> UInt64[np.ndarray, " n"]:
    bits = [imagehash.phash(Image.fromarray(np.ascontiguousarray(thumb))).hash.ravel() for thumb in thumbs]
    packed = np.packbits(np.array(bits, bool).reshape(len(thumbs), 64), axis=1)
    found: UInt64[np.ndarray, " n"] = packed.view(np.uint64).ravel()
    return found


def by_parts(
    thumbs: UInt8[np.ndarray, "n s s"],
    *,
    least: float = PART_SCORE,
    most: int = MOST_PARTS,
    sides: Bool[np.ndarray, " n"] | None = None,
) -> Pairs:
    """Pairs of which one, or its mirror image, resembles a part of the other or the whole of it, in the low frequencies.

    Each picture is compared with the parts of each other one: 10,500 n^2 products of numbers, a second for 1,000 pictures on two cores. Where `sides` are
    given, only pairs of pictures on different sides count.
    """
    n = len(thumbs)
    asked = np.concatenate([whole_waves(thumbs), whole_waves(thumbs[:, :, ::-1])])
    pairs = []
    for start, stop in blocks(n, size=_ROWS):
        parts = part_waves(thumbs[start:stop])
        scores = (parts.reshape(-1, parts.shape[-1]) @ asked.T).reshape(stop - start, -1, 2, n).max(axis=(1, 2))
        scores[np.arange(stop - start), np.arange(start, stop)] = -1
        if sides is not None:
            scores[sides[start:stop, None] == sides] = -1
        if n > most:
            kth = np.partition(scores, n - most, axis=1)[:, n - most]
            near = scores >= np.maximum(kth, least)[:, None]
        else:
            near = scores >= least
        rows, others = np.nonzero(near)
        pairs.append(np.stack([rows + start, others], axis=1))
    return distinct(pairs)


def distinct(pairs: list[np.ndarray]) -> Pairs:
    """Each pair once, the lower row first, in order; none of a row with itself.

    >>> distinct([np.array([[2, 1], [1, 2], [3, 3]])]).tolist()
    [[1, 2]]
    """
    some = np.sort(np.concatenate([np.empty((0, 2), np.int64), *pairs]).astype(np.int64), axis=1)
    found: Pairs = np.unique(some[some[:, 0] < some[:, 1]], axis=0)
    return found


def starts(
    thumbs: UInt8[np.ndarray, "n s s"], pairs: Pairs, *, tries: int = 1
) -> tuple[Int64[np.ndarray, "q 2"], Bool[np.ndarray, " q"], Float64[np.ndarray, "q 4"]]:
    """How the two of each pair may lie in each other: which one holds the other, first, whether the part is turned over, and where it lies.

    Of each pair the likeliest so many, q = p `tries`, one after another: of fine grains, or of a part that is nearly all, low frequencies do not tell for sure.
    """
    rows = np.unique(pairs)
    parts = part_waves(thumbs[rows])
    whole, mirrored = parts[:, 0], whole_waves(thumbs[rows][:, :, ::-1])
    at = np.searchsorted(rows, pairs)
    # Ways: the first holds the second, the second holds the first, both with the part turned over.
    ways = [(0, 1, whole), (1, 0, whole), (0, 1, mirrored), (1, 0, mirrored)]
    scores = np.concatenate(
        [np.einsum("pbf,pf->pb", parts[at[:, holder]], asked[at[:, held]]) for holder, held, asked in ways], axis=1
    )
    # What is as likely keeps its order, so that roundings, which depend on how many pairs there are, decide nothing.
    best = np.argsort(-scores.round(3), axis=1, kind="stable")[:, :tries].ravel()
    way, box = np.divmod(best, len(part_boxes()))
    pairs = np.repeat(pairs, tries, axis=0)
    turned = np.where((way % 2 == 1)[:, None], pairs[:, ::-1], pairs)
    return turned, way >= 2, part_boxes()[box]
