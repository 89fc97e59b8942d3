"""Batches of training pictures: read, decoded and changed in threads, handed over in the order of the epoch.

The epoch is an array of rows, and everything is known by its position in it: which process has it in which step, how
it is changed, and what stands in for it if it cannot be read. So a run that is resumed, or split over more processes,
sees what it would have seen. Which rows make an epoch is decided in `cladescope.training.data.sampling`.
"""

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64, UInt8

from cladescope.embedding.decode import decode
from cladescope.embedding.resampling import Interpolation
from cladescope.errors import InputError, PictureError
from cladescope.training.data.arriving import Arriving
from cladescope.training.data.augment import augment
from cladescope.training.sections import AugmentConfig

logger = logging.getLogger(__name__)

AHEAD = 2
"""Batches that are read ahead of the one that is handed over."""
SUBSTITUTES = 64
"""Other pictures that are tried in place of one that cannot be read; a source where all fail is given up."""

Prepare = Callable[[bytes, int], UInt8[np.ndarray, "size size 3"]]
"""Encoded picture and position in the epoch to pixels; called in threads, raises PictureError for a bad picture."""


@runtime_checkable
class Pictures(Protocol):
    """What batches are made of."""

    def __len__(self) -> int:
        """How many pictures there are."""

    def read(self, row: int) -> bytes:
        """The encoded picture of a row; called in threads, raises PictureError or OSError if it cannot be read."""


@runtime_checkable
class Order(Protocol):
    """Which row stands at each position of an epoch; an array is one."""

    def __len__(self) -> int:
        """How many positions there are."""

    def __getitem__(self, position: int, /) -> Any:
        """The row at a position."""

    def min(self) -> Any:
        """The least row."""

    def max(self) -> Any:
        """The greatest row."""


@dataclass(frozen=True, eq=False)
class Batch:
    """What one process sees in one step."""

    step: int
    """Step of the epoch, from 0."""
    positions: Int64[np.ndarray, " b"]
    """Places in the epoch's order."""
    rows: Int64[np.ndarray, " b"]
    """Rows of the examples that the pixels show: of the substitute where a picture was replaced."""
    pixels: UInt8[np.ndarray, "b size size 3"]
    n_replaced: int
    """Pictures that could not be read or decoded, each replaced by another."""


def n_steps(n_positions: int, *, batch_size: int, n_processes: int = 1) -> int:
    """Steps of an epoch: full batches of all processes together; what is left over is dropped, as in BioCLIP.

    Raises InputError if not even one batch comes together.

    >>> n_steps(1000, batch_size=64, n_processes=2)
    7
    """
    if batch_size < 1 or n_processes < 1:
        raise InputError(f"batch_size is {batch_size} and n_processes {n_processes}: both must be at least 1")
    steps = n_positions // (batch_size * n_processes)
    if not steps:
        raise InputError(
            f"{n_positions} pictures an epoch do not fill one batch of {batch_size} in {n_processes} process(es): "
            "lower batch_size"
        )
    return steps


def augmented(
    size: int, config: AugmentConfig, *, seed: int, epoch: int, interpolation: Interpolation = "bicubic"
) -> Prepare:
    """Decode and augment, with a generator seeded by (seed, epoch, position) for each picture.

    >>> from io import BytesIO
    >>> from PIL import Image
    >>> file = BytesIO()
    >>> Image.new("RGB", (40, 30), "white").save(file, "PNG")
    >>> augmented(8, AugmentConfig(), seed=0, epoch=1)(file.getvalue(), 12).shape
    (8, 8, 3)
    """
    min_side = config.min_side(size)

    def prepare(data: bytes, position: int) -> UInt8[np.ndarray, "size size 3"]:
        rng = np.random.default_rng((seed, epoch, position))
        image = decode(data, min_side=min_side).image
        return augment(image, size=size, config=config, rng=rng, interpolation=interpolation)

    return prepare


def batches(
    examples: Pictures,
    order: Order,
    *,
    batch_size: int,
    prepare: Prepare,
    workers: int,
    replace_seed: int,
    start_step: int = 0,
    process: int = 0,
    n_processes: int = 1,
    known_broken: set[int] | None = None,
    arriving: Arriving | None = None,
) -> Generator[Batch, None, None]:
    """Batches of one process from a step of the epoch on, in order; closing the generator stops its threads.

    A step takes the next `batch_size` * `n_processes` positions of `order` (rows of `examples`); of these, a process
    takes every `n_processes`-th, so that together the processes see what one process with the whole batch would.

    A picture that cannot be read or decoded is replaced by one drawn from `order` by (`replace_seed`, position), and by
    further ones while that fails too. It is logged once for each `known_broken`, a set of rows that grows with each;
    hand the same set to every epoch to hear of a picture once in a run. With `arriving`, which is of this order, start and process, pictures come
    from there and only substitutes are read one by one.

    Memory: 3 size^2 bytes a picture for `AHEAD` + 2 batches, and one decoded picture a worker.

    Raises InputError for numbers that make no batch, at once, and when 65 pictures in a row are unreadable.

    >>> class Grey:
    ...     def __len__(self): return 5
    ...     def read(self, row): return bytes([row])
    >>> def pixels(data, position): return np.full((1, 1, 3), data[0], np.uint8)
    >>> for batch in batches(Grey(), np.array([4, 3, 2, 1, 0]), batch_size=2, prepare=pixels, workers=1, replace_seed=0):
    ...     print(batch.step, batch.rows, batch.pixels[:, 0, 0, 0])
    0 [4 3] [4 3]
    1 [2 1] [2 1]
    """
    steps = n_steps(len(order), batch_size=batch_size, n_processes=n_processes)
    if not 0 <= start_step <= steps:
        raise InputError(f"start_step is {start_step}, expected 0 to {steps}, the steps of the epoch")
    if not 0 <= process < n_processes:
        raise InputError(f"process is {process}, expected 0 to {n_processes - 1}")
    if workers < 1:
        raise InputError(f"workers is {workers}: it must be at least 1")
    if order.min() < 0 or order.max() >= len(examples):
        raise InputError(
            f"order has rows {order.min()} to {order.max()}, expected 0 to {len(examples) - 1}: make it of these examples"
        )
    first, last = (step * batch_size * n_processes for step in (start_step, steps))
    positions = range(first + process, last, n_processes)
    loader = _Loader(examples, order, prepare, replace_seed, set() if known_broken is None else known_broken, arriving)
    return _batches(loader, positions, start_step, batch_size, workers)


def _batches(
    loader: "_Loader", positions: range, start_step: int, batch_size: int, workers: int
) -> Generator[Batch, None, None]:
    """Keep the threads busy ahead of the batch that is handed over."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="load")
    arriving = nullcontext() if loader.arriving is None else loader.arriving
    with _ending(pool), arriving:
        waiting: deque[Future[_Loaded]] = deque()
        to_come = iter(positions)
        for position in islice(to_come, max(AHEAD * batch_size, 2 * workers)):
            waiting.append(pool.submit(loader.load, position))
        for n, start in enumerate(range(0, len(positions), batch_size)):
            loaded = []
            for _ in range(batch_size):
                loaded.append(waiting.popleft().result())
                for position in islice(to_come, 1):
                    waiting.append(pool.submit(loader.load, position))
            for item in loaded:
                loader.report(item)
            yield Batch(
                start_step + n,
                np.array(positions[start : start + batch_size], np.int64),
                np.array([item.row for item in loaded], np.int64),
                np.stack([item.pixels for item in loaded]),
                sum(bool(item.failures) for item in loaded),
            )


@contextmanager
def _ending(pool: ThreadPoolExecutor) -> Iterator[None]:
    """Have the threads of a pool ended with a block, and what waits for them cancelled."""
    try:
        yield
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """One picture, and the rows that failed before it with the reasons."""

    row: int
    pixels: UInt8[np.ndarray, "size size 3"]
    failures: list[tuple[int, str]]


@dataclass(frozen=True)
class _Loader:
    """Loads the picture of a position; `load` runs in threads, `report` does not."""

    examples: Pictures
    order: Order
    prepare: Prepare
    replace_seed: int
    known_broken: set[int]
    arriving: Arriving | None = None

    def load(self, position: int) -> _Loaded:
        """The picture at a position, or its substitute."""
        failures: list[tuple[int, str]] = []
        row = int(self.order[position])
        rng = None
        while len(failures) <= SUBSTITUTES:
            try:
                arriving = None if failures else self.arriving
                content = self.examples.read(row) if arriving is None else arriving.take(position)
                return _Loaded(row, self.prepare(content, position), failures)
            except (PictureError, OSError) as error:
                failures.append((row, str(error)))
            rng = rng or np.random.default_rng((self.replace_seed, position))
            row = int(self.order[int(rng.integers(len(self.order)))])
        raise InputError(
            f"none of {len(failures)} pictures could be read, the last, row {failures[-1][0]}: {failures[-1][1]}; "
            "check that the files are where they were"
        )

    def report(self, item: _Loaded) -> None:
        """Log what was not known to be broken."""
        for row, reason in item.failures:
            if row not in self.known_broken:
                self.known_broken.add(row)
                logger.warning("picture of row %d cannot be used and is replaced by another: %s", row, reason)
