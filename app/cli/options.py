"""Options that several verbs share, worded once."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from cladescope.object_storage import object_url
from cladescope.schema import LEVELS
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
RowsOutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE.csv|.json", help="File for what --csv or --json would print."),
]
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
ChangeBackboneOption = Annotated[
    bool,
    typer.Option(
        "--change-backbone", help="With --backbone: go on though another backbone named the store's pictures."
    ),
]
ConflictsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.csv",
        help="With --backbone: write the names that it is not sure of, or has with other ranks above; an earlier list is replaced.",
    ),
]
TypesOption = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN=TYPE,...",
        help="Type of a table's columns: text, int or float. Else all are text but known numbers (latitude, year).",
    ),
]
MissingOption = Annotated[
    str | None,
    typer.Option(
        metavar="WORDS",
        help="Words, by commas, that say in a table that a rank is not known.",
        show_default="NA, N/A, NaN, none, null, \\\\N, -, unknown, unidentified, indet. and the like",
    ),
]
LabelsFromOption = Annotated[
    str | None,
    typer.Option(
        metavar="folder|parent|none|REGEX",
        help="What gives the pictures of a folder their labels: names of all folders on the way (and of files), of the one they lie in, "
        "nothing, or a pattern over the path such as '(?P<species>[^/]+)/(?P<site>[^/]+)/'.",
        show_default="folder",
    ),
]
StrictOption = Annotated[
    bool,
    typer.Option("--strict", help="Stop at the first record with a missing value, a respelt name, or that is refused."),
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace what is there already; else it is an error.")
]
ContactOption = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="E-mail or web address to name in requests to servers.")
]
AllowOption = Annotated[
    list[str] | None,
    typer.Option(metavar="SCHEME", help="Open addresses of this scheme (ftp, file) in a manifest too; several times."),
]
ProgressOption = Annotated[
    str,
    typer.Option(
        "--progress",
        metavar="auto|json|none|FILE.jsonl",
        help="How to tell how far it is: for people, in lines of JSON on stderr, not at all, or in lines of JSON added to a file.",
    ),
]
MetricsOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE.prom", help="Keep metrics for Prometheus' node_exporter (textfile collector) here."),
]
VectorsOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Vectors of a further encoder of the store, by their name in `info`.")
]


def store_place(text: str) -> Path | str:
    """A store as it is typed: a path, or an address on object storage, which no path may become."""
    return text if object_url(text) is not None else Path(text)


StoreArgument = Annotated[
    Any, typer.Argument(metavar="STORE", help="Folder of the store, or s3:// address.", parser=store_place)
]
StoreOption = Annotated[
    Any,
    typer.Option(
        "--store", metavar="DIR", help="Folder of the store, or s3:// address; created if needed.", parser=store_place
    ),
]


class DeviceName(StrEnum):
    """Where to compute."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class RankName(StrEnum):
    """The seven ranks."""

    KINGDOM, PHYLUM, CLASS, ORDER, FAMILY, GENUS, SPECIES = RANKS


class LevelName(StrEnum):
    """What pictures can be told apart by: the seven ranks, or their label."""

    KINGDOM, PHYLUM, CLASS, ORDER, FAMILY, GENUS, SPECIES, LABEL = LEVELS


class TextTypeName(StrEnum):
    """How a taxon is written."""

    SCI = "sci"
    COM = "com"
    TAXON = "taxon"
    SCI_COM = "sci_com"
    TAXON_COM = "taxon_com"


class MethodName(StrEnum):
    """How classes are learnt."""

    SIMPLESHOT = "simpleshot"
    PROTOTYPES = "prototypes"
    LOGISTIC = "logistic"
    RIDGE = "ridge"
    KNN = "knn"


class PrecisionName(StrEnum):
    """Type of the encoder's weights."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"


class RuntimeName(StrEnum):
    """What computes the encoder."""

    AUTO = "auto"
    TORCH = "torch"
    COMPILED = "compiled"
    ONNX = "onnx"
    OPENVINO = "openvino"


RuntimeOption = Annotated[
    RuntimeName,
    typer.Option(
        help="What computes the encoder: on a CPU, auto is ONNX Runtime where it has graphs, else torch. compiled is torch, compiled first."
    ),
]


class Printed(NamedTuple):
    """How a verb prints its rows, and where to."""

    csv: bool
    safe_csv: bool
    json: bool
    out: Path | None

    @property
    def is_machine(self) -> bool:
        """Whether it is for programs."""
        return self.csv or self.json


def printed(*, csv: bool, safe_csv: bool = False, json: bool, out: Path | None = None) -> Printed:
    """What --csv, --safe-csv, --json and the ending of --out mean together; raises BadParameter where they contradict each other."""
    csv = csv or safe_csv
    if json and csv:
        raise typer.BadParameter("give one of --json and --csv")
    if out is not None:
        by_ending = {".csv": csv or not json, ".json": json or not csv}
        if not by_ending.get(ending := out.suffix.lower(), True):
            raise typer.BadParameter(
                f"--out {out} is for {ending[1:].upper()}: leave out {'--json' if json else '--csv'}"
            )
        csv, json = csv or ending == ".csv", json or ending == ".json"
    return Printed(csv, safe_csv, json, out)


def clades(within: list[str] | None) -> str | list[str] | None:
    """What `--within` means: nothing, one clade, or a union of several."""
    return within[0] if within is not None and len(within) == 1 else within or None


def pairs(types: str | None) -> dict[str, str]:
    """Types by column as `--types` gives them, `weight=float,plot=text`; raises BadParameter for a part without a sign."""
    found = {}
    for part in filter(None, (types or "").split(",")):
        column, sign, name = part.rpartition("=")
        if not sign:
            raise typer.BadParameter(f"found {part!r} in --types, expected COLUMN=TYPE")
        found[column.strip()] = name.strip()
    return found


def words(missing: str | None) -> list[str] | None:
    """The words that `--missing` gives; None where it is not given."""
    return None if missing is None else [word.strip() for word in missing.split(",") if word.strip()]
