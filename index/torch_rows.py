"""The rows of a gallery on a device that a search looks at: all of them, or those that a mask allows.

A narrow mask makes a list of row numbers, whose vectors are gathered block by block; a broad one hides scores.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer

NARROW = 0.5
"""A mask that allows at most this share of the rows is narrow: gathering more would cost more than it saves."""


@dataclass(frozen=True, slots=True, eq=False)
class SearchedRows:
    """Positions 0 to `count`, and what stands at each: the row of that number, or the one that a narrow mask allows."""

    vectors: Float[torch.Tensor, "n d"]
    picked: Integer[torch.Tensor, " p"] | None
    """Rows that a narrow mask allows, in order; 8 p bytes."""
    allowed: Bool[torch.Tensor, " n"] | None
    """A broad mask; n bytes."""
    n_allowed: int

    @classmethod
    def of(
        cls, vectors: Float[torch.Tensor, "n d"], mask: Bool[np.ndarray, " n"] | Bool[torch.Tensor, " n"] | None
    ) -> "SearchedRows":
        """The rows that a mask allows; all without one."""
        n = len(vectors)
        if mask is None:
            return cls(vectors, None, None, n)
        if isinstance(mask, np.ndarray):
            n_allowed = int(np.count_nonzero(mask))
            if n_allowed <= NARROW * n:
                # Far fewer bytes travel to the device than by the mask itself.
                return cls(vectors, torch.from_numpy(np.flatnonzero(mask)).to(vectors.device), None, n_allowed)
            return cls(vectors, None, torch.tensor(mask, device=vectors.device), n_allowed)
        held = mask.to(vectors.device)
        n_allowed = int(held.count_nonzero())
        if n_allowed <= NARROW * n:
            return cls(vectors, held.nonzero()[:, 0], None, n_allowed)
        return cls(vectors, None, held, n_allowed)

    @property
    def count(self) -> int:
        """How many positions there are."""
        return len(self.vectors) if self.picked is None else len(self.picked)

    @property
    def copied(self) -> bool:
        """Whether `block` gathers, where it would otherwise show."""
        return self.picked is not None

    def block(self, part: slice) -> Float[torch.Tensor, "b d"]:
        """Vectors at consecutive positions."""
        return self.vectors[part] if self.picked is None else self.vectors[self.picked[part]]

    def hide(self, scores: Float[torch.Tensor, "b q"], part: slice) -> None:
        """Make the scores of rows that are not allowed minus infinity."""
        if self.allowed is not None:
            scores.masked_fill_(~self.allowed[part, None], -torch.inf)

    def numbers(self, positions: Integer[torch.Tensor, "*p"]) -> Integer[torch.Tensor, "*p"]:
        """Row numbers at positions; of one past the end the last."""
        inner = positions.clamp(max=self.count - 1)
        return inner if self.picked is None else self.picked[inner]

    def at(self, positions: Integer[torch.Tensor, " p"]) -> Float[torch.Tensor, "p d"]:
        """Vectors at positions; of one past the end the last."""
        return self.vectors[self.numbers(positions)]

    def is_allowed(self, positions: Integer[torch.Tensor, "*p"]) -> Bool[torch.Tensor, "*p"]:
        """Whether there is a row at a position, and the mask allows it."""
        there = positions < self.count
        if self.allowed is None:
            return there
        return there & self.allowed[positions.clamp(max=self.count - 1)]
