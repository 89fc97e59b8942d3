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
