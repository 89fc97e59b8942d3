"""What the jobs of all shards did, as one summary with their parts put together."""

import importlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from cladescope.app.verbs.shard_progress import Call
from cladescope.embedding.locations import canonical
from cladescope.embedding.stages import StageProfile, bottleneck_of, side_by_side
from cladescope.embedding.summary import EmbedSummary
from cladescope.index.backfill import FILLED_BY

TRIES = 3
"""How often a shard is begun anew whose process or machine is lost."""
REFUSED = "identity: image_id … is stored for another picture"
"""How a summary counts rows of the parts whose id the store has for another picture."""


def verb(name: str) -> Any:
    """A verb by name: `embed` starts the jobs that call it."""
    return getattr(importlib.import_module(f"cladescope.app.verbs.{name}"), name)


def put_together(call: Call, summaries: Sequence[EmbedSummary], began: float) -> EmbedSummary:
    """What the jobs of all shards did, as one summary; where none was stopped, with their parts put together."""
    total = EmbedSummary()
    for one in summaries:
        for field in fields(EmbedSummary):
            if field.name in ("stages", "bottleneck"):
                continue
            before, more = getattr(total, field.name), getattr(one, field.name)
            if field.name == "decode_cosine":
                total.decode_cosine = min((cosine for cosine in (before, more) if cosine is not None), default=None)
            elif isinstance(before, bool):
                setattr(total, field.name, before or more)
            elif isinstance(before, int | float | Counter):
                setattr(total, field.name, before + more)
            elif isinstance(before, dict):
                setattr(total, field.name, before | more)
            elif isinstance(before, tuple):
                setattr(total, field.name, tuple(dict.fromkeys((*before, *more))))
            elif isinstance(before, list):
                setattr(total, field.name, before + more)
            elif before is None:
                setattr(total, field.name, more)
    total.stages = side_by_side([(one.stages, one.seconds) for one in summaries])
    total.bottleneck = bottleneck_of(total.stages) if total.stages else None
    if not total.stopped:
        done = verb("commit")(call["store"])
        source = done.sources[canonical(call["source"])]
        _refused(total, source.refused)
        total.filled = source.filled
        of_parts = (note for note in total.notes if not note.endswith(FILLED_BY))
        total.notes = (*of_parts, *done.notes)
    total.seconds = time.monotonic() - began
    return total


def _refused(total: EmbedSummary, n: int) -> None:
    """Count rows that the parts have and the store refused, for it has their id for another picture."""
    embedded = min(n, total.embedded)
    total.embedded, total.already_stored = total.embedded - embedded, total.already_stored - (n - embedded)
    total.failed += n
    if n:
        total.failures_by_reason[REFUSED] += n


def summary_of(told: Mapping[str, Any]) -> EmbedSummary:
    """A summary from its plain values.

    >>> summary_of(EmbedSummary(embedded=3, names=Counter(author=2)).to_dict()).names
    Counter({'author': 2})
    """
    words = {"failures": "failures_by_reason"}
    found = {words.get(name, name): value for name, value in told.items()}
    summary = EmbedSummary()
    stages = found.pop("stages", {})
    summary.stages = tuple(StageProfile.from_dict(name, values) for name, values in stages.items())
    for field in fields(EmbedSummary):
        if field.name in found:
            before, value = getattr(summary, field.name), found[field.name]
            setattr(summary, field.name, value if before is None or value is None else type(before)(value))
    return summary
