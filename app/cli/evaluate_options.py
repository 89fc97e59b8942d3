"""Options of `evaluate` that no other verb has."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ProtocolName(StrEnum):
    """What is asked."""

    ZERO_SHOT = "zero-shot"
    FEW_SHOT = "few-shot"
    RETRIEVAL = "retrieval"


class PartsName(StrEnum):
    """Which pictures of a task with parts are given and asked."""

    OFFICIAL = "official"
    ALL = "all"


V1FoldsOption = Annotated[
    bool, typer.Option("--v1-folds", help="few-shot: draw the folds as BioCLIP's first evaluation did.")
]
TextOption = Annotated[
    str | None,
    typer.Option(
        metavar="KIND,...",
        help="zero-shot: asis, sci, com, taxon, sci_com, taxon_com; asis also tests cleaned names.",
        show_default="asis",
    ),
]
PartsOption = Annotated[
    PartsName,
    typer.Option(help="Tasks with train/ and test/: learn from train and test on test, or pool both."),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="For a CSV: the folder of its paths.", show_default="the CSV's folder"),
]
LabelsFromOption = Annotated[
    str | None,
    typer.Option(
        metavar="folder|parent|none|REGEX",
        help="For a folder: what of the paths gives the classes, as for embed.",
        show_default="each first folder",
    ),
]
