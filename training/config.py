"""What a training run is told: one frozen dataclass a section, read from TOML, checked before anything starts.

Unknown keys are errors. A recipe is such a file that ships with the package (`training/recipes`); `train` saves the
resolved configuration beside its checkpoints, so that a run can be repeated and a changed one be told from it.
"""

import difflib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from cladescope.embedding.prompts import TEXT_TYPES
from cladescope.errors import InputError
from cladescope.training.augment import AugmentConfig

PAIR_TERMS = ("clip", "clip_masked", "clip_positive", "siglip", "level_restricted")
"""Objectives that compare pictures with texts; a run with one of them has a text side."""
HEAD_TERMS = ("cross_entropy", "hierarchical_cross_entropy")
"""Objectives that train a linear head on the classes of the training data."""


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What is learnt from, and what is held out of it."""

    source: str = ""
    """Manifest, folder, shards or store of labelled pictures."""
    held_out_species: float = 0.2
    """Share of the classes (taxa by full path) that are kept out whole."""
    held_out_images: float = 0.2
    """Share of the pictures of the other classes that are kept out; each class keeps at least one."""
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

    def __post_init__(self) -> None:
        _check_range(self, "held_out_species", 0, 0.9)
        _check_range(self, "held_out_images", 0, 0.9)
        _check_range(self, "balance", 0, 1)
        _check_range(self, "samples_per_epoch", 0, math.inf)
        _check_range(self, "workers", 1, 256)
        if not self.text_types:
            raise InputError(f"data.text_types is empty: name some of {', '.join(TEXT_TYPES)}")
        for text_type in self.text_types:
            _one_of("data.text_types", text_type, TEXT_TYPES)


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Where the weights start from, and which of them move."""

    open_clip: str = ""
    """`MODEL/PRETRAINED`, `hf-hub:ORG/REPO` or a checkpoint folder; `MODEL` alone starts from random weights."""
    timm: str = ""
    """A timm backbone, to which a projection and a new text side are added; instead of `open_clip`."""
    weights: str = ""
    """Weights of the timm backbone, a safetensors file; empty for random ones."""
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
    frozen_stages: int = 0
    """First stages of the picture side that stay as they are: the stem is the first."""
    freeze_norm: bool = False
    """Batch norm keeps its statistics and is folded into the convolutions while training."""

    def __post_init__(self) -> None:
        if bool(self.open_clip) == bool(self.timm):
            raise InputError(
                f"model has open_clip = {self.open_clip!r} and timm = {self.timm!r}: name exactly one of them"
            )
        if self.lock_image_cached and not (self.lock_image or self.lock_image_steps):
            raise InputError("model.lock_image_cached is of a locked picture side: set lock_image or lock_image_steps")
        if self.weights and not self.timm:
            raise InputError("model.weights is of a timm backbone: name it in model.timm, or take model.open_clip")
        for name in ("mean", "std", "interpolation", "resize"):
            if self.open_clip and getattr(self, name) != getattr(type(self), name):
                raise InputError(f"model.{name} is of a timm backbone; {self.open_clip} says its own: leave it out")
        if not all(0 <= value <= 1 for value in self.mean) or not all(0 < value <= 1 for value in self.std):
            raise InputError(
                f"model.mean is {list(self.mean)} and model.std {list(self.std)}: expected numbers in [0, 1] and (0, 1]"
            )
        for name in ("image_size", "export_size", "lock_image_steps", "frozen_stages"):
            _check_range(self, name, 0, math.inf)
        for name in ("embed_dim", "text_width", "text_layers", "text_heads"):
            _check_range(self, name, 1, math.inf)
        _check_range(self, "text_context", 8, 4096)
        _check_range(self, "logit_scale", 1e-3, 100)
        _check_range(self, "shrinkage", 0, math.inf)
        if self.text_width % self.text_heads:
            raise InputError(f"model.text_width {self.text_width} is no multiple of model.text_heads {self.text_heads}")


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """What is minimised: a weighted sum of terms."""

    terms: Mapping[str, float] = field(default_factory=lambda: {"clip": 1.0})
    """Weight of each term; names are those of `cladescope.training.criterion`."""
    head_on: Literal["pooled", "embedding"] = "pooled"
    """Where the heads of the cross-entropies sit: a linear layer on the pooled feature, as in BioCLIP's ablation, or
    cosines with the embedding."""
    head_scale: float = 16.0
    """Inverse temperature of heads on the embedding."""
    label_smoothing: float = 0.0
    """Of the cross-entropies."""
    replay_source: str = ""
    """Captioned pictures of a second stream: manifest, store or shards; they have a projection of their own."""
    replay_batch: int = 0
    """Pictures of that stream a step."""
    replay_weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.terms:
            raise InputError(f"objective.terms is empty: name some of {', '.join((*PAIR_TERMS, *HEAD_TERMS))}")
        for name, weight in self.terms.items():
            _one_of("objective.terms", name, (*PAIR_TERMS, *HEAD_TERMS))
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight > 0:
                raise InputError(f"objective.terms.{name} is {weight!r}: expected a positive weight")
        _check_range(self, "label_smoothing", 0, 0.9)
        _check_range(self, "head_scale", 1e-3, 1000)
        if bool(self.replay_source) != bool(self.replay_batch):
            raise InputError("objective.replay_source and objective.replay_batch belong together: give both or none")
        if self.replay_source and "clip" not in self.terms:
            raise InputError("objective.replay_source is a second stream of the term clip: add it to objective.terms")

    @property
    def has_texts(self) -> bool:
        """Whether a term compares pictures with texts."""
        return any(name in PAIR_TERMS for name in self.terms)


@dataclass(frozen=True, kw_only=True)
class OptimiserConfig:
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

    def __post_init__(self) -> None:
        _check_range(self, "learning_rate", 1e-12, 10)
        _check_range(self, "image_learning_rate", 0, 10)
        _check_range(self, "layer_decay", 1e-3, 1)
        _check_range(self, "weight_decay", 0, 10)
        _check_range(self, "warmup_steps", 0, math.inf)
        _check_range(self, "clip_norm", 0, math.inf)
        for name in ("beta1", "beta2", "average"):
            _check_range(self, name, 0, 0.9999999)


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
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
    monitor: str = "zero_shot_images"
    """The score by which the best checkpoint is chosen; higher is better."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "log_every", "save_every"):
            _check_range(self, name, 1, math.inf)
        for name in ("chunk_size", "evaluate_every"):
            _check_range(self, name, 0, math.inf)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A whole run."""

    seed: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    model: ModelConfig = field(default_factory=lambda: ModelConfig(open_clip="ViT-B-16"))
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)

    def __post_init__(self) -> None:
        if self.model.lock_image_cached and self.objective.replay_source:
            raise InputError("model.lock_image_cached leaves no pictures to replay: set it to false")
        if self.seed < 0 or self.data.split_seed < 0:
            raise InputError(f"seeds are {self.seed} and {self.data.split_seed}: expected 0 or more")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


FREE_KEYS = frozenset({"data.workers", "loop.log_every", "loop.save_every", "loop.device", "loop.compile"})
"""Keys that may change between a run and its continuation: they do not decide what is learnt."""


def load_config(name: str | Path, overrides: Mapping[str, Any] | None = None) -> TrainConfig:
    """The configuration of a TOML file or of a recipe that ships with the package, with some keys replaced.

    `overrides` maps dotted keys (`data.source`) to values.

    Raises InputError for a file that is missing or no TOML, a recipe that is not there, and any key or value that does
    not fit, with the nearest names.

    >>> load_config("tiny", {"loop.epochs": 3}).loop.epochs
    3
    """
    values = _read(name)
    for key, value in (overrides or {}).items():
        *sections, last = key.split(".")
        inner: Any = values
        for section in sections:
            inner = inner.setdefault(section, {})
            if not isinstance(inner, dict):
                raise InputError(f"{section!r} in {name} is {inner!r}: expected a section")
        inner[last] = value
    config: TrainConfig = _built(TrainConfig, values, at="")
    return config


def recipes() -> tuple[str, ...]:
    """Names of the recipes that ship with the package."""
    folder = resources.files("cladescope.training") / "recipes"
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")))


def differences(before: Mapping[str, Any], after: Mapping[str, Any], *, at: str = "") -> list[str]:
    """Dotted keys whose values differ between two configurations, free ones left out, each with both values.

    >>> differences({"loop": {"epochs": 3, "log_every": 1}}, {"loop": {"epochs": 4, "log_every": 9}})
    ['loop.epochs (3, now 4)']
    """
    found = []
    for key in sorted({*before, *after}):
        path = f"{at}{key}"
        old, new = before.get(key), after.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, at=f"{path}.")
        elif path not in FREE_KEYS and _plain(old) != _plain(new):
            found.append(f"{path} ({_plain(old)!r}, now {_plain(new)!r})")
    return found


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _read(name: str | Path) -> dict[str, Any]:
    path = Path(name)
    if path.suffix != ".toml" and not path.is_file():
        if str(name) not in recipes():
            raise InputError(f"no recipe {str(name)!r}: give a .toml file, or one of {', '.join(recipes())}")
        text = (resources.files("cladescope.training") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    else:
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}): give a .toml file or a recipe") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not text in UTF-8: expected a configuration in TOML") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name} is not valid TOML: {error}") from error


def _built(cls: type[Any], values: Mapping[str, Any], *, at: str) -> Any:
    """An instance of a dataclass from a mapping; sections are dataclasses themselves."""
    hints = get_type_hints(cls)
    known = {item.name: item for item in fields(cls)}
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=2)
            hint = f"did you mean {' or '.join(near)}" if near else f"known are {', '.join(known)}"
            raise InputError(f"unknown key {at}{key} in the configuration: {hint}?")
    arguments = {
        key: _built(hints[key], value, at=f"{at}{key}.")
        if is_dataclass(hints[key]) and isinstance(value, Mapping)
        else _typed(hints[key], value, f"{at}{key}")
        for key, value in values.items()
    }
    missing = [name for name, item in known.items() if item.default is MISSING and item.default_factory is MISSING]
    assert not missing, "every key has a default"
    return cls(**arguments)


def _typed(hint: Any, value: Any, at: str) -> Any:
    """A value of TOML as the type that a field has. Raises InputError where it is none."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        _one_of(at, value, arguments)
        return value
    if origin is tuple and isinstance(value, list):
        inner = arguments[0]
        if Ellipsis not in arguments and len(value) != len(arguments):
            raise InputError(f"{at} is {value!r}: expected {len(arguments)} values")
        return tuple(_typed(inner, item, at) for item in value)
    if origin is tuple and isinstance(value, tuple):
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    plain = hint if isinstance(hint, type) else origin
    fits = isinstance(value, plain) and not (isinstance(value, bool) and plain is not bool)
    if not fits:
        expected = {"str": "a text", "int": "a whole number", "float": "a number", "bool": "true or false"}
        name = getattr(plain, "__name__", str(plain))
        raise InputError(
            f"{at} is {value!r}: expected {expected.get(name, 'a table' if name == 'Mapping' else 'a list')}"
        )
    return value


def _one_of(at: str, value: object, names: tuple[Any, ...]) -> None:
    if value not in names:
        raise InputError(f"{at} holds {value!r}: expected one of {', '.join(map(str, names))}")


def _check_range(config: Any, name: str, low: int | float, high: int | float) -> None:
    value = getattr(config, name)
    if not low <= value <= high:
        section = type(config).__name__.removesuffix("Config").lower()
        bound = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of at least {low:g}"
        raise InputError(f"{section}.{name} is {value!r}: expected a number {bound}")
