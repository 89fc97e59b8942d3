"""The order in which an epoch goes through the examples, and how far it evens out the long tail of classes.

Positions of examples only; nothing here knows a taxon or reads a picture.
"""

import numpy as np
from jaxtyping import Float, Int

from cladescope.errors import InputError


def epoch_order(
    classes: Int[np.ndarray, " n"], *, seed: int, epoch: int, balance: float = 0.0, n_samples: int | None = None
) -> Int[np.ndarray, " m"]:
    """Which example comes at each position of an epoch; m is `n_samples`, by default n.

    A class of s examples gets a share of the epoch proportional to s ** (1 - `balance`): at 0 every example comes
    equally often, at 1 every class does, and 0.5 is the square root of Mahajan et al. 2018, Exploring the Limits of
    Weakly Supervised Pretraining, https://arxiv.org/abs/1805.00932. Differs from drawing one by one: a class comes
    as often as its share says, rounded down or up by chance, so that no class is missed by bad luck. No example
    comes again before all of its class came (at balance 0: before all examples came). `classes` may be any integers.

    The order depends on the arguments alone. Memory: about 40 (n + m) bytes.

    Raises InputError without examples, for a balance outside [0, 1], and for a negative seed, epoch or n_samples.

    >>> epoch_order(np.array([0, 0, 0, 5]), seed=1, epoch=0).tolist()
    [3, 0, 1, 2]
    >>> order = epoch_order(np.array([0, 0, 0, 5]), seed=1, epoch=0, balance=1.0, n_samples=6)
    >>> np.bincount(order)
    array([1, 1, 1, 3])
    """
    n = len(classes)
    m = n if n_samples is None else n_samples
    if n == 0:
        raise InputError("there are no examples to order: expected at least one")
    if not 0.0 <= balance <= 1.0:
        raise InputError(f"balance is {balance}, expected 0 (as the examples are) to 1 (all classes alike)")
    if min(seed, epoch, m) < 0:
        raise InputError(f"seed is {seed}, epoch {epoch} and n_samples {m}: expected 0 or more")
    rng = np.random.default_rng([seed, epoch])
    if balance == 0.0:
        classes = np.zeros(n, np.int64)  # one class of all
    _, code, size = np.unique(classes, return_inverse=True, return_counts=True)
    quota = _quotas(size ** (1.0 - balance), m, rng)
    draws = _cycled(code, size, quota, rng)
    # Classes are shuffled among the positions; within its own positions, a class keeps its order.
    places = np.argsort(rng.permutation(code[draws]), kind="stable")
    order = np.empty(m, np.int64)
    order[places] = draws
    return order


def _quotas(weights: Float[np.ndarray, " c"], m: int, rng: np.random.Generator) -> Int[np.ndarray, " c"]:
    """How often each class comes among m: its share, rounded down or up so that the expectation is exact.

    Systematic sampling: equally spaced points, whose offset is drawn, on the shares laid end to end in random order.
    """
    laid = rng.permutation(len(weights))
    ends = np.floor(np.cumsum(weights[laid]) * (m / weights.sum()) + rng.random()).astype(np.int64)
    ends[-1] = m
    quota = np.empty(len(weights), np.int64)
    quota[laid] = np.diff(ends, prepend=0)
    return quota


def _cycled(
    code: Int[np.ndarray, " n"], size: Int[np.ndarray, " c"], quota: Int[np.ndarray, " c"], rng: np.random.Generator
) -> Int[np.ndarray, " m"]:
    """Class by class, its quota of examples: all of them in random order, then again in another, and so on."""
    n_cycles = -(-quota // size)
    first_cycle = np.cumsum(n_cycles) - n_cycles
    copies = n_cycles[code]
    rows = np.repeat(np.arange(len(code)), copies)
    cycle = np.repeat(first_cycle[code] - (np.cumsum(copies) - copies), copies) + np.arange(len(rows))
    shuffled = rng.permutation(len(rows))
    shuffled = shuffled[np.argsort(cycle[shuffled], kind="stable")]
    n_drawn = n_cycles * size
    place = np.arange(len(rows)) - np.repeat(np.cumsum(n_drawn) - n_drawn, n_drawn)
    drawn: Int[np.ndarray, " m"] = rows[shuffled][place < np.repeat(quota, n_drawn)]
    return drawn
