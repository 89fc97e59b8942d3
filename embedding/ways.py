"""Ways in which the cores of a processor compute a batch, and which of them is the fastest, from how long batches took.

Which pictures a core computes at a time, and whether cores share them or each has its own, changes no vector and, by the caches of a
processor and its number of cores, the speed. What an encoder does by itself are constants that were chosen on one machine
(`encoders.parts`); here others are tried beside them.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Final, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

Tuning = Literal["auto", "none", "again"]
"""Whether a long job looks for the fastest way: once a machine and encoder, never, or anew."""
Compute = Callable[[UInt8[np.ndarray, "b h w 3"]], Float32[np.ndarray, "b d"]]

ROUNDS: Final = 3
"""Batches in each way by which the best of the others is found."""
DUELS: Final = 9
"""Further batches of the best and of the default, in turn, by which it is confirmed: of several that differ by chance one always looks best."""
GAIN: Final = 1.05
"""Pictures a second, as a multiple of the default's, from which another way is taken."""
HOPELESS: Final = 0.8
"""Below which a way is not tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How the cores of a processor compute a batch.

    >>> print(Way(part=2, side_by_side=4, threads=1))
    parts of 2 pictures, 4 at the same time
    >>> print(Way(part=8, side_by_side=1, threads=4))
    parts of 8 pictures, 4 threads to each
    """

    part: int
    """Pictures computed together, at most."""
    side_by_side: int
    """Parts computed at the same time."""
    threads: int
    """Threads that share a part."""

    def __str__(self) -> str:
        """In words."""
        pictures = f"parts of {self.part} picture{'s' * (self.part > 1)}"
        if self.side_by_side > 1:
            return f"{pictures}, {self.side_by_side} at the same time"
        return f"{pictures}, {self.threads} thread{'s' * (self.threads > 1)} to each"

    def to_dict(self) -> dict[str, int]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "Way":
        """What `to_dict` wrote. Raises KeyError or ValueError for anything else."""
        found = {name: values[name] for name in ("part", "side_by_side", "threads")}
        numbers = {name: value for name, value in found.items() if type(value) is int and value >= 1}
        if len(numbers) < len(found):
            raise ValueError(f"{found}, expected numbers from 1")
        return cls(**numbers)


@runtime_checkable
class HasWays(Protocol):
    """An encoder whose pictures the processor may compute in several ways."""

    @property
    def default_way(self) -> Way:
        """That in which `encode_pixels` computes many pictures."""

    @property
    def other_ways(self) -> tuple[Way, ...]:
        """Those that may be faster on another machine."""

    @property
    def engine(self) -> Mapping[str, str]:
        """What computes, with its version."""

    def in_way(self, way: Way) -> Compute:
        """What computes vectors of unit length in a way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What came of the trials."""

    way: Way
    gain: float | None
    """Pictures a second of the best of the other ways, as a multiple of the default's; None where none was fit."""


def ways_of(*, part: int, share: int, cores: int) -> tuple[Way, ...]:
    """Ways to try: cores that share parts of `part` pictures or fewer, and cores that each compute their own, `share` times smaller.

    >>> [str(way) for way in ways_of(part=8, share=4, cores=2)]  # doctest: +NORMALIZE_WHITESPACE
    ['parts of 8 pictures, 2 threads to each', 'parts of 4 pictures, 2 threads to each',
     'parts of 2 pictures, 2 at the same time', 'parts of 1 picture, 2 at the same time', 'parts of 4 pictures, 2 at the same time']
    """
    own = max(1, part // share)
    found = [Way(part=size, side_by_side=1, threads=cores) for size in (part, part // 2) if size]
    found += [Way(part=size, side_by_side=cores, threads=1) for size in (own, own // 2, 2 * own) if size]
    if cores >= 4:  # where memory, or a limit on the processor's time, is too narrow for all cores
        found.append(Way(part=own, side_by_side=cores // 2, threads=1))
    return tuple(dict.fromkeys(found))


def trials(default: Way, others: Sequence[Way]) -> Generator[Way, float, Choice]:
    """Ask for a batch in one way after another, take the seconds a picture that each took, and return the choice.

    In each round all ways take a batch in turn, in every second round in reverse order. The best is then tried against the default alone, on further
    batches, and taken if it does `GAIN` times as many pictures a second there in the median, and more in all but one. Infinite seconds are a way's that cannot be used.

    >>> asked = trials(default := Way(part=2, side_by_side=2, threads=1), [Way(part=4, side_by_side=2, threads=1)])
    >>> way = next(asked)
    >>> try:
    ...     while True:
    ...         way = asked.send(0.010 if way == default else 0.008)
    ... except StopIteration as end:
    ...     print(end.value.way, round(end.value.gain, 2))
    parts of 4 pictures, 2 at the same time 1.25
    """
    gains: dict[Way, list[float]] = {way: [] for way in others}
    left = list(others)
    for number in range(ROUNDS):
        took = yield from _round([default, *left], number)
        for way in left:
            gains[way].append(took[default] / took[way])
        left = [way for way in left if median(gains[way]) >= HOPELESS]
    if not left:
        return Choice(way=default, gain=None)
    best = max(left, key=lambda way: median(gains[way]))
    gain = median(gains[best])
    if gain < GAIN:
        return Choice(way=default, gain=gain)
    duels = []
    for number in range(DUELS):
        took = yield from _round([default, best], number)
        duels.append(took[default] / took[best])
    gain = median(duels)
    is_clear = gain >= GAIN and sum(one > 1 for one in duels) >= DUELS - 1
    return Choice(way=best if is_clear else default, gain=gain)


def _round(ways: Sequence[Way], number: int) -> Generator[Way, float, dict[Way, float]]:
    """Seconds a picture in each way, of one batch each."""
    took = {}
    for way in ways[:: 1 if number % 2 == 0 else -1]:
        took[way] = yield way
    return took
