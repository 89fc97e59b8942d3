"""An embedding job, end to end, against the encoder's own forward pass alone: pictures a second, side by side.

python benchmarks/embed.py
python benchmarks/embed.py photos/metadata.csv --encoder hf-hub:imageomics/bioclip-2 --limit 256

`job` reads, decodes, resizes, encodes and commits into a fresh store. `forward` encodes the same pictures, decoded and
resized beforehand, in the same batches; `decode` is the rest of the work, reading to resizing, in the job's number of
threads without an encoder. Of each, the median over the rounds, in which all three run in turn.

`job/forward` is the figure to look at: 100 % would be a job that costs no more than its encoder. Where encoder and decoding
share the processor it cannot get past `at most`, 1 / (1 + forward/decode), for the same cores do both; on a GPU it can.
`in encoder` is the share of the job's time in which the main thread was inside the encoder; the threads decode meanwhile.
The first picture of the job waits for a whole batch to be decoded, so few pictures make the job look slower than it is.

An encoder is given as many pictures as its forward pass alone should encode in --seconds, up to --limit, by a trial of
16 pictures, and at least two batches. One that needs more than three times as long for these gets the trial's figure and
no more: bf16 on a processor that cannot compute in it, for instance.

Loading the encoder is not timed. Without SOURCE, simulated clades are drawn first. Without --encoder, `pixels` and a
ViT-S-32 of open_clip with random weights, which computes at the speed of a trained one.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import open_clip
import torch
from safetensors.torch import save_file
from side_by_side import in_turn, machine, print_table, seconds

from cladescope.embedding.encoder import Encoder, Precision
from cladescope.embedding.pipeline import EmbedConfig, EmbedSummary, embed
from cladescope.embedding.prepare import Failure, Prepared, prepare
from cladescope.embedding.records import Record, Source
from cladescope.embedding.sources import open_source
from cladescope.index.store import Store
from cladescope.simulation import SimulationConfig, simulate

RANDOM_MODEL = "ViT-S-32"
PROBE, TRIALS = 16, 3
"""Pictures of a trial, and trials of which the fastest counts."""
PATIENCE = 3
"""An encoder is left out where two batches take more than so many times --seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One encoder and the pictures that it is measured on."""

    encoder: Encoder
    source: Source
    config: EmbedConfig
    rate: float
    """Pictures a second of the trial."""
    records: list[Record]
    """Those whose picture can be read and differs from the ones before: what the job encodes."""
    pixels: list[np.ndarray]
    """Their batches, ready for the encoder."""
    folder: Path
    summaries: list[EmbedSummary]
    """One of each run of the job."""


def write_random_model(folder: Path, *, seed: int, name: str = RANDOM_MODEL) -> Path:
    """A checkpoint folder of a model of open_clip with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = open_clip.create_model(name, pretrained=None)
    folder.mkdir()
    config = {
        "model_cfg": open_clip.get_model_config(name),
        "preprocess_cfg": {"mean": open_clip.OPENAI_DATASET_MEAN, "std": open_clip.OPENAI_DATASET_STD},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    return folder


def prepare_work(encoder: Encoder, source: Source, config: EmbedConfig, folder: Path, *, budget: float) -> Work:
    """Choose by a trial how many pictures to encode in `budget` seconds, and decode them: 3 size^2 bytes a picture."""
    pictures = _distinct(encoder, source, replace(config, limit=PROBE))
    trial = np.stack([picture.pixels for picture in pictures])
    encoder.encode_pixels(trial)
    rate = len(trial) / min(seconds(lambda: encoder.encode_pixels(trial)) for _ in range(TRIALS))
    two = 2 * config.batch_size
    n_batches = max(int(rate * budget), two) // config.batch_size if two / rate <= PATIENCE * budget else 0
    config = replace(config, limit=min(config.limit or n_batches, n_batches * config.batch_size))
    pictures = _distinct(encoder, source, config) if n_batches else []
    batches = [pictures[start : start + config.batch_size] for start in range(0, len(pictures), config.batch_size)]
    return Work(
        encoder=encoder,
        source=source,
        config=config,
        rate=rate,
        records=[picture.record for picture in pictures],
        pixels=[np.stack([picture.pixels for picture in batch]) for batch in batches],
        folder=folder,
        summaries=[],
    )


def _distinct(encoder: Encoder, source: Source, config: EmbedConfig) -> list[Prepared]:
    found: dict[str, Prepared] = {}
    for item in _prepared(islice(source.records(), config.limit), encoder, config):
        if isinstance(item, Prepared):
            found.setdefault(item.content_hash, item)
    return list(found.values())


def _prepared(records: Iterator[Record], encoder: Encoder, config: EmbedConfig) -> Iterator[Prepared | Failure]:
    with ThreadPoolExecutor(config.workers) as pool:
        yield from pool.map(lambda record: prepare(record, encoder.transform), records)


def run_job(work: Work) -> float:
    """Seconds of a job into a fresh store, which is deleted again."""
    with tempfile.TemporaryDirectory(dir=work.folder) as folder:

        def job() -> None:
            store = Store.create(Path(folder) / "store", work.encoder.card)
            work.summaries.append(embed(work.source, work.encoder, store, work.config))

        return seconds(job)


def run_forward(work: Work) -> float:
    """Seconds of the forward pass over all batches."""
    return seconds(lambda: [work.encoder.encode_pixels(batch) for batch in work.pixels])


def run_decode(work: Work) -> float:
    """Seconds of reading, decoding and resizing the same pictures."""
    return seconds(lambda: sum(1 for _ in _prepared(iter(work.records), work.encoder, work.config)))


def contenders(works: dict[str, Work]) -> dict[str, Callable[[], float]]:
    """Every measure of every encoder that is not too slow, those of one encoder beside each other."""
    kinds = {"job": run_job, "forward": run_forward, "decode": run_decode}
    measured = {name: work for name, work in works.items() if work.records}
    return {f"{name} {kind}": partial(run, work) for name, work in measured.items() for kind, run in kinds.items()}


def row(name: str, work: Work, took: dict[str, float]) -> list[str]:
    n = len(work.records)
    if not n:
        return [name, str(PROBE), "-", f"{work.rate:.1f}", "-", "-", "-", "-"]
    job, forward, decode = (n / took[f"{name} {kind}"] for kind in ("job", "forward", "decode"))
    share = statistics.median(summary.encode_seconds / summary.seconds for summary in work.summaries)
    percent = [f"{100 * value:.0f} %" for value in (job / forward, 1 / (1 + forward / decode), share)]
    return [name, str(n), f"{job:.1f}", f"{forward:.1f}", f"{decode:.0f}", *percent]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", help="folder, manifest or shards (default: simulated clades)")
    parser.add_argument(
        "--encoder", action="append", help=f"repeatable (default: pixels, and {RANDOM_MODEL} at random)"
    )
    parser.add_argument("--precision", nargs="+", choices=("fp32", "bf16"), default=["fp32", "bf16"])
    parser.add_argument("--limit", type=int, default=512, help="most pictures (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10, help="of a forward pass (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=EmbedConfig.batch_size, help="default: %(default)s")
    parser.add_argument("--workers", type=int, default=EmbedConfig.workers, help="threads (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    options = parser.parse_args()
    config = EmbedConfig(batch_size=options.batch_size, workers=options.workers, limit=options.limit)
    start = machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = None
        if options.source is None:
            size = SimulationConfig(species=16, images=max(options.limit // 16, 1))
            made = simulate(folder / "clades", size, workers=2)
        source = open_source(made or options.source)
        random_model = None if options.encoder else str(write_random_model(folder / RANDOM_MODEL, seed=0))
        works = {}
        for encoder_name in options.encoder or ["pixels", random_model]:
            precisions: list[Precision] = ["auto"] if encoder_name == "pixels" else options.precision
            for precision in precisions:
                encoder = Encoder.load(encoder_name, precision=precision)
                label = f"{RANDOM_MODEL}, random" if encoder_name == random_model else encoder_name
                label += "" if precision == "auto" else f", {precision}"
                works[label] = prepare_work(encoder, source, config, folder, budget=options.seconds)
        took = in_turn(contenders(works), rounds=options.rounds)
        print(
            f"{start}; batches of {config.batch_size}, {config.workers} threads, medians of {options.rounds} rounds\n"
        )
        header = ["encoder", "pictures", "job, a second", "forward", "decode", "job/forward", "at most", "in encoder"]
        print_table(header, [row(name, work, took) for name, work in works.items()])


if __name__ == "__main__":
    main()
