"""How a job that fills a store ends on the command line: its manifest is kept, its summary is printed."""

from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import typer

from cladescope.app.cli.output import print_json, print_line, print_table, say
from cladescope.embedding.pipeline import EmbedSummary

if TYPE_CHECKING:
    from cladescope.index.store import Store

SHOWN_REASONS = 10


def conclude(
    summary: EmbedSummary,
    store: "Store",
    *,
    verb: str,
    source: str,
    started: datetime,
    settings: Mapping[str, object],
    json: bool,
) -> None:
    """Record the job in the store, print what it did, and exit with 1 if it was stopped or nothing came of it."""
    document = describe(summary)
    store.record_run(
        verb=verb,
        source=source,
        started=started,
        status="stopped" if summary.stopped else "done",
        manifest={**document, "settings": settings, "encoder": store.card.to_dict(), "versions": versions()},
    )
    if json:
        print_json({"store": str(store.path), "encoder": store.card.name, "source": source, **document})
    else:
        show(summary, str(store.path), done="imported" if verb == "import" else "embedded")
    if summary.stopped:
        say(f"stopped after {summary.records:,} records, nothing is lost: run the same command to go on")
        raise typer.Exit(1)
    if summary.failed and not summary.embedded and not summary.already_stored:
        say(f"error: none of {summary.records:,} records could be used: see `cladescope info {store.path} --failures`")
        raise typer.Exit(1)


def describe(summary: EmbedSummary) -> dict[str, Any]:
    """A summary as plain values for JSON."""
    rate = summary.embedded / summary.seconds if summary.seconds else 0.0
    return {
        "records": summary.records,
        "embedded": summary.embedded,
        "reused": summary.reused,
        "respelt": summary.respelt,
        "already_stored": summary.already_stored,
        "failed": summary.failed,
        "failures": dict(summary.failures_by_reason.most_common()),
        "seconds": round(summary.seconds, 3),
        "encode_seconds": round(summary.encode_seconds, 3),
        "pictures_per_second": round(rate, 1),
    }


def show(summary: EmbedSummary, store: str, *, done: str) -> None:
    """A summary as a table for people; `done` says what became of a picture."""
    counts = describe(summary)
    reasons = list(counts["failures"].items())
    others = reasons[SHOWN_REASONS:]
    rows = [
        ("records of the source", counts["records"]),
        (done, counts["embedded"]),
        *([("  of these, content known", counts["reused"])] if counts["reused"] else []),
        *([("  of these, a name respelt", counts["respelt"])] if counts["respelt"] else []),
        ("already stored", counts["already_stored"]),
        ("failed", counts["failed"]),
        *((f"  {reason}", n) for reason, n in reasons[:SHOWN_REASONS]),
        *([("  other reasons", sum(n for _, n in others))] if others else []),
    ]
    print_table(["", "pictures"], rows)
    print_line(f"{counts['seconds']:.1f} s, {counts['pictures_per_second']:.0f} pictures a second, store: {store}")
    if summary.failed:
        say(f"each failure with its reason: cladescope info {store} --failures")


def versions() -> dict[str, str]:
    """Versions of what shapes a vector, for a run's manifest."""
    return {
        name: version(name) for name in ("cladescope", "torch", "open_clip_torch", "timm", "pillow", "numpy", "lancedb")
    }
