"""The log of a run: JSON lines, and TensorBoard's files where that package is installed."""

import importlib.util
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from cladescope.files import write_text
from cladescope.index.files import disk_errors
from cladescope.packages import not_installed
from cladescope.training.loop.checkpoint import Progress

logger = logging.getLogger(__name__)

LOG_FILE = "log.jsonl"


class Log:
    """Appends to `log.jsonl`: one object a line, with `kind`, `step`, `time` (seconds since 1970) and figures.

    Lines that a run wrote after its last checkpoint, before it was killed, are dropped: it will write them again.
    """

    def __init__(self, folder: Path, progress: Progress) -> None:
        path = folder / LOG_FILE
        self._folder = folder
        reached = {"evaluate": progress.evaluated}
        with disk_errors(folder):
            old = read_log(path) if path.exists() else []
            kept = [line for line in old if line["step"] <= reached.get(line["kind"], progress.step)]
            write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
            self._file = path.open("a", encoding="utf-8")
        self._board: Any = None
        if importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(folder / "tensorboard", purge_step=progress.step + 1)
        else:
            logger.info("no TensorBoard files: %s; %s has every figure", not_installed("tensorboard"), path)

    def write(self, kind: str, step: int, figures: Mapping[str, float]) -> None:
        """One line, and a point of each curve. Raises StoreError where they cannot be written."""
        line = {"kind": kind, "step": step, "time": round(time.time(), 3), **figures}
        with disk_errors(self._folder):
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
            if self._board is not None:
                for name, value in figures.items():
                    self._board.add_scalar(f"{kind}/{name}", value, step)

    def __enter__(self) -> "Log":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()


def read_log(path: Path) -> list[dict[str, Any]]:
    """Every whole line of a log; one that a kill cut off is left out."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines
