"""How what `fit` found is printed."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cladescope.analysis.classify.fit import Fitted


WORDS = {"k": "neighbours that vote (k)", "C": "inverse strength (C)", "alpha": "strength (alpha)"}
"""What the number of a method is called."""


def rows_of(fitted: "Fitted") -> list[tuple[str, object]]:
    """What a classifier was learnt from, and what pictures that told apart from it say of it: a name and a value each."""
    made, interval = fitted.calibrated, fitted.accuracy_interval
    named = "none asked"
    if interval is not None:
        from cladescope.analysis.shares import TOO_FEW, ends

        named = f"{fitted.accuracy:.3f} ({' to '.join(ends(*interval, 3) or (TOO_FEW,))})"
    rows: list[tuple[str, object]] = [
        ("classes", len(fitted.classifier.labels)),
        ("pictures learnt from", int(made.counts.sum())),
        (_asked(made.in_turn, fitted.held_out), fitted.held_out),
        ("named correctly of these", named),
        *([] if made.kept is None else [("sure enough for the usual risk", f"{made.kept:.3f}")]),
        ("scale of probabilities", f"{made.classes.scale:.1f}" + ("" if fitted.held_out else ", not calibrated")),
    ]
    if made.setting is not None:
        rows.append((WORDS[made.setting.name], str(made.setting)))
    if made.kappa:
        rows.append(("pseudo-pictures of the taxon above", f"{made.kappa:.2f}"))
    if made.text_weight:
        rows.append(("weight of the names", f"{made.text_weight:g}"))
    if errors := fitted.calibration_error:
        from cladescope.analysis.classify.confidence_figures import LEAST_ANSWERS

        few = f"too few asked: {LEAST_ANSWERS} would do" if fitted.held_out < LEAST_ANSWERS else ""
        rows.append(("calibration error", few or ", ".join(f"{name} {error:.3f}" for name, error in errors.items())))
    return rows


def _asked(in_turn: int, n: int) -> str:
    """What the pictures are that say how sure answers are: some may be asked in turn, and others held out."""
    if in_turn == n:
        return "pictures asked in turn" if n else "pictures asked"
    return "pictures asked, some in turn" if in_turn else "pictures asked that were held out"
