"""Functions over numbers turned into machine code by Numba."""

import inspect
from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function in machine code, which later processes find beside its source or in the user's cache.

    >>> compiled(lambda x: x + 1)(2)
    3
    """
    plain = inspect.unwrap(function)  # without the checks that tests put around it
    try:
        kernel: Callable[..., Any] = numba.njit(nogil=True, error_model="numpy", cache=True)(plain)
    except RuntimeError:  # no folder can be written to
        kernel = numba.njit(nogil=True, error_model="numpy")(plain)
    return kernel


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as part of those compiled ones that call it."""
    kernel: Callable[..., Any] = numba.njit(inline="always", error_model="numpy")(inspect.unwrap(function))
    return kernel


def _popcount(context: Any, word: Any) -> tuple[Any, Callable[..., Any]]:
    def instruction(of: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return numba.types.int64(numba.types.uint64), instruction


popcount = numba.extending.intrinsic(inspect.unwrap(_popcount))
"""How many bits of a word of 64 are set, one instruction; for compiled functions only."""
