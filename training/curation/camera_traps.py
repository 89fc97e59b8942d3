"""Tables of camera traps: known by their columns, whose pictures come in sequences of one event."""

from collections.abc import Collection
from functools import lru_cache
from typing import Final

from cladescope.delimited.headers import squash

CAMERA_TRAP: Final = "camera trap"
_FORMATS: Final = (
    ("originallabel", "urlaws"),
    ("witaxonid",),
    ("deploymentid", "filemediatype"),
    ("deploymentid", "capturemethod"),
    ("deploymentid", "observationlevel"),
    ("relativepath", "rootfolder"),
)
"""Columns of LILA's table, Wildlife Insights', three of Camtrap DP and Timelapse, spelt as `squash` does."""
_SEQUENCES: Final = ("sequenceid", "seqid")


def is_of_camera_traps(columns: Collection[str]) -> bool:
    """Whether own columns of a source are those of a table of camera traps.

    >>> is_of_camera_traps(["original_label", "url_aws", "location_id"]), is_of_camera_traps(["eventID", "locality"])
    (True, False)
    """
    found = {squash(name) for name in columns}
    return any(found.issuperset(marks) for marks in _FORMATS)


@lru_cache(64)
def kind_of_table(columns: tuple[str, ...]) -> str | None:
    """What the pictures of a table show an organism as, by its columns; None where they do not tell."""
    return CAMERA_TRAP if is_of_camera_traps(columns) else None


def sequence_columns(columns: Collection[str]) -> tuple[str, ...]:
    """Own columns that say of which sequence of a camera a picture is, the preferred first.

    An `eventID` is one where the table is of camera traps: in others it is a survey, of any length.

    >>> sequence_columns(["deploymentID", "fileMediatype", "eventID"]), sequence_columns(["eventID"]), sequence_columns(["seq_id"])
    (('eventID',), (), ('seq_id',))
    """
    by_name = {squash(name): name for name in columns}
    wanted = (*_SEQUENCES, "eventid") if is_of_camera_traps(columns) else _SEQUENCES
    return tuple(by_name[name] for name in wanted if name in by_name)


def deployment_column(columns: Collection[str]) -> tuple[str, ...]:
    """The own column of the camera's place, without which numbers of sequences may come again."""
    return tuple(name for name in columns if squash(name) == "deploymentid")


def sequence_of(sequence: str | None, deployment: str | None) -> str | None:
    """A sequence with its deployment, if it has one.

    >>> sequence_of("7", "D1"), sequence_of("7", None), sequence_of(None, "D1")
    ('D1/7', '7', None)
    """
    if sequence is None:
        return None
    return sequence if deployment is None else f"{deployment}/{sequence}"
