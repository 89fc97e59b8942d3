"""A curation from its sources to the data set: the stages one after the other, each of which goes on where it was cut short."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from cladescope.errors import InputError, InUseError, UsageError
from cladescope.files import PART, is_new_folder
from cladescope.nearest import did_you_mean
from cladescope.outputs import check_is_folder
from cladescope.training.curation.checking import check
from cladescope.training.curation.config import CurateConfig
from cladescope.training.curation.encode import encode, encoder_of
from cladescope.training.curation.fetching import forget_failed
from cladescope.training.curation.flag import flag
from cladescope.training.curation.gather import gather
from cladescope.training.curation.job import PART_ROWS, SUMMARY, Job, Spread
from cladescope.training.curation.leaks import leaks
from cladescope.training.curation.look import look
from cladescope.training.curation.names import names
from cladescope.training.curation.out.write import write
from cladescope.training.curation.screen import screen
from cladescope.training.curation.single import single
from cladescope.training.curation.split import check_places, check_species, split

LOCK: Final = ".lock"
STAGES: Final[Mapping[str, Callable[[Job], None]]] = {
    "gather": gather,
    "names": names,
    "screen": screen,
    "look": look,
    "encode": encode,
    "leaks": leaks,
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
    kept: tuple[str, ...]
    """Stages that were finished before and not done again."""

    @property
    def n_pictures(self) -> int:
        """Pictures of the data set."""
        return int(self.summary["pictures"])


def curate(
    config: CurateConfig,
    out: Path,
    *,
    load_encoder: Callable[[str], Any] | None = None,
    redo: str | None = None,
    part_rows: int = PART_ROWS,
    spread: Spread | None = None,
) -> Curated:
    """Curate a data set into a folder, or go on where that was cut short.

    `redo` names a stage that is made anew, with all that follow; where pictures are looked at anew, those that servers did not give are asked for again. `load_encoder` makes the encoder that the configuration names; `spread` does what need not
    be done in turn on many machines.

    Raises InputError for sources, lists and settings that cannot be used, and where the folder holds something else or was begun with other
    settings; InUseError where another process curates into it; StoreError where the disk is full: what is done stays.
    """
    check(config)
    job = Job(config, out, load_encoder=load_encoder, part_rows=part_rows, spread=spread)
    _check_folder(out)
    steps = (*job.stages, "write")
    if redo is not None and redo not in steps:
        raise UsageError(f"found {redo!r} to do again: expected one of {', '.join(steps)}{did_you_mean(redo, steps)}")
    if "encode" in job.stages and not (job.work / "encode" / "manifest.json").exists():
        encoder_of(job)  # an encoder that cannot be made is known before all pictures were looked at
    with _alone(out):
        job.forget(())
        done = [name for name in job.stages if (job.work / name / "manifest.json").exists()]
        again = () if redo is None else steps[steps.index(redo) :]
        for name in steps:
            if name == redo:
                # Only now: what is refused by a stage before leaves all as it was.
                job.forget(again)
                if "look" in again:
                    forget_failed(job.work / "fetched")
            if name in STAGES:
                STAGES[name](job)
            if name == "names":
                check_species(job)
                check_places(job)
        summary = write(job)
    return Curated(out, summary, tuple(name for name in done if name not in again))


def flow_table(summary: Mapping[str, Any]) -> tuple[tuple[str, str, int], ...]:
    """What each stage took in, changed, dropped and passed on, from a summary: stage, word, records.

    >>> flow_table({"flow": [{"stage": "look", "in": 3, "changed": {}, "dropped": {"blank": 1}, "out": 2}], "splits": {"train": 2}})
    (('look', 'taken in', 3), ('look', '- blank', 1), ('look', 'passed on', 2), ('written', 'train', 2))
    """
    rows = []
    for stage in summary["flow"]:
        name = stage["stage"]
        rows.append((name, "taken in", stage["in"]))
        for kind, mark in (("changed", "  "), ("dropped", "- ")):
            rows += [(name, f"{mark}{word}", n) for word, n in stage[kind].items()]
        rows.append((name, "passed on", stage["out"]))
    return (*rows, *(("written", split, n) for split, n in summary["splits"].items()))


def _check_folder(out: Path) -> None:
    """Raises InputError where a folder holds what is not of a curation."""
    check_is_folder(out)
    ours = out.is_dir() and (any((out / "work").glob("*/begun.json")) or (out / SUMMARY).is_file())
    if not ours and not is_new_folder(out) and (others := sorted(_others(out))):
        raise InputError(
            f"{out} is there already and holds {others[0]}, which is not of a curation: choose another folder"
        )


def _others(out: Path) -> set[str]:
    """What a folder holds beside drafts and the lock of a curation that was refused at once."""
    return {one.name for one in out.iterdir() if not one.name.startswith(PART)} - {LOCK}


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Raises InUseError where another process curates into the folder."""
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / LOCK, timeout=0)
    try:
        with lock:
            yield
    except Timeout as error:
        raise InUseError(f"another process curates into {out}: wait until it has ended") from error
