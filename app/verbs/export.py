"""A store's rows as files for other programs."""

from collections.abc import Sequence
from pathlib import Path

from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, opened, within_of
from cladescope.index.exporting import Exported, Format, export_store
from cladescope.paths import local_path


@checked
def export(
    store: AnyStore,
    out: str | Path,
    *,
    format: Format = "parquet",
    within: str | Sequence[str] | None = None,
    where: str | None = None,
) -> Exported:
    """Write rows of a store to the new folder `out`, each with its licence and attribution, and say what was written.

    `format` is `parquet` (one file with vectors), `csv` (without), `npy` (`vectors.npy` and a CSV, row by row the same), or
    `dwca` (a Darwin Core archive of occurrences and their pictures).
    `within` keeps a clade or the union of several, `where` rows under an SQL condition. The pictures are not copied.

    Raises InputError if `out` holds something, nothing meets the conditions, or these cannot be used.

    >>> import cladescope
    >>> cladescope.export("photos.store", "exported").rows
    24
    """
    return export_store(opened(store), local_path(out), format=format, within=within_of(within), where=where)
