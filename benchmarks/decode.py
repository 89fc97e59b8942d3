"""Encoded pictures to an encoder's input: our way beside open_clip's own with Pillow, in milliseconds, by stages, and how alike the vectors are.

python benchmarks/decode.py
python benchmarks/decode.py --pictures organisms/images --encoder tiny --rounds 3

`open_clip` opens the bytes with Pillow and applies `open_clip.image_transform_v2` for 224 px: a float tensor comes out. `ours` decodes,
transforms and normalises, one picture at a time and in one thread as well; `faster` is their ratio. In a job pictures are normalised
by the batch. The columns behind are parts of `ours`: `pixels` is `decode`, `transform` resizing and cropping, `normalise`; and what
a job does besides with the file: `hash` (its content hash) and `tags` (what is written into it). Each figure is the median over the
rounds, in which all ways run in turn over the same pictures.

Pictures are noise of which half the amplitude is lost with each doubled frequency, as in photographs, with the grain of a sensor; with
--pictures they are photographs of that folder, enlarged, with that grain. All are encoded anew.

Resizing is compiled before it is timed, as in a job of some hundred pictures.

With --encoder a second table says how alike the vectors of the two ways are: the least and the median cosine, for a crop of the
middle and for the whole picture squashed.
"""

import argparse
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from side_by_side import in_turn, machine, print_table, seconds

from cladescope.embedding.decode import decode
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.picture_tags import tags_of
from cladescope.embedding.prepare import content_hash
from cladescope.embedding.resampling import COMPILED_AFTER, resampled
from cladescope.embedding.transform import ImageTransform

SIDE = 224
SIZES = {"500 px": (500, 375), "1 megapixel": (1155, 866), "3 megapixels": (2048, 1536), "12 megapixels": (4000, 3000)}
WAYS: dict[str, dict[str, Any]] = {
    "JPEG": {"format": "JPEG", "quality": 90},
    "JPEG, progressive": {"format": "JPEG", "quality": 90, "progressive": True},
    "PNG": {"format": "PNG"},
    "WebP": {"format": "WEBP", "quality": 85},
}
RESIZES = {"crop": "shortest", "squash": "squash"}
"""Ours and open_clip's words."""
GRAIN = 6.0
"""Standard deviation of a sensor's noise, of 255 levels."""
PIXELS_OF_A_ROUND = 12_000_000
"""Of each size as many pictures as have so many pixels together, at least two and at most twelve."""


def main() -> None:
    """Make the pictures, measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, help="folder of photographs to enlarge")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--encoder", help="compare its vectors too")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for _ in range(COMPILED_AFTER + 1):
        resampled(Image.new("RGB", (8, 8)), (4, 4), (0, 0, 4, 4), "bicubic")
    print(f"{machine()}\n")
    files = {
        (way, size): [encoded(image, **WAYS[way]) for image in images(SIZES[size], options.pictures)]
        for size in options.sizes
        for way in options.ways
    }
    head = ["file", "KiB", "open_clip, ms", "ours, ms", "faster", "pixels", "transform", "normalise", "hash", "tags"]
    print_table(head, [timed(f"{way}, {size}", data, options.rounds) for (way, size), data in files.items()])
    if options.encoder:
        encoder = Encoder.load(options.encoder)
        print()
        rows = [alike(f"{way}, {size}", data, encoder) for (way, size), data in files.items()]
        print_table(["file", "crop, least", "median", "squash, least", "median"], rows)


def images(size: tuple[int, int], folder: Path | None = None) -> list[Image.Image]:
    """Pictures of a size, pixels across and down."""
    n = max(2, min(12, PIXELS_OF_A_ROUND // (size[0] * size[1])))
    paths = sorted(path for path in folder.rglob("*") if path.is_file()) if folder is not None else []
    found = []
    for number in range(n):
        rng = np.random.default_rng(number)
        if paths:
            image = Image.open(paths[number * len(paths) // n]).convert("RGB").resize(size, Image.Resampling.LANCZOS)
        else:
            image = clouds(size, rng)
        grain = rng.normal(0, GRAIN, (size[1], size[0], 1)).astype(np.float32)
        found.append(Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)))
    return found


def clouds(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Noise whose amplitude falls with its frequency, in three colours that go together, as those of photographs do."""
    width, height = size
    frequency = np.hypot(np.fft.fftfreq(height)[:, None] * height / width, np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    layers = []
    for _ in range(3):
        phase = np.exp(2j * np.pi * rng.random(frequency.shape, np.float32))
        layer = np.fft.irfft2(phase / frequency, s=(height, width))
        layers.append(layer / layer.std())
    grey, red, blue = layers
    colours = np.stack([grey + 0.4 * red, grey, grey + 0.4 * blue], axis=-1)
    return Image.fromarray(np.clip(120 + 55 * colours, 0, 255).astype(np.uint8))


def encoded(image: Image.Image, **options: Any) -> bytes:
    """The picture as a file."""
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def timed(name: str, files: Sequence[bytes], rounds: int) -> list[str]:
    """A row of the first table."""
    theirs = image_transform_v2(PreprocessCfg(size=SIDE), is_train=False)
    transform = ImageTransform.from_open_clip(PreprocessCfg(size=SIDE))
    pictures = [decode(data, min_side=transform.min_side).image for data in files]
    pixels = [transform.apply(image)[None] for image in pictures]
    parts: dict[str, tuple[Callable[[Any], object], Sequence[Any]]] = {
        "open_clip": (lambda data: theirs(Image.open(io.BytesIO(data))), files),
        "ours": (lambda data: transform.normalise(ours(data, transform)[None]), files),
        "pixels": (lambda data: decode(data, min_side=transform.min_side), files),
        "transform": (transform.apply, pictures),
        "normalise": (transform.normalise, pixels),
        "hash": (content_hash, files),
        "tags": (tags_of, files),
    }
    took = in_turn({part: partial(run, work, things) for part, (work, things) in parts.items()}, rounds=rounds)
    each = {part: f"{1000 * value / len(files):.2f}" for part, value in took.items()}
    size = sum(map(len, files)) / len(files) / 1024
    whole = [each.pop("open_clip"), each.pop("ours"), f"{took['open_clip'] / took['ours']:.1f}x"]
    return [name, f"{size:.0f}", *whole, *each.values()]


def run(work: Callable[[Any], object], things: Sequence[Any]) -> float:
    """Seconds of the work on all things."""
    return seconds(lambda: [work(thing) for thing in things])


def ours(data: bytes, transform: ImageTransform) -> np.ndarray:
    """An encoder's input by our way."""
    picture = decode(data, min_side=transform.min_side)
    return transform.apply(picture.image, picture.box)


def theirs_by(data: bytes, transform: ImageTransform) -> np.ndarray:
    """The same by open_clip's, back in eight bits."""
    config = PreprocessCfg(
        size=transform.size, mean=transform.mean, std=transform.std, resize_mode=RESIZES[transform.resize],
        interpolation=transform.interpolation,
    )  # fmt: skip
    normalised = image_transform_v2(config, is_train=False)(Image.open(io.BytesIO(data))).numpy().transpose(1, 2, 0)
    levels: np.ndarray = np.rint((normalised * transform.std + transform.mean) * 255).astype(np.uint8)
    return levels


def alike(name: str, files: Sequence[bytes], encoder: Encoder) -> list[str]:
    """A row of the second table."""
    row = [name]
    for resize in RESIZES:
        found = cosines(files, encoder, resize)
        row += [f"{found.min():.5f}", f"{np.median(found):.5f}"]
    return row


def cosines(files: Sequence[bytes], encoder: Encoder, resize: str) -> np.ndarray:
    """Of each picture, between the vectors of the two ways."""
    transform = replace(encoder.transform, resize=resize)  # type: ignore[arg-type]
    one, other = (
        encoder.encode_pixels(np.stack([way(data) for data in files]))
        for way in (partial(ours, transform=transform), partial(theirs_by, transform=transform))
    )
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    found: np.ndarray = np.einsum("nd,nd->n", one, other) / lengths
    return found


if __name__ == "__main__":
    main()
