"""The scale under which pictures are likeliest, and the weight of texts: chosen for each part of the pictures by the others.

Pictures are scored once; what a scale makes of the scores is a matter of arithmetic.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from cladescope.analysis.classify.asked_apart import Asked
from cladescope.analysis.classify.class_gallery import ClassGallery
from cladescope.analysis.classify.fitting import with_texts
from cladescope.analysis.classify.neighbour_vote import NeighbourVote
from cladescope.embedding.kin import are_alone
from cladescope.errors import InputError

TEXT_WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Of which the likeliest is taken where pictures shall choose how much texts count."""
MOST_BYTES = 1 << 28
"""Of the scores that are kept; of more pictures as many as fit are drawn."""
MOST_ASKED = 4_000
"""Pictures by which a scale is chosen, at most."""

_SCALES = (-2.0, 4.0)
"""Ends of the scales that are tried, as powers of ten; the loss may have several hollows, so first a step apart."""
_STEP, _FINE = 0.5, 0.05
_LEAST_VOTE = 1e-6
_LEAST = float(np.finfo(np.float32).tiny)

Surprise = Callable[[float], Float64[np.ndarray, " m"]]
"""Of a scale: -log p of each picture's true class, in nats."""


@dataclass(frozen=True)
class Chosen:
    """Scale and weight of texts of the classes that are kept, and of each part, chosen without its pictures."""

    scale: float
    weight: float
    of_parts: tuple[tuple[float, float], ...]


def best_scale(asked: Sequence[Asked]) -> float:
    """The scale under which the true classes are likeliest (least mean -log p), between 0.01 and 10,000.

    Temperature scaling, Guo et al. 2017, https://arxiv.org/abs/1706.04599, section 4.2. Where neighbours vote, a
    probability below a millionth counts as that, so that a class for which none votes costs something finite. Elsewhere only one that
    float32 cannot hold is raised: the loss would else be low for answers that are all but certain and now and then wrong.
    """
    return chosen(asked).scale


def chosen(
    asked: Sequence[Asked], texts: Float[np.ndarray, "c d"] | None = None, weight: float | None = 0.0, *, seed: int = 0
) -> Chosen:
    """Scale and, with `texts` and no `weight`, the one of `TEXT_WEIGHTS` under which pictures are likeliest: of all, and for each part of the others.

    Of one part, which has no others, each half is chosen for by the other half: `halved` says which pictures these are. Pictures whose class was
    not learnt choose nothing; where all are such the scale stays as it was fitted.

    Raises InputError where no picture can choose a weight.
    """
    weights = TEXT_WEIGHTS if texts is not None and weight is None else (weight or 0.0,)
    sampled = _sampled(asked, seed, n_copies=len(weights))
    can_choose = np.array([len(part) > 0 for part in sampled])
    if not can_choose.any():
        if len(weights) > 1:
            raise InputError(
                "no picture can choose the weight of texts, all being the only ones of their classes: give the weight, or more pictures"
            )
        return Chosen(asked[0].classes.scale, weights[0], ((asked[0].classes.scale, weights[0]),) * len(asked))
    tried = [_Losses.of([_told(part, texts, one) for part in sampled]) for one in weights]
    scale, best = _best(tried, np.ones(len(asked), bool))
    others = []
    for place in range(len(asked)):
        rest = np.arange(len(asked)) != place
        others.append(_best(tried, rest) if (can_choose & rest).any() else (scale, best))
    return Chosen(scale, weights[best], tuple((of_part, weights[number]) for of_part, number in others))


def halved(asked: Asked, *, seed: int = 0) -> tuple[Asked, ...]:
    """Pictures in two parts, those that are kin in one; as they are where there is nothing to halve."""
    rng = np.random.default_rng([seed, 8])
    if asked.kin is None or are_alone(asked.kin):
        first = rng.permutation(len(asked)) % 2 == 0
    else:
        _, number = np.unique(asked.kin, return_inverse=True)
        first = rng.permutation(int(number.max()) + 1)[number] % 2 == 0
    if first.all() or not first.any():
        return (asked,)
    return tuple(_rows(asked, side) for side in (first, ~first))


def _rows(asked: Asked, rows: Bool[np.ndarray, " m"] | Int[np.ndarray, " _"]) -> Asked:
    kin = None if asked.kin is None else asked.kin[rows]
    return replace(asked, vectors=asked.vectors[rows], truth=asked.truth[rows], kin=kin)


def mixed(classes: ClassGallery | NeighbourVote, texts: Float[np.ndarray, "c d"], weight: float) -> ClassGallery:
    """Classes with texts counting so much; they are class means."""
    assert isinstance(classes, ClassGallery)
    return with_texts(classes, texts, weight)


def _told(part: Asked, texts: Float[np.ndarray, "c d"] | None, weight: float) -> Asked:
    return part if texts is None else replace(part, classes=mixed(part.classes, texts, weight))


def _sampled(asked: Sequence[Asked], seed: int, *, n_copies: int) -> list[Asked]:
    """The pictures whose class was learnt, or as many of them as scores are kept of."""
    there = [part if part.absent is None else _rows(part, ~part.absent[part.truth]) for part in asked]
    total = sum(map(len, there))
    most = min(MOST_ASKED, max(1, MOST_BYTES // (4 * n_copies * len(asked[0].classes.labels))))
    if total <= most:
        return there
    rng = np.random.default_rng([seed, 9])
    return [_rows(part, np.sort(rng.permutation(len(part))[: -(-most * len(part) // total)])) for part in there]


class _Losses:
    """The sum of -log p of each part's pictures, scale by scale."""

    def __init__(self, surprises: list[Surprise], counts: Int[np.ndarray, " parts"]) -> None:
        self._surprises, self._counts = surprises, counts
        self._found: dict[float, Float64[np.ndarray, " parts"]] = {}

    @classmethod
    def of(cls, asked: Sequence[Asked]) -> "_Losses":
        return cls([surprise_of(part) for part in asked], np.array([len(part) for part in asked]))

    def mean(self, exponent: float, kept: Bool[np.ndarray, " parts"]) -> float:
        if exponent not in self._found:
            scale = float(10**exponent)
            self._found[exponent] = np.array([one(scale).sum() for one in self._surprises])
        n = int(self._counts[kept].sum())
        return float(self._found[exponent][kept].sum() / n) if n else 0.0


def _best(tried: Sequence[_Losses], kept: Bool[np.ndarray, " parts"]) -> tuple[float, int]:
    """The best scale of the best of several weights, over some of the parts, and which weight that is."""
    found = [_least(one, kept) for one in tried]
    number = int(np.argmin([loss for _, loss in found]))
    return found[number][0], number


def _least(losses: _Losses, kept: Bool[np.ndarray, " parts"]) -> tuple[float, float]:
    """The scale of least loss, and that loss: at steps over the whole range, then finer, then by a parabola."""

    def at(steps: np.ndarray) -> list[float]:
        return [losses.mean(round(float(step), 6), kept) for step in steps]

    steps = np.arange(_SCALES[0], _SCALES[1] + _STEP, _STEP)
    near = steps[int(np.argmin(at(steps)))]
    fine = np.arange(near - _STEP, near + _STEP + _FINE / 2, _FINE).clip(*_SCALES)
    found = at(fine)
    place = int(np.argmin(found))
    exponent = float(fine[place])
    if 0 < place < len(fine) - 1:
        before, here, after = found[place - 1 : place + 2]
        if (bend := before - 2 * here + after) > 0:
            exponent += float(np.clip((before - after) / (2 * bend), -1, 1)) * _FINE
    return float(10 ** np.clip(exponent, *_SCALES)), min(found)


def surprise_of(asked: Asked) -> Surprise:
    """-log p of the true classes for any scale; pictures are scored now."""
    row, truth, classes = np.arange(len(asked)), asked.truth, asked.classes
    if isinstance(classes, NeighbourVote):
        near, rows = classes.nearest(asked.vectors)
        is_true = classes.classes[rows] == truth[:, None]

        def of_votes(scale: float) -> Float64[np.ndarray, " m"]:
            weights = np.exp(scale * (near - near[:, :1]).astype(np.float64))
            share = (weights * is_true).sum(axis=1) / weights.sum(axis=1)
            return np.asarray(-np.log(np.maximum(share, _LEAST_VOTE)))

        return of_votes
    scores = np.ascontiguousarray(classes.scores(asked.vectors))
    prior = 0.0 if classes.log_prior is None else classes.log_prior

    def of_scores(scale: float) -> Float64[np.ndarray, " m"]:
        scaled = scores * np.float32(scale) + prior
        scaled -= scaled.max(axis=1, keepdims=True)
        own = scaled[row, truth].astype(np.float64)
        total = np.exp(scaled, out=scaled).sum(axis=1, dtype=np.float64)
        return np.asarray(np.minimum(np.log(total) - own, -np.log(_LEAST)))

    return of_scores
