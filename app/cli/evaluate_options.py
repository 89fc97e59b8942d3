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
    LINEAR_PROBE = "linear-probe"
    NEWT = "newt"
    FISHNET = "fishnet"
    AWA2 = "awa2"
    ECDYSIS = "ecdysis"
    BELUGA = "beluga"
    FUNGICLEF = "fungiclef"
    KABR = "kabr"
    MAMMALNET = "mammalnet"
    HERBARIUM19 = "herbarium19"
    INQUIRE = "inquire"
    INQUIRE_RERANK = "inquire-rerank"
    LIFE_STAGES = "life-stages"
    CONFUSABLE = "confusable"


PROTOCOLS = "zero-shot, few-shot, retrieval, linear-probe; or a published task: newt, fishnet, awa2, ecdysis, beluga, fungiclef, kabr, mammalnet, herbarium19, inquire, inquire-rerank, life-stages, confusable."


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
    typer.Option(
        metavar="DIR", help="For a CSV or a published task: the folder of its paths.", show_default="as published"
    ),
]
HeadOption = Annotated[
    str | None,
    typer.Option(
        metavar="HEAD",
        help="What learns: linear-probe: logistic, ridge, layer-norm; newt: linear-svm, svm-search; fishnet, awa2: mlp, ridge; kabr, mammalnet: logistic-search and those of linear-probe.",
        show_default="the first",
    ),
]
TaskStoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="DIR",
        help="A store that has the task's pictures, found by the ends of their paths: its vectors are scored.",
    ),
]
LabelsFromOption = Annotated[
    str | None,
    typer.Option(
        metavar="folder|parent|none|REGEX",
        help="For a folder: what of the paths gives the classes, as for embed.",
        show_default="each first folder",
    ),
]
