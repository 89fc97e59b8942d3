"""Macro-F1: the F1 of each class or trait, averaged over them, with its interval and the difference of two encoders."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int, Num

from cladescope.analysis.measures import BLOCK_BYTES
from cladescope.analysis.measures.bootstrap import N_RESAMPLES, moved_percentiles
from cladescope.analysis.measures.outcomes import Measured
from cladescope.analysis.measures.paired import Difference
from cladescope.arrays import blocks
from cladescope.errors import InputError

N_EXCHANGES = 2000


@dataclass(frozen=True, eq=False, kw_only=True)
class MacroF1(Measured):
    """What pictures were called and what they are, column by column: a column is a class or a trait.

    F1 is twice the share of (picture, column) pairs that are both true and said, over those that are either. Of several
    runs, such as a head trained from several seeds, the value is the mean over runs.
    """

    both: tuple[Any, ...]
    """For each run a sparse matrix, a picture a row: 1 where a column is true of the picture and was said of it."""
    either: tuple[Any, ...]
    """The same: 1 for true, and 1 for said."""
    absent_count: bool
    """Whether a column that is neither true nor said of any picture counts as 0; else it is left out of the mean."""

    @classmethod
    def of_classes(
        cls, truth: Int[np.ndarray, " n"], named: Int[np.ndarray, " n"], *, n_classes: int | None = None
    ) -> "MacroF1":
        """One class a picture, over those that are true or named; over all of `n_classes`, absent ones as 0, where that is given.

        scikit-learn's `f1_score(average="macro", zero_division=0)`, with `labels=range(n_classes)` where these are given.

        >>> round(MacroF1.of_classes(np.array([0, 0, 1]), np.array([0, 1, 1])).value, 3)
        0.667
        """
        from scipy.sparse import csr_matrix

        if not len(truth):
            raise InputError("no picture was asked: expected one at least")
        n, rows = len(truth), np.arange(len(truth))
        width = int(max(truth.max(), named.max(), (n_classes or 0) - 1)) + 1

        def table(values: Num[np.ndarray, " n"], columns: Int[np.ndarray, " n"]) -> Any:
            return csr_matrix((values, (rows, columns)), shape=(n, width))

        once = np.ones(n, np.float32)
        either = table(once, truth) + table(once, named)
        return cls(
            both=(table((truth == named).astype(np.float32), truth),),
            either=(either,),
            absent_count=n_classes is not None,
        )

    @classmethod
    def of_traits(cls, truth: Int[np.ndarray, "n a"], runs: Sequence[Num[np.ndarray, "n a"]]) -> "MacroF1":
        """Several traits a picture, 1 present and 0 absent, and what each run says of them.

        scikit-learn's `f1_score(average="macro", zero_division=0)` of each run, averaged over runs.

        >>> MacroF1.of_traits(np.array([[1, 0], [1, 1]]), [np.array([[1, 0], [1, 0]])]).value
        0.5
        """
        from scipy.sparse import csr_matrix

        both = tuple(csr_matrix((truth * said).astype(np.float32)) for said in runs)
        either = tuple(csr_matrix((truth + said).astype(np.float32)) for said in runs)
        return cls(both=both, either=either, absent_count=True)

    @property
    def folds(self) -> tuple[float, ...]:  # type: ignore[override]
        """The value of each run, where there are several."""
        if len(self.both) == 1:
            return ()
        ones = np.ones((1, self.both[0].shape[0]), np.float32)
        return tuple(float(self._of_run(run, ones)[0]) for run in range(len(self.both)))

    @property
    def n_asked(self) -> int:
        """Pictures asked."""
        return int(self.both[0].shape[0])

    @property
    def value(self) -> float:
        """Mean of F1 over columns, and over runs."""
        return float(self._of_counts(np.ones((1, self.n_asked), np.float32))[0])

    def interval(self, *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> tuple[float, float]:
        """Ends of the 95 % bootstrap interval over pictures, each with all its columns and runs, moved to the value and within 0 and 1.

        A resample lacks some pictures of a rare class, or all, and its value is lower for that: of classes of two pictures the plain interval lies below the value.
        Memory: a block of `BLOCK_BYTES`.
        """
        drawn = np.concatenate([self._of_counts(some) for some in _draws(self.n_asked, n_resamples, seed)])
        low, high = moved_percentiles(drawn, self.value)
        return max(0.0, low), min(1.0, high)

    def minus(self, other: "MacroF1", *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Difference:
        """`self` less `other` on the same pictures; p by exchanging all that the two said of a picture, at random.

        One is added to both counts of exchanges (Phipson & Smyth 2010, https://arxiv.org/abs/1603.05766), so that p is never below
        1 / (`N_EXCHANGES` + 1). Raises InputError where they were not asked the same pictures.
        """
        if self.n_asked != other.n_asked or len(self.both) != len(other.both):
            raise InputError("two encoders were not asked the same pictures: their difference means nothing")
        drawn = _draws(self.n_asked, n_resamples, seed)
        observed = self.value - other.value
        gains = np.concatenate([self._of_counts(some) - other._of_counts(some) for some in drawn])
        low, high = moved_percentiles(gains, observed)
        least = most = 0
        for exchanged in self._exchanges(other, seed):
            least += int((exchanged <= observed + 1e-12).sum())
            most += int((exchanged >= observed - 1e-12).sum())
        p = min(1.0, 2 * (min(least, most) + 1) / (N_EXCHANGES + 1))
        return Difference(value=observed, low=max(-1.0, low), high=min(1.0, high), p=p, test="permutation")

    def _exchanges(self, other: "MacroF1", seed: int) -> Iterator[Float64[np.ndarray, " b"]]:
        """The difference of values where pictures' answers are exchanged at random, block by block."""
        rng = np.random.default_rng(seed)
        for start, stop in blocks(N_EXCHANGES, size=max(1, BLOCK_BYTES // (4 * self.n_asked))):
            own = rng.integers(0, 2, size=(stop - start, self.n_asked)).astype(np.float32)
            gained = np.zeros(stop - start)
            for run in range(len(self.both)):
                pairs = self._pairs(other, run)
                mine = self._ratios(*(_sums(a, own) + _sums(b, 1 - own) for a, b in pairs))
                theirs = self._ratios(*(_sums(b, own) + _sums(a, 1 - own) for a, b in pairs))
                gained += (mine - theirs) / len(self.both)
            yield gained

    def _pairs(self, other: "MacroF1", run: int) -> list[tuple[Any, Any]]:
        width = max(self.both[run].shape[1], other.both[run].shape[1])
        return [
            (_widened(mine[run], width), _widened(theirs[run], width))
            for mine, theirs in ((self.both, other.both), (self.either, other.either))
        ]

    def _of_counts(self, counts: Num[np.ndarray, "b n"]) -> Float64[np.ndarray, " b"]:
        """The value where each picture comes so often."""
        return np.asarray(np.mean([self._of_run(run, counts) for run in range(len(self.both))], axis=0))

    def _of_run(self, run: int, counts: Num[np.ndarray, "b n"]) -> Float64[np.ndarray, " b"]:
        return self._ratios(_sums(self.both[run], counts), _sums(self.either[run], counts))

    def _ratios(self, both: Num[np.ndarray, "b a"], either: Num[np.ndarray, "b a"]) -> Float64[np.ndarray, " b"]:
        there = either > 0
        f1 = np.divide(2.0 * both, either, out=np.zeros(both.shape), where=there)
        if self.absent_count:
            return np.asarray(f1.mean(axis=1))
        return np.asarray(f1.sum(axis=1) / there.sum(axis=1))


def _draws(n: int, n_resamples: int, seed: int) -> Iterator[Num[np.ndarray, "b n"]]:
    """How often each of n pictures comes in each resample, block by block."""
    rng = np.random.default_rng(seed)
    for start, stop in blocks(n_resamples, size=max(1, BLOCK_BYTES // (8 * n))):
        yield rng.multinomial(n, np.full(n, 1 / n), size=stop - start).astype(np.float32)


def _sums(table: Any, counts: Num[np.ndarray, "b n"]) -> Float64[np.ndarray, "b a"]:
    return np.asarray((table.T @ counts.T).T, np.float64)


def _widened(table: Any, width: int) -> Any:
    """The same with columns of zeros up to a width."""
    from scipy.sparse import csr_matrix

    return csr_matrix((table.data, table.indices, table.indptr), shape=(table.shape[0], width))
