"""Importing vectors computed by other software into a store."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cladescope.app.verbs import jobs
from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.backboned import NamingJob
from cladescope.app.verbs.given import AnyStore, is_there, opened
from cladescope.embedding.encoder import UNKNOWN_ENCODER, EncoderCard
from cladescope.embedding.pipeline import EmbedSummary, Progress
from cladescope.errors import InputError
from cladescope.index import importing
from cladescope.index.store import Store
from cladescope.paths import local_path


@checked
def import_vectors(
    vectors: str | Path,
    store: AnyStore,
    *,
    encoder: str | None = None,
    metadata: str | Path | None = None,
    column: str | None = None,
    backbone: str | Path | None = None,
    change_backbone: bool = False,
    conflicts: str | Path | None = None,
    types: Mapping[str, str] | None = None,
    missing: Sequence[str] | None = None,
    strict: bool = False,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> EmbedSummary:
    """Fill a store with vectors computed by other software, scaled to unit length.

    `vectors` is a Parquet table with a column of vectors (`column`, if it has several) and any of ranks, ids and paths,
    or a .npy array of shape (n, d) with a table of n rows, `metadata`. `encoder` names the encoder that made the vectors, or
    is `unknown`; an existing store already has one. `backbone`, `change_backbone`, `conflicts`, `types`, `missing`, `strict`, `progress` and `stop` are as for
    `embed`.

    Returns the counts; a row without a usable vector is listed in the store's `failures`.

    Raises InputError for files that cannot be used or a missing encoder name, StoreError if the store holds
    another encoder's vectors or cannot be written.

    >>> import cladescope
    >>> cladescope.import_vectors("emb.parquet", "found.store", encoder="hf-hub:imageomics/bioclip-2").embedded
    4
    """
    there = isinstance(store, Store) or is_there(store)
    if encoder is None and not there:
        raise InputError(
            f"name the encoder that made the vectors, such as 'hf-hub:imageomics/bioclip-2', or {UNKNOWN_ENCODER!r}"
        )
    source = importing.open_vectors(
        local_path(vectors),
        metadata=None if metadata is None else local_path(metadata),
        column=column,
        rules=jobs.table_rules(store, types, missing),
    )
    naming = NamingJob(backbone, conflicts, change=change_backbone)
    name = encoder or opened(store).card.name
    card = EncoderCard(name=name, dim=source.dim, weight_hash=None, transform=None, has_text=False)
    sink = store if isinstance(store, Store) else Store.open_or_create(store, card)
    sink.check(card)
    naming.check(sink)
    settings = {
        "metadata": metadata,
        "column": column,
        "backbone": naming.settings,
        "types": dict(types or {}),
        "missing": missing,
        "strict": strict,
    }
    with jobs.Run(sink, verb="import", source=str(vectors), settings=settings).recorded() as run:
        summary = importing.import_vectors(
            source, sink, labels=naming.labels, strict=strict, progress=run.watching(progress), stop=stop
        )
        run.summary = summary
        naming.finish(summary)
        run.settings["backbone"] = naming.settings
    return summary
