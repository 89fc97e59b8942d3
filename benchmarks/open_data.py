"""Rows a second and peak memory of the door of iNaturalist's open data, over made-up tables in the real shape.

    python benchmarks/open_data.py [PHOTOS...]

The tables are text separated by tabs, compressed with gzip: photos with random UUIDs, six observations for ten photos in random
order, one taxon for sixty photos with up to eleven ancestors, one observer for a hundred. Joined is the time until the first record:
reading, joining and keeping all rows; read is that of the first million records after it. Peak memory is `ru_maxrss` of a process that does
nothing else, and the first line is that of one that reads a hundred photos; growth is what a photo more costs beyond the line above.
"""

import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

LEVELS = {
    "kingdom": 70,
    "phylum": 60,
    "subphylum": 57,
    "class": 50,
    "order": 40,
    "family": 30,
    "genus": 20,
    "species": 10,
}
CHILDREN = (3, 4, 2, 4, 8, 12, 16)
"""Taxa of each rank below one of the rank above."""


def write(path: Path, header: str, rows: Iterable[str]) -> None:
    """A table, compressed."""
    with gzip.open(path, "wt", compresslevel=1, encoding="utf-8", newline="") as file:
        file.write(header.replace(" ", "\t") + "\n")
        file.writelines(f"{row}\n" for row in rows)


def taxa(n_taxa: int) -> Iterator[tuple[int, str, int, str]]:
    """Numbers, ancestors, levels and ranks of a tree of so many taxa."""
    waiting = [(1, "48460", 0)]
    number, place = 1, 0
    while place < len(waiting) and number < n_taxa:
        own, ancestry, depth = waiting[place]
        place += 1
        rank = list(LEVELS)[depth]
        yield own, ancestry, LEVELS[rank], rank
        if depth + 1 < len(LEVELS):
            for _ in range(CHILDREN[depth]):
                number += 1
                waiting.append((number, f"{ancestry}/{own}", depth + 1))
    for own, ancestry, depth in waiting[place:]:
        rank = list(LEVELS)[depth]
        yield own, ancestry, LEVELS[rank], rank


def name(number: int, rank: str) -> str:
    """A name of a taxon."""
    letters = ""
    while number or not letters:
        number, last = divmod(number, 26)
        letters = chr(97 + last) + letters
    return f"Genus{letters} species{letters}" if rank == "species" else f"Taxon{letters}"


def identity(kind: int, number: int) -> str:
    """A UUID that looks random."""
    text = f"{((number + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835 ^ kind) % 2**128:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def make(folder: Path, n_photos: int) -> None:
    """The four tables."""
    random = Random(7)
    n_observations, n_taxa, n_observers = n_photos * 6 // 10 + 1, n_photos // 60 + 9, n_photos // 100 + 1
    found = list(taxa(n_taxa))
    words = (
        "taxon_id ancestry rank_level rank name active",
        (f"{own}\t{above}\t{level}\t{rank}\t{name(own, rank)}\tt" for own, above, level, rank in found),
    )
    write(folder / "taxa.csv.gz", *words)
    people = (f'{number}\tuser{number}\tPerson "{number}"' for number in range(n_observers))
    write(folder / "observers.csv.gz", "observer_id login name", people)

    order = list(range(n_observations))
    random.shuffle(order)
    seen = (
        f"{identity(1, number)}\t{number % n_observers}\t{number % 90}.{number % 997:03}\t{number % 180}.5\t{number % 500}\t"
        f"{found[number % len(found)][0]}\t{('research', 'needs_id', 'casual')[number % 3]}\t2024-0{1 + number % 9}-1{number % 10}\t"
        for number in order
    )
    names = "observation_uuid observer_id latitude longitude positional_accuracy taxon_id quality_grade observed_on anomaly_score"
    write(folder / "observations.csv.gz", names, seen)
    photos = (
        f"{identity(2, number)}\t{number}\t{identity(1, number * 6 // 10)}\t{number * 6 // 10 % n_observers}\tjpg\tCC-BY-NC\t2048\t1536\t{number % 3}"
        for number in range(n_photos)
    )
    write(
        folder / "photos.csv.gz",
        "photo_uuid photo_id observation_uuid observer_id extension license width height position",
        photos,
    )


MEASURED = """
import itertools, json, resource, sys, time
from cladescope.embedding.sources import open_source
began = time.perf_counter()
records = open_source(sys.argv[1]).records()
first = next(records)
joined = time.perf_counter() - began
n = 1 + sum(1 for _ in itertools.islice(records, 10**6))
read = time.perf_counter() - began - joined
print(json.dumps([n, joined, read, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, first.labels]))
"""


def main() -> None:
    """Print a line for each number of photos."""
    before = (0, 0.0)
    for n_photos in (100, *map(int, sys.argv[1:] or ["1000000"])):
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder), n_photos)
            size = sum(path.stat().st_size for path in Path(folder).iterdir()) / 2**20
            run = subprocess.run([sys.executable, "-c", MEASURED, folder], capture_output=True, text=True, check=True)
            n_rows, joined, read, peak, labels = json.loads(run.stdout)
        assert n_rows == min(n_photos, 10**6 + 1), "every photo is a record"
        assert labels, "it has those of its observation"
        growth = (peak - before[1]) * 2**20 / (n_photos - before[0])
        print(
            f"{n_photos:,} photos, {size:,.0f} MiB: joined in {joined:.0f} s ({n_photos / joined:,.0f} a second), read in {read:.0f} s "
            f"({n_rows / max(read, 1e-9):,.0f} a second), peak {peak:,.0f} MiB, growth {growth:,.0f} bytes a photo",
            flush=True,
        )
        before = (n_photos, peak)


if __name__ == "__main__":
    main()
