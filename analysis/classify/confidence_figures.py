"""Whether a classifier's probabilities hold, as figures: reliability diagram, and risk against coverage."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cladescope.analysis.measures.calibration import calibration_error, risk_coverage
from cladescope.files import replacing
from cladescope.index.files import disk_errors
from cladescope.shown import shown

N_BINS = 10
LEAST_IN_BIN = 5
"""Answers from which on a bin is drawn: the share among fewer says nothing."""
LEAST_ANSWERS, LEAST_BINS = 30, 3
"""Answers and bins that can be drawn, from which on there is a reliability diagram: fewer are dots, not a line."""
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#000000")
"""Okabe and Ito's, which the colour-blind can tell apart: one a rank."""
STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))

FIGURES = ("reliability.svg", "risk-coverage.svg")
"""Files that are drawn."""

Answered = Mapping[str, tuple[Float[np.ndarray, " n"], Bool[np.ndarray, " n"]]]
"""For each rank, how probable each answer was and whether it was right."""


def write_confidence_figures(answered: Answered, folder: Path, *, title: str) -> list[Path]:
    """Write risk-coverage.svg, and reliability.svg where a rank has enough answers (`can_be_drawn`); nothing where no picture was asked.

    Raises StoreError where the folder cannot be written.
    """
    if not answered:
        return []
    enough = {rank: one for rank, one in answered.items() if can_be_drawn(one[0])}
    figures = {FIGURES[0]: draw_reliability(enough, title=title)} if enough else {}
    figures[FIGURES[1]] = draw_risk_coverage(answered, title=title)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name in FIGURES:
            (folder / name).unlink(missing_ok=True)
        for name, figure in figures.items():
            with replacing(folder / name) as draft:
                figure.savefig(draft)
    return [folder / name for name in figures]


def told(drawn: Sequence[Path]) -> str:
    """One line on what was drawn, and on what was not.

    >>> told([])
    'no picture was asked: there is nothing to draw'
    """
    if not drawn:
        return "no picture was asked: there is nothing to draw"
    few = "; too few pictures asked to draw reliability" if len(drawn) < len(FIGURES) else ""
    return f"drawn: {' and '.join(map(str, drawn))}{few}"


def can_be_drawn(confidence: Float[np.ndarray, " n"]) -> bool:
    """Whether answers of these probabilities make a line: `LEAST_ANSWERS`, and `LEAST_BINS` bins of `LEAST_IN_BIN` or more.

    >>> can_be_drawn(np.linspace(0, 1, 50)), can_be_drawn(np.linspace(0, 1, 20)), can_be_drawn(np.full(50, 0.99))
    (True, False, False)
    """
    sizes = np.bincount(_bins(confidence), minlength=N_BINS)
    return len(confidence) >= LEAST_ANSWERS and int((sizes >= LEAST_IN_BIN).sum()) >= LEAST_BINS


def _bins(confidence: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    found: Int[np.ndarray, " n"] = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    return found


def draw_reliability(answered: Answered, *, title: str) -> Figure:
    """Share of right answers against their mean probability in ten bins of equal width, a line a rank.

    Guo et al. 2017, https://arxiv.org/abs/1706.04599, figure 1. On the diagonal probabilities hold; below it the classifier
    is surer than it is right. The legend has the calibration error (`calibration.calibration_error`).

    >>> draw_reliability({"order": (np.full(9, 0.8), np.ones(9, bool))}, title="Orders").axes[0].get_xlabel()
    'mean probability of the answer'
    """
    figure, axes = _figure(title)
    axes.plot([0, 1], [0, 1], color="#b8b8b8", linewidth=1)
    for (name, (confidence, right)), colour, style in zip(answered.items(), COLOURS, STYLES, strict=False):
        bins = _bins(confidence)
        sizes = np.bincount(bins, minlength=N_BINS)
        shown = sizes >= LEAST_IN_BIN
        means = [np.bincount(bins, weights=values, minlength=N_BINS) for values in (confidence, right)]
        x, y = (total[shown] / sizes[shown] for total in means)
        label = f"{name} (error {calibration_error(confidence, right):.3f})"
        axes.plot(x, y, color=colour, linestyle=style, marker="o", markersize=3, label=label)
    axes.set(
        xlim=(0, 1.02),
        ylim=(0, 1.02),
        aspect="equal",
        xlabel="mean probability of the answer",
        ylabel="share that is right",
    )
    figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    return figure


def draw_risk_coverage(answered: Answered, *, title: str) -> Figure:
    """Share of wrong answers against the share of pictures answered, surest first, a line a rank.

    Geifman & El-Yaniv 2017, https://arxiv.org/abs/1705.08500. The legend has the mean risk over all coverages (AURC).

    >>> draw_risk_coverage({"order": (np.full(9, 0.8), np.ones(9, bool))}, title="Orders").axes[0].get_ylabel()
    'share of these that is wrong'
    """
    figure, axes = _figure(title)
    top = 0.02
    for (name, (confidence, right)), colour, style in zip(answered.items(), COLOURS, STYLES, strict=False):
        coverage, risk = risk_coverage(confidence, right)
        axes.plot(coverage, risk, color=colour, linestyle=style, linewidth=1.3, label=f"{name} ({risk.mean():.3f})")
        # The first few answers are a share of next to nothing: they do not set the scale.
        top = max(top, float(risk[len(risk) // 20 :].max()))
    axes.set(
        xlim=(0, 1),
        ylim=(0, min(1.0, 1.05 * top)),
        xlabel="share of pictures answered, surest first",
        ylabel="share of these that is wrong",
    )
    figure.legend(loc="outside right upper", fontsize=8, frameon=False, title="rank (mean risk)", title_fontsize=8)
    return figure


def _figure(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 4.0), layout="constrained", dpi=200)
    axes = figure.subplots()
    axes.set_title(shown(title), fontsize=10, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
