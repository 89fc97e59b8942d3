"""How many labels suggestions save: a user who names what is proposed, simulated on pictures whose names are known.

The user begins with nothing, names so many pictures at a time and fits SimpleShot, which chooses the next; another names pictures drawn
at random. Both are asked about the same pictures, which neither may name.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int

from cladescope.analysis.classify.draws import draw_share
from cladescope.analysis.classify.few_shot import SimpleShot
from cladescope.analysis.classify.next_pictures import next_pictures
from cladescope.errors import InputError
from cladescope.shown import counted

HELD_OUT = 1 / 3
"""Share of the pictures of each class that is only asked about."""
SEEDS = 3
MOST_STEPS = 12
SCALE = 15.0
"""Of the probabilities that say how unsure the user's classifier is."""


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Accuracy of s simulated users after each of k steps, and of as many who name pictures at random."""

    strategy: str
    labels: Int[np.ndarray, " k"]
    """Pictures named after each step."""
    accuracy: Float[np.ndarray, "s k"]
    random: Float[np.ndarray, "s k"]
    n_tested: int
    """Pictures asked about, which nobody names; the fewest of any seed."""

    @property
    def labels_for_the_same(self) -> float | None:
        """Labels after which suggestions reach what random ones have at the end, between steps in proportion; None where they do not."""
        return labels_for(self.labels, self.accuracy.mean(axis=0), float(self.random.mean(axis=0)[-1]))

    @property
    def difference(self) -> tuple[float, float, float]:
        """Mean over the curve of the accuracy above random, and its 95 % interval: Student's t over the seeds, which are paired."""
        return paired_difference(self.accuracy, self.random)

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """Labels, and the mean accuracy after so many by suggestion and at random, as shown."""
        means = self.accuracy.mean(axis=0), self.random.mean(axis=0)
        return [
            (f"{n:,}", f"{found:.3f}", f"{other:.3f}")
            for n, found, other in zip(self.labels.tolist(), *means, strict=True)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        mean, low, high = self.difference
        return {
            "strategy": self.strategy, "labels": self.labels.tolist(), "accuracy": self.accuracy.tolist(), "random": self.random.tolist(),
            "tested": self.n_tested, "labels_for_the_same": self.labels_for_the_same, "difference": mean, "difference_interval": [low, high],
        }  # fmt: skip

    @property
    def in_words(self) -> str:
        """What the curve says, in a sentence."""
        mean, low, high = self.difference
        end, best = self.random.mean(axis=0)[-1], self.labels_for_the_same
        saved = f"{best:,.0f} suggested ones do the same" if best is not None else "suggested ones do not reach that"
        return (
            f"{counted(int(self.labels[-1]), 'label')} drawn at random name {100 * end:.1f} % of {counted(self.n_tested, 'picture')} right that took no part; "
            f"{saved} ({self.strategy}); over the whole curve {100 * mean:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}], {len(self.random)} draws"
            + (": this may be chance" if low <= 0 <= high else "")
        )


def learning_curve(
    vectors: Float32[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    *,
    strategy: str = "both",
    step: int = 50,
    seeds: int = SEEDS,
    most: int | None = None,
    kin: Int[np.ndarray, " n"] | None = None,
    seed: int = 0,
) -> LearningCurve:
    """The curve of a strategy of `next_pictures` beside random, on pictures of unit vectors and known classes, `step` labels at a time.

    `HELD_OUT` of each class is asked about, drawn anew for each seed; those with one number in `kin` stay on one side. The curve ends
    after `most` labels (`MOST_STEPS` steps unless told otherwise), or where nothing is left to name. Memory: as `next_pictures`.

    Raises InputError for fewer than two classes or two steps, or an unknown strategy.

    >>> rng = np.random.default_rng(0)
    >>> classes = np.repeat(np.arange(6), 12)
    >>> points = np.eye(6, dtype=np.float32)[classes] + rng.normal(scale=0.05, size=(72, 6)).astype(np.float32)
    >>> curve = learning_curve(points / np.linalg.norm(points, axis=1, keepdims=True), classes, step=3)
    >>> curve.labels[:3].tolist(), bool(curve.accuracy.mean() > curve.random.mean())
    ([3, 6, 9], True)
    """
    if len(np.unique(classes)) < 2:
        raise InputError("a learning curve needs pictures of two classes or more: name pictures of another class too")
    found: list[list[float]] = []
    tested = []
    for own in range(seed, seed + seeds):
        held = draw_share(classes, HELD_OUT, kin=kin, seed=own)
        tested.append(int(held.sum()))
        for way in (strategy, "random"):
            found.append(
                user_accuracy(
                    vectors[~held], classes[~held], vectors[held], classes[held],
                    strategy=way, step=step, most=most or MOST_STEPS * step, kin=None if kin is None else kin[~held], seed=own,
                )
            )  # fmt: skip
    k = min(map(len, found))
    if k < 2 or not min(tested):
        raise InputError(
            f"{counted(len(classes), 'picture')} with a name are too few for two steps of {step} labels, a third being asked about: "
            f"take smaller steps (-n {max(1, len(classes) // 12)}), or name more"
        )
    curves = np.array([one[:k] for one in found]).reshape(seeds, 2, k)
    return LearningCurve(strategy, step * np.arange(1, k + 1), curves[:, 0], curves[:, 1], min(tested))


def user_accuracy(
    vectors: Float32[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    asked: Float32[np.ndarray, "m d"],
    truth: Int[np.ndarray, " m"],
    *,
    strategy: str,
    step: int,
    most: int,
    kin: Int[np.ndarray, " n"] | None = None,
    seed: int = 0,
) -> list[float]:
    """Accuracy of one simulated user on pictures `asked` after each whole step.

    Nothing is known at first: a strategy that needs a classifier begins as "typical" does, until two classes are named.
    """
    mine: list[int] = []
    accuracy: list[float] = []
    while len(mine) < most:
        rest = np.setdiff1d(np.arange(len(vectors)), mine)
        margin = None
        if len(np.unique(classes[mine])) > 1 and len(rest):
            shares = np.sort(SimpleShot(SCALE).fit(vectors[mine], classes[mine]).predict_proba(vectors[rest]), axis=1)
            margin = shares[:, -1] - shares[:, -2]
        way = strategy if margin is not None or strategy not in ("both", "uncertainty") else "typical"
        proposed = next_pictures(
            vectors[rest], step, strategy=way, margin=margin, labelled=vectors[mine],
            kin=None if kin is None else kin[rest], seed=seed * 1000 + len(mine),
        )  # fmt: skip
        if len(proposed) < step:
            break
        mine += rest[proposed].tolist()
        if len(np.unique(classes[mine])) < 2:
            accuracy.append(float((truth == classes[mine][0]).mean()))
        else:
            accuracy.append(float((SimpleShot().fit(vectors[mine], classes[mine]).predict(asked) == truth).mean()))
    return accuracy


def labels_for(labels: Int[np.ndarray, " k"], accuracy: Float[np.ndarray, " k"], target: float) -> float | None:
    """Labels after which an accuracy is reached, between steps in proportion; None where it is not.

    >>> labels_for(np.array([10, 20, 30]), np.array([0.2, 0.4, 0.8]), 0.5)
    22.5
    """
    above = np.flatnonzero(accuracy >= target - 1e-12)
    if not len(above):
        return None
    first = int(above[0])
    if first == 0:
        return float(labels[0])
    part = (target - accuracy[first - 1]) / (accuracy[first] - accuracy[first - 1])
    return float(labels[first - 1] + part * (labels[first] - labels[first - 1]))


def paired_difference(found: Float[np.ndarray, "s k"], other: Float[np.ndarray, "s k"]) -> tuple[float, float, float]:
    """Mean difference of two sets of curves, paired by seed, and its 95 % interval; without width where there is one seed.

    >>> paired_difference(np.array([[0.5, 0.75], [0.5, 1.0]]), np.array([[0.25, 0.5], [0.25, 0.75]]))
    (0.25, 0.25, 0.25)
    """
    from scipy import stats

    differences = (found - other).mean(axis=1)
    mean = float(differences.mean())
    if len(differences) < 2:
        return mean, mean, mean
    spread = float(differences.std(ddof=1)) / np.sqrt(len(differences))
    width = float(stats.t.ppf(0.975, len(differences) - 1) * spread)
    return mean, mean - width, mean + width
