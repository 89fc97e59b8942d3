"""An archive of ten million rows made into a data set, from its table to the card: seconds, records a second and memory by stage.

    python benchmarks/curate_whole.py [ROWS] [--backbone DIR] [--work DIR]

The archive is that of `benchmarks/curate_archive.py`, with 1.28 pictures an occurrence. Its 50,000 names are of the made-up backbone of `benchmarks/backbone.py`,
of which --backbone is the built folder: accepted names, synonyms, misspelt names and homonyms; without it they are what the archive has. As in a real archive most
records may not be used: one occurrence in 50 has a licence that allows it, and its pictures, 320 x 240 pixels, lie in the archive's folder; of each tenth of these
all show one photograph, the second smaller. So 10 million rows go through all stages, and some 225,000 pictures are read, compared and written.

Each stage is a process of its own; `memory` is its `ru_maxrss`, which counts the pages of mapped files. At the end what was found is compared with what was
planted, and the seconds are summed to TreeOfLife-10M and -200M: stages that read pictures by their pictures, the others by their rows.
"""

import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import backbone
import curate_archive

PER_OCCURRENCE = 1.28
SHARE, CHOSEN = 50, 3
"""One occurrence in so many is free, that with this remainder."""
N_NAMES, N_SPECIES = 7_000_000, 50_000
CONFIG = """title = "Archive"
workers = 2
[[sources]]
name = "gbif"
path = "archive"
[names]
backbone = "{backbone}"
[licences]
forbid = ["nd"]
[[exclude]]
pictures = "excluded"
[splits]
val = 0.05
species = 0.01
together = ["observation", "specimen", "duplicates", "place"]
"""
STAGES = ("gather", "names", "screen", "look", "leaks", "flag", "single", "split", "write")
BY_PICTURE = ("look", "leaks", "single", "write")
EXCLUDED = 100


def names_of(file: Path) -> None:
    """Write the 50,000 names, as terms of Darwin Core."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = []
    for _, _, ranks in backbone.lineages(N_NAMES, 2 * N_SPECIES):
        genus, *_, epithet = ranks[6].split(" ")
        by = backbone.author(len(rows))
        rows.append(
            dict(zip(("kingdom", "phylum", "class", "order", "family", "genus", "species"), ranks, strict=True))
            | {"t": len(rows), "scientificName": f"{ranks[6]} {by}", "acceptedScientificName": f"{ranks[6]} {by}", "genericName": genus, "specificEpithet": epithet}
        )  # fmt: skip
        if len(rows) == N_SPECIES:
            break
    pq.write_table(pa.Table.from_pylist(rows), file)


def seed_of(key: int) -> int:
    """What photograph a file shows, from the number of its occurrence times three and its own: of each tenth occurrence all show one."""
    return key - key % 3 if key // 3 // SHARE % 10 == 0 else key


def draw(key: int, *, is_smaller: bool) -> bytes:
    """A picture: coarse random colours and fine noise."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(seed_of(key))
    coarse = Image.fromarray(random.integers(0, 256, (12, 16, 3), np.uint8)).resize(
        (320, 240), Image.Resampling.BICUBIC
    )
    noisy = np.asarray(coarse, np.int16) + random.integers(-8, 9, (240, 320, 1))
    picture = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
    if is_smaller:
        picture = picture.resize((280, 210))
    with io.BytesIO() as file:
        picture.save(file, "JPEG", quality=85)
        return file.getvalue()


def files_of(n: int) -> list[str]:
    """The pictures that lie in the folder."""
    return [
        f"pictures/{i % 1000}/{i * 3 + number}.jpg"
        for i in range(CHOSEN, n, SHARE)
        if i % 10
        for number in range(1 + (i % 9 < 4))
        if (i + number) % 50 != 1
    ]


def key_of(file: str) -> int:
    """The number in a picture's name.

    >>> key_of("pictures/3/9.jpg")
    9
    """
    return int(file.rpartition("/")[2].removesuffix(".jpg"))


def leaked_of(n: int) -> list[int]:
    """The pictures that are excluded: a hundred that show nothing that another shows."""
    return [key for key in map(key_of, files_of(n)) if key // 3 // SHARE % 10 == 5 and key % 3 == 0][:EXCLUDED]


def put(some: list[Path]) -> None:
    """Write some pictures."""
    for path in some:
        path.parent.mkdir(parents=True, exist_ok=True)
        key = key_of(str(path))
        path.write_bytes(draw(key, is_smaller=seed_of(key) != key or path.parent.name == "excluded"))


def make(folder: Path, rows: int, built: str) -> None:
    """Write the archive, its pictures, those that are excluded, and the configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    n = int(rows / PER_OCCURRENCE)
    names = folder / "names.parquet" if built else None
    if names is not None:
        names_of(names)
    curate_archive.make(folder / "archive", n, names, shown=f"i % {SHARE} = {CHOSEN}")
    wanted = [folder / "archive" / name for name in files_of(n)]
    wanted += [folder / "excluded" / f"{key}.jpg" for key in leaked_of(n)]
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(put, [wanted[start : start + 1000] for start in range(0, len(wanted), 1000)]))
    (folder / "curate.toml").write_text(CONFIG.format(backbone=built))


def measure(stage: str, folder: Path) -> None:
    """One stage, in this process: seconds of the clock and the processor, the most memory, and what went in and was dropped."""
    from cladescope.app.verbs.curation import STAGES as WAYS
    from cladescope.training.curation.config import load_config
    from cladescope.training.curation.job import Job
    from cladescope.training.curation.out.write import write

    job = Job(load_config(folder / "curate.toml"), folder / "out")
    began, busy = time.perf_counter(), time.process_time()
    (write if stage == "write" else WAYS[stage])(job)
    seconds, processor = time.perf_counter() - began, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    last = job.manifest("split" if stage == "write" else stage)["counts"]
    print(json.dumps({"seconds": seconds, "processor": processor, "peak": peak, "counts": last}))


def size_of(folder: Path) -> float:
    """GB in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9


def check(folder: Path, rows: int) -> None:
    """Compare what was found with what was planted."""
    import duckdb

    n = int(rows / PER_OCCURRENCE)
    keys = list(map(key_of, files_of(n)))
    n_twice, n_leaked = sum(seed_of(key) != key for key in keys), len(leaked_of(n))
    (kept,) = duckdb.sql(f"SELECT count(*) FROM '{folder}/out/catalog.parquet'").fetchall()[0]
    dropped = duckdb.sql(
        f"SELECT stage, count(*) FROM '{folder}/out/dropped.parquet' GROUP BY stage ORDER BY stage"
    ).fetchall()
    print(
        f"planted: {len(keys):,} pictures, {n_twice:,} of them show another's photograph, {n_leaked:,} an excluded one"
    )
    print(
        f"found: {kept:,} in the catalogue; dropped by {', '.join(f'{stage} {number:,}' for stage, number in dropped)}"
    )


def main() -> None:
    """Print a line of a Markdown table for each stage, and the sums."""
    arguments = sys.argv[1:]
    options = {name: arguments[arguments.index(name) + 1] for name in ("--backbone", "--work") if name in arguments}
    rows = next((int(one) for one in arguments if one.isdecimal()), 10_000_000)
    with tempfile.TemporaryDirectory(prefix="curate-") as temporary:
        folder = Path(options.get("--work", temporary)).resolve()
        if not (folder / "curate.toml").exists():
            subprocess.run(
                [sys.executable, __file__, "--make", str(folder), str(rows), options.get("--backbone", "")], check=True
            )
        print("| stage | records in | dropped | s | processor, s | a second | memory, MB |")
        print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
        each = {}
        for stage in STAGES:
            run = subprocess.run(
                [sys.executable, __file__, "--stage", stage, str(folder)], check=True, text=True, stdout=subprocess.PIPE
            )
            told = json.loads(run.stdout.splitlines()[-1])
            n_in, n_dropped = sum(told["counts"]["in"].values()), sum(n for *_, n in told["counts"]["dropped"])
            if stage == "write":
                n_in, n_dropped = n_in - n_dropped, 0
            rate = (n_in if stage in BY_PICTURE else rows) / told["seconds"]
            each[stage] = rate
            print(
                f"| {stage} | {n_in:,} | {n_dropped:,} | {told['seconds']:.0f} | {told['processor']:.0f} | {rate:,.0f} | {told['peak']:,.0f} |",
                flush=True,
            )
        print(
            f"tables of the stages {size_of(folder / 'out' / 'work'):.1f} GB, all {size_of(folder / 'out'):.1f} GB; the archive {size_of(folder / 'archive'):.1f} GB"
        )
        check(folder, rows)
        for million in (10, 200):
            print(
                f"{million} million pictures: {sum(million * 1e6 / rate for rate in each.values()) / 3600:.0f} hours on two cores"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make(Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    elif sys.argv[1:2] == ["--stage"]:
        measure(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
