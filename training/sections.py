"""The sections of a training run's configuration: one frozen dataclass each, checked when it is made."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from cladescope.embedding.prompts import TEXT_TYPES
from cladescope.taxonomy import RANKS
from cladescope.training.section import Problem, Section, is_range, one_of, out_of_range

PAIR_TERMS = ("clip", "clip_masked", "clip_positive", "siglip", "siglip_taxa", "level_restricted")
"""Objectives that compare pictures with texts; a run with one of them has a text side."""
HEAD_TERMS = ("cross_entropy", "hierarchical_cross_entropy")
"""Objectives that train a linear head on the classes of the training data."""


@dataclass(frozen=True, kw_only=True)
class DataConfig(Section):
    """What is learnt from, and what is held out of it."""

    source: str = ""
    """Manifest, folder, shards or store of labelled pictures."""
    held_out_species: float = 0.2
    """Share of the classes (taxa by full path) that are kept out whole."""
    held_out_images: float = 0.2
    """Share of the pictures of the other classes that are kept out; each class keeps at least one."""
    tested_images: float = 0.0
    """Share of these pictures that nothing is chosen by: with `model.blend_shares` how much better the encoder got is told by them. Drawn
    first; `held_out_images` is then a share of the rest."""
    classes: Literal["taxon", "label", "auto"] = "taxon"
    """What is told apart: taxa, or the labels of pictures (names of folders); `auto`: labels where fewer than half of those with one have a species."""
    labels_from: str = ""
    """How labels are read from the names of folders, as `embed --labels-from`; empty for the usual rule."""
    group_by: Literal["image", "group"] = "image"
    """`group`: pictures of one observation stay on one side."""
    compare_contents: bool = False
    """Read every picture once before the split, so that no file is on both sides under two ids."""
    split_seed: int = 0
    """Another seed, another split."""
    exclude: tuple[str, ...] = ()
    """Taxa, by full path (`Animalia > Chordata > Aves`), that are never trained on, with all below them."""
    balance: float = 0.0
    """A class is drawn in proportion to its size to the power 1 - balance: 0 as it is, 0.5 by the root, 1 all alike."""
    samples_per_epoch: int = 0
    """Pictures an epoch; 0 for as many as there are."""
    text_types: tuple[str, ...] = TEXT_TYPES
    """Text types that are drawn from, uniformly."""
    text_choice: Literal["step", "sample"] = "step"
    """One type for a whole step, as BioCLIP does, or one for each picture."""
    workers: int = 2
    """Threads that read, decode and augment."""
    read: Literal["random", "stream"] = "random"
    """`random`: pictures of an epoch in any order, each with a seek. `stream`: shards one after the other, each opened once and read to its end,
    through a shuffle buffer; for pictures in shards, and without `balance` and `samples_per_epoch`."""
    shuffle_buffer: int = 5000
    """Of a stream: encoded pictures that a process holds to choose the next one from."""
    shards_at_once: int = 4
    """Of a stream: shards that a process reads at the same time, whose pictures alternate."""

    def problems(self) -> Iterator[Problem]:
        yield from out_of_range(self, "held_out_species", 0, 0.9)
        yield from out_of_range(self, "held_out_images", 0, 0.9)
        yield from out_of_range(self, "tested_images", 0, 0.9)
        yield from out_of_range(self, "balance", 0, 1)
        yield from out_of_range(self, "samples_per_epoch", 0, math.inf)
        yield from out_of_range(self, "workers", 1, 256)
        yield from out_of_range(self, "shuffle_buffer", 1, math.inf)
        yield from out_of_range(self, "shards_at_once", 1, 256)
        yield from one_of("data.read", self.read, ("random", "stream"))
        if self.read == "stream" and (self.balance or self.samples_per_epoch):
            yield Problem(
                ("data.read", "data.balance", "data.samples_per_epoch"),
                "data.read is stream, which goes once through all pictures: leave out data.balance and data.samples_per_epoch, or set data.read = random",
            )
        if not self.text_types:
            yield Problem(("data.text_types",), f"data.text_types is empty: name some of {', '.join(TEXT_TYPES)}")
        for text_type in self.text_types:
            yield from one_of("data.text_types", text_type, TEXT_TYPES)


@dataclass(frozen=True, kw_only=True)
class AugmentConfig(Section):
    """How far a picture may be changed. The defaults are BioCLIP's: a crop of at least nine tenths, nothing else.

    Raises ConfigError if a field has a value that cannot be used.
    """

    scale: tuple[float, float] = (0.9, 1.0)
    """Least and greatest share of the picture's area that a crop takes, in (0, 1]."""
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Least and greatest width over height of a crop before it is made square."""
    flip: bool = False
    """Mirror half of the pictures left to right; not for organisms that coil or grow to one side."""
    flip_vertical: bool = False
    """Mirror half of the pictures top to bottom: for organisms seen from above, such as seedlings."""
    colour: float = 0.0
    """Strength c in [0, 1]: brightness, contrast and saturation are each multiplied by 1 - c to 1 + c."""
    grey: float = 0.0
    """Share of pictures made grey, in [0, 1]."""

    def problems(self) -> Iterator[Problem]:
        checks = {
            "scale": (is_range(self.scale) and self.scale[1] <= 1, "two shares in (0, 1], the smaller first"),
            "ratio": (is_range(self.ratio), "two positive numbers, the smaller first"),
            "colour": (0 <= self.colour <= 1, "a number in [0, 1]"),
            "grey": (0 <= self.grey <= 1, "a share in [0, 1]"),
        }
        for name, (passed, expected) in checks.items():
            if not passed:
                key = f"augment.{name}"
                yield Problem((key,), f"{key} is {getattr(self, name)!r}, expected {expected}")

    def min_side(self, size: int) -> int:
        """Pixels of a picture's shorter side that leave the smallest crop `size` wide; `decode` takes it to save work.

        >>> AugmentConfig(scale=(0.25, 1.0)).min_side(160)
        320
        """
        return math.ceil(size / math.sqrt(self.scale[0]))


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Section):
    """Where the weights start from, and which of them move."""

    open_clip: str = ""
    """`tiny`, `MODEL/PRETRAINED`, `hf-hub:ORG/REPO` or a checkpoint folder; `MODEL` alone starts from random weights."""
    timm: str = ""
    """A timm backbone, to which a projection and a new text side are added; instead of `open_clip`."""
    weights: str = ""
    """Weights of the timm backbone, a safetensors file; empty for random ones. With `open_clip` those to blend with."""
    blend: float = 1.0
    """Share of the picture side of `open_clip`, the rest being of `weights`, which it was trained from; needs `freeze_norm`."""
    averaged_with: tuple[str, ...] = ()
    """Checkpoint folders of other runs from the same start, whose picture sides are averaged with that of `open_clip`; needs `freeze_norm`."""
    image_size: int = 0
    """Pixels a side for training; 0 for the model's own."""
    export_size: int = 0
    """Pixels a side that the exported encoder declares; 0 for `image_size`."""
    export_dtype: Literal["float32", "float16"] = "float32"
    """Type of the exported weights."""
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """What is subtracted from each colour (0 to 1) for a timm backbone; which the page of its weights tells."""
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """What each colour is then divided by."""
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    """How pictures for a timm backbone are resized."""
    resize: Literal["crop", "squash", "pad"] = "crop"
    """How its exported encoder makes them square, see `ImageTransform`."""
    embed_dim: int = 512
    """Length of the vectors of a timm model."""
    text_width: int = 256
    """Width of its text side."""
    text_layers: int = 4
    """Blocks of its text side."""
    text_heads: int = 4
    """Attention heads of its text side."""
    text_context: int = 77
    """Tokens of its texts; longer ones are cut."""
    projection: Literal["random", "whitened"] = "random"
    """`whitened`: the projection starts as within-class whitening of the backbone's own features of the training set."""
    shrinkage: float = 0.3
    """Of whitening: share of the mean variance that is added to each direction; more of it whitens less."""
    logit_scale: float = 1 / 0.07
    """Inverse temperature of a timm model at the start."""
    lock_image: bool = False
    """Locked-image tuning: the picture side stays as it is (Zhai et al. 2022, https://arxiv.org/abs/2111.07991)."""
    lock_image_steps: int = 0
    """Keep the picture side locked for so many steps, until a new text side is of use to it."""
    lock_image_cached: bool = False
    """While it is locked, take the features of unchanged pictures, computed once: fast. Memory: 4 n p bytes."""
    lock_text: bool = False
    """The text side stays as it is, so that names keep the vectors that they have."""
    blend_shares: tuple[float, ...] = ()
    """Shares of the trained weights, the rest being of those that it started from, of which the best for `data.held_out_images` is
    exported (by nearest class mean; the least among equals); 0 gives the encoder back as it was. Empty: what was trained."""
    frozen_stages: int = 0
    """First stages of the picture side that stay as they are: the stem is the first."""
    freeze_norm: bool = False
    """Batch norm keeps its statistics and is folded into the convolutions while training."""

    def problems(self) -> Iterator[Problem]:
        if bool(self.open_clip) == bool(self.timm):
            yield Problem(
                ("model.open_clip", "model.timm", "model"),
                f"model has open_clip = {self.open_clip!r} and timm = {self.timm!r}: name exactly one of them",
            )
        if self.lock_image_cached and not (self.lock_image or self.lock_image_steps):
            yield Problem(
                ("model.lock_image_cached", "model.lock_image", "model.lock_image_steps"),
                "model.lock_image_cached is of a locked picture side: set lock_image or lock_image_steps",
            )
        if self.weights and not self.timm and self.blend == 1:
            yield Problem(
                ("model.weights", "model.timm", "model.blend"),
                "model.weights is of a timm backbone: name it in model.timm, or set model.blend to mix them into model.open_clip",
            )
        if self.blend != 1 and not (self.open_clip and self.weights and self.freeze_norm):
            yield Problem(
                ("model.blend", "model.open_clip", "model.weights", "model.freeze_norm"),
                f"model.blend is {self.blend:g}: it mixes the backbone in model.weights into model.open_clip; give both, "
                "and freeze_norm = true, because norms are mixed with their convolutions",
            )
        if self.averaged_with and not (self.open_clip and self.freeze_norm):
            yield Problem(
                ("model.averaged_with", "model.open_clip", "model.freeze_norm"),
                "model.averaged_with are averaged with the encoder in model.open_clip: give that, and freeze_norm = true, because "
                "norms are averaged with their convolutions",
            )
        if self.blend_shares and (not self.open_clip or not all(0 <= share <= 1 for share in self.blend_shares)):
            yield Problem(
                ("model.blend_shares", "model.open_clip"),
                f"model.blend_shares is {list(self.blend_shares)}: expected shares from 0 to 1 of what is trained from model.open_clip",
            )
        for name in ("mean", "std", "interpolation", "resize"):
            if self.open_clip and getattr(self, name) != getattr(type(self), name):
                yield Problem(
                    (f"model.{name}", "model.open_clip"),
                    f"model.{name} is of a timm backbone; {self.open_clip} says its own: leave it out",
                )
        if not all(0 <= value <= 1 for value in self.mean) or not all(0 < value <= 1 for value in self.std):
            yield Problem(
                ("model.mean", "model.std"),
                f"model.mean is {list(self.mean)} and model.std {list(self.std)}: expected numbers in [0, 1] and (0, 1]",
            )
        for name in ("image_size", "export_size", "lock_image_steps", "frozen_stages"):
            yield from out_of_range(self, name, 0, math.inf)
        for name in ("embed_dim", "text_width", "text_layers", "text_heads"):
            yield from out_of_range(self, name, 1, math.inf)
        yield from out_of_range(self, "text_context", 8, 4096)
        yield from out_of_range(self, "logit_scale", 1e-3, 100)
        yield from out_of_range(self, "shrinkage", 0, math.inf)
        yield from out_of_range(self, "blend", 0, 1)
        if self.text_heads > 0 and self.text_width % self.text_heads:
            yield Problem(
                ("model.text_width", "model.text_heads"),
                f"model.text_width {self.text_width} is no multiple of model.text_heads {self.text_heads}",
            )


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig(Section):
    """What is minimised: a weighted sum of terms."""

    terms: Mapping[str, float] = field(default_factory=lambda: {"clip": 1.0})
    """Weight of each term; names are those of `cladescope.training.loss.criterion`."""
    head_on: Literal["pooled", "embedding"] = "pooled"
    """Where the heads of the cross-entropies sit: a linear layer on the pooled feature, as in BioCLIP's ablation, or
    cosines with the embedding."""
    head_start: Literal["random", "means"] = "random"
    """`means`: the head over classes starts as the means of their training pictures, so that the first steps move the encoder no
    further than they must; for a head on the embedding (after Kumar et al. 2022, https://arxiv.org/abs/2202.10054)."""
    head_scale: float = 16.0
    """Inverse temperature of heads on the embedding."""
    label_smoothing: float = 0.0
    """Of the cross-entropies."""
    rank_weights: Mapping[str, float] = field(default_factory=dict)
    """How much the head of each rank counts in `hierarchical_cross_entropy`, such as `{order = 0.5}`; 1 for ranks that are not named."""
    replay_source: str = ""
    """Captioned pictures of a second stream: manifest, store or shards; they have a projection of their own."""
    replay_batch: int = 0
    """Pictures of that stream a step."""
    replay_weight: float = 1.0

    def problems(self) -> Iterator[Problem]:
        if not self.terms:
            yield Problem(
                ("objective.terms",),
                f"objective.terms is empty: name some of {', '.join((*PAIR_TERMS, *HEAD_TERMS))}",
            )
        for name, weight in self.terms.items():
            key = f"objective.terms.{name}"
            for one in one_of("objective.terms", name, (*PAIR_TERMS, *HEAD_TERMS)):
                yield Problem((key,), one.said)
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight > 0:
                yield Problem((key,), f"{key} is {weight!r}: expected a positive weight")
        for name, weight in self.rank_weights.items():
            key = f"objective.rank_weights.{name}"
            for one in one_of("objective.rank_weights", name, RANKS):
                yield Problem((key,), one.said)
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight >= 0:
                yield Problem((key,), f"{key} is {weight!r}: expected a weight from 0 on")
        if self.rank_weights and "hierarchical_cross_entropy" not in self.terms:
            yield Problem(
                ("objective.rank_weights", "objective.terms"),
                "objective.rank_weights are those of hierarchical_cross_entropy: add that term, or leave them out",
            )
        yield from out_of_range(self, "label_smoothing", 0, 0.9)
        yield from out_of_range(self, "head_scale", 1e-3, 1000)
        if self.head_start == "means" and not (self.head_on == "embedding" and "cross_entropy" in self.terms):
            yield Problem(
                ("objective.head_start", "objective.head_on", "objective.terms"),
                "objective.head_start is means: that is for cross_entropy with objective.head_on = embedding",
            )
        if bool(self.replay_source) != bool(self.replay_batch):
            yield Problem(
                ("objective.replay_source", "objective.replay_batch"),
                "objective.replay_source and objective.replay_batch belong together: give both or none",
            )
        if self.replay_source and not self.has_texts:
            yield Problem(
                ("objective.replay_source", "objective.terms"),
                f"objective.replay_source is a second stream of pictures and captions: add one of {', '.join(PAIR_TERMS)} to objective.terms",
            )

    @property
    def has_texts(self) -> bool:
        """Whether a term compares pictures with texts."""
        return any(name in PAIR_TERMS for name in self.terms)


@dataclass(frozen=True, kw_only=True)
class OptimiserConfig(Section):
    """AdamW with linear warm-up and a cosine to zero."""

    learning_rate: float = 1e-4
    image_learning_rate: float = 0.0
    """Of the picture side, where it differs; 0 for the same."""
    layer_decay: float = 1.0
    """Factor on the learning rate from one layer of the picture side to the one before it."""
    weight_decay: float = 0.2
    """Not on biases, norms and the temperature."""
    beta1: float = 0.9
    beta2: float = 0.98
    eps: float = 1e-6
    warmup_steps: int = 1000
    """Steps of linear warm-up; must be fewer than all steps."""
    clip_norm: float = 0.0
    """Greatest norm of the gradient; 0 for no limit."""
    average: float = 0.0
    """Decay of a moving average of the weights, which is what is evaluated and exported; 0 for none."""

    def problems(self) -> Iterator[Problem]:
        yield from out_of_range(self, "learning_rate", 1e-12, 10)
        yield from out_of_range(self, "image_learning_rate", 0, 10)
        yield from out_of_range(self, "layer_decay", 1e-3, 1)
        yield from out_of_range(self, "weight_decay", 0, 10)
        yield from out_of_range(self, "warmup_steps", 0, math.inf)
        yield from out_of_range(self, "clip_norm", 0, math.inf)
        for name in ("beta1", "beta2", "average"):
            yield from out_of_range(self, name, 0, 0.9999999)


@dataclass(frozen=True, kw_only=True)
class LoopConfig(Section):
    """How long, how much at once, and how often to look."""

    epochs: int = 10
    batch_size: int = 256
    """Pictures a step in each process."""
    chunk_size: int = 0
    """Pictures a forward pass with gradient caching; 0 for the whole batch at once."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    checkpointing: bool = False
    """Compute activations again instead of keeping them."""
    compile: bool = False
    """Compile the towers with `torch.compile`."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    log_every: int = 20
    """Steps."""
    save_every: int = 500
    """Steps between checkpoints; one more at each evaluation and at the end."""
    evaluate_every: int = 1
    """Epochs; 0 for only at the end."""
    foretell: bool = False
    """Say before the first step how long the run will take, by two steps whose result is thrown away."""
    monitor: str = "zero_shot_images"
    """The score by which the best checkpoint is chosen; higher is better."""

    def problems(self) -> Iterator[Problem]:
        for name in ("epochs", "batch_size", "log_every", "save_every"):
            yield from out_of_range(self, name, 1, math.inf)
        for name in ("chunk_size", "evaluate_every"):
            yield from out_of_range(self, name, 0, math.inf)
