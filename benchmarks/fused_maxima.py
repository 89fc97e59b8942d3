"""Products and group maxima in one Triton kernel, which writes no scores, against PyTorch's product and maxima.

PYTHONPATH=. python benchmarks/fused_maxima.py
TRITON_INTERPRET=1 PYTHONPATH=. python benchmarks/fused_maxima.py

Both are the first pass of `TorchGallery.search`, without choosing groups or looking into them. First the kernel is checked
against float64, on a processor too where TRITON_INTERPRET=1 is set; then, on a card, the time of each shape of its tiles.
"""

import argparse
import itertools
import statistics

import torch
import triton
import triton.language as tl
from gpu import call_seconds, clustered
from side_by_side import print_table

from cladescope.arrays import blocks

ROWS, DEPTH = 128, 64
"""Rows of a tile, and numbers of a vector multiplied at a time."""


@triton.jit
def _kernel(  # noqa: ANN202  Triton reads annotations as types of its own
    vectors, units, maxima, n, q, d: tl.constexpr, group: tl.constexpr,  # noqa: ANN001
    rows: tl.constexpr, columns: tl.constexpr, depth: tl.constexpr,
):  # fmt: skip
    # Tiles of the same rows and other queries run side by side, so that the rows are read once.
    n_columns = tl.cdiv(q, columns)
    first_row = (tl.program_id(0) // n_columns).to(tl.int64) * rows
    first_column = (tl.program_id(0) % n_columns) * columns
    row, column = first_row + tl.arange(0, rows), first_column + tl.arange(0, columns)
    row_held, column_held = tl.minimum(row, n - 1), tl.minimum(column, q - 1)
    total = tl.zeros((rows, columns), dtype=tl.float32)
    for start in range(0, d, depth):
        inner = start + tl.arange(0, depth)
        if d % depth == 0:
            a = tl.load(vectors + row_held[:, None] * d + inner[None, :])
            b = tl.load(units + column_held[None, :] * d + inner[:, None])
        else:
            a = tl.load(vectors + row_held[:, None] * d + inner[None, :], mask=inner[None, :] < d, other=0.0)
            b = tl.load(units + column_held[None, :] * d + inner[:, None], mask=inner[:, None] < d, other=0.0)
        total = tl.dot(a, b, total)
    total = tl.where((row < n)[:, None], total, float("-inf"))
    best = tl.max(tl.reshape(total, (rows // group, group, columns)), axis=1)
    place = first_row // group + tl.arange(0, rows // group)
    held = (place[:, None] * group < n) & (column[None, :] < q)
    tl.store(maxima + place[:, None] * q + column[None, :], best, mask=held)


def fused_maxima(
    vectors: torch.Tensor, units: torch.Tensor, *, group: int, columns: int = 256, warps: int = 8, stages: int = 3
) -> torch.Tensor:
    """float32 maxima, n / group by q, of the products of float16 vectors, n x d, and queries, q x d."""
    (n, d), q = vectors.shape, len(units)
    maxima = torch.empty(-(-n // group), q, dtype=torch.float32, device=vectors.device)
    columns = min(columns, max(16, triton.next_power_of_2(q)))
    grid = (triton.cdiv(n, ROWS) * triton.cdiv(q, columns),)
    _kernel[grid](
        vectors, units, maxima, n, q, d, group, ROWS, columns, DEPTH,
        num_warps=warps, num_stages=stages,
    )  # fmt: skip
    return maxima


def plain_maxima(vectors: torch.Tensor, units: torch.Tensor, *, group: int, block: int) -> None:
    """float16 maxima by PyTorch, block by block."""
    for start, stop in blocks(len(vectors), size=block):
        (vectors[start:stop] @ units.T)[: (stop - start) // group * group].view(-1, group, len(units)).amax(1)


def check(device: str) -> None:
    """Compare the kernel with float64, for shapes that fill no tile."""
    for n, q, d, group in ((1000, 300, 96, 32), (128, 1, 64, 16), (5, 3, 40, 64)):
        vectors, units = (torch.randn(rows, d, device=device).half() for rows in (n, q))
        scores = vectors.double() @ units.double().T
        padded = torch.nn.functional.pad(scores, (0, 0, 0, -n % group), value=-torch.inf)
        off = (fused_maxima(vectors, units, group=group) - padded.view(-1, group, q).amax(1)).abs().max()
        print(f"{n} x {d}, {q} queries, groups of {group}: off by {off:.1e}")
        assert off < 1e-3


def compare(n: int, d: int, *, least: float) -> None:
    """Time both on a card."""
    vectors, queries = clustered(n, d, 1024, "cuda")
    rows = []
    for q in (1, 16, 256, 1024):
        units = torch.from_numpy(queries[:q]).cuda().half()
        ways = {
            f"PyTorch, blocks of 2^{power} scores": (
                lambda u=units, p=power: plain_maxima(vectors, u, group=32, block=min(1 << 20, (1 << p) // len(u)))
            )
            for power in (23, 24, 26)
        }
        shapes = itertools.product([min(max(16, q), 128), min(max(16, q), 256)], (4, 8), (3, 4))
        for columns, warps, stages in sorted(set(shapes)):
            ways[f"Triton, {columns} columns, {warps} warps, {stages} stages"] = (
                lambda u=units, c=columns, w=warps, s=stages: fused_maxima(
                    vectors, u, group=32, columns=c, warps=w, stages=s
                )
            )
        for name, work in ways.items():
            try:
                middle = statistics.median(call_seconds(work, "cuda", least=least))
            except triton.runtime.errors.OutOfResources as error:
                rows.append([name, str(q), f"{error}"[:40], "", "", ""])
                continue
            figures = (1e3 * middle, q / middle, 2e-12 * n * d * q / middle, 2e-9 * n * d / middle)
            rows.append([name, str(q), *(f"{figure:,.4g}" for figure in figures)])
    print_table([f"{n} x {d}", "queries", "ms", "queries/s", "TFLOP/s", "GB/s"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=10_000_000, help="default: %(default)s")
    parser.add_argument("--d", type=int, default=768, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=0.3, help="for each figure (default: %(default)s)")
    options = parser.parse_args()
    there = torch.cuda.is_available()
    check("cuda" if there else "cpu")
    if there:
        compare(options.n, options.d, least=options.seconds)


if __name__ == "__main__":
    main()
