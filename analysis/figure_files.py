"""A figure as files."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from cladescope.files import replacing


def save_figure(figure: Figure, folder: Path, name: str, *, kinds: Sequence[str] = ("png", "svg", "pdf")) -> list[Path]:
    """Write a figure in several formats, each file whole or not at all; return their paths."""
    paths = [folder / f"{name}.{kind}" for kind in kinds]
    for path in paths:
        with replacing(path) as draft:
            figure.savefig(draft)
    return paths
