"""Exact search on a GPU: queries a second, latency, filters, memory and right answers, beside plainer ways to do it.

PYTHONPATH=. python benchmarks/gpu.py
PYTHONPATH=. python benchmarks/gpu.py --sizes 200000x64 --device cpu --seconds 0.2

Needs PyTorch, NumPy and jaxtyping, and no other part of Cladescope's dependencies. Vectors are made on the device: random
about random centres, a hundred to a centre, as in `exact_search.py`; queries come from the same centres and are not among
them. The speed of exact search depends on them only by how many neighbours score almost alike.

`search` is `TorchGallery.search`, from queries in NumPy to answers in NumPy. `TFLOP/s` counts 2 n d operations a query, `GB/s`
2 n d bytes a call. `asked again` is the share of queries that more groups than were kept might have answered. `right` is the
share of neighbours that a plain float32 computation finds too, `off by` the greatest difference of scores at the same place.

Second table: how a search is cut into pieces. Third: plainer ways, and what the card can do at most: the products alone,
with group maxima, with `torch.topk` of every block, and a copy of memory. Each figure is the median of the calls that
--seconds hold, three at least, after one that is not counted. A profile of a batch and
of one query goes to gpu-profile-NxD.txt, the figures to gpu.json.
"""

import argparse
import gc
import itertools
import json
import math
import os
import statistics
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from side_by_side import machine, print_table

from cladescope.arrays import blocks
from cladescope.index.torch_exact import MARGIN_BYTES, TorchGallery, TorchSearchConfig, fits

BATCHES = (1, 16, 256, 1024, 4096)
KS = (10, 100)
MASKS = (0.01, 0.0001)
CHECKED = 64
"""Queries whose answers are compared with the plain computation."""
CONFIGS = (
    TorchSearchConfig(),
    *(TorchSearchConfig(group=group) for group in (8, 16, 64, 128)),
    *(TorchSearchConfig(block_scores=1 << power) for power in (22, 23, 25, 26, 27)),
    *(TorchSearchConfig(round=size) for size in (512, 2048, 4096)),
    TorchSearchConfig(float32_scores=True),
    TorchSearchConfig(float32_scores=True, block_scores=1 << 23),
)


class CountingGallery(TorchGallery):
    """A gallery that notes which queries are asked, and with how many groups kept."""

    asked: list[tuple[int, int]] = []  # noqa: RUF012  shared on purpose: the dataclass is frozen

    def _search(self, queries: Any, m: int, rows: Any, *, kept: int) -> Any:
        self.asked.append((len(queries), kept))
        return super()._search(queries, m, rows, kept=kept)


def clustered(n: int, d: int, n_queries: int, device: str) -> tuple[torch.Tensor, np.ndarray]:
    """float16 unit vectors on the device and float32 ones here, about the same centres at a cosine of about 0.7."""
    generator = torch.Generator(device).manual_seed(0)
    centres = torch.randn(max(1, n // 100), d, generator=generator, device=device)
    vectors = torch.empty(n, d, dtype=torch.float16, device=device)

    def drawn(size: int) -> torch.Tensor:
        picked = torch.randint(len(centres), (size,), generator=generator, device=device)
        part = centres[picked] + torch.randn(size, d, generator=generator, device=device)
        return torch.nn.functional.normalize(part, dim=1)

    for start, stop in blocks(n, size=1 << 18):
        vectors[start:stop] = drawn(stop - start)
    return vectors, drawn(n_queries).cpu().numpy()


def call_seconds(work: Callable[[], object], device: str, *, least: float) -> list[float]:
    """Wall times of calls, three at least, until `least` seconds have passed; one call more comes first."""
    took: list[float] = []
    for number in range(10**6):
        settle(device)
        start = time.perf_counter()
        work()
        settle(device)
        if number:
            took.append(time.perf_counter() - start)
        if len(took) >= 3 and sum(took) >= least:
            break
    return took


def median_seconds(work: Callable[[], object], device: str, *, least: float) -> float:
    """Median of the wall times; NaN, and the error printed, where the card's libraries refuse the work."""
    try:
        return statistics.median(call_seconds(work, device, least=least))
    except RuntimeError:
        traceback.print_exc()
        return math.nan


def settle(device: str) -> None:
    """Wait for all work of the card."""
    if device != "cpu":
        torch.cuda.synchronize()


def in_float32(vectors: torch.Tensor, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores and rows of the k best, by float32 products of float32 copies and `torch.topk`."""
    wanted = torch.from_numpy(queries).to(vectors.device)
    scores, rows = (
        torch.empty(len(queries), 0, device=wanted.device),
        torch.empty(len(queries), 0, dtype=torch.int64, device=wanted.device),
    )
    for start, stop in blocks(len(vectors), size=1 << 18):
        best = (wanted @ vectors[start:stop].float().T).topk(min(k, stop - start), dim=1)
        scores, rows = torch.cat([scores, best.values], 1), torch.cat([rows, best.indices + start], 1)
        scores, order = scores.topk(min(k, scores.shape[1]), dim=1)
        rows = rows.gather(1, order)
    return scores.cpu().numpy(), rows.cpu().numpy()


def compare_answers(found: Any, truth: Any) -> dict[str, float]:
    """Share of neighbours that both found for the first queries, and the greatest difference of scores."""
    (scores, rows), (true_scores, true_rows) = found, truth
    size = min(len(rows), len(true_rows))
    shared = sum(len(np.intersect1d(*pair)) for pair in zip(rows[:size], true_rows[:size], strict=True))
    off = np.abs(scores[:size] - true_scores[:size])
    return {"right": shared / max(1, true_rows[:size].size), "off_by": float(off.max(initial=0))}


def measure_search(gallery: CountingGallery, queries: np.ndarray, device: str, least: float) -> list[dict[str, Any]]:
    """First table: every batch and k, without a mask and with narrow ones, held on the device or sent with each call."""
    n, d = gallery.vectors.shape
    generator, found = np.random.default_rng(0), []
    masks = {"all rows": None, **{f"mask of {share:.2%}": generator.random(n) < share for share in MASKS}}
    for k, (name, mask) in itertools.product(KS, masks.items()):
        held = None if mask is None else torch.from_numpy(mask).to(device)
        picked = np.arange(n) if mask is None else np.flatnonzero(mask)
        vectors = gallery.vectors if mask is None else gallery.vectors[torch.from_numpy(picked).to(device)]
        scores, rows = in_float32(vectors, queries[:CHECKED], k)
        for size in BATCHES if mask is None else (1, 1024):
            if size <= len(queries):
                row = {"n": n, "d": d, "k": k, "rows": name, "batch": size}
                row |= measure_batch(gallery, queries, size, k, held, device, least)
                row |= compare_answers(gallery.search(queries[:size], k, mask=held), (scores, picked[rows]))
                if mask is None:
                    row |= {"tflops": 2e-9 * n * d * size / row["ms"], "gb_per_s": 2e-6 * n * d / row["ms"]}
                found.append(row)
        if mask is not None:
            row = {"n": n, "d": d, "k": k, "rows": f"{name}, sent each time", "batch": 1}
            found.append(row | measure_batch(gallery, queries, 1, k, mask, device, least))
    return found


def measure_batch(
    gallery: CountingGallery, queries: np.ndarray, size: int, k: int, mask: Any, device: str, least: float
) -> dict[str, Any]:
    """A batch asked again and again; one query alone is another one each time."""
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    gallery.asked.clear()
    gallery.search(queries[:size], k, mask=mask)
    again = sum(asked for asked, _ in gallery.asked) / size - 1
    starts = itertools.cycle(range(len(queries) if size == 1 else 1))

    def ask() -> None:
        start = next(starts)
        gallery.search(queries[start : start + size], k, mask=mask)

    took = call_seconds(ask, device, least=least)
    middle = statistics.median(took)
    row = {"queries_per_s": size / middle, "ms": 1e3 * middle, "p99_ms": 1e3 * float(np.quantile(took, 0.99))}
    row |= {"calls": len(took), "asked_again": again}
    if device != "cpu":
        row["extra_mb"] = (torch.cuda.max_memory_allocated() - before) / 1e6
    return row


def measure_configs(gallery: TorchGallery, queries: np.ndarray, device: str, least: float) -> list[dict[str, Any]]:
    """Second table: a batch of 1,024 and one query, in pieces of other sizes."""
    found = []
    for config in CONFIGS:
        changed = replace_config(gallery, config)
        row: dict[str, Any] = asdict(config) | {"n": len(gallery), "d": gallery.vectors.shape[1]}
        for size, k in itertools.product((1, 1024, 4096), KS):
            if size <= len(queries):
                work = partial(changed.search, queries[:size], k)
                row[f"queries_per_s_{size}_{k}"] = size / median_seconds(work, device, least=least / 2)
        found.append(row)
    return found


def replace_config(gallery: TorchGallery, config: TorchSearchConfig) -> CountingGallery:
    """The same vectors searched in other pieces."""
    return CountingGallery(gallery.keys, gallery.vectors, config, gallery.largest_norm)


def measure_plain(gallery: TorchGallery, queries: np.ndarray, device: str, least: float) -> list[dict[str, Any]]:
    """Third table: what takes part in a search, alone, and plainer ways."""
    vectors, k = gallery.vectors, KS[0]
    n, d = vectors.shape
    compute = torch.float32 if device == "cpu" else torch.float16
    wanted = torch.from_numpy(queries[: BATCHES[-2]]).to(device, compute)

    def products(units: torch.Tensor, size: int, then: Callable[[torch.Tensor], object]) -> None:
        for start, stop in blocks(n, size=size):
            then(vectors[start:stop].to(compute) @ units.T)

    def maxima(scores: torch.Tensor) -> object:
        whole = len(scores) // 32 * 32
        return scores[:whole].view(-1, 32, scores.shape[1]).amax(1)

    size, one = max(1, (1 << 24) // len(wanted)), wanted[:1]
    ways: dict[str, tuple[int, Callable[[], object]]] = {
        "products alone": (len(wanted), lambda: products(wanted, size, lambda scores: None)),
        "products and maxima of 32": (len(wanted), lambda: products(wanted, size, maxima)),
        "products, torch.topk of every block": (
            len(wanted),
            lambda: products(wanted, 4 * size, lambda scores: scores.T.contiguous().topk(min(k, len(scores)), dim=1)),
        ),
        "float32, torch.topk of every block": (CHECKED, lambda: in_float32(vectors, queries[:CHECKED], k)),
        "one query: products alone": (1, lambda: products(one, 1 << 20, lambda scores: None)),
        "one query: products alone, one block": (1, lambda: products(one, n, lambda scores: None)),
        "one query: torch.mv": (1, lambda: torch.mv(vectors.to(compute), one[0])),
        "one query: torch.mv and topk": (1, lambda: torch.mv(vectors.to(compute), one[0]).topk(k)),
    }
    found = []
    for name, (size_of_batch, work) in ways.items():
        middle = median_seconds(work, device, least=least)
        row = {"n": n, "d": d, "way": name, "queries_per_s": size_of_batch / middle, "ms": 1e3 * middle}
        found.append(row | {"tflops": 2e-12 * n * d * size_of_batch / middle, "gb_per_s": 2e-9 * n * d / middle})
    half = vectors[: n // 4].clone()
    middle = median_seconds(lambda: half.copy_(vectors[: len(half)]), device, least=least)
    found.append({"n": n, "d": d, "way": "copy, read and written", "gb_per_s": 2e-9 * 2 * half.nelement() / middle})
    there = half[: 1 << 20].cpu().numpy()
    middle = statistics.median(
        call_seconds(lambda: TorchGallery.load(np.arange(len(there)), there, device=device), device, least=0)
    )
    found.append({"n": len(there), "d": d, "way": "load from memory", "gb_per_s": 1e-9 * there.nbytes / middle})
    return found


def profile(gallery: TorchGallery, queries: np.ndarray, device: str) -> str:
    """Where the time of a batch, and of one query, goes."""
    kinds = [torch.profiler.ProfilerActivity.CPU]
    kinds += [torch.profiler.ProfilerActivity.CUDA] if device != "cpu" else []
    pages = []
    for size in (1024, 1):
        gallery.search(queries[:size], KS[0])
        with torch.profiler.profile(activities=kinds) as noted:
            gallery.search(queries[:size], KS[0])
        order = "self_cuda_time_total" if device != "cpu" else "self_cpu_time_total"
        pages.append(
            f"{size} queries\n{noted.key_averages().table(sort_by=order, row_limit=25, max_name_column_width=80)}"
        )
    return "\n".join(pages)


def show(rows: list[dict[str, Any]]) -> None:
    """A table of rows whose fields may differ."""
    names = list(dict.fromkeys(name for row in rows for name in row))

    def shown(value: Any) -> str:
        return (
            ""
            if value is None
            else f"{value:.4g}"
            if isinstance(value, float) and value < 1e4
            else (f"{value:,.0f}" if isinstance(value, float) else str(value))
        )

    print()
    print_table([name.replace("_", " ") for name in names], [[shown(row.get(name)) for name in names] for row in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000000x512,10000000x768", help="n x d, by commas (default: %(default)s)")
    parser.add_argument("--device", default="cuda", help="cuda or cpu (default: %(default)s)")
    parser.add_argument("--queries", type=int, default=BATCHES[-1], help="the largest batch (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=0.6, help="for each figure (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", ".")), help="folder for gpu.json")
    options = parser.parse_args()
    device, least = options.device, options.seconds
    card = torch.cuda.get_device_name() if device != "cpu" else "no card"
    result: dict[str, Any] = {"machine": machine(), "card": card, "torch": torch.__version__, "numpy": np.__version__}
    print(f"{machine()}; {card}; torch {torch.__version__}")
    options.out.mkdir(parents=True, exist_ok=True)
    for n, d in (map(int, size.split("x")) for size in options.sizes.split(",")):
        if device != "cpu" and not fits(n, d, device):
            print(f"\n{n} x {d}: does not fit, with {MARGIN_BYTES >> 30} GiB to spare")
            continue
        vectors, queries = clustered(n, d, options.queries, device)
        gallery = CountingGallery(np.arange(n), vectors)
        for name, measure in (("search", measure_search), ("plain", measure_plain), ("configs", measure_configs)):
            start = time.perf_counter()
            try:
                rows = measure(gallery, queries, device, least)
            except RuntimeError:
                traceback.print_exc()
                continue
            show(rows)
            print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
            result.setdefault(name, []).extend(rows)
            (options.out / "gpu.json").write_text(json.dumps(result, indent=1))
        (options.out / f"gpu-profile-{n}x{d}.txt").write_text(profile(gallery, queries, device))
        del vectors, gallery
        gc.collect()


if __name__ == "__main__":
    main()
