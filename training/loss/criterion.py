"""What a run minimises: the weighted sum of its objectives, and the heads and biases that belong to them.

The objectives themselves are functions in `cladescope.training.loss.objectives`; this module feeds them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import nn

from cladescope.errors import InputError
from cladescope.taxonomy import RANKS
from cladescope.training.loss import objectives
from cladescope.training.sections import HEAD_TERMS, PAIR_TERMS, ObjectiveConfig


@dataclass(frozen=True, eq=False)
class Replayed:
    """The second stream of a batch, over all processes."""

    image: Float[torch.Tensor, "r d"]
    text: Float[torch.Tensor, "r d"]
    captions: Int[torch.Tensor, " r"]
    """Equal where two pictures have the very same caption."""
    rows: slice = field(default_factory=lambda: slice(None))
    """The pictures of this process."""


@dataclass(frozen=True, eq=False)
class Features:
    """What the towers made of a batch, over all processes, and which of it is this one's."""

    pooled: Float[torch.Tensor, "n p"]
    """Of the pictures in `rows`."""
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
    rows: slice = field(default_factory=lambda: slice(None))
    """The pictures of this process, whose part of the loss is computed."""
    replay: Replayed | None = None
    taught: Float[torch.Tensor, "n k"] | None = None
    """What teachers say of the pictures in `rows`."""


class Criterion(nn.Module):
    """Loss of a batch. Holds the heads of cross-entropies and SigLIP's bias: trained, but not exported."""

    def __init__(
        self,
        config: ObjectiveConfig,
        *,
        head_dim: int,
        n_classes: int,
        n_taxa: Mapping[int, int],
        student: nn.Linear | None = None,
        teachers_weight: float = 0.0,
    ) -> None:
        """`head_dim` is the length of what heads sit on; `n_taxa` gives the number of taxa at each rank, by its index.
        `student` foretells what teachers say from the pooled feature, and counts `teachers_weight`.

        Raises InputError for a head over fewer than two classes.
        """
        super().__init__()
        self.config = config
        self.replayed = next((name for name in PAIR_TERMS if name in config.terms), None)
        """The term of which captioned pictures are a second stream: the first that compares pictures with texts."""
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
        self.student, self.teachers_weight = student, teachers_weight
        self.bias = nn.Parameter(torch.tensor(-10.0)) if {"siglip", "siglip_taxa"} & set(config.terms) else None

    def _head(self, head_dim: int, n: int) -> nn.Linear:
        return nn.Linear(head_dim, n, bias=self.config.head_on == "pooled")

    def forward(self, features: Features) -> tuple[Float[torch.Tensor, ""], dict[str, Float[torch.Tensor, ""]]]:
        """The part of this process's pictures in the loss and in its terms, these unweighted; parts add up to the whole."""
        terms = {name: self._term(name, features) for name in self.config.terms}
        loss = torch.stack([weight * terms[name] for name, weight in self.config.terms.items()]).sum()
        if self.student is not None and features.taught is not None:
            terms["teachers"] = objectives.distillation(
                self.student(features.pooled), features.taught, n_pictures=len(features.classes)
            )
            loss = loss + self.teachers_weight * terms["teachers"]
        return loss, terms

    def _term(self, name: str, of: Features) -> Float[torch.Tensor, ""]:
        if name in HEAD_TERMS:
            return self._head_term(name, of)
        if name == "level_restricted":
            labels = [of.text[rows] for rows, _ in of.levels]
            owns = [own for _, own in of.levels]
            first = objectives.level_restricted(of.image, labels, owns, of.scale, rows=of.rows)
        else:
            first = self._pairs(name, of.image, of.text[of.pairs], of.scale, taxa=of.classes, rows=of.rows)
        if of.replay is None or name != self.replayed:
            return first
        # A caption has no ranks: where labels of ranks are told apart, captions are, as CLIP does it.
        second = self._pairs(
            "clip" if name == "level_restricted" else name, of.replay.image, of.replay.text, of.scale,
            taxa=of.replay.captions, rows=of.replay.rows,
        )  # fmt: skip
        return first + self.config.replay_weight * second

    def _pairs(
        self,
        name: str,
        image: Float[torch.Tensor, "b d"],
        text: Float[torch.Tensor, "b d"],
        scale: Float[torch.Tensor, ""],
        *,
        taxa: Int[torch.Tensor, " b"],
        rows: slice,
    ) -> Float[torch.Tensor, ""]:
        """A term of pictures and the text of each."""
        match name:
            case "clip":
                return objectives.info_nce(image, text, scale, rows=rows)
            case "clip_masked":
                return objectives.info_nce_without_same_taxon(image, text, scale, taxa=taxa, rows=rows)
            case "clip_positive":
                return objectives.info_nce_with_same_taxon_positive(image, text, scale, taxa=taxa, rows=rows)
            case _:
                assert name in ("siglip", "siglip_taxa")
                assert self.bias is not None
                alike = taxa if name == "siglip_taxa" else None
                return objectives.siglip(image, text, scale, self.bias, taxa=alike, rows=rows)

    def _head_term(self, name: str, of: Features) -> Float[torch.Tensor, ""]:
        """A term of linear heads, from the pictures of this process alone."""
        smoothing = self.config.label_smoothing
        if name == "cross_entropy":
            assert self.head is not None
            return objectives.cross_entropy(
                self._logits(self.head, of), of.classes, label_smoothing=smoothing, rows=of.rows
            )
        ranks = [int(rank) for rank in self.rank_heads]
        return objectives.hierarchical_cross_entropy(
            [self._logits(head, of) for head in self.rank_heads.values()],
            of.codes[:, ranks],
            label_smoothing=smoothing,
            weights=[self.config.rank_weights.get(RANKS[rank], 1.0) for rank in ranks],
            rows=of.rows,
        )

    def _logits(self, head: nn.Module, of: Features) -> Float[torch.Tensor, "n c"]:
        if self.config.head_on == "pooled":
            logits: torch.Tensor = head(of.pooled)
            return logits
        assert isinstance(head, nn.Linear)
        return self.config.head_scale * of.image[of.rows] @ nn.functional.normalize(head.weight, dim=1).T
