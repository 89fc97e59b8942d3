"""Values of a store's columns as JSON has them."""

import math
from collections.abc import Mapping
from datetime import date, datetime


def plain(value: object) -> object:
    """A value of plain kinds: NaN and infinities are null, dates are text, bytes are told by their number.

    >>> plain({"score": float("nan"), "taken": date(2026, 5, 1), "thumb": b"abc"})
    {'score': None, 'taken': '2026-05-01', 'thumb': '<3 bytes>'}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return _utf8(value) if isinstance(value, str) else value
    if isinstance(value, datetime | date):
        return value.isoformat()
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else str(value)


def _utf8(text: str) -> str:
    """A text that UTF-8 can write: halves of surrogate pairs, of names of files that are no UTF-8, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
