"""The texts of a step: which strings a batch of taxa needs, each one once, and their tokens.

A batch of many pictures has few different texts: each is encoded once. Making and tokenising them is Python and slow, so both are done
once for each class and text type, not for each picture in each step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int

from cladescope.embedding.prompts import TEXT_TYPES, prompt, rank_prompt, text_type_of_step, text_types_of_samples
from cladescope.taxonomy.taxon import RANKS, Taxon
from cladescope.training.data.columns import CodedColumn
from cladescope.training.sections import DataConfig

TYPE_CODE = {name: place for place, name in enumerate(TEXT_TYPES)}


@dataclass(frozen=True, eq=False)
class TextPlan:
    """The different strings of a batch, and which of them belongs to which picture."""

    strings: tuple[str, ...]
    pairs: Int[np.ndarray, " b"]
    """For each picture the place of its text."""
    levels: tuple[tuple[Int[np.ndarray, " _"], Int[np.ndarray, " b"]], ...] = ()
    """For each rank the places of its different labels, and for each picture which of those is its own, -1 for none."""


class Texts:
    """The texts of examples, each made once for a taxon, a common name and a text type, however many pictures have it.

    Memory: about 300 bytes for every different one that was met.
    """

    def __init__(self, taxa: CodedColumn[Taxon], common_names: CodedColumn[str | None]) -> None:
        """What each example has, both as columns of `Examples`."""
        self._taxa, self._names = taxa, common_names
        self._strings: dict[int, str] = {}
        self._labels: dict[tuple[int, int], str] = {}

    def plan(
        self,
        rows: Int[np.ndarray, " b"],
        codes: Int[np.ndarray, "b ranks"],
        *,
        text_types: Sequence[str],
        with_levels: bool = False,
    ) -> TextPlan:
        """Texts of a batch: one for each row, of its own type, and with `with_levels` one for each label of each rank.

        `codes` are those of `Examples.codes` for these rows: equal where two pictures have the same taxon at a rank.

        Raises ValueError for another number of types than rows.

        >>> tit = Taxon.from_ranks({"kingdom": "Animalia", "genus": "Parus", "species": "Parus major"})
        >>> texts = Texts(CodedColumn.of([tit, tit]), CodedColumn.of([None, None]))
        >>> plan = texts.plan(np.arange(2), np.zeros((2, 7), int), text_types=["sci", "sci"])
        >>> plan.strings, plan.pairs
        (('a photo of Parus major.',), array([0, 0]))
        """
        if len(text_types) != len(rows):
            raise ValueError(f"found {len(text_types)} text types for {len(rows)} pictures: expected one each")
        taxon_codes = self._taxa.codes[rows].astype(np.int64)
        kinds = np.array([TYPE_CODE[kind] for kind in text_types], np.int64)
        keys = (taxon_codes * (len(self._names.values) + 1) + self._names.codes[rows] + 1) * len(TEXT_TYPES) + kinds
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        places: dict[str, int] = {}
        place_of = np.empty(len(first), np.int64)
        # In the order in which they come in the batch.
        for one in np.argsort(first).tolist():
            row = int(first[one])
            place_of[one] = places.setdefault(
                self._string(int(keys[row]), int(rows[row]), text_types[row]), len(places)
            )
        levels = []
        if with_levels:
            for rank in range(len(RANKS)):
                known, first, own_label = np.unique(codes[:, rank], return_index=True, return_inverse=True)
                missing = int(known[0] < 0) if len(known) else 0
                strings = [self._label(int(taxon_codes[row]), rank) for row in first[missing:].tolist()]
                own = np.array([places.setdefault(string, len(places)) for string in strings], np.int64)
                levels.append((own, own_label.astype(np.int64) - missing))
        return TextPlan(tuple(places), place_of[inverse], tuple(levels))

    def _string(self, key: int, row: int, text_type: str) -> str:
        if key not in self._strings:
            self._strings[key] = prompt(self._taxa[row], text_type, common_name=self._names[row])
        return self._strings[key]

    def _label(self, taxon: int, rank: int) -> str:
        if (taxon, rank) not in self._labels:
            self._labels[taxon, rank] = rank_prompt(self._taxa.values[taxon], RANKS[rank])
        return self._labels[taxon, rank]


def chosen_types(config: DataConfig, *, seed: int, step: int, epoch: int, positions: Sequence[int]) -> list[str]:
    """The text type of each picture at these places of an epoch: one for the whole step, or one for each.

    >>> len(set(chosen_types(DataConfig(), seed=0, step=7, epoch=0, positions=range(9))))
    1
    """
    if config.text_choice == "sample":
        return text_types_of_samples(seed, epoch, positions, text_types=config.text_types)
    return [text_type_of_step(step, text_types=config.text_types)] * len(positions)


class Tokens:
    """Tokens of strings, each string tokenised once; memory: 4 bytes a token for every different string met, twice that at most."""

    def __init__(self, tokenizer: object) -> None:
        self._tokenizer = tokenizer
        self._places: dict[str, int] = {}
        self._known: Int[np.ndarray, "room length"] | None = None

    def __call__(self, strings: Sequence[str]) -> Int[torch.Tensor, "t length"]:
        fresh = [string for string in dict.fromkeys(strings) if string not in self._places]
        if fresh:
            self._keep(fresh, self._tokenizer(fresh).numpy())  # type: ignore[operator]
        assert self._known is not None
        return torch.from_numpy(self._known[[self._places[string] for string in strings]].astype(np.int64))

    def _keep(self, strings: Sequence[str], tokens: Int[np.ndarray, "t length"]) -> None:
        n = len(self._places)
        if self._known is None or n + len(strings) > len(self._known):
            room = np.empty((2 * n + len(strings), tokens.shape[1]), np.int32)
            if self._known is not None:
                room[:n] = self._known[:n]
            self._known = room
        self._known[n : n + len(strings)] = tokens
        self._places.update((string, n + place) for place, string in enumerate(strings))
