"""Jobs killed by SIGKILL at random moments, each run again to its end: the store must equal that of a job nobody killed.

    python benchmarks/killed.py --runs 200
    python benchmarks/killed.py --runs 30 --encoder tiny
    python benchmarks/killed.py --runs 20 --stores s3://bucket/killed

The folder is made here: pictures of several formats, some of them copies of others, files that are no pictures, cut short or
empty, in nested folders. Jobs commit every few pictures, compact and let versions expire all the time, so that a kill meets each of these. Every
run starts a job in a process of its own, kills it at a random moment of its work, up to three times, and lets the last one end. Then rows with all their columns and
vectors, failures and what the source listed must be those of the uninterrupted job, the store must be sound (`verify`). The
exit status is 1 where anything differs. With `--stores` the stores lie at an address of object storage, which the variables of the
environment lead to, and are deleted there after each run; .ci/object_storage starts a server on loopback and does so.
"""

import argparse
import math
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from PIL import Image

import cladescope
from cladescope import object_storage
from cladescope.embedding.pipeline import EmbedConfig
from cladescope.errors import StoreError
from cladescope.index.remote import folder_of
from cladescope.index.store import Store
from cladescope.object_storage import object_url

PRELOADED = ["numpy", "PIL.Image", "pyarrow.compute", "lancedb", "lance", "cladescope.app.verbs.embed"]
MOST_KILLS = 3


def write_folder(folder: Path, n: int, seed: int) -> Counter[str]:
    """`n` files: seven of ten are pictures, two copies of earlier ones, and one is bad; how many of each kind."""
    rng = np.random.default_rng(seed)
    kinds: Counter[str] = Counter()
    good: list[Path] = []
    for number in range(n):
        place = folder / f"kind{number % 5}" / f"deep{number % 3}"
        place.mkdir(parents=True, exist_ok=True)
        kind = ("good", "copy", "bad")[int(rng.choice(3, p=[0.7, 0.2, 0.1]))] if good else "good"
        path = place / f"{number:05}.{('jpg', 'png', 'webp')[number % 3]}"
        if kind == "copy":
            source = good[int(rng.integers(len(good)))]
            path = path.with_suffix(source.suffix)
            shutil.copyfile(source, path)
        else:
            small = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
            Image.fromarray(small).resize((96, 72)).save(path)
            good += [path] if kind == "good" else []
        if kind == "bad":
            data = path.read_bytes()
            path.write_bytes((b"", b"<html>no picture</html>", data[: len(data) // 3])[number % 3])
        kinds[kind] += 1
    return kinds


def work(
    folder: str, path: str, encoder: str, small: dict[str, Any], environment: dict[str, str], started: Any
) -> None:
    """A job, in a process of its own, that commits, compacts and lets versions expire all the time."""
    from cladescope.app.verbs import embed as verb
    from cladescope.index import compaction, old_versions

    os.environ.update(environment)  # the process from which all are forked keeps that of its own beginning
    compaction.MANY_FRAGMENTS = small["many_fragments"]
    old_versions.STEP_DAYS = old_versions.END_DAYS = 0.0
    setattr(verb, "EmbedConfig", partial(EmbedConfig, commit_rows=small["commit_rows"]))  # noqa: B010
    started.set()
    verb.embed(folder, path, encoder=encoder, batch_size=small["batch_size"], workers=2)


SMALL = {"commit_rows": 6, "batch_size": 4, "many_fragments": 6}


class Jobs:
    """Jobs in processes that are forked from one that has loaded all modules, so that each begins at once."""

    def __init__(self, folder: Path, encoder: str) -> None:
        """Jobs of this encoder over a folder."""
        os.environ["PYTHONWARNINGS"] = (
            "ignore"  # LanceDB warns of every fork; its modules are loaded before, and nothing is opened
        )
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOADED)
        self._arguments = (str(folder), encoder)
        self.whole = math.inf
        """Seconds that the fastest job took which had all to do."""

    def run(self, path: Path | str, *, kill_after: float | None = None, whole: bool = False) -> float | None:
        """Run a job to its end, or kill it so many seconds after it began; the seconds that it took, None where it was killed. `whole` says that all was to do."""
        folder, encoder = self._arguments
        started = self._context.Event()
        process = self._context.Process(
            target=work, args=(folder, str(path), encoder, SMALL, dict(os.environ), started)
        )
        process.start()
        while not started.wait(0.01):
            assert process.is_alive(), "the job did not begin"
        began = time.perf_counter()
        process.join(kill_after)
        if process.is_alive():
            process.kill()
            process.join()
            return None
        assert process.exitcode == 0, f"the job ended with {process.exitcode}"
        seconds = time.perf_counter() - began
        self.whole = min(self.whole, seconds) if whole else self.whole
        return seconds


def state(path: Path | str) -> dict[str, Any]:
    """All that a store holds which a kill must not change."""
    store = Store.open(path)
    rows = [row for batch in store.scan(store.schema.names) for row in batch.to_pylist()]
    listed = [
        row for batch in store.origins(["address", "image_id", "size", "said", "gone"]) for row in batch.to_pylist()
    ]
    return {
        "rows": sorted(rows, key=lambda row: str(row["image_id"])),
        "failures": sorted(tuple(row.items()) for row in store.failures.to_pylist()),
        "listed": sorted(listed, key=lambda row: str(row["image_id"])),
    }


def differences(path: Path | str, wanted: dict[str, Any], n_killed: int) -> list[str]:
    """What is other in a store than in that of the uninterrupted job."""
    found = state(path)
    told = [
        f"{name}: {len(found[name])}, expected {len(wanted[name])}" for name in wanted if found[name] != wanted[name]
    ]
    ended = Counter(run["status"] for run in Store.open(path).runs.to_pylist() if run["verb"] == "embed")
    told += [f"runs: {dict(ended)} for {n_killed} kills"] if ended["killed"] > n_killed or not ended["done"] else []
    return [
        *told,
        *(f"left: {left.name}" for left in folder_of(path).glob("running/*")),
        *cladescope.verify(path).problems,
    ]


def killed_run(jobs: Jobs, path: Path | str, wanted: dict[str, Any], rng: random.Random) -> tuple[int, int, list[str]]:
    """One run: kills, then a job to its end; how often it was killed, how many rows were left to do, and what differs then."""
    n_killed, n_rows = 0, len(wanted["rows"])
    n_left = n_rows
    for _ in range(rng.randint(1, MOST_KILLS)):
        share = 0.1 + 0.9 * n_left / n_rows
        while jobs.run(path, kill_after=rng.uniform(0, jobs.whole * share), whole=not n_killed) is not None:
            if n_killed:  # it had less to do, and ended before
                break
            remove(path)
        else:
            n_killed += 1
        n_left = n_rows - stored(path)
    try:
        jobs.run(path)
        return n_killed, n_left, differences(path, wanted, n_killed)
    except Exception as error:  # noqa: BLE001 - whatever is wrong is told, and the others go on
        return n_killed, n_left, [f"{type(error).__name__}: {error}"]


def stored(path: Path | str) -> int:
    """Rows of a store that may not be there yet."""
    try:
        return Store.open(path).count()
    except StoreError:
        if (folder_of(path) / "store.json").exists():
            raise
        return 0


def remove(path: Path | str) -> None:
    """Delete a store, where it lies and what stands for it here."""
    url, folder = object_url(path), folder_of(path)
    if url is not None and (names := object_storage.names(url)):
        object_storage.delete(url, names)
    shutil.rmtree(folder)


def main() -> int:
    """Run all, print a table; 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--encoder", default="pixels")
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stores", help="address of object storage below which the stores lie; default: here")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    n_equal = n_kills = n_midway = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder, stores = Path(temporary) / "photos", temporary
        if options.stores:
            stores = f"{options.stores}/{uuid4().hex}"
        kinds = write_folder(folder, options.pictures, options.seed)
        jobs = Jobs(folder, options.encoder)
        for number in range(2):
            jobs.run(f"{stores}/whole{number}", whole=True)
        wanted = state(f"{stores}/whole1")
        print(
            f"{dict(kinds)}: {len(wanted['rows'])} rows, {len(wanted['failures'])} failures, {jobs.whole:.1f} s",
            flush=True,
        )
        for number in range(options.runs):
            path = f"{stores}/killed{number}"
            n_killed, n_left, told = killed_run(jobs, path, wanted, rng)
            n_kills, n_midway, n_equal = n_kills + n_killed, n_midway + (n_left > 0), n_equal + (not told)
            if number % 20 == 19:
                print(f"{number + 1} runs, {n_kills} kills, {n_equal} equal", flush=True)
            if told:
                print(f"run {number}: {'; '.join(told)}", flush=True)
            remove(path)
        for number in range(2):
            remove(f"{stores}/whole{number}")
    print("| encoder | pictures | runs | kills | runs with work left | equal |\n| --- " + "| ---: " * 5 + "|")
    print(
        f"| {options.encoder} | {options.pictures} | {options.runs} | {n_kills} | {n_midway} | {n_equal} of {options.runs} |"
    )
    return int(n_equal != options.runs)


if __name__ == "__main__":
    sys.exit(main())
