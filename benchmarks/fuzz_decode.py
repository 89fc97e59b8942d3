"""Damaged files of every kind, decoded in a process of its own: none may end it, keep it, fill its memory or raise anything else.

python benchmarks/fuzz_decode.py --files 10000
python benchmarks/fuzz_decode.py --only 1234 --keep damaged

Each file is a sound one with one to eight changes to its bytes (`fuzz_seeds.py`), made again from its number alone, and goes
through `prepare`, as a job has it, and whole through `decode`. An outcome is

- decoded, or refused: a reason on one line;
- DIED: the process ended;
- HUNG: it took longer than --seconds, and was ended;
- MEMORY: there was not enough memory, which is `bounds.DECODE_BYTES` beside what the process held before;
- RAW: an error that is none of ours, or a reason of several lines;
- DIFFERS: at a reduced scale it has another size, or is refused and the whole is not, or the other way round.

Prints a table by kind, with the slowest file and the one that took most memory, and says what each bad outcome was. Ends with
status 1 if there are any. Linux; --keep FOLDER writes the files of bad outcomes.
"""

import argparse
import collections
import multiprocessing
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzz_seeds import Seed, damaged, seeds
from side_by_side import print_table

from cladescope.embedding.bounds import DECODE_BYTES
from cladescope.embedding.decode import decode
from cladescope.embedding.picture_tags import TAG_FIELDS
from cladescope.embedding.prepare import Prepared, prepare
from cladescope.embedding.records import Record
from cladescope.embedding.transform import ImageTransform
from cladescope.errors import PictureError

PICTURES = Path(__file__).resolve().parents[2] / "shared/data/organisms/images"
"""Taken too where it is there."""
TAGS = tuple(stored.name for stored in TAG_FIELDS)
TRANSFORM = ImageTransform(size=24, resize="crop", mean=(0.5,) * 3, std=(0.5,) * 3)
OUTCOMES = ("decoded", "refused", "DIED", "HUNG", "MEMORY", "RAW", "DIFFERS")
GOOD = OUTCOMES[:2]
FURTHER_BYTES = 2**28
"""Memory that Python, the file and its rows may take beside the decoder's."""


@dataclass(slots=True)
class Row:
    """What became of the files of one kind."""

    outcomes: "collections.Counter[str]" = field(default_factory=collections.Counter)
    slowest: float = 0.0
    """Seconds."""
    peak: int = 0
    """Bytes beside what the process held before."""


def main() -> None:
    """Damage and decode, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--start", type=int, default=0, help="number of the first")
    parser.add_argument("--only", type=int, help="one file, by its number")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=20.0, help="most time of one file (default: %(default)s)")
    parser.add_argument("--pictures", type=Path, default=PICTURES if PICTURES.is_dir() else None)
    parser.add_argument("--keep", type=Path, help="folder for the files of bad outcomes")
    options = parser.parse_args()
    stop = options.start + options.files
    numbers = range(options.start, stop) if options.only is None else range(options.only, options.only + 1)
    table = fuzz(numbers, seed=options.seed, seconds=options.seconds, folder=options.pictures, keep=options.keep)
    show(table)
    sys.exit(any(row.outcomes[outcome] for row in table.values() for outcome in OUTCOMES if outcome not in GOOD))


def fuzz(
    numbers: range, *, seed: int = 0, seconds: float = 20.0, folder: Path | None = None, keep: Path | None = None
) -> dict[str, Row]:
    """Decode the damaged files of these numbers; rows by kind."""
    table: dict[str, Row] = collections.defaultdict(Row)
    sound = seeds(folder)
    decoder = Decoder(seconds)
    for number in numbers:
        file = damaged(number, sound, seed=seed)
        outcome, why, took, peak = decoder.judge(file.data)
        row = table[file.kind]
        row.outcomes[outcome] += 1
        row.slowest, row.peak = max(row.slowest, took), max(row.peak, peak)
        if outcome not in GOOD:
            print(f"{number}: {file.kind}, {file.variant}: {outcome} ({why})", flush=True)
            if keep is not None:
                keep_file(keep, number, file)
        if number % 1000 == 999:
            print(f"{number + 1} files", file=sys.stderr, flush=True)
    decoder.close()
    return dict(table)


def keep_file(folder: Path, number: int, file: Seed) -> None:
    """Write a damaged file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{number}-{file.kind}-{file.variant}".replace(" ", "_")).write_bytes(file.data)


class Decoder:
    """A process that decodes files one after the other, started again where one of them ends it or takes too long."""

    def __init__(self, seconds: float, judge: Callable[[bytes], tuple[str, str]] | None = None) -> None:
        self.seconds = seconds
        self._judge = judge or judged
        self._start()

    def judge(self, data: bytes) -> tuple[str, str, float, int]:
        """Outcome, reason, seconds and bytes of memory."""
        self._ours.send(data)
        began = time.monotonic()
        if not self._ours.poll(self.seconds):
            self._process.kill()
            return self._ended("HUNG", f"over {self.seconds:g} s", time.monotonic() - began)
        try:
            answer: tuple[str, str, float, int] = self._ours.recv()
        except (EOFError, ConnectionResetError):
            return self._ended("DIED", "", time.monotonic() - began)
        return answer

    def close(self) -> None:
        """End the process."""
        self._ours.close()
        self._process.join()

    def _ended(self, outcome: str, why: str, took: float) -> tuple[str, str, float, int]:
        self.close()
        why = why or f"exit code {self._process.exitcode}"
        self._start()
        return outcome, why, took, 0

    def _start(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._ours, theirs = spawn.Pipe()
        self._process = spawn.Process(target=serve, args=(theirs, self._judge), daemon=True)
        self._process.start()
        theirs.close()
        self._ours.recv()  # it is ready


def serve(files: Any, judge: Callable[[bytes], tuple[str, str]]) -> None:
    """Judge what comes, within bounds of memory, until the other end closes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what decoders print is no part of the outcome
    warnings.simplefilter("ignore")
    for sound in seeds():  # loads every decoder
        judged(sound.data)
    held = 1024 * int(status("VmSize"))
    resource.setrlimit(resource.RLIMIT_AS, (held + DECODE_BYTES + FURTHER_BYTES,) * 2)
    files.send("ready")
    while True:
        try:
            data = files.recv()
        except EOFError:
            return
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before, began = int(status("VmRSS")), time.monotonic()
        outcome, why = judge(data)
        files.send((outcome, why, time.monotonic() - began, 1024 * max(0, int(status("VmHWM")) - before)))


def status(name: str) -> str:
    """A figure of this process, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(name))


def judged(data: bytes) -> tuple[str, str]:
    """What becomes of one file, and why."""
    reasons: list[str | None] = []
    sizes: list[tuple[int, int] | None] = []
    try:
        made = prepare(Record(image_id="x", uri="/x", source="s", data=data), TRANSFORM, tag_columns=TAGS)
        if isinstance(made, Prepared):
            reasons.append(None)
            sizes.append((made.width, made.height))
        else:
            reasons.append(made.reason)
            sizes.append(None)
        try:
            whole = decode(data)
        except PictureError as error:
            reasons.append(str(error))
            sizes.append(None)
        else:
            reasons.append(None)
            sizes.append((whole.width, whole.height))
    except BaseException as error:  # noqa: BLE001 - that is the question
        return "RAW", f"{type(error).__name__}: {error}"[:300]
    given = [reason for reason in reasons if reason is not None]
    if any("not enough memory" in reason for reason in given):
        return "MEMORY", given[0]
    if any("\n" in reason or reason.startswith("unexpected ") for reason in given):
        return "RAW", given[0]
    if sizes[0] != sizes[1] or reasons[0] != reasons[1]:
        return "DIFFERS", f"{sizes[0] or reasons[0]}, whole {sizes[1] or reasons[1]}"
    return ("refused", given[0]) if given else ("decoded", "")


def show(table: dict[str, Row]) -> None:
    """Print outcomes by kind, and the worst time and memory."""
    rows = [
        [kind, *(str(row.outcomes[outcome]) for outcome in OUTCOMES), f"{row.slowest:.2f}", f"{row.peak / 2**20:.0f}"]
        for kind, row in sorted(table.items())
    ]
    totals = [str(sum(row.outcomes[outcome] for row in table.values())) for outcome in OUTCOMES]
    worst = [max(row.slowest for row in table.values()), max(row.peak for row in table.values()) / 2**20]
    rows.append(["all", *totals, f"{worst[0]:.2f}", f"{worst[1]:.0f}"])
    print_table(["kind", *OUTCOMES, "slowest, s", "most memory, MiB"], rows)


if __name__ == "__main__":
    main()
