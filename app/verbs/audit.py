"""Auditing a store: which pictures or labels may be wrong."""

from collections.abc import Sequence
from pathlib import Path

from cladescope.analysis.audit.files import FILES, write_audit
from cladescope.analysis.audit.run import Audit, audit_store
from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, opened, within_of
from cladescope.outputs import check_out_folder
from cladescope.paths import local_path


@checked
def audit(
    store: AnyStore,
    *,
    split: str | None = None,
    vectors: str | None = None,
    against: AnyStore | None = None,
    rank: str = "species",
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    limit: int | None = None,
    only: Sequence[str] | None = None,
    threshold: float | None = None,
    lof: float | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    safe_csv: bool = False,
    overwrite: bool = False,
) -> Audit:
    """Find near-duplicates, leaks between splits, outliers and likely label errors among a store's pictures.

    `split` names a column, such as train and test, between whose values leaks are sought; `vectors` names those of a further encoder of the store (`info` lists them). `against` is a store whose pictures
    should not be here; `rank` is the narrowest rank at which labels are checked, or `label` for the names of folders alone, which are also looked at where few pictures have a taxon. `within` keeps a clade or the union of
    several, `where` the rows that meet an SQL condition, `limit` a random sample of that size, drawn with `seed`. `only` names
    the tables that are wanted: `["duplicates"]` alone takes a store of millions. `threshold` is the cosine from which pictures
    are near-duplicates; else their pixels decide, as in `cladescope.duplicates`, and a cosine from 0.998 where a picture cannot be read. `lof` is a share of the pictures, such as 0.01: at most so many, those of the largest local outlier factor among all, are outliers too. `out` is a folder for tables and contact sheets; with `safe_csv` a spreadsheet reads no text in the tables as a formula, with
    `overwrite` an earlier audit there is replaced.

    Returns a summary and four tables, each a list of rows, the most serious first.

    Raises InputError for an unknown column, rank or table, a threshold that is no cosine, a `lof` that is no share, an invalid condition, too few pictures, or a folder that cannot be
    written; TaxonError for an unknown clade; StoreError if `against` holds vectors of another encoder.

    >>> import cladescope
    >>> found = cladescope.audit("photos.store")
    >>> found.summary["pictures"], found.summary["duplicate_groups"], len(found.label_errors)
    (24, 0, 5)
    """
    folder = None if out is None else local_path(out)
    if folder is not None:
        check_out_folder(folder, what="audit", names=FILES, overwrite=overwrite)
    found = audit_store(
        opened(store, vectors=vectors), split=split, against=None if against is None else opened(against), rank=rank,
        within=within_of(within), where=where, limit=limit, only=only, threshold=threshold, lof=lof, seed=seed,
    )  # fmt: skip
    if folder is not None:
        write_audit(found, folder, safe_csv=safe_csv, store=str(getattr(store, "path", store)))
    return found
