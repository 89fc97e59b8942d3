"""Checkpoints: everything that a run needs to go on as if it had never stopped, written whole or not at all."""

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

from cladescope.errors import InputError, StoreError
from cladescope.files import replacing
from cladescope.training.config import TrainConfig, differences

FORMAT_VERSION = 1
LAST, BEST = "last.pt", "best.pt"
CONFIG_FILE = "config.json"
_UNREADABLE = (
    OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, OverflowError, MemoryError,
    UnpicklingError, BadZipFile, zlib.error, struct.error,
)  # fmt: skip
"""What zipfile, pickle and torch raise where a file is damaged."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is."""

    step: int = 0
    """Optimiser steps that were taken."""
    best: float | None = None
    """Best monitored score so far."""
    evaluated: int = 0
    """Step of the last evaluation."""
    n_replaced: int = 0
    """Pictures that could not be read and were replaced, over all processes."""
    n_skipped: int = 0
    """Steps whose gradient was not finite in fp16, which moved no weight."""


def save(path: Path, *, progress: Progress, config: TrainConfig, states: Mapping[str, Any]) -> None:
    """Write a checkpoint under a temporary name and put it in the place of the one before.

    Raises StoreError where it cannot be written; the one before is then as it was.
    """
    content = {
        "format_version": FORMAT_VERSION,
        "progress": asdict(progress),
        "config": json.dumps(config.to_dict()),
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        **states,
    }
    try:
        with replacing(path) as draft, draft.open("wb") as file:
            torch.save(content, file)
    except (OSError, RuntimeError) as error:
        # torch says where its archive came to be wrong, and the system's own reason only beneath.
        cause = error if isinstance(error, OSError) else error.__context__
        reason = getattr(cause, "strerror", None) or str(error).partition("\n")[0]
        kept = (
            "the checkpoint before it is untouched; free some space and then resume the run"
            if path.exists()
            else "no checkpoint was written before; free some space and start again"
        )
        raise StoreError(f"cannot save {path} at step {progress.step} ({reason}): {kept}") from error


def load(path: Path, *, config: TrainConfig | None = None) -> tuple[Progress, dict[str, Any]]:
    """Progress and states of a checkpoint; with `config`, only if it was made under the same one.

    Raises InputError where there is none, where it is damaged, or where the configuration differs, naming the keys.
    """
    if not path.is_file():
        raise InputError(f"no checkpoint {path}: start the run without resuming")
    try:
        # torch's archive has a checksum of each part, which torch itself does not look at.
        with ZipFile(path) as archive:
            if (part := archive.testzip()) is not None:
                raise ValueError(f"{part} is not as it was written")
        content = torch.load(path, map_location="cpu", weights_only=True)
        version, made_under = content["format_version"], json.loads(content["config"])
        progress = Progress(**content["progress"]) if version == FORMAT_VERSION else Progress()
    except _UNREADABLE as error:
        raise InputError(
            f"{path} is no checkpoint or is damaged ({str(error).partition(chr(10))[0][:120]}): "
            f"put {BEST} in its place to go on from there, or start a new run"
        ) from error
    if version != FORMAT_VERSION:
        raise InputError(f"{path} has checkpoint format {version}, this version of cladescope reads {FORMAT_VERSION}")
    if config is not None:
        changed = differences(_with_later_keys(made_under), json.loads(json.dumps(config.to_dict())))
        if changed:
            raise InputError(
                f"the configuration changed since {path} was written: {'; '.join(changed)}: put it back, or start a new run"
            )
    return progress, content


def _with_later_keys(made_under: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration that an earlier version wrote, with what it did not know of as it was then: the defaults.

    >>> _with_later_keys({"seed": 3, "data": {"source": "a.csv"}})["data"]["tested_images"]
    0.0
    """
    defaults = TrainConfig().to_dict()
    return {
        key: {**value, **made_under.get(key, {})} if isinstance(value, dict) else made_under.get(key, value)
        for key, value in defaults.items()
    }


def restore_random(content: Mapping[str, Any]) -> None:
    """Put torch's generators where they were."""
    torch.set_rng_state(content["random"])
    if content["random_cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(content["random_cuda"])
