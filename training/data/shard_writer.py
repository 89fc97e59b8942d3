"""Examples as WebDataset shards in the layout of TreeOfLife: few large files, each read from front to back or by seeks.

A sample is its picture, the ten texts of BioCLIP's `make_wds.py` (https://github.com/Imageomics/bioclip) and, beyond
BioCLIP, `ID.json` with what the texts do not tell: source, observation and licence. The shards are read back by
`cladescope.training.data.examples` and by any WebDataset loader.
"""

import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

import cladescope
from cladescope.arrays import blocks
from cladescope.errors import InputError, PictureError, StoreError
from cladescope.files import PART, write_json
from cladescope.training.data.examples import Examples
from cladescope.training.data.shard_index import Member, ShardIndex, index_shard
from cladescope.training.data.shard_records import write_index
from cladescope.training.data.shard_sample import END, in_shard, sample_of, texts_of

logger = logging.getLogger(__name__)

__all__ = ["Member", "ShardIndex", "WrittenShards", "index_shard", "texts_of", "write_shards"]

MAX_COUNT = 100_000
"""Most samples of a shard."""
MAX_BYTES = 3_000_000_000
"""Most bytes of a shard, unless a single sample takes more."""

_BLOCK_ROWS = 256
_KEY = re.compile(r"[^./]+")


@dataclass(frozen=True)
class WrittenShards:
    """What `write_shards` wrote."""

    paths: tuple[Path, ...]
    n_written: int
    """Number of samples."""
    skipped: Counter[str]
    """Number of pictures that could not be written, by reason."""


def write_shards(
    examples: Examples,
    out: str | Path,
    *,
    max_count: int = MAX_COUNT,
    max_bytes: int = MAX_BYTES,
    size: int | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> WrittenShards:
    """Write `shard-000000.tar` and so on, each with its index (`cladescope.training.data.shard_records`), into a new or empty folder, and last
    `shards.json`, which says what is there.

    `size` None keeps each picture's own bytes; a number squashes it to `size` x `size` pixels (Pillow's bicubic, the
    aspect ratio is not kept) and writes JPEG, as BioCLIP does with 224. Every picture is decoded all the same, and one
    that cannot be is left out and counted. Samples come in an order drawn from their ids, so that whoever reads a shard
    from its start meets taxa mixed. The bytes depend on the examples and the options alone, not on their order or on
    `workers` (threads that read and decode). A shard gets its name once it is complete. `progress` is called with
    the number of examples that are done and their total. Memory: `workers` decoded and 256 encoded pictures.

    Raises InputError if the folder holds anything, if an id holds a dot or a slash, where a key of WebDataset
    ends, or if no picture can be read; StoreError if the disk is full or cannot be written.
    """
    if min(max_count, max_bytes, workers) < 1 or (size is not None and size < 1):
        raise InputError(
            f"max_count is {max_count}, max_bytes {max_bytes}, workers {workers}, size {size}: give 1 or more"
        )
    if odd := [image_id for image_id in examples.image_ids if not _KEY.fullmatch(image_id)]:
        raise InputError(
            f"{len(odd)} image ids, {odd[0]!r} the first, are empty or hold a dot or a slash, where a key of WebDataset ends: rename them"
        )
    folder = Path(out)
    skipped: Counter[str] = Counter()
    try:
        _claim(folder)
        with _Writer(folder, max_count, max_bytes) as writer:
            for sample in _samples(examples, size=size, workers=workers, skipped=skipped, progress=progress):
                writer.write(sample)
        if not writer.n_written:
            reasons = ", ".join(f"{n} {reason}" for reason, n in skipped.most_common(3))
            raise InputError(f"not one of {len(examples)} pictures could be written: {reasons}")
        about = {
            "n_samples": writer.n_written,
            "n_shards": len(writer.paths),
            "size": size,
            "n_skipped": skipped.total(),
            "cladescope": cladescope.__version__,
        }
        write_json(folder / "shards.json", about)
    except OSError as error:
        raise StoreError(f"cannot write shards into {folder}: {error.strerror or error}") from error
    return WrittenShards(tuple(writer.paths), writer.n_written, skipped)


def _samples(
    examples: Examples,
    *,
    size: int | None,
    workers: int,
    skipped: Counter[str],
    progress: Callable[[int, int], None] | None,
) -> Iterator[bytes]:
    """The members of each sample, as they stand in a tar file, in an order drawn from the ids."""
    n = len(examples)
    drawn = {image_id: blake2b(image_id.encode(), digest_size=16).digest() for image_id in examples.image_ids}
    order = sorted(range(n), key=lambda row: drawn[examples.image_ids[row]])
    with ThreadPoolExecutor(workers) as pool:
        for start, stop in blocks(n, size=_BLOCK_ROWS):
            for sample in pool.map(lambda row: _sample(examples, row, size), order[start:stop]):
                if isinstance(sample, str):
                    skipped[sample] += 1
                else:
                    yield sample
            if progress is not None:
                progress(stop, n)


def _sample(examples: Examples, row: int, size: int | None) -> bytes | str:
    """The members of one sample, or why there is no picture."""
    image_id, taxon, common_name = examples.image_ids[row], examples.taxa[row], examples.common_names[row]
    try:
        content = examples.read(row)
    except PictureError as error:
        logger.warning("left out %s: %s", image_id, error)
        return "could not be read"
    try:
        content, ending = in_shard(content, examples.uris[row], size)
    except PictureError as error:
        logger.warning("left out %s (%s): %s", image_id, examples.uris[row], error)
        return "could not be decoded"
    beside = {
        "source": examples.sources[row],
        "observation_id": examples.groups[row],
        "licence": examples.licences[row],
        "common_name": common_name,
    }
    return sample_of(image_id, (ending, content), texts_of(taxon, common_name), beside)


class _Writer:
    """Samples one after the other into numbered shards; a shard is renamed once it is whole."""

    def __init__(self, folder: Path, max_count: int, max_bytes: int) -> None:
        self.paths: list[Path] = []
        self.n_written = 0
        self._folder, self._max_count = folder, max_count
        self._max_bytes = max_bytes - len(END)
        self._stream: BinaryIO | None = None
        self._count = self._n_bytes = 0

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._stream is not None and kind is None:
            self._finish(self._stream)
        elif self._stream is not None:
            self._stream.close()

    def write(self, sample: bytes) -> None:
        full = self._count == self._max_count or self._n_bytes + len(sample) > self._max_bytes
        if self._stream is not None and full:
            self._finish(self._stream)
        if self._stream is None:
            self._stream = self._part.open("wb")
            self._count = self._n_bytes = 0
        self._stream.write(sample)
        self._count += 1
        self._n_bytes += len(sample)
        self.n_written += 1

    @property
    def _part(self) -> Path:
        return self._folder / f"{PART}shard-{len(self.paths):06d}.tar"

    def _finish(self, stream: BinaryIO) -> None:
        with stream:
            stream.write(END)
            stream.flush()
            os.fsync(stream.fileno())
        self.paths.append(self._part.replace(self._folder / self._part.name.removeprefix(PART)))
        write_index(self.paths[-1])
        self._stream = None


def _claim(folder: Path) -> None:
    """Make the folder, or raise InputError if it holds anything but the unfinished file of a job that was cut short."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: give a new folder for the shards")
    folder.mkdir(parents=True, exist_ok=True)
    found = sorted(path.name for path in folder.iterdir() if not path.name.startswith(PART))
    if found:
        finished = "shards.json" in found
        what = "holds a finished set of shards" if finished else f"is not empty (it holds {', '.join(found[:3])})"
        raise InputError(f"{folder} {what}: give a new or an empty folder")
    for path in folder.iterdir():
        path.unlink()
