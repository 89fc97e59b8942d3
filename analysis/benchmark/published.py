"""The figures that papers publish for a task, to stand beside one's own; they are kept in published.toml."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

ZERO_SHOT = "zero-shot"
_ASIS = "asis"
_RANKED_TEXTS = {"CLIP": "com", "OpenCLIP": "com", "BioCLIP": "taxon_com"}
"""Text by which a family of models was asked on tasks with ranks; on the others it is `asis`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTask:
    """A task of the papers."""

    name: str
    names: tuple[str, ...]
    """Names of files and folders under which it goes, in lower case."""
    classes: int
    images: int
    ranked: bool = False
    """Whether its classes have ranks and common names."""

    def differs(self, *, classes: int, images: int) -> str | None:
        """Why a task of this name is not the papers' own, or None where its size says that it is.

        >>> match("birds525").differs(classes=493, images=2324)
        'part of Birds 525 (493 of 525 classes, 2,324 of 2,625 pictures)'
        """
        if (classes, images) == (self.classes, self.images):
            return None
        sizes = f"{classes:,} of {self.classes:,} classes, {images:,} of {self.images:,} pictures"
        kind = "part of" if classes <= self.classes and images <= self.images else "not the published"
        return f"{kind} {self.name} ({sizes})"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFigure:
    """One published number."""

    model: str
    figure: str
    """Name of the measure, as in our results."""
    percent: float
    source: str
    secondary: bool
    """Whether it was read in a third party's summary."""


def match(name: str) -> PublishedTask | None:
    """The task of the papers that goes under this name, or None.

    >>> match("PLK_Mini").name
    'Plankton'
    """
    folded = re.sub(r"[\s-]+", "_", name.strip().lower())
    tasks = (_task(values) for values in _data()["task"])
    return next((task for task in tasks if folded in {re.sub("-", "_", one) for one in task.names}), None)


def published(task: PublishedTask, protocol: str) -> Sequence[PublishedFigure]:
    """All figures published for a task under a protocol.

    >>> [(one.model, one.percent) for one in published(match("rare_species"), "few-shot")][:1]
    [('CLIP ViT-B/16', 28.52)]
    """
    found = []
    for table in _data()["table"]:
        if table["protocol"] != protocol or task.name not in table["tasks"]:
            continue
        place = table["tasks"].index(task.name)
        for model, values in table["rows"].items():
            text = _RANKED_TEXTS[model.split(" ")[0]] if task.ranked else _ASIS
            figure = f"{text} {table['figure']}" if protocol == ZERO_SHOT else table["figure"]
            found.append(
                PublishedFigure(
                    model=model,
                    figure=figure,
                    percent=values[place],
                    source=table["source"],
                    secondary=table.get("secondary", False),
                )
            )
    return found


def _task(values: dict[str, Any]) -> PublishedTask:
    return PublishedTask(**{**values, "names": tuple(values["names"])})


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads((files("cladescope.analysis.benchmark") / "published.toml").read_text())
