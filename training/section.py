"""What all sections of a training run's configuration share: how they say what is wrong with their values."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from cladescope.errors import ConfigError
from cladescope.nearest import did_you_mean


class Problem(NamedTuple):
    """Something that is wrong with a configuration."""

    keys: tuple[str, ...]
    """What it is about; its place in a file is that of the first that stands there."""
    said: str


class Section:
    """What every part of a configuration does: it says all that is wrong with it, not the first alone."""

    def __post_init__(self) -> None:
        """Raises ConfigError where something is wrong."""
        if found := list(self.problems()):
            raise ConfigError([one.said for one in found])

    def problems(self) -> Iterator[Problem]:
        """What is wrong with its values."""
        raise NotImplementedError


def one_of(at: str, value: object, names: tuple[Any, ...]) -> Iterator[Problem]:
    """What is wrong where a value is none of some names; `at` is its key."""
    if value not in names:
        meant = did_you_mean(str(value), map(str, names))
        yield Problem((at,), f"{at} holds {value!r}: expected one of {', '.join(map(str, names))}{meant}")


def out_of_range(config: Any, name: str, low: int | float, high: int | float) -> Iterator[Problem]:
    """What is wrong where a number of a section is not between two others."""
    value = getattr(config, name)
    if not low <= value <= high:
        key = f"{type(config).__name__.removesuffix('Config').lower()}.{name}"
        bound = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of at least {low:g}"
        yield Problem((key,), f"{key} is {value!r}: expected a number {bound}")


def is_range(pair: tuple[float, float]) -> bool:
    """Whether these are two positive finite numbers in order."""
    return len(pair) == 2 and 0 < pair[0] <= pair[1] < math.inf
