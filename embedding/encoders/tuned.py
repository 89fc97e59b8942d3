"""An encoder in a long job on a processor, which looks for the fastest way to compute its pictures, once a machine.

It begins in the way that it was given. When it has computed for `MEASURED_FROM` seconds, and no earlier job has kept an answer, it tries other
ways (`embedding.ways`) on batches of the job itself, in turn: so nothing is computed for nothing, and ways are compared beside the decoding that they
must share the cores with. What the search costs, that is loading, a first part in each way that is compared bit by bit, and what slower ways take longer, is
at most `BUDGET` seconds and what one batch takes. A way whose vectors are not those of the given way, bit by bit, is not used.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8

from cladescope.embedding.encoder import Encoder
from cladescope.embedding.kept_ways import KeptWay
from cladescope.embedding.ways import GAIN, Choice, Compute, HasWays, Way, trials

logger = logging.getLogger(__name__)

MEASURED_FROM: Final = 60.0
"""Seconds that an encoder has computed when the search begins: shorter jobs would lose by it."""
BUDGET: Final = 15.0
"""Seconds that the search may lose."""
FULL: Final = 0.75
"""Share of the longest batch from which one counts: pictures whose content is known are none of a batch."""
LEAST = 1e-9
"""Seconds below which no clock is believed."""
PERCENT = round(100 * (GAIN - 1))


class TunedEncoder(Encoder):
    """An encoder whose pictures are computed in the fastest way that is known. Memory: during the search that of several of its kind."""

    def __init__(self, plain: Encoder, *, again: bool = False, clock: Callable[[], float] = time.perf_counter) -> None:
        """`plain` has ways. What was kept is used unless the search is to be made `again`, which then begins with the second batch."""
        assert isinstance(plain, HasWays), "it computes on a processor"
        self.card, self.taxa_file = plain.card, plain.taxa_file
        self._plain, self._has_ways, self._clock = plain, plain, clock
        self._default = plain.default_way
        self._compute: Compute = plain.encode_pixels
        self._way, self._chosen = self._default, "by default"
        self._gain: float | None = None
        self._search: _Search | None = None
        self._is_open = bool(plain.other_ways)
        """Whether it may be looked for still."""
        self._worked, self._longest, self._n_before = 0.0, 0, 0
        self._from = 0.0 if again else MEASURED_FROM
        about = {"encoder": plain.card.identity, "size": plain.transform.size, "engine": dict(plain.engine)}
        self._kept = KeptWay({**about, "default": self._default.to_dict()})
        if self._is_open and not again:
            self._read()

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of the encoder, and what came of the search."""
        if self._search is None:
            return (*self._plain.notes, *self._noted)
        told = f"the search for the fastest way to compute {self.card.name} did not come to its end: it begins anew in the next job"
        return (*self._plain.notes, *self._noted, told)

    @property
    def ways(self) -> list[dict[str, object]]:
        """That of the last batch, searches left out: `chosen` by default, now, or on the day when it was, and `gain` of the best other way, as a multiple of the default's rate."""
        chosen = "by default: the search did not come to its end" if self._search is not None else self._chosen
        gain = None if self._gain is None else round(self._gain, 3)
        return [{"encoder": self.card.name, **self._way.to_dict(), "chosen": chosen, "gain": gain}]

    @property
    def text_scale(self) -> float:
        """That of the encoder."""
        return self._plain.text_scale

    def encode_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "t d"]:
        """Vectors of texts by the encoder."""
        return self._plain.encode_texts(texts)

    def encode_pixels(self, batch: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"]:
        """Vectors of the picture side; unit length."""
        if self._search is None:
            return self._computed(batch)
        vectors = self._search.encode(batch)
        self._n_before += len(batch)
        if (choice := self._search.choice) is not None:
            self._decide(choice, self._search)
        return vectors

    def _computed(self, batch: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"]:
        """The vectors of a batch of no search, which one may follow."""
        began = self._clock()
        vectors = self._compute(batch)
        if self._is_open:
            self._worked += self._clock() - began
            self._longest, self._n_before = max(self._longest, len(batch)), self._n_before + len(batch)
            if self._worked >= self._from:
                others = self._has_ways.other_ways
                self._search = _Search(self._has_ways, self._compute, others, self._longest, self._clock)
        return vectors

    def _read(self) -> None:
        """Take what an earlier job found."""
        try:
            choice = self._kept.read()
        except ValueError as error:
            self.note(f"{error}: the fastest way to compute {self.card.name} is looked for anew in a long job")
            return
        if choice is None:
            return
        self._is_open = False
        self._chosen, self._gain = f"on {self._kept.measured}", choice.gain
        if choice.way != self._default:
            self._way, self._compute = choice.way, self._has_ways.in_way(choice.way)
            self.note(f"{self.card.name} was computed in {choice.way}, found to be faster here {self._chosen}")

    def _decide(self, choice: Choice, search: "_Search") -> None:
        """Go on in the way that was chosen, and keep it."""
        self._is_open, self._search = False, None
        self._way, self._compute = choice.way, search.ready[choice.way]
        self._chosen, self._gain = "in this job", choice.gain
        tried = f"{len(search.ready) - 1} other ways to compute {self.card.name} were tried on this processor"
        if search.failed:
            tried += f" ({len(search.failed)} more do not give the same bits, or failed)"
        if search.is_over_budget:
            told = f"{tried}, which took more than {BUDGET:.0f} s: it stays with {self._default}"
        elif choice.way == self._default:
            told = f"{tried}: none was clearly faster ({PERCENT} %), so it stays with {self._default}"
        else:
            gained = round(100 * ((choice.gain or 1) - 1))
            told = f"{tried}: from picture {self._n_before + 1:,} on in {choice.way}, {gained} % faster than {self._default}"
        try:
            self._kept.write(choice)
            told += "; later jobs do as well"
        except OSError as error:
            told += f"; {self._kept.path} cannot be written ({error.strerror}), so that later jobs try again"
        logger.debug("%s", told)
        self.note(told)


class _Search:
    """Trials of ways on the batches of a job; each batch has the vectors of the given way, whatever way computes it."""

    def __init__(
        self, encoder: HasWays, given: Compute, others: Sequence[Way], longest: int, clock: Callable[[], float]
    ) -> None:
        """`longest` is the length of the batches that count."""
        self._encoder, self._longest, self._clock = encoder, longest, clock
        self._default = encoder.default_way
        self.ready: dict[Way, Compute] = {self._default: given}
        """What computes in each way that can be used."""
        self.choice: Choice | None = None
        """What came of it, once it is over."""
        self.is_over_budget = False
        self.failed: set[Way] = set()
        """Ways that cannot be used: whose vectors are others, or that failed."""
        self._lost, self._usual = 0.0, math.inf
        self._trials = trials(self._default, others)
        self._asked = next(self._trials)

    def encode(self, batch: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"]:
        """The vectors of a batch, by the way whose turn it is; short ones, as at an end, tell nothing."""
        way = self._asked
        if len(batch) < FULL * self._longest:
            return self.ready[self._default](batch)
        if way not in self.ready:
            return self._first(way, batch)
        began = self._clock()
        vectors = self._tried(way, batch)
        if vectors is None:
            return self.ready[self._default](batch)
        seconds = max(LEAST, self._clock() - began) / len(batch)
        if way == self._default:
            self._usual = seconds
        elif seconds > self._usual:
            self._lost += (seconds - self._usual) * len(batch)
        self._answer(seconds)
        return vectors

    def _first(self, way: Way, batch: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"]:
        """The vectors of a batch by the given way, of which the first are compared with those of another."""
        vectors = self.ready[self._default](batch)
        some = batch[: way.part * way.side_by_side]
        began = self._clock()
        found = self._tried(way, some)
        self._lost += self._clock() - began
        if found is not None and not np.array_equal(found, vectors[: len(some)]):
            self._give_up(way, "its vectors are not the same bits")
        self._check_budget()
        return vectors

    def _tried(self, way: Way, pictures: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"] | None:
        """The vectors by a way; None where it fails, by whatever error of an engine, which ends only what the given way cannot do either."""
        try:
            compute = self.ready[way] if way in self.ready else self._encoder.in_way(way)
            vectors = compute(pictures)
        except Exception as error:
            if way == self._default:
                raise
            self._give_up(way, error)
            return None
        self.ready[way] = compute
        return vectors

    def _give_up(self, way: Way, why: object) -> None:
        logger.debug("%s: not used: %s", way, why)
        self.failed.add(way)
        self.ready.pop(way, None)
        self._answer(math.inf)

    def _answer(self, seconds: float) -> None:
        try:
            self._asked = self._trials.send(seconds)
            while self._asked in self.failed:
                self._asked = self._trials.send(math.inf)
        except StopIteration as end:
            self.choice = end.value
        self._check_budget()

    def _check_budget(self) -> None:
        if self.choice is None and self._lost > BUDGET:
            self._trials.close()
            self.choice, self.is_over_budget = Choice(way=self._default, gain=None), True
