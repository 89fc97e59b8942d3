"""A pass over shards: every picture once, however they are cut; and the same order after a stop."""

import gc
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.embedding import locations
from cladescope.errors import InputError, PictureError
from cladescope.taxonomy import Taxon
from cladescope.training.data import arriving as arriving_module
from cladescope.training.data.arriving import Arriving
from cladescope.training.data.columns import CodedColumn, SpanColumn
from cladescope.training.data.examples import Examples, load_examples
from cladescope.training.data.loader import AHEAD, batches, n_steps
from cladescope.training.data.stream import ShardedRows, StreamedOrder, cut, shuffle_hash, shuffled
from tests.embedding.sources.test_webdataset import treeoflife, write_shard

quick = settings(max_examples=60, deadline=None)
sizes_of_shards = st.lists(st.integers(0, 9), min_size=1, max_size=6)


def sharded(sizes: list[int]) -> ShardedRows:
    """Rows that are numbered through, in shards of these sizes; empty shards have no rows."""
    there = [size for size in sizes if size]
    return ShardedRows(np.arange(sum(there)), np.cumsum([0, *there]).astype(np.int64))


def orders(rows: ShardedRows, n_processes: int, at_once: int, buffer: int, epoch: int = 0) -> list[StreamedOrder]:
    return [
        rows.epoch(seed=3, epoch=epoch, buffer=buffer, at_once=at_once, process=process, n_processes=n_processes)
        for process in range(n_processes)
    ]


def shown(order: StreamedOrder) -> list[int]:
    return [int(order.read_order[place]) for place in order.shown_order]


@quick
@given(sizes_of_shards, st.integers(1, 7), st.integers(1, 4), st.integers(1, 12))
def test_every_picture_comes_once_in_an_epoch_of_all_processes(
    sizes: list[int], n_processes: int, at_once: int, buffer: int
) -> None:
    found = orders(sharded(sizes), n_processes, at_once, buffer)
    assert sorted(row for order in found for row in shown(order)) == list(range(sum(sizes)))
    counts = [len(order.read_order) for order in found]
    assert max(counts) - min(counts) <= 1
    assert all(len(order) == sum(sizes) for order in found)


@quick
@given(sizes_of_shards, st.integers(1, 4), st.integers(1, 4), st.integers(1, 12))
def test_shards_are_read_from_their_beginning_and_opened_once_but_where_they_are_cut(
    sizes: list[int], n_processes: int, at_once: int, buffer: int
) -> None:
    shard_of = np.repeat(np.arange(len(sizes)), sizes)
    n_opened = 0
    for order in orders(sharded(sizes), n_processes, at_once, buffer):
        for lane in range(at_once):
            read = order.read_order[lane::at_once]
            opened = [int(shard_of[row]) for row in read]
            changes = [place for place in range(len(read)) if place == 0 or opened[place] != opened[place - 1]]
            n_opened += len(changes)
            assert len(changes) == len(set(opened))
            for start, stop in pairwise([*changes, len(read)]):
                assert read[start:stop].tolist() == list(range(read[start], read[start] + stop - start))
    assert n_opened <= sum(size > 0 for size in sizes) + n_processes * at_once - 1


@quick
@given(st.integers(0, 60), st.integers(1, 20))
def test_a_picture_is_shown_at_most_a_buffer_before_its_turn(n: int, buffer: int) -> None:
    order = shuffled(n, buffer, seed="7")
    assert sorted(order.tolist()) == list(range(n))
    assert (order < np.arange(n) + buffer).all()


def test_epochs_seeds_and_processes_differ_and_nothing_else_changes_the_order() -> None:
    rows = sharded([40, 7, 25, 1])
    first, again = (shown(orders(rows, 1, 2, 10)[0]) for _ in range(2))
    assert first == again
    assert first != shown(orders(rows, 1, 2, 10, epoch=1)[0])
    assert first != shown(rows.epoch(seed=4, epoch=0, buffer=10, at_once=2))
    assert first != sorted(first)


@quick
@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 9))
def test_a_stretch_is_cut_into_parts_that_follow_each_other(start: int, length: int, n: int) -> None:
    parts = cut(range(start, start + length), n)
    assert [one for part in parts for one in part] == list(range(start, start + length))
    assert {len(part) for part in parts} <= {length // n, length // n + 1}
    assert [len(part) for part in parts] == sorted((len(part) for part in parts), reverse=True)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five shards of unequal sizes, one of them of one picture."""
    folder = tmp_path_factory.mktemp("shards")
    for number, size in enumerate((5, 1, 9, 3, 4)):
        write_shard(folder / f"s{number}.tar", treeoflife(*(f"{number}x{place}" for place in range(size))))
    return folder


def content(data: bytes, position: int) -> np.ndarray:
    """A pixel of the letters of a picture's name; one that ends in `!` cannot be decoded."""
    name = data.decode().removeprefix("picture ")
    if name.endswith("!"):
        raise PictureError("truncated")
    return np.array([[[ord(name[0]), ord(name[2]), position]]], np.uint8)


def streamed(
    examples: Examples, *, n_processes=1, process=0, at_once=2, buffer=4, start_step=0, batch_size=2, workers=2
):
    rows = ShardedRows.of(examples, np.arange(len(examples)))
    order = rows.epoch(seed=3, epoch=1, buffer=buffer, at_once=at_once, process=process, n_processes=n_processes)
    coming = order.arriving(examples, start=start_step * batch_size, ahead=AHEAD * batch_size)
    made = batches(
        examples,
        order,
        batch_size=batch_size,
        prepare=content,
        workers=workers,
        replace_seed=3,
        start_step=start_step,
        process=process,
        n_processes=n_processes,
        arriving=coming,
    )
    return made, coming


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 5), st.integers(1, 8), st.integers(1, 3))
def test_batches_of_all_processes_show_each_picture_once_and_leave_less_than_a_batch_over(
    shards: Path, n_processes: int, at_once: int, batch_size: int, buffer: int, workers: int
) -> None:
    examples = load_examples(f"{shards}/*.tar")
    options = {"n_processes": n_processes, "at_once": at_once, "buffer": buffer}
    try:
        steps = n_steps(len(examples), batch_size=batch_size, n_processes=n_processes)
    except InputError:
        return
    seen, positions = [], []
    for process in range(n_processes):
        made, _ = streamed(examples, process=process, batch_size=batch_size, workers=workers, **options)
        for batch in made:
            seen += batch.rows.tolist()
            positions += batch.positions.tolist()
            for row, place, pixels in zip(batch.rows, batch.positions, batch.pixels, strict=True):
                assert (pixels == content(examples.read(int(row)), int(place))).all()
    assert len(set(seen)) == len(seen) == steps * batch_size * n_processes
    assert sorted(positions) == list(range(len(seen)))
    assert len(examples) - len(seen) < batch_size * n_processes


@pytest.mark.parametrize("n_processes", [1, 2])
def test_a_stream_that_is_taken_up_again_goes_on_as_if_it_had_never_stopped(shards: Path, n_processes: int) -> None:
    examples = load_examples(f"{shards}/*.tar")
    for process in range(n_processes):
        options = {"process": process, "n_processes": n_processes}
        whole = list(streamed(examples, **options)[0])
        for start in range(len(whole) + 1):
            rest = list(streamed(examples, start_step=start, workers=1, **options)[0])
            assert [batch.step for batch in rest] == list(range(start, len(whole)))
            for one, other in zip(rest, whole[start:], strict=True):
                assert (one.rows == other.rows).all()
                assert (one.positions == other.positions).all()
                assert (one.pixels == other.pixels).all()


def test_the_order_is_that_of_webdataset_reading_the_same_shards(shards: Path) -> None:
    import random

    examples = load_examples(f"{shards}/*.tar")
    rows = ShardedRows.of(examples, np.arange(len(examples)))
    order = rows.epoch(seed=3, epoch=0, buffer=6, at_once=1)
    samples = []
    for shard in dict.fromkeys(examples.spans[row][0] for row in order.read_order):
        with open(shard, "rb") as stream:  # noqa: PTH123 - the library leaves files open that it opens itself
            files = webdataset.tariterators.tar_file_iterator(stream)
            samples += webdataset.tariterators.group_by_keys({**file, "__url__": shard} for file in files)
    theirs = webdataset.shuffle(6, initial=6, rng=random.Random("3 0 0"))(iter(samples))
    assert [sample["__key__"] for sample in theirs] == [examples.image_ids[row] for row in shown(order)]


def test_each_shard_is_opened_once_in_a_pass(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = load_examples(f"{shards}/*.tar")
    opened = []

    def counting(uri: str, **options: Any):
        opened.append(uri)
        return locations.open_location(uri, **options)

    monkeypatch.setattr(arriving_module, "open_location", counting)
    made, coming = streamed(examples, at_once=1)
    assert len(list(made)) == 11
    assert sorted(opened) == [f"{shards}/s{number}.tar" for number in range(5)]
    assert coming.n_opened == 5


def test_no_more_than_the_buffer_and_what_is_ahead_is_held(shards: Path) -> None:
    examples = load_examples(f"{shards}/*.tar")
    made, coming = streamed(examples, buffer=4)
    most = 0
    for _ in made:
        most = max(most, len(coming._there))
    assert most <= 4 + AHEAD * 2 + 1


def test_pictures_of_a_shard_that_is_gone_cut_or_hold_no_picture_are_replaced_and_counted(tmp_path: Path) -> None:
    for name in "abc":
        members = treeoflife(*(f"{name}x{place}" for place in range(4)))
        members["bx2.jpg" if name == "b" else f"{name}x9.jpg"] = b"picture bx2!"
        write_shard(tmp_path / f"{name}.tar", dict(sorted(members.items())))
    examples = load_examples(f"{tmp_path}/*.tar")
    (tmp_path / "a.tar").unlink()
    span = examples.spans[list(examples.image_ids).index("cx2")]
    assert span is not None
    (tmp_path / "c.tar").write_bytes((tmp_path / "c.tar").read_bytes()[: span[1]])
    found = list(streamed(examples)[0])
    good = {"bx0", "bx1", "bx3", "cx0", "cx1"}
    assert {examples.image_ids[row] for batch in found for row in batch.rows} <= good
    assert sum(batch.n_replaced for batch in found) == len(examples) - len(good)
    again = list(streamed(examples, workers=1, start_step=2)[0])
    assert [batch.rows.tolist() for batch in again] == [batch.rows.tolist() for batch in found[2:]]


def reading_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("load")]


def test_a_stream_that_is_left_stops_its_threads(shards: Path) -> None:
    examples = load_examples(f"{shards}/*.tar")
    made, _ = streamed(examples)
    next(made)
    assert reading_threads()
    made.close()
    assert not reading_threads()
    never, _ = streamed(examples)
    del never
    gc.collect()
    assert not reading_threads()


def test_whoever_waits_for_a_picture_hears_of_a_thread_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError("out of memory")

    monkeypatch.setattr(arriving_module, "open_location", fail)
    spans = SpanColumn(CodedColumn[str].of(["/s.tar#"]), np.array([0]), np.array([1]))
    one = np.zeros(1, np.int64)
    with Arriving(spans, one, one, n_processes=1, at_once=1, start=0, window=2) as coming:
        with pytest.raises(RuntimeError, match="no picture at 0") as stopped:
            coming.take(0)
        assert isinstance(stopped.value.__cause__, MemoryError)


def test_rows_in_any_order_and_places_in_a_list_are_sorted_by_shard(shards: Path) -> None:
    examples = load_examples(f"{shards}/*.tar")
    rows = np.random.default_rng(0).permutation(len(examples))
    assert (ShardedRows.of(examples, rows).rows == np.arange(len(examples))).all()
    listed = Examples(
        ["a", "b"], ["/s.tar#b.jpg", "/s.tar#a.jpg"], (Taxon(("Animalia",)),) * 2, [None] * 2, [None] * 2, ["s"] * 2,
        [None] * 2, [("/s.tar", 4096, 3), ("/s.tar", 512, 3)],
    )  # fmt: skip
    assert ShardedRows.of(listed, np.arange(2)).rows.tolist() == [1, 0]


def test_pictures_that_lie_in_no_shard_cannot_be_streamed(clades: Path) -> None:
    examples = load_examples(clades / "metadata.csv")
    with pytest.raises(InputError, match=r"data.read is stream, but 3 of 3 pictures lie in no shard, such as /.*jpg"):
        ShardedRows.of(examples, np.arange(3))


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "webdataset", None)
    with pytest.raises(InputError, match=r"data.read is stream: .*pip install 'cladescope\[train\]'"):
        shuffled(3, 2, seed="0")


def test_another_shuffle_has_another_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    before = shuffle_hash()
    assert before == shuffle_hash()
    monkeypatch.setattr(webdataset, "shuffle", lambda *_, **__: lambda numbers: reversed(list(numbers)))
    assert shuffle_hash() != before
