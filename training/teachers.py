"""The section of a configuration that names encoders to learn from."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from cladescope.training.section import Problem, Section, out_of_range


@dataclass(frozen=True, kw_only=True)
class TeachersConfig(Section):
    """Encoders whose vectors of the training pictures a new one learns to foretell, beside `objective.terms`.

    What they know of pictures that no label tells is kept so: see `cladescope.training.loop.teaching`.
    """

    encoders: tuple[str, ...] = ()
    """Names as `--encoder` takes them, such as `timm:tf_efficientnet_lite2@FILE.safetensors?size=260&mean=0.5&std=0.5`; none: nobody teaches."""
    weight: float = 5.0
    """Of the mean cosine distance from their vectors in what is minimised."""
    dim: int = 512
    """How many numbers of that are learnt, the principal ones; fewer where there are not so many."""
    shrinkage: float = 0.5
    """Of the whitening within classes of their vectors side by side, as `model.shrinkage`."""

    def problems(self) -> Iterator[Problem]:
        if len(set(self.encoders)) < len(self.encoders):
            yield Problem(
                ("teachers.encoders",), f"teachers.encoders is {list(self.encoders)}: expected each of them once"
            )
        if not 0 < self.weight < math.inf:
            yield Problem(("teachers.weight",), f"teachers.weight is {self.weight!r}: expected a positive weight")
        yield from out_of_range(self, "shrinkage", 0, math.inf)
        yield from out_of_range(self, "dim", 1, math.inf)
