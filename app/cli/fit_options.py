"""Options of `cladescope fit`: the number of a method, and how numbers and shares are read."""

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cladescope.app.cli.options import MethodName

if TYPE_CHECKING:
    from cladescope.analysis.classify.calibration_kinds import Calibration
    from cladescope.app.verbs.fit import Weight

_OF = {"k": (MethodName.KNN, "-k"), "C": (MethodName.LOGISTIC, "-C"), "alpha": (MethodName.RIDGE, "--alpha")}
"""By the number of a method: the method, and the option."""

NeighboursOption = Annotated[
    str | None,
    typer.Option(
        "-k",
        metavar="N|auto",
        help="With knn: neighbours that vote; auto lets the pictures choose.",
        show_default="auto",
    ),
]
InverseStrengthOption = Annotated[
    str | None,
    typer.Option(
        "-C",
        metavar="C|auto",
        help="With logistic: inverse strength of its regularisation; auto lets the pictures choose (slow).",
        show_default="10",
    ),
]
StrengthOption = Annotated[
    str | None,
    typer.Option(
        "--alpha",
        metavar="ALPHA|auto",
        help="With ridge: strength of its regularisation; auto lets the pictures choose.",
        show_default="auto",
    ),
]


def settings_of(method: MethodName, **given: str | None) -> dict[str, Any]:
    """The number of the method, where one is given. Raises BadParameter for that of another method, and for none."""
    found: dict[str, Any] = {}
    for name, text in given.items():
        if text is None:
            continue
        of, option = _OF[name]
        if method is not of:
            raise typer.BadParameter(
                f"{option} is of --method {of.value}, and the method is {method.value}: leave out {option}"
            )
        pattern, kind = (r"[1-9]\d*", "a whole number from 1 on") if name == "k" else (_NUMBER, "a number above 0")
        if text != "auto" and (re.fullmatch(pattern, text) is None or not 0 < float(text) < float("inf")):
            raise typer.BadParameter(f"{option} is {text!r}: give {kind}, or auto")
        found[name] = text if text == "auto" else int(text) if name == "k" else float(text)
    return found


_NUMBER = r"\d+(\.\d+)?(e[+-]?\d+)?|\.\d+"


def calibration_of(text: str) -> "float | Calibration":
    """Which pictures say how sure answers are. Raises BadParameter for none."""
    from cladescope.analysis.classify.calibration_kinds import CROSS, share_of
    from cladescope.errors import InputError

    try:
        share = share_of(text)
    except InputError as error:
        raise typer.BadParameter(f"--calibration: {error}") from None
    return CROSS if share is None else share


def number_or_auto(option: str, text: str) -> "Weight":
    """A number from 0 on, or auto. Raises BadParameter for anything else."""
    if text != "auto" and re.fullmatch(r"\d+(\.\d+)?", text) is None:
        raise typer.BadParameter(f"{option} is {text!r}: give a number from 0 on, or auto")
    return "auto" if text == "auto" else float(text)
