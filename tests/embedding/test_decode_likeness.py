"""Vectors of what is decoded, reduced and resized our way are those of the encoder's own transform with Pillow."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from cladescope.embedding.encoder import Encoder
from tests.conftest import REPOSITORY
from tests.embedding.encoding import encode

ORGANISMS = REPOSITORY.parent / "shared/data/organisms/images"
LEAST = 0.999
CAMERA = [(500, 375), (1280, 960), (1344, 1800), (3600, 2700), (4000, 3000), (3585, 2689)]
"""Whole, whole, at half scale with hardly more than three times the side of `tiny`, and the same at a quarter; 12 megapixels; sides that are
no multiples of the scale."""


@pytest.fixture(scope="module")
def ways() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REPOSITORY / "benchmarks"))
        yield importlib.import_module("decode")


@pytest.fixture(scope="module")
def tiny() -> Encoder:
    return Encoder.load("tiny", device="cpu")


def photograph(size: tuple[int, int], ways: ModuleType) -> Image.Image:
    """Clouds as large as fast to make, enlarged, with the grain of a sensor."""
    rng = ways.np.random.default_rng(size[0])
    clouds = ways.clouds((size[0] // 4, size[1] // 4), rng).resize(size, Image.Resampling.BICUBIC)
    grain = rng.normal(0, ways.GRAIN, (size[1], size[0], 1)).astype(ways.np.float32)
    return Image.fromarray(ways.np.clip(ways.np.asarray(clouds) + grain, 0, 255).astype(ways.np.uint8))


@pytest.fixture(scope="module")
def camera(ways: ModuleType) -> list[bytes]:
    made = [photograph(size, ways) for size in CAMERA]
    return [
        encode(image, "JPEG", quality=quality) for image, quality in zip(made, (75, 90, 92, 90, 95, 90), strict=True)
    ]


@pytest.mark.parametrize("resize", ["crop", "squash"])
def test_pictures_of_a_camera_have_the_vectors_of_the_encoders_own_transform(
    resize: str, camera: list[bytes], ways: ModuleType, tiny: Encoder
) -> None:
    assert ways.cosines(camera, tiny, resize).min() >= LEAST


def test_the_pictures_of_a_camera_are_reduced_as_they_are_meant_to_be(camera: list[bytes], ways: ModuleType) -> None:
    sizes = [ways.decode(data, min_side=224).image.size for data in camera]
    assert sizes == [(500, 375), (1280, 960), (672, 900), (900, 675), (1000, 750), (897, 673)]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_kinds_that_are_not_reduced_have_the_same_pixels(kind: str, ways: ModuleType, tiny: Encoder) -> None:
    data = encode(photograph((1000, 760), ways), kind)
    for resize in ("crop", "squash"):
        transform = ways.replace(tiny.transform, resize=resize)
        assert (ways.ours(data, transform) == ways.theirs_by(data, transform)).all()


@pytest.mark.skipif(not ORGANISMS.is_dir(), reason="../shared/data/organisms is absent")
@pytest.mark.parametrize("resize", ["crop", "squash"])
def test_photographs_of_organisms_have_the_vectors_of_the_encoders_own_transform(
    resize: str, ways: ModuleType, tiny: Encoder
) -> None:
    paths = sorted(path for path in Path(ORGANISMS).rglob("*") if path.is_file())[::60]
    assert len(paths) > 100
    assert ways.cosines([path.read_bytes() for path in paths], tiny, resize).min() >= LEAST
