"""Random crops are torchvision's, colours are Pillow's, and the same seed gives the same picture."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance
from torchvision.transforms import RandomResizedCrop  # type: ignore[import-untyped]

from cladescope.errors import InputError
from cladescope.training.data.augment import augment, random_box, recolour
from cladescope.training.sections import AugmentConfig

WHOLE = AugmentConfig(scale=(1.0, 1.0), ratio=(1.0, 1.0))


def noise(width, height, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def smooth(width, height):
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 23 + y / 31), np.cos(x / 17 - y / 41), np.sin(x / 37) * np.cos(y / 29)]
    return Image.fromarray(np.stack([127.5 + 60 * wave for wave in waves], axis=-1).astype(np.uint8))


def seen(image, config=WHOLE, *, size=32, seed=0, interpolation="bicubic"):
    return augment(image, size=size, config=config, rng=np.random.default_rng(seed), interpolation=interpolation)


def boxes(size, config, n):
    rng = np.random.default_rng(0)
    return np.array([random_box(size, config, rng=rng) for _ in range(n)])


def boxes_of_torchvision(size, config, n):
    image = Image.new("RGB", size)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = [RandomResizedCrop.get_params(image, list(config.scale), list(config.ratio)) for _ in range(n)]
    return np.array([(left, upper, left + across, upper + down) for upper, left, down, across in drawn])


def described(boxes, size):
    """Share of the area, logarithm of the shape and place of each box."""
    left, upper, right, lower = boxes.T
    across, down = right - left, lower - upper
    return {
        "share": across * down / (size[0] * size[1]),
        "shape": np.log(across / down),
        "left": left / size[0],
        "upper": upper / size[1],
    }


def far_apart(a, b):
    """Whether two samples differ by the Kolmogorov-Smirnov test, at a chance of 1 in 1000 where they do not."""
    values = np.sort(np.concatenate([a, b]))
    shares = [np.searchsorted(np.sort(sample), values, side="right") / len(sample) for sample in (a, b)]
    return np.abs(shares[0] - shares[1]).max() > 1.95 * math.sqrt(1 / len(a) + 1 / len(b))


@pytest.mark.parametrize(
    "size, config",
    [
        ((300, 224), AugmentConfig()),
        ((300, 224), AugmentConfig(scale=(0.08, 1.0))),
        ((224, 500), AugmentConfig(scale=(0.3, 0.6), ratio=(0.5, 3.0))),
        ((900, 120), AugmentConfig(scale=(0.6, 1.0))),  # mostly the central crop
    ],
)
def test_crops_are_distributed_as_those_of_torchvision(size, config):
    ours = described(boxes(size, config, 3000), size)
    theirs = described(boxes_of_torchvision(size, config, 3000), size)
    for name in ours:
        assert not far_apart(ours[name], theirs[name]), name


def test_the_comparison_with_torchvision_sees_a_difference():
    size = (300, 224)
    ours = described(boxes(size, AugmentConfig(scale=(0.8, 1.0)), 3000), size)
    theirs = described(boxes_of_torchvision(size, AugmentConfig(scale=(0.9, 1.0)), 3000), size)
    assert far_apart(ours["share"], theirs["share"])


@given(
    st.tuples(st.integers(1, 500), st.integers(1, 500)),
    st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)).map(lambda pair: tuple(sorted(pair))),
    st.tuples(st.floats(0.2, 5), st.floats(0.2, 5)).map(lambda pair: tuple(sorted(pair))),
    st.integers(0, 2**32),
)
def test_a_crop_lies_within_the_picture_and_is_not_empty(size, scale, ratio, seed):
    config = AugmentConfig(scale=scale, ratio=ratio)
    left, upper, right, lower = random_box(size, config, rng=np.random.default_rng(seed))
    assert 0 <= left < right <= size[0]
    assert 0 <= upper < lower <= size[1]


@given(
    st.tuples(st.integers(100, 500), st.integers(100, 500)),
    st.sampled_from([(0.08, 1.0), (0.5, 0.8)]),
    st.sampled_from([(3 / 4, 4 / 3), (1.0, 1.0), (1.5, 2.0)]),
    st.integers(0, 2**32),
)
def test_a_crop_keeps_the_shape_that_was_asked_for_but_for_rounding(size, scale, ratio, seed):
    left, upper, right, lower = random_box(
        size, AugmentConfig(scale=scale, ratio=ratio), rng=np.random.default_rng(seed)
    )
    across, down = right - left, lower - upper
    assert ratio[0] * 0.95 <= across / down <= ratio[1] * 1.05


@pytest.mark.parametrize(
    "size, config",
    [
        ((600, 20), AugmentConfig(scale=(0.9, 1.0))),
        ((20, 600), AugmentConfig(scale=(0.9, 1.0))),
        ((70, 70), AugmentConfig(scale=(1.0, 1.0), ratio=(0.5, 0.6))),
        ((70, 70), AugmentConfig(scale=(1.0, 1.0), ratio=(2.0, 2.5))),
    ],
)
def test_where_no_crop_fits_the_central_one_of_torchvision_is_taken(size, config):
    np.testing.assert_array_equal(boxes(size, config, 3), boxes_of_torchvision(size, config, 3))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos", "nearest"])
def test_the_whole_of_a_square_picture_is_a_plain_resize(interpolation):
    image = noise(90, 90)
    expected = np.asarray(image.resize((32, 32), Image.Resampling[interpolation.upper()]))
    np.testing.assert_array_equal(seen(image, interpolation=interpolation), expected)


def test_a_crop_equals_cutting_and_then_resizing_but_for_its_edge():
    image, config = smooth(300, 224), AugmentConfig(scale=(0.3, 0.5))
    box = random_box(image.size, config, rng=np.random.default_rng(5))
    expected = np.asarray(image.crop(box).resize((64, 64), Image.Resampling.BICUBIC)).astype(int)
    found = seen(image, config, size=64, seed=5)
    assert np.abs(found - expected)[3:-3, 3:-3].max() <= 1
    assert np.abs(found - expected).max() <= 12


def test_a_crop_of_a_much_larger_picture_is_that_of_a_plain_resize_within_a_level_or_two():
    image = smooth(1600, 1600)
    difference = seen(image, size=128).astype(int) - np.asarray(image.resize((128, 128), Image.Resampling.BICUBIC))
    assert np.abs(difference).max() <= 2


def flips(config, n=400):
    """How often a picture comes back as itself, mirrored, upside down and both."""
    image = noise(16, 16)
    upright = np.asarray(image)
    views = [upright, upright[:, ::-1], upright[::-1], upright[::-1, ::-1]]
    counts = [0, 0, 0, 0]
    for seed in range(n):
        found = seen(image, config, size=16, seed=seed)
        (which,) = [place for place, view in enumerate(views) if np.array_equal(found, view)]
        counts[which] += 1
    return counts


@pytest.mark.parametrize(
    "flip, flip_vertical, expected",
    [
        (False, False, [400, 0, 0, 0]),
        (True, False, [200, 200, 0, 0]),
        (False, True, [200, 0, 200, 0]),
        (True, True, [100] * 4),
    ],
)
def test_flips_mirror_half_of_the_pictures(flip, flip_vertical, expected):
    config = AugmentConfig(scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=flip, flip_vertical=flip_vertical)
    assert np.abs(np.subtract(flips(config), expected)).max() <= 45


def test_the_crop_does_not_depend_on_what_else_is_changed():
    image = noise(50, 50)
    plain, mirrored = AugmentConfig(scale=(0.2, 1.0)), AugmentConfig(scale=(0.2, 1.0), flip=True, grey=0.0)
    for seed in range(20):
        found, expected = seen(image, mirrored, seed=seed), seen(image, plain, seed=seed)
        assert np.array_equal(found, expected) or np.array_equal(found, expected[:, ::-1])


FULL = AugmentConfig(scale=(0.2, 1.0), flip=True, flip_vertical=True, colour=0.4, grey=0.2)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    image = noise(60, 40)
    once = [seen(image, FULL, seed=(7, 1, place)).tobytes() for place in range(20)]
    again = [seen(image, FULL, seed=(7, 1, place)).tobytes() for place in range(20)]
    assert once == again
    assert len(set(once)) == 20


@given(st.floats(0, 2), st.floats(0, 2), st.floats(0, 2))
@settings(max_examples=30)
def test_colours_change_as_in_pillow_where_nothing_is_clipped(brightness, contrast, saturation):
    pixels = np.random.default_rng(1).integers(95, 106, (12, 12, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    expected = ImageEnhance.Brightness(image).enhance(brightness)
    expected = ImageEnhance.Contrast(expected).enhance(contrast)
    expected = ImageEnhance.Color(expected).enhance(saturation)
    found = recolour(image, brightness, contrast, saturation)
    assert np.abs(np.asarray(found).astype(int) - np.asarray(expected)).max() <= 6  # Pillow rounds five times


def test_colours_left_as_they_are_do_not_change():
    image = noise(20, 20)
    np.testing.assert_array_equal(np.asarray(recolour(image, 1.0, 1.0, 1.0)), np.asarray(image))


def test_colours_past_white_and_black_are_clipped():
    image = Image.fromarray(np.array([[[255, 255, 255], [0, 0, 0]]], np.uint8))
    assert np.asarray(recolour(image, 1.0, 2.0, 1.0)).tolist() == [[[255] * 3, [0] * 3]]
    assert np.asarray(recolour(image, 2.0, 1.0, 1.0)).tolist() == [[[255] * 3, [0] * 3]]


def test_brightness_is_drawn_evenly_between_its_bounds():
    image = Image.new("RGB", (4, 4), (100, 100, 100))  # no contrast, no saturation: brightness alone shows
    config = AugmentConfig(scale=(1.0, 1.0), ratio=(1.0, 1.0), colour=0.4)
    levels = np.array([seen(image, config, size=1, seed=seed).mean() for seed in range(1000)])
    assert 60 <= levels.min() < 62
    assert 138 < levels.max() <= 140
    assert abs(levels.mean() - 100) < 3


def test_a_share_of_the_pictures_is_made_grey():
    image = noise(16, 16)
    config = AugmentConfig(scale=(1.0, 1.0), ratio=(1.0, 1.0), grey=0.25)
    found = [seen(image, config, size=16, seed=seed) for seed in range(400)]
    grey = [pixels for pixels in found if np.ptp(pixels, axis=-1).max() == 0]
    assert abs(len(grey) - 100) <= 40
    assert np.abs(grey[0][:, :, 0].astype(int) - np.asarray(image.convert("L"))).max() <= 1
    assert sum(np.array_equal(pixels, np.asarray(image)) for pixels in found) == 400 - len(grey)


@given(st.integers(1, 40), st.integers(8, 120), st.integers(8, 120), st.integers(0, 100))
@settings(max_examples=50)
def test_every_picture_becomes_a_square_of_writable_bytes(size, width, height, seed):
    pixels = seen(noise(width, height), FULL, size=size, seed=seed)
    assert (pixels.shape, pixels.dtype, pixels.flags.writeable) == ((size, size, 3), np.uint8, True)


@given(st.floats(0.05, 1), st.integers(1, 300))
def test_the_smallest_crop_of_a_square_picture_of_the_least_side_is_large_enough(share, size):
    side = AugmentConfig(scale=(share, 1.0)).min_side(size)
    assert math.sqrt(share) * side >= size * (1 - 1e-9)
    assert math.sqrt(share) * (side - 1) < size


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"scale": (0.0, 1.0)}, "scale is (0.0, 1.0), expected two shares in (0, 1], the smaller first"),
        ({"scale": (0.9, 1.1)}, "scale is (0.9, 1.1)"),
        ({"scale": (1.0, 0.9)}, "scale is (1.0, 0.9)"),
        ({"scale": (math.nan, 1.0)}, "scale is (nan, 1.0)"),
        ({"ratio": (0.0, 1.0)}, "ratio is (0.0, 1.0), expected two positive numbers, the smaller first"),
        ({"ratio": (1.0, math.inf)}, "ratio is (1.0, inf)"),
        ({"colour": -0.1}, "colour is -0.1, expected a number in [0, 1]"),
        ({"colour": math.nan}, "colour is nan"),
        ({"grey": 2.0}, "grey is 2.0, expected a share in [0, 1]"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(changes, message):
    with pytest.raises(InputError) as refusal:
        AugmentConfig(**changes)
    assert message in str(refusal.value)


def test_a_picture_that_is_not_rgb_and_a_size_of_nothing_are_refused():
    with pytest.raises(InputError, match="picture of mode L, expected RGB"):
        seen(Image.new("L", (9, 9)))
    with pytest.raises(InputError, match="size is 0, expected a positive number of pixels"):
        seen(noise(9, 9), size=0)
