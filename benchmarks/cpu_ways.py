"""In which way the cores of this machine compute an encoder fastest, and whether all ways give the same bits: a table of docs/benchmarks.md.

python benchmarks/cpu_ways.py
python benchmarks/cpu_ways.py --encoder tiny ViT-B-16 --runtime torch onnx --rounds 5

The ways are those that a long job of `embed` tries (`embedding.ways`), the first of each table is the one that it begins with. A batch of made-up pictures
goes through all of them in turn, in every second round in reverse order; `gain` is the median of the ratios within the rounds. `same bits` says whether
the vectors are those of the first way, else the lowest cosine to them. `tiny` is the encoder that ships, others are open_clip's with random weights.
"""

import argparse
import os
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import get_args

import numpy as np
from embed import write_random_model
from jaxtyping import UInt8
from side_by_side import machine, print_table, seconds

from cladescope.embedding.encoder import Encoder, Runtime
from cladescope.embedding.encoders.onnx_towers import lowest_cosine, probe_pictures
from cladescope.embedding.ways import HasWays


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--encoder", nargs="+", default=["tiny", "ViT-S-32", "ViT-B-32", "ViT-B-16"], help="default: %(default)s"
    )
    parser.add_argument(
        "--runtime",
        nargs="+",
        choices=get_args(Runtime),
        default=["torch", "onnx", "openvino"],
        help="default: %(default)s",
    )
    parser.add_argument("--batch", type=int, default=64, help="pictures a batch (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    options = parser.parse_args()
    print(f"{machine()}; batches of {options.batch}, medians of {options.rounds} rounds")
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_CACHE_HOME"] = place  # graphs that are made here are no user's
        for name in options.encoder:
            known = name if name == "tiny" else str(write_random_model(Path(place, name), seed=0, name=name))
            for runtime in options.runtime:
                encoder = Encoder.load(known, device="cpu", runtime=runtime)
                assert isinstance(encoder, HasWays), "a processor computes it"
                probes = probe_pictures(encoder.transform.size)
                batch = np.concatenate([probes] * -(-options.batch // len(probes)))[: options.batch]
                print(f"\n{name}, {runtime}\n")
                print_table(["way", "pictures/s", "gain", "same bits"], rows_of(encoder, batch, options.rounds))


def rows_of(encoder: HasWays, batch: UInt8[np.ndarray, "b h w 3"], rounds: int) -> list[list[str]]:
    """A line for each way, with the given one first."""
    ways = {way: encoder.in_way(way) for way in (encoder.default_way, *encoder.other_ways)}
    vectors = {way: compute(batch) for way, compute in ways.items()}
    took: dict[object, list[float]] = {way: [] for way in ways}
    for number in range(rounds):
        for way in list(ways)[:: 1 if number % 2 == 0 else -1]:
            took[way].append(seconds(partial(ways[way], batch)))
    default = encoder.default_way
    rows = []
    for way, times in took.items():
        gain = median(usual / one for usual, one in zip(took[default], times, strict=True))
        same = np.array_equal(vectors[way], vectors[default])
        told = "yes" if same else f"no, {lowest_cosine(vectors[way], vectors[default]):.9f}"
        rows.append([str(way), f"{len(batch) / median(times):.1f}", f"{gain:.2f}", told])
    return rows


if __name__ == "__main__":
    main()
