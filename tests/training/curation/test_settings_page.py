"""The table of settings in docs/curation.md: each key that there is, with the value that it has when it is left out."""

import re
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path

from cladescope.training.curation.config import CurateConfig
from cladescope.training.curation.sections import ExcludeConfig, SourceConfig

PAGE = Path(__file__).parents[3] / "docs" / "curation.md"


def plain(value):
    return list(value) if isinstance(value, tuple) else value


def test_the_page_has_each_setting_with_its_value_when_it_is_left_out():
    table = PAGE.read_text().split("## All settings")[1].split("## The stages")[0]
    told = {}
    for line in table.splitlines():
        if found := re.match(r"\| (`[a-z_.`, ]+`) \| `(.*?)` \|", line):
            told |= dict.fromkeys(re.findall(r"`([a-z_.]+)`", found[1]), tomllib.loads(f"x = {found[2]}")["x"])
    inner = {"sources": SourceConfig, "exclude": ExcludeConfig}
    there = {}
    for one in fields(CurateConfig):
        default = one.default_factory() if callable(one.default_factory) else one.default
        section = inner.get(one.name, type(default) if is_dataclass(default) else None)
        if section is None:
            there[one.name] = plain(default)
        else:
            there |= {f"{one.name}.{key.name}": plain(key.default) for key in fields(section)}
    assert told == there
