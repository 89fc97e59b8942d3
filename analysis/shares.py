"""Shares and intervals as people read them: no share is rounded to none or to all, and no interval to a point."""

TOO_FEW = "too few for an interval"
"""What is said in place of an interval without width: it tells of few answers, and nothing of the truth."""
_MORE_DIGITS = 4


def of_100(share: float) -> str:
    """A share between 0 and 1 as a count of 100.

    >>> of_100(0.95), of_100(0.005), of_100(0.999), of_100(1.0)
    ('95', 'fewer than 1', 'more than 99', '100')
    """
    number = 100 * share
    return "fewer than 1" if 0 < number <= 0.5 else "more than 99" if 99.5 <= number < 100 else f"{number:.0f}"


def percent(share: float) -> str:
    """A share between 0 and 1 as a percentage, with a decimal where it is close to none or to all.

    >>> percent(0.704), percent(0.9962), percent(1.0)
    ('70 %', '99.6 %', '100 %')
    >>> percent(0.0002), percent(0.9998)
    ('under 0.1 %', 'over 99.9 %')
    """
    shown = 100 * share
    if 0 < shown < 0.05:
        return "under 0.1 %"
    if 99.95 <= shown < 100:
        return "over 99.9 %"
    return f"{shown:.1f} %" if 0 < shown < 1 or 99 < shown < 100 else f"{shown:.0f} %"


def ends(low: float, high: float, digits: int, *, sign: bool = False) -> tuple[str, str] | None:
    """The ends of an interval with so many digits, more where these tell them not apart; None for one without width.

    >>> ends(41.04, 59.2, 1), ends(56.11, 56.14, 1), ends(-0.5, 1.0, 1, sign=True), ends(56.0, 56.0, 1)
    (('41.0', '59.2'), ('56.11', '56.14'), ('-0.5', '+1.0'), None)
    """
    plus = "+" if sign else ""
    for more in range(digits, digits + _MORE_DIGITS):
        # A number that rounds to 0 has no sign.
        first, last = (f"{round(value, more) + 0.0:{plus}.{more}f}" for value in (low, high))
        if first != last:
            return first, last
    return None
