"""Values of somebody's declaration, each checked to be what it should be, with a message that says what was found."""

from collections.abc import Iterable, Mapping

from cladescope.errors import InputError


def check_keys(values: Mapping[str, object], expected: set[str], *, what: str) -> None:
    """Refuse a mapping with keys missing or unknown."""
    if missing := sorted(expected - set(values)):
        raise InputError(f"{what} lacks {', '.join(missing)}")
    if unknown := sorted(set(values) - expected):
        raise InputError(f"{what} has unknown {', '.join(unknown)}: expected {', '.join(sorted(expected))}")


def one_of(names: Iterable[str], value: object, *, what: str) -> str:
    """The value, if it is one of the names."""
    expected = list(names)
    if not isinstance(value, str) or value not in expected:
        raise InputError(f"{what} is {value!r}, expected one of {', '.join(expected)}")
    return value


def number(value: object, what: str) -> float:
    """A plain number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{what} is {value!r}, expected a number")
    return float(value)


def whole(value: object, what: str) -> int:
    """A whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{what} is {value!r}, expected a whole number")
    return value


def square_side(value: object, what: str) -> int:
    """Side of a square given as one number or as two equal ones."""
    sides = list(value) if isinstance(value, list | tuple) else [value]
    if len(sides) not in (1, 2) or sides[0] != sides[-1]:
        raise InputError(f"{what} is {value!r}, expected a square")
    return whole(sides[0], what)


def three_numbers(value: object, what: str) -> tuple[float, float, float]:
    """Three numbers, or one for all three colours."""
    red, green, blue = (number(one, what) for one in _three(value, what))
    return red, green, blue


def colour(value: object, what: str) -> tuple[int, int, int]:
    """Three whole numbers, or one for all three colours."""
    red, green, blue = (whole(one, what) for one in _three(value, what))
    return red, green, blue


def _three(value: object, what: str) -> list[object]:
    """The value of each colour, where one may stand for all."""
    values = list(value) if isinstance(value, list | tuple) else [value] * 3
    if len(values) != 3:
        raise InputError(f"{what} is {value!r}, expected one value or three")
    return values
