"""Options of `embed` alone: where pictures are decoded, and what becomes of those that are stored, gone or failed."""

from enum import StrEnum
from typing import Annotated

import typer


class DecodeName(StrEnum):
    """Where pictures are decoded."""

    AUTO = "auto"
    THREADS = "threads"
    PROCESSES = "processes"
    DEVICE = "device"


DecodeOption = Annotated[
    DecodeName,
    typer.Option(
        help="Decode in threads, in a process for each worker (auto: where a GPU encodes and there are 32 workers or more), or plain JPEGs on a GPU, after a check that vectors stay the same."
    ),
]


class TuningName(StrEnum):
    """Whether a long job on a CPU looks for the fastest way to use its cores."""

    AUTO = "auto"
    NONE = "none"
    AGAIN = "again"


TuningOption = Annotated[
    TuningName,
    typer.Option(
        help="On a CPU: look for the fastest way to use its cores in a job of over a minute, once a machine and encoder; never; or anew."
    ),
]
PruneOption = Annotated[
    bool,
    typer.Option(
        "--prune", help="Delete the rows of pictures that are gone from the source; else they are only marked."
    ),
]
CheckRemoteOption = Annotated[
    bool,
    typer.Option("--check-remote", help="Fetch stored pictures of URLs again, to see whether they changed there."),
]
RetryFailedOption = Annotated[
    str | None,
    typer.Option(metavar="STAGE|TEXT", help="Only what failed before: at a stage (read), for a reason, or all."),
]
