"""Compaction: the many small fragments of a table written together as few, a bounded slice at a time.

Every commit of a job makes a fragment, a set of files with its rows, and reading slows with their number. Row ids and the versions
at which rows came and changed stay. Earlier versions keep their files until they expire (`old_versions`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cladescope import shown
from cladescope.index import remote
from cladescope.index.files import disk_errors
from cladescope.steps import counted

if TYPE_CHECKING:
    import lance

SLICE_BYTES = 256 << 20
"""Fragments that are written together hold about so many bytes at most, which bounds memory."""
SLICE_ROWS = 1 << 20
"""And at most so many rows."""
MANY_FRAGMENTS = 64
"""A job compacts when the table ends in so many fragments of few rows."""
FEW_ROWS = 1 << 16
"""What a job writes together has at least about so many rows: 64 commits of 4,096 make a fragment of 262,144, or of `SLICE_BYTES`. Each fragment costs
0.06 ms a query and 0.25 ms a scan (benchmarks/compaction.py), and a line in the description of every later version: 20 million rows are
80 to 200 fragments, and would be 5,000."""
JOB_BYTES = 1 << 32
"""A job takes at most so many bytes at a time, so that it is not held up for long; what lies before is left to `compact`."""
DELETED_SHARE = 0.1
"""A fragment is written anew where more than this share of its rows is deleted."""


@dataclass(frozen=True, kw_only=True)
class Fragment:
    """A piece of a table."""

    number: int
    rows: int
    """Rows that stand."""
    deleted: int
    n_bytes: int
    """Of its files of rows."""

    @property
    def is_small(self) -> bool:
        """Whether it could stand beside another of its size in one slice."""
        return 2 * self.n_bytes < SLICE_BYTES and 2 * self.rows < SLICE_ROWS

    @property
    def is_worn(self) -> bool:
        """Whether so much of it is deleted that it is written anew."""
        return self.deleted > DELETED_SHARE * (self.rows + self.deleted)


@dataclass(frozen=True, kw_only=True)
class Compacted:
    """What compaction did to a table, or would do."""

    fragments_before: int
    fragments_after: int
    slices: int
    """How many that were written."""
    n_bytes: int
    """Of the fragments that were written anew."""

    def __str__(self) -> str:
        """As a line of the log tells it."""
        return f"{shown.counted(self.fragments_before, 'fragment')} to {self.fragments_after:,}"

    def and_then(self, later: "Compacted") -> "Compacted":
        """This and a later compaction of the same table."""
        return Compacted(
            fragments_before=self.fragments_before + later.fragments_before - self.fragments_after,
            fragments_after=later.fragments_after,
            slices=self.slices + later.slices,
            n_bytes=self.n_bytes + later.n_bytes,
        )


def slices(fragments: Iterable[Fragment]) -> list[tuple[Fragment, ...]]:
    """Neighbours that are to be written together: small fragments up to `SLICE_BYTES`, and worn ones, in the order of the table.

    What a slice becomes is, where more small ones followed it, no small fragment, so that no row is written again and again. One
    that would be left at the end goes with the slice before it, for what is written anew comes last in the table.

    >>> [[one.number for one in some] for some in slices(
    ...     Fragment(number=number, rows=9, deleted=0, n_bytes=100 << 20) for number in range(7)
    ... )]
    [[0, 1], [2, 3], [4, 5, 6]]
    """
    runs: list[list[Fragment]] = [[]]
    n_bytes = rows = 0
    for fragment in fragments:
        n_bytes, rows = n_bytes + fragment.n_bytes, rows + fragment.rows
        if not fragment.is_small or not runs[-1] or n_bytes > SLICE_BYTES or rows > SLICE_ROWS:
            runs.append([])
            n_bytes, rows = fragment.n_bytes, fragment.rows
        runs[-1].append(fragment)
        if not fragment.is_small:
            runs.append([])
    if len(runs) > 1 and len(runs[-1]) == 1 and len(runs[-2]) > 1:
        runs[-2:] = [runs[-2] + runs[-1]]
    return [tuple(run) for run in runs if len(run) > 1 or any(one.is_worn for one in run)]


def newest(fragments: Sequence[Fragment]) -> Sequence[Fragment]:
    """The fragments of few rows in which a table ends, `JOB_BYTES` at most: to write them together leaves the order of all rows.

    None where they are fewer than `MANY_FRAGMENTS`.
    """
    n_bytes, first, is_full = 0, len(fragments), False
    while first and not is_full:
        one = fragments[first - 1]
        if one.rows >= FEW_ROWS or not one.is_small:
            break
        n_bytes += one.n_bytes
        is_full = n_bytes > JOB_BYTES
        first -= not is_full
    return fragments[first:] if is_full or len(fragments) - first >= MANY_FRAGMENTS else ()


def compact(store_path: Path, tables: Mapping[str, Any]) -> dict[str, Compacted]:
    """Compact the tables of a store, each in one commit; what was done to which. Call it with the store's lock held.

    Killed anywhere it leaves every row where it was. Rows of small fragments that lie before a large one come last then, else the order
    stays. Memory: at most 3 `SLICE_BYTES` (or 3 times the largest worn fragment), however many fragments there are; 33 MB were
    measured where files of one layout are copied, up to 2 slices where rows were deleted and are read and written.

    Raises StoreError where the disk is full or cannot be written; what was written is removed then.
    """
    with disk_errors(store_path):
        named = counted(tables.items(), "writing tables together:", len(tables))
        return {name: _compact_table(_folder(store_path, name), table) for name, table in named}


def planned(store_path: Path, tables: Iterable[str]) -> dict[str, Compacted]:
    """What `compact` would do to each table."""
    with disk_errors(store_path):
        found = {name: fragments_of(_dataset(_folder(store_path, name))) for name in tables}
    return {name: _compacted(fragments, slices(fragments)) for name, fragments in found.items()}


def compact_where_due(store_path: Path, tables: Mapping[str, Any]) -> Iterator[tuple[str, Compacted]]:
    """While a job writes, compact what it and jobs before it wrote, in the tables that end in `MANY_FRAGMENTS` of few rows.

    The order of rows stays. Call it with the store's lock held. Raises as `compact`.
    """
    with disk_errors(store_path):
        for name, table in tables.items():
            if table.stats()["fragment_stats"]["num_small_fragments"] >= MANY_FRAGMENTS:
                folder = _folder(store_path, name)
                if newest(fragments_of(_dataset(folder))):
                    yield name, _compact_table(folder, table, newest)


def fragments_of(dataset: "lance.LanceDataset") -> list[Fragment]:
    """The fragments of a table, in the order of its rows."""
    return [
        Fragment(
            number=one.id,
            rows=one.num_rows,
            deleted=one.num_deletions,
            n_bytes=sum(file.file_size_bytes or 0 for file in one.files),
        )
        for one in (fragment.metadata for fragment in dataset.get_fragments())
    ]


def _compact_table(
    folder: Path, table: Any, chosen: Callable[[Sequence[Fragment]], Sequence[Fragment]] = tuple
) -> Compacted:
    from lance.optimize import Compaction, CompactionOptions

    dataset = _dataset(folder)
    before = fragments_of(dataset)
    planned = slices(chosen(before))
    files, rewritten = set(folder.glob("data/*")), []
    options: CompactionOptions = {
        "materialize_deletions_threshold": DELETED_SHARE,
        "compaction_mode": "try_binary_copy",
        "num_threads": 1,
    }
    try:
        for some in planned:
            numbers = {one.number for one in some}
            # The slice as a whole is one task of Lance's: all of it is smaller than what is wanted, and all else is left out.
            options["target_rows_per_fragment"] = sum(one.rows + one.deleted for one in some)
            options["excluded_fragment_ids"] = [one.number for one in before if one.number not in numbers]
            rewritten += [task.execute(dataset) for task in Compaction.plan(dataset, options).tasks]
        if rewritten:
            Compaction.commit(dataset, rewritten, options)
    except BaseException:
        if dataset.latest_version == dataset.version:
            for path in set(folder.glob("data/*")) - files:
                path.unlink()
        raise
    table.checkout_latest()
    return _compacted(before, planned)


def _compacted(before: Sequence[Fragment], done: Sequence[Sequence[Fragment]]) -> Compacted:
    return Compacted(
        fragments_before=len(before),
        fragments_after=len(before) - sum(len(some) - 1 for some in done),
        slices=len(done),
        n_bytes=sum(one.n_bytes for some in done for one in some),
    )


def _folder(store_path: Path, name: str) -> Path:
    return store_path / "lance" / f"{name}.lance"


def _dataset(path: Path) -> "lance.LanceDataset":
    return remote.dataset(path.parent.parent, path.stem)
