"""What is wrong with the pictures and their labels?"""

from collections.abc import Sequence
from pathlib import Path

from cladescope.analysis.audit.files import write_audit
from cladescope.analysis.audit.run import Audit, audit_store
from cladescope.app.verbs.given import AnyStore, opened, within_of
from cladescope.paths import local_path


def audit(
    store: AnyStore,
    *,
    split: str | None = None,
    against: AnyStore | None = None,
    rank: str = "species",
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    safe_csv: bool = False,
) -> Audit:
    """Find near-duplicates, leaks between splits, outliers and likely label errors among a store's pictures.

    `split` names a column between whose values leaks are sought, `against` a store whose pictures should not be here, `rank`
    the narrowest rank at which labels are doubted. `within` keeps a clade or a union of several, `where` the rows under a
    condition in SQL, `limit` so many of them, drawn with the `seed`. `out` is a folder for tables and
    contact sheets; with `safe_csv` no text in the tables is a formula to a spreadsheet.

    Returns a summary and four tables, each a list of rows, the gravest first.

    Raises InputError for a column, rank or condition that is none, too few pictures, or a folder that cannot be written;
    TaxonError for an unknown clade; StoreError where `against` holds vectors of another encoder.

    >>> import cladescope
    >>> found = cladescope.audit("photos.store", split="part")                              # doctest: +SKIP
    >>> found.summary["label_errors"], found.label_errors[0]["suggested"]                   # doctest: +SKIP
    """
    found = audit_store(
        opened(store), split=split, against=None if against is None else opened(against), rank=rank,
        within=within_of(within), where=where, limit=limit, seed=seed,
    )  # fmt: skip
    if out is not None:
        write_audit(found, local_path(out), safe_csv=safe_csv)
    return found
