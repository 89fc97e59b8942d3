"""Pictures that are there twice: in a folder as it is, or in a store."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from cladescope.analysis.duplicates.answer import Duplicates, find_duplicates, likeness_of
from cladescope.analysis.duplicates.candidates import Pairs, distinct
from cladescope.analysis.duplicates.looks import Told
from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, is_store, opened, within_of
from cladescope.app.verbs.meant import records_of
from cladescope.errors import InputError

NEIGHBOURS = 8
"""Nearest vectors of each picture of a store that are looked at."""


@checked
def duplicates(
    pictures: AnyStore | str | Path | Sequence[str | Path],
    *,
    near: str | float = "same",
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    progress: Told | None = None,
) -> Duplicates:
    """Find pictures that are there twice: the same file, or one photograph resized, saved anew, cropped, mirrored or recoloured.

    `pictures` is a folder, a store (its folder, or open), or several places with pictures. `near` says what counts: `copies` (the
    same bytes), `same` (one photograph, whatever was done to it), `alike` (also frames of one moment), or the least likeness, a number
    from 0.5 to 1. `within` and `where` select pictures of a store. `progress` is told how many were looked at.

    Of a store the nearest vectors are looked at too, so that crops are found among any number of pictures. What decides are the pixels, which are
    read again: pictures that are gone, damaged or on the web are counted in `unreadable`, and are in no pair.

    Raises InputError for a `near` that means nothing, for places without pictures, and for a selection among files; StoreError and
    TaxonError as `search`.

    >>> import cladescope
    >>> cladescope.duplicates("photos.store").summary["pairs"]
    0
    """
    likeness_of(near)
    if not is_store(pictures):
        if within is not None or where is not None:
            raise InputError(
                "within and where select pictures of a store, and these are files: leave them out, or embed the pictures"
            )
        return _among_files(pictures, near, progress)
    from cladescope.analysis.pictures import Pictures

    held = Pictures.of_store(opened(cast(AnyStore, pictures)), within=within_of(within), where=where)
    found = find_duplicates(held.texts("uri").to_pylist(), near=near, also=_near_vectors(held.vectors), told=progress)
    if held.n_left_out:
        found.notes.append(f"{held.n_left_out} pictures left out: their vectors have no direction (NaN or zero)")
    return found


def _among_files(pictures: object, near: str | float, progress: Told | None) -> Duplicates:
    """Of pictures that are in no store."""
    one = isinstance(pictures, str | os.PathLike)
    places = [cast(str | Path, pictures)] if one else list(cast(Sequence[str | Path], pictures))
    failures: list[str] = []
    uris = list(dict.fromkeys(record.uri for record in records_of(places, (), failures)))
    found = find_duplicates(uris, near=near, told=progress)
    found.notes.extend(failures)
    return found


def _near_vectors(vectors: np.ndarray) -> Pairs:
    """Pairs of each row with its nearest ones, however near they are."""
    from cladescope.index.neighbour_graph import nearest_others

    n = len(vectors)
    if n < 2:
        return np.empty((0, 2), np.int64)
    near = nearest_others(vectors, np.arange(n), min(NEIGHBOURS, n - 1))[1]
    rows = np.repeat(np.arange(n), near.shape[1])
    return distinct([np.stack([rows, near.ravel()], axis=1)[near.ravel() >= 0]])
