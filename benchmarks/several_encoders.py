"""Several encoders in one pass beside a pass each: the same vectors, and the time of both.

python benchmarks/several_encoders.py
python benchmarks/several_encoders.py photos/ --encoder tiny --encoder hf-hub:imageomics/bioclip-2 --limit 500

Without SOURCE, camera-sized JPEGs (12 megapixels) are made of simulated organisms, enlarged, with grain. Each contender embeds
them into fresh stores; encoders are loaded before. Of each the median over the rounds, in which all run in turn.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from side_by_side import in_turn, machine, print_table, seconds

import cladescope
from cladescope.embedding.encoder import Encoder
from cladescope.simulation import SimulationConfig, simulate

SIZE = (4000, 3000)


def camera_pictures(folder: Path, n: int) -> Path:
    """JPEGs as a camera writes them, of simulated organisms."""
    generator = np.random.default_rng(0)
    simulate(folder / "clades", SimulationConfig(species=n, images=1, size=256, seed=0))
    (folder / "photos").mkdir()
    for number, path in enumerate(sorted(folder.glob("clades/images/*/*.jpg"))):
        large = np.asarray(Image.open(path).resize(SIZE, Image.Resampling.BICUBIC), np.int16)
        grain = generator.normal(0, 6, (SIZE[1], SIZE[0], 1))
        picture = Image.fromarray(np.clip(large + grain, 0, 255).astype(np.uint8))
        picture.save(folder / "photos" / f"{number:04}.jpg", quality=92)
    return folder / "photos"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", type=Path)
    parser.add_argument("--encoder", action="append")
    parser.add_argument("--pictures", type=int, default=200, help="pictures to make, without SOURCE")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        source = options.source or camera_pictures(folder, options.pictures)
        encoders = [Encoder.load(name) for name in options.encoder or ["tiny", "pixels"]]
        made, counts = iter(range(10_000)), []

        def embedded(chosen: list[Encoder]) -> None:
            done = cladescope.embed(source, folder / f"s{next(made)}", encoder=chosen, limit=options.limit)
            counts.append(done.embedded)

        contenders = {
            "a pass each": lambda: sum(seconds(lambda one=one: embedded([one])) for one in encoders),
            "one pass": lambda: seconds(lambda: embedded(encoders)),
            **{f"{one.card.name} alone": (lambda one=one: seconds(lambda: embedded([one]))) for one in encoders},
        }
        found = in_turn(contenders, rounds=options.rounds)
        assert len(set(counts)) == 1
        rows = [[name, f"{took:.1f}", f"{counts[0] / took:.1f}"] for name, took in found.items()]
        print_table([f"{counts[0]:,} pictures", "s", "pictures/s"], rows)


if __name__ == "__main__":
    main()
