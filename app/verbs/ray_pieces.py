"""Pieces of a curation as tasks of a Ray cluster: parts of a stage, shards."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from cladescope.app.verbs.ray_cluster import connected
from cladescope.app.verbs.shard_tasks import TRIES
from cladescope.errors import CladescopeError
from cladescope.steps import step

T = TypeVar("T")

TELL_SECONDS: Final = 1.0
"""How often it is looked whether the job is to stop."""


def spread_on_ray(work: Callable[[T], None], pieces: Sequence[T], words: str, *, on_gpu: bool) -> None:
    """Do each piece as a task of a processor, and of a GPU where `on_gpu` and there are any; a lost one is begun anew.

    Each piece leaves its files whole or not at all, so that those which are done stay where one fails. Sources and the folder of the job must be seen from
    every node at the same address.

    Raises InputError where Ray is not installed, what a piece raises, and CladescopeError where one was lost too often.
    """
    ray = connected()
    n_gpus = 1 if on_gpu and ray.cluster_resources().get("GPU", 0) else 0
    task = ray.remote(max_retries=TRIES, num_cpus=1, num_gpus=n_gpus)(_done)
    shared = ray.put(work)
    left = [task.remote(shared, piece) for piece in pieces]
    try:
        with step(words, len(pieces)) as tell:
            while left:
                ready, left = ray.wait(left, num_returns=1, timeout=TELL_SECONDS)
                ray.get(ready)
                tell(len(pieces) - len(left))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, CladescopeError):
            raise error.cause from error
        raise CladescopeError(f"a piece of work failed: {error.cause}") from error
    except ray.exceptions.RayError as error:
        raise CladescopeError(
            f"a piece of work was lost {TRIES + 1} times: {str(error).partition(chr(10))[0]}: run it again to go on"
        ) from error
    finally:
        for one in left:
            ray.cancel(one)


def _done(work: Callable[[Any], None], piece: Any) -> None:
    work(piece)
