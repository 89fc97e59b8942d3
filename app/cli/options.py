"""Options that several verbs share, worded once."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cladescope.taxonomy.taxon import RANKS

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
WithinOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TAXON",
        help="Only this clade: a name, or a path such as 'Animalia > Aves'; repeat for a union of clades.",
    ),
]
WhereOption = Annotated[
    str | None, typer.Option(metavar="SQL", help='Only pictures that meet this condition, for instance "width > 500".')
]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
SafeCsvOption = Annotated[
    bool,
    typer.Option(
        "--safe-csv",
        help="Print CSV that is safe for spreadsheets: an apostrophe before a leading =, +, -, @.",
    ),
]
SafeTablesOption = Annotated[
    bool,
    typer.Option("--safe-csv", help="Write tables that are safe for spreadsheets, as `search --safe-csv`."),
]
BackboneOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Backbone of `taxonomy build`: synonyms become accepted names, ranks above are filled."
    ),
]
StoreArgument = Annotated[Path, typer.Argument(metavar="STORE", help="Folder of the store.")]
StoreOption = Annotated[Path, typer.Option("--store", metavar="DIR", help="Folder of the store; created if needed.")]


class DeviceName(StrEnum):
    """Where to compute."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class RankName(StrEnum):
    """The seven ranks."""

    KINGDOM, PHYLUM, CLASS, ORDER, FAMILY, GENUS, SPECIES = RANKS


class PrecisionName(StrEnum):
    """Type of the encoder's weights."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"


def clades(within: list[str] | None) -> str | list[str] | None:
    """What `--within` means: nothing, one clade, or a union of several."""
    return within[0] if within is not None and len(within) == 1 else within or None
