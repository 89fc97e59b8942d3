"""What is wrong with a value of the command line, in this package's words instead of those of the library that checks it."""

from typing import Any

_KINDS = {"int": "a whole number", "float": "a number", "bool": "yes or no"}


def usage_words(error: Any) -> str:
    """What an error of wrong usage says: what was found and what was expected, where a value has not the type or range of its option."""
    tell = getattr(error.__cause__, "errors", None)
    return str(error.message) if tell is None else _told(tell()[0], getattr(error, "param", None))


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
