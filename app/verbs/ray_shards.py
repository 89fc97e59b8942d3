"""Shards as tasks of a Ray cluster, which are watched and stopped as any job is."""

import contextlib
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

from cladescope.app.verbs.ray_cluster import connected
from cladescope.app.verbs.ray_task import ANSWER_SECONDS, TELL_SECONDS, Board, run_patiently
from cladescope.app.verbs.shard_progress import Call, ShardsProgress
from cladescope.app.verbs.shard_tasks import TRIES, put_together, summary_of
from cladescope.embedding.summary import EmbedSummary, Progress
from cladescope.errors import CladescopeError, InUseError

BUSY_SECONDS = 180.0
"""How long a shard waits for a lost one's hold on its part to end."""
END_SECONDS = 60.0
"""How long the tasks have to commit what is encoded, once one of them has failed."""


def on_ray(
    call: Call, shards: int | None, progress: Callable[[Progress], None] | None, stop: threading.Event | None
) -> EmbedSummary:
    """Shards as tasks of the Ray cluster at `RAY_ADDRESS`, or of one started here; then they are put together.

    The source and the store must be seen from every node at the same address. `shards` is by default four a GPU or two a processor of the
    cluster, so that little is lost with a node.

    Raises InputError where Ray is not installed, InUseError where another job holds a part, CladescopeError where a shard could not be done.
    """
    ray = connected()
    began = time.monotonic()
    there = ray.cluster_resources()
    gpus, cpus = int(there.get("GPU", 0)), int(there.get("CPU", 1))
    total = shards or (4 * gpus if gpus else 2 * cpus)
    # It needs no processor of its own, for all may be taken by shards.
    board = ray.remote(num_cpus=0, max_restarts=-1)(Board).remote()
    task = ray.remote(max_retries=TRIES, num_cpus=1, num_gpus=1 if gpus else 0)(run_patiently)
    if call["decode"] == "auto":
        call = call | {"decode": "threads"}  # tasks of a node share its cores, and do not know of each other
    calls = {number: call | {"shard": f"{number}/{total}"} for number in range(1, total + 1)}
    tasks = {task.remote(number, one, board, BUSY_SECONDS): number for number, one in calls.items()}
    state, left, done = ShardsProgress(call), dict(tasks), {}
    try:
        while left:
            ready, _ = ray.wait(list(left), num_returns=1, timeout=TELL_SECONDS)
            if stop is not None and stop.is_set():
                board.stop.remote()
            with contextlib.suppress(ray.exceptions.RayError):
                for number, told in ray.get(board.states.remote(), timeout=ANSWER_SECONDS).items():
                    if number not in done:
                        state.note(number, Progress(**told))
            for one in ready:
                number = left.pop(one)
                done[number] = summary_of(ray.get(one))
                state.ended(number, done[number])
            if progress is not None and (so_far := state.together()) is not None:
                progress(so_far)
    except ray.exceptions.RayTaskError as error:
        _end(board, left)
        what = f"a shard failed: {error.cause}"
        raise InUseError(what) if isinstance(error.cause, InUseError) else CladescopeError(what) from error
    except ray.exceptions.RayError as error:
        _end(board, left)
        raise CladescopeError(
            f"a shard was lost {TRIES + 1} times: {str(error).partition(chr(10))[0]}: run it again to go on"
        ) from error
    return put_together(call, [done[number] for number in sorted(done)], began)


def _end(board: Any, left: Collection[Any]) -> None:
    """Have the tasks that are left commit what is encoded."""
    import ray

    if left:
        board.stop.remote()
        ray.wait(list(left), num_returns=len(left), timeout=END_SECONDS)
