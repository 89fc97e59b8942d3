"""What share of its encoder's own best rate a job reaches, over photographs and over camera-sized JPEGs, in one run.

python benchmarks/pipeline.py organisms/metadata.csv
python benchmarks/pipeline.py organisms/metadata.csv --encoder tiny --pictures small
python benchmarks/pipeline.py organisms/metadata.csv --encoder tiny ViT-S-32 --pictures camera --distinct 2000 --seconds 30

`best` is the highest of the forward rates in batches of --batches, over pixels in memory; `job` the whole of `embed` into a fresh
store; `decode` reading to resizing in the job's threads, without an encoder. Of each, the median over the rounds, in
which all run in turn. `bottleneck` is what the job itself says (`embed --profile`), with the share of its time.

`F + D` are the core-seconds of a picture's forward pass (in the batches of `best`) and of its decoding, each measured alone as the time that the process
had of all cores. So many cores can do `bound` = cores / (F + D) pictures a second at the most, whatever the pipeline does, and `job/bound` says what the
pipeline itself loses: cores that wait (`busy` is their share that worked during the job), and work that is neither or that becomes slower beside other work
(`core-ms`: what the job took of the cores for a picture). On a GPU none of this bounds.

Small pictures are those of SOURCE. Camera-sized ones are made of them: enlarged to 4000 x 3000, with the noise of a
sensor, as JPEG of quality 92, some 4 MB each in the folder for temporary files, deleted in the end; every one a file of its own, though after --distinct of them the pixels repeat.

Encoders: `tiny`, and ViT-S-32 and ViT-B-16 of open_clip with random weights, which compute at the speed of trained ones.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import get_args

import numpy as np
from embed import Work, prepare_work, run_decode, run_job, write_random_model
from PIL import Image
from side_by_side import in_turn, machine, n_cores, print_table, seconds

from cladescope.embedding.encoder import Encoder, Precision, Runtime
from cladescope.embedding.locations import read_bytes
from cladescope.embedding.pipeline import EmbedConfig
from cladescope.embedding.sources import open_source

ENCODERS = ("tiny", "ViT-S-32", "ViT-B-16")
CAMERA = (4000, 3000)
NOISE, QUALITY = 5.0, 92
"""Standard deviation of a sensor's noise in levels of 255, and JPEG quality."""


@cache
def _noise(width: int, height: int) -> np.ndarray:
    """A sensor's noise, larger than a picture, so that each takes another part of it."""
    return np.rint(np.random.default_rng(0).normal(0, NOISE, (height, width, 1))).astype(np.int16)


def write_camera_picture(uri: str, path: Path, number: int) -> None:
    """A camera-sized JPEG made of a picture; 12 million pixels take a third of a second."""
    large = Image.open(BytesIO(read_bytes(uri))).convert("RGB").resize(CAMERA, Image.Resampling.BICUBIC)
    (width, height), more = CAMERA, 512
    left, top = np.random.default_rng(number).integers(0, more, 2)
    noise = _noise(width + more, height + more)[top : top + height, left : left + width]
    noisy = np.clip(np.asarray(large, np.int16) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(path, "JPEG", quality=QUALITY)


def write_camera_pictures(source: str, folder: Path, n: int, n_distinct: int) -> Path:
    """Camera-sized JPEGs made of the first pictures of a source, by several threads."""
    folder.mkdir()
    uris = [record.uri for record in islice(open_source(source).records(), min(n, n_distinct))]
    paths = [folder / f"{number:05}.jpg" for number in range(n)]
    with ThreadPoolExecutor() as pool:
        made = pool.map(write_camera_picture, uris, paths[: len(uris)], range(len(uris)), chunksize=8)
        for number, _ in enumerate(made, start=1):
            if number % 100 == 0:
                print(f"{number} of {len(uris)} camera-sized pictures", file=sys.stderr)
    for number in range(len(uris), n):
        data = paths[number % len(uris)].read_bytes()
        paths[number].write_bytes(data[:2] + b"\xff\xfe\x00\x0a%08d" % number + data[2:])
    return folder


def forward(work: Work, batch_size: int) -> float:
    """Seconds of the forward pass over all pictures in batches of a size."""
    pixels = np.concatenate(work.pixels)
    batches = [pixels[start : start + batch_size] for start in range(0, len(pixels), batch_size)]
    return seconds(lambda: [work.encoder.encode_pixels(batch) for batch in batches])


def counted(run: Callable[[], float], spent: list[float]) -> float:
    """Seconds that it says; the core-seconds that the process, and children that ended, had of all cores are noted."""
    began = sum(os.times()[:4])
    took = run()
    spent.append(sum(os.times()[:4]) - began)
    return took


def contenders(works: dict[str, Work], batches: list[int]) -> dict[str, Callable[[], float]]:
    """Job, decoding and the forward pass in several batches, of every encoder and kind of pictures."""
    found: dict[str, Callable[[], float]] = {}
    for name, work in works.items():
        found |= {f"{name} job": partial(run_job, work), f"{name} decode": partial(run_decode, work)}
        found |= {f"{name} {size}": partial(forward, work, size) for size in batches}
    return found


def bound(forward: float, decode: float, cores: int) -> float:
    """Pictures a second that so many cores can do at the most, from the core-seconds of a picture's two parts.

    >>> bound(0.006, 0.002, cores=2)
    250.0
    """
    return cores / (forward + decode)


def row(name: str, work: Work, took: dict[str, float], spent: dict[str, list[float]], batches: list[int]) -> list[str]:
    """The figures of one encoder over one kind of pictures."""
    n, cores = len(work.records), n_cores()
    job, decode = (n / took[f"{name} {kind}"] for kind in ("job", "decode"))
    size = min(batches, key=lambda size: took[f"{name} {size}"])
    best = n / took[f"{name} {size}"]
    whole, coding, computing = (statistics.median(spent[f"{name} {kind}"]) / n for kind in ("job", "decode", size))
    most = bound(computing, coding, cores)
    stage = max(work.summaries[-1].stages, key=lambda one: one.share)
    return [
        name,
        f"{n:,}",
        f"{best:.1f} ({size})",
        f"{decode:.0f}",
        f"{job:.1f}",
        f"{100 * job / best:.0f} %",
        f"{1000 * computing:.2f} + {1000 * coding:.2f}",
        f"{most:.1f}",
        f"{100 * job / most:.0f} %",
        f"{1000 * whole:.2f}",
        f"{100 * job * whole / cores:.0f} %",
        f"{stage.stage}, {100 * stage.share:.0f} %",
    ]


def works_of(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Work]]:
    """Each encoder over each kind of pictures."""
    sources = {"small": options.source}
    if "camera" in options.pictures:
        sources["camera"] = str(
            write_camera_pictures(options.source, folder / "camera", options.limit, options.distinct)
        )
    config = EmbedConfig(limit=options.limit, batch_size=options.batch_size, workers=options.workers)
    for name in options.encoder:
        is_random = name not in ("tiny", "pixels")
        known = str(write_random_model(folder / name, seed=0, name=name)) if is_random else name
        encoder = Encoder.load(known, runtime=options.runtime, precision=options.precision)
        for kind in options.pictures:
            work = prepare_work(encoder, open_source(sources[kind]), config, folder, budget=options.seconds)
            if work.records:
                yield f"{name}, {kind}", work
            else:
                print(f"{name}, {kind}: left out, {work.rate:.1f} a second is too slow for --seconds", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="folder, manifest or shards")
    parser.add_argument("--encoder", nargs="+", default=list(ENCODERS), help="default: %(default)s")
    parser.add_argument("--pictures", nargs="+", choices=("small", "camera"), default=["small", "camera"])
    parser.add_argument("--runtime", choices=get_args(Runtime), default="auto", help="default: %(default)s")
    parser.add_argument("--precision", choices=get_args(Precision), default="auto", help="default: %(default)s")
    parser.add_argument("--limit", type=int, default=2000, help="most pictures (default: %(default)s)")
    parser.add_argument(
        "--distinct", type=int, default=24, help="camera pictures of other pixels (default: %(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=6, help="of a forward pass (default: %(default)s)")
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 64], help="default: %(default)s")
    parser.add_argument(
        "--batch-size", type=int, default=EmbedConfig.batch_size, help="of the job (default: %(default)s)"
    )
    parser.add_argument("--workers", type=int, default=EmbedConfig.workers, help="default: one per core")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    options = parser.parse_args()
    start = machine()
    folder = Path(tempfile.mkdtemp())
    os.environ["XDG_CACHE_HOME"] = str(folder / "caches")  # graphs that are made here are no user's
    try:
        works = dict(works_of(options, folder))
        runs = contenders(works, options.batches)
        spent: dict[str, list[float]] = {name: [] for name in runs}
        took = in_turn({name: partial(counted, run, spent[name]) for name, run in runs.items()}, rounds=options.rounds)
        print(f"{start}; batches of {options.batch_size} in the job, medians of {options.rounds} rounds\n")
        header = ["encoder, pictures", "n", "best (batch)", "decode", "job", "job/best"]
        header += ["F + D, core-ms", "bound", "job/bound", "core-ms", "busy", "bottleneck"]
        print_table(header, [row(name, work, took, spent, options.batches) for name, work in works.items()])
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
