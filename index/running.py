"""Jobs that are under way in a store, each a file in its folder `running`; one whose process died without a word was killed.

A file is written when a job begins and deleted when it ends, after its row in `runs` is there. So a job that died by SIGKILL, or
with its machine, leaves its file, and the next job notes it in `runs` for it.
"""

import contextlib
import json
import logging
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from cladescope.files import PART, process_runs, write_json

logger = logging.getLogger(__name__)

FOLDER = "running"
_OF_THIS_PROCESS: set[str] = set()
"""Jobs that this process has told of: another with its number ran before it, as in a container that was started again."""
SILENT_SECONDS = 600.0
"""A job of another machine that has not told anything for so long is taken for dead."""


@dataclass(frozen=True, kw_only=True)
class RunningJob:
    """A job that has begun, and how far it was when it last told."""

    verb: str
    source: str
    started: str
    """UTC, in ISO 8601."""
    told: Mapping[str, Any] = field(default_factory=dict)
    """Settings, counts and the rest, as its manifest will have them."""
    run_id: str = field(default_factory=lambda: uuid4().hex)
    host: str = field(default_factory=platform.node)
    process: int = field(default_factory=os.getpid)

    def write(self, store_path: Path) -> None:
        """Put this in place of what the job told before; a disk that takes no more is told of and stops no job."""
        if not store_path.is_dir():
            return
        _OF_THIS_PROCESS.add(self.run_id)
        try:
            (store_path / FOLDER).mkdir(exist_ok=True)
            write_json(_path(store_path, self.run_id), asdict(self))
        except OSError as error:
            logger.warning("%s: how far the job is cannot be noted: %s", store_path, error.strerror or error)

    def forget(self, store_path: Path) -> None:
        """The job has ended, and is noted elsewhere."""
        with contextlib.suppress(OSError):
            _path(store_path, self.run_id).unlink(missing_ok=True)
            (store_path / FOLDER).rmdir()  # where no other job is under way


def running(store_path: Path) -> list[RunningJob]:
    """Jobs that are under way."""
    return [job for job, is_dead, _ in _all(store_path) if not is_dead]


def killed(store_path: Path) -> list[tuple[RunningJob, datetime]]:
    """Jobs that ended without a word, and when each told something last; the drafts that they left are deleted."""
    for draft in (store_path / FOLDER).glob(f"{PART}*"):
        process = draft.name.removeprefix(PART).partition("-")[0]
        if not (process.isdecimal() and process_runs(int(process))):
            draft.unlink(missing_ok=True)
    return [(job, last) for job, is_dead, last in _all(store_path) if is_dead]


def _all(store_path: Path) -> Iterator[tuple[RunningJob, bool, datetime]]:
    """Every job with a file, from the oldest on: whether it is dead, and when it told something last."""
    found = []
    for path in (store_path / FOLDER).glob("*.json"):
        if path.name.startswith(PART):
            continue
        try:
            job = RunningJob(**json.loads(path.read_text(encoding="utf-8")))
            last = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except FileNotFoundError:  # it has just ended
            continue
        except (OSError, ValueError, TypeError) as error:
            logger.warning("%s cannot be read (%s): delete it if no job runs", path, error)
            continue
        if job.host == platform.node():
            is_earlier = job.process == os.getpid() and job.run_id not in _OF_THIS_PROCESS
            is_dead = is_earlier or not process_runs(job.process)
        else:
            is_dead = (datetime.now(UTC) - last).total_seconds() > SILENT_SECONDS
        found.append((job, is_dead, last))
    yield from sorted(found, key=lambda one: one[0].started)


def _path(store_path: Path, run_id: str) -> Path:
    return store_path / FOLDER / f"{run_id}.json"
