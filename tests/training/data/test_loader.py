"""Batches depend on positions alone: not on threads, processes, resuming or what was read before."""

import gc
import logging
import threading
import time
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cladescope.embedding.decode import decode
from cladescope.errors import InputError, PictureError
from cladescope.training.data.augment import augment
from cladescope.training.data.loader import AHEAD, Pictures, augmented, batches, n_steps
from cladescope.training.sections import AugmentConfig


class Numbers:
    """Pictures that are their own row number; some cannot be read, some are damaged."""

    def __init__(self, n, *, gone=(), damaged=()):
        self.n, self.gone, self.damaged = n, set(gone), set(damaged)
        self.reads = 0
        self.lock = threading.Lock()

    def __len__(self):
        return self.n

    def read(self, row):
        with self.lock:
            self.reads += 1
        if row in self.gone:
            raise FileNotFoundError(f"no file {row}")
        return b"damaged" if row in self.damaged else row.to_bytes(4)


def prepare(data, position):
    """A pixel that shows the row (red, green) and the position (blue)."""
    if data == b"damaged":
        raise PictureError("truncated: the JPEG data ends early")
    row = int.from_bytes(data)
    time.sleep(0.0005 * (position % 3))  # so that threads finish out of order
    return np.array([[[row // 256, row % 256, position % 256]]], np.uint8)


def load(examples, order, *, batch_size=4, workers=3, replace_seed=0, **changes):
    return batches(
        examples,
        np.asarray(order),
        batch_size=batch_size,
        prepare=prepare,
        workers=workers,
        replace_seed=replace_seed,
        **changes,
    )


def seen(batch):
    """Everything that a batch says, position by position."""
    return list(zip(batch.positions.tolist(), batch.rows.tolist(), batch.pixels[:, 0, 0].tolist(), strict=True))


def shuffled(n, seed=0):
    return np.random.default_rng(seed).permutation(n)


def loading_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("load")]


def test_batches_follow_the_order_of_the_epoch():
    order = shuffled(50)
    found = list(load(Numbers(50), order))
    assert [batch.step for batch in found] == list(range(12))
    assert np.concatenate([batch.positions for batch in found]).tolist() == list(range(48))
    np.testing.assert_array_equal(np.concatenate([batch.rows for batch in found]), order[:48])
    for batch in found:
        np.testing.assert_array_equal(batch.pixels[:, 0, 0, 1], batch.rows)
        np.testing.assert_array_equal(batch.pixels[:, 0, 0, 2], batch.positions)
        assert batch.n_replaced == 0


@given(
    n=st.integers(1, 60),
    batch_size=st.integers(1, 6),
    n_processes=st.integers(1, 3),
    workers=st.integers(1, 4),
    data=st.data(),
)
@settings(max_examples=30, deadline=None)
def test_processes_threads_and_resuming_do_not_change_what_is_seen(n, batch_size, n_processes, workers, data):
    whole = batch_size * n_processes
    n += whole
    examples = Numbers(n, gone=range(1, n, 5), damaged=range(2, n, 7))
    start = data.draw(st.integers(0, n // whole))
    expected = [sorted(seen(batch)) for batch in load(examples, shuffled(n), batch_size=whole, workers=1)]
    parts = [
        list(
            load(
                examples,
                shuffled(n),
                batch_size=batch_size,
                workers=workers,
                start_step=start,
                process=process,
                n_processes=n_processes,
            )
        )
        for process in range(n_processes)
    ]
    found = [sorted(item for batch in step for item in seen(batch)) for step in zip(*parts, strict=True)]
    assert found == expected[start:]
    assert [batch.step for batch in parts[0]] == list(range(start, n // whole))


def test_resuming_gives_the_batches_of_an_uninterrupted_run_and_reads_no_others():
    whole = [seen(batch) for batch in load(Numbers(40, damaged=[3, 4]), shuffled(40))]
    examples = Numbers(40, damaged=[3, 4])
    assert [seen(batch) for batch in load(examples, shuffled(40), start_step=8)] == whole[8:]
    assert examples.reads <= 8 + 2 * 3


def test_the_last_partial_batch_of_all_processes_is_dropped():
    assert n_steps(23, batch_size=4, n_processes=2) == 2
    for process in (0, 1):
        found = list(load(Numbers(23), np.arange(23), process=process, n_processes=2))
        assert [batch.rows.tolist() for batch in found] == [
            list(range(process, 8, 2)),
            list(range(8 + process, 16, 2)),
        ]


def test_a_resumed_epoch_that_was_over_has_no_batches():
    assert list(load(Numbers(8), np.arange(8), start_step=2)) == []


def test_a_picture_that_cannot_be_read_or_decoded_is_replaced_and_counted():
    order = shuffled(40)
    examples = Numbers(40, gone=[5], damaged=[6])
    found = list(load(examples, order))
    assert sum(batch.n_replaced for batch in found) == 2
    for batch in found:
        replaced = np.isin(order[batch.positions], [5, 6])
        assert batch.n_replaced == replaced.sum()
        np.testing.assert_array_equal(batch.rows[~replaced], order[batch.positions][~replaced])
        assert not np.isin(batch.rows, [5, 6]).any()
        np.testing.assert_array_equal(batch.pixels[:, 0, 0, 1], batch.rows)  # pixels and row stay together


def test_substitutes_come_from_the_order_and_depend_on_the_seed_and_the_position():
    order = np.repeat([9, 1, 2, 3, 4, 5, 6, 7], 8)  # row 8 and those past 9 are in no epoch
    examples = Numbers(1000, gone=[9])
    one, again, other = (
        [batch.rows.tolist() for batch in load(examples, order, batch_size=64, replace_seed=seed)] for seed in (1, 1, 2)
    )
    assert one == again
    assert one != other
    substitutes = one[0][:8]
    assert set(substitutes) <= set(range(1, 8))
    assert len(set(substitutes)) > 1


def test_a_broken_picture_is_logged_once_with_its_reason(caplog):
    known: set[int] = set()
    order = np.array([0, 1, 2, 2, 2, 2, 2, 2])
    with caplog.at_level(logging.WARNING, logger="cladescope.training.data.loader"):
        for _ in range(2):
            list(load(Numbers(3, damaged=[2], gone=[0]), order, known_broken=known))
    assert sorted(record.getMessage() for record in caplog.records) == [
        "picture of row 0 cannot be used and is replaced by another: no file 0",
        "picture of row 2 cannot be used and is replaced by another: truncated: the JPEG data ends early",
    ]
    assert known == {0, 2}


def test_a_source_that_cannot_be_read_at_all_is_given_up():
    with pytest.raises(InputError, match=r"none of 65 pictures could be read, the last, row \d: no file \d"):
        next(load(Numbers(8, gone=range(8)), np.arange(8)))
    assert not loading_threads()


def test_a_mistake_that_is_no_broken_picture_is_raised_and_stops_the_threads():
    def wrong(data, position):
        raise InputError("size is 0")

    loader = batches(Numbers(40), np.arange(40), batch_size=4, prepare=wrong, workers=2, replace_seed=0)
    with pytest.raises(InputError, match="size is 0"):
        next(loader)
    assert not loading_threads()


def test_a_loader_that_is_closed_early_or_forgotten_leaves_no_thread_behind():
    loader = load(Numbers(400), np.arange(400))
    next(loader)
    assert loading_threads()
    loader.close()
    assert not loading_threads()
    forgotten = load(Numbers(400), np.arange(400))
    next(forgotten)
    del forgotten
    gc.collect()
    assert not loading_threads()


def test_an_exception_of_the_consumer_stops_the_threads():
    def consume():
        for batch in load(Numbers(400), np.arange(400)):
            raise RuntimeError(batch.step)

    with pytest.raises(RuntimeError):
        consume()
    gc.collect()
    assert not loading_threads()


def test_only_a_few_batches_are_read_ahead():
    examples = Numbers(400)
    loader = load(examples, np.arange(400), workers=2)
    for step in range(3):
        next(loader)
        assert examples.reads <= 4 * (step + 1 + AHEAD)
    loader.close()
    assert examples.reads <= 4 * (3 + AHEAD)


def test_reading_goes_on_while_the_consumer_works():
    examples = Numbers(400)
    loader = load(examples, np.arange(400), workers=2)
    next(loader)
    deadline = time.monotonic() + 10
    while examples.reads < 4 * (1 + AHEAD) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert examples.reads == 4 * (1 + AHEAD)
    loader.close()


@pytest.fixture(scope="module")
def jpegs():
    """Encoded pictures; the third is cut off."""
    files = []
    for seed in range(9):
        file = BytesIO()
        pixels = np.random.default_rng(seed).integers(0, 256, (60, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(file, "JPEG")
        files.append(file.getvalue())
    files[2] = files[2][: len(files[2]) // 2]
    return files


class Files:
    def __init__(self, files):
        self.files = files

    def __len__(self):
        return len(self.files)

    def read(self, row):
        return self.files[row]


def test_pictures_are_decoded_and_augmented_by_seed_epoch_and_position(jpegs):
    config = AugmentConfig(scale=(0.3, 1.0), flip=True, colour=0.2)
    order = np.array([8, 7, 2, 0, 1, 3])
    found = list(
        batches(
            Files(jpegs),
            order,
            batch_size=3,
            prepare=augmented(16, config, seed=5, epoch=2),
            workers=2,
            replace_seed=5,
        )
    )
    assert [batch.n_replaced for batch in found] == [1, 0]
    for batch in found:
        for position, row, pixels in zip(batch.positions, batch.rows, batch.pixels, strict=True):
            rng = np.random.default_rng((5, 2, int(position)))
            image = decode(jpegs[row], min_side=config.min_side(16)).image
            np.testing.assert_array_equal(pixels, augment(image, size=16, config=config, rng=rng))


def test_the_same_picture_is_seen_differently_in_another_epoch(jpegs):
    config = AugmentConfig(scale=(0.3, 1.0))
    views = {augmented(16, config, seed=0, epoch=epoch)(jpegs[0], 0).tobytes() for epoch in range(5)}
    assert len(views) == 5


def test_whatever_can_be_read_by_row_makes_batches():
    assert isinstance(Numbers(1), Pictures)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"batch_size": 0}, "batch_size is 0 and n_processes 1: both must be at least 1"),
        ({"batch_size": 9}, "8 pictures an epoch do not fill one batch of 9 in 1 process(es): lower batch_size"),
        ({"n_processes": 3}, "8 pictures an epoch do not fill one batch of 4 in 3 process(es)"),
        ({"start_step": 3}, "start_step is 3, expected 0 to 2, the steps of the epoch"),
        ({"start_step": -1}, "start_step is -1"),
        ({"process": 1}, "process is 1, expected 0 to 0"),
        ({"workers": 0}, "workers is 0: it must be at least 1"),
        ({"order": np.arange(1, 9)}, "order has rows 1 to 8, expected 0 to 7: make it of these examples"),
        ({"order": np.arange(-1, 7)}, "order has rows -1 to 6"),
    ],
)
def test_numbers_that_make_no_batches_are_refused_at_once(changes, message):
    with pytest.raises(InputError) as refusal:
        load(Numbers(8), **{"order": np.arange(8), **changes})
    assert message in str(refusal.value)
