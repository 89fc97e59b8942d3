"""Options of `embed` for many jobs: a shard of a source, several devices, a cluster."""

from enum import StrEnum
from typing import Annotated

import typer


class ExecutorName(StrEnum):
    """What runs the jobs of shards."""

    LOCAL = "local"
    RAY = "ray"


ShardOption = Annotated[
    str | None,
    typer.Option(
        metavar="I/N", help="Only the I-th of N parts of the source, for as many jobs; `commit` puts them together."
    ),
]
DevicesOption = Annotated[
    str | None, typer.Option(metavar="0,1,...", help="One process a GPU of these numbers (or cpu), each over a shard.")
]
ExecutorOption = Annotated[
    ExecutorName, typer.Option(help="Embed here, or in shards on the Ray cluster at RAY_ADDRESS.")
]
ShardsOption = Annotated[
    int | None, typer.Option(min=1, help="Shards for Ray.", show_default="four a GPU, or two a processor")
]
