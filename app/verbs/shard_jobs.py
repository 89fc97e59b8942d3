"""Shards of a source embedded at once, by processes of this machine or by tasks of a Ray cluster, and then put together.

Each shard is a job of its own, which reads and decodes its pictures itself; killed or lost with its machine it is started again
and goes on where it was (`index.parts`). A call is sent as JSON, so that it runs the same here and elsewhere.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cladescope.app.verbs.ray_shards import on_ray
from cladescope.app.verbs.shard_process import IN_USE, ShardProcess
from cladescope.app.verbs.shard_progress import Call, ShardsProgress
from cladescope.app.verbs.shard_tasks import TRIES, put_together
from cladescope.embedding.encode import WORKERS
from cladescope.embedding.summary import EmbedSummary, Progress
from cladescope.errors import CladescopeError, InUseError, UsageError

LOOK_SECONDS = 0.1
"""How often the processes are looked at."""


def apart(call: Mapping[str, Any]) -> EmbedSummary:
    """Embed a source in shards, as `devices` or `executor` of the call say, and put them together.

    Raises UsageError for a call that cannot be divided, CladescopeError where a shard could not be done.
    """
    given = dict(call)
    stop, devices = given.pop("stop"), given.pop("devices")
    executor, shards = given.pop("executor"), given.pop("shards")
    progress = given.pop("progress")
    if given["shard"] is not None or given["retry_failed"] is not None:
        raise UsageError("a shard, or what failed before, is one job: leave devices and executor out")
    if given["tuning"] == "again":
        raise UsageError(
            "jobs that share the cores of a machine cannot measure them: leave tuning out, or devices and executor"
        )
    given["tuning"] = "none"
    if given["conflicts"] is not None:
        raise UsageError("a file of conflicts is written by one job: leave it out, or devices and executor")
    if devices and executor == "ray":
        raise UsageError("devices are of this machine, and Ray chooses its own: give one of devices and executor")
    if executor == "ray":
        return on_ray(sendable(given), shards, progress, stop)
    if shards is not None:
        raise UsageError("each device has one shard: leave shards out")
    return on_devices(sendable(given), devices, progress, stop)


def sendable(call: Mapping[str, Any]) -> Call:
    """Arguments that can be sent to another process. Raises UsageError for a source, store or encoder that is an object."""
    plain = {name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in call.items()}
    try:
        return dict(json.loads(json.dumps(plain)))
    except TypeError as error:
        raise UsageError(
            f"several processes are sent names, and found an object ({error}): name the source, the store and the encoder"
        ) from error


def on_devices(
    call: Call, devices: Sequence[str], progress: Callable[[Progress], None] | None, stop: threading.Event | None
) -> EmbedSummary:
    """One process a device, each over a shard; `devices` are numbers of GPUs, or `cpu`. Then the shards are put together.

    Each decodes as many pictures at a time as its share of the cores, where the call has the default.

    Raises UsageError for what is no device, InUseError where another job holds a part, CladescopeError where a shard could not be done.
    """
    if wrong := [one for one in devices if one != "cpu" and not (one.isascii() and one.isdigit())]:
        raise UsageError(f"found the device {wrong[0]!r}, expected numbers of GPUs, or cpu, as in 0,1")
    began, threads = time.monotonic(), max(1, (os.cpu_count() or 1) // len(devices))
    if call["workers"] == WORKERS:
        call = call | {"workers": threads}
    running: dict[int, ShardProcess] = {}
    waiting = [(number, 1) for number in range(1, len(devices) + 1)]
    summaries: dict[int, EmbedSummary] = {}
    state = ShardsProgress(call)
    try:
        while waiting or running:
            for number, tries in waiting:
                shard = call | {"shard": f"{number}/{len(devices)}"}
                running[number] = ShardProcess(shard, devices[number - 1], threads, tries)
            waiting = []
            time.sleep(LOOK_SECONDS)
            stopping = stop is not None and stop.is_set()
            for number, one in list(running.items()):
                if stopping:
                    one.stop()
                if one.state is not None:
                    state.note(number, one.state)
                if one.status is None:
                    continue
                del running[number]
                said = one.said
                one.end(at_once=False)
                if (done := one.summary) is not None:
                    summaries[number] = done
                    state.ended(number, done)
                elif stopping:
                    summaries[number] = EmbedSummary(stopped=True)
                elif one.status < 0 and one.tries < TRIES:
                    waiting.append((number, one.tries + 1))
                else:
                    what = f"shard {number}/{len(devices)} on {devices[number - 1]} failed: {said}"
                    raise InUseError(what) if one.status == IN_USE else CladescopeError(what)
            if progress is not None and (so_far := state.together()) is not None:
                progress(so_far)
    except BaseException:
        for one in running.values():
            one.stop()  # they commit what is encoded
        raise
    finally:
        for one in running.values():
            one.end(at_once=sys.exc_info()[0] is KeyboardInterrupt)
    return put_together(call, [summaries[number] for number in sorted(summaries)], began)
