"""How deep an answer may go: the deepest taxon such that the chance of a wrong answer stays under a risk.

A picture's answer moves along one path, from the best root to its best child and on (`ClassTree.descend`); where it stops
is a threshold on probability that labelled pictures decide. The paths themselves are `answer_paths`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from cladescope.analysis.classify.answer_paths import Traces, trace, walk, without_own
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.errors import InputError
from cladescope.taxonomy.taxon import Taxon

RISK = 0.02
"""Share of answers that may be wrong, unless another is asked for, or too few calibration pictures can promise it."""
MOST_USUAL_RISK = 0.05
"""Up to which it may then be more."""
NOTHING_ALLOWED = np.inf
"""A threshold that no probability reaches: every answer is "not known"."""
MIN_CONFIDENCE = 200
"""Calibration pictures, each counted as often as it is asked, from which on half of them fit a `RankConfidence`."""
MIN_IN_TURN = 40
"""The same where pictures were asked in turn, so that both halves do."""

WIDER_RISKS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Of which the least that would name more is proposed."""

_LEAST_CHANCE = 1e-6

AskedBlock: TypeAlias = (
    tuple[Float[np.ndarray, "_ c"], Sequence[Taxon]]
    | tuple[Float[np.ndarray, "_ c"], Sequence[Taxon], Float[np.ndarray, " _"], Float[np.ndarray, " _"]]
)
"""Probabilities of some pictures and their true taxa; where it was measured also how each stands, as it is and without its own class."""


@dataclass(frozen=True, eq=False)
class RankConfidence:
    """How sure an answer of each rank is, given its node's p and the picture's z: sigmoid(slope logit(p) + weight z + offset).

    Probabilities speak of the classes that there are. A picture of a taxon that is none of them often has a sure nearest
    species all the same, but seldom a wrong class: so a species has to be surer than a class to be believed. It also lies
    farther from all that is known: its standing z (`Known.standing`) counts where it was measured. Platt scaling
    (Platt 1999, Probabilistic outputs for support vector machines, eq. 1), one line a rank, with a second feature.
    """

    slopes: Float64[np.ndarray, " ranks"]
    offsets: Float64[np.ndarray, " ranks"]
    weights: Float64[np.ndarray, " ranks"] | None = None
    """Of a picture's standing; None where that does not count."""

    @staticmethod
    def fit(traces: Traces) -> "RankConfidence | None":
        """Fitted to what was right and wrong on these paths; None where all were right, or all wrong.

        Ranks share a slope and an offset, from which each differs as far as its pictures say (scikit-learn's logistic
        regression, C = 1).
        """
        from sklearn.linear_model import LogisticRegression

        met = ~np.isnan(traces.chances)
        right = ~traces.wrong[met]
        if right.all() or not right.any():
            return None
        row, rank = np.nonzero(met)
        logits, ranks = _logit(traces.chances[met]), np.eye(traces.chances.shape[1])[rank]
        given = [logits[:, None], ranks, ranks * logits[:, None]]
        if traces.standing is not None:
            stand = traces.standing[row][:, None]
            given += [stand, ranks * stand]
        model = LogisticRegression(max_iter=1000)
        model.fit(np.concatenate(given, axis=1), right)
        n, found = ranks.shape[1], model.coef_[0]
        # A surer node, and a picture that lies nearer, is never less to be believed.
        slopes = np.maximum(found[0] + found[1 + n : 1 + 2 * n], 0.0)
        weights = None if traces.standing is None else np.maximum(found[1 + 2 * n] + found[2 + 2 * n :], 0.0)
        return RankConfidence(slopes, found[1 : 1 + n] + float(model.intercept_[0]), weights)

    def of(
        self, chances: Float64[np.ndarray, "q ranks"], standing: Float[np.ndarray, " q"] | None = None
    ) -> Float64[np.ndarray, "q ranks"]:
        """Confidence at each rank of a path; no rank is surer than one above it. NaN stays NaN.

        Raises InputError where a standing counts and none is given.
        """
        from scipy.special import expit

        found = self.slopes * _logit(chances) + self.offsets
        if self.weights is not None:
            if standing is None:
                raise InputError("how sure an answer is depends on how near the picture lies, which is not given")
            found += self.weights * standing[:, None]
        return np.where(np.isnan(chances), np.nan, np.fmin.accumulate(expit(found), axis=1))


def _logit(chances: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    from scipy.special import logit

    found: np.ndarray = logit(np.clip(chances, _LEAST_CHANCE, 1 - _LEAST_CHANCE))
    return found


@dataclass(frozen=True, eq=False)
class BackOff:
    """Where answers stop, decided by labelled pictures that the classifier has not learnt from.

    Conformal risk control (Angelopoulos et al. 2024, https://arxiv.org/abs/2208.02814, eq. 4): the loss "the answer is
    wrong" falls as the threshold grows, because an answer moves up one path. Over the draw of the calibration pictures and
    one new picture the chance of a wrong answer is at most the risk, *if the new picture is exchangeable with the
    calibration pictures*: of the same places and cameras. It is a promise over all pictures, not for each species, and
    says nothing of pictures from elsewhere. Where there are pictures of both kinds, it holds for `seen` and for `unseen`
    apart, and so for any share of them; for taxa truly unseen as far as `unseen`, often an imitation, is like them.
    """

    seen: Float64[np.ndarray, " n"]
    """Critical value (see `answer_paths.critical_values`) of each calibration picture whose taxon is among the classes, in the terms
    of `confidence` where there is one."""
    unseen: Float64[np.ndarray, " m"] = field(default_factory=lambda: np.empty(0))
    """The same of pictures whose taxon is none of the classes, or was taken out of them to imitate that."""
    confidence: RankConfidence | None = None

    def __post_init__(self) -> None:
        """Raises InputError where there is no calibration picture, or a value is no probability."""
        both = np.concatenate([self.seen, self.unseen])
        if not len(both):
            raise InputError("no calibration picture: give labelled pictures of taxa that the classifier knows")
        if not ((both >= 0) & (both <= 1 + 1e-5)).all():
            raise InputError("critical values must be probabilities, from 0 to 1: make them with critical_values")

    def parts(self) -> dict[str, Float64[np.ndarray, "..."]]:
        """As arrays by name, for a file."""
        found = {"critical_seen": self.seen, "critical_unseen": self.unseen}
        if (sure := self.confidence) is not None:
            found["confidence"] = np.stack([sure.slopes, sure.offsets])
            if sure.weights is not None:
                found["confidence_weights"] = sure.weights
        return found

    @staticmethod
    def of_parts(arrays: Mapping[str, np.ndarray]) -> "BackOff | None":
        """What `parts` gave, among other arrays; None where it is not there."""
        if "critical_seen" not in arrays:
            return None
        sure = arrays.get("confidence")
        confidence = None if sure is None else RankConfidence(sure[0], sure[1], arrays.get("confidence_weights"))
        return BackOff(arrays["critical_seen"], arrays["critical_unseen"], confidence)

    def closed_set(self) -> "BackOff":
        """The promise for pictures of taxa that are among the classes, and for no others; answers go deeper.

        Raises InputError where no calibration picture is of such a taxon.
        """
        if not len(self.seen):
            raise InputError(
                "no calibration picture is of a taxon among the classes: nothing can be promised for those"
            )
        return BackOff(self.seen, confidence=self.confidence)

    def threshold(self, risk: float) -> float:
        """Least confidence of a node that may be answered; `NOTHING_ALLOWED` where too few pictures allow any.

        With n calibration pictures of a kind no risk below 1 / (n + 1) can be promised. Raises InputError for a risk
        outside (0, 1).

        >>> BackOff(np.array([0.9, 0.6, 0.2, 0.0])).threshold(0.5) > 0.6
        True
        """
        if not 0.0 < risk < 1.0:
            raise InputError(f"the risk is {risk}: expected a share above 0 and below 1, such as 0.1")
        return max(_threshold(values, risk) for values in (self.seen, self.unseen) if len(values))

    def why(self, tree: ClassTree, risk: float) -> str:
        """Why no name reaches the threshold of a risk, and which setting may name more.

        >>> tree = ClassTree.from_taxa([Taxon((None,) * 6 + ("Parus major",)), Taxon((None,) * 6 + ("Parus minor",))])
        >>> BackOff(np.full(16, 0.9), np.full(16, 0.9)).why(tree, 0.05)
        '16 calibration pictures, and names without higher ranks, allow none at a risk of 0.05: try risk 0.1 or closed_set'
        """
        n = self.n_deciding
        bare = ", and names without higher ranks," if len(np.unique(tree.rank)) == 1 else ""
        now = self.threshold(risk)
        allow = "allow none" if now > 1 else f"ask for a confidence of {now:.2f}"
        return f"{n:,} calibration pictures{bare} {allow} at a risk of {risk:g}: try {self.more(risk)}"

    def more(self, risk: float) -> str:
        """Which setting names more than a risk does."""
        now = self.threshold(risk)
        others = [other for other in WIDER_RISKS if other > risk and self.threshold(other) < min(now, 1.0)]
        wider = f"risk {others[0]:g} or " if others else ""
        return wider + ("closed_set" if len(self.seen) and len(self.unseen) else "more labelled pictures")

    @property
    def n_deciding(self) -> int:
        """Calibration pictures of each kind, known and unknown; of that which has fewer."""
        return min(len(values) for values in (self.seen, self.unseen) if len(values))

    @property
    def usual_risk(self) -> float | None:
        """The least risk from `RISK` on that there are pictures enough to promise; None where it would be above `MOST_USUAL_RISK`.

        >>> BackOff(np.zeros(24)).usual_risk, BackOff(np.zeros(5)).usual_risk
        (0.04, None)
        """
        least = max(RISK, 1 / (self.n_deciding + 1))
        return least if least <= MOST_USUAL_RISK else None

    def paths(
        self, tree: ClassTree, probabilities: Float[np.ndarray, "q c"], standing: Float[np.ndarray, " q"] | None = None
    ) -> tuple[Int[np.ndarray, "q ranks"], Float64[np.ndarray, "q ranks"]]:
        """The node of each picture's path at each rank, -1 where none is met, and how sure it is, NaN where none is met.

        That is the `confidence` in it, or its probability where there is none.
        """
        path, chances = walk(tree, probabilities)
        return path, chances if self.confidence is None else self.confidence.of(chances, standing)

    def reaches_end(self, traces: Traces, risk: float) -> Bool[np.ndarray, " q"]:
        """Whether the end of each path is sure enough for a risk."""
        sure = traces.chances if self.confidence is None else self.confidence.of(traces.chances, traces.standing)
        # No rank is surer than one above it, so that the end is the least.
        found: Bool[np.ndarray, " q"] = np.nanmin(sure, axis=1) >= self.threshold(risk)
        return found

    def sure_at(
        self, rank: int, chances: Float[np.ndarray, " m"], standing: Float[np.ndarray, ""] | float | None
    ) -> Float64[np.ndarray, " m"]:
        """How sure one picture's taxa of a rank are, from their probabilities; `paths` says so of its path."""
        if self.confidence is None:
            return chances.astype(np.float64)
        table = np.full((len(chances), len(self.confidence.slopes)), np.nan)
        table[:, rank] = chances
        stand = None if standing is None else np.full(len(chances), float(standing))
        found: Float64[np.ndarray, " m"] = self.confidence.of(table, stand)[:, rank]
        return found

    def answer(
        self,
        tree: ClassTree,
        probabilities: Float[np.ndarray, "q c"],
        risk: float,
        standing: Float[np.ndarray, " q"] | None = None,
    ) -> tuple[Int[np.ndarray, " q"], Float[np.ndarray, " q"]]:
        """The deepest node of each picture's path that reaches the threshold, -1 for none, and how sure it is.

        No answer has 1: that it is some organism.
        """
        path, chances = self.paths(tree, probabilities, standing)
        reached = np.nan_to_num(chances, nan=-1.0) >= self.threshold(risk)
        answered = np.where(reached, path, -1).max(axis=1)
        # Nodes are counted rank by rank: the greatest is the deepest.
        sure = np.where(reached, chances, np.inf).min(axis=1)
        return answered, np.where(answered >= 0, sure, 1.0).astype(probabilities.dtype)


def _threshold(critical: Float64[np.ndarray, " n"], risk: float) -> float:
    n = len(critical)
    allowed = int(np.floor(risk * (n + 1) + 1e-9)) - 1
    if allowed < 0:
        return NOTHING_ALLOWED
    if allowed >= n:
        return 0.0
    # At most `allowed` pictures may have a critical value that reaches the threshold.
    largest = np.sort(critical)[::-1]
    return float(np.nextafter(largest[allowed], np.inf))


def calibrated(
    tree: ClassTree,
    asked: Iterable[AskedBlock],
    *,
    kin: Int[np.ndarray, " n"] | None = None,
    in_turn: bool = False,
    seed: int = 0,
) -> BackOff:
    """Back-off from blocks of probabilities and true taxa of pictures that the classifier has not learnt from.

    A picture whose taxon is a class is asked twice, as it is and as if its class were not there (`without_own`); one
    whose taxon the tree does not have is a stranger itself. With `MIN_CONFIDENCE` pictures or more a random half fits the
    `RankConfidence` and the other half decides the threshold; with fewer, all decide it and probabilities stay as they are.
    Where pictures were asked `in_turn`, that of each half judges the other half, from `MIN_IN_TURN` on, all decide the threshold, and the one that
    is kept is fitted to all. `kin` has a number for each picture of all blocks; those with one number are in one half.

    Raises InputError where there is no picture.
    """
    groups, rows = asked_twice(tree, asked)
    n = max((int(part.max()) + 1 for part in rows if len(part)), default=0)
    if not n:
        raise InputError("no calibration picture: give labelled pictures of taxa that the classifier knows")
    if len(groups[0]) + len(groups[1]) >= (MIN_IN_TURN if in_turn else MIN_CONFIDENCE):
        _, number = np.unique(np.arange(n) if kin is None else kin, return_inverse=True)
        is_first = np.random.default_rng(seed).permutation(int(number.max()) + 1)[number] % 2 == 0
        sides = [is_first[part] for part in rows]
        halves = [[group[side] for group, side in zip(groups, sides, strict=True)],
                  [group[~side] for group, side in zip(groups, sides, strict=True)]]  # fmt: skip
        fitted = [RankConfidence.fit(Traces.of_parts(half)) for half in halves]
        if in_turn and fitted[0] is not None and fitted[1] is not None:
            values = [
                np.concatenate([_sure(fitted[1], first).critical, _sure(fitted[0], second).critical])
                for first, second in zip(*halves, strict=True)
            ]
            return BackOff(values[0], values[1], RankConfidence.fit(Traces.of_parts(groups)))
        if not in_turn and fitted[0] is not None and any(map(len, halves[1])):
            values = [_sure(fitted[0], half).critical for half in halves[1]]
            return BackOff(values[0], values[1], fitted[0])
    return BackOff(groups[0].critical, groups[1].critical)


def asked_twice(
    tree: ClassTree, asked: Iterable[AskedBlock]
) -> tuple[tuple[Traces, Traces], tuple[Int[np.ndarray, " s"], Int[np.ndarray, " u"]]]:
    """Paths of pictures of taxa that are classes, and of strangers real and imitated; and which pictures of all blocks these are."""
    seen, unseen = [], []
    rows: tuple[list[Int[np.ndarray, " _"]], list[Int[np.ndarray, " _"]]] = ([], [])
    start = 0
    taxa = {tree.class_taxon(row) for row in range(tree.n_classes)}
    for probabilities, truth, *stand in asked:
        standing, apart = stand or (None, None)
        own = np.array([tree.node_of(taxon) is not None for taxon in truth], bool)
        can_imitate = np.array([taxon in taxa and not _is_all(tree, taxon) for taxon in truth], bool)
        found = trace(tree, probabilities, truth, standing)
        seen.append(found[own])
        unseen.append(found[~own])
        block = np.arange(start, start := start + len(truth))
        rows[0].append(block[own])
        rows[1].append(block[~own])
        if can_imitate.any():
            named = [taxon for taxon, is_class in zip(truth, can_imitate, strict=True) if is_class]
            alone = None if apart is None else apart[can_imitate]
            unseen.append(trace(tree, without_own(tree, probabilities[can_imitate], named), named, alone))
            rows[1].append(block[can_imitate])
    none = np.empty(0, np.int64)
    return (Traces.of_parts(seen), Traces.of_parts(unseen)), (
        np.concatenate([none, *rows[0]]),
        np.concatenate([none, *rows[1]]),
    )


def _is_all(tree: ClassTree, taxon: Taxon) -> bool:
    """Whether every class lies in the clade of a class."""
    return bool((tree.class_nodes == tree.node_of(taxon)).any(axis=1).all())


def _sure(confidence: RankConfidence, traces: Traces) -> Traces:
    return Traces(confidence.of(traces.chances, traces.standing), traces.wrong)
