"""Corrected labels into a store."""

from datetime import UTC, datetime
from pathlib import Path

from cladescope.analysis.classify.relabelling import Relabelled, relabel_store
from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, opened
from cladescope.paths import local_path


@checked
def relabel(store: AnyStore, labels: str | Path, *, clear: bool = False) -> Relabelled:
    """Put corrected labels into a store, without encoding anything, and return how many rows of the table did what.

    `labels` is a CSV, another delimited or a Parquet table with a column that names the pictures (`image_id`; or `uri`, `file` or `path`: an
    address or the end of one) and columns of labels: ranks, `common_name`, `licence`, `label` or others, which are added
    where the store lacks them. An empty cell leaves the label as it is; with `clear` it removes the label. A later `embed`
    keeps what was put right. It stands among the store's runs.

    Raises InputError if the table cannot be used or names a picture twice, StoreError if the store cannot be written.

    >>> import cladescope
    >>> cladescope.relabel("photos.store", "corrected.csv").changed
    1
    """
    held, began = opened(store), datetime.now(UTC)
    found = relabel_store(held, local_path(labels), clear=clear)
    held.record_run(
        verb="relabel", source=str(labels), started=began, status="done", manifest={**found.to_dict(), "clear": clear}
    )
    return found
