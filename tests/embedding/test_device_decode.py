"""Decoding on a device, with the processor in the device's place: what goes there, what comes back, and the check before it."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import cladescope
from cladescope.embedding import device_decode
from cladescope.embedding.decode import decode
from cladescope.embedding.decoding_device import decoding_device
from cladescope.embedding.device_decode import CHECKED, LEAST_COSINE, DeviceDecoding, DevicePixels, is_plain
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.encoders.pixels import Pixels
from cladescope.embedding.pipeline import EmbedConfig, EmbedSummary, embed
from cladescope.embedding.several import SeveralTransforms
from cladescope.embedding.sources import open_source
from cladescope.embedding.transform import ImageTransform, Resize
from cladescope.errors import EncoderError, InputError
from cladescope.index.store import Store
from tests.embedding.encoding import ORIENTATION, encode

pytestmark = pytest.mark.filterwarnings("ignore:The image decoding:DeprecationWarning")

COLUMNS = ["image_id", "content_hash", "width", "height", "vector"]


def soft(width: int, height: int, seed: int = 0, grain: int = 12) -> Image.Image:
    """A picture of soft colours and some grain."""
    generator = np.random.default_rng(seed)
    small = Image.fromarray(generator.integers(0, 255, (5, 6, 3), dtype=np.uint8))
    image = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return Image.fromarray((image + generator.integers(-grain, grain + 1, image.shape)).clip(0, 255).astype(np.uint8))


def jpeg(width: int, height: int, seed: int = 0, **options: Any) -> bytes:
    return encode(soft(width, height, seed), "JPEG", **{"quality": 92} | options)


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return jpeg(120, 90, exif=exif)


def adobe_rgb() -> bytes:
    """A JPEG whose three colours are red, green and blue."""
    return encode(soft(64, 48), "JPEG", keep_rgb=True)


def transform(resize: Resize, interpolation: Any = "bicubic", fraction: float = 1.0) -> ImageTransform:
    return ImageTransform(
        size=64, resize=resize, interpolation=interpolation, crop_fraction=fraction, fill=(200, 10, 90), mean=(0.5,) * 3, std=(0.5,) * 3
    )  # fmt: skip


@pytest.mark.parametrize("resize", ["crop", "squash", "pad"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("fraction", [1.0, 0.875])
def test_a_device_gives_the_pixels_of_the_transform(resize: Resize, interpolation: str, fraction: float) -> None:
    declared = transform(resize, interpolation, fraction)
    sizes = [(160, 120), (121, 161), (641, 479), (40, 33), (64, 64), (8, 200), (300, 8)]
    pictures = [jpeg(*size, seed, subsampling=seed % 3) for seed, size in enumerate(sizes)]
    assert all(map(is_plain, pictures))
    for data, (pixels, *size) in zip(pictures, DevicePixels(declared, "cpu").of(pictures), strict=True):
        whole = decode(data)
        assert tuple(size) == (whole.width, whole.height)
        expected = declared.apply(whole.image)
        assert pixels.dtype == np.uint8
        assert pixels.shape == expected.shape
        difference = np.abs(pixels.astype(int) - expected)
        assert difference.max() <= 3
        assert difference.mean() < 0.3


def test_plain_jpegs_alone_go_to_a_device() -> None:
    plain = jpeg(160, 120)
    assert is_plain(plain)
    assert is_plain(turned(1))
    others = {
        "turned": turned(6),
        "mirrored": turned(2),
        "grey": encode(soft(64, 48).convert("L"), "JPEG"),
        "CMYK": encode(soft(64, 48).convert("CMYK"), "JPEG"),
        "RGB": adobe_rgb(),
        "progressive": jpeg(160, 120, progressive=True),
        "tiny": jpeg(7, 40),
        "thin": jpeg(8, 408),
        "PNG": encode(soft(64, 48), "PNG"),
        "cut": plain[: len(plain) // 2],
        "cut in its head": plain[:300],
        "without its end": plain[:-2],
        "empty": b"",
        "text": b"no picture",
    }
    assert [name for name, data in others.items() if is_plain(data)] == []


def test_pictures_too_large_for_a_device_stay_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_decode, "MOST_PIXELS", 160 * 120 - 1)
    assert not is_plain(jpeg(160, 120))


def mixed(folder: Path, n_plain: int) -> Path:
    """Plain JPEGs, and others among them: sound ones and bad ones."""
    folder.mkdir()
    for seed in range(n_plain):
        data = jpeg(150 + seed, 121 + seed % 7, seed, subsampling=seed % 3)
        (folder / f"{seed:03}.jpg").write_bytes(data)
    others = {
        "010-turned": turned(8), "011-grey": encode(soft(64, 48).convert("L"), "JPEG"), "020-progressive": jpeg(99, 77, progressive=True),
        "030-cmyk": encode(soft(64, 48).convert("CMYK"), "JPEG"), "031-rgb": adobe_rgb(), "040-cut": jpeg(160, 120, 9)[:2000],
        "041-thin": jpeg(8, 408), "042-tiny": jpeg(7, 7), "043-empty": b"", "044-text": b"no picture",
        "045-bad": jpeg(160, 120, 8).replace(b"\xff\xc4", b"\xff\xc5"), "000-again": jpeg(150, 121, 0, subsampling=0),
    }  # fmt: skip
    for name, data in others.items():
        (folder / f"{name}.jpg").write_bytes(data)
    return folder


def embedded(folder: Path, store: Path, **options: Any) -> tuple[EmbedSummary, dict[str, Any], list[Any]]:
    encoder = Encoder.load("pixels")
    sink = Store.create(store, encoder.card)
    summary = embed(open_source(str(folder)), encoder, sink, EmbedConfig(batch_size=4, workers=3, readers=2, **options))
    rows = {row["image_id"]: row for batch in sink.scan(COLUMNS) for row in batch.to_pylist()}
    failures = sorted(
        (row["uri"], row["stage"], row["reason"])
        for row in sink.failures.select(["uri", "stage", "reason"]).to_pylist()
    )
    return summary, rows, failures


def same_but_vectors(rows: dict[str, Any]) -> dict[str, Any]:
    return {name: {column: row[column] for column in COLUMNS if column != "vector"} for name, row in rows.items()}


def test_a_job_that_decodes_on_a_device_has_the_rows_and_failures_of_one_that_does_not(tmp_path: Path) -> None:
    folder = mixed(tmp_path / "photos", 70)
    _, rows, failures = embedded(folder, tmp_path / "cpu.store")
    summary, others, other_failures = embedded(folder, tmp_path / "device.store", decode_on="cpu")
    assert len(failures) >= 6
    assert other_failures == failures
    assert same_but_vectors(others) == same_but_vectors(rows)
    cosines = [float(np.dot(rows[name]["vector"], others[name]["vector"])) for name in rows]
    assert min(cosines) >= LEAST_COSINE
    assert summary.decoded["on the device"] > 0
    assert summary.decoded["for the check"] == CHECKED
    assert summary.decoded.total() == len(rows) + len(failures)
    assert summary.decode_cosine is not None
    assert summary.decode_cosine >= LEAST_COSINE
    assert summary.to_dict()["decoded"] == dict(summary.decoded)
    assert [note for note in summary.notes if note.startswith("decoded on the device:")]


def without_antialias(monkeypatch: pytest.MonkeyPatch) -> None:
    own = torch.nn.functional.interpolate
    monkeypatch.setattr(
        torch.nn.functional, "interpolate", lambda *given, **by: own(*given, **by | {"antialias": False})
    )


def shifted(monkeypatch: pytest.MonkeyPatch) -> None:
    own = torch.nn.functional.interpolate
    monkeypatch.setattr(torch.nn.functional, "interpolate", lambda *given, **by: own(*given, **by).roll(1, dims=3))


@pytest.mark.parametrize("fault", [without_antialias, shifted])
def test_a_device_with_other_pixels_does_not_pass_and_the_job_goes_on_without(
    fault: Callable[[pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(4 * CHECKED):  # those that wait while the first are checked are decoded by the processor
        data = encode(soft(260, 200, seed, grain=90), "JPEG", quality=95, subsampling=0)
        (folder / f"{seed:03}.jpg").write_bytes(data)
    _, rows, _ = embedded(folder, tmp_path / "cpu.store")
    fault(monkeypatch)
    summary, others, _ = embedded(folder, tmp_path / "device.store", decode_on="cpu")
    assert others == rows
    assert summary.decoded["on the device"] == 0
    assert summary.decode_cosine is not None
    assert summary.decode_cosine < LEAST_COSINE
    assert [note for note in summary.notes if "below 0.999" in note]


def test_too_few_plain_jpegs_leave_the_device_unused(tmp_path: Path) -> None:
    folder = mixed(tmp_path / "photos", CHECKED - 5)
    _, rows, _ = embedded(folder, tmp_path / "cpu.store")
    summary, others, _ = embedded(folder, tmp_path / "device.store", decode_on="cpu")
    assert others == rows
    assert summary.decode_cosine is None
    assert [note for note in summary.notes if f"a check over {CHECKED} plain JPEGs" in note]


def test_what_a_device_fails_at_is_decoded_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    decoding = DeviceDecoding(Pixels().transform, "cpu")
    decoding.least_cosine = 1.0
    bad, sound = jpeg(160, 120, 1), jpeg(160, 120, 2)
    own = DevicePixels.of

    def failing(self: DevicePixels, pictures: list[bytes]) -> Any:
        if bad in pictures:
            raise RuntimeError("nvJPEG status 8")
        return own(self, pictures)

    monkeypatch.setattr(DevicePixels, "of", failing)
    assert decoding.pixels_of(bad) is None
    made = decoding.pixels_of(sound)
    assert made is not None
    assert made[1:] == (160, 120)
    assert decoding.counts == {"the device could not": 1, "on the device": 1}


def test_one_bad_picture_does_not_keep_the_others_of_its_batch_from_the_device() -> None:
    decoding = DeviceDecoding(Pixels().transform, "cpu")
    asked = [device_decode._Asked(data) for data in (jpeg(160, 120), b"no picture", jpeg(90, 80))]
    decoding._decode(asked)
    assert [one.made is not None for one in asked] == [True, False, True]
    assert all(one.is_done for one in asked)


def test_pixels_in_memory_and_boxes_are_counted() -> None:
    decoding = DeviceDecoding(Pixels().transform, "cpu")
    assert decoding.pixels_of(soft(40, 30)) is None
    decoding.count("boxes of pictures")
    assert decoding.counts == {"no plain JPEG": 1, "boxes of pictures": 1}


def test_what_a_device_does_not_compute_is_said_at_the_start() -> None:
    with pytest.raises(InputError, match="the filters bilinear and bicubic, and the encoder's is lanczos"):
        DeviceDecoding(transform("crop", "lanczos"), "cpu")
    with pytest.raises(InputError, match="for one encoder, and several are given"):
        DeviceDecoding(SeveralTransforms.of([transform("crop"), transform("pad")]), "cpu")


def test_a_torchvision_without_a_decoder_for_the_device_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_given: object, **_by: object) -> None:
        raise RuntimeError("decode_jpegs_cuda: torchvision not compiled with nvJPEG support\nat image.cpp")

    monkeypatch.setattr("torchvision.io.decode_jpeg", failing)
    expected = (
        r"torchvision cannot decode JPEGs on cpu \(decode_jpegs_cuda: torchvision not compiled .*\): decode on the cpu"
    )
    with pytest.raises(EncoderError, match=expected):
        DeviceDecoding(transform("crop"), "cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_machine_without_a_device_is_told_so() -> None:
    with pytest.raises(EncoderError, match="no CUDA device was found: decode on the cpu"):
        decoding_device()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device to decode on")
@pytest.mark.parametrize("resize", ["crop", "squash", "pad"])
def test_a_gpu_gives_nearly_the_pixels_of_the_transform(resize: Resize) -> None:
    declared = transform(resize)
    pictures = [jpeg(160 + seed, 120, seed, subsampling=seed % 3) for seed in range(20)]
    for data, (pixels, *_) in zip(pictures, DevicePixels(declared, decoding_device()).of(pictures), strict=True):
        assert np.abs(pixels.astype(int) - declared.apply(decode(data).image)).mean() < 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_job_without_a_device_to_decode_on_makes_no_store(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(64, 48))
    with pytest.raises(EncoderError, match="no CUDA device was found"):
        cladescope.embed(tmp_path, tmp_path / "new.store", encoder="pixels", decode="device")
    assert not (tmp_path / "new.store").exists()


def test_the_picture_behind_a_scan_is_not_taken_for_its_end() -> None:
    data = jpeg(160, 120)
    assert is_plain(data + b"trailing bytes")
    buffer = io.BytesIO(data)
    assert not is_plain(buffer.getvalue()[:-2] + b"\xff\xda\x00\x02\xff\xd9")
