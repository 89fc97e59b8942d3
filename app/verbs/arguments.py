"""The numbers, words and switches that a verb is given, checked against its signature before anything is loaded."""

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

from cladescope.errors import UsageError
from cladescope.nearest import did_you_mean

P = ParamSpec("P")
R = TypeVar("R")

LEAST = {"k": 1, "seed": 0}
"""Smallest value of numbers that no configuration checks."""
MOST = 2**31 - 1


def checked(verb: Callable[P, R]) -> Callable[P, R]:
    """The verb, which refuses what its signature does not allow: another type, no number, a word that is none of its choices.

    Calling it raises UsageError that names the argument; a missing or an unknown argument is Python's own TypeError.

    >>> @checked
    ... def draw(*, k: int = 5, shape: Literal["disc", "star"] = "disc") -> int:
    ...     return k
    >>> draw(k=1.5)
    Traceback (most recent call last):
    cladescope.errors.UsageError: k is 1.5: expected a whole number from 1 to 2147483647
    >>> draw(shape="cube")
    Traceback (most recent call last):
    cladescope.errors.UsageError: found shape 'cube', expected disc or star
    """
    signature = inspect.signature(verb)

    @functools.wraps(verb)
    def call(*args: P.args, **named: P.kwargs) -> R:
        try:
            given = signature.bind(*args, **named).arguments
        except TypeError:
            return verb(*args, **named)
        for name, value in given.items():
            _check(name, value, signature.parameters[name].annotation)
        return verb(*args, **named)

    return call


def _check(name: str, value: object, annotation: Any) -> None:
    kinds = set(get_args(annotation)) if get_origin(annotation) in (Union, UnionType) else {annotation}
    if value is None and NoneType in kinds:
        return
    kinds.discard(NoneType)
    words = [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
    plain = {kind for kind in kinds if get_origin(kind) is not Literal}
    if isinstance(value, str) and value in words:
        return
    if plain == {int}:
        _check_whole(name, value)
    elif plain == {float}:
        if not isinstance(value, Real) or isinstance(value, bool) or math.isnan(value):
            raise UsageError(f"{name} is {value!r}: expected a number{''.join(f', or {word}' for word in words)}")
    elif plain == {bool}:
        if not isinstance(value, bool):
            raise UsageError(f"{name} is {value!r}: expected True or False")
    elif (
        isinstance(value, str) and plain.isdisjoint({str, Any}) and any(get_origin(kind) is Sequence for kind in plain)
    ):
        # Its letters would be taken for several values.
        raise UsageError(f"{name} is {value!r}: expected several in a list, such as [{value!r}]")
    elif plain == {str}:
        if not isinstance(value, str):
            raise UsageError(f"{name} is {_shown(value)}: expected a text")
    elif words and not plain:
        near = did_you_mean(str(value), words)
        raise UsageError(f"found {name} {value!r}, expected {', '.join(words[:-1])} or {words[-1]}{near}")


def _check_whole(name: str, value: Any) -> None:
    least = LEAST.get(name)
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    if is_whole and (least is None or least <= value) and value <= MOST:
        return
    span = f" from {least} to {MOST}" if least is not None else f" up to {MOST}"
    raise UsageError(f"{name} is {_shown(value)}: expected a whole number{span}")


def _shown(value: object) -> str:
    """A value in few letters.

    >>> _shown([1] * 100)
    'a list'
    """
    return repr(value) if isinstance(value, str | int | float) else f"a {type(value).__name__}"
