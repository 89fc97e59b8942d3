"""Encoders that ship with the package, each in a checkpoint folder."""

from importlib import resources
from pathlib import Path

SHIPPED = ("tiny",)


def shipped_folder(name: str) -> Path:
    """Where the encoder of that name lies.

    >>> shipped_folder("tiny").name
    'tiny'
    """
    return Path(str(resources.files("cladescope.embedding"))) / "checkpoints" / name
