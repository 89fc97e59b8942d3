"""What the benchmarks share: contenders run in turn, medians, a table, the machine, and rows to search.

Nothing heavy is imported at the top, so that `memory.py` stays small enough to measure others.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

BLOCK_ROWS = 4096
"""Rows of a commit, as of an embedding job: each is a file of the store."""


def in_turn(contenders: Mapping[str, Callable[[], float]], *, rounds: int) -> dict[str, float]:
    """Median of what each contender returns over `rounds`; in every second round they run in reverse order.

    They run in turn and not one after the other, so that whatever else the machine does falls on all of them.
    """
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        names = list(contenders)[:: 1 if number % 2 == 0 else -1]
        for name in names:
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr)
            found[name].append(contenders[name]())
    return {name: statistics.median(values) for name, values in found.items()}


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def machine() -> str:
    """Processor, cores that may be used, memory, and the load of the last minute."""
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    total = [int(line.split()[1]) / 2**20 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")]
    memory = f", {total[0]:.0f} GiB" if total else ""
    load = os.getloadavg()[0]
    return f"{names[0] if names else platform.processor()}, {n_cores()} cores{memory}, load {load:.1f} at the start"


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _lines(path: str) -> list[str]:
    """Lines of a file of Linux, none elsewhere."""
    return Path(path).read_text().splitlines() if Path(path).is_file() else []


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A Markdown table with aligned columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return f"| {' | '.join(padded)} |"

    rules = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    print("\n".join([line(header), line(rules), *map(line, rows)]))


def clustered_vectors(n: int, d: int, *, seed: int = 0) -> np.ndarray:
    """float32 unit vectors about one centre for every hundred of them, at a cosine of about 0.7; 4 n d bytes."""
    import numpy as np

    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((max(1, n // 100), d), dtype=np.float32)
    vectors = np.empty((n, d), np.float32)
    for start in range(0, n, BLOCK_ROWS):
        block = vectors[start : start + BLOCK_ROWS]
        block[:] = centres[generator.integers(len(centres), size=len(block))]
        block += generator.standard_normal(block.shape, dtype=np.float32)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    return vectors


def fill_store(path: Path, vectors: np.ndarray) -> None:
    """A store of an unknown encoder whose rows hold these vectors and no labels."""
    import numpy as np

    from cladescope.embedding.encoder import UNKNOWN_ENCODER, EncoderCard
    from cladescope.embedding.records import Record
    from cladescope.embedding.tables import failures_table, images_table
    from cladescope.index.store import Store

    card = EncoderCard(name=UNKNOWN_ENCODER, dim=vectors.shape[1], weight_hash=None, transform=None, has_text=False)
    store = Store.create(path, card)
    for start in range(0, len(vectors), BLOCK_ROWS):
        block = vectors[start : start + BLOCK_ROWS].astype(np.float16)
        numbers = range(start, start + len(block))
        records = [Record(image_id=str(row), uri=f"/pictures/{row}.jpg", source="benchmark") for row in numbers]
        store.write(images_table(records, block, (), {}), failures_table([]))
