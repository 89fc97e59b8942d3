"""The trade-off between recall and speed as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cladescope.files import replacing
from cladescope.index.ann.queries import PICTURE


def draw_curve(path: Path, rows: Sequence[Mapping[str, Any]], target: float, title: str) -> None:
    """Draw queries a second against ann_recall@10, for the kind of query that is found worst and for left-out pictures.

    `rows` are those of `tune.pareto`. Raises OSError where the picture cannot be written.
    """
    from matplotlib.figure import Figure  # loads a second of code

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, recall in (
        ("the worst kind of query", [min(row["recall"].values()) for row in rows]),
        ("pictures left out", [row["recall"].get(PICTURE) for row in rows]),
    ):
        if None not in recall:
            axes.plot(recall, [row["per_second"] for row in rows], marker="o", markersize=3, label=name)
    axes.axvline(target, color="grey", linewidth=0.8, linestyle="--", label=f"target {target}")
    axes.set(xlabel="ann_recall@10", ylabel="queries a second", yscale="log", title=title)
    axes.legend()
    with replacing(path) as draft:
        figure.savefig(draft, format="png", dpi=120)
