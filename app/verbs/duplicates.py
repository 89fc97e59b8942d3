"""Pictures that are there twice: in a folder as it is, or in a store."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import cast

from cladescope.analysis.audit.pair_files import draw_pairs, write_list
from cladescope.analysis.duplicates.answer import Duplicates, find_duplicates, likeness_of
from cladescope.analysis.duplicates.looks import Told
from cladescope.analysis.sort_pictures import check_sort_folder, sort_pictures
from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, is_store, opened, within_of
from cladescope.app.verbs.meant import opened_places, records_of
from cladescope.errors import InputError
from cladescope.outputs import check_out_file
from cladescope.paths import local_path
from cladescope.shown import counted


@checked
def duplicates(
    pictures: AnyStore | str | Path | Sequence[str | Path],
    *,
    near: str | float = "same",
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    list_to: str | Path | None = None,
    sheet: str | Path | None = None,
    move_to: str | Path | None = None,
    safe_csv: bool = False,
    overwrite: bool = False,
    progress: Told | None = None,
) -> Duplicates:
    """Find pictures that are there twice: the same file, or one photograph resized, saved anew, cropped, mirrored or recoloured.

    `pictures` is a folder, a store (its folder, or open), or several places with pictures. `near` says what counts: `copies` (the
    same bytes), `same` (one photograph, whatever was done to it), `alike` (also frames of one moment), or the least likeness, a number
    from 0.5 to 1. `within` and `where` select pictures of a store. `list_to` is a CSV file for all pairs, with `safe_csv` one in which a spreadsheet
    reads no text as a formula, `sheet` a picture file on which the pairs stand side by side; with `overwrite` earlier ones are replaced. `move_to` is a folder
    that all pictures but the one to keep of each group are moved to, each into a folder named after that one; nothing is deleted, and
    `cladescope.undo` turns it back. `progress` is told how many were looked at.

    Of a store the nearest vectors are looked at too, so that crops are found among any number of pictures. What decides are the pixels, which are
    read again: pictures that are gone, damaged or on the web are counted in `unreadable`, and are in no pair.

    Raises InputError for a `near` that means nothing, for places without pictures, and for a selection among files; StoreError and
    TaxonError as `search`.

    >>> import cladescope
    >>> cladescope.duplicates("photos.store").summary["pairs"]
    0
    """
    likeness_of(near)
    listed, drawn, folder = (None if path is None else local_path(path) for path in (list_to, sheet, move_to))
    for path in (listed, drawn):
        if path is not None:
            check_out_file(path, overwrite=overwrite)
    if folder is not None:
        check_sort_folder(folder)
    found = _found(pictures, near, within, where, progress)
    if listed is not None:
        write_list(found.pairs, listed, safe_csv=safe_csv)
    if drawn is not None and found.pairs:
        draw_pairs(found.pairs, drawn)
    if folder is None:
        return found
    names = [(pair.other.uri, f"copies of {PurePath(pair.keep.uri).name}") for pair in found.pairs]
    return replace(found, moved=sort_pictures(names, folder, by="move", made_by={"near": f"{found.least:g}"}))


def _found(
    pictures: AnyStore | str | Path | Sequence[str | Path], near: str | float, within: str | Sequence[str] | None,
    where: str | None, progress: Told | None,
) -> Duplicates:  # fmt: skip
    if not is_store(pictures):
        if within is not None or where is not None:
            raise InputError(
                "within and where select pictures of a store, and these are files: leave them out, or embed the pictures"
            )
        return _among_files(pictures, near, progress)
    from cladescope.analysis.audit.near_pairs import addresses, near_vectors
    from cladescope.analysis.pictures import Pictures

    held = Pictures.of_store(opened(cast(AnyStore, pictures)), within=within_of(within), where=where)
    found = find_duplicates(addresses(held), near=near, also=near_vectors(held.vectors), told=progress)
    if held.n_left_out:
        found.notes.append(
            f"{counted(held.n_left_out, 'picture')} left out: their vectors have no direction (NaN or zero)"
        )
    return found


def _among_files(pictures: object, near: str | float, progress: Told | None) -> Duplicates:
    """Of pictures that are in no store."""
    one = isinstance(pictures, str | os.PathLike)
    places = [cast(str | Path, pictures)] if one else list(cast(Sequence[str | Path], pictures))
    failures: list[str] = []
    uris = list(dict.fromkeys(record.uri for record in records_of(opened_places(places, ()), failures)))
    found = find_duplicates(uris, near=near, told=progress)
    found.notes.extend(failures)
    return found
