"""Whether a column of text can be numbers without loss; columns are looked at whole, as Arrow arrays."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

WHOLE = r"^(0|-?[1-9][0-9]{0,18})$"
"""How a whole number is written so that writing it again gives the same text."""
NUMBER = r"^-?(0|[1-9][0-9]*|0?\.[0-9]+|0\.|[1-9][0-9]*\.[0-9]*)([eE][+-]?[0-9]+)?$"
"""How a number is written: without a plus sign and without zeros before it, which mark a code."""
_LONG = r"^-?[0-9]{16,}$"
_LONG_DIGITS = 16
"""Digits from which on float64 does not tell every whole number from its neighbours."""


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """What the values of one column have been so far."""

    whole: bool = True
    """All are whole numbers that int64 holds."""
    number: bool = True
    """All are numbers that float64 holds."""
    long: bool = False
    """Some whole number has more digits than float64 keeps."""
    plain: bool = True
    """All stand there without blanks around them and without a word for what is missing, so that they can be converted as they are."""
    commas: bool = False
    """Some have a comma for their decimal point."""
    other: str | None = None
    """The first value that is no number."""

    def narrowed(self, column: pa.Array, missing: frozenset[str], *, commas: bool = False) -> "NumberColumn":
        """The same with the values of one column more; `missing` are words that say that there is none.

        With `commas` a comma may stand for the decimal point, as in tables of countries that write numbers so.

        >>> NumberColumn().narrowed(pa.array(["1", None, " 2.5", "NA"]), frozenset({"na"})).fits(pa.float64())
        True
        >>> NumberColumn().narrowed(pa.array(["51,5"]), frozenset()).other
        '51,5'
        """
        if not self.number:
            return self
        values = column.drop_null() if column.null_count else column
        plain = are_numbers(values)
        if not plain:
            values = present(values, missing).drop_null()
            pointed = with_points(values) if commas else values
            if not are_numbers(pointed):
                return replace(self, whole=False, number=False, plain=False, other=_first_other(values))
            commas = not pointed.equals(values)
            values = pointed
        else:
            commas = False
        candidates = values.filter(pc.greater_equal(pc.binary_length(values), _LONG_DIGITS))
        long = self.long or bool(len(candidates) and pc.any(pc.match_substring_regex(candidates, _LONG)).as_py())
        return NumberColumn(self.whole and are_whole(values), True, long, self.plain and plain, self.commas or commas)

    def fits(self, type_: pa.DataType) -> bool:
        """Whether the values lose nothing as numbers of a type."""
        return self.whole if type_ == pa.int64() else self.number and not self.long

    def arrow_type(self, wanted: pa.DataType) -> pa.DataType:
        """The narrowest type from the wanted one on that loses nothing."""
        return next((type_ for type_ in (wanted, pa.float64()) if self.fits(type_)), pa.string())


def are_numbers(values: pa.Array) -> bool:
    """Whether every value, none of them null, is a number as `NUMBER` has it that float64 holds.

    >>> are_numbers(pa.array(["-1.5", ".5", "2e3"])), are_numbers(pa.array(["007"])), are_numbers(pa.array(["nan"]))
    (True, False, False)
    """
    try:
        found = values.cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        return False
    if not np.isfinite(found).all():  # `inf` and `nan` are words here
        return False
    _, ends, text = values.buffers()
    if not len(values) or text is None:
        return True
    marks = np.frombuffer(text, np.uint8)
    ends = np.frombuffer(ends, np.int32)[values.offset : values.offset + len(values) + 1]
    starts = marks[ends[:-1]]
    if (starts == ord("+")).any():
        return False
    first = ends[:-1] + (starts == ord("-"))
    behind_zero = first[(marks[first] == ord("0")) & (ends[1:] - first > 1)] + 1
    return not ((marks[behind_zero] >= ord("0")) & (marks[behind_zero] <= ord("9"))).any()


def are_whole(values: pa.Array) -> bool:
    """Whether every value, none of them null, is a whole number that int64 holds, and gives the same text when written again.

    >>> are_whole(pa.array(["0", "-12"])), are_whole(pa.array(["1.0"])), are_whole(pa.array(["9" * 19]))
    (True, False, False)
    """
    try:
        return bool(pc.all(pc.equal(values.cast(pa.int64()).cast(pa.string()), values), min_count=0).as_py())
    except pa.ArrowInvalid:
        return False


def with_points(values: pa.Array) -> pa.Array:
    """The numbers that are written with one decimal comma, written with a point; others as they are.

    >>> with_points(pa.array(["-0,1", "51.5", "1,234.5"])).to_pylist()
    ['-0.1', '51.5', '1,234.5']
    """
    return pc.replace_substring_regex(values, r"^(-?[0-9]+),([0-9]+)$", r"\1.\2")


def _first_other(values: pa.Array) -> str:
    """The first value that is not written as a number; of those of too many digits the first value."""
    place = pc.index(pc.match_substring_regex(values, NUMBER), False).as_py()
    return str(values[max(place, 0)].as_py())


def present(column: pa.Array, missing: frozenset[str]) -> pa.Array:
    """Values without blanks around them, missing ones null."""
    values = pc.utf8_trim_whitespace(column)
    absent = pc.is_in(pc.utf8_lower(values), value_set=pa.array(["", *missing], pa.string()))
    return pc.if_else(absent, pa.scalar(None, pa.string()), values)
