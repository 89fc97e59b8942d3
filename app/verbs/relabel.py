"""Corrected labels into a store."""

from datetime import UTC, datetime
from pathlib import Path

from cladescope.analysis.classify.decided import apply_decisions
from cladescope.analysis.classify.relabelling import Relabelled, relabel_store
from cladescope.analysis.decision_table import are_decisions
from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, opened
from cladescope.errors import InputError
from cladescope.paths import local_path


@checked
def relabel(store: AnyStore, labels: str | Path, *, clear: bool = False, dry_run: bool = False) -> Relabelled:
    """Put corrected labels into a store, without encoding anything, and return how many rows of the table did what.

    `labels` is a CSV, another delimited or a Parquet table with a column that names the pictures (`image_id`; or `uri`, `file` or `path`: an
    address or the end of one) and columns of labels: ranks, `common_name`, `licence`, `label` or others, which are added
    where the store lacks them. An empty cell leaves the label as it is; with `clear` it removes the label. A later `embed`
    keeps what was put right. It stands among the store's runs.

    A table with the columns `image_id` and `decision`, as `audit` writes it, says of each picture to keep its label, to fix it by a
    `new_label`, or to drop the picture from the store. A taxon that the store knows brings its ranks above. `dry_run` changes nothing and counts.

    Raises InputError if the table cannot be used, names a picture twice, or decides what cannot be, StoreError if the store cannot be written.

    >>> import cladescope
    >>> cladescope.relabel("photos.store", "corrected.csv").changed
    1
    """
    held, began, path = opened(store), datetime.now(UTC), local_path(labels)
    if path.is_dir():
        raise InputError(f"{path} is a folder, expected a table of labels or decisions: name the file")
    if are_decisions(path):
        if clear:
            raise InputError(
                "clear is for a table of labels: a table of decisions has a new label where one is to change"
            )
        found = apply_decisions(held, path, dry_run=dry_run)
    else:
        found = relabel_store(held, path, clear=clear, dry_run=dry_run)
    if not dry_run:
        told = {**found.to_dict(), "clear": clear}
        held.record_run(verb="relabel", source=str(labels), started=began, status="done", manifest=told)
    return found
