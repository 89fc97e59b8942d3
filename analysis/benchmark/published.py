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
    classes: int = 0
    images: int = 0
    """Of both, 0 where it is not among what is published."""
    ranked: bool = False
    """Whether its classes have ranks and common names."""
    protocol: str | None = None
    """The only protocol by which it is asked, for a task of the field, which goes by it and not by a name."""

    def differs(self, *, classes: int, images: int) -> str | None:
        """Why a task of this name is not the papers' own, or None where its size says that it is.

        >>> match("birds525").differs(classes=493, images=2324)
        'part of Birds 525 (493 of 525 classes, 2,324 of 2,625 pictures)'
        """
        if not self.images:
            few = self.classes and classes != self.classes
            whole = (
                f"{classes:,} of {self.classes:,} classes" if few else "whether all its pictures are here is not known"
            )
            return f"part of {self.name} ({whole})" if few else whole
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


def match(name: str, protocol: str | None = None) -> PublishedTask | None:
    """The task of the papers that goes under this name, or that a protocol of the field asks, or None.

    >>> match("PLK_Mini").name, match("my_folder", "newt").name
    ('Plankton', 'NeWT')
    """
    folded = re.sub(r"[\s-]+", "_", name.strip().lower())
    tasks = [_task(values) for values in _data()["task"]]
    if found := next((task for task in tasks if task.protocol is not None and task.protocol == protocol), None):
        return found
    return next((task for task in tasks if folded in {re.sub("-", "_", one) for one in task.names}), None)


def published(task: PublishedTask, protocol: str, *, head: str | None = None) -> Sequence[PublishedFigure]:
    """All figures published for a task under a protocol, and with a head where the protocol has one.

    >>> [(one.model, one.percent) for one in published(match("rare_species"), "few-shot")][:1]
    [('CLIP ViT-B/16', 28.52)]
    """
    found = []
    for table in _data()["table"]:
        if table["protocol"] != protocol or task.name not in table["tasks"] or table.get("head") != head:
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
