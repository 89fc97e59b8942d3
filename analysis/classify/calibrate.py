"""How honest the probabilities of fitted classes are: their scale, and how far an answer may be trusted.

Both are decided by pictures that the classes were not learnt from. Which those are, and which classes are kept, is decided
in one place, `fit_apart`; the rest takes any number of such parts.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Real
from scipy.optimize import minimize_scalar

from cladescope.analysis.classify.answer_paths import Traces, trace
from cladescope.analysis.classify.back_off import AskedBlock, BackOff, RankConfidence, asked_twice, calibrated
from cladescope.analysis.classify.class_gallery import ClassGallery, probability_blocks
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.draws import draw_share
from cladescope.analysis.classify.fitting import chosen_kappa, fit_classes, with_texts
from cladescope.analysis.classify.known import Known, known_of
from cladescope.analysis.classify.neighbour_vote import NeighbourVote
from cladescope.errors import InputError
from cladescope.taxonomy.taxon import RANKS

TEXT_WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Of which the likeliest is taken where pictures shall choose how much texts count."""

FEW = 100
"""Pictures held out from which on half of them say how sure an answer is, and the others where it stops. Fewer all say the latter."""
ROUNDS = 5
"""Times that a share of the pictures learnt from is held out in turn, to say how sure an answer is where few are held out."""

_SCALES = (-2.0, 4.0)
"""Ends of the scales that are tried, as powers of ten; the loss may have several hollows, so first a step apart."""
_STEP = 0.5
_LEAST_VOTE = 1e-6
_LEAST = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, eq=False)
class Learnt:
    """Classes, and what they were learnt from."""

    classes: ClassGallery | NeighbourVote
    counts: Int[np.ndarray, " c"]
    """Pictures that each class was learnt from."""
    kappa: float
    known: Known | None = None
    """How near pictures lie to these classes; None where that was not measured."""


@dataclass(frozen=True, eq=False)
class Asked:
    """m pictures, and classes that were not learnt from them."""

    classes: ClassGallery | NeighbourVote
    vectors: Real[np.ndarray, "m d"]
    truth: Int[np.ndarray, " m"]
    """Each picture's class."""
    kin: Int[np.ndarray, " m"] | None = None
    """Equal for pictures that are not independent of each other (`embedding.kin`); None where all are."""


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Fitted classes, and what pictures that they were not learnt from said of them."""

    classes: ClassGallery | NeighbourVote
    counts: Int[np.ndarray, " c"]
    kappa: float
    text_weight: float
    right: Bool[np.ndarray, " m"]
    """Whether each picture asked was named correctly; empty where none was asked."""
    sure: Float32[np.ndarray, " m"]
    """Probability of its answer."""
    traces: Traces | None
    """Of the same pictures, by rank; None where labels are no taxa."""
    back_off: BackOff | None
    """None where no picture was asked. Plain labels are a tree of one rank (`ClassTree.flat`)."""
    known: Known | None = None
    """How near pictures lie to what was learnt, those asked among the pictures that say how near is usual."""
    kept: float | None = None
    """Share of the pictures asked whose whole name is sure enough for the usual risk; None where no such risk can be kept."""
    kin: Int[np.ndarray, " m"] | None = None
    """Of the pictures asked, equal for those that are not independent of each other; None where that is not known."""

    def by_rank(self) -> dict[str, tuple[Float64[np.ndarray, " _"], Bool[np.ndarray, " _"]]]:
        """For each rank that an answer can have, how probable it was and whether it was right; `label` for plain labels."""
        if self.traces is None:
            return {"label": (self.sure.astype(np.float64), self.right)} if len(self.right) else {}
        met = ~np.isnan(self.traces.chances)
        return {
            rank: (self.traces.chances[met[:, place], place], ~self.traces.wrong[met[:, place], place])
            for place, rank in enumerate(RANKS)
            if met[:, place].any()
        }


def fit_apart(
    learn: Callable[[Bool[np.ndarray, " n"]], Learnt],
    vectors: Real[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    *,
    share: float,
    kin: Int[np.ndarray, " n"] | None = None,
    seed: int = 0,
) -> tuple[Learnt, list[Asked]]:
    """The classes that are kept, and the parts of the pictures with classes that were not learnt from them.

    `learn` makes classes of the pictures chosen. Here a share of each class is drawn and held out, the kept classes are those
    of the rest, and they are asked about what was held out: one part, or none where nothing is. Pictures with one number in
    `kin` stay on one side.

    Raises InputError for a share outside [0, 1), and what `learn` raises.
    """
    held = draw_share(classes, share, kin=kin, seed=seed)
    kept = learn(~held)
    if not held.any():
        return kept, []
    return kept, [Asked(kept.classes, vectors[held], classes[held], None if kin is None else kin[held])]


def fit_calibrated(
    vectors: Real[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    labels: Sequence[str],
    *,
    method: str = "simpleshot",
    tree: ClassTree | None = None,
    kappa: float | None = 0.0,
    texts: Float[np.ndarray, "c d"] | None = None,
    text_weight: float | None = None,
    share: float = 0.2,
    kin: Int[np.ndarray, " n"] | None = None,
    k: int = 5,
    seed: int = 0,
) -> Calibrated:
    """Fit, and choose the scale that makes pictures likeliest that the classes were not learnt from; see `fit_apart`.

    One scale for all classes: temperature scaling, Guo et al. 2017, https://arxiv.org/abs/1706.04599, section 4.2. Where
    the classes are taxa, each picture is asked twice for back-off: as it is, and as if its class were not there.
    `kappa` None: `chosen_kappa`; `text_weight` None with `texts`: the one of `TEXT_WEIGHTS` that makes pictures likeliest.

    Raises InputError as `fit_classes` does, for a share outside [0, 1), and for texts where classes are no means.
    """
    if texts is not None and method not in ("simpleshot", "prototypes"):
        raise InputError(f"texts can be mixed with class means, not with {method}: use simpleshot or prototypes")

    def learn(chosen: Bool[np.ndarray, " n"]) -> Learnt:
        given, own = vectors[chosen], classes[chosen]
        leaning = kappa
        if leaning is None:
            leaning = 0.0 if tree is None else chosen_kappa(given, own, tree, method=method)
        fitted = fit_classes(given, own, labels, method=method, tree=tree, kappa=leaning, k=k)
        near = known_of(given, own, None if kin is None else kin[chosen], seed=seed)
        return Learnt(fitted, np.bincount(own, minlength=len(labels)), leaning, near)

    kept, asked = fit_apart(learn, vectors, classes, share=share, kin=kin, seed=seed)
    weight = text_weight or 0.0
    fitted = kept.classes
    if texts is not None:
        if text_weight is None:
            if not asked:
                raise InputError(
                    "no picture is held out to choose the weight of texts: give the weight, or more pictures"
                )
            weight = _likeliest_weight(asked, texts)
        fitted = _mixed(fitted, texts, weight)
        asked = [replace(part, classes=_mixed(part.classes, texts, weight)) for part in asked]
    if not asked:
        return Calibrated(
            fitted, kept.counts, kept.kappa, weight, np.empty(0, bool), np.empty(0, np.float32), None, None, kept.known
        )
    scale = best_scale(asked)
    asked = [replace(part, classes=replace(part.classes, scale=scale)) for part in asked]
    numbers = [part.kin for part in asked if part.kin is not None]
    related = np.concatenate(numbers) if len(numbers) == len(asked) else None
    known = kept.known
    if known is not None:
        # Before they are asked how they stand: what decides and what is asked later must be measured alike.
        known = known.and_held(np.concatenate([known.nearness(part.vectors) for part in asked]))
    taxa = ClassTree.flat(len(labels)) if tree is None else tree
    confidence = None
    if sum(len(part.truth) for part in asked) < FEW:
        rest = np.flatnonzero(~draw_share(classes, share, kin=kin, seed=seed))
        paths: list[Traces] = []
        for number in range(1, 1 + ROUNDS):
            again = draw_share(classes[rest], share, kin=None if kin is None else kin[rest], seed=seed + number)
            chosen = np.zeros(len(classes), bool)
            chosen[rest[~again]] = True
            less = learn(chosen)
            own = less.classes if texts is None else _mixed(less.classes, texts, weight)
            part = Asked(replace(own, scale=scale), vectors[rest[again]], classes[rest[again]])
            paths += asked_twice(taxa, _blocks(part, taxa, less.known))[0]
        confidence = RankConfidence.fit(Traces.of_parts(paths))
    right, sure, traces, back_off, kept_names = _answers(asked, tree, taxa, related, known, confidence, seed=seed)
    return Calibrated(
        replace(fitted, scale=scale),
        kept.counts,
        kept.kappa,
        weight,
        right,
        sure,
        traces,
        back_off,
        known,
        kept_names,
        related,
    )


def best_scale(asked: Sequence[Asked]) -> float:
    """The scale under which the true classes are likeliest (least mean -log p), between 0.01 and 10,000.

    Pictures are asked once a trial, about 25 times: at steps over the whole range, and then about the best of them.
    """

    def loss(exponent: float) -> float:
        scale = float(10**exponent)
        return mean_surprise([replace(part, classes=replace(part.classes, scale=scale)) for part in asked])

    steps = np.arange(_SCALES[0], _SCALES[1] + _STEP, _STEP)
    near = float(steps[int(np.argmin([loss(step) for step in steps]))])
    bounds = (max(near - _STEP, _SCALES[0]), min(near + _STEP, _SCALES[1]))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 0.01})
    return float(10**found.x)


def mean_surprise(asked: Sequence[Asked]) -> float:
    """Mean -log p of the true classes, in nats: the log loss.

    Where neighbours vote, a probability below a millionth counts as that, so that a class for which none votes costs
    something finite. Elsewhere only one that float32 cannot hold is raised: the loss would else be low for answers that are
    all but certain and now and then wrong.
    """
    parts = [
        -np.log(np.maximum(found[np.arange(stop - start), part.truth[start:stop]], _least(part.classes))).sum(
            dtype=np.float64
        )
        for part in asked
        for start, stop, found in probability_blocks(part.classes, part.vectors)
    ]
    return float(sum(parts) / sum(len(part.truth) for part in asked))


def _least(classes: ClassGallery | NeighbourVote) -> float:
    return _LEAST_VOTE if isinstance(classes, NeighbourVote) else _LEAST


def _answers(
    asked: Sequence[Asked],
    tree: ClassTree | None,
    taxa: ClassTree,
    kin: Int[np.ndarray, " m"] | None,
    known: Known | None,
    confidence: RankConfidence | None,
    *,
    seed: int,
) -> tuple[Bool[np.ndarray, " m"], Float32[np.ndarray, " m"], Traces | None, BackOff, float | None]:
    """Whether each picture is named correctly, how sure that is, the paths of the answers, where they shall stop, and which share then goes to its end.

    `taxa` are the classes as a tree, also those that are plain labels.
    """
    right: list[Bool[np.ndarray, " _"]] = []
    sure: list[Float32[np.ndarray, " _"]] = []
    traces: list[Traces] = []

    def noting() -> Iterator[AskedBlock]:
        for part in asked:
            start = 0
            for block in _blocks(part, taxa, known):
                found, own, *stand = block
                truth = part.truth[start : start + len(found)]
                start += len(found)
                right.append(found.argmax(axis=1) == truth)
                sure.append(found.max(axis=1))
                traces.append(trace(taxa, found, own, stand[0] if stand else None))
                yield block

    back_off = calibrated(taxa, noting(), kin=kin, confidence=confidence, seed=seed)
    met = Traces.of_parts(traces)
    risk = back_off.usual_risk
    kept = None if risk is None else float(back_off.reaches_end(met, risk).mean())
    return np.concatenate(right), np.concatenate(sure), None if tree is None else met, back_off, kept


def _blocks(part: Asked, taxa: ClassTree, known: Known | None) -> Iterator[AskedBlock]:
    """Probabilities of pictures, their taxa, and how each stands, as it is and without its class."""
    # Of more pictures than `known_of` uses, it may lack a class.
    near = known if known is not None and len(known.means) == taxa.n_classes else None
    for start, stop, found in probability_blocks(part.classes, part.vectors):
        truth, vectors = part.truth[start:stop], part.vectors[start:stop]
        own = [taxa.class_taxon(row) for row in truth]
        if near is None:
            yield found, own
            continue
        apart = (taxa.class_nodes[None] == taxa.class_node[truth][:, None, None]).any(axis=2)
        yield found, own, near.standing(vectors), near.standing(vectors, apart)


def _likeliest_weight(asked: Sequence[Asked], texts: Float[np.ndarray, "c d"]) -> float:
    """The weight of texts under which the pictures are likeliest, each weight at its best scale."""
    losses = []
    for weight in TEXT_WEIGHTS:
        mixed = [replace(part, classes=_mixed(part.classes, texts, weight)) for part in asked]
        scale = best_scale(mixed)
        losses.append(mean_surprise([replace(part, classes=replace(part.classes, scale=scale)) for part in mixed]))
    return TEXT_WEIGHTS[int(np.argmin(losses))]


def _mixed(classes: ClassGallery | NeighbourVote, texts: Float[np.ndarray, "c d"], weight: float) -> ClassGallery:
    assert isinstance(classes, ClassGallery)  # class means are
    return with_texts(classes, texts, weight)
