"""JPEGs decoded and resized on a GPU, after it has shown that the encoder's vectors stay the same.

torchvision decodes (nvJPEG), torch resizes. Only plain JPEGs go there (`is_plain`); all others, and whatever the device fails at, are
decoded on the processor (`cladescope.embedding.decode`), so that failures and their reasons do not depend on the device.
"""

import importlib
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from cladescope.embedding.colours import orientation_of
from cladescope.embedding.damage import DAMAGE
from cladescope.embedding.decode import check_size, decode, opened_picture
from cladescope.embedding.jpeg import frame_of, has_whole_scan
from cladescope.embedding.transform import ImageTransform
from cladescope.errors import EncoderError, InputError, PictureError

CHECKED = 32
"""Pictures of a job that are decoded both ways before the device is used."""
LEAST_COSINE = 0.999
"""What the vectors of both ways must agree to, each of them."""
MOST_PIXELS = 2**25
"""Most pixels (width times height) of a picture for the device: `MOST_TOGETHER` of them take 1.6 GB there, and one is resized in 0.6 GB more."""
MOST_TOGETHER = 16
"""Most pictures that are decoded at a time."""
_FILTERS: Final = ("bilinear", "bicubic")

Pixels = UInt8[np.ndarray, "size size 3"]
Made = tuple[Pixels, int, int]
"""What an encoder sees of a picture, and the width and height of the original."""


def is_plain(data: bytes) -> bool:
    """Whether a file is a JPEG of one scan and three colours, luma and chroma, upright, whole, and within the bounds of `decode`."""
    frame = frame_of(data)
    if frame is None or frame.n_colours != 3 or not frame.is_one_scan or not has_whole_scan(data):
        return False
    try:
        check_size((frame.width, frame.height), MOST_PIXELS)
        image: Any = opened_picture(data)
        colours = [layer[0] for layer in image.layer]
        return (
            image.size == (frame.width, frame.height)
            and colours == [1, 2, 3]
            and image.info.get("adobe_transform", 1) == 1
            and orientation_of(image) == 1
        )
    except (PictureError, *DAMAGE):
        return False


class DevicePixels:
    """What a transform makes of plain JPEGs, computed on a device of torch."""

    def __init__(self, transform: ImageTransform, device: str) -> None:
        """Raises InputError for a transform that is not computed there, EncoderError where torchvision cannot decode there."""
        if type(transform) is not ImageTransform:
            raise InputError(
                "pictures are decoded on a device for one encoder, and several are given: decode on the cpu"
            )
        if transform.interpolation not in _FILTERS:
            raise InputError(
                f"a device resizes by the filters {' and '.join(_FILTERS)}, and the encoder's is {transform.interpolation}: decode on the cpu"
            )
        self.transform, self._device = transform, torch.device(device)
        self._stream: Any = torch.cuda.Stream(self._device) if self._device.type == "cuda" else None  # type: ignore[no-untyped-call]
        try:
            self.of([_probe()])
        except Exception as error:
            said = " ".join(str(error).split())[:200]
            raise EncoderError(f"torchvision cannot decode JPEGs on {device} ({said}): decode on the cpu") from error

    def of(self, pictures: Sequence[bytes]) -> list[Made]:
        """Raises whatever torch does for data that it does not decode, or has not the memory for."""
        io = importlib.import_module("torchvision.io")
        with torch.inference_mode(), self._on_stream():
            encoded = [torch.frombuffer(bytearray(data), dtype=torch.uint8) for data in pictures]
            decoded = io.decode_jpeg(encoded, mode=io.ImageReadMode.RGB, device=self._device)
            sizes = [(one.shape[2], one.shape[1]) for one in decoded]
            squares = torch.stack([self._square(one) for one in decoded]).cpu().numpy()
        return [(square, *size) for square, size in zip(squares, sizes, strict=True)]

    def _on_stream(self) -> AbstractContextManager[Any]:
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)

    def _square(self, picture: torch.Tensor) -> torch.Tensor:
        """The encoder's square of a picture of three colours, rows and columns: as `ImageTransform.apply` makes it."""
        height, width = picture.shape[1:]
        resized, (left, top, right, bottom), (across, down) = self.transform.placed((width, height))
        pixels = torch.nn.functional.interpolate(
            picture[None].float(),
            size=resized[::-1],
            mode=self.transform.interpolation,
            align_corners=False,
            antialias=True,
        )[0, :, top:bottom, left:right]
        side = self.transform.size
        fill = torch.tensor(self.transform.fill, dtype=torch.uint8, device=picture.device)
        square = fill[:, None, None].repeat(1, side, side)
        square[:, down : down + bottom - top, across : across + right - left] = pixels.round().clamp(0, 255).byte()
        return square.permute(1, 2, 0)


@dataclass(slots=True, eq=False)
class _Asked:
    """A picture that a thread waits for."""

    data: bytes
    made: Made | None = None
    is_done: bool = False


class DeviceDecoding:
    """The device of a job: its check, its use by all threads that decode, and the counts of what went where.

    Threads that ask meanwhile have their pictures decoded together by the one whose turn it is.
    """

    def __init__(self, transform: ImageTransform, device: str) -> None:
        """Raises as `DevicePixels` does."""
        self.counts: Counter[str] = Counter()
        """Pictures decoded `on the device`, and those decoded on the processor by the reason."""
        self.least_cosine: float | None = None
        """Between vectors of both ways, once enough pictures were decoded in both."""
        self._device = DevicePixels(transform, device)
        self._lock, self._turn, self._deciding = threading.Lock(), threading.Lock(), threading.Lock()
        self._waiting: list[_Asked] = []
        self._both: list[tuple[Pixels, Pixels]] = []
        self._n_checked = 0

    @property
    def is_used(self) -> bool | None:
        """Whether the device passed its check; None before that."""
        return None if self.least_cosine is None else self.least_cosine >= LEAST_COSINE

    def pixels_of(self, data: bytes | Image.Image) -> Made | None:
        """A picture decoded on the device; None where it is for the processor. Threads may call this at once."""
        is_used = self.is_used
        made, where = None, "on the device"
        if is_used is False:
            where = "the device did not pass its check"
        elif not isinstance(data, bytes) or not is_plain(data):
            where = "no plain JPEG"
        elif is_used is None:
            where = "for the check" if self._joined_check(data) else "before the check"
        elif (made := self._decoded(data)) is None:
            where = "the device could not"
        self.count(where)
        return made

    def count(self, where: str) -> None:
        """Count a picture by where it is decoded: `on the device`, or why on the processor."""
        with self._lock:
            self.counts[where] += 1

    def check(self, least_cosine: Callable[[np.ndarray, np.ndarray], float]) -> None:
        """Decide once there are enough pictures; to be called before each picture. Threads that come meanwhile wait for it."""
        if len(self._both) < CHECKED:
            return
        with self._deciding:
            if self.least_cosine is None:
                own, others = (np.stack(side) for side in zip(*self._both, strict=True))
                self.least_cosine = least_cosine(own, others)
                self._both = []

    def note(self) -> str:
        """What became of it, in one line."""
        least = "" if self.least_cosine is None else f"cosine {self.least_cosine:.5f} or more over {CHECKED} pictures"
        if self.is_used is None:
            return f"decoded on the CPU: the device is used after a check over {CHECKED} plain JPEGs, and {self.counts['for the check']} came"
        if not self.is_used:
            return f"decoded on the CPU: of {CHECKED} pictures decoded on the device as well, one has a cosine of {self.least_cosine:.5f}, below {LEAST_COSINE}"
        elsewhere = {reason: n for reason, n in self.counts.items() if reason != "on the device"}
        told = ", ".join(f"{reason} {n:,}" for reason, n in elsewhere.items())
        return f"decoded on the device: {self.counts['on the device']:,} pictures ({least}); on the CPU {sum(elsewhere.values()):,}: {told}"

    def _joined_check(self, data: bytes) -> bool:
        """Decode a picture both ways, if the check still wants some: by the encoder's own transform of the whole picture, too."""
        with self._lock:
            if self._n_checked >= CHECKED:
                return False
            self._n_checked += 1
        try:
            whole = self._device.transform.apply(decode(data).image)
            made = self._decoded(data)
        except PictureError:
            made = None
        with self._lock:
            if made is None:
                self._n_checked -= 1
                return False
            self._both.append((whole, made[0]))
        return True

    def _decoded(self, data: bytes) -> Made | None:
        """The picture, decoded with those that other threads wait for; None where the device fails at it."""
        asked = _Asked(data)
        with self._lock:
            self._waiting.append(asked)
        with self._turn:
            while not asked.is_done:
                with self._lock:
                    batch, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
                self._decode(batch)
        return asked.made

    def _decode(self, batch: Sequence[_Asked]) -> None:
        """Decode some pictures; where that fails, each alone."""
        try:
            for asked, made in zip(batch, self._device.of([one.data for one in batch]), strict=True):
                asked.made = made
        except Exception:  # noqa: BLE001 - whatever the device fails at, the processor says what is wrong with it
            if len(batch) > 1:
                for asked in batch:
                    self._decode([asked])
        for asked in batch:
            asked.is_done = True


def _probe() -> bytes:
    """A small JPEG."""
    buffer = BytesIO()
    Image.new("RGB", (32, 32), "teal").save(buffer, "JPEG")
    return buffer.getvalue()
