"""Where the answers of `predict` stop: at which rank, and at which pictures."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cladescope.analysis.classify import calibrating_store
from cladescope.analysis.classify.answers import Answers
from cladescope.analysis.classify.back_off import RISK, BackOff
from cladescope.analysis.classify.choosing import Choice
from cladescope.analysis.classify.known import judge
from cladescope.embedding.encoder import Encoder
from cladescope.errors import InputError

if TYPE_CHECKING:
    from cladescope.index.store import Store


@dataclass(frozen=True, eq=False)
class Stops:
    """Where answers stop."""

    back_off: BackOff | None
    risk: float | None
    """None where every name goes down to the rank asked for."""
    doubt: float | None
    """None where no picture is too far for a name."""
    notes: tuple[str, ...]
    """What the user should know, a sentence each."""

    def answers(self, choice: Choice, *, rank: str, k: int = 1, others: bool = False) -> Answers:
        """What says them of a choice; see `Answers`. Raises InputError for a rank that no class has."""
        return Answers(
            choice.classes, rank=rank, k=k, bins=choice.bins, back_off=self.back_off, risk=self.risk, known=choice.known, doubt=self.doubt,
            others=others,
        )  # fmt: skip


def stops(
    choice: Choice,
    asked: "Store | Encoder",
    *,
    risk: float | None,
    calibrate_on: "Store | None",
    closed_set: bool,
    doubt: float,
    fitted: bool,
) -> Stops:
    """By the choice's own calibration, or that of a store of labelled pictures, open for its vectors by the same encoder; by the usual risk where none is asked for and any can be kept.

    Raises InputError for a risk without labelled pictures.
    """
    within, notes = judge(
        choice.known, fitted=fitted, is_earlier=fitted and choice.made_with is None, closed_set=closed_set, doubt=doubt
    )
    found = choice.back_off
    if risk is not None and calibrate_on is not None:
        calibrate_on.check(asked.card)
        found, of_pictures = calibrating_store.calibrated_on(choice, calibrate_on, fitted=fitted)
        if getattr(asked, "path", None) == calibrate_on.path:
            of_pictures = (
                *of_pictures,
                "the pictures that are named decide, too: the risk is promised of others like them",
            )
        notes = (*notes, *of_pictures)
    if risk is not None:
        if found is None:
            raise InputError("a risk needs labelled pictures for calibration: give a store of them to calibrate on")
        return Stops(found.closed_set() if closed_set else found, risk, within, notes)
    if found is None or closed_set:
        return Stops(None, None, within, notes)
    usual, n = found.usual_risk, found.n_deciding
    if usual is None:
        few = f"names go down to the rank asked for, sure or not: {n:,} pictures that were asked are too few to say how sure is enough"
        return Stops(None, None, within, (*notes, f"{few}: fit on more, or ask for risk {1.01 / (n + 1):.2g}"))
    if usual > RISK:
        notes = (
            *notes,
            f"{n:,} pictures that were asked allow a risk of {usual:.2g} of a wrong name, and none below: fit on more for {RISK:g}",
        )
    return Stops(found, usual, within, notes)
