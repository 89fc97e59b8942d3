"""Made-up photographs: soft shapes in colours, of which no two are alike, as files."""

import numpy as np
from PIL import Image, ImageFilter


def photograph(seed, size=(240, 180)):
    """Blurred noise of several scales with shapes on it: light and shade, and detail."""
    rng = np.random.default_rng(seed)
    width, height = size
    total = np.zeros((height, width, 3))
    for cells, weight in ((4, 1.0), (12, 0.6), (40, 0.4)):
        small = Image.fromarray(rng.integers(0, 255, (cells, cells, 3), dtype=np.uint8))
        total += weight * np.asarray(small.resize(size, Image.Resampling.BICUBIC), np.float64)
    picture = Image.fromarray((total / 2.0).clip(0, 255).astype(np.uint8))
    return picture.filter(ImageFilter.GaussianBlur(0.7))


def photographs(folder, n, first=0):
    """Photographs as JPEG files `0.jpg`, `1.jpg`, ..."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}.jpg" for number in range(n)]
    for number, path in enumerate(paths):
        photograph(first + number).save(path, quality=92)
    return paths


def gravel(seed, side=150):
    """Fine grains, all over, and hardly any coarser light and shade."""
    rng = np.random.default_rng(seed)
    grains = Image.fromarray(rng.integers(0, 256, (side, side)).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1))
    light = Image.fromarray(rng.integers(0, 256, (5, 5)).astype(np.uint8)).resize(
        (side, side), Image.Resampling.BICUBIC
    )
    fine, coarse = ((np.asarray(one, float) - np.mean(one)) / np.std(one) for one in (grains, light))
    return Image.fromarray((128 + 35 * fine + 10 * coarse).clip(0, 255).astype(np.uint8)).convert("RGB")
