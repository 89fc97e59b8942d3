"""Planted duplicates beside other programs: how many of them each finds, and how many pairs it gives that are none.

    for peer in imagededup czkawka fastdup; do
        python -m venv PEERS/venv-$peer
        python -c "import torch; print(torch.__path__[0] + '/..')" > PEERS/venv-$peer/lib/python3.11/site-packages/torch.pth
        PEERS/venv-$peer/bin/pip install $peer
    done
    python benchmarks/duplicates_beside.py ../shared/data/organisms --peers PEERS --photos 200 --planted 21
    python benchmarks/duplicates_beside.py ../shared/data/organisms --peers PEERS --photos 6000 --planted 600 --half all

Copies are made as `planted_duplicates.py` makes them. `found` are the planted pairs whose two pictures a program puts into one group. `not so` are
the pairs that it gives of two pictures that are no duplicates: neither planted, nor joined by the pairs of `cladescope duplicates`, which were all looked
at (`planted_duplicates.py --sheet`) and show one photograph each. Ours has none for that reason alone. Of settings a program has its default, and some
beside it; vectors alone are those of `tiny`, all pairs from a cosine on. CNN of imagededup loads weights that are not here. Seconds are of whole commands.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from planted_duplicates import HALVES, photographs, planted
from side_by_side import machine, print_table, seconds

Pair = frozenset[str]

IMAGEDEDUP = """
import json, sys
from imagededup.methods import {method}
found = {method}().find_duplicates(image_dir=sys.argv[1], max_distance_threshold={bits})
json.dump([[one, other] for one, others in found.items() for other in others], open(sys.argv[2], "w"))
"""
CZKAWKA = """
import json, sys
from pathlib import Path
from czkawka import ImageSimilarity
finder = ImageSimilarity()
finder.set_directories([Path(sys.argv[1])])
{settings}
groups = [[path.name for path in group] for group in finder.find_similar()]
json.dump([[group[0], other] for group in groups for other in group[1:]], open(sys.argv[2], "w"))
"""
FASTDUP = """
import json, sys, tempfile
from pathlib import Path
import fastdup
work = fastdup.create(input_dir=sys.argv[1], work_dir=tempfile.mkdtemp())
work.run(overwrite=True{settings})
table = work.similarity()
pairs = [] if table is None else zip(table["filename_from"], table["filename_to"], table["distance"])
json.dump([[Path(a).name, Path(b).name] for a, b, score in pairs if score >= {least}], open(sys.argv[2], "w"))
"""
PEERS: tuple[tuple[str, str, str], ...] = (
    ("imagededup", "PHash, 10 bits (default)", IMAGEDEDUP.format(method="PHash", bits=10)),
    ("imagededup", "PHash, 4 bits", IMAGEDEDUP.format(method="PHash", bits=4)),
    ("imagededup", "DHash, 10 bits (default)", IMAGEDEDUP.format(method="DHash", bits=10)),
    ("czkawka", "default", CZKAWKA.format(settings="")),
    ("czkawka", "similarity 15", CZKAWKA.format(settings="finder.set_similarity(15)")),
    ("fastdup", "from 0.96", FASTDUP.format(settings="", least=0.96)),
    ("fastdup", "from 0.9", FASTDUP.format(settings="", least=0.9)),
)
"""Environment, settings and script."""
COSINES = (0.99, 0.97, 0.95, 0.9)


def groups(pairs: Iterable[Pair]) -> Callable[[str], str]:
    """From a name to that of its group, where pairs join."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while (above := parent.get(name, name)) != name:
            name = above
        return name

    for pair in pairs:
        one, *others = sorted(pair)
        for other in others:
            parent[root(other)] = root(one)
    return root


def by_cladescope(folder: Path, out: Path) -> None:
    """Our pairs."""
    import cladescope

    found = cladescope.duplicates(folder)
    out.write_text(json.dumps([[Path(copy.uri).name for copy in (one.keep, one.other)] for one in found.pairs]))


def by_vectors(folder: Path, out: Path) -> None:
    """All pairs of `tiny` from the least of the cosines on, with theirs."""
    import cladescope

    with tempfile.TemporaryDirectory() as place:
        cladescope.embed(folder, Path(place) / "store")
        store = cladescope.open(Path(place) / "store")
        vectors, names = store.matrix(), [Path(uri).name for uri in store.table(["uri"]).column("uri").to_pylist()]
    found = []
    for row in range(len(names)):
        scores = vectors[row + 1 :] @ vectors[row]
        found += [
            [names[row], names[row + 1 + at], float(scores[at])]
            for at in np.flatnonzero(scores >= min(COSINES)).tolist()
        ]
    out.write_text(json.dumps(found))


OURS = {"cladescope": by_cladescope, "vectors": by_vectors}


def measured(command: list[str], out: Path) -> tuple[list[list[str]], float, str]:
    """The pairs that a command writes, its seconds, and the last line of what it printed if it failed."""
    out.unlink(missing_ok=True)
    ended: list[subprocess.CompletedProcess[str]] = []
    took = seconds(lambda: ended.append(subprocess.run(command, capture_output=True, text=True)))
    if ended[0].returncode or not out.is_file():
        return [], took, (ended[0].stderr.strip().splitlines() or ["no word"])[-1]
    return json.loads(out.read_text()), took, ""


def main() -> None:
    """Plant, find with each program, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="photographs, at any depth")
    parser.add_argument("--peers", type=Path, required=True, help="folder of the peers' environments, venv-NAME each")
    parser.add_argument("--photos", type=int, default=200, help="default: %(default)s")
    parser.add_argument("--planted", type=int, default=21, help="default: %(default)s")
    parser.add_argument("--half", choices=HALVES, default="report", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    photos = photographs(options.folder, options.half, options.photos, rng)
    with tempfile.TemporaryDirectory() as place:
        folder, out = Path(place) / "photos", Path(place) / "pairs.json"
        folder.mkdir()
        wanted = set(planted(photos, options.planted, folder, rng))
        for link in folder.iterdir():  # some programs pass over links
            if link.is_symlink():
                original = link.resolve()
                link.unlink()
                shutil.copyfile(original, link)
        start = machine()
        rows, truth = [], groups(wanted)
        own = [sys.executable, __file__, "--run"]
        runs = [("cladescope", "default", [*own, "cladescope", str(folder), str(out)])]
        runs += [("vectors alone", "all", [*own, "vectors", str(folder), str(out)])]
        runs += [
            (
                peer,
                settings,
                [str(options.peers / f"venv-{peer}" / "bin" / "python"), "-c", script, str(folder), str(out)],
            )
            for peer, settings, script in PEERS
        ]
        for program, settings, command in runs:
            given, took, problem = measured(command, out)
            if problem:
                rows.append([program, settings, f"failed: {problem[:70]}", "", "", f"{took:.1f}"])
                continue
            if program == "cladescope":
                truth = groups([*wanted, *map(frozenset, given)])
            ways = [(settings, given)]
            if program == "vectors alone":
                ways = [
                    (f"cosine from {least}", [one[:2] for one in given if float(one[2]) >= least]) for least in COSINES
                ]
            for way, pairs in ways:
                rows.append([program, way, *counted(set(map(frozenset, pairs)), wanted, truth), f"{took:.1f}"])
                print(rows[-1], file=sys.stderr)
        print(f"{start}; {len(photos):,} photographs ({options.half}), {len(wanted)} planted\n")
        print_table(["program", "settings", "found", "pairs given", "not so", "seconds"], rows)


def counted(pairs: set[Pair], wanted: set[Pair], truth: Callable[[str], str]) -> list[str]:
    """Planted pairs that were found, pairs given, and those of them that are no duplicates."""
    pairs = {pair for pair in pairs if len(pair) == 2}
    group = groups(pairs)
    found = sum(len({group(name) for name in pair}) == 1 for pair in wanted)
    wrong = sum(len({truth(name) for name in pair}) == 2 for pair in pairs)
    return [f"{found} ({found / len(wanted):.1%})", f"{len(pairs):,}", f"{wrong:,}"]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        OURS[sys.argv[2]](Path(sys.argv[3]), Path(sys.argv[4]))
    else:
        main()
