"""A transform that does what broken decoders do; a process that decodes loads it in no time."""

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cladescope.embedding.transform import ImageTransform

PLAIN: dict[str, Any] = {"size": 32, "mean": (0.5,) * 3, "std": (0.5,) * 3}
KILLED, KILLED_ONCE, HANGS, LEAVES, ERROR = 101, 102, 103, 104, 105
AT_START = "at-start"
"""Widths of pictures, in pixels, and what becomes of the process that decodes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Treacherous(ImageTransform):
    """Does with pictures of some widths what decoders do that are broken."""

    notes: str
    """A folder, in which a file named as the width says what happened."""

    def apply(
        self, image: Image.Image, box: tuple[float, float, float, float] | None = None
    ) -> np.ndarray[Any, np.dtype[np.uint8]]:
        note = Path(self.notes) / str(image.width)
        if image.width == KILLED or (image.width == KILLED_ONCE and not note.exists()):
            note.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if image.width == HANGS:
            note.touch()
            time.sleep(600)
        if image.width == LEAVES:
            sys.exit(7)
        if image.width == ERROR:
            raise KeyError("none")
        return ImageTransform.apply(self, image, box)


@dataclass(frozen=True, slots=True, kw_only=True)
class KilledAtStart(Treacherous):
    """Kills the first process that it is sent to."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (self.notes,)


def _received(notes: str) -> Treacherous:
    note = Path(notes) / AT_START
    if not note.exists():
        note.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return Treacherous(**PLAIN, notes=notes)
