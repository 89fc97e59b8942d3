"""The configuration of a training run: one frozen dataclass per section, read from TOML and checked before anything starts.

Unknown keys are errors. A recipe is such a file that ships with the package (`training/recipes`); `train` saves the
resolved configuration beside its checkpoints, so that a run can be repeated and a changed one be told from it.
"""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from cladescope.errors import InputError
from cladescope.training.sections import (
    AugmentConfig,
    DataConfig,
    LoopConfig,
    ModelConfig,
    ObjectiveConfig,
    OptimiserConfig,
    one_of,
)


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
        one_of(at, value, arguments)
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
