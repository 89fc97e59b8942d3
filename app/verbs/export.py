"""A store's rows as files for other programs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, opened, within_of
from cladescope.index.croissant import read_about
from cladescope.index.exporting import Exported, Format, export_store
from cladescope.paths import local_path


@checked
def export(
    store: AnyStore,
    out: str | Path,
    *,
    format: Format = "parquet",
    vectors: str | None = None,
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    safe_csv: bool = False,
    about: str | Path | Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write rows of a store to the new folder `out`, each with its licence and attribution, and say what was written.

    `format` is `parquet` (one file with vectors), `csv` (without), `npy` (`vectors.npy` and a CSV, row by row the same), or
    `dwca` (a Darwin Core archive of occurrences and their pictures).
    `vectors` names those of a further encoder, which are written as `vector`; others of the store are not.
    `croissant.json` beside a table describes it for machines (MLCommons Croissant); `about` is what to say there of the data set:
    a JSON file or a dict of properties such as name, creator, license, url and citeAs. A region's row names its picture and box.
    `within` keeps a clade or the union of several, `where` rows under an SQL condition. `safe_csv` writes an apostrophe before
    texts that a spreadsheet would run. `overwrite` replaces an earlier export. The pictures are not copied.

    Raises InputError if `out` holds something, nothing meets the conditions, or these cannot be used.

    >>> import cladescope
    >>> cladescope.export("photos.store", "exported").rows
    24
    """
    said = about if about is None or isinstance(about, Mapping) else read_about(local_path(about))
    return export_store(
        opened(store, vectors=vectors), local_path(out), format=format, within=within_of(within), where=where, safe_csv=safe_csv,
        about=said, overwrite=overwrite,
    )  # fmt: skip
