"""What is wrong with a value of the command line, in this package's words instead of those of the library that checks it."""

import re
from typing import Any

from cladescope.nearest import did_you_mean

_KINDS = {"int": "a whole number", "float": "a number", "bool": "yes or no"}


def usage_words(error: Any) -> str:
    """What an error of wrong usage says: where, what was found and what was expected, and which word was meant."""
    tell = getattr(error.__cause__, "errors", None)
    option = getattr(error, "param", None)
    if tell is not None:
        said = _told(tell()[0], option)
    elif type(error).__name__ == "BadParameter" or (option is None and not hasattr(error, "possibilities")):
        said = str(error.message)
    else:
        said = str(error.format_message()).partition(" (Possible options:")[0]
    if (further := re.fullmatch(r"Got unexpected extra argument(?:s|\(s\))? \((.*)\)", said)) is not None:
        return _too_many(further[1], error.ctx.command.params)
    where = "" if option is None or tell is None else f"{_place(option)}: "
    return where + said.rstrip(".") + _meant(error, said)


def _too_many(found: str, params: list[Any]) -> str:
    """What an argument more than a verb takes is, and where it may have been meant to stand."""
    places = " and ".join(_place(one) for one in params if one.param_type_name == "argument")
    data = next((f"; what to learn from goes after {one.opts[0]}" for one in params if one.name == "data"), "")
    return f"found {found} as well, expected {places} alone{data}" if places else f"found {found}, expected no argument"


def _place(option: Any) -> str:
    """An option or argument as it is called in help."""
    return str(option.opts[0] if option.param_type_name == "option" else option.display_name_raw)


def _meant(error: Any, said: str) -> str:
    """Which choice, or which option, was meant, where one is near."""
    if (option := getattr(error, "option_name", None)) is not None and error.ctx is not None:
        return did_you_mean(option, [name for one in error.ctx.command.params for name in one.opts])
    found = re.match(r"'(.*?)' is not one of ", said)
    return did_you_mean(found[1], choices_of(error.param)) if found is not None else ""


def choices_of(option: Any) -> list[str]:
    """The words of which an option or argument takes one; none where it takes anything."""
    described = getattr(option, "type_descriptor", None)
    return [str(getattr(one, "value", one)) for one in getattr(described, "choices", None) or ()]


def _told(wrong: dict[str, Any], option: Any) -> str:
    """What one finding of the library means for an option.

    >>> _told({"type": "int_parsing", "input": "x", "msg": "Input should be"}, None)
    "found 'x', expected a whole number"
    >>> _told({"type": "value_error", "msg": "Value error, no", "ctx": {"error": ValueError("no")}}, None)
    'no'
    """
    reason = wrong.get("ctx", {}).get("error")
    if (nested := getattr(reason, "errors", None)) is not None:
        return _told(nested()[0], option)
    if reason is not None:
        return str(reason)
    found = f"found {wrong['input']!r}"
    if wrong["type"] in ("greater_than_equal", "less_than_equal"):
        return f"{found}, expected {_span(getattr(option, 'min', None), getattr(option, 'max', None))}"
    kind = wrong["type"].partition("_")[0]
    return f"{found}, expected {_KINDS.get(kind, 'another value: see --help')}"


def _span(least: object, most: object) -> str:
    """The values between two ends, of which one may be open.

    >>> _span(2, 3), _span(1, None)
    ('a number from 2 to 3', 'a number from 1 on')
    """
    if most is None:
        return f"a number from {least} on"
    return f"a number up to {most}" if least is None else f"a number from {least} to {most}"
