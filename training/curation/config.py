"""The configuration of a curation: a TOML file, checked whole before anything starts. Unknown keys are errors."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cladescope.embedding.columns import is_url
from cladescope.errors import InputError
from cladescope.training.config_values import Built
from cladescope.training.curation.sections import (
    BurstsConfig,
    DuplicatesConfig,
    ExcludeConfig,
    KindsConfig,
    LicencesConfig,
    NamesConfig,
    OutConfig,
    PeopleConfig,
    PicturesConfig,
    SourceConfig,
    SplitsConfig,
)
from cladescope.training.section import Problem, Section


@dataclass(frozen=True, kw_only=True)
class CurateConfig(Section):
    """A whole data set."""

    title: str = "Pictures of organisms"
    """What the data set is called."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Properties of schema.org for the description (`creator`, `citeAs`, `url`, `datePublished`, ...)."""
    seed: int = 17
    """Another seed, another split."""
    workers: int = 2
    """Pictures that are read and decoded at the same time; changes no result."""
    sources: tuple[SourceConfig, ...] = ()
    names: NamesConfig = field(default_factory=NamesConfig)
    licences: LicencesConfig = field(default_factory=LicencesConfig)
    exclude: tuple[ExcludeConfig, ...] = ()
    pictures: PicturesConfig = field(default_factory=PicturesConfig)
    people: PeopleConfig = field(default_factory=PeopleConfig)
    bursts: BurstsConfig = field(default_factory=BurstsConfig)
    kinds: KindsConfig = field(default_factory=KindsConfig)
    duplicates: DuplicatesConfig = field(default_factory=DuplicatesConfig)
    splits: SplitsConfig = field(default_factory=SplitsConfig)
    out: OutConfig = field(default_factory=OutConfig)

    def problems(self) -> Iterator[Problem]:
        """What is wrong with the whole; the sections look after themselves."""
        if not self.sources:
            yield Problem(("sources",), "no sources: give [[sources]] with name and path, once for each")
        names = [one.name for one in self.sources]
        if twice := next((name for place, name in enumerate(names) if name in names[:place]), None):
            number = len(names) - 1 - names[::-1].index(twice)
            yield Problem(
                (f"sources.{number}.name",),
                f"two sources are called {twice!r}: give each a name of its own, ids are made of it",
            )
        for unknown in (one for one in self.splits.held_out_sources if one not in names):
            yield Problem(
                ("splits.held_out_sources",),
                f"splits.held_out_sources names {unknown!r}: expected some of {', '.join(names)}",
            )
        if self.seed < 0 or self.workers < 1:
            yield Problem(
                ("seed", "workers"), f"seed is {self.seed}, workers {self.workers}: expected 0 or more, and 1 or more"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def load_config(path: str | Path, overrides: Mapping[str, Any] | None = None) -> CurateConfig:
    """The configuration in a TOML file, its paths taken from the folder that the file is in.

    `overrides` maps dotted keys (`splits.val`) to values.

    Raises InputError for a file that is missing or no TOML; ConfigError for all that does not fit, each with its line.

    >>> load_config("/nowhere/tree.toml")
    Traceback (most recent call last):
    cladescope.errors.InputError: /nowhere/tree.toml cannot be read (No such file or directory): give a configuration in TOML
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        values = tomllib.loads(text)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): give a configuration in TOML") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8: expected a configuration in TOML") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not valid TOML: {error}") from error
    built = Built(str(path), text)
    for key, value in (overrides or {}).items():
        built.override(values, key, value)
    config: CurateConfig = built.whole(CurateConfig, values)
    return located(config, Path(path).resolve().parent)


def located(config: CurateConfig, folder: Path) -> CurateConfig:
    """The configuration with whole paths, those that are not taken from a folder."""

    def whole(path: str) -> str:
        return path if not path or is_url(path) else os.path.normpath(folder / Path(path).expanduser())

    kinds, names = config.kinds, config.names
    words = {"backbone", "record", *(one.name for one in config.sources)}
    return replace(
        config,
        sources=tuple(replace(one, path=whole(one.path)) for one in config.sources),
        exclude=tuple(
            replace(one, taxa=whole(one.taxa), pictures=whole(one.pictures), ids=whole(one.ids))
            for one in config.exclude
        ),
        names=replace(
            names,
            backbone=whole(names.backbone),
            common_names=tuple(one if one in words else whole(one) for one in names.common_names),
        ),
        people=replace(config.people, detections=tuple(map(whole, config.people.detections))),
        kinds=replace(
            kinds,
            support=whole(kinds.support),
            encoder=whole(kinds.encoder)
            if (folder / kinds.encoder / "open_clip_config.json").is_file()
            else kinds.encoder,
        ),
    )
