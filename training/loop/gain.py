"""Whether an encoder got better at one's own pictures than the one that it started from, on pictures that had no part in it.

Three parts: by the first it was trained; by the second is chosen how much of what was trained is kept; the third says what that is worth.
Named are pictures by the nearest mean of the training pictures of each class, as `fit` does it, with each encoder's own vectors.
"""

import logging
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Int

from cladescope.analysis.measures.bootstrap import bootstrap_interval
from cladescope.analysis.measures.simple_shot import simple_shot_labels
from cladescope.analysis.shares import percent
from cladescope.embedding.kin import kin_of
from cladescope.errors import InputError
from cladescope.training.loop.evaluate import encode_examples
from cladescope.training.loop.run import Run
from cladescope.training.model.start import build
from cladescope.training.model.towers import Towers

logger = logging.getLogger(__name__)

FEW = 20
"""Tested pictures below which nothing is said of better or worse."""


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What pictures that were only tested say; shares of 1."""

    share: float
    """Of the trained weights in the exported encoder, the rest being of those that it started from."""
    before: float
    """Tested pictures that the encoder named right before it was trained."""
    after: float
    value: float
    """After minus before."""
    low: float
    high: float
    """Ends of its 95 % interval, of a bootstrap over pictures, those of one observation together."""
    n: int
    """Pictures tested."""
    n_unreadable: int = 0
    """Pictures of all three parts that could not be read."""

    @property
    def scores(self) -> dict[str, float]:
        """As figures by name."""
        return {"named_right": self.after, "named_right_before": self.before}

    @property
    def scores_of(self) -> str:
        """What the figures are of."""
        return f"{self.n} pictures that nothing was trained on or chosen by, named by the nearest mean of the training pictures"

    @property
    def verdict(self) -> str:
        """Whether it got better, in words.

        >>> Gain(share=0.5, before=0.7, after=0.9, value=0.2, low=0.1, high=0.3, n=60).verdict
        'better: 90 % of 60 pictures kept for the test are named right, 70 % before training: +20 points (95 % interval +10 to +30)'
        >>> Gain(share=0.5, before=0.7, after=0.75, value=0.05, low=-0.02, high=0.12, n=60).verdict[:43]
        'no better that these pictures could show: 7'
        """
        if not self.share:
            return (
                f"no better: no share of what was trained names more of the pictures that it is chosen by, so the encoder is left as it was; it names "
                f"{percent(self.before)} of the {self.n} pictures kept for the test right"
            )
        figures = (
            f"{percent(self.after)} of {self.n} pictures kept for the test are named right, {percent(self.before)} before training: "
            f"{_points(self.value)} points"
        )
        if self.n < FEW:
            return f"cannot be told from {self.n} pictures, which are too few: {figures}"
        figures += f" (95 % interval {_points(self.low)} to {_points(self.high)})"
        if self.low > 0:
            return f"better: {figures}"
        return f"{'worse' if self.high < 0 else 'no better that these pictures could show'}: {figures}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "verdict": self.verdict}


def chosen_and_tested(run: Run) -> Gain:
    """Mix the best share of the trained weights with those that the run started from, in place, and test that.

    Among `model.blend_shares` the one is taken that names most of the held-out pictures right, the least where several do; WiSE-FT
    (Wortsman et al. 2022, https://arxiv.org/abs/2109.01903), where a share is chosen in the same way.

    All processes of a run call this, each encodes its share of the pictures, and all have the result. Memory: the weights
    twice more.

    Raises InputError where no picture of a part can be read.
    """
    trained = {name: value.detach().clone() for name, value in run.towers.state_dict().items()}
    torch.manual_seed(run.config.seed)
    start = build(run.config.model).to(run.towers.device).state_dict()
    rows = np.concatenate([run.split.train, run.split.held_out_images])
    right: dict[float, float] = {}
    unreadable: set[int] = set()
    for share in sorted(set(run.config.model.blend_shares)):
        _mix(run.towers, start, trained, share)
        vectors, kept = _vectors(run, rows)
        unreadable.update(np.setdiff1d(rows, kept).tolist())
        right[share] = float(_named_right(run, vectors, kept, run.split.held_out_images).mean())
    best = max(right.values())
    share = min(one for one, score in right.items() if score >= best)
    told = ", ".join(f"{one:g}: {percent(score)}" for one, score in right.items())
    logger.info(
        "named right of the %d pictures to choose by, by share of what was trained: %s",
        len(run.split.held_out_images),
        told,
    )
    rows = np.concatenate([run.split.train, run.split.tested])
    found = []
    for one in (0.0, share):
        _mix(run.towers, start, trained, one)
        vectors, kept = _vectors(run, rows)
        found.append(_named_right(run, vectors, kept, run.split.tested))
    unreadable.update(np.setdiff1d(rows, kept).tolist())
    tested = kept[np.isin(kept, run.split.tested)]
    gained = found[1].astype(float) - found[0]
    kin = kin_of(
        pa.array([run.examples.uris[row] for row in tested], pa.string()),
        pa.array([run.examples.groups[row] for row in tested], pa.string()),
    )
    low, high = bootstrap_interval(gained, groups=kin)
    return Gain(
        share=share,
        before=float(found[0].mean()),
        after=float(found[1].mean()),
        value=float(gained.mean()),
        low=low,
        high=high,
        n=len(tested),
        n_unreadable=len(unreadable),
    )


def _mix(towers: Towers, start: Mapping[str, torch.Tensor], trained: Mapping[str, torch.Tensor], share: float) -> None:
    """Put the weights between two states into the towers."""
    mixed = {
        name: torch.lerp(start[name].to(own.dtype), own, share) if own.is_floating_point() and name in start else own
        for name, own in trained.items()
    }
    towers.load_state_dict(mixed)
    towers.eval()


def _vectors(run: Run, rows: Int[np.ndarray, " n"]) -> tuple[Float[np.ndarray, "m d"], Int[np.ndarray, " m"]]:
    """Vectors as the exported encoder will compute them, and the rows of those that could be read."""
    return encode_examples(
        run.towers, run.examples, rows, workers=run.config.data.workers, autocast=nullcontext, group=run.group
    )


def _named_right(
    run: Run, vectors: Float[np.ndarray, "m d"], kept: Int[np.ndarray, " m"], asked: Int[np.ndarray, " a"]
) -> np.ndarray:
    """Whether each of the pictures that were kept of those `asked` is nearest to the mean of its own class."""
    is_asked, is_train = np.isin(kept, asked), np.isin(kept, run.split.train)
    if not is_asked.any() or not is_train.any():
        raise InputError(
            f"none of {len(asked)} pictures to test or none of {len(run.split.train)} to train on could be read: check the files"
        )
    classes = run.examples.classes()[kept]
    found: np.ndarray = simple_shot_labels(vectors[is_train], classes[is_train], vectors[is_asked]) == classes[is_asked]
    return found


def _points(difference: float) -> str:
    """A difference in points, with its sign; none for what rounds to 0."""
    shown = f"{100 * difference:+.0f}"
    return "0" if shown in ("+0", "-0") else shown
