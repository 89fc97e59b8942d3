"""How many changed comparisons, operators and constants of the core the tests notice.

python benchmarks/mutants                                        # every mutant of every room: hours
python benchmarks/mutants analysis/measures training/loss
python benchmarks/mutants index --sample 40 --seed 0             # 40 of each room
python benchmarks/mutants analysis/measures/paired.py --tests tests/analysis/measures/test_paired.py    # one file, by one file of tests

mutmut's operators make the mutants; each is tried in a fork of a process that has imported everything once, with the tests that run its line,
the quick ones first. Those that no test can notice stand, with a reason, in `equivalent.toml`. Prints a table by room, then each survivor. What was
found is kept in `.mutants/` (`--cache`) and used again until the source or a test file changes. Needs the extra `dev`.
"""

import argparse
import os
import random
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from equivalence import equivalents
from mutation import mutants_of, sources
from side_by_side import print_table
from trials import Trials

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {
    "analysis/measures": ["tests/analysis/measures", "tests/analysis/test_shares.py", "tests/analysis/test_numbers.py"],
    "analysis/probes": ["tests/analysis/probes", "tests/analysis/report"],
    "analysis/classify": [
        "tests/analysis/classify",
        "tests/analysis/benchmark",
        "tests/analysis/audit/test_page.py",
        *(
            f"tests/app/cli/test_{verb}.py"
            for verb in (
                "fit",
                "predict",
                "predict_acts",
                "suggest",
                "delete_and_relabel",
                "by_label",
                "backbone_answers",
                "within",
                "checklists",
            )
        ),
    ],
    "training/loss": ["tests/training/loss"],
    "index": [
        "tests/index",
        *(
            f"tests/app/cli/test_{verb}.py"
            for verb in ("export", "named_vectors", "delete_and_relabel", "backbone_answers")
        ),
    ],
    "index/ann": ["tests/index/ann"],
    "index/resident": ["tests/index/resident", "tests/index/test_searcher.py", "tests/index/test_live_gallery.py"],
}
"""The tests of each room; the examples in its docstrings are tried, too."""


def main() -> None:
    """Try mutants and print what became of them."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/mutants", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="*", default=list(ROOMS), help="rooms or files, from the root of the repository")
    parser.add_argument("--sample", type=int, help="how many mutants of each room, drawn at random; all unless given")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--tests", nargs="+", metavar="FILE", help="files of tests to try instead of those of the room")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--fresh", action="store_true", help="try again what was tried before")
    parser.add_argument("--cache", type=Path, default=ROOT / ".mutants")
    given = parser.parse_args()
    os.chdir(ROOT)
    given.cache.mkdir(exist_ok=True)
    rows, survivors = [], []
    for room, files in by_room(given.paths).items():
        mutants = [mutant for file in files for mutant in mutants_of(file, Path(file).read_text())]
        known = equivalents()
        for file, function, _, mutated in known.keys() - {mutant.key for mutant in mutants}:
            if file in files:
                print(
                    f"equivalent.toml tells of a mutant that is no more: {file} {function}: {mutated}", file=sys.stderr
                )
        if given.sample is not None:
            mutants = random.Random(f"{given.seed} {room}").sample(mutants, min(given.sample, len(mutants)))
        tried = [mutant for mutant in mutants if mutant.key not in known]
        trials = Trials(
            room, given.tests or ROOMS[room], cache=given.cache, processes=given.processes, fresh=given.fresh
        )
        found = trials.tried(tried)
        lived = [(mutant, what) for mutant, what in zip(tried, found, strict=True) if not what.is_killed]
        survivors += lived
        n, n_equivalent = len(mutants), len(mutants) - len(tried)
        n_killed = len(tried) - len(lived)
        rows.append(
            [
                room,
                *map(str, (n, n_killed, n_equivalent, len(lived))),
                f"{n_killed / n:.1%}",
                f"{(n - len(lived)) / n:.1%}",
            ]
        )
    for mutant, what in survivors:
        print(
            f"{mutant.file}:{mutant.number} {mutant.function} ({what.n_tests} tests)\n  - {mutant.line}\n  + {mutant.mutated}"
        )
    print_table(["room", "mutants", "killed", "equivalent", "survived", "share killed", "killed or equivalent"], rows)


def by_room(paths: list[str]) -> dict[str, list[str]]:
    """The files asked for, under their rooms."""
    found = defaultdict(list)
    for file in sources([path.rstrip("/") for path in paths], ROOT):
        room = str(Path(file).parent)
        if room not in ROOMS:
            sys.exit(f"{file} is of no room with tests named in ROOMS: {', '.join(ROOMS)}")
        found[room].append(file)
    return found


if __name__ == "__main__":
    main()
