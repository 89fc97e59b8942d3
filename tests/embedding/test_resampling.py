"""Resizing gives Pillow's bits, whoever does it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cladescope.embedding import resampling, resampling_kernels
from cladescope.embedding.resampling import COMPILED_AFTER, resampled

SIDES = st.integers(1, 160)


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture(autouse=True)
def unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has resized nothing yet."""
    monkeypatch.setattr(resampling, "_kernel", [])
    monkeypatch.setattr(resampling, "_count", iter(range(10**9)))


@given(SIDES, SIDES, SIDES, SIDES, st.booleans(), st.data())
@settings(max_examples=250, deadline=None)
def test_the_compiled_arithmetic_gives_the_bits_of_pillow(
    width: int, height: int, new_width: int, new_height: int, is_cubic: bool, data: st.DataObject
) -> None:
    left = data.draw(st.integers(0, new_width - 1))
    top = data.draw(st.integers(0, new_height - 1))
    window = (left, top, data.draw(st.integers(left + 1, new_width)), data.draw(st.integers(top + 1, new_height)))
    image = noise(width, height, seed=width)
    pixels = resampling._packed(image)
    assert pixels is not None
    starts, ends = (data.draw(st.tuples(*[st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.875])] * 2)) for _ in "ab")
    box = (starts[0], starts[1], max(width - ends[0], starts[0] + 0.125), max(height - ends[1], starts[1] + 0.125))
    found = resampling_kernels.resampled(pixels, (new_width, new_height), window, box, is_cubic=is_cubic)
    filter_ = Image.Resampling.BICUBIC if is_cubic else Image.Resampling.BILINEAR
    np.testing.assert_array_equal(found, np.asarray(image.resize((new_width, new_height), filter_, box).crop(window)))


@pytest.mark.parametrize("size", [(500, 375), (866, 1155), (2048, 1536), (3000, 60)])
@pytest.mark.parametrize("is_cubic", [True, False])
def test_pictures_of_usual_sizes_have_the_bits_of_pillow(size: tuple[int, int], is_cubic: bool) -> None:
    image = noise(*size)
    pixels = resampling._packed(image)
    assert pixels is not None
    found = resampling_kernels.resampled(
        pixels, (298, 224), (37, 0, 261, 224), (0.0, 0.0, float(size[0]), float(size[1])), is_cubic=is_cubic
    )
    filter_ = Image.Resampling.BICUBIC if is_cubic else Image.Resampling.BILINEAR
    np.testing.assert_array_equal(found, np.asarray(image.resize((298, 224), filter_))[:, 37:261])


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"])
def test_a_process_gets_the_same_bits_before_and_after_it_compiles(interpolation: Any) -> None:
    image, window = noise(97, 61), (3, 2, 28, 20)
    before = resampled(image, (31, 20), window, interpolation)
    for _ in range(COMPILED_AFTER):
        resampled(image, (31, 20), window, interpolation)
    after = resampled(image, (31, 20), window, interpolation)
    is_compiled = interpolation in ("bilinear", "bicubic")
    assert resampling._kernel == ([resampling_kernels.resampled] if is_compiled else [])
    np.testing.assert_array_equal(before, after)


def test_a_picture_of_several_blocks_is_left_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(resampling, "_kernel", [fail])
    wide = Image.new("RGB", (2500, 2000))
    assert resampled(wide, (10, 10), (0, 0, 10, 10), "bicubic").shape == (10, 10, 3)
    with pytest.raises(AssertionError):
        resampled(wide.crop((0, 0, 99, 99)), (10, 10), (0, 0, 10, 10), "bicubic")


def test_where_nothing_can_be_compiled_pillow_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "_loaded", lambda: None)
    for _ in range(COMPILED_AFTER + 5):
        assert resampled(noise(9, 9), (4, 4), (0, 0, 4, 4), "bicubic").shape == (4, 4, 3)
    assert resampling._kernel == [None]


def test_what_is_compiled_is_not_used_beside_a_pillow_that_resizes_in_another_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resize = Image.Image.resize

    def otherwise(self: Image.Image, size: tuple[int, int], *rest: Any) -> Image.Image:
        return resize(self, size, Image.Resampling.BOX)

    assert resampling._loaded() is resampling_kernels.resampled
    monkeypatch.setattr(Image.Image, "resize", otherwise)
    assert resampling._loaded() is None


def test_threads_go_on_while_one_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly() -> Any:
        begun.set()
        assert go_on.wait(30)
        return resampling_kernels.resampled

    monkeypatch.setattr(resampling, "_loaded", slowly)
    monkeypatch.setattr(resampling, "COMPILED_AFTER", 0)
    image = noise(40, 30)
    expected = np.asarray(image.resize((20, 15), Image.Resampling.BICUBIC))
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(resampled, image, (20, 15), (0, 0, 20, 15), "bicubic")
        assert begun.wait(30)
        others = [pool.submit(resampled, image, (20, 15), (0, 0, 20, 15), "bicubic") for _ in range(8)]
        for other in others:
            np.testing.assert_array_equal(other.result(timeout=30), expected)
        assert not first.done()
        go_on.set()
        np.testing.assert_array_equal(first.result(timeout=30), expected)
    assert resampling._kernel == [resampling_kernels.resampled]
