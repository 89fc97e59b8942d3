"""Options for many jobs: a shard of a source, several devices, a cluster."""

from enum import StrEnum
from typing import Annotated

import typer


class ExecutorName(StrEnum):
    """What runs the jobs of shards."""

    LOCAL = "local"
    RAY = "ray"


def _devices(given: str | None) -> str | None:
    """Refuse what is no device, and none at all."""
    for one in [] if given is None else given.split(","):
        if one.strip() != "cpu" and not (one.strip().isascii() and one.strip().isdigit()):
            raise typer.BadParameter(f"found the device {one!r}, expected numbers of GPUs, or cpu, as in 0,1")
    return given


ShardOption = Annotated[
    str | None,
    typer.Option(
        metavar="I/N", help="Only the I-th of N parts of the source, for as many jobs; `commit` puts them together."
    ),
]
DevicesOption = Annotated[
    str | None,
    typer.Option(
        metavar="0,1,...", callback=_devices, help="One process a GPU of these numbers (or cpu), each over a shard."
    ),
]
ExecutorOption = Annotated[
    ExecutorName, typer.Option(help="Embed here, or in shards on the Ray cluster at RAY_ADDRESS.")
]
PiecesOption = Annotated[
    ExecutorName,
    typer.Option(help="Look at pictures, encode and write shards here, or on the Ray cluster at RAY_ADDRESS."),
]
ShardsOption = Annotated[
    int | None, typer.Option(min=1, help="Shards for Ray.", show_default="four a GPU, or two a processor")
]
