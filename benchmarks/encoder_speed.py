"""Speed of encoders on this machine: pictures and texts a second in batches, and milliseconds for one picture.

python benchmarks/encoder_speed.py photo.jpg --encoder tiny --encoder pixels

`one picture` is from its bytes to its vector: decoding, resizing, encoding. Batches of 64 are encoded as they come from
the image transform. Medians over the rounds, in which all run in turn.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from side_by_side import in_turn, machine, print_table, seconds

from cladescope.embedding.encoder import Encoder

BATCH = 64
SINGLE = 16
"""Single pictures a round."""
TEXTS = [f"a photo of Animalia Chordata Aves Passeriformes Paridae Parus number {n}." for n in range(BATCH)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path, help="whose bytes are decoded for `one picture`")
    parser.add_argument("--encoder", action="append", help="repeatable (default: tiny and pixels)")
    parser.add_argument("--precision", nargs="+", choices=("fp32", "bf16"), default=["fp32", "bf16"])
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    options = parser.parse_args()
    data = options.picture.read_bytes()
    start = machine()
    work, names = {}, []
    for name in options.encoder or ["tiny", "pixels"]:
        for precision in ["auto"] if name == "pixels" else options.precision:
            encoder = Encoder.load(name, precision=precision)
            size = encoder.transform.size
            batch = np.random.default_rng(0).integers(0, 255, (BATCH, size, size, 3), np.uint8)
            label = name if precision == "auto" else f"{name}, {precision}"
            names.append(label)
            work[f"{label} batch"] = partial(encoder.encode_pixels, batch)
            work[f"{label} single"] = partial(lambda one: [one.encode_images([data]) for _ in range(SINGLE)], encoder)
            if encoder.card.has_text:
                work[f"{label} texts"] = partial(encoder.encode_texts, TEXTS)
    for task in work.values():
        task()
    took = in_turn({key: partial(seconds, task) for key, task in work.items()}, rounds=options.rounds)
    rows = [
        [
            label,
            f"{BATCH / took[f'{label} batch']:.0f}",
            f"{1000 * took[f'{label} single'] / SINGLE:.1f}",
            f"{BATCH / took[f'{label} texts']:.0f}" if f"{label} texts" in took else "-",
        ]
        for label in names
    ]
    print(f"{start}; medians of {options.rounds} rounds\n")
    print_table(["encoder", "pictures/s", "one picture, ms", "texts/s"], rows)


if __name__ == "__main__":
    main()
