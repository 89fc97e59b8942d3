"""Peak memory of an embedding job and of an exact search, as the pictures grow tenfold and the vectors thirtyfold.

python benchmarks/memory.py

Each figure is `ru_maxrss`, the most memory that one process ever held, of a process that does nothing else; the median over
the rounds. Process and libraries alone come to the first line's figure: the same job without pictures, the same search of
a store of 64 vectors. `growth` is the difference to the line above over the difference in pictures: what one picture more
costs. A job that held its pictures would grow by 3 x 128 x 128 = 49,152 bytes a picture, a search that loaded its store
by 2 d bytes a vector.

The pictures are simulated clades of 96 x 96 pixels, each of the larger set a copy whose last byte makes it another file, and
the encoder is `pixels`. A job keeps the rows that wait for a commit, so the job commits every --commit-rows here, which even
the small one fills; the last line shows what the default of EmbedConfig costs on top.
"""

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from side_by_side import clustered_vectors, fill_store, in_turn, machine, print_table

# Whatever is imported in this process would count towards its children: on Linux a process inherits its parent's peak.
# So this file imports no more of cladescope than the task in hand needs.

PIXELS_A_SIDE = 96
SPECIES = 20


def make_pictures(folder: str, sizes: str) -> None:
    """Simulate as many pictures as the smaller set has; write the larger as copies that differ in a byte after the end."""
    from cladescope.simulation import SimulationConfig, simulate

    small, large = map(int, sizes.split(","))
    out = Path(folder)
    config = SimulationConfig(species=SPECIES, images=-(-small // SPECIES), size=PIXELS_A_SIDE)
    simulate(out / "clades", config, workers=2)
    drawn = sorted((out / "clades" / "images").rglob("*.jpg"))[:small]
    copies = out / "copies"
    copies.mkdir()
    with (out / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image_id", "file"])
        for number in range(large):
            path = copies / f"{number:07}.jpg"
            path.write_bytes(drawn[number % small].read_bytes() + f"{number // small}".encode())
            writer.writerow([f"copy-{number}", f"copies/{path.name}"])


def embed_pictures(folder: str, limit: str, commit_rows: str) -> None:
    """The job that is measured."""
    from cladescope.embedding.encoder import Encoder
    from cladescope.embedding.pipeline import EmbedConfig, embed
    from cladescope.embedding.sources import open_source
    from cladescope.index.store import Store

    encoder = Encoder.load("pixels")
    config = EmbedConfig(limit=int(limit), commit_rows=int(commit_rows) or EmbedConfig.commit_rows, commit_seconds=1e9)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        store = Store.create(Path(place) / "store", encoder.card)
        summary = embed(open_source(Path(folder) / "manifest.csv"), encoder, store, config)
    assert summary.embedded == int(limit)
    assert summary.reused == 0


def make_store(folder: str, n: str, d: str) -> None:
    fill_store(Path(folder) / n, clustered_vectors(int(n), int(d)))


def search_store(folder: str, n: str, d: str) -> None:
    """The search that is measured: one query, exactly, streamed from the disk."""
    from cladescope.index.store import Store

    query = clustered_vectors(1, int(d), seed=1)[0]
    answer = Store.open(Path(folder) / n).search(vector=query, exact=True)
    assert answer.method == "exact"


TASKS = {task.__name__: task for task in (make_pictures, embed_pictures, make_store, search_store)}


def in_child(task: Callable[..., None], *arguments: str | int) -> float:
    """Run a task in a process of its own and return its peak memory in bytes."""
    command = [sys.executable, __file__, "--task", task.__name__, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(json.loads(done.stdout))


def run_task(name: str, arguments: list[str]) -> None:
    """What `in_child` starts."""
    TASKS[name](*arguments)
    unit = 1 if sys.platform == "darwin" else 1024
    print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit))


def growth_rows(peaks: list[tuple[str, int, float]]) -> list[list[str]]:
    """Name, number, peak in MB and bytes for each one more than the line above has."""
    rows, before = [], None
    for name, n, peak in peaks:
        growth = "" if before is None or before[0] == n else f"{(peak - before[1]) / (n - before[0]):.0f}"
        rows.append([name, str(n), f"{peak / 1e6:.0f}", growth])
        before = (n, peak)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, nargs=2, default=[600, 6000], help="default: 600 6000")
    parser.add_argument(
        "--vectors", type=int, nargs="+", default=[20_000, 200_000, 600_000], help="default: 20000 200000 600000"
    )
    parser.add_argument("--d", type=int, default=512, help="numbers a vector (default: %(default)s)")
    parser.add_argument("--commit-rows", type=int, default=256, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--task", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        run_task(options.task[0], options.task[1:])
        return
    print(f"{machine()}; medians of {options.rounds} rounds")
    with tempfile.TemporaryDirectory() as folder:
        small, large = options.pictures
        in_child(make_pictures, folder, f"{small},{large}")
        jobs = [("job", n, options.commit_rows) for n in (0, small, large)] + [("job, default commits", large, 0)]
        peaks = in_turn(
            {f"{name}, {n}": partial(in_child, embed_pictures, folder, n, rows) for name, n, rows in jobs},
            rounds=options.rounds,
        )
        print(f"\nEmbedding with `pixels`, a commit every {options.commit_rows} rows\n")
        header = ["", "pictures", "peak, MB", "growth, bytes a picture"]
        print_table(header, growth_rows([(name, n, peaks[f"{name}, {n}"]) for name, n, _ in jobs]))
    with tempfile.TemporaryDirectory() as folder:
        sizes = [64, *options.vectors]
        for n in sizes:
            in_child(make_store, folder, n, options.d)
        peaks = in_turn(
            {str(n): partial(in_child, search_store, folder, n, options.d) for n in sizes}, rounds=options.rounds
        )
        print(f"\nExact search of one query over a store on disk, {options.d} numbers a vector\n")
        rows = growth_rows([("exact search", n, peaks[str(n)]) for n in sizes])
        print_table(["", "vectors", "peak, MB", "growth, bytes a vector"], rows)


if __name__ == "__main__":
    main()
