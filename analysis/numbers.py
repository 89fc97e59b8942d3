"""Numbers that a caller may give, checked in one line each."""

from cladescope.errors import InputError


def check_at_least(least: int, **given: int | None) -> None:
    """Raise InputError for a number below `least`; None is not checked.

    >>> check_at_least(1, limit=3, shots=None)
    >>> check_at_least(1, limit=0)
    Traceback (most recent call last):
    cladescope.errors.InputError: found limit 0, expected 1 or more
    """
    for name, value in given.items():
        if value is not None and value < least:
            raise InputError(f"found {name} {value}, expected {least} or more")
