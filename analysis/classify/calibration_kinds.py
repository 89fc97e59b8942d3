"""Which pictures say how sure a fitted classifier may be."""

from typing import Final, Literal

from cladescope.errors import InputError

Calibration = Literal["cross", "split"]
CROSS: Final = "cross"
"""All in turn, in parts, each asked about classes that were learnt from the others; the kept classes are learnt from all."""
SPLIT: Final = 0.2
"""Share of each class that is held out for good by `split`."""


def share_of(calibration: float | str) -> float | None:
    """The share of pictures that is held out for good; None where all are asked in turn.

    Raises InputError for a word other than `cross` and `split`, and for a number that is no share.

    >>> share_of("cross"), share_of("split"), share_of("0.1"), share_of(0.0)
    (None, 0.2, 0.1, 0.0)
    """
    if calibration in ("cross", "split"):
        return None if calibration == CROSS else SPLIT
    try:
        share = float(calibration)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise InputError(f"found {calibration!r}, expected cross, split, or a share from 0 and below 1")
    return share
