"""Settings as they were written, made into a configuration: all that does not fit is gathered, with the line where it stands."""

import difflib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from cladescope.errors import ConfigError
from cladescope.training.section import Problem, Section, one_of

_EXPECTED = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "Mapping": "a table",
}


class Built:
    """A configuration that is being made of the settings of one file, some of them replaced."""

    def __init__(self, name: str, text: str) -> None:
        """`name` and `text` are those of the file, or of a recipe."""
        self._name, self._lines = name, lines_of(text)
        self._replaced: set[str] = set()
        self._refused: set[str] = set()
        self._problems: list[Problem] = []

    def override(self, values: dict[str, Any], key: str, value: object) -> None:
        """Replace the setting of a dotted key."""
        *sections, last = key.split(".")
        inner: Any = values
        for section in sections:
            inner = inner.setdefault(section, {})
            if not isinstance(inner, dict):
                said = f"{section!r} in {self._name} is {inner!r}: expected a section"
                self._problems.append(Problem((), said))
                return
        inner[last] = value
        self._replaced.add(key)

    def whole(self, cls: type[Any], values: Mapping[str, Any]) -> Any:
        """The configuration. Raises ConfigError with all that is wrong, in the order of the file."""
        made = self._section(cls, values, at="")
        if self._problems:
            places = [self._place(one) for one in self._problems]
            order = sorted(range(len(places)), key=lambda one: (places[one] is None, places[one] or 0))
            told = [self._told(self._problems[one], places[one]) for one in order]
            raise ConfigError(told, is_usage=all(place is None for place in places))
        return made

    def _place(self, problem: Problem) -> int | None:
        """The line that a problem is about; None where it is not of the file."""
        there = (key for key in problem.keys if key not in self._replaced)
        return next((self._lines[key] for key in there if key in self._lines), None)

    def _told(self, problem: Problem, line: int | None) -> str:
        return problem.said if line is None else f"{self._name}, line {line}: {problem.said}"

    def _section(self, cls: type[Any], values: Mapping[str, Any], *, at: str) -> Any:
        """A section, sections in it as well; with its defaults in place of what does not fit."""
        hints, known = get_type_hints(cls), [item.name for item in fields(cls)]
        arguments: dict[str, Any] = {}
        for key, value in values.items():
            place = f"{at}{key}"
            if key not in known:
                near = difflib.get_close_matches(key, known, n=2)
                hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known)}"
                wrong = [Problem((place,), f"unknown key {place} in the configuration: {hint}")]
            elif is_dataclass(hints[key]) and isinstance(value, Mapping):
                arguments[key], wrong = self._section(hints[key], value, at=f"{place}."), []
            elif (inner := _of_list(hints[key])) is not None and _are_tables(value):
                made_of = [self._section(inner, one, at=f"{place}.{number}.") for number, one in enumerate(value)]
                arguments[key], wrong = tuple(made_of), []
            else:
                arguments[key], wrong = _typed(hints[key], value, place)
            if wrong:
                arguments.pop(key, None)
                self._refused.add(place)
                self._problems += wrong
        made = _unchecked(cls, arguments)
        for one in made.problems():
            keys = tuple(_numbered(key, at) for key in one.keys)
            if not self._refused.intersection(keys):
                self._problems.append(Problem(keys, one.said))
        return made


def lines_of(text: str) -> dict[str, int]:
    """The line of each dotted key of a TOML file, and of each section; lines within a list or a long text are none.

    Of a list of sections each has its number, from 0.

    >>> lines_of('seed = 1\\n[loop]\\nepochs = 3  # more\\n[objective.terms]\\nclip = 1.0\\n')
    {'seed': 1, 'loop': 2, 'loop.epochs': 3, 'objective.terms': 4, 'objective.terms.clip': 5}
    >>> lines_of('[[sources]]\\n[[sources]]\\nname = "a"\\n')
    {'sources': 1, 'sources.0': 1, 'sources.1': 2, 'sources.1.name': 3}
    """
    found: dict[str, int] = {}
    listed: Counter[str] = Counter()
    section, depth, quotes = "", 0, None
    for number, line in enumerate(text.splitlines(), start=1):
        if quotes is None and not depth:
            if header := re.match(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]", line):
                section = _key(header[2])
                found.setdefault(section, number)
                if header[1] == "[[":
                    listed[section] += 1
                    section = f"{section}.{listed[section] - 1}"
                    found[section] = number
                continue
            if setting := re.match(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*[\w"'-]+)*)\s*=""", line):
                found.setdefault(f"{section}.{_key(setting[1])}".lstrip("."), number)
        for mark in re.findall(r"\"\"\"|'''|\"(?:\\.|[^\"\\])*\"|'[^']*'|[\[\]{}#]", line):
            if mark in ('"""', "'''"):
                quotes = None if quotes == mark else quotes or mark
            elif quotes is None and mark == "#":
                break
            elif quotes is None:
                depth += (mark in "[{") - (mark in "]}")
    return found


def _of_list(hint: Any) -> type[Any] | None:
    """The section that a list is of; None for what is no list of sections."""
    inner = get_args(hint)[:1] if get_origin(hint) is tuple else ()
    return inner[0] if inner and is_dataclass(inner[0]) and isinstance(inner[0], type) else None


def _are_tables(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, Mapping) for one in value)


def _numbered(key: str, at: str) -> str:
    """A key of a section in a list, with the number that the section has there.

    >>> _numbered("sources.name", "sources.1."), _numbered("loop.epochs", "loop.")
    ('sources.1.name', 'loop.epochs')
    """
    listed = re.fullmatch(r"(.+)\.(\d+)\.", at)
    if listed is None or not f"{key}.".startswith(f"{listed[1]}."):
        return key
    return f"{at}{key.removeprefix(listed[1]).removeprefix('.')}".removesuffix(".")


def _key(text: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in text.split("."))


def _unchecked(cls: type[Any], arguments: Mapping[str, Any]) -> Any:
    """An instance whose values are not checked yet: that is asked for afterwards."""
    made = object.__new__(cls)
    for item in fields(cls):
        value = arguments[item.name] if item.name in arguments else _default(item)
        object.__setattr__(made, item.name, value)
    assert isinstance(made, Section)
    return made


def _default(item: Any) -> Any:
    return item.default_factory() if callable(item.default_factory) else item.default


def _typed(hint: Any, value: Any, at: str) -> tuple[Any, list[Problem]]:
    """A value of TOML as the type that a field has, and what is wrong where it is none."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value, list(one_of(at, value, arguments))
    if origin is tuple and isinstance(value, list):
        if Ellipsis not in arguments and len(value) != len(arguments):
            return value, [Problem((at,), f"{at} is {value!r}: expected {len(arguments)} values")]
        found = [_typed(arguments[0], item, at) for item in value]
        return tuple(one for one, _ in found), [one for _, wrong in found for one in wrong]
    if origin is tuple and isinstance(value, tuple):
        return value, []
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value), []
    if _of_list(hint) is not None and isinstance(value, Mapping):
        return value, [
            Problem(
                (at,), f"{at} is one section: expected a list of them, with [[{at}]] before each in place of [{at}]"
            )
        ]
    plain = hint if isinstance(hint, type) else origin
    if isinstance(value, plain) and not (isinstance(value, bool) and plain is not bool):
        return value, []
    expected = _EXPECTED.get(getattr(plain, "__name__", ""), "a list")
    return value, [Problem((at,), f"{at} is {value!r}: expected {expected}")]
