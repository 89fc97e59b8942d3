"""What a run minimises: the weighted sum of its objectives, and the heads and biases that belong to them.

The objectives themselves are functions in `cladescope.training.loss.objectives`; this module feeds them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import nn

from cladescope.errors import InputError
from cladescope.taxonomy import RANKS
from cladescope.training.loss import objectives
from cladescope.training.sections import HEAD_TERMS, ObjectiveConfig


@dataclass(frozen=True, eq=False)
class Features:
    """What the towers made of a batch, over all processes."""

    pooled: Float[torch.Tensor, "b p"]
    image: Float[torch.Tensor, "b d"]
    text: Float[torch.Tensor, "t d"]
    """Vectors of the batch's different strings; none without a text side."""
    pairs: Int[torch.Tensor, " _"]
    """For each picture the row of its text; empty without a text side."""
    levels: tuple[tuple[Int[torch.Tensor, " _"], Int[torch.Tensor, " b"]], ...]
    """For each rank the rows of its labels, and for each picture which of them is its own, -1 for none."""
    codes: Int[torch.Tensor, "b ranks"]
    """Taxon at each rank, -1 where it is missing."""
    classes: Int[torch.Tensor, " b"]
    """Class, the deepest known taxon by full path."""
    scale: Float[torch.Tensor, ""]
    replay_image: Float[torch.Tensor, "r d"] | None = None
    replay_text: Float[torch.Tensor, "r d"] | None = None


class Criterion(nn.Module):
    """Loss of a batch. Holds the heads of cross-entropies and SigLIP's bias: trained, but not exported."""

    def __init__(self, config: ObjectiveConfig, *, head_dim: int, n_classes: int, n_taxa: Mapping[int, int]) -> None:
        """`head_dim` is the length of what heads sit on; `n_taxa` gives the number of taxa at each rank, by its index.

        Raises InputError for a head over fewer than two classes.
        """
        super().__init__()
        self.config = config
        if "cross_entropy" in config.terms and n_classes < 2:
            raise InputError(f"found {n_classes} class in the training data, expected at least 2 for cross_entropy")
        self.head = self._head(head_dim, n_classes) if "cross_entropy" in config.terms else None
        self.rank_heads = nn.ModuleDict(
            {str(rank): self._head(head_dim, n) for rank, n in n_taxa.items() if n > 1}
            if "hierarchical_cross_entropy" in config.terms
            else {}
        )
        if "hierarchical_cross_entropy" in config.terms and not self.rank_heads:
            raise InputError("no rank of the training data has two taxa, which hierarchical_cross_entropy needs")
        self.bias = nn.Parameter(torch.tensor(-10.0)) if {"siglip", "siglip_taxa"} & set(config.terms) else None

    def _head(self, head_dim: int, n: int) -> nn.Linear:
        return nn.Linear(head_dim, n, bias=self.config.head_on == "pooled")

    def forward(self, features: Features) -> tuple[Float[torch.Tensor, ""], dict[str, Float[torch.Tensor, ""]]]:
        """The loss and its terms, unweighted."""
        terms = {name: self._term(name, features) for name in self.config.terms}
        loss = torch.stack([weight * terms[name] for name, weight in self.config.terms.items()]).sum()
        return loss, terms

    def _term(self, name: str, of: Features) -> Float[torch.Tensor, ""]:
        text = of.text[of.pairs] if name not in HEAD_TERMS else of.text
        match name:
            case "clip" if of.replay_image is not None and of.replay_text is not None:
                second, weight = (of.replay_image, of.replay_text), self.config.replay_weight
                return objectives.replay(of.image, text, *second, of.scale, weight=weight)
            case "clip":
                return objectives.info_nce(of.image, text, of.scale)
            case "clip_masked":
                return objectives.info_nce_without_same_taxon(of.image, text, of.scale, taxa=of.classes)
            case "clip_positive":
                return objectives.info_nce_with_same_taxon_positive(of.image, text, of.scale, taxa=of.classes)
            case "siglip" | "siglip_taxa":
                assert self.bias is not None
                taxa = of.classes if name == "siglip_taxa" else None
                return objectives.siglip(of.image, text, of.scale, self.bias, taxa=taxa)
            case "level_restricted":
                labels = [of.text[rows] for rows, _ in of.levels]
                return objectives.level_restricted(of.image, labels, [own for _, own in of.levels], of.scale)
            case "cross_entropy":
                assert self.head is not None
                logits = self._logits(self.head, of)
                return objectives.cross_entropy(logits, of.classes, label_smoothing=self.config.label_smoothing)
            case _:
                assert name == "hierarchical_cross_entropy"
                ranks = [int(rank) for rank in self.rank_heads]
                logits_of = [self._logits(head, of) for head in self.rank_heads.values()]
                codes = of.codes[:, ranks]
                return objectives.hierarchical_cross_entropy(
                    logits_of, codes, label_smoothing=self.config.label_smoothing,
                    weights=[self.config.rank_weights.get(RANKS[rank], 1.0) for rank in ranks],
                )  # fmt: skip

    def _logits(self, head: nn.Module, of: Features) -> Float[torch.Tensor, "b c"]:
        if self.config.head_on == "pooled":
            logits: torch.Tensor = head(of.pooled)
            return logits
        assert isinstance(head, nn.Linear)
        return self.config.head_scale * of.image @ nn.functional.normalize(head.weight, dim=1).T
