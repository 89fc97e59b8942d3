"""A learning curve as a figure: suggested pictures beside random ones."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cladescope.analysis.classify.learning_curve import LearningCurve
from cladescope.shown import counted

SUGGESTED, RANDOM = "#0072b2", "#d55e00"
"""Okabe and Ito's, which the colour-blind can tell apart."""


def draw_learning_curve(curve: LearningCurve, *, title: str) -> Figure:
    """Means over the draws, and bands from the lowest to the highest draw.

    >>> import numpy as np
    >>> shares = np.array([[0.2, 0.5], [0.3, 0.6]])
    >>> curve = LearningCurve("both", np.array([10, 20]), shares + 0.1, shares, 40)
    >>> [text.get_text() for text in draw_learning_curve(curve, title="birds").axes[0].texts]
    ['suggested (both)', 'random']
    """
    figure = Figure(figsize=(6.4, 4.2), layout="constrained", dpi=150)
    axes = figure.subplots()
    lines = (
        (curve.accuracy, SUGGESTED, f"suggested ({curve.strategy})", "-", 8),
        (curve.random, RANDOM, "random", "--", -14),
    )
    for shares, colour, name, style, above in lines:
        percent = 100 * shares
        axes.plot(curve.labels, percent.mean(axis=0), style, color=colour, marker="o", markersize=3, linewidth=1.5)
        axes.fill_between(curve.labels, percent.min(axis=0), percent.max(axis=0), color=colour, alpha=0.15, linewidth=0)
        middle = len(curve.labels) // 2
        axes.annotate(
            name, (curve.labels[middle], percent.mean(axis=0)[middle]), xytext=(0, above), textcoords="offset points",
            color=colour, fontsize=9, ha="right" if above > 0 else "left",
        )  # fmt: skip
    axes.set_title(title, fontsize=10, loc="left", parse_math=False)
    axes.set_xlabel("pictures labelled", fontsize=9)
    axes.set_ylabel(f"named right, % of {counted(curve.n_tested, 'picture')} that took no part", fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
