"""Peak memory of a contrastive loss that processes share, beside losses that each of them computes whole.

python benchmarks/local_loss.py                       # two processes, 8,192 pairs of 512 numbers
python benchmarks/local_loss.py --recipe              # the part of one of 32 processes in recipe bioclip2's 90,112 pairs

Each process makes features of its own pictures and texts, gathers those of all, and computes loss and gradient once on the
CPU. `whole` is what Cladescope did before: every process has the scores of all pairs. `open_clip` is its `ClipLoss`. Memory
is what the process holds at most (VmHWM) above what it held before the loss (VmRSS), so that libraries do not count.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from open_clip.loss import ClipLoss
from side_by_side import machine, print_table
from torch.nn import functional

from cladescope.training.loop.distributed import Group
from cladescope.training.loss.criterion import Criterion, Features
from cladescope.training.sections import PAIR_TERMS, ObjectiveConfig

SCALE = 1 / 0.07
RECIPE = (90_112, 32, 768)
"""Pairs of a batch, processes and numbers of a vector: recipe bioclip2 on the 32 GPUs of its paper."""


def whole(image: torch.Tensor, text: torch.Tensor, group: Group) -> torch.Tensor:
    """Each process computes the loss of all pairs; its own rows get their gradient from it."""
    logits = SCALE * group.gather(image) @ group.gather(text).T
    own = torch.arange(len(logits))
    return (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2


def open_clip(*, local_loss: bool) -> Callable[[torch.Tensor, torch.Tensor, Group], torch.Tensor]:
    """open_clip's loss, whole or local."""

    def loss(image: torch.Tensor, text: torch.Tensor, group: Group) -> torch.Tensor:
        made = ClipLoss(local_loss=local_loss, gather_with_grad=True, rank=group.process, world_size=group.n_processes)
        found: torch.Tensor = made(image, text, torch.tensor(SCALE))
        return found

    return loss


def ours(term: str) -> Callable[[torch.Tensor, torch.Tensor, Group], torch.Tensor]:
    """One of Cladescope's objectives. Ten pairs are of each taxon, which has a label at one rank."""

    def loss(image: torch.Tensor, text: torch.Tensor, group: Group) -> torch.Tensor:
        images, texts = (group.gather(own) for own in (image, text))
        b = len(images)
        taxa = torch.arange(b) // 10
        made = Criterion(ObjectiveConfig(terms={term: 1.0}), head_dim=1, n_classes=2, n_taxa={})
        of = Features(
            pooled=image, image=images, text=texts, pairs=torch.arange(b), levels=((torch.arange(0, b, 10), taxa),),
            codes=taxa[:, None].expand(-1, 7), classes=taxa, scale=torch.tensor(SCALE), rows=group.own(len(image)),
        )  # fmt: skip
        return made(of)[0]

    return loss


CONTENDERS: dict[str, Callable[[torch.Tensor, torch.Tensor, Group], torch.Tensor]] = {
    "whole, as before": whole,
    "open_clip, whole": open_clip(local_loss=False),
    "open_clip, local_loss": open_clip(local_loss=True),
    **{f"cladescope, {term}": ours(term) for term in PAIR_TERMS},
}


def unit(n: int, d: int, *, seed: int) -> torch.Tensor:
    """Random unit vectors."""
    drawn = torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
    return functional.normalize(drawn, dim=1)


def kibibytes(key: str) -> int:
    """What Linux says of this process's memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))


def measured(work: Callable[[], torch.Tensor]) -> tuple[float, float, float]:
    """MiB that a loss and its gradient take at most, seconds, and the loss."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here on
    before, began = kibibytes("VmRSS"), time.perf_counter()
    loss = work()
    loss.backward()
    return (kibibytes("VmHWM") - before) / 1024, time.perf_counter() - began, float(loss.detach())


def one_process(name: str, options: argparse.Namespace) -> None:
    """The part of a process that this script started."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    group = Group(dist.get_rank(), dist.get_world_size())
    n = options.batch // group.n_processes
    image, text = (unit(n, options.d, seed=2 * group.process + side).requires_grad_() for side in (0, 1))
    # The sockets and buffers of the first exchange are no part of a loss.
    group.gather(image.detach()[:1])
    peak, taken, loss = measured(lambda: CONTENDERS[name](image, text, group))
    norm = float(torch.stack([side.grad.square().sum() for side in (image, text) if side.grad is not None]).sum())
    print(peak, taken, loss, norm)
    dist.destroy_process_group()


def together(name: str, options: argparse.Namespace) -> list[float]:
    """Greatest peak and time of the processes, the mean of their losses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(options.processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = [
        sys.executable,
        "-W",
        "ignore",
        __file__,
        "--batch",
        str(options.batch),
        "--d",
        str(options.d),
        "--one",
        name,
    ]
    started = [
        subprocess.Popen(
            command, env={**os.environ, **shared, "RANK": str(place)}, stdout=subprocess.PIPE, text=True
        )
        for place in range(options.processes)
    ]  # fmt: skip
    found = [list(map(float, process.communicate()[0].split())) for process in started]
    peaks, times, losses, _ = zip(*found, strict=True)
    return [max(peaks), max(times), sum(losses)]


def recipe_part() -> list[list[str]]:
    """One process's part in the batch of a recipe, with the features of all at hand."""
    b, n_processes, d = RECIPE
    rows = slice(0, b // n_processes)
    image, text = (unit(b, d, seed=side).requires_grad_() for side in (0, 1))
    taxa = torch.arange(b) // 10
    of = Features(
        pooled=image[rows], image=image, text=text, pairs=torch.arange(b), levels=(), codes=taxa[:, None].expand(-1, 7),
        classes=taxa, scale=torch.tensor(SCALE), rows=rows,
    )  # fmt: skip
    made = Criterion(ObjectiveConfig(terms={"clip": 1.0}), head_dim=1, n_classes=2, n_taxa={})
    peak, taken, _ = measured(lambda: made(of)[0])
    features = 2 * image.numel() * image.element_size() / 2**20
    return [["cladescope, clip", f"{features:,.0f}", f"{peak:,.0f}", f"{taken:.0f}"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8192, help="pairs over all processes; default: %(default)s")
    parser.add_argument("--processes", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--d", type=int, default=512, help="numbers of a vector; default: %(default)s")
    parser.add_argument("--recipe", action="store_true", help="one process's part in recipe bioclip2")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one_process(options.one, options)
        return
    print(f"{machine()}, torch {torch.__version__}\n")
    if options.recipe:
        b, n_processes, d = RECIPE
        print(f"{b // n_processes:,} rows of {b:,} pairs of {d} numbers\n")
        print_table(["loss", "features, MiB", "loss and gradient, MiB", "seconds"], recipe_part())
        return
    print(f"{options.processes} processes, {options.batch:,} pairs of {options.d} numbers\n")
    rows = []
    for name in CONTENDERS:
        peak, taken, loss = together(name, options)
        # Ours are parts that add up; the others are whole in each process, or means of what they have.
        told = loss if name.startswith("cladescope") else loss / options.processes
        rows.append([name, f"{peak:,.0f}", f"{taken:.1f}", f"{told:.5f}"])
    print_table(["loss", "peak a process, MiB", "seconds", "value"], rows)


if __name__ == "__main__":
    main()
