"""Several processes as one: started by torchrun, they share a batch and end a step with the same weights.

Each computes the part of its own pictures in the loss of the whole batch, against the gathered features of all; the parts
add up to the loss, and so do the gradients. One process or several give the same loss and gradient, but for rounding, which
is open_clip's with `local_loss` and `gather_with_grad`. Memory: no process holds a matrix of scores of its b pictures with
all B of the batch, only blocks of it (see `cladescope.training.loss.objectives`), and 24 B d bytes for vectors of length d.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from jaxtyping import Float, Shaped

from cladescope.errors import InputError

BUCKET_NUMBERS = 1 << 24
"""Gradients exchanged at a time."""


@dataclass(frozen=True)
class Group:
    """This process and how many there are."""

    process: int = 0
    n_processes: int = 1
    local: int = 0
    """Number among the processes of this machine: which GPU is its own."""

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and talks."""
        return self.process == 0

    def gather(self, rows: Shaped[torch.Tensor, "n ..."]) -> Shaped[torch.Tensor, "m ..."]:
        """Rows of all processes, in their order; as many in each.

        Gradients of all processes flow back to the rows: each gets the sum over the processes, so all must call backward.
        """
        if self.n_processes == 1:
            return rows
        gathered: torch.Tensor = _Gather.apply(rows, self.process, self.n_processes)
        return gathered

    def own(self, n: int) -> slice:
        """Where n rows of this process are among the gathered ones."""
        return slice(self.process * n, (self.process + 1) * n)

    def share(self, tensors: Iterable[torch.Tensor]) -> None:
        """Give every process the first one's values."""
        if self.n_processes == 1:
            return
        for tensor in tensors:
            values = tensor.detach().contiguous()
            dist.broadcast(values, 0)
            tensor.detach().copy_(values)

    def add_up(self, parts: Float[torch.Tensor, " n"]) -> Float[torch.Tensor, " n"]:
        """The sum over the processes, the same to the last bit in each."""
        return self.gather(parts.detach()[None]).sum(dim=0)

    def add_up_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace each gradient by its sum over the processes.

        The processes compute parts of one loss, so a weight has a gradient in all of them or in none.
        """
        if self.n_processes == 1:
            return
        for bucket in _buckets([parameter for parameter in parameters if parameter.grad is not None]):
            gradients = [parameter.grad for parameter in bucket if parameter.grad is not None]
            flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
            dist.all_reduce(flat)
            parts = torch.split(flat, [gradient.numel() for gradient in gradients])
            for gradient, part in zip(gradients, parts, strict=True):
                gradient.copy_(part.view_as(gradient))

    def average(self, tensors: Iterable[torch.Tensor]) -> None:
        """Replace each tensor by its mean over the processes."""
        members = list(tensors)
        if self.n_processes == 1 or not members:
            return
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in members])
        dist.all_reduce(flat)
        parts = torch.split(flat / self.n_processes, [tensor.numel() for tensor in members])
        for tensor, part in zip(members, parts, strict=True):
            tensor.detach().copy_(part.view_as(tensor))

    def wait(self) -> None:
        """Until every process has come here."""
        if self.n_processes > 1:
            dist.barrier()


ALONE = Group()
"""A process on its own."""


def is_first_process() -> bool:
    """Whether this process, alone or started by torchrun, is the one that talks; also before it joins and after.

    >>> is_first_process()
    True
    """
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def process_group(device: str) -> Iterator[Group]:
    """The group that torchrun started, or this process alone.

    Raises InputError where torchrun's variables are incomplete.
    """
    stated = os.environ.get("WORLD_SIZE", "1")
    if not stated.isdecimal():
        raise InputError(f"WORLD_SIZE is {stated!r}, expected a number of processes: start with torchrun")
    n_processes = int(stated)
    if n_processes <= 1:
        yield Group()
        return
    missing = [name for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise InputError(f"WORLD_SIZE is {n_processes}, but {', '.join(missing)} is not set: start with torchrun")
    on_gpu = device != "cpu" and torch.cuda.is_available()
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield Group(dist.get_rank(), dist.get_world_size(), int(os.environ["LOCAL_RANK"]))
    finally:
        dist.destroy_process_group()


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(context, rows: torch.Tensor, process: int, n_processes: int) -> torch.Tensor:  # type: ignore[no-untyped-def] # noqa: ANN001
        context.process, context.n_processes, context.n_rows = process, n_processes, len(rows)
        own = rows.contiguous()
        parts = [torch.empty_like(own) for _ in range(n_processes)]
        dist.all_gather(parts, own)
        return torch.cat(parts)

    @staticmethod
    def backward(context, gradient: torch.Tensor):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN205
        start = context.process * context.n_rows
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total[start : start + context.n_rows], None, None


def _buckets(parameters: list[torch.nn.Parameter]) -> Iterator[list[torch.nn.Parameter]]:
    """Weights in groups of one type and device, of at most BUCKET_NUMBERS numbers where one alone has no more."""
    bucket: list[torch.nn.Parameter] = []
    for parameter in parameters:
        full = sum(other.numel() for other in bucket) + parameter.numel() > BUCKET_NUMBERS
        if bucket and (full or (parameter.dtype, parameter.device) != (bucket[0].dtype, bucket[0].device)):
            yield bucket
            bucket = []
        bucket.append(parameter)
    if bucket:
        yield bucket
