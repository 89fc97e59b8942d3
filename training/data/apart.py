"""Proof that training and a part held out of it share nothing: no taxon, picture, file, observation or content."""

import hashlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Int

from cladescope.arrays import blocks
from cladescope.errors import InputError, PictureError
from cladescope.training.data.examples import Examples

_SHOWN = 3
_BLOCK_ROWS = 4096
_WORDS = {
    "taxon": "taxa",
    "image_id": "image ids",
    "uri": "picture files",
    "group": "observations",
    "content": "pictures' contents",
}


def check_apart(
    train: Examples, evaluated: Examples, *, by: Iterable[str] = ("taxon", "image_id", "uri", "group")
) -> None:
    """Raise InputError if anything of the examples to evaluate on is trained on.

    `by` says what is compared: "taxon" (the full path; leave it out where pictures are held out of classes that are
    trained on), "image_id", "uri", "group" (the observation) and "content", for which every picture is read.
    """
    for kind in by:
        if kind not in _WORDS:
            raise InputError(f"found {kind!r} to compare by: expected some of {', '.join(_WORDS)}")
        _check_values_apart(kind, column(train, kind), column(evaluated, kind))


def check_rows_apart(
    columns: Mapping[str, Sequence[Hashable]],
    train: Int[np.ndarray, " t"],
    evaluated: Int[np.ndarray, " e"],
    *,
    codes: Mapping[str, Int[np.ndarray, " n"]],
) -> None:
    """As `check_apart`, for rows of the same examples, whose values are in `columns`, by kind, and as numbers in `codes` (-1 for none)."""
    for kind, values in columns.items():
        shared = np.intersect1d(codes[kind][train], codes[kind][evaluated])
        if (shared >= 0).any():
            rows = evaluated[np.isin(codes[kind][evaluated], shared[shared >= 0])]
            _check_values_apart(kind, [values[row] for row in rows], [values[row] for row in rows])


def content_hashes(examples: Examples, *, workers: int = 4) -> list[str | None]:
    """BLAKE2b of each encoded picture, 32 hexadecimal digits as in a store; None where it cannot be read.

    Reads every picture once, in as many threads as `workers`.
    """

    def one(row: int) -> str | None:
        try:
            return hashlib.blake2b(examples.read(row), digest_size=16).hexdigest()
        except PictureError:
            return None

    hashes: list[str | None] = []
    with ThreadPoolExecutor(workers) as pool:
        for start, stop in blocks(len(examples), size=_BLOCK_ROWS):
            hashes.extend(pool.map(one, range(start, stop)))
    return hashes


def column(examples: Examples, kind: str) -> Sequence[Hashable]:
    """What is compared of each example."""
    match kind:
        case "taxon":
            return examples.taxa
        case "image_id":
            return examples.image_ids
        case "uri":
            return examples.parents
        case "group":
            return examples.groups
        case _:
            return content_hashes(examples)


def _check_values_apart(kind: str, train: Iterable[Hashable], evaluated: Iterable[Hashable]) -> None:
    shared = (set(train) & set(evaluated)) - {None}
    if shared:
        shown = ", ".join(sorted(map(str, shared))[:_SHOWN])
        raise InputError(
            f"training shares {len(shared)} {_WORDS[kind]} with a held-out part ({shown}): take them out of training"
        )
