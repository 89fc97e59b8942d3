"""Scores that are a little off: which of them may be among the best, the best once they are right, and how far off sums are."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Float32, Integer


def contenders(
    values: Float32[torch.Tensor, "q c"], m: int, slack: Float32[torch.Tensor, "q 1"], *, falling: bool = False
) -> Bool[torch.Tensor, "q c"]:
    """Values that may be among the m best though each is up to `slack` off; never one that is minus infinity.

    `falling` values stand in falling order already.

    >>> contenders(torch.tensor([[0.9, 0.5, 0.48, 0.3, -torch.inf]]), 2, torch.tensor([[0.02]]))
    tensor([[ True,  True,  True, False, False]])
    """
    if values.shape[1] <= m:
        return values > -torch.inf
    bar = (values if falling else values.topk(m, dim=1).values)[:, m - 1 : m] - 2 * slack
    return (values >= bar) & (values > -torch.inf)


def first_of_each(
    owner: Integer[torch.Tensor, " c"],
    scores: Float32[torch.Tensor, " c"],
    numbers: Integer[torch.Tensor, " c"],
    settled: Bool[torch.Tensor, " q"],
    m: int,
) -> tuple[Float32[torch.Tensor, "q m"], Integer[torch.Tensor, "q m"]]:
    """The m best candidates of each settled query, equal scores by row number; zeros for the others.

    `owner` is the query of each candidate; a settled query has m or more.

    >>> owner, scores, numbers = torch.tensor([0, 0, 0]), torch.tensor([0.5, 0.7, 0.5]), torch.tensor([9, 4, 2])
    >>> first_of_each(owner, scores, numbers, torch.tensor([True, False]), 2)[1]
    tensor([[4, 2],
            [0, 0]])
    """
    order = numbers.argsort(stable=True)
    order = order[scores[order].argsort(stable=True, descending=True)]
    order = order[owner[order].argsort(stable=True)]
    counts = torch.bincount(owner, minlength=len(settled))
    firsts = (counts.cumsum(0) - counts)[settled]
    places = order[firsts[:, None] + torch.arange(m, device=owner.device)]
    best_scores = torch.zeros((len(settled), m), device=owner.device)
    best_numbers = torch.zeros((len(settled), m), dtype=torch.int64, device=owner.device)
    best_scores[settled], best_numbers[settled] = scores[places], numbers[places]
    return best_scores, best_numbers


@contextmanager
def sums_in_full(device: torch.device) -> Iterator[None]:
    """Have a card sum float16 products in float32 throughout, and a processor multiply in float32, as the bounds assume."""
    if device.type == "cpu":
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)
        return
    settings = torch.backends.cuda.matmul
    names = ("allow_fp16_reduced_precision_reduction", "allow_fp16_accumulation")
    values = {name: getattr(settings, name) for name in names}
    for name in names:
        setattr(settings, name, False)
    try:
        yield
    finally:
        for name, value in values.items():
            setattr(settings, name, value)
