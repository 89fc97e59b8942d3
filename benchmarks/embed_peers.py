"""Pictures a second of embedding a folder beside clip-retrieval, pybioclip and rclip: same pictures, same weights, whole commands, in one run.

    for peer in clip-retrieval pybioclip rclip; do
        python -m venv PEERS/$peer
        python -c "import torch; print(torch.__path__[0] + '/..')" > PEERS/$peer/lib/python3.11/site-packages/torch.pth
        PEERS/$peer/bin/pip install $peer 'setuptools<70'
    done
    python benchmarks/embed_peers.py organisms/images --peers PEERS
    python benchmarks/embed_peers.py organisms/images --peers PEERS --only pybioclip --pictures 500

Each peer has an environment of its own, which takes torch and whatever else fits from this one; what does not fit is installed anew
(clip-retrieval wants numpy 1, pyarrow 15 and open_clip 2, rclip Pillow 12). Nothing of them comes into this environment.

clip-retrieval and pybioclip load the checkpoint of `tiny`. rclip knows one model, a ViT-B-32 for 256 px in ONNX that it would download, but
takes what lies in its folder: here one with random weights, which computes at the speed of a trained one, and `tiny` for 256 px; ours
reads the same weights from a checkpoint folder, with graphs beside them, as `train` writes it. Ours is `cladescope embed`.

Pictures are the first of the folder whose files are all different. `a second` is of the whole command; `after start-up` of all but the
first --first pictures, from a command that embeds only these. The ratios are ours over the fastest of the peer's settings. Medians of
--rounds rounds, in which all commands run in turn. Last the vectors are compared file by file: `cosine` is the least to ours of the first line.

Three things are done for the peers (`embed_peers_run.py`). clip-retrieval and pybioclip leave a model in training mode, where the batch norms of
`tiny` take the statistics of each batch: it is put into evaluation mode. clip-retrieval takes weights of a file (`open_clip:NAME/FILE`), but no folder: its
configuration is registered as NAME, with the mean and deviation of its pixels. Otherwise they are run as they come, and beside that in batches of
64 with two workers, as ours.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from embed_peers_weights import READERS, WEIGHTS, large_tiny, random_vit, rclip_models
from side_by_side import in_turn, machine, print_table, seconds

from cladescope.embedding.shipped import shipped_folder

RUN = str(Path(__file__).with_name("embed_peers_run.py"))
OURS = "cladescope"
GROUPS = ("clip-retrieval", "pybioclip", "rclip, tiny", "rclip, ViT-B-32")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One program with its settings and weights."""

    group: str
    program: str
    """A key of `READERS`, too."""
    settings: str
    command: Callable[[Path, Path], list[str]]
    """From a folder of pictures and one for the outcome."""

    @property
    def name(self) -> str:
        return f"{self.group}: {self.program} {self.settings}"


def first_pictures(source: Path, folder: Path, n: int) -> Path:
    """Copies of the first JPEGs of a folder and those below whose files are all different."""
    folder.mkdir()
    seen: set[bytes] = set()
    for path in sorted(source.rglob("*.jpg")):
        digest = hashlib.blake2b(path.read_bytes()).digest()
        if len(seen) < n and digest not in seen:
            shutil.copyfile(path, folder / f"{len(seen):06}.jpg")
            seen.add(digest)
    return folder


def ours(encoder: str | Path, *settings: str) -> Callable[[Path, Path], list[str]]:
    """`cladescope embed`."""
    start = [sys.executable, "-c", "from cladescope.app.main import main; main()", "embed"]
    return lambda pictures, out: [
        *start, str(pictures), "--store", str(out / "store"), "--encoder", str(encoder), *settings
    ]  # fmt: skip


def clip_retrieval(python: str, *settings: str) -> Callable[[Path, Path], list[str]]:
    """`clip-retrieval inference`."""
    folder = shipped_folder("tiny")
    model = ["--clip_model", f"open_clip:{folder.name}/{folder / WEIGHTS}", "--enable_text", "False"]
    return lambda pictures, out: [
        python, RUN, "clip-retrieval", str(folder), "inference", "--input_dataset", str(pictures), "--output_folder", str(out), *model, *settings
    ]  # fmt: skip


def pybioclip(python: str, *settings: str) -> Callable[[Path, Path], list[str]]:
    """`bioclip embed`."""
    folder = shipped_folder("tiny")
    return lambda pictures, out: [
        python, RUN, "pybioclip", str(folder), "embed", "--model", f"local-dir:{folder}", "--output", str(out / "vectors.json"),
        *settings, *map(str, sorted(pictures.iterdir()))
    ]  # fmt: skip


def rclip(python: str, models: Path, *settings: str) -> Callable[[Path, Path], list[str]]:
    """`rclip` indexes the folder that it is in, then searches; asked for a picture it encodes no text."""

    def command(pictures: Path, out: Path) -> list[str]:
        shutil.copytree(models, out, symlinks=True, dirs_exist_ok=True)
        return [python, "-m", "rclip", str(min(pictures.iterdir())), "--top", "1", *settings]

    return command


def contenders(peers: Path, groups: list[str], folder: Path) -> Iterator[Contender]:
    """Ours and the peer of each group."""

    def python(peer: str) -> str:
        return str(peers.absolute() / peer / "bin" / "python")

    for group in groups:
        one = partial(Contender, group=group, program=group.partition(",")[0])
        our = partial(Contender, group=group, program=OURS)
        if group == "clip-retrieval":
            yield our(settings="defaults", command=ours("tiny"))
            yield one(settings="defaults", command=clip_retrieval(python(group)))
            like = ["--batch_size", "64", "--num_prepro_workers", "2"]
            yield one(settings="batch 64, 2 workers", command=clip_retrieval(python(group), *like))
        elif group == "pybioclip":
            yield our(settings="defaults", command=ours("tiny"))
            yield one(settings="defaults", command=pybioclip(python(group)))
            yield one(settings="batch 64", command=pybioclip(python(group), "--batch-size", "64"))
        else:
            is_tiny = group == "rclip, tiny"
            weights = large_tiny(folder / "tiny-256") if is_tiny else random_vit(folder / "ViT-B-32-256")
            models = rclip_models(weights, folder / f"rclip-{weights.name}")
            yield our(settings="defaults", command=ours(weights))
            if not is_tiny:
                yield our(settings="torch", command=ours(weights, "--runtime", "torch"))
                more = ["--runtime", "openvino", "--precision", "bf16"]
                yield our(settings="OpenVINO, bf16", command=ours(weights, *more))
            yield one(settings="defaults", command=rclip(python("rclip"), models))
            like = ["--indexing-batch-size", "64"]
            yield one(settings="batch 64", command=rclip(python("rclip"), models, *like))


def run(contender: Contender, pictures: Path, out: Path, caches: Path) -> float:
    """Seconds of a command, whose outcome stays in `out`; what programs keep for a user goes to `caches`."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    command = contender.command(pictures, out)
    where = {"XDG_CACHE_HOME": str(caches), "RCLIP_DATADIR": str(out), "HF_HUB_OFFLINE": "1", "WANDB_MODE": "disabled"}
    log = out.with_suffix(".log")
    status: list[int] = []
    with log.open("w") as stream:
        call = partial(subprocess.run, command, cwd=pictures, env={**os.environ, **where}, stdout=stream, stderr=stream)
        took = seconds(lambda: status.append(call().returncode))
    if status != [0]:
        raise SystemExit(f"{contender.name} ended with status {status[0]}: {log.read_text()[-2000:]}")
    return took


def vectors_of(contender: Contender, out: Path, n: int) -> dict[str, np.ndarray]:
    """The vectors of a run by file, of length 1. All n must be there."""
    found = dict(READERS[contender.program](out))
    if len(found) != n:
        raise SystemExit(f"{contender.name} has vectors of {len(found)} pictures, expected {n}")
    return {Path(file).name: vector / np.linalg.norm(vector) for file, vector in found.items()}


def table(group: list[Contender], took: dict[str, float], n: int, n_first: int, outs: Path) -> list[list[str]]:
    """The lines of one group, ours first."""
    rates = {
        one.name: (n / took[one.name], (n - n_first) / (took[one.name] - took[f"{one.name}, first"])) for one in group
    }
    best = [max(rates[one.name][side] for one in group if one.program != OURS) for side in (0, 1)]
    wanted = vectors_of(group[0], outs / group[0].name, n)
    lines = []
    for one in group:
        found = vectors_of(one, outs / one.name, n)
        ratios = [
            f"{rate / most:.1f}x" if one.program == OURS else ""
            for rate, most in zip(rates[one.name], best, strict=True)
        ]
        cosine = min(float(wanted[file] @ found[file]) for file in wanted)
        whole, after = (f"{rate:.1f}" for rate in rates[one.name])
        lines.append(
            [one.group, f"{one.program}, {one.settings}", f"{n:,}", whole, ratios[0], after, ratios[1], f"{cosine:.5f}"]
        )
    return lines


def main() -> None:
    """Make pictures and weights, run all in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="folder of JPEGs")
    parser.add_argument("--peers", type=Path, required=True, help="folder of the peers' environments")
    parser.add_argument(
        "--only", nargs="+", choices=GROUPS, default=list(GROUPS), metavar="GROUP", help=", ".join(map(repr, GROUPS))
    )
    parser.add_argument("--pictures", type=int, default=2000, help="default: %(default)s")
    parser.add_argument("--vit-pictures", type=int, default=400, help="for the ViT (default: %(default)s)")
    parser.add_argument("--first", type=int, default=64, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    options = parser.parse_args()
    start = machine()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        all_of_them = list(contenders(options.peers, options.only, folder))
        sizes = {group: options.vit_pictures if "ViT" in group else options.pictures for group in options.only}
        pictures = {n: first_pictures(options.source, folder / str(n), n) for n in {options.first, *sizes.values()}}
        works: dict[str, Callable[[], float]] = {}
        for one in all_of_them:
            few = partial(run, one, pictures[options.first], folder / "first" / one.name, folder / "caches")
            few()
            works[f"{one.name}, first"] = few
            works[one.name] = partial(
                run, one, pictures[sizes[one.group]], folder / "all" / one.name, folder / "caches"
            )
        took = in_turn(works, rounds=options.rounds)
        print(f"{start}; medians of {options.rounds} rounds\n")
        lines = [
            line
            for group, n in sizes.items()
            for line in table(
                [one for one in all_of_them if one.group == group], took, n, options.first, folder / "all"
            )
        ]
        print_table(["beside", "program", "pictures", "a second", "ratio", "after start-up", "ratio", "cosine"], lines)


if __name__ == "__main__":
    main()
