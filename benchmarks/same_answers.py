"""A fixed set of commands run by two versions of Cladescope, and what differs in their answers.

python benchmarks/same_answers.py BEFORE AFTER

BEFORE and AFTER are checkouts. Both work on pictures that BEFORE has simulated, with `pixels` and with `tiny`, each on a
store that it made itself. Each answer is a JSON document or a table. Numbers count as equal up to `TOLERANCE`; what tells
of time, place and version is not compared. A key that only AFTER has is counted, not called a difference. Exits 1 where an
answer differs: read on, and explain it.
"""

import argparse
import csv
import io
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from side_by_side import print_table

TOLERANCE = 1e-5
SIMULATE = "simulate clades --species 16 --images 8 --size 96 --seed 5"
PREPARE = (
    "embed clades/metadata.csv --store pixels.store --encoder pixels",
    "embed clades/metadata.csv --store tiny.store --encoder tiny",
    "index pixels.store --kind hnsw",
)
"""Run once in each version, before the questions."""
ID = "{id}"
"""Stands for the first picture's id."""
QUESTIONS = {
    "info": "info tiny.store --json",
    "search by id, index": f"search pixels.store --id {ID} -k 20 --json",
    "search by id, exact": f"search pixels.store --id {ID} -k 20 --exact --json",
    "search by picture": "search tiny.store --image {picture} --json",
    "search as CSV": "search tiny.store --image {picture} --csv",
    "search by text": "search tiny.store --text 'a photo of Parus major.' --json",
    "search within a clade": f"search pixels.store --id {ID} --within '{{order}}' --json",
    "search under a condition": f'search pixels.store --id {ID} --where "width = 96 AND genus IS NOT NULL" --json',
    "fit simpleshot": "fit tiny.store --rank species --out simpleshot.safetensors --json",
    "fit logistic": "fit tiny.store --rank genus --method logistic --out logistic.safetensors --json",
    "fit knn, five shots": "fit tiny.store --rank species --method knn --shots 5 --out knn.safetensors --json",
    "predict by simpleshot": "predict tiny.store --classifier simpleshot.safetensors --csv",
    "predict at a risk": "predict tiny.store --classifier simpleshot.safetensors --risk 0.1 --json",
    "predict by knn": "predict tiny.store --classifier knn.safetensors --json",
    "predict pictures": "predict clades/images --classifier logistic.safetensors --rank genus --limit 20 --json",
    "predict by names": "predict tiny.store --taxa clades/metadata.csv --rank family --csv",
    "predict by labels": "predict tiny.store --labels labels.txt --json",
    "evaluate few-shot": "evaluate few-shot pixels.store --shots 1,5 --out few-shot --json",
    "evaluate zero-shot": "evaluate zero-shot tiny.store --text sci --out zero-shot --json",
    "evaluate retrieval": "evaluate retrieval pixels.store --rank genus --out retrieval --json",
    "audit": "audit tiny.store --out audit --json",
    "probe": "probe tiny.store --out probe --tree clades/tree.nwk --permutations 20 --json",
    "probe, two encoders": "probe tiny.store --out probes --compare pixels.store --permutations 20 --json",
    "map": "map tiny.store --out map --seed 3 --json",
    "map by t-SNE": "map pixels.store --out tsne --method tsne --json",
}
TABLES = {"map": "map/coordinates.parquet", "map by t-SNE": "tsne/coordinates.parquet"}
"""Files whose numbers are part of an answer."""
NOT_COMPARED = {
    *("seconds", "encode_seconds", "build_seconds", "pictures_per_second", "started", "ended", "created", "date"),
    *("versions", "version", "cladescope", "format_version", "store_version", "data_version", "environment"),
    *("store", "stores", "out", "files", "file", "encoder", "classifier", "map", "run_id", "runs", "path", "address"),
}


def run(checkout: Path, command: str, folder: Path) -> str:
    """What a command of a checkout prints in a folder; raises where it fails."""
    code = "from cladescope.app.main import main; main()"
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$PYTHON" -c "$CODE" {command}'],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(checkout.resolve()), "PYTHON": sys.executable, "CODE": code},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{checkout}: cladescope {command} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def answers(checkout: Path, folder: Path, pictures: Path) -> dict[str, object]:
    """Every question's answer; one that fails is an answer too."""
    folder.mkdir()
    (folder / "clades").symlink_to(pictures)
    with (pictures / "metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    (folder / "labels.txt").write_text("bird\nbeetle\nflower\n")
    for command in PREPARE:
        run(checkout, command, folder)
    stored = json.loads(run(checkout, f"search pixels.store --image clades/{rows[0]['file']} -k 1 --json", folder))
    words = {"id": stored["hits"][0]["image_id"], "picture": f"clades/{rows[1]['file']}", "order": rows[0]["order"]}
    found: dict[str, object] = {}
    for name, command in QUESTIONS.items():
        print(f"{checkout}: {name}", file=sys.stderr)
        try:
            printed = run(checkout, command.format(**words), folder)
        except SystemExit as failed:
            found[name] = str(failed).partition(" ended ")[2]
            continue
        found[name] = list(csv.DictReader(io.StringIO(printed))) if "--csv" in command else json.loads(printed)
        if name in TABLES:
            import pyarrow.parquet as pq

            found[name] = {"printed": found[name], "table": pq.read_table(folder / TABLES[name]).to_pydict()}
    return found


def differences(before: object, after: object, place: str = "") -> Iterator[tuple[str, str]]:
    """Each place where two answers differ, and how; keys that only the later one has end in `+`."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            if key in NOT_COMPARED:
                continue
            if key not in before:
                yield f"{place}/{key}+", "new"
            elif key not in after:
                yield f"{place}/{key}", "gone"
            else:
                yield from differences(before[key], after[key], f"{place}/{key}")
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            yield place, f"{len(before)} entries, now {len(after)}"
        for number, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from differences(one, other, f"{place}/{number}")
    elif not _equal(before, after):
        yield place, f"{_short(before)}, now {_short(after)}"


def _equal(before: object, after: object) -> bool:
    try:
        one, other = float(str(before)), float(str(after))
    except ValueError:
        return before == after
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE) or (math.isnan(one) and math.isnan(other))


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def main() -> None:
    """Ask both versions, and print what differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--keep", type=Path, help="folder for BEFORE's answers, taken from there where they lie there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(options.keep or made)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "clades").exists():
            run(options.before, SIMULATE, folder)
        kept = folder / "before.json"
        if not kept.exists():
            asked = answers(options.before, Path(made) / "before", (folder / "clades").resolve())
            kept.write_text(json.dumps(asked))
        before = json.loads(kept.read_text())
        after = json.loads(json.dumps(answers(options.after, Path(made) / "after", (folder / "clades").resolve())))
    rows, details = [], []
    for name in QUESTIONS:
        found = list(differences(before[name], after[name]))
        new = [place for place, _ in found if place.endswith("+")]
        other = [f"{name}: {place}: {how}" for place, how in found if not place.endswith("+")]
        rows.append((name, "equal" if not other else f"{len(other)} differ", str(len(new) or "")))
        details += [*other[:12], *([f"{name}: and {len(other) - 12} more"] if len(other) > 12 else [])]
    print_table(["command", "answers", "new keys"], rows)
    print("\n".join(details))
    sys.exit(1 if details else 0)


if __name__ == "__main__":
    main()
