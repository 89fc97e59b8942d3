"""Duplicates that were planted among real photographs: how many are found, and which pairs are found that were not planted.

python benchmarks/planted_duplicates.py ../shared/data/organisms --photos 200 --planted 21 --sheet others.png
python benchmarks/planted_duplicates.py ../shared/data/organisms --photos 6000 --planted 600 --half all

Copies are resized, saved anew as JPEG of low quality, cropped (half to nine tenths of the area, from any place), mirrored or recoloured
(greyed; brightness, contrast and saturation changed; or the colour of the light), a fifth each, and all are saved as JPEG once more.
Photographs are drawn from one half of the files by name: thresholds were chosen on the half `chosen`, so that `report` says what others get.
Every other pair that is found is listed and drawn: real collections hold duplicates of their own, and only an eye can tell.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps
from side_by_side import machine, print_table

import cladescope
from cladescope.analysis.audit.pair_files import draw_pairs

KINDS = ("resized", "saved anew", "cropped", "mirrored", "recoloured")
HALVES = {"chosen": slice(0, None, 2), "report": slice(1, None, 2), "all": slice(None)}


def photographs(folder: Path, half: str, n: int, rng: np.random.Generator) -> list[Path]:
    """Some photographs of a folder, drawn at random from one half of its files."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    files = files[HALVES[half]]
    return [files[place] for place in rng.permutation(len(files))[:n]]


def changed(picture: Image.Image, kind: str, rng: np.random.Generator) -> tuple[Image.Image, int]:
    """A copy of a picture, changed in one of the `KINDS`, and the JPEG quality to save it with."""
    width, height = picture.size
    if kind == "resized":
        scale = rng.uniform(0.4, 0.8) if min(width, height) > 120 else rng.uniform(1.3, 2.0)
        size = (round(width * scale), round(height * scale * rng.uniform(0.97, 1.03)))
        return picture.resize(size, Image.Resampling.BICUBIC), 88
    if kind == "saved anew":
        return picture, int(rng.integers(20, 60))
    if kind == "cropped":
        leaning = float(rng.uniform(-0.05, 0.05))
        kept = np.minimum(np.sqrt(rng.uniform(0.5, 0.9)) * np.exp([leaning, -leaning]), 1)
        across, down = round(width * kept[0]), round(height * kept[1])
        left, top = int(rng.integers(width - across + 1)), int(rng.integers(height - down + 1))
        return picture.crop((left, top, left + across, top + down)), 88
    if kind == "mirrored":
        return ImageOps.mirror(picture), 88
    return _recoloured(picture, rng), 88


def _recoloured(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    way = rng.integers(3)
    if way == 0:
        return ImageOps.grayscale(picture).convert("RGB")
    if way == 1:
        for what in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            picture = what(picture).enhance(rng.uniform(0.65, 1.4))
        return picture
    gains = rng.uniform(0.7, 1.25, 3)
    return Image.fromarray((np.asarray(picture) * gains).clip(0, 255).astype(np.uint8))


def planted(
    photos: list[Path], n: int, folder: Path, rng: np.random.Generator, kinds: Sequence[str] = KINDS
) -> dict[frozenset[str], str]:
    """Fill a folder with links to photographs and changed copies of the first n; the pairs of names that should be found, and how."""
    truth = {}
    for number, photo in enumerate(photos):
        name = f"{number:05}.jpg"
        (folder / name).symlink_to(photo.resolve())
        if number < n:
            kind = kinds[number % len(kinds)]
            copy = f"copy-{number:05}.jpg"
            with Image.open(photo) as opened:
                picture, quality = changed(opened.convert("RGB"), kind, rng)
            picture.save(folder / copy, quality=quality)
            truth[frozenset((name, copy))] = kind
    return truth


def main() -> None:
    """Plant, find, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="photographs, at any depth")
    parser.add_argument("--photos", type=int, default=200, help="default: %(default)s")
    parser.add_argument("--planted", type=int, default=21, help="default: %(default)s")
    parser.add_argument("--half", choices=HALVES, default="report", help="default: %(default)s")
    parser.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=KINDS, help="of copies; default: all, equally many"
    )
    parser.add_argument("--near", default="same", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheet", type=Path, help="draw the pairs that were not planted")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    photos = photographs(options.folder, options.half, options.photos, rng)
    with tempfile.TemporaryDirectory() as folder:
        truth = planted(photos, options.planted, Path(folder), rng, options.kinds)
        begun = time.perf_counter()
        found = cladescope.duplicates(folder, near=options.near)
        seconds = time.perf_counter() - begun
        likeness = {
            frozenset(Path(copy.uri).name for copy in (pair.keep, pair.other)): pair.likeness for pair in found.pairs
        }
        group = {Path(copy.uri).name: pair.group for pair in found.pairs for copy in (pair.keep, pair.other)}

        def is_found(pair: frozenset[str]) -> bool:
            """Whether both are in one group: each may be paired with a third picture, a real duplicate, that is kept."""
            return len({group.get(name, name) for name in pair}) == 1

        original = {f"{number:05}.jpg": photo for number, photo in enumerate(photos)}
        rows = []
        for kind in options.kinds:
            wanted = [pair for pair, one in truth.items() if one == kind]
            scores = [likeness[pair] for pair in wanted if pair in likeness]
            rows.append((kind, str(len(wanted)), str(sum(map(is_found, wanted))), f"{min(scores, default=np.nan):.3f}"))
        rows.append(("all", str(len(truth)), str(sum(map(is_found, truth))), ""))
        looked_at = f"{found.summary['candidates']:,} pairs looked at"
        print(f"{machine()}; {len(photos):,} photographs ({options.half}), {looked_at}")
        print_table(["copies", "planted", "found", "least likeness"], rows)
        others = [
            pair
            for pair in found.pairs
            if frozenset(Path(copy.uri).name for copy in (pair.keep, pair.other)) not in truth
        ]
        print(f"{seconds:.1f} s; pairs that were not planted: {len(others)}; unreadable: {len(found.unreadable)}")
        for pair in others:
            names = [str(original.get(Path(copy.uri).name, Path(copy.uri).name)) for copy in (pair.keep, pair.other)]
            print(f"  {pair.likeness:.3f}  {'  '.join(name.removeprefix(str(options.folder)) for name in names)}")
        if options.sheet and others:
            draw_pairs(others, options.sheet)


if __name__ == "__main__":
    sys.exit(main())
