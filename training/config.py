"""The configuration of a training run: one frozen dataclass per section, read from TOML and checked before anything starts.

Unknown keys are errors. A recipe is such a file that ships with the package (`training/recipes`); `train` saves the
resolved configuration beside its checkpoints, so that a run can be repeated and a changed one be told from it.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from cladescope.errors import InputError, UsageError
from cladescope.nearest import did_you_mean
from cladescope.training.config_values import Built
from cladescope.training.section import Problem, Section
from cladescope.training.sections import (
    AugmentConfig,
    DataConfig,
    LoopConfig,
    ModelConfig,
    ObjectiveConfig,
    OptimiserConfig,
)
from cladescope.training.teachers import TeachersConfig


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Section):
    """A whole run."""

    seed: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    model: ModelConfig = field(default_factory=lambda: ModelConfig(open_clip="ViT-B-16"))
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    teachers: TeachersConfig = field(default_factory=TeachersConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)

    def problems(self) -> Iterator[Problem]:
        """What is wrong with the whole; the sections look after themselves."""
        if self.model.lock_image_cached and self.objective.replay_source:
            yield Problem(
                ("model.lock_image_cached", "objective.replay_source"),
                "model.lock_image_cached leaves no pictures to replay: set it to false",
            )
        if self.teachers.encoders and self.model.lock_image:
            yield Problem(
                ("teachers.encoders", "model.lock_image"),
                "teachers.encoders teach the picture side, and model.lock_image keeps it as it is: leave one of them out",
            )
        if bool(self.model.blend_shares) != bool(self.data.tested_images):
            yield Problem(
                ("model.blend_shares", "data.tested_images"),
                "model.blend_shares and data.tested_images belong together: what is chosen is then tested on pictures of its own",
            )
        if self.model.blend_shares and not self.data.held_out_images:
            yield Problem(
                ("model.blend_shares", "data.held_out_images"),
                "model.blend_shares are chosen from by data.held_out_images, which is 0: hold some out",
            )
        if self.seed < 0 or self.data.split_seed < 0:
            yield Problem(
                ("seed", "data.split_seed"), f"seeds are {self.seed} and {self.data.split_seed}: expected 0 or more"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


FREE_KEYS = frozenset(
    {"data.workers", "loop.log_every", "loop.save_every", "loop.device", "loop.compile", "loop.foretell"}
)
"""Keys that may change between a run and its continuation: they do not decide what is learnt."""


def load_config(name: str | Path, overrides: Mapping[str, Any] | None = None) -> TrainConfig:
    """The configuration of a TOML file or of a recipe that ships with the package, with some keys replaced.

    `overrides` maps dotted keys (`data.source`) to values.

    Raises InputError for a file that is missing or no TOML and for a recipe that is not there; ConfigError for all keys and
    values together that do not fit, each with its line in the file and the nearest names.

    >>> load_config("tiny", {"loop.epochs": 3}).loop.epochs
    3
    """
    text = _read(name)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name} is not valid TOML: {error}") from error
    built = Built(str(name), text)
    for key, value in (overrides or {}).items():
        built.override(values, key, value)
    config: TrainConfig = built.whole(TrainConfig, values)
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


def _read(name: str | Path) -> str:
    """The text of a file of settings, or of a recipe."""
    path = Path(name)
    if path.suffix != ".toml" and not path.is_file():
        if str(name) not in recipes():
            near = did_you_mean(str(name), recipes())
            raise UsageError(f"no recipe {str(name)!r}: give a .toml file, or one of {', '.join(recipes())}{near}")
        return (resources.files("cladescope.training") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): give a .toml file or a recipe") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8: expected a configuration in TOML") from error
