"""How busy each stage of a job is: how much it does, how long it is at work, and how long it waits for the others."""

import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

Spent = Literal["at work", "starved", "blocked"]
Item = TypeVar("Item")

BUSY = 0.5
"""Share of the time from which a stage can be what the others wait for."""
FULL = 0.8
"""Share of the cores at work from which more workers do not help."""
_ADVICE: Final = {
    "list": (
        "listing is what the others wait for, which reads tars and hashes files that were touched, too: nearer files help, and a "
        "table is listed faster than a remote folder"
    ),
    "read": "reading the files is what the others wait for: more readers help, and so do nearer files or shards",
    "decode": "decoding is what the others wait for: more workers or processes help where cores are idle, and smaller files do",
    "encode": "the encoder is what the others wait for: only a faster encoder, runtime or device helps",
    "write": "writing into the store is what the others wait for: a faster disk helps",
}


class Meter:
    """Counts what one stage did, and the seconds of its threads, which share it."""

    def __init__(self, places: int = 1) -> None:
        """`places` is how many of its threads can be at work at the same time."""
        self.places = places
        self.n = 0
        self.seconds: dict[Spent, float] = {"at work": 0.0, "starved": 0.0, "blocked": 0.0}
        self._begun: dict[Spent, list[float]] = {"at work": [], "starved": [], "blocked": []}
        self._lock = threading.Lock()

    def done(self, n: int = 1) -> None:
        """So many more are done."""
        with self._lock:
            self.n += n

    def add(self, spent: Spent, seconds: float) -> None:
        """A thread spent so many seconds more."""
        with self._lock:
            self.seconds[spent] += seconds

    def so_far(self, spent: Spent, now: float) -> float:
        """Seconds that threads spent until now, also within what has not ended yet."""
        with self._lock:
            return self.seconds[spent] + sum(now - began for began in self._begun[spent])

    def at_work(self, *, out_of: Spent | None = None) -> AbstractContextManager[None]:
        """Counts the seconds within as work; `out_of` what they are counted as already by what is around it, they are taken then."""
        return self._within("at work", out_of)

    def starved(self, *, out_of: Spent | None = None) -> AbstractContextManager[None]:
        """Counts the seconds within as waiting for the stage before, likewise."""
        return self._within("starved", out_of)

    def blocked(self, *, out_of: Spent | None = None) -> AbstractContextManager[None]:
        """Counts the seconds within as waiting for the stage behind, likewise."""
        return self._within("blocked", out_of)

    @contextmanager
    def _within(self, spent: Spent, out_of: Spent | None) -> Iterator[None]:
        began = time.perf_counter()
        with self._lock:
            self._begun[spent].append(began)
        try:
            yield
        finally:
            seconds = time.perf_counter() - began
            with self._lock:
                self._begun[spent].remove(began)
                self.seconds[spent] += seconds
                if out_of is not None:
                    self.seconds[out_of] -= seconds

    def timed(self, items: Iterable[Item], spent: Spent) -> Iterator[Item]:
        """The items; the time until each comes is counted."""
        began = time.perf_counter()
        for item in items:
            self.add(spent, time.perf_counter() - began)
            yield item
            del item  # only the consumer may hold it
            began = time.perf_counter()
        self.add(spent, time.perf_counter() - began)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageProfile:
    """One stage of a job that has ended."""

    stage: str
    n: int
    """Records or pictures that came through."""
    places: int
    """How many could be at work at the same time."""
    rate: float | None
    """So many a second it did while at work, all its places together; None where it did nothing."""
    share: float
    """Part of the job's time that its places were at work, 0 to 1."""
    starved_seconds: float
    """Waiting for the stage before; of all its threads together."""
    blocked_seconds: float
    """Waiting for the stage behind."""

    @property
    def spanned(self) -> float:
        """Part of the job's time that it worked or waited, 0 to 1: all but the job's beginning and end."""
        if not self.rate:
            return 0.0
        return self.share * (1 + (self.starved_seconds + self.blocked_seconds) * self.rate / (self.n * self.places))

    @classmethod
    def from_dict(cls, stage: str, told: Mapping[str, Any]) -> "StageProfile":
        """What `to_dict` gave, of the stage of this name."""
        values = dict(told)
        return cls(stage=stage, rate=values.pop("per_second_at_work"), **values)

    def to_dict(self) -> dict[str, int | float | None]:
        """Plain values, for JSON, without the name."""
        return {
            "n": self.n,
            "places": self.places,
            "per_second_at_work": None if self.rate is None else round(self.rate, 1),
            "share": round(self.share, 4),
            "starved_seconds": round(self.starved_seconds, 3),
            "blocked_seconds": round(self.blocked_seconds, 3),
        }


@dataclass(slots=True)
class Stages:
    """The stages of a job, in the order in which a picture comes through them.

    >>> stages = Stages()
    >>> stages.encode.done(90), stages.encode.add("at work", 9.0)
    (None, None)
    >>> profile = stages.profile(10.0)[3]
    >>> profile.stage, profile.rate, profile.share
    ('encode', 10.0, 0.9)
    >>> stages.bottleneck(10.0)
    'the encoder is what the others wait for: only a faster encoder, runtime or device helps (90 % of the time at work)'
    """

    list: Meter = field(default_factory=Meter)
    read: Meter = field(default_factory=Meter)
    decode: Meter = field(default_factory=Meter)
    encode: Meter = field(default_factory=Meter)
    write: Meter = field(default_factory=Meter)

    def of(self, step: str) -> Meter:
        """What counts a step of preparing a picture: decoding, here or apart, or else reading it."""
        return self.decode if step.startswith("decode") else self.read

    @contextmanager
    def counting(self, step: str) -> Iterator[None]:
        """Counts a step of preparing a picture, and the picture that comes through it."""
        meter = self.of(step)
        with meter.at_work():
            yield
        meter.done()

    def profile(self, seconds: float) -> tuple[StageProfile, ...]:
        """Each stage of a job that took so many seconds."""
        return tuple(_profile(name, getattr(self, name), seconds) for name in _ADVICE)

    def bottleneck(self, seconds: float, cores: float | None = None, *, in_processes: bool = False) -> str:
        """The stage that the others wait for, and what helps, in a sentence; `cores` were at work on average, and pictures decoded `in_processes`."""
        return bottleneck_of(self.profile(seconds), cores, in_processes=in_processes)


def bottleneck_of(profile: Sequence[StageProfile], cores: float | None = None, *, in_processes: bool = False) -> str:
    """As `Stages.bottleneck` says it."""
    busiest = max(profile, key=lambda one: one.share)
    if busiest.share < BUSY:
        why = (
            "the job's beginning and end took longer than its pictures"
            if busiest.spanned < BUSY
            else "they waited for each other by turns, as they do over few pictures"
        )
        return f"no stage was at work for half of the time (most: {busiest.stage}, {100 * busiest.share:.0f} %): {why}"
    advice = _ADVICE[busiest.stage]
    if busiest.stage == "decode" and cores is not None:
        advice = _decoding(cores, os.cpu_count() or 1, in_processes=in_processes)
    return f"{advice} ({100 * busiest.share:.0f} % of the time at work)"


def _decoding(at_work: float, there: int, *, in_processes: bool) -> str:
    """What helps where decoding is waited for, by the cores that are at work.

    >>> _decoding(15.2, 16, in_processes=False)
    'decoding is what the others wait for, and 15.2 of 16 cores are at work: smaller files help, or more cores'
    >>> _decoding(5.1, 16, in_processes=False)
    'decoding is what the others wait for, and the job has 5.1 of 16 cores at work: if the others are idle, more workers help, or processes that decode where as many as cores do not'
    """
    if at_work >= FULL * there:
        return f"decoding is what the others wait for, and {at_work:.1f} of {there} cores are at work: smaller files help, or more cores"
    processes = "" if in_processes else ", or processes that decode where as many as cores do not"
    return (
        f"decoding is what the others wait for, and the job has {at_work:.1f} of {there} cores at work: if the others are idle, "
        f"more workers help{processes}"
    )


def side_by_side(jobs: Sequence[tuple[Sequence[StageProfile], float]]) -> tuple[StageProfile, ...]:
    """The stages of jobs that ran at the same time, each with its seconds, as those of one job that took as long as the longest.

    >>> half = StageProfile(stage="encode", n=9, places=1, rate=3.0, share=0.5, starved_seconds=1.0, blocked_seconds=0.0)
    >>> both = side_by_side([([half], 6.0), ([half], 6.0)])[0]
    >>> both.n, both.places, both.rate, both.share
    (18, 2, 6.0, 0.5)
    """
    return _merged(jobs, max((seconds for _, seconds in jobs), default=0.0), at_once=True)


def one_after_another(jobs: Sequence[tuple[Sequence[StageProfile], float]]) -> tuple[StageProfile, ...]:
    """The stages of jobs that ran in turn, each with its seconds, as those of one job that took as long as all.

    >>> half = StageProfile(stage="encode", n=9, places=1, rate=3.0, share=0.5, starved_seconds=1.0, blocked_seconds=0.0)
    >>> both = one_after_another([([half], 6.0), ([half], 6.0)])[0]
    >>> both.n, both.places, both.rate, both.share
    (18, 1, 3.0, 0.5)
    """
    return _merged(jobs, sum(seconds for _, seconds in jobs), at_once=False)


def _merged(
    jobs: Sequence[tuple[Sequence[StageProfile], float]], whole: float, *, at_once: bool
) -> tuple[StageProfile, ...]:
    """The stages of jobs as those of one that took `whole` seconds; they ran `at_once`, each at places of its own, or in turn."""
    merged = []
    for name in _ADVICE:
        found = [(one, seconds) for stages, seconds in jobs for one in stages if one.stage == name]
        if not found:
            continue
        places = sum(one.places for one, _ in found) if at_once else max(one.places for one, _ in found)
        n, work = sum(one.n for one, _ in found), sum(one.share * one.places * seconds for one, seconds in found)
        merged.append(
            StageProfile(
                stage=name,
                n=n,
                places=places,
                rate=(sum(one.rate or 0.0 for one, _ in found) if at_once else n * places / work if work else None)
                or None,
                share=work / (places * whole) if whole else 0.0,
                starved_seconds=sum(one.starved_seconds for one, _ in found),
                blocked_seconds=sum(one.blocked_seconds for one, _ in found),
            )
        )
    return tuple(merged)


def _profile(name: str, meter: Meter, seconds: float) -> StageProfile:
    work = meter.seconds["at work"]
    return StageProfile(
        stage=name,
        n=meter.n,
        places=meter.places,
        rate=meter.n * meter.places / work if work and meter.n else None,
        share=work / (meter.places * seconds) if seconds else 0.0,
        starved_seconds=meter.seconds["starved"],
        blocked_seconds=meter.seconds["blocked"],
    )
