"""Zero-shot over the whole tree of life: stored vectors named by `cladescope predict`, beside the plain way, in one run.

python benchmarks/tree_of_life.py --taxa 868000 --pictures 10000 --ranks species family

The class vectors are random and of unit length, in the files that TreeOfLife publishes (`txt_emb_species.json` and `.npy`); the
names are made up, as many species a genus and genera a family as a long-tailed tree has, or those of --taxonomy FILE
(Parquet with a column for each rank) where it has enough. The pictures' vectors are random too and go into a store by
`cladescope import`, as those of `tiny`, which has 512 numbers a vector like BioCLIP. Neither way encodes anything.

`cladescope predict` is measured as a user runs it: a process from its start to its end, with reading, loading and writing of
the answers as CSV. The plain way is pybioclip's (https://github.com/Imageomics/pybioclip), written down here again, so that
nothing but torch is needed: softmax(scale x . w) over all taxa, kept for every picture, then the best of a species, or for
a higher rank a sum by name over every taxon above 1e-9. It runs on --plain-pictures only, since every picture takes 4 bytes a taxon
and, above species, a loop over taxa. `10,000 pictures` in its lines is extrapolated: the time after loading and the
memory above that of one batch grow with the pictures.

Each figure of memory is `ru_maxrss`, the most that the process ever held, files that it maps included.
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from itertools import islice
from pathlib import Path

from side_by_side import machine, print_table

# What is imported here would count towards the children's memory, see memory.py.

DIM = 512
BATCH = 10
"""Pictures at a time of the plain way, pybioclip's default."""
TAXA_ABOVE = (12, 110, 340, 1_300, 9_000, 110_000)
"""Taxa of each rank above species, of a tree of `FULL` species; the names of smaller ones are cut from it."""
FULL = 868_000


def made_up(n: int, seed: int = 0) -> list[tuple[str, ...]]:
    """Paths of n species, six names and the epithet, in the order of the tree; clades have long-tailed sizes."""
    import numpy as np

    rng = np.random.default_rng(seed)
    counts = [max(1, round(count * n / FULL)) if count > TAXA_ABOVE[0] else count for count in TAXA_ABOVE]
    above = np.zeros((n, len(counts)), np.int64)
    below = n
    child = np.arange(n)
    for place in reversed(range(len(counts))):
        count = min(counts[place], below)
        shares = rng.pareto(1.2, count) + 0.1
        extra = rng.choice(count, below - count, p=shares / shares.sum())
        parent = np.sort(np.concatenate([np.arange(count), extra]))
        child = parent[child]
        above[:, place], below = child, count
    endings = ("a", "ozoa", "ia", "ales", "idae", "us")
    named = [[_word(number) + ending for number in range(above[-1, place] + 1)] for place, ending in enumerate(endings)]
    return [
        (*(named[place][number] for place, number in enumerate(row)), _word(species).lower() + "ensis")
        for species, row in enumerate(above.tolist())
    ]


def _word(number: int) -> str:
    """A different word for every number."""
    syllables, word = (
        ("ba", "ce", "di", "fo", "gu", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "xo", "zu", "tra"),
        "",
    )
    while True:
        number, last = divmod(number, len(syllables))
        word = syllables[last] + word
        if not number:
            return word.capitalize().ljust(6, "r")


def from_file(path: str, n: int) -> list[tuple[str, ...]]:
    """The first n species of a file. Stops where it has fewer."""
    from pyarrow import parquet

    from cladescope.taxonomy.taxon import RANKS

    rows = [row for row in parquet.read_table(path, columns=list(RANKS)).to_pylist() if row["species"]]
    if len(rows) < n:
        raise SystemExit(f"{path} has {len(rows)} species, expected at least {n}: leave out --taxonomy")
    paths = [[row[rank] or "" for rank in RANKS] for row in rows[:n]]
    return [(*path[:6], path[6].partition(" ")[2]) for path in paths]


def make_files(folder: str, taxa: str, pictures: str, taxonomy: str) -> None:
    """The published files and the table of vectors."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    out, n = Path(folder), int(taxa)
    rng = np.random.default_rng(0)
    paths = from_file(taxonomy, n) if taxonomy else made_up(n)
    common = [f"{path[5]} of {number}" if number % 4 == 0 else "" for number, path in enumerate(paths)]
    with (out / "txt_emb_species.json").open("w") as file:
        json.dump([[list(path), name] for path, name in zip(paths, common, strict=True)], file)
    texts = np.lib.format.open_memmap(out / "txt_emb_species.npy", "w+", np.float32, (DIM, n))
    for start in range(0, n, 10_000):
        drawn = rng.standard_normal((min(10_000, n - start), DIM), np.float32)
        texts[:, start : start + 10_000] = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).T
    texts.flush()
    vectors = rng.standard_normal((int(pictures), DIM), np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIM)
    ids = [f"picture-{number:06}" for number in range(int(pictures))]
    parquet.write_table(pa.table({"uuid": ids, "emb": column}), out / "vectors.parquet")


def predict(folder: str, rank: str, limit: str) -> None:
    """What is measured of ours; this process then is `cladescope predict` itself."""
    out = Path(folder)
    with (out / f"ours-{rank}.csv").open("w") as file:
        os.dup2(file.fileno(), 1)
        taxa = str(out / "txt_emb_species.json")
        command = ["predict", str(out / "vectors.store"), "--taxa", taxa, "--rank", rank, "--limit", limit, "--csv"]
        os.execv(sys.executable, [sys.executable, "-m", "cladescope.app.cli", *command])


def plain(folder: str, rank: str, pictures: str) -> None:
    """What is measured of the plain way; its times and answers go into a file."""
    import numpy as np
    import torch

    from cladescope.embedding.text_scale import stored_text_scale
    from cladescope.index.store import Store
    from cladescope.taxonomy.taxon import RANK_INDEX

    out, place = Path(folder), RANK_INDEX[rank]
    started = time.perf_counter()
    texts = torch.from_numpy(np.load(out / "txt_emb_species.npy"))
    names = json.loads((out / "txt_emb_species.json").read_text())
    store = Store.open(out / "vectors.store")
    scale = stored_text_scale(store.card)
    _, vectors = next(store.vectors(block_rows=int(pictures)))
    images = torch.nn.functional.normalize(torch.from_numpy(vectors[: int(pictures)].astype(np.float32)), dim=-1)
    loaded = time.perf_counter()
    kept, one_batch = [], 0
    for start in range(0, len(images), BATCH):
        kept += list(torch.softmax(scale * images[start : start + BATCH] @ texts, dim=1))
        one_batch = one_batch or _peak()
    answers = []
    for probabilities in kept:
        if rank == "species":
            top = probabilities.topk(5)
            found = zip(top.indices.tolist(), top.values.tolist(), strict=True)
            answers.append([(" ".join(names[row][0]), chance) for row, chance in found])
            continue
        sums: dict[str, torch.Tensor | float] = defaultdict(float)
        for i in torch.nonzero(probabilities > 1e-9).squeeze(-1):
            sums[" ".join(names[i][0][: place + 1])] += probabilities[i]
        answers.append([(name, float(sums[name])) for name in sorted(sums, key=sums.__getitem__, reverse=True)[:5]])
    done = time.perf_counter()
    about = {"load": loaded - started, "work": done - loaded, "one_batch": one_batch, "answers": answers}
    (out / f"plain-{rank}.json").write_text(json.dumps(about))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


TASKS = {task.__name__: task for task in (make_files, predict, plain)}


def in_child(task: str, *arguments: str | int) -> tuple[float, float]:
    """Wall time in seconds and peak memory in bytes of a task in a process of its own."""
    command = [sys.executable, __file__, "--task", task, *map(str, arguments)]
    began = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    if status:
        raise SystemExit(f"{' '.join(command)} ended with status {status}")
    return wall, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def compare(folder: Path, rank: str, answers: list[list[tuple[str, float]]]) -> None:
    """Stop unless both ways name the same five taxa, and tell how far their probabilities differ."""
    with (folder / f"ours-{rank}.csv").open() as file:
        rows = list(islice(csv.DictReader(file), sum(map(len, answers))))
    most = 0.0
    for row, (name, chance) in zip(rows, [answer for picture in answers for answer in picture], strict=True):
        path = [row[column] for column in list(row)[1:-1] if column not in ("species", "common_name")]
        if " ".join(path) != name:
            raise SystemExit(f"{row['file_name']}: found {' '.join(path)!r} where the plain way has {name!r}")
        most = max(most, abs(float(row["score"]) / chance - 1))
    print(
        f"{rank}: {len(answers)} pictures, the same five taxa; largest difference {most:.1e} of a probability",
        file=sys.stderr,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--taxa", type=int, default=FULL, help="default: %(default)s")
    parser.add_argument("--pictures", type=int, default=10_000, help="default: %(default)s")
    parser.add_argument("--plain-pictures", type=int, default=40, help="default: %(default)s")
    parser.add_argument("--ranks", nargs="+", default=["species", "family"], help="default: species family")
    parser.add_argument("--taxonomy", default="", help="Parquet file of species, in place of made-up names")
    parser.add_argument("--folder", type=Path, help="where files are kept for the next run (default: thrown away)")
    parser.add_argument("--task", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        TASKS[options.task[0]](*options.task[1:])
        return
    print(f"{machine()}; {options.taxa:,} taxa of {DIM} numbers\n")
    with tempfile.TemporaryDirectory() as thrown_away:
        folder = options.folder or Path(thrown_away)
        folder.mkdir(exist_ok=True)
        if not (folder / "vectors.store").exists():
            in_child("make_files", folder, options.taxa, options.pictures, options.taxonomy)
            vectors, store = f"{folder}/vectors.parquet", f"{folder}/vectors.store"
            imported = ["import", vectors, "--store", store, "--encoder", "tiny"]
            subprocess.run([sys.executable, "-m", "cladescope.app.cli", *imported], check=True, stdout=sys.stderr)
        print_table(
            ["", "rank", "pictures", "wall, s", "pictures/s", "peak, MB"],
            [row for rank in options.ranks for row in rows(folder, rank, options)],
        )


def rows(folder: Path, rank: str, options: argparse.Namespace) -> list[list[str]]:
    """Both ways at one rank, and the plain one extrapolated."""
    n, few = options.pictures, min(options.plain_pictures, options.pictures)
    found = []
    wall, peak = in_child("predict", folder, rank, n)
    found.append(["cladescope predict", rank, f"{n:,}", f"{wall:.0f}", f"{n / wall:.1f}", f"{peak / 1e6:,.0f}"])
    if not few:
        return found
    wall, peak = in_child("plain", folder, rank, few)
    found.append(["plain", rank, f"{few:,}", f"{wall:.0f}", f"{few / wall:.1f}", f"{peak / 1e6:,.0f}"])
    about = json.loads((folder / f"plain-{rank}.json").read_text())
    compare(folder, rank, about["answers"])
    wall += about["work"] * (n - few) / few
    peak = about["one_batch"] + 4 * options.taxa * (n - BATCH)
    found.append(["plain, extrapolated", rank, f"{n:,}", f"{wall:,.0f}", f"{n / wall:.1f}", f"{peak / 1e6:,.0f}"])
    return found


if __name__ == "__main__":
    main()
