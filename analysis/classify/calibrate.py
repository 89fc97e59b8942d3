"""How honest the probabilities of fitted classes are: their scale, and how far an answer may be trusted.

Both are decided by pictures that the classes were not learnt from. Which those are, and which classes are kept, is decided
in one place, `fit_apart`; the rest takes any number of such parts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Real

from cladescope.analysis.classify import scales
from cladescope.analysis.classify.answer_paths import Traces, trace
from cladescope.analysis.classify.asked_apart import Apart, Asked, Learnt, fit_apart
from cladescope.analysis.classify.back_off import AskedBlock, BackOff, calibrated
from cladescope.analysis.classify.class_gallery import ClassGallery, probability_blocks
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.fitting import chosen_kappa, chosen_setting, fit_classes, fit_present
from cladescope.analysis.classify.known import Known, known_by_parts, known_of
from cladescope.analysis.classify.linear_models import C_USUAL
from cladescope.analysis.classify.neighbour_vote import NeighbourVote
from cladescope.analysis.classify.settings import AUTO, Setting
from cladescope.errors import InputError
from cladescope.taxonomy.taxon import RANKS


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
    in_turn: int = 0
    """How many of the pictures asked were asked about classes of the others, in parts; the kept classes were learnt from these too."""
    alone: int = 0
    """How many of these were the only pictures of their class, which was not there when they were asked."""
    setting: Setting | None = None
    """The number of the method, as it was given or as the pictures chose it; None for a method without one."""

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
    share: float | None = None,
    given: Bool[np.ndarray, " n"] | None = None,
    kin: Int[np.ndarray, " n"] | None = None,
    k: int | str = AUTO,
    C: int | float | str = C_USUAL,
    alpha: int | float | str = AUTO,
    seed: int = 0,
) -> Calibrated:
    """Fit, and let pictures that classes were not learnt from say how sure answers are; see `fit_apart` for which these are.

    Scale and weight of texts are chosen for each part by the other parts (`scales.chosen`), so that no picture is judged by what it chose itself.
    Where the classes are taxa, each picture is asked twice for back-off: as it is, and as if its class were not there.
    `k` (of knn), `C` (of logistic) and `alpha` (of ridge) are numbers, or "auto": then the pictures that are learnt from choose (`chosen_setting`), and for
    each part those of the others alone. `kappa` None: `chosen_kappa`; `text_weight` None with `texts`: the one of `TEXT_WEIGHTS` that makes pictures likeliest.

    Raises InputError as `fit_classes` does, for a share outside [0, 1), and for texts where classes are no means.
    """
    if texts is not None and method not in ("simpleshot", "prototypes"):
        raise InputError(f"texts can be mixed with class means, not with {method}: use simpleshot or prototypes")

    value = {"knn": k, "logistic": C, "ridge": alpha}.get(method)

    def learn(chosen: Bool[np.ndarray, " n"]) -> Learnt:
        told, own = vectors[chosen], classes[chosen]
        leaning = kappa
        if leaning is None:
            leaning = _kappa(told, own, tree, method)
        setting = None
        if value is not None:
            related = None if kin is None else kin[chosen]
            setting = chosen_setting(told, own, method=method, value=value, kin=related, seed=seed)
        numbers: dict[str, Any] = {}
        if setting is not None:
            numbers[setting.name] = int(setting.value) if setting.name == "k" else setting.value
        fit = partial(fit_classes, method=method, kappa=leaning, **numbers)
        fitted = fit_present(fit, told, own, labels, tree)
        return Learnt(fitted, np.bincount(own, minlength=len(labels)), leaning, setting)

    apart = fit_apart(learn, vectors, classes, share=share, given=given, kin=kin, seed=seed)
    kept = apart.kept
    if not apart.asked:
        if texts is not None and text_weight is None:
            raise InputError("no picture is held out to choose the weight of texts: give the weight, or more pictures")
        near, _ = _with_known(apart, (), vectors, classes, kin, seed)
        weight = text_weight or 0.0
        plain = kept.classes if texts is None else scales.mixed(kept.classes, texts, weight)
        return Calibrated(
            plain, kept.counts, kept.kappa, weight, np.empty(0, bool), np.empty(0, np.float32), None, None, near,
            setting=kept.setting,
        )  # fmt: skip
    asked = [
        part for one in apart.asked for part in ((one,) if one.part is not None else scales.halved(one, seed=seed))
    ]
    chosen = scales.chosen(asked, texts, text_weight if texts is not None else 0.0, seed=seed)
    known, asked = _with_known(apart, asked, vectors, classes, kin, seed)
    asked = [
        replace(part, classes=_tuned(part.classes, texts, weight, scale))
        for part, (scale, weight) in zip(asked, chosen.of_parts, strict=True)
    ]
    numbers = [part.kin for part in asked if part.kin is not None]
    related = np.concatenate(numbers) if len(numbers) == len(asked) else None
    taxa = ClassTree.flat(len(labels)) if tree is None else tree
    right, sure, traces, back_off, kept_names = _answers(asked, tree, taxa, related, seed=seed)
    return Calibrated(
        classes=_tuned(kept.classes, texts, chosen.weight, chosen.scale), counts=kept.counts, kappa=kept.kappa,
        text_weight=chosen.weight, right=right, sure=sure, traces=traces, back_off=back_off, known=known, kept=kept_names,
        kin=related, in_turn=sum(len(part) for part in asked if part.part is not None),
        alone=sum(int(part.absent[part.truth].sum()) for part in asked if part.absent is not None), setting=kept.setting,
    )  # fmt: skip


def _kappa(
    vectors: Real[np.ndarray, "n d"], classes: Int[np.ndarray, " n"], tree: ClassTree | None, method: str
) -> float:
    if tree is None:
        return 0.0
    there, place = np.unique(classes, return_inverse=True)
    some = ClassTree.from_taxa([tree.class_taxon(row) for row in there])
    return chosen_kappa(vectors, place, some, method=method)


def _tuned(
    classes: ClassGallery | NeighbourVote, texts: Float[np.ndarray, "c d"] | None, weight: float, scale: float
) -> ClassGallery | NeighbourVote:
    return replace(classes if texts is None else scales.mixed(classes, texts, weight), scale=scale)


def _with_known(
    apart: Apart, asked: Sequence[Asked], vectors: Real[np.ndarray, "n d"], classes: Int[np.ndarray, " n"],
    kin: Int[np.ndarray, " n"] | None, seed: int,
) -> tuple[Known | None, list[Asked]]:  # fmt: skip
    """How near pictures lie to what was learnt, to all and for each part to the others; and the parts with that.

    What decides and what is asked later must be measured alike: how near is usual is counted by the same pictures everywhere.
    """
    told = slice(None) if apart.told.all() else apart.told
    of_parts: dict[int, Known] = {}
    if any(part.part is not None for part in asked):
        found = known_by_parts(vectors[told], classes[told], apart.parts[told], seed=seed)
        whole, of_parts = (None, of_parts) if found is None else found
    else:
        whole = known_of(vectors[told], classes[told], None if kin is None else kin[told], seed=seed)
    if whole is None:
        return None, list(asked)
    if held := [whole.nearness(part.vectors) for part in asked if part.part is None]:
        whole = whole.and_held(np.concatenate(held))
    near = {number: replace(one, held=whole.held) for number, one in of_parts.items()}
    return whole, [replace(part, known=whole if part.part is None else near.get(part.part)) for part in asked]


def _answers(
    asked: Sequence[Asked], tree: ClassTree | None, taxa: ClassTree, kin: Int[np.ndarray, " m"] | None, *, seed: int
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
            for block in _blocks(part, taxa):
                found, own, *stand = block
                truth = part.truth[start : start + len(found)]
                start += len(found)
                right.append(found.argmax(axis=1) == truth)
                sure.append(found.max(axis=1))
                traces.append(trace(taxa, found, own, stand[0] if stand else None))
                yield block

    back_off = calibrated(taxa, noting(), kin=kin, in_turn=any(part.part is not None for part in asked), seed=seed)
    met = Traces.of_parts(traces)
    risk = back_off.usual_risk
    kept = None if risk is None else float(back_off.reaches_end(met, risk).mean())
    return np.concatenate(right), np.concatenate(sure), None if tree is None else met, back_off, kept


def _blocks(part: Asked, taxa: ClassTree) -> Iterator[AskedBlock]:
    """Probabilities of pictures, their taxa, and how each stands, as it is and without its class."""
    for start, stop, found in probability_blocks(part.classes, part.vectors):
        truth, vectors = part.truth[start:stop], part.vectors[start:stop]
        own = [taxa.class_taxon(row) for row in truth]
        if part.known is None:
            yield found, own
            continue
        absent = np.broadcast_to(
            np.zeros(taxa.n_classes, bool) if part.absent is None else part.absent, (len(truth), taxa.n_classes)
        )
        apart = taxa.classes_in(taxa.class_node[truth]) | absent
        near = part.known.standing(vectors, absent)
        # Others of a class that was not there then meet it, and lie nearer than this one: seldom nearer than the median. Were they taken
        # for as far, their wrong names would seem less sure than they will be.
        alone = absent[np.arange(len(truth)), truth]
        yield found, own, np.where(alone, np.maximum(near, 0.0), near), part.known.standing(vectors, apart)
