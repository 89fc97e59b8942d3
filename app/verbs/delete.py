"""Rows out of a store."""

from collections.abc import Sequence

from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, opened, within_of
from cladescope.errors import InputError


@checked
def delete(
    store: AnyStore,
    *,
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    image_ids: str | Sequence[str] = (),
    missing: bool = False,
    dry_run: bool = False,
) -> int:
    """Delete the rows of a store that meet every condition given, and return how many they were; `dry_run` only counts them.

    `within` is a clade or the union of several, `where` an SQL condition, `image_ids` names pictures, `missing` means those
    whose file is not there or which their source no longer lists. The pictures themselves are not touched: `embed` of a
    source that still lists them brings them back. The delete stands among the store's runs.

    Raises InputError if nothing is given, an id is not in the store or a condition cannot be used, TaxonError for an unknown clade, StoreError if the
    store cannot be written.

    >>> import cladescope
    >>> cladescope.delete("photos.store", missing=True, dry_run=True)
    0
    """
    ids = [image_ids] if isinstance(image_ids, str) else list(image_ids)
    held = opened(store)
    if unknown := sorted(set(ids) - set(held.rows_by_id(ids, []) if ids else ())):
        raise InputError(
            f"{len(unknown):,} of {len(ids):,} ids are not in {held.path}, such as {unknown[0]!r}: leave them out"
        )
    return held.delete(within=within_of(within), where=where, image_ids=ids or None, missing=missing, dry_run=dry_run)
