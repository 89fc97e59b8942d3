"""The declared image transform gives the arrays that open_clip and timm would have given."""

import json
import math
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from timm.data.transforms_factory import create_transform

from cladescope.embedding.decode import decode
from cladescope.embedding.transform import ImageTransform
from cladescope.errors import InputError

GREY = (0.5, 0.5, 0.5)
SIDES = st.tuples(st.integers(2, 130), st.integers(2, 130)).filter(lambda s: max(s) <= 12 * min(s))


def noise(size: tuple[int, int], seed: int = 0) -> Image.Image:
    width, height = size
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def smooth(width: int, height: int) -> Image.Image:
    """Waves of at least 60 pixels, as large photographs mostly hold."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 23 + y / 31), np.cos(x / 17 - y / 41), np.sin(x / 37) * np.cos(y / 29)]
    return Image.fromarray(np.stack([127.5 + 110 * wave for wave in waves], axis=-1).astype(np.uint8))


def ours(transform: ImageTransform, image: Image.Image) -> np.ndarray:
    result: np.ndarray = transform.normalise(transform.apply(image)[None])[0]
    return result


def timm_config(**changes: Any) -> dict[str, Any]:
    base = {
        "input_size": (3, 32, 32),
        "interpolation": "bicubic",
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
        "crop_pct": 0.875,
        "crop_mode": "center",
    }
    return {**base, **changes}


@given(
    SIDES,
    st.sampled_from(["shortest", "squash", "longest"]),
    st.sampled_from(["bicubic", "bilinear", "random"]),
    st.integers(11, 65),
    st.integers(0, 255),
)
@settings(max_examples=120, deadline=None)
def test_arrays_equal_those_of_open_clip(
    sides: tuple[int, int], resize_mode: str, interpolation: str, size: int, fill: int
) -> None:
    cfg = PreprocessCfg(size=size, interpolation=interpolation, resize_mode=resize_mode, fill_color=fill)
    image = noise(sides)
    theirs = image_transform_v2(cfg, is_train=False)(image).numpy()
    transform = ImageTransform.from_open_clip(cfg)
    np.testing.assert_allclose(ours(transform, image), theirs, rtol=0, atol=1e-6)


@given(
    SIDES,
    st.sampled_from(["center", "squash", "border"]),
    st.sampled_from(["bicubic", "bilinear", "lanczos", "box", "hamming", "nearest"]),
    st.integers(11, 65),
    st.sampled_from([0.8, 0.875, 0.9, 0.95, 1.0]),
)
@settings(max_examples=120, deadline=None)
def test_arrays_equal_those_of_timm(
    sides: tuple[int, int], crop_mode: str, interpolation: str, size: int, crop_pct: float
) -> None:
    config = timm_config(
        input_size=(3, size, size), crop_mode=crop_mode, interpolation=interpolation, crop_pct=crop_pct
    )
    image = noise(sides)
    theirs = create_transform(**config)(image).numpy()
    np.testing.assert_allclose(ours(ImageTransform.from_timm(config), image), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("resize_mode", ["shortest", "squash", "longest"])
def test_a_photograph_at_224_pixels_equals_that_of_open_clip(resize_mode: str) -> None:
    cfg = PreprocessCfg(resize_mode=resize_mode)
    image = noise((1037, 641))
    theirs = image_transform_v2(cfg, is_train=False)(image).numpy()
    np.testing.assert_allclose(ours(ImageTransform.from_open_clip(cfg), image), theirs, rtol=0, atol=1e-6)


def test_what_an_open_clip_config_leaves_out_has_the_default_of_open_clip() -> None:
    assert ImageTransform.from_open_clip({"size": 224}) == ImageTransform.from_open_clip(PreprocessCfg())


def test_one_open_clip_mean_stands_for_all_colours() -> None:
    transform = ImageTransform.from_open_clip({"size": 8, "mean": 0.5, "std": 0.25})
    assert (transform.mean, transform.std) == (GREY, (0.25, 0.25, 0.25))


@pytest.mark.parametrize("resize", ["crop", "squash", "pad"])
@pytest.mark.parametrize("size", [(1600, 1100), (900, 2000), (1601, 1109), (911, 2003)])
def test_a_reduced_decode_changes_a_smooth_picture_by_less_than_half_a_level(
    size: tuple[int, int], resize: Any
) -> None:
    buffer = BytesIO()
    smooth(*size).save(buffer, "JPEG", quality=92)
    transform = ImageTransform(size=112, resize=resize, mean=GREY, std=GREY)
    reduced = decode(buffer.getvalue(), min_side=transform.min_side)
    whole = decode(buffer.getvalue())
    assert min(reduced.image.size) < min(whole.image.size)
    difference = np.abs(transform.apply(reduced.image, reduced.box).astype(int) - transform.apply(whole.image))
    assert difference.mean() < 0.5
    assert difference.max() <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(1353, 1801), (1801, 1349)])
def test_a_reduced_decode_shows_the_same_part_of_a_picture_of_any_size(size: tuple[int, int], orientation: int) -> None:
    """A picture of which 1/4 is no whole number of pixels is not stretched by the last pixel, which reaches beyond it."""
    width, height = size
    across, down = np.arange(width)[None], np.arange(height)[:, None]
    waves = 127 + 60 * np.sin(across / 9) + 60 * np.sin(down / 13)
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = BytesIO()
    Image.fromarray(waves.astype(np.uint8)).save(buffer, "JPEG", quality=95, exif=exif.tobytes())
    transform = ImageTransform(size=112, mean=GREY, std=GREY)
    reduced, whole = decode(buffer.getvalue(), min_side=112), decode(buffer.getvalue())
    assert max(reduced.image.size) == -(-1801 // 4)
    expected = transform.apply(whole.image).astype(int)
    mended = np.abs(transform.apply(reduced.image, reduced.box) - expected).mean()
    stretched = np.abs(transform.apply(reduced.image) - expected).mean()
    assert mended < 0.5 * stretched
    assert mended < 1


@given(
    st.integers(1, 1000),
    st.sampled_from(["crop", "squash", "pad"]),
    st.sampled_from(["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]),
    st.tuples(*[st.floats(0, 1)] * 3),
    st.floats(0.01, 1),
    st.tuples(*[st.integers(0, 255)] * 3),
)
def test_a_declaration_survives_json(
    size: int, resize: Any, interpolation: Any, mean: Any, crop_fraction: float, fill: Any
) -> None:
    transform = ImageTransform(
        size=size,
        resize=resize,
        interpolation=interpolation,
        mean=mean,
        std=GREY,
        crop_fraction=crop_fraction,
        fill=fill,
    )
    assert ImageTransform.from_dict(json.loads(json.dumps(transform.to_dict()))) == transform


@given(SIDES, st.sampled_from(["crop", "squash", "pad"]), st.integers(1, 40))
def test_every_picture_becomes_the_declared_square_of_writable_bytes(
    sides: tuple[int, int], resize: Any, size: int
) -> None:
    pixels = ImageTransform(size=size, resize=resize, mean=GREY, std=GREY).apply(noise(sides))
    assert pixels.shape == (size, size, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable


def test_a_plain_picture_is_padded_with_the_fill_and_nothing_else() -> None:
    transform = ImageTransform(size=20, resize="pad", mean=GREY, std=GREY, fill=(1, 2, 3))
    pixels = transform.apply(Image.new("RGB", (40, 20), (200, 100, 50)))
    expected = np.full((20, 20, 3), (1, 2, 3), np.uint8)
    expected[5:15] = (200, 100, 50)
    np.testing.assert_array_equal(pixels, expected)


def test_a_very_thin_picture_keeps_one_pixel_when_padded() -> None:
    transform = ImageTransform(size=10, resize="pad", mean=GREY, std=GREY, fill=(0, 0, 0))
    pixels = transform.apply(Image.new("RGB", (400, 10), "white"))
    assert (pixels == 255).all(axis=-1).sum() == 10


def test_normalising_subtracts_the_mean_and_divides_by_the_std() -> None:
    transform = ImageTransform(size=1, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0))
    batch = np.array([[[[255, 51, 0]]], [[[0, 0, 0]]]], np.uint8)
    result = transform.normalise(batch)
    assert result.shape == (2, 3, 1, 1)
    np.testing.assert_allclose(result[0, :, 0, 0], [1.8, 0.0, -0.15], atol=1e-6)
    assert batch[0, 0, 0, 0] == 255


@pytest.mark.parametrize(
    "changes, words",
    [
        ({}, "224 px, crop, bicubic"),
        ({"crop_fraction": 0.875, "interpolation": "bilinear"}, "224 px, crop 0.875, bilinear"),
        ({"resize": "pad", "size": 336}, "336 px, pad, bicubic"),
    ],
)
def test_a_transform_says_what_it_is_in_a_few_words(changes: dict[str, Any], words: str) -> None:
    assert str(ImageTransform(**{"size": 224, "mean": GREY, "std": GREY, **changes})) == words


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"size": 0}, "size is 0, expected a positive number of pixels"),
        ({"size": 22.5}, "size is 22.5, expected a whole number"),
        ({"size": True}, "size is True"),
        ({"resize": "stretch"}, "resize is 'stretch', expected one of crop, squash, pad"),
        ({"interpolation": "cubic"}, "interpolation is 'cubic', expected one of nearest, bilinear, bicubic"),
        ({"mean": [0.5, 0.5]}, "mean is [0.5, 0.5], expected one value or three"),
        ({"mean": ["a", 0.5, 0.5]}, "mean is 'a', expected a number"),
        ({"std": [0.5, 0, 0.5]}, "std is (0.5, 0.0, 0.5), expected positive numbers"),
        ({"crop_fraction": 1.5}, "crop_fraction is 1.5, expected a number in (0, 1]"),
        ({"fill": [0, 0, 256]}, "fill is (0, 0, 256), expected numbers from 0 to 255"),
        ({"crop": 0.9}, "image transform has unknown crop: expected crop_fraction, fill"),
    ],
)
def test_a_stored_declaration_that_cannot_be_used_is_refused(changes: dict[str, Any], message: str) -> None:
    stored = ImageTransform(size=224, mean=GREY, std=GREY).to_dict()
    with pytest.raises(InputError) as refusal:
        ImageTransform.from_dict({**stored, **changes})
    assert message in str(refusal.value)


def test_a_stored_declaration_that_lacks_a_key_is_refused() -> None:
    with pytest.raises(InputError, match="image transform lacks crop_fraction, fill, interpolation, resize"):
        ImageTransform.from_dict({"size": 8, "mean": GREY, "std": GREY})


@pytest.mark.parametrize(
    "cfg, message",
    [
        ({}, "open_clip preprocess_cfg lacks size"),
        ({"size": (224, 160)}, "size is (224, 160), expected a square"),
        ({"size": 224, "mode": "L"}, "mode is 'L', expected 'RGB'"),
        ({"size": 224, "resize_mode": "crop"}, "resize_mode is 'crop', expected one of shortest, squash"),
        ({"size": 224, "fill": 3}, "unknown fill"),
        (224, "preprocess_cfg is 224, expected a mapping"),
    ],
)
def test_an_open_clip_config_that_cannot_be_used_is_refused(cfg: object, message: str) -> None:
    with pytest.raises(InputError) as refusal:
        ImageTransform.from_open_clip(cfg)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    "config, message",
    [
        (timm_config(input_size=(1, 32, 32)), "input_size is (1, 32, 32), expected (3, size, size)"),
        (timm_config(input_size=(3, 32, 48)), "input_size is (32, 48), expected a square"),
        (timm_config(crop_mode="border2"), "crop_mode is 'border2', expected one of center, squash, border"),
        (timm_config(interpolation="random"), "interpolation is 'random'"),
        (timm_config(naflex=True), "unknown naflex"),
        ({"input_size": (3, 32, 32)}, "timm data config lacks crop_mode, crop_pct"),
    ],
)
def test_a_timm_config_that_cannot_be_used_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refusal:
        ImageTransform.from_timm(config)
    assert message in str(refusal.value)


def test_a_picture_that_is_not_rgb_is_refused() -> None:
    transform = ImageTransform(size=8, mean=GREY, std=GREY)
    with pytest.raises(InputError, match="picture of mode L, expected RGB"):
        transform.apply(Image.new("L", (8, 8)))


@given(st.integers(1, 600), st.floats(0.05, 1))
def test_the_side_to_resize_to_is_rounded_down_as_in_timm(size: int, fraction: float) -> None:
    transform = ImageTransform(size=size, mean=GREY, std=GREY, crop_fraction=fraction)
    assert transform.min_side == math.floor(size / fraction)
