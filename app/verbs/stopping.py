"""Where the answers of `predict` stop: at which rank, and at which pictures."""

from typing import TYPE_CHECKING

from cladescope.analysis.classify import choosing
from cladescope.analysis.classify.back_off import BackOff
from cladescope.analysis.classify.choosing import Choice
from cladescope.app.verbs.given import AnyStore, opened_for
from cladescope.embedding.encoder import Encoder
from cladescope.errors import InputError

if TYPE_CHECKING:
    from cladescope.index.store import Store


def back_off_of(
    choice: Choice, asked: "Store | Encoder", risk: float | None, calibrate_on: AnyStore | None, *, closed_set: bool
) -> BackOff | None:
    """The classifier's own, or that of a store of labelled pictures. Raises InputError for a risk without labelled pictures."""
    found = choice.back_off
    if risk is not None and calibrate_on is not None:
        judge = opened_for(calibrate_on, asked.card)
        judge.check(asked.card)
        found = choosing.calibrated_on(choice.classes, judge)
    if risk is not None and found is None:
        raise InputError("a risk needs labelled pictures for calibration: give a store of them to calibrate on")
    return found.closed_set() if found is not None and closed_set else found
