"""What share of its encoder's own best rate a job reaches, over photographs and over camera-sized JPEGs, in one run.

python benchmarks/pipeline.py organisms/metadata.csv
python benchmarks/pipeline.py organisms/metadata.csv --encoder tiny --pictures small

`best` is the highest of the forward rates in batches of --batches, over pixels in memory; `job` the whole of `embed` into a fresh
store; `decode` reading to resizing in the job's threads, without an encoder. Of each, the median over the rounds, in
which all run in turn. `at most` is about what two stages that fill the same cores can reach together, 1 / (1 + best/decode); an encoder that leaves
a core idle now and then lets the job come further, and on a GPU it does not bound. `bottleneck` is what the job itself says (`embed --profile`), with the share of its time.

Small pictures are those of SOURCE. Camera-sized ones are made of them: enlarged to 4000 x 3000, with the noise of a
sensor, as JPEG of quality 92; every one a file of its own, though after --distinct of them the pixels repeat.

Encoders: `tiny`, and ViT-S-32 and ViT-B-16 of open_clip with random weights, which compute at the speed of trained ones.
"""

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np
from embed import Work, prepare_work, run_decode, run_job, write_random_model
from PIL import Image
from side_by_side import in_turn, machine, print_table, seconds

from cladescope.embedding.encoder import Encoder
from cladescope.embedding.locations import read_bytes
from cladescope.embedding.pipeline import EmbedConfig
from cladescope.embedding.sources import open_source

ENCODERS = ("tiny", "ViT-S-32", "ViT-B-16")
CAMERA = (4000, 3000)
NOISE, QUALITY = 5.0, 92
"""Standard deviation of a sensor's noise in levels of 255, and JPEG quality."""


def write_camera_pictures(source: str, folder: Path, n: int, n_distinct: int) -> Path:
    """Camera-sized JPEGs made of the first pictures of a source."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    made: list[bytes] = []
    for record in islice(open_source(source).records(), min(n, n_distinct)):
        large = Image.open(BytesIO(read_bytes(record.uri))).convert("RGB").resize(CAMERA, Image.Resampling.BICUBIC)
        noise = generator.standard_normal((CAMERA[1], CAMERA[0], 1), dtype=np.float32) * NOISE
        noisy = np.clip(np.asarray(large, np.float32) + noise, 0, 255).astype(np.uint8)
        buffer = BytesIO()
        Image.fromarray(noisy).save(buffer, "JPEG", quality=QUALITY)
        made.append(buffer.getvalue())
    for number in range(n):
        data = made[number % len(made)]
        (folder / f"{number:05}.jpg").write_bytes(data[:2] + b"\xff\xfe\x00\x0a%08d" % number + data[2:])
    return folder


def forward(work: Work, batch_size: int) -> float:
    """Seconds of the forward pass over all pictures in batches of a size."""
    pixels = np.concatenate(work.pixels)
    batches = [pixels[start : start + batch_size] for start in range(0, len(pixels), batch_size)]
    return seconds(lambda: [work.encoder.encode_pixels(batch) for batch in batches])


def contenders(works: dict[str, Work], batches: list[int]) -> dict[str, Callable[[], float]]:
    """Job, decoding and the forward pass in several batches, of every encoder and kind of pictures."""
    found: dict[str, Callable[[], float]] = {}
    for name, work in works.items():
        found |= {f"{name} job": partial(run_job, work), f"{name} decode": partial(run_decode, work)}
        found |= {f"{name} {size}": partial(forward, work, size) for size in batches}
    return found


def row(name: str, work: Work, took: dict[str, float], batches: list[int]) -> list[str]:
    """The figures of one encoder over one kind of pictures."""
    n = len(work.records)
    job, decode = (n / took[f"{name} {kind}"] for kind in ("job", "decode"))
    size = min(batches, key=lambda size: took[f"{name} {size}"])
    best = n / took[f"{name} {size}"]
    stage = max(work.summaries[-1].stages, key=lambda one: one.share)
    return [
        name,
        f"{n:,}",
        f"{best:.1f} ({size})",
        f"{decode:.0f}",
        f"{job:.1f}",
        f"{100 * job / best:.0f} %",
        f"{100 / (1 + best / decode):.0f} %",
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
        encoder = Encoder.load(known)
        for kind in options.pictures:
            work = prepare_work(encoder, open_source(sources[kind]), config, folder, budget=options.seconds)
            if work.records:
                yield f"{name}, {kind}", work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="folder, manifest or shards")
    parser.add_argument("--encoder", nargs="+", default=list(ENCODERS), help="default: %(default)s")
    parser.add_argument("--pictures", nargs="+", choices=("small", "camera"), default=["small", "camera"])
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
    try:
        works = dict(works_of(options, folder))
        took = in_turn(contenders(works, options.batches), rounds=options.rounds)
        print(f"{start}; batches of {options.batch_size} in the job, medians of {options.rounds} rounds\n")
        header = ["encoder, pictures", "n", "best (batch)", "decode", "job", "job/best", "at most", "bottleneck"]
        print_table(header, [row(name, work, took, options.batches) for name, work in works.items()])
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
