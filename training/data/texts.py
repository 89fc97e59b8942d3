"""The texts of a step: which strings a batch of taxa needs, each one once, and their tokens.

A batch of many pictures has few different texts: each is encoded once. Tokenising is Python and slow, so a string's tokens
are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int

from cladescope.embedding.prompts import prompt, rank_prompt, text_type_of_step, text_types_of_samples
from cladescope.taxonomy.taxon import RANKS, Taxon
from cladescope.training.sections import DataConfig


@dataclass(frozen=True, eq=False)
class TextPlan:
    """The different strings of a batch, and which of them belongs to which picture."""

    strings: tuple[str, ...]
    pairs: Int[np.ndarray, " b"]
    """For each picture the place of its text."""
    levels: tuple[tuple[Int[np.ndarray, " _"], Int[np.ndarray, " b"]], ...] = ()
    """For each rank the places of its different labels, and for each picture which of those is its own, -1 for none."""


def plan_texts(
    taxa: Sequence[Taxon],
    common_names: Sequence[str | None],
    codes: Int[np.ndarray, "b ranks"],
    *,
    text_types: Sequence[str],
    with_levels: bool = False,
) -> TextPlan:
    """Texts of a batch: one for each picture, of its own type, and with `with_levels` one for each label of each rank.

    `codes` are those of `Examples.codes`: equal where two pictures have the same taxon at a rank.

    >>> tit = Taxon.from_ranks({"kingdom": "Animalia", "genus": "Parus", "species": "Parus major"})
    >>> plan = plan_texts([tit, tit], [None, None], np.zeros((2, 7), int), text_types=["sci", "sci"])
    >>> plan.strings, plan.pairs
    (('a photo of Parus major.',), array([0, 0]))
    """
    places: dict[str, int] = {}
    pairs = np.array(
        [
            places.setdefault(prompt(taxon, text_type, common_name=common), len(places))
            for taxon, common, text_type in zip(taxa, common_names, text_types, strict=True)
        ],
        np.int64,
    )
    levels = []
    if with_levels:
        for rank in range(len(RANKS)):
            known, first, inverse = np.unique(codes[:, rank], return_index=True, return_inverse=True)
            missing = int(known[0] < 0) if len(known) else 0
            strings = [rank_prompt(taxa[int(row)], RANKS[rank]) for row in first[missing:]]
            own = np.array([places.setdefault(string, len(places)) for string in strings], np.int64)
            levels.append((own, inverse.astype(np.int64) - missing))
    return TextPlan(tuple(places), pairs, tuple(levels))


def chosen_types(config: DataConfig, *, seed: int, step: int, epoch: int, positions: Sequence[int]) -> list[str]:
    """The text type of each picture at these places of an epoch: one for the whole step, or one for each.

    >>> len(set(chosen_types(DataConfig(), seed=0, step=7, epoch=0, positions=range(9))))
    1
    """
    if config.text_choice == "sample":
        return text_types_of_samples(seed, epoch, positions, text_types=config.text_types)
    return [text_type_of_step(step, text_types=config.text_types)] * len(positions)


class Tokens:
    """Tokens of strings, each string tokenised once; memory: 8 bytes a token for every different string met."""

    def __init__(self, tokenizer: object) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, torch.Tensor] = {}

    def __call__(self, strings: Sequence[str]) -> Int[torch.Tensor, "t length"]:
        fresh = [string for string in dict.fromkeys(strings) if string not in self._known]
        if fresh:
            self._known |= dict(zip(fresh, self._tokenizer(fresh), strict=True))  # type: ignore[operator]
        return torch.stack([self._known[string] for string in strings])
