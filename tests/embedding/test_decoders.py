"""Decoding in processes: the same as in threads, whatever the pictures and the processes do."""

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cladescope.embedding import decoders as decoders_module
from cladescope.embedding.decoders import MOST_DEAD, TRIES, Decoders, decoders_for
from cladescope.embedding.encoders.pixels import Pixels
from cladescope.embedding.prepare import made_of, too_long, unexpected, whole_of
from cladescope.embedding.several import SeveralEncoders
from cladescope.embedding.transform import ImageTransform
from cladescope.errors import EncoderError, PictureError
from tests.conftest import REPOSITORY
from tests.embedding.encoding import ORIENTATION, encode, patches
from tests.embedding.treacherous import ERROR, HANGS, KILLED, KILLED_ONCE, LEAVES, PLAIN, KilledAtStart, Treacherous

TRANSFORM = ImageTransform(**PLAIN)


def png(width: int, seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 255, (40, width, 3), dtype=np.uint8)
    return encode(Image.fromarray(noise), "PNG")


def tagged(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[0x9003] = "2024:05:17 10:11:12"
    return encode(patches(200, 120), "JPEG", exif=exif)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def plain() -> Any:
    with Decoders(TRANSFORM, with_tags=True, seconds=120.0) as decoders:
        yield decoders


@pytest.fixture
def treacherous(tmp_path: Path) -> Any:
    with Decoders(Treacherous(**PLAIN, notes=str(tmp_path)), with_tags=False, seconds=120.0) as decoders:
        yield decoders


@given(
    st.sampled_from([encode(patches(), kind) for kind in ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "HEIF")]),
    st.lists(st.tuples(st.integers(0, 2**16), st.binary(min_size=1, max_size=4)), max_size=3),
    st.integers(0, 2**16),
)
@settings(max_examples=60)
def test_a_damaged_file_is_the_same_pixels_or_the_same_reason(
    plain: Decoders, data: bytes, hits: Any, cut: int
) -> None:
    for place, written in hits:
        place %= len(data)
        data = data[:place] + written + data[place + len(written) :]
    data = data[: len(data) - cut % len(data)] if cut % 3 == 0 else data

    def outcome(make: Any) -> Any:
        try:
            return make()
        except PictureError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - a fuzz finds what nobody expected
            return unexpected(error)

    here = outcome(lambda: made_of(data, TRANSFORM, with_tags=True))
    there = outcome(lambda: plain.made_of(data))
    if isinstance(here, str):
        assert there == here
    else:
        assert np.array_equal(there.pixels, here.pixels)
        assert (there.content_hash, there.width, there.height, there.tags) == (
            here.content_hash,
            here.width,
            here.height,
            here.tags,
        )


def test_a_whole_picture_comes_back_at_its_own_size(plain: Decoders) -> None:
    found = plain.whole_of(tagged(6))
    assert found is not None
    hashed, picture, tags = whole_of(tagged(6), with_tags=True)
    assert (found[0], found[2]) == (hashed, tags)
    assert (found[1].width, found[1].height, found[1].image.mode) == (120, 200, "RGB")
    assert found[1].image.tobytes() == picture.image.tobytes()


def test_a_process_that_is_killed_loses_no_picture_and_is_counted(treacherous: Decoders) -> None:
    made = treacherous.made_of(png(KILLED_ONCE))
    assert made is not None
    assert np.array_equal(made.pixels, made_of(png(KILLED_ONCE), TRANSFORM, with_tags=False).pixels)
    (line,) = [note for note in treacherous.notes() if "died" in note]
    assert (
        line
        == "processes that decode pictures died: 1 (SIGKILL 1); they were replaced, and their pictures decoded anew"
    )


def test_a_picture_of_which_every_process_dies_fails_alone(
    treacherous: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoders_module, "TRIES", 2)
    for width, how in ((KILLED, "SIGKILL"), (LEAVES, "exit status 7")):
        with pytest.raises(PictureError, match=rf"2 processes died of it \({how}\)"):
            treacherous.made_of(png(width))
    assert treacherous.made_of(png(64)) is not None
    assert treacherous.notes()[1].startswith("processes that decode pictures died: 4 (SIGKILL 2, exit status 7 2)")


def test_a_process_that_is_killed_while_it_starts_is_replaced(tmp_path: Path) -> None:
    expected = made_of(png(64), TRANSFORM, with_tags=False)
    with Decoders(KilledAtStart(**PLAIN, notes=str(tmp_path)), with_tags=False, seconds=120.0) as decoders:
        made = decoders.made_of(png(64))
        assert made is not None
        assert np.array_equal(made.pixels, expected.pixels)
        assert decoders.notes()[1].startswith(
            "processes that decode pictures died: 1 (while starting 1); they were replaced"
        )


def test_an_error_that_nobody_expected_has_the_words_that_it_has_in_a_thread(treacherous: Decoders) -> None:
    with pytest.raises(PictureError, match="^unexpected KeyError: 'none'$"):
        treacherous.made_of(png(ERROR))
    assert treacherous.made_of(png(64)) is not None
    assert len(treacherous.notes()) == 1


def test_a_process_that_hangs_is_ended_and_replaced(tmp_path: Path) -> None:
    transform = Treacherous(**PLAIN, notes=str(tmp_path))
    with Decoders(transform, with_tags=False, seconds=0.5) as decoders:
        with pytest.raises(PictureError) as refusal:
            decoders.made_of(png(HANGS))
        assert str(refusal.value) == too_long(0.5)
        assert not decoders.pids
        assert decoders.notes()[1] == "processes that hung in a picture for 0.5 seconds were ended and replaced: 1"


def test_processes_that_die_of_everything_end_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders_module, "MOST_DEAD", 1)
    transform = Treacherous(**PLAIN, notes=str(tmp_path))
    with (
        Decoders(transform, with_tags=False, seconds=120.0) as decoders,
        pytest.raises(
            EncoderError, match="2 processes that decode pictures died one after another, the last of exit status 7"
        ),
    ):
        decoders.made_of(png(LEAVES))
    assert MOST_DEAD > TRIES


class OnDevice(Pixels):
    """Says that it computes on a device of its own."""

    computes_apart = True

    def begin_pixels(self, batch: np.ndarray) -> Any:
        vectors = self.encode_pixels(batch)
        return lambda: vectors


@pytest.mark.parametrize(
    "encoder, decode_in, workers, is_used",
    [
        (OnDevice(), "auto", 32, True),
        (OnDevice(), "auto", 31, False),
        (Pixels(), "auto", 64, False),
        (SeveralEncoders([Pixels(), OnDevice()]), "auto", 32, True),
        (OnDevice(), "threads", 64, False),
        (Pixels(), "processes", 1, True),
    ],
)
def test_processes_are_for_many_workers_beside_a_device(
    encoder: Any, decode_in: Any, workers: int, is_used: bool
) -> None:
    found = decoders_for(encoder, decode_in, workers=workers, with_tags=False, seconds=120.0)
    assert (found is not None) == is_used


def test_nothing_is_left_when_a_job_has_ended(tmp_path: Path) -> None:
    with Decoders(TRANSFORM, with_tags=False, seconds=120.0) as decoders:
        decoders.made_of(png(50))
        pids = decoders.pids
    assert len(pids) == 1
    assert not any(map(is_running, pids))
    with pytest.raises(EncoderError, match="the job has ended"):
        decoders.made_of(png(50))


def test_a_thread_that_waits_for_a_process_is_told_when_the_job_ends(treacherous: Decoders, tmp_path: Path) -> None:
    told: list[Exception] = []

    def ask() -> None:
        with pytest.raises(EncoderError) as error:
            treacherous.made_of(png(HANGS))
        told.append(error.value)

    thread = threading.Thread(target=ask)
    thread.start()
    while not (tmp_path / str(HANGS)).exists():
        time.sleep(0.01)
    treacherous.close()
    thread.join(60)
    assert len(told) == 1
    assert not treacherous.pids


ORPHAN = """
import sys, threading
from cladescope.embedding.decoders import Decoders
from tests.embedding.treacherous import PLAIN, Treacherous
decoders = Decoders(Treacherous(**PLAIN, notes=sys.argv[1]), with_tags=False, seconds=600.0)
decoders.made_of(open(sys.argv[2], "rb").read())
print(*decoders.pids, flush=True)
decoders.made_of(open(sys.argv[3], "rb").read())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_job_that_is_killed_leaves_no_process_behind_that_hangs(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(png(50))
    bad.write_bytes(png(HANGS))
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, tmp_path, good, bad], stdout=subprocess.PIPE, cwd=REPOSITORY
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    while not (tmp_path / str(HANGS)).exists():
        time.sleep(0.01)
    assert is_running(pid)
    parent.kill()
    parent.communicate(timeout=60)
    until = time.monotonic() + 60
    while is_running(pid):
        assert time.monotonic() < until, "the process outlived its job"
        time.sleep(0.01)
