"""Whether the nearest held-out picture is a relative, rank by rank, at each evaluation of a run: figures, a table and a curve."""

import csv
import io
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from cladescope.analysis.measures.neighbours import nearest_agreement
from cladescope.files import write_text
from cladescope.index.files import disk_errors
from cladescope.taxonomy.taxon import RANKS
from cladescope.training.loop.logs import LOG_FILE, read_log

MOST = 5000
"""Held-out pictures of a part that are compared with each other; of more as many are drawn, the same at each evaluation."""
PREFIX = "nearest_"
"""Of these figures in the lines of the log that have the scores of an evaluation."""
TABLE, CURVE = "nearest.csv", "nearest"


def nearest_by_rank(
    part: str, vectors: Float[np.ndarray, "n d"], codes: Int[np.ndarray, "n ranks"]
) -> dict[str, float]:
    """1-NN accuracy at each rank at which two taxa are, of held-out pictures among themselves; `codes` are -1 where a rank is missing.

    A picture without the rank is not asked there, and as a neighbour it is of another taxon. Vectors without direction are left out.

    >>> nearest_by_rank("species", np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]), np.array([[0] * 6 + [0], [0] * 6 + [0], [0] * 6 + [1]]))
    {'nearest_species_species': 0.6666666666666666}
    """
    there = np.flatnonzero(np.isfinite(vectors).all(axis=1) & vectors.any(axis=1))
    if len(there) > MOST:
        there = np.sort(np.random.default_rng(0).choice(there, MOST, replace=False))
    if len(there) < 2:
        return {}
    shares = nearest_agreement(vectors[there], codes[there])
    return {
        f"{PREFIX}{part}_{rank}": float(share)
        for place, (rank, share) in enumerate(zip(RANKS, shares, strict=True))
        if len(np.unique(codes[there, place][codes[there, place] >= 0])) > 1
    }


def write_nearest(folder: Path) -> None:
    """Write a run's table of these, a row an evaluation, and from two on their curve; nothing where there are none."""
    with disk_errors(folder):
        lines = [
            {
                name.removeprefix(PREFIX): value
                for name, value in line.items()
                if name == "step" or name.startswith(PREFIX)
            }
            for line in read_log(folder / LOG_FILE)
            if line["kind"] == "evaluate"
        ]
        names = [name for name in dict.fromkeys(name for line in lines for name in line) if name != "step"]
        if not names:
            return
        text = io.StringIO()
        table = csv.DictWriter(text, ["step", *names], lineterminator="\n")
        table.writeheader()
        table.writerows(lines)
        write_text(folder / TABLE, text.getvalue())
        if len(lines) > 1:
            from cladescope.analysis.figure_files import save_figure
            from cladescope.analysis.probes.training_curve import draw_nearest_curve

            figure = draw_nearest_curve(
                [line["step"] for line in lines], {n: [line.get(n) for line in lines] for n in names}
            )
            save_figure(figure, folder, CURVE, kinds=("svg", "png"))
