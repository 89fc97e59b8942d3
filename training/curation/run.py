"""A curation from its sources to the data set: the stages one after the other, each of which goes on where it was cut short."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from filelock import FileLock, Timeout

from cladescope.errors import InputError, InUseError, UsageError
from cladescope.nearest import did_you_mean
from cladescope.outputs import check_is_folder
from cladescope.training.curation.config import CurateConfig
from cladescope.training.curation.encode import encode
from cladescope.training.curation.flag import flag
from cladescope.training.curation.gather import gather
from cladescope.training.curation.job import PART_ROWS, Job
from cladescope.training.curation.leaks import leaks
from cladescope.training.curation.look import look
from cladescope.training.curation.names import names
from cladescope.training.curation.screen import screen
from cladescope.training.curation.single import single
from cladescope.training.curation.split import split
from cladescope.training.curation.write import OWN, write

if TYPE_CHECKING:
    from cladescope.embedding.encoder import Encoder

STAGES: Final[Mapping[str, Callable[[Job], None]]] = {
    "gather": gather,
    "names": names,
    "screen": screen,
    "look": look,
    "leaks": leaks,
    "encode": encode,
    "flag": flag,
    "single": single,
    "split": split,
}
"""What each stage does; `encode` where an encoder is named."""


@dataclass(frozen=True)
class Curated:
    """A finished data set."""

    out: Path
    summary: dict[str, Any]
    """What stands in `curate.json`."""
    table: tuple[tuple[str, str, int], ...]
    """What each stage took in, changed, dropped and passed on: stage, word, records."""
    kept: tuple[str, ...]
    """Stages that were finished before and not done again."""


def curate(
    config: CurateConfig,
    out: Path,
    *,
    load_encoder: "Callable[[str], Encoder] | None" = None,
    redo: str | None = None,
    part_rows: int = PART_ROWS,
) -> Curated:
    """Curate a data set into a folder, or go on where that was cut short.

    `redo` names a stage that is made anew, with all that follow. `load_encoder` makes the encoder that the configuration names.

    Raises InputError for sources, lists and settings that cannot be used, and where the folder holds something else or was begun with other
    settings; InUseError where another process curates into it; StoreError where the disk is full: what is done stays.
    """
    job = Job(config, out, load_encoder=load_encoder, part_rows=part_rows)
    _check_folder(out)
    if redo is not None and redo not in job.stages:
        raise UsageError(
            f"found {redo!r} to do again: expected one of {', '.join(job.stages)}{did_you_mean(redo, job.stages)}"
        )
    with _alone(out):
        if redo is not None:
            for name in job.stages[job.stages.index(redo) :]:
                shutil.rmtree(job.work / name, ignore_errors=True)
        kept = tuple(name for name in job.stages if (job.work / name / "manifest.json").exists())
        for name in job.stages:
            STAGES[name](job)
        summary = write(job)
    return Curated(out, summary, flow_table(job), kept)


def flow_table(job: Job) -> tuple[tuple[str, str, int], ...]:
    """What each stage took in, changed, dropped and passed on, in words and numbers of records.

    Raises InputError where a stage is not finished.
    """
    rows = []
    for name in job.stages:
        counts = job.manifest(name)["counts"]
        taken = sum(counts["in"].values())
        rows.append((name, "taken in", taken))
        for kind, mark in (("changed", "  "), ("dropped", "- ")):
            words: Counter[str] = Counter()
            for _, word, n in counts[kind]:
                words[word] += n
            rows += [(name, f"{mark}{word}", n) for word, n in sorted(words.items(), key=lambda one: (-one[1], one[0]))]
        rows.append((name, "passed on", taken - sum(n for *_, n in counts["dropped"])))
    return tuple(rows)


def _check_folder(out: Path) -> None:
    """Raises InputError where a folder holds what is not of a curation."""
    check_is_folder(out)
    others = (
        [] if not out.is_dir() else sorted(one.name for one in out.iterdir() if one.name not in {"work", ".lock", *OWN})
    )
    others = [name for name in others if not name.startswith(".part-")]
    if others and not (out / "work").is_dir():
        raise InputError(
            f"{out} is there already and holds {others[0]}, which is not of a curation: choose another folder"
        )


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Raises InUseError where another process curates into the folder."""
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / ".lock", timeout=0)
    try:
        with lock:
            yield
    except Timeout as error:
        raise InUseError(f"another process curates into {out}: wait until it has ended") from error
