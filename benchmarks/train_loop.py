"""Our training loop beside open_clip_train's: pictures a second, same model, batch, pictures and texts, in one run.

pip install pandas webdataset       # which open_clip_train imports
python benchmarks/train_loop.py organisms/metadata.csv

Both start from random weights of --model with AdamW in fp32 on the CPU, read JPEGs, crop nine tenths to all of the area,
tokenise, and take --steps steps. Each is a process of its own; they run in turn. A rate is the median over the steps of a
process after the first, as its own log gives it, and the table has the median over rounds. `open_clip_train` is given one
text for each picture, which is its way; ours encodes a text that a batch has twice only once. Memory is the most that a loop's
own process held (`ru_maxrss`); that of open_clip_train's two readers is not counted.
"""

import argparse
import csv
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import open_clip_train
from side_by_side import in_turn, machine, print_table

from cladescope.embedding.prompts import prompt
from cladescope.training.data.examples import load_examples
from cladescope.training.loop.evaluate import common_names_of


def write_pairs(source: str, folder: Path, *, n: int) -> None:
    """`pairs.csv` for open_clip_train and `pictures.csv` for ours: the same pictures."""
    examples = load_examples(source)
    rows = range(0, len(examples), max(1, len(examples) // n))[:n]
    classes, names = examples.classes(), common_names_of(examples)
    with (folder / "pairs.csv").open("w", newline="") as pairs, (folder / "pictures.csv").open("w", newline="") as ours:
        theirs, own = csv.writer(pairs), csv.writer(ours)
        theirs.writerow(["filepath", "title"])
        own.writerow(["file", "kingdom", "phylum", "class", "order", "family", "genus", "species", "common_name"])
        for row in rows:
            taxon, common = examples.taxa[row], names[classes[row]]
            theirs.writerow([examples.uris[row], prompt(taxon, "taxon_com", common_name=common)])
            path = [*taxon.path, *[None] * (7 - len(taxon.path))]
            own.writerow([examples.uris[row], *(name or "" for name in path), common or ""])


def run_theirs(folder: Path, options: argparse.Namespace) -> tuple[float, float]:
    """Pictures a second of open_clip_train, and its peak memory in MB."""
    command = [
        *(sys.executable, "-m", "open_clip_train.main", "--model", options.model, "--device", "cpu"),
        *("--train-data", folder / "pairs.csv", "--dataset-type", "csv", "--csv-separator", ","),
        *("--csv-img-key", "filepath", "--csv-caption-key", "title", "--precision", "fp32"),
        *("--batch-size", options.batch_size, "--epochs", 1, "--workers", 2, "--log-every-n-steps", 1),
        *("--logs", folder / "theirs", "--warmup", 1, "--lr", 1e-4, "--aug-cfg", "scale=(0.9,1.0)"),
    ]
    ended, peak = run_process(command)
    rates = [float(rate) for rate in re.findall(r"Batch \(t\): [\d.]+, ([\d.]+)/s", ended)]
    assert len(rates) > 2, ended[-2000:]
    return statistics.median(rates[1:]), peak


def run_ours(folder: Path, options: argparse.Namespace) -> tuple[float, float]:
    """Pictures a second of our loop, and its peak memory in MB."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        keys = {
            "data.held_out_species": 0.0,
            "data.held_out_images": 0.0,
            "data.text_types": '["taxon_com"]',
            "model.open_clip": f'"{options.model}"',
            "optimiser.warmup_steps": 1,
            "loop.epochs": 1,
            "loop.batch_size": options.batch_size,
            "loop.precision": '"fp32"',
            "loop.device": '"cpu"',
            "loop.checkpointing": "false",
            "loop.chunk_size": 0,
            "loop.log_every": 1,
        }
        settings = [part for key, value in keys.items() for part in ("--set", f"{key}={value}")]
        _, peak = run_process(
            [
                *(sys.executable, "-m", "cladescope.app.cli", "train", "bioclip", *settings),
                *("--data", folder / "pictures.csv", "--out", Path(out) / "run"),
            ]
        )
        lines = [json.loads(line) for line in (Path(out) / "run" / "log.jsonl").read_text().splitlines()]
    return statistics.median(line["pictures_per_second"] for line in lines[1:] if line["kind"] == "train"), peak


def told(found: tuple[float, float], peaks: list[float]) -> float:
    """The rate of a round, written to stderr with the load of the machine, which tells whether it was disturbed."""
    rate, peak = found
    peaks.append(peak)
    print(f"  {rate:.1f} pictures/s, {peak:.0f} MB, load {os.getloadavg()[0]:.1f} at the end", file=sys.stderr)
    return rate


def run_process(command: list[object]) -> tuple[str, float]:
    """What a command printed, and the most memory that it held in MB. Raises CalledProcessError where it failed."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    arguments = list(map(str, command))
    with tempfile.TemporaryFile("w+") as output:
        started = subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT, env=environment)
        _, status, usage = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read()
    if started.returncode:
        print(said[-3000:], file=sys.stderr)
        raise subprocess.CalledProcessError(started.returncode, arguments)
    return said, usage.ru_maxrss / 1e3 * 1.024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--model", default="ViT-S-32", help="default: %(default)s")
    parser.add_argument("--batch-size", type=int, default=64, help="default: %(default)s")
    parser.add_argument("--steps", type=int, default=10, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    options = parser.parse_args()
    print(
        f"{machine()}; open_clip_train from {Path(open_clip_train.__file__).parent.name}, medians of {options.rounds}\n"
    )
    peaks: dict[str, list[float]] = {"open_clip_train": [], "cladescope": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pairs(options.source, folder, n=options.steps * options.batch_size)
        rates = in_turn(
            {
                "open_clip_train": lambda: told(run_theirs(folder, options), peaks["open_clip_train"]),
                "cladescope": lambda: told(run_ours(folder, options), peaks["cladescope"]),
            },
            rounds=options.rounds,
        )
    rows = [
        [
            *(name, options.model, str(options.batch_size), f"{rate:.1f}", f"{rate / rates['open_clip_train']:.2f}"),
            f"{statistics.median(peaks[name]):,.0f}",
        ]
        for name, rate in rates.items()
    ]
    print_table(["loop", "model", "batch", "pictures/s", "ratio", "peak, MB"], rows)


if __name__ == "__main__":
    main()
