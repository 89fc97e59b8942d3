"""Which held-out pictures choose the checkpoint, and which say how good it is: not the same, where there are enough."""

from dataclasses import dataclass, replace

import numpy as np

from cladescope.training.data.examples import Examples
from cladescope.training.data.splits import Split, units_of
from cladescope.training.loop.evaluate import MIN_FEW_SHOT_IMAGES, SHOTS
from cladescope.training.sections import LoopConfig

APART = "held-out pictures and species that took no part in choosing the checkpoint"
SAME = "the very pictures by which the checkpoint was chosen, so that they are somewhat too good: too few are held out for two parts"
"""What exported scores are of."""


@dataclass(frozen=True)
class Judging:
    """The parts of the held-out pictures."""

    chooses: Split
    """Of its held-out pictures and species each evaluation of the run is."""
    tells: Split | None
    """Of these the exported scores are; None where they are those of the evaluation of what is exported."""
    scores_of: str | None
    """What exported scores are of; None where nothing was chosen by them."""

    @classmethod
    def of(cls, examples: Examples, split: Split, loop: LoopConfig) -> "Judging":
        """Halves of what is held out, by species and by pictures, those of one observation or file in one; whole where only the last step is evaluated."""
        if not 0 < loop.evaluate_every < loop.epochs:
            return cls(split, None, None)
        halves = _halves(examples, split)
        if all(_has(half, loop.monitor, examples) for half in halves):
            return cls(halves[0], halves[1], APART)
        return cls(split, None, SAME)


def _halves(examples: Examples, split: Split) -> list[Split]:
    rng = np.random.default_rng([split.config.seed, 3])
    images, species = split.held_out_images, split.held_out_species
    unit = units_of(examples)[images]
    own, classes = np.unique(unit), examples.classes()[species]
    taxa = np.unique(classes)
    sides = (np.isin(unit, rng.permutation(own)[::2]), np.isin(classes, rng.permutation(taxa)[::2]))
    return [
        replace(split, held_out_images=images[sides[0] == side], held_out_species=species[sides[1] == side])
        for side in (True, False)
    ]


def _has(split: Split, monitor: str, examples: Examples) -> bool:
    """Whether the score that chooses can be computed."""
    if monitor == "zero_shot_images":
        return len(split.held_out_images) > 0
    least = MIN_FEW_SHOT_IMAGES if monitor in SHOTS else 1
    _, counts = np.unique(examples.classes()[split.held_out_species], return_counts=True)
    return int((counts >= least).sum()) >= 2
