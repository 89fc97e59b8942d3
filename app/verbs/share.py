"""A store's map, tree and grid as a folder that any web server sends: nothing in it can be changed, and no service runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, opened, within_of
from cladescope.errors import InputError, UsageError
from cladescope.outputs import check_new_folder
from cladescope.paths import local_path
from cladescope.shown import counted

SIDES = (128, 256, 512)
"""Sides of small pictures that can be asked for, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What was written."""

    folder: Path
    pictures: int
    thumbnails: int
    missing: dict[str, int]
    """Pictures without a small one, by reason."""
    files: int
    n_bytes: int
    thumbnail_bytes: int
    without_licence: int
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain values that JSON knows."""
        return {**vars(self), "folder": str(self.folder), "notes": list(self.notes)}


@checked
def share(
    store: AnyStore,
    out: str | Path,
    *,
    side: int = 256,
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    vectors: str | None = None,
    overwrite: bool = False,
) -> Shared:
    """Write the new folder `out`: a page with the store's map, tree of life and grid, its data and small pictures, for any web server.

    Small pictures are `side` pixels long, 128, 256 or 512. `within` keeps a clade or the union of several, `where` rows under an SQL condition; they stand
    where the map of the whole store has them. `vectors` names those of a further encoder. The map and the small pictures are kept in the store's folder,
    as `explore` keeps them, so that a second call, or one after an interruption, does not make them again. `overwrite` replaces an earlier folder.
    No folder of this machine is told: of a picture the web address, or its file's name. The pictures themselves are not copied.

    Raises InputError if `out` holds something, nothing meets the conditions, or these cannot be used; StoreError where the store cannot be read.

    >>> import cladescope
    >>> cladescope.share("photos.store", "shared").pictures
    24
    """
    from cladescope.analysis.maps.page_folder import FILES, write_page_folder
    from cladescope.app.service.sharing import page_of
    from cladescope.files import replacing

    if side not in SIDES:
        raise UsageError(f"side is {side}: expected one of {', '.join(map(str, SIDES))} pixels")
    folder = local_path(out)
    check_new_folder(folder, what="shared page", names=FILES, overwrite=overwrite)
    page, picture = page_of(opened(store, vectors=vectors), within=within_of(within), where=where, side=side)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replacing(folder, over=overwrite) as draft:
            written = write_page_folder(
                page, draft, title=f"{page.name}: {counted(len(page), 'picture')}", picture=picture
            )
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}: choose another folder") from error
    small = written.page.small
    return Shared(
        folder=folder, pictures=len(page), thumbnails=len(small.sizes), missing=dict(small.missing), files=written.files,
        n_bytes=written.n_bytes, thumbnail_bytes=written.picture_bytes, without_licence=page.without_licence, notes=page.notes,
    )  # fmt: skip
