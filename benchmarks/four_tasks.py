"""Four tasks of a first hour in Cladescope and other programs: lines that are typed, seconds, and how much of what was planted is found.

    for peer in pybioclip rclip imagededup czkawka fastdup; do
        python -m venv PEERS/venv-$peer
        python -c "import torch; print(torch.__path__[0] + '/..')" > PEERS/venv-$peer/lib/python3.11/site-packages/torch.pth
        PEERS/venv-$peer/bin/pip install $peer
    done
    python benchmarks/four_tasks.py ../shared/data/organisms/images --peers PEERS

`photos/` holds 240 photographs of 24 species without names, 21 of them with a changed copy (`planted_duplicates.py`); `classes/` 12 folders of ten, where 6 pictures lie in
a wrong one. The tasks are to *name* what is in `photos/`, to *find* there what looks like a further picture, its *duplicates*, and wrong *labels* in `classes/`. `found` are: pictures
named with their species; whether the first hit is of the query's species; copies put into one group with their original; wrong labels among the six that are given first.
All is run from a cold start, as it is typed; a line of Python counts as a line typed. `--show` prints all lines.

pybioclip and rclip would download their models, which cannot be had here. pybioclip is given `tiny` and the names
of the 24 species (ours chooses among the 652 of `tiny`; by default it would choose among 450,000 taxa of a model of 0.6 GB), in evaluation mode (`embed_peers.py` says why); rclip a graph of its own architecture with random weights, whose seconds count and whose hits do not.
FiftyOne installs, but downloads a database server before its first line runs, so it is not among them.
"""

import argparse
import csv
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from duplicates_beside import groups
from embed_peers_weights import random_vit, rclip_models
from planted_duplicates import planted
from side_by_side import in_turn, machine, print_table, seconds

from cladescope.embedding.shipped import shipped_folder

RUN = Path(__file__).with_name("embed_peers_run.py").absolute()
OURS = "cladescope"
SPECIES, EACH, COPIES, CLASSES, WRONG = 24, 10, 21, 12, 6


@dataclass(frozen=True, slots=True)
class Way:
    """How one program does one task: lines of a shell and of Python, which leave a file with the answer."""

    task: str
    program: str
    shell: tuple[str, ...] = ()
    python: tuple[str, ...] = ()
    """Run after the lines of the shell."""
    file: str = "answer"

    @property
    def name(self) -> str:
        return f"{self.task}: {self.program}"


WAYS = (
    Way("name", OURS, ("cladescope predict photos/ -k 1 --csv > answer",)),
    Way("name", "pybioclip", ("bioclip predict --cls names.txt --k 1 --output answer photos/*",)),
    Way(
        "find",
        OURS,
        ("cladescope embed photos/ --store photos.store", "cladescope search photos.store query.jpg -k 3 > answer"),
    ),
    Way("find", "rclip", ("cd photos", "rclip --top 3 --filepath-only $PWD/../query.jpg > ../answer")),
    Way(
        "find",
        "pybioclip",
        ("bioclip embed --output vectors.json photos/* query.jpg",),
        (
            "import json, numpy as np",
            "found = json.load(open('vectors.json'))['embeddings']",
            "vectors = np.array(list(found.values()))",
            "vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)",
            "order = np.argsort(-vectors @ vectors[-1])[1:4]",
            "open('answer', 'w').write('\\n'.join(list(found)[n] for n in order))",
        ),
    ),
    Way("duplicates", OURS, ("cladescope duplicates photos/ --list answer.csv",), file="answer.csv"),
    Way(
        "duplicates",
        "imagededup",
        (),
        (
            "import json",
            "from imagededup.methods import PHash",
            "pairs = PHash().find_duplicates(image_dir='photos')",
            "json.dump([[a, b] for a, all in pairs.items() for b in all], open('answer', 'w'))",
        ),
    ),
    Way(
        "duplicates",
        "czkawka",
        (),
        (
            "import json",
            "from pathlib import Path",
            "from czkawka import ImageSimilarity",
            "finder = ImageSimilarity()",
            "finder.set_directories([Path('photos')])",
            "json.dump([[p.name for p in group] for group in finder.find_similar()], open('answer', 'w'))",
        ),
    ),
    Way(
        "duplicates",
        "fastdup",
        (),
        (
            "import fastdup",
            "work = fastdup.create(input_dir='photos', work_dir='work')",
            "work.run()",
            "work.similarity()[['filename_from', 'filename_to', 'distance']].to_csv('answer', index=False)",
        ),
    ),
    Way(
        "labels",
        OURS,
        ("cladescope embed classes/ --store classes.store", "cladescope audit classes.store --out audit"),
        file="audit/label_errors.csv",
    ),
    Way(
        "labels",
        "pybioclip",
        ("ls classes > classes.txt", "bioclip predict --cls classes.txt --k 12 --output names.csv classes/*/*"),
        (
            "import pandas as pd",
            "said = pd.read_csv('names.csv')",
            "said['label'] = said.file_name.str.split('/').str[-2]",
            "own = said[said.classification == said.label].sort_values('score')",
            "own.to_csv('answer', index=False)",
        ),
    ),
    Way(
        "labels",
        "fastdup",
        (),
        (
            "import fastdup, pandas as pd",
            "from pathlib import Path",
            "files = list(Path('classes').rglob('*.jpg'))",
            "table = pd.DataFrame({'filename': map(str, files), 'label': [f.parent.name for f in files]})",
            "work = fastdup.create(input_dir='.', work_dir='work')",
            "work.run(annotations=table)",
            "near = work.similarity()",
            "near = near[near.label_from != near.label_to].sort_values('distance', ascending=False)",
            "near[['filename_from', 'filename_to', 'distance']].to_csv('answer', index=False)",
        ),
    ),
)  # fmt: skip


def lay_out(source: Path, folder: Path, rng: np.random.Generator) -> Mapping[str, Mapping[str, str]]:
    """`photos/`, `classes/`, `query.jpg`; and what is true: species of photos, the copies' originals, the labels of wrong ones, the query's species."""
    known = {row["species"].replace(" ", "_") for row in csv.DictReader((shipped_folder("tiny") / "taxa.csv").open())}
    pictures = {
        path.name: sorted(path.glob("*.jpg"))
        for path in sorted(source.iterdir())
        if path.name in known and len(list(path.glob("*.jpg"))) > EACH
    }
    kinds = list(pictures)[:SPECIES]
    chosen = [(kind, path) for kind in kinds for path in pictures[kind][:EACH]]
    order = rng.permutation(len(chosen))
    (folder / "photos").mkdir(parents=True)
    copies = planted([chosen[n][1] for n in order], COPIES, folder / "photos", rng)
    for link in (folder / "photos").iterdir():  # some programs pass over links
        if link.is_symlink():
            original = link.resolve()
            link.unlink()
            shutil.copyfile(original, link)
    species = {f"{place:05}.jpg": chosen[n][0].replace("_", " ") for place, n in enumerate(order)}
    shutil.copyfile(pictures[kinds[0]][EACH], folder / "query.jpg")
    wrong = {}
    for number, kind in enumerate(kinds[:CLASSES]):
        for n, path in enumerate(pictures[kind][:EACH]):
            home = kinds[(number + 1) % CLASSES] if n == 3 and number % 2 == 0 else kind
            place = folder / "classes" / home.replace("_", " ") / f"{kind[:3].lower()}{n:02}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
            if home != kind:
                wrong[place.name] = kind
    assert len(wrong) == WRONG
    (folder / "names.txt").write_text("\n".join(kind.replace("_", " ") for kind in kinds))
    planted_pairs = {name: other for pair in copies for name, other in [sorted(pair)]}
    return {"species": species, "copies": planted_pairs, "wrong": wrong, "query": {"": kinds[0].replace("_", " ")}}


def found_by(way: Way, answer: str, truth: Mapping[str, Mapping[str, str]]) -> str:
    """How much of what is true an answer says."""
    if way.task == "name":
        rows = {Path(row["file_name"]).name: row for row in csv.DictReader(answer.splitlines())}
        said = {name: row.get("species") or row.get("classification") for name, row in rows.items()}
        right = sum(said.get(name) == species for name, species in truth["species"].items())
        return f"{right} of {len(truth['species'])}"
    if way.task == "find":
        first = next(name for name in truth["species"] if name in answer and answer.index(name) == min(
            answer.index(one) for one in truth["species"] if one in answer))  # fmt: skip
        return "yes" if truth["species"][first] == truth["query"][""] else "no"
    if way.task == "duplicates":
        if way.program in ("imagededup", "czkawka"):
            pairs = [frozenset(group) for group in json.loads(answer)]
        else:
            rows_of = csv.DictReader(answer.splitlines())
            columns = ("keep_uri", "other_uri") if way.program == OURS else ("filename_from", "filename_to")
            pairs = [frozenset(Path(row[column]).name for column in columns) for row in rows_of]
            if way.program == "fastdup":
                scores = [float(row["distance"]) for row in csv.DictReader(answer.splitlines())]
                pairs = [pair for pair, score in zip(pairs, scores, strict=True) if score >= 0.96]
        group = groups(pairs)
        found = sum(group(name) == group(other) for name, other in truth["copies"].items())
        return f"{found} of {len(truth['copies'])}"
    column = {OURS: "uri", "pybioclip": "file_name"}.get(way.program, "filename_from")
    given = [Path(row[column]).name for row in csv.DictReader(answer.splitlines())]
    first_six = list(dict.fromkeys(given))[:WRONG]
    return f"{sum(name in truth['wrong'] for name in first_six)} of {WRONG}"


def programs(peers: Path, folder: Path) -> dict[str, dict[str, str]]:
    """The environment of each program: its commands are first on the path."""
    tiny = shipped_folder("tiny")
    bins = {
        name: peers.absolute() / f"venv-{name}" / "bin"
        for name in ("pybioclip", "rclip", "imagededup", "czkawka", "fastdup")
    }
    scripts = {
        OURS: f'exec {sys.executable} -c "from cladescope.app.main import main; main()" "$@"',
        "bioclip": f'exec {bins["pybioclip"]}/python {RUN} pybioclip {shlex.quote(str(tiny))} "$@" --model local-dir:{tiny}',
    }
    own = folder / "bin"
    own.mkdir()
    for name, line in scripts.items():
        (own / name).write_text(f"#!/bin/sh\n{line}\n")
        (own / name).chmod(0o755)
    models = rclip_models(random_vit(folder / "vit"), folder / "rclip")
    more = {"HF_HUB_OFFLINE": "1", "RCLIP_DATADIR": str(models), "XDG_CACHE_HOME": str(folder / "caches")}
    more["PYTHONPATH"] = str(Path(__file__).resolve().parent.parent)
    path = os.environ["PATH"]
    first = {OURS: str(Path(sys.executable).parent), **{name: str(one) for name, one in bins.items()}}
    return {
        name: {**os.environ, **(more if name == OURS else {**more, "PYTHONPATH": ""}), "PATH": f"{own}:{one}:{path}"}
        for name, one in first.items()
    }


def run(way: Way, folder: Path, home: Path, environment: Mapping[str, str], answers: dict[str, str]) -> float:
    """Seconds of a way in a fresh copy of the folder; its answer is kept."""
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(folder, home)
    text = "\n".join(way.shell)
    if way.python:
        (home / "lines.py").write_text("\n".join(way.python))
        text += "\npython lines.py"
    ended: list[subprocess.CompletedProcess[str]] = []
    call = partial(subprocess.run, ["bash", "-ec", text], cwd=home, env=environment, capture_output=True, text=True)
    took = seconds(lambda: ended.append(call()))
    if ended[0].returncode or not (home / way.file).is_file():
        answers[way.name] = f"failed: {(ended[0].stderr.strip().splitlines() or ['no word'])[-1][:60]}"
    else:
        answers[way.name] = (home / way.file).read_text()
    return took


def main() -> None:
    """Lay out, do all tasks in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="a folder of JPEGs for each species, called Genus_species")
    parser.add_argument("--peers", type=Path, required=True, help="folder of the peers' environments, venv-NAME each")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--only", nargs="+", metavar="TASK", default=[], help="some of the tasks")
    parser.add_argument("--show", action="store_true", help="print what is typed, and end")
    options = parser.parse_args()
    ways = [way for way in WAYS if not options.only or way.task in options.only]
    if options.show:
        for way in ways:
            print("\n".join([way.name, *(f"    {line}" for line in (*way.shell, *way.python))]))
        return
    start = machine()
    with tempfile.TemporaryDirectory() as place:
        folder, answers = Path(place), dict[str, str]()
        truth = lay_out(options.source, folder / "home", np.random.default_rng(0))
        environments = programs(options.peers, folder)
        works: dict[str, Callable[[], float]] = {
            way.name: partial(run, way, folder / "home", folder / "run", environments[way.program], answers)
            for way in ways
        }
        took = in_turn(works, rounds=options.rounds)
        rows = []
        for way in ways:
            answer = answers[way.name]
            found = answer if answer.startswith("failed: ") else found_by(way, answer, truth)
            lines = len(way.shell) + len(way.python)
            rows.append([way.task, way.program, str(lines), f"{took[way.name]:.1f}", found])
        print(f"{start}; medians of {options.rounds} rounds\n")
        print_table(["task", "program", "lines", "seconds", "found"], rows)


if __name__ == "__main__":
    main()
