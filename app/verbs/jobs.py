"""How a job that fills a store is kept: a line in the store's `runs` with its settings, counts and versions."""

from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

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
        manifest={**describe(summary), **about},
    )


def describe(summary: EmbedSummary) -> dict[str, Any]:
    """A summary as plain values for JSON."""
    rate = summary.embedded / summary.seconds if summary.seconds else 0.0
    return {
        "records": summary.records,
        "embedded": summary.embedded,
        "reused": summary.reused,
        "respelt": summary.respelt,
        "renamed": summary.renamed,
        "already_stored": summary.already_stored,
        "failed": summary.failed,
        "failures": dict(summary.failures_by_reason.most_common()),
        "seconds": round(summary.seconds, 3),
        "encode_seconds": round(summary.encode_seconds, 3),
        "pictures_per_second": round(rate, 1),
    }


def versions() -> dict[str, str]:
    """Versions of what shapes a vector."""
    return {
        name: version(name) for name in ("cladescope", "torch", "open_clip_torch", "timm", "pillow", "numpy", "lancedb")
    }
