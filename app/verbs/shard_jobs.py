"""Shards of a source embedded at once, by processes of this machine or by tasks of a Ray cluster, and then put together.

Each shard is a job of its own, which reads and decodes its pictures itself; killed or lost with its machine it is started again
and goes on where it was (`index.parts`). A call is sent as JSON, so that it runs the same here and elsewhere.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from cladescope.app.verbs.shard_tasks import TRIES, Call, on_ray, put_together, summary_of, verb
from cladescope.embedding.summary import EmbedSummary
from cladescope.errors import CladescopeError, InputError


def apart(call: Mapping[str, Any]) -> EmbedSummary:
    """Embed a source in shards, as `devices` or `executor` of the call say, and put them together.

    Raises InputError for a call that cannot be divided, CladescopeError where a shard could not be done.
    """
    given = dict(call)
    stop, devices = given.pop("stop"), given.pop("devices")
    executor, shards = given.pop("executor"), given.pop("shards")
    given.pop("progress")
    if given["shard"] is not None or given["retry_failed"] is not None:
        raise InputError("a shard, or what failed before, is one job: leave devices and executor out")
    if given["conflicts"] is not None:
        raise InputError("a file of conflicts is written by one job: leave it out, or devices and executor")
    if devices and executor == "ray":
        raise InputError("devices are of this machine, and Ray chooses its own: give one of devices and executor")
    if executor == "ray":
        return on_ray(sendable(given), shards)
    if shards is not None:
        raise InputError("each device has one shard: leave shards out")
    return on_devices(sendable(given), devices, stop)


def sendable(call: Mapping[str, Any]) -> Call:
    """Arguments that can be sent to another process. Raises InputError for a source, store or encoder that is an object."""
    plain = {name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in call.items()}
    try:
        return dict(json.loads(json.dumps(plain)))
    except TypeError as error:
        raise InputError(
            f"several processes are sent names, and found an object ({error}): name the source, the store and the encoder"
        ) from error


def on_devices(call: Call, devices: Sequence[str], stop: threading.Event | None) -> EmbedSummary:
    """One process a device, each over a shard; `devices` are numbers of GPUs, or `cpu`. Then the shards are put together.

    Raises InputError for what is no device, CladescopeError where a shard could not be done.
    """
    if wrong := [one for one in devices if one != "cpu" and not one.isdigit()]:
        raise InputError(f"found the device {wrong[0]!r}, expected numbers of GPUs, or cpu, as in 0,1")
    began, threads = time.monotonic(), max(1, (os.cpu_count() or 1) // len(devices))
    running: dict[int, tuple[subprocess.Popen[str], int]] = {}
    waiting = [(number, 1) for number in range(1, len(devices) + 1)]
    summaries: dict[int, EmbedSummary] = {}
    try:
        while waiting or running:
            while waiting:
                number, tries = waiting.pop()
                shard = call | {"shard": f"{number}/{len(devices)}"}
                running[number] = (_start(shard, devices[number - 1], threads), tries)
            for number, (process, tries) in list(running.items()):
                if stop is not None and stop.is_set():
                    process.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    out, err = process.communicate(timeout=0.2)
                    del running[number]
                    if process.returncode == 0:
                        summaries[number] = summary_of(json.loads(out))
                    elif process.returncode < 0 and tries < TRIES:
                        waiting.append((number, tries + 1))
                    else:
                        said = (err.strip().splitlines() or [f"its process ended with {process.returncode}"])[-1]
                        raise CladescopeError(f"shard {number}/{len(devices)} on {devices[number - 1]} failed: {said}")
    finally:
        for process, _ in running.values():
            process.terminate()
            process.communicate()
    return put_together(call, [summaries[number] for number in sorted(summaries)], began)


def _start(call: Call, device: str, threads: int) -> "subprocess.Popen[str]":
    gpu = {} if device == "cpu" else {"CUDA_VISIBLE_DEVICES": device}
    environment = {"OMP_NUM_THREADS": str(threads)} | os.environ | gpu
    call = call | {"device": "cpu" if device == "cpu" else "cuda"}
    process = subprocess.Popen(
        [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env=environment,
    )  # fmt: skip
    assert process.stdin is not None, "it is a pipe"
    process.stdin.write(json.dumps(call))
    process.stdin.close()
    process.stdin = None  # `communicate` would flush it
    return process


def _main() -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    call = json.load(sys.stdin)
    try:
        print(json.dumps(verb("embed")(**call, stop=stop).to_dict(), default=str))  # noqa: T201
    except CladescopeError as error:
        print(str(error), file=sys.stderr)  # noqa: T201
        sys.exit(1)


if __name__ == "__main__":
    _main()
