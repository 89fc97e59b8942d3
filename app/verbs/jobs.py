"""Recording a job that fills a store: a row in the store's `runs` with settings, counts and versions."""

from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from cladescope.embedding.pipeline import EmbedSummary

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


def versions() -> dict[str, str]:
    """Versions of what shapes a vector."""
    return {
        name: version(name) for name in ("cladescope", "torch", "open_clip_torch", "timm", "pillow", "numpy", "lancedb")
    }
