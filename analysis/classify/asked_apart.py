"""Pictures, and classes that were not learnt from them: all that is said of how sure a classifier may be comes from these."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, Real

from cladescope.analysis.classify.class_gallery import ClassGallery
from cladescope.analysis.classify.draws import draw_parts, draw_share
from cladescope.analysis.classify.known import Known
from cladescope.analysis.classify.neighbour_vote import NeighbourVote
from cladescope.analysis.classify.settings import Setting

N_PARTS = 5
"""Parts of the pictures, each of which is asked about what the others tell."""


@dataclass(frozen=True, eq=False)
class Learnt:
    """Classes, and what they were learnt from."""

    classes: ClassGallery | NeighbourVote
    counts: Int[np.ndarray, " c"]
    """Pictures that each class was learnt from; one of none has no probability."""
    kappa: float
    setting: Setting | None = None
    """The number of the method, as it was given or as these pictures chose it; None for a method without one."""


@dataclass(frozen=True, eq=False)
class Asked:
    """m pictures, and classes that were not learnt from them."""

    classes: ClassGallery | NeighbourVote
    vectors: Real[np.ndarray, "m d"]
    truth: Int[np.ndarray, " m"]
    """Each picture's class."""
    kin: Int[np.ndarray, " m"] | None = None
    """Equal for pictures that are not independent of each other (`embedding.kin`); None where all are."""
    absent: Bool[np.ndarray, " c"] | None = None
    """Classes that were learnt from no picture, all of theirs being asked; None for none."""
    known: Known | None = None
    """How near pictures lie to what these classes were learnt from."""
    part: int | None = None
    """Which part of the pictures it is, where each is asked about the others; None for pictures that were held out for good."""

    def __len__(self) -> int:
        return len(self.truth)


@dataclass(frozen=True, eq=False)
class Apart:
    """Classes that are kept, and the pictures that tell how sure they are."""

    kept: Learnt
    told: Bool[np.ndarray, " n"]
    """The pictures that the kept classes were learnt from."""
    asked: tuple[Asked, ...]
    parts: Int[np.ndarray, " n"]
    """Of all pictures the part that each was drawn into to be asked about the others, -1 for all where none is asked in parts and for those held out."""


def fit_apart(
    learn: Callable[[Bool[np.ndarray, " n"]], Learnt],
    vectors: Real[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    *,
    share: float | None = None,
    given: Bool[np.ndarray, " n"] | None = None,
    kin: Int[np.ndarray, " n"] | None = None,
    seed: int = 0,
) -> Apart:
    """The classes that are kept, and pictures asked about classes that were not learnt from them. `learn` makes classes of the pictures chosen.

    Without a `share` the kept classes are those of all pictures, and each of `N_PARTS` parts is asked about classes of the others (cross-conformal:
    Vovk 2015, Cross-conformal predictors, https://doi.org/10.1007/s10472-013-9368-4). The only picture of a class is then asked about classes
    without its own, so that classes of any size take part. With a `share` of each class so many are held out for good, at random, and
    the kept classes are those of the rest: a class always keeps one, so that those of one picture have no part. 0: none is asked.

    Where only some pictures are `given` to learn from, the others are held out; in parts are then asked those of classes of which none is.
    Pictures with one number in `kin` stay together.

    Raises InputError for a share outside [0, 1), and what `learn` raises.
    """
    told = np.ones(len(classes), bool) if given is None else given
    if given is None and share:
        told = ~draw_share(classes, share, kin=kin, seed=seed)
    kept = learn(told)
    parts = np.full(len(classes), -1)
    asked: list[Asked] = []
    held = ~told if kin is None else ~told & ~np.isin(kin, kin[told])
    if held.any() and (share is None or share > 0):
        asked.append(Asked(kept.classes, vectors[held], classes[held], None if kin is None else kin[held]))
    if share is not None:
        return Apart(kept, told, tuple(asked), parts)
    alone = told & ~np.isin(classes, classes[held])
    drawn = draw_parts(classes[told], N_PARTS, kin=None if kin is None else kin[told], seed=seed)
    own = np.full(len(classes), -1)
    own[told] = drawn
    for number in range(N_PARTS):
        rest, ask = told & (own != number), alone & (own == number)
        if not ask.any() or len(np.unique(classes[rest])) < 2:
            continue
        less = learn(rest)
        absent = less.counts == 0
        asked.append(
            Asked(
                less.classes, vectors[ask], classes[ask], None if kin is None else kin[ask],
                absent if absent.any() else None, part=number,
            )
        )  # fmt: skip
    return Apart(kept, told, tuple(asked), own if any(part.part is not None for part in asked) else parts)
