"""Two tasks of biobench that ask what animals do in clips of videos, read as it reads them: KABR and MammalNet.

Stevens 2025, BioBench, https://arxiv.org/abs/2511.16315; `src/biobench/kabr` and `mammalnet` of github.com/samuelstevens/biobench. KABR:
Kholiavchenko et al. 2024, https://huggingface.co/datasets/imageomics/KABR. MammalNet: Chen et al. 2023, https://arxiv.org/abs/2306.00576.
No video is decoded: KABR publishes frames, and those of MammalNet are extracted before, as biobench does.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from cladescope.analysis.benchmark.file_task import file_task
from cladescope.analysis.benchmark.published_table import counted_reasons, picture_folder
from cladescope.analysis.benchmark.questions import Clips
from cladescope.analysis.benchmark.tasks import TEST, TRAIN, Task
from cladescope.delimited import local_opener, read_text
from cladescope.errors import InputError

MOST_BEHAVIOURS = 1000
KABR_FRAMES, KABR_EVERY, KABR_SEED = 16, 5, 42
MAMMALNET_FRAMES, N_BEHAVIOURS = 32, 12
_KABR_COLUMNS = ("video_id", "frame_id", "path", "labels")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clip:
    name: str
    part: str
    behaviour: str
    frames: Sequence[str]
    """Addresses, in their order."""


def read_kabr(path: Path, *, images: Path | None = None) -> Task:
    """Behaviour of giraffes and zebras: `annotation/train.csv` and `val.csv`, frames below `dataset/image/`; the second part is asked.

    Of each clip 16 frames are taken, every fifth from a start that is drawn with the seed 42, clip after clip of each part; closer together
    where the clip is shorter. Its class is what most of these show, of equally many the smaller number, by its name in
    `annotation/classes.json` where that is there. Clips of fewer than 16 frames are left out, as biobench does, and counted. No picture is
    opened.

    Raises InputError for what is not KABR as it is published, and where the frames of a clip have a gap.
    """
    folder = picture_folder(path, ("dataset/image",), images=images, of="KABR")
    names = _behaviours(path / "annotation" / "classes.json")
    reasons: Counter[str] = Counter()
    clips, largest = [], -1
    for part, stem in ((TRAIN, "train"), (TEST, "val")):
        file = path / "annotation" / f"{stem}.csv"
        rng = np.random.default_rng(KABR_SEED)
        for rows in _kabr_clips(file).values():
            if len(rows) < KABR_FRAMES:
                reasons[f"clips of {file.name} have fewer than {KABR_FRAMES} frames"] += 1
                continue
            taken = [rows[place] for place in _spread(len(rows), rng)]
            behaviour = int(np.bincount([label for _, label in taken]).argmax())
            largest = max(largest, behaviour)
            frames = [str(folder / frame) for frame, _ in taken]
            name = taken[0][0].rpartition("/")[0]
            clips.append(_Clip(name=name, part=part, behaviour=names.get(behaviour, str(behaviour)), frames=frames))
    return _task(path, folder, clips, reasons, n_classes=max(len(names), largest + 1), n_frames=KABR_FRAMES)


def read_mammalnet(path: Path, *, images: Path | None = None) -> Task:
    """Twelve behaviours of mammals: `annotation/composition/train.csv` and `test.csv`, 32 frames of each clip as `frames/CLIP/frame_01.jpg`.

    A line is `trimmed_videos/CLIP.mp4`, the number of the behaviour and that of the animal; the behaviour is the class. Clips without a
    folder of frames, or with fewer than 32, are left out, as biobench does, and counted. No picture is opened.

    Raises InputError for what is not MammalNet as it is published, and where no frames are extracted.
    """
    folder = picture_folder(path, ("frames",), images=images, of="MammalNet")
    if images is None and folder != (path / "frames").resolve():
        raise InputError(
            f"{path} holds no frames/CLIP/frame_01.jpg: extract {MAMMALNET_FRAMES} frames of each video (docs/evaluation.md says how), or name "
            "their folder as images"
        )
    wanted = [f"frame_{number:02}.jpg" for number in range(1, MAMMALNET_FRAMES + 1)]
    reasons: Counter[str] = Counter()
    clips = []
    for part in (TRAIN, TEST):
        file = path / "annotation" / "composition" / f"{part}.csv"
        for line, (video, behaviour, _) in enumerate(_rows(file, width=3, of="MammalNet"), 1):
            if not behaviour.isdecimal() or int(behaviour) >= N_BEHAVIOURS:
                raise InputError(
                    f"line {line} of {file} has the behaviour {behaviour!r}: expected 0 to {N_BEHAVIOURS - 1} as the second of three values"
                )
            name = video.rpartition("/")[2].removesuffix(".mp4")
            there = {one.name for one in (folder / name).iterdir()} if (folder / name).is_dir() else None
            if there is None:
                reasons[f"clips of {file.name} have no folder of frames"] += 1
            elif not there.issuperset(wanted):
                reasons[f"clips of {file.name} have fewer than {MAMMALNET_FRAMES} frames"] += 1
            else:
                frames = [str(folder / name / frame) for frame in wanted]
                clips.append(_Clip(name=name, part=part, behaviour=f"behaviour {behaviour}", frames=frames))
    if not clips:
        raise InputError(
            f"no clip of {path} has its {MAMMALNET_FRAMES} frames ({'; '.join(counted_reasons(reasons))}): extract them as docs/evaluation.md "
            "says, or name their folder as images"
        )
    return _task(path, folder, clips, reasons, n_classes=N_BEHAVIOURS, n_frames=MAMMALNET_FRAMES)


def _task(
    path: Path, folder: Path, clips: Sequence[_Clip], reasons: Counter[str], *, n_classes: int, n_frames: int
) -> Task:
    """The task of whole clips, a row for each frame."""
    uris = [frame for clip in clips for frame in clip.frames]
    question = Clips(
        names=tuple(clip.name for clip in clips),
        number=np.repeat(np.arange(len(clips)), n_frames),
        n_frames=n_frames,
        n_classes=n_classes,
    )
    return file_task(
        uris,
        pa.array([clip.behaviour for clip in clips for _ in clip.frames], pa.string()),
        name=path.resolve().name,
        address=str(path.resolve()),
        parts=[clip.part for clip in clips for _ in clip.frames],
        left_out=counted_reasons(reasons),
        question=question,
        root=str(folder),
    )


def _spread(n: int, rng: np.random.Generator) -> range:
    """Which of n frames of a clip are taken: every fifth, or closer so that there are 16, from a start that is drawn.

    >>> _spread(16, np.random.default_rng(0)), _spread(77, np.random.default_rng(42)), _spread(40, np.random.default_rng(0)).step
    (range(0, 16), range(0, 76, 5), 2)
    """
    every = min(KABR_EVERY, (n - 1) // (KABR_FRAMES - 1))
    length = (KABR_FRAMES - 1) * every + 1
    start = int(rng.integers(0, n - length + 1))
    return range(start, start + length, every)


def _kabr_clips(file: Path) -> dict[int, list[tuple[str, int]]]:
    """For each clip, by its number, the path and the label of each frame in the order of the file."""
    rows = _rows(file, width=5, of="KABR")
    head = next(rows, [])
    if missing := [name for name in _KABR_COLUMNS if name not in head]:
        raise InputError(
            f"{file} has no column {missing[0]!r} (it has {', '.join(map(repr, head))}): expected KABR's table as it is published, with "
            f"{' '.join(('original_vido_id', *_KABR_COLUMNS))}"
        )
    video, frame, path, label = (head.index(name) for name in _KABR_COLUMNS)
    clips: dict[int, list[tuple[str, int]]] = {}
    for line, row in enumerate(rows, 2):
        numbers = all(row[place].isdecimal() for place in (video, frame, label))
        if not numbers or int(row[label]) > MOST_BEHAVIOURS:
            raise InputError(
                f"line {line} of {file} is {' '.join(row)!r}: expected whole numbers as video_id, frame_id and labels, and labels up to {MOST_BEHAVIOURS}"
            )
        known = clips.setdefault(int(row[video]), [])
        if int(row[frame]) > len(known) + 1:
            raise InputError(
                f"line {line} of {file} is frame {row[frame]} of the clip {row[video]}, which has {len(known)} before it: expected all frames of a "
                "clip, as they are published"
            )
        known.append((row[path], int(row[label])))
    return clips


def _behaviours(file: Path) -> dict[int, str]:
    """Names by number; none where the file is not there."""
    if not file.is_file():
        return {}
    try:
        found = {int(number): str(name) for name, number in json.loads(file.read_text()).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{file} is no table of classes: expected names with their numbers, as published") from error
    return found


def _rows(file: Path, *, width: int, of: str) -> Iterator[list[str]]:
    """Lines of a text whose values are separated by spaces."""
    if not file.is_file():
        raise InputError(f"{file} does not exist: expected the folder of {of} as it is published")
    text = read_text(str(file), local_opener(file))
    for line, row in enumerate(csv.reader(text.splitlines(), delimiter=" "), 1):
        if len(row) != width:
            raise InputError(
                f"line {line} of {file} has {len(row)} values: expected {width}, separated by spaces, as {of} has it"
            )
        yield row
