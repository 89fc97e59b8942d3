"""Decoding alone, in threads and in processes: pictures a second, what a picture takes of the cores, and how far one interpreter goes.

python benchmarks/decoders.py organisms/metadata.csv
python benchmarks/decoders.py organisms/metadata.csv --pictures small --spy py-spy --cores 16 64

Files are read, decoded, resized to 224 px and hashed as in a job (`embedding.encode.encoded`), before an encoder that does nothing. Of each
figure the median over the rounds, in which all ways run in turn. Processes have started before, and resizing is compiled.

`core-ms` is what a picture takes of the cores, in all processes; `job` what of it the job's own process takes. With --spy, the program of
that name (https://github.com/benfred/py-spy) looks a thousand times a second who holds the interpreter's lock of the job, in a round of its own: `lock` is for how
long a picture has it held. So many pictures a second one interpreter can do at the most, on however many cores: `interpreter`. The last columns are
reckoned, not measured: the smaller of that and of cores / core-ms.

Small pictures are those of SOURCE; camera-sized ones are made of them as in `pipeline.py`. `start` is what the first process took to begin.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from embed import seconds
from pipeline import write_camera_pictures
from side_by_side import in_turn, machine, n_cores, print_table

from cladescope.embedding.decoders import Decoders
from cladescope.embedding.encode import PICTURE_SECONDS, encoded
from cladescope.embedding.records import Record
from cladescope.embedding.resampling import COMPILED_AFTER
from cladescope.embedding.sources import open_source
from cladescope.embedding.transform import ImageTransform

TRANSFORM = ImageTransform(size=224, mean=(0.5,) * 3, std=(0.5,) * 3)
RATE = 1000
"""Looks a second."""


class Nothing:
    """An encoder that does nothing."""

    dim, transform = 1, TRANSFORM

    def encode_pixels(self, batch: np.ndarray) -> np.ndarray:
        """The same number for every picture."""
        return np.ones((len(batch), 1), np.float32)


class Way:
    """Threads or processes, and what they took."""

    def __init__(self, decoders: Decoders | None, workers: int) -> None:
        """No process is started yet."""
        self.decoders, self._workers = decoders, workers
        self.core_seconds: list[float] = []
        self.own_seconds: list[float] = []

    def __call__(self, records: Sequence[Record]) -> float:
        """Seconds for all pictures; what they took of the cores is noted."""
        began, own = self._spent(), time.process_time()
        took = seconds(lambda: self.decode(records))
        self.own_seconds.append(time.process_time() - own)
        self.core_seconds.append(self._spent() - began)
        return took

    def decode(self, records: Sequence[Record]) -> None:
        """Decode all pictures, and keep none."""
        for batch in encoded(records, Nothing(), workers=self._workers, decoders=self.decoders):
            assert not batch.failures, batch.failures

    def _spent(self) -> float:
        """Seconds that this process and those that decode had of all cores."""
        others = [] if self.decoders is None else self.decoders.pids
        return time.process_time() + sum(
            time.clock_gettime(~pid << 3 | 2) for pid in others
        )  # as Linux numbers the clocks


def held(spy: str, work: Callable[[], object]) -> float:
    """Seconds that the lock of this process is held while it does the work."""
    with tempfile.NamedTemporaryFile() as file:
        command = [spy, "record", "--gil", "--nonblocking", "--rate", str(RATE), "--duration", "600", "--format", "raw"]
        looking = subprocess.Popen(
            [*command, "--output", file.name, "--pid", str(os.getpid())], stderr=subprocess.DEVNULL
        )
        time.sleep(3.0)
        work()
        looking.send_signal(2)
        looking.wait()
        lines = Path(file.name).read_text().splitlines()
    return sum(int(line.rpartition(" ")[2]) for line in lines if "held (" not in line) / RATE


def row(name: str, n: int, took: float, way: Way, lock: float | None, cores: Sequence[int]) -> list[str]:
    """The figures of one way over one kind of pictures."""
    whole, own = (statistics.median(spent) / n for spent in (way.core_seconds, way.own_seconds))
    most = [min(number / whole, np.inf if lock is None else n / lock) for number in cores]
    return [
        name,
        f"{n:,}",
        f"{n / took:.0f}",
        f"{1000 * whole:.2f}",
        f"{1000 * own:.2f}",
        "-" if lock is None else f"{1000 * lock / n:.2f}",
        "-" if lock is None else f"{n / lock:,.0f}",
        *(f"{one:,.0f}" for one in most),
    ]


def main() -> None:
    """Make the pictures, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="folder, manifest or shards")
    parser.add_argument("--pictures", nargs="+", choices=("small", "camera"), default=["small", "camera"])
    parser.add_argument("--limit", type=int, default=2000, help="most small pictures (default: %(default)s)")
    parser.add_argument("--camera", type=int, default=64, help="camera-sized pictures (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=n_cores(), help="default: one per core")
    parser.add_argument("--cores", type=int, nargs="+", default=[16, 64], help="to reckon for (default: 16 64)")
    parser.add_argument("--spy", help="py-spy, to look who holds the lock")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    options = parser.parse_args()
    start, folder = machine(), Path(tempfile.mkdtemp())
    decoders = Decoders(TRANSFORM, with_tags=False, seconds=PICTURE_SECONDS)
    try:
        sources: dict[str, Any] = {"small": options.source}
        if "camera" in options.pictures:
            made = write_camera_pictures(options.source, folder / "camera", options.camera, min(24, options.camera))
            sources["camera"] = str(made)
        kinds = {kind: list(islice(open_source(sources[kind]).records(), options.limit)) for kind in options.pictures}
        ways = {
            f"{kind}, {how}": (records, Way(decoders if how == "processes" else None, options.workers))
            for kind, records in kinds.items()
            for how in ("threads", "processes")
        }
        warm = list(islice(open_source(options.source).records(), COMPILED_AFTER))
        for _, way in ways.values():
            for _ in range(2 * options.workers):
                way.decode(warm)
        took = in_turn({name: partial(way, records) for name, (records, way) in ways.items()}, rounds=options.rounds)
        print(
            f"{start}; {options.workers} threads or processes, medians of {options.rounds} rounds; {decoders.notes()[0]}\n"
        )
        header = ["pictures", "n", "a second", "core-ms", "job", "lock, ms", "interpreter"]
        header += [f"{n} cores, reckoned" for n in options.cores]
        rows = []
        for name, (records, way) in ways.items():
            lock = None if options.spy is None else held(options.spy, partial(way.decode, records))
            rows.append(row(name, len(records), took[name], way, lock, options.cores))
        print_table(header, rows)
    finally:
        decoders.close()
        shutil.rmtree(folder)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
