"""Shards as tasks of a Ray cluster, and what the jobs of all shards did, as one summary with their parts put together."""

import importlib
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from cladescope.embedding.locations import canonical
from cladescope.embedding.stages import StageProfile, bottleneck_of, side_by_side
from cladescope.embedding.summary import EmbedSummary
from cladescope.errors import CladescopeError, InputError
from cladescope.index.backfill import FILLED_BY
from cladescope.packages import not_installed

TRIES = 3
"""How often a shard is begun anew whose process or machine is lost."""
BUSY_SECONDS = 180.0
"""How long a shard waits for a lost one's hold on its part to end."""
REFUSED = "identity: image_id … is stored for another picture"
"""How a summary counts rows of the parts whose id the store has for another picture."""

Call = dict[str, Any]
"""Arguments of `cladescope.embed`."""


def verb(name: str) -> Any:
    """A verb by name: `embed` starts the jobs that call it."""
    return getattr(importlib.import_module(f"cladescope.app.verbs.{name}"), name)


def on_ray(call: Call, shards: int | None) -> EmbedSummary:
    """Shards as tasks of the Ray cluster at `RAY_ADDRESS`, or of one started here; then they are put together.

    The source and the store must be seen from every node at the same address. `shards` is by default four a GPU or two a processor of the
    cluster, so that little is lost with a node.

    Raises InputError where Ray is not installed, CladescopeError where a shard could not be done.
    """
    try:
        import ray
    except ImportError as error:
        raise InputError(not_installed("ray")) from error
    began = time.monotonic()
    if not ray.is_initialized():
        ray.init(address=os.environ.get("RAY_ADDRESS"), log_to_driver=False, include_dashboard=False)
    there = ray.cluster_resources()
    gpus, cpus = int(there.get("GPU", 0)), int(there.get("CPU", 1))
    total = shards or (4 * gpus if gpus else 2 * cpus)
    task = ray.remote(max_retries=TRIES, num_cpus=1, num_gpus=1 if gpus else 0)(run_patiently)
    if call["decode"] == "auto":
        call = call | {"decode": "threads"}  # tasks of a node share its cores, and do not know of each other
    waiting = [task.remote(call | {"shard": f"{number}/{total}"}) for number in range(1, total + 1)]
    try:
        done = ray.get(waiting)
    except ray.exceptions.RayTaskError as error:
        raise CladescopeError(f"a shard failed: {error.cause}") from error
    except ray.exceptions.RayError as error:
        raise CladescopeError(
            f"a shard was lost {TRIES + 1} times: {str(error).partition(chr(10))[0]}: run it again to go on"
        ) from error
    return put_together(call, [summary_of(told) for told in done], began)


def run_patiently(call: Call) -> dict[str, Any]:
    """Embed one shard; where its part is still held by a job that was lost, wait for that to end."""
    from cladescope.errors import InUseError

    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            done: dict[str, Any] = verb("embed")(**call).to_dict()
            return done
        except InUseError:
            if time.monotonic() > until:
                raise
            time.sleep(1.0)


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
