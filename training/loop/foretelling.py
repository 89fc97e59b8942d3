"""How long a run will take, by two of its own steps before the first: a word for whoever waits."""

import contextlib
import time
from collections.abc import Generator
from itertools import islice

import torch

from cladescope.training.data.loader import Batch
from cladescope.training.loop.run import Run
from cladescope.training.loop.step import backward

STEPS = 3
"""Steps that are tried; the first, in which kernels are made, does not count."""
FORWARD = 1 / 3
"""What encoding a picture takes of training with it."""


def foretold(run: Run, stream: Generator[Batch, None, None]) -> str:
    """What is still to do and about how long it takes, in words. The weights, their gradients and the random numbers stay as they are."""
    seconds, n = [], 0
    began = time.monotonic()
    with contextlib.closing(stream), torch.random.fork_rng(enabled=True):
        for batch in islice(stream, STEPS):
            backward(run, batch)
            run.optimiser.zero_grad(set_to_none=True)
            seconds.append(time.monotonic() - began)
            began, n = time.monotonic(), len(batch.rows)
    step = min(seconds[1:] or seconds)
    left = run.total_steps - run.progress.step
    encoded = 0
    if run.config.model.blend_shares:
        shares, parts = len(set(run.config.model.blend_shares)), run.split
        encoded = shares * (len(parts.train) + len(parts.held_out_images)) + 2 * (len(parts.train) + len(parts.tested))
    return f"{left} steps, and a test at the end: about {minutes(step * left + encoded * FORWARD * step / n)} on this machine"


def minutes(seconds: float) -> str:
    """A time as one says it.

    >>> minutes(4.2), minutes(100.0), minutes(12000.0)
    ('10 seconds', '2 minutes', '3.3 hours')
    """
    if seconds < 50:
        return f"{10 * max(1, round(seconds / 10))} seconds"
    if seconds < 5400:
        whole = max(1, round(seconds / 60))
        return f"{whole} minute{'s' * (whole > 1)}"
    return f"{seconds / 3600:.1f} hours"
