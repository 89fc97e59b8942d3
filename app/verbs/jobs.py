"""Recording a job that fills a store: a row in the store's `runs` with settings, counts and versions."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from cladescope.app.verbs.given import AnyStore, opened
from cladescope.embedding.labels import MISSING
from cladescope.embedding.pipeline import EmbedSummary
from cladescope.embedding.table_rules import TableRules, declared_types
from cladescope.paths import local_path
from cladescope.schema import STORED_COLUMNS, own_name

if TYPE_CHECKING:
    from cladescope.index.store import Store


def record(
    store: "Store",
    summary: EmbedSummary,
    *,
    verb: str,
    source: str,
    started: datetime,
    settings: Mapping[str, object] | None = None,
) -> None:
    """Note in the store what a job did, so that `info` tells of it."""
    about = {"settings": settings or {}, "encoder": store.card.to_dict(), "versions": versions()}
    store.record_run(
        verb=verb,
        source=source,
        started=started,
        status="stopped" if summary.stopped else "done",
        manifest={**summary.to_dict(), **about},
    )


def table_rules(store: AnyStore, types: Mapping[str, str] | None, missing: Sequence[str] | None) -> TableRules:
    """How tables are read that go into a store: declared types, those that its columns have, and words for what is missing.

    Raises InputError for a type that there is not.
    """
    declared = declared_types(",".join(f"{column}={name}" for column, name in (types or {}).items()))
    there = not isinstance(store, str | os.PathLike) or (local_path(store) / "store.json").exists()
    fields = [field for field in opened(store).schema if field.name not in STORED_COLUMNS] if there else []
    stored = {own_name(field.name): field.type for field in fields}
    words = MISSING if missing is None else frozenset(word.strip().lower() for word in missing)
    return TableRules(types=declared, stored=stored, missing=words)


def versions() -> dict[str, str]:
    """Versions of what shapes a vector."""
    return {
        name: version(name) for name in ("cladescope", "torch", "open_clip_torch", "timm", "pillow", "numpy", "lancedb")
    }
