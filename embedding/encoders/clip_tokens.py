"""CLIP's tokenizer without torch: the tokens that `open_clip.SimpleTokenizer` gives, for texts that are asked about at once.

Byte-pair encoding as in Radford et al. 2021, CLIP, https://arxiv.org/abs/2103.00020; the merges are read from the file that
open_clip brings, which is found without importing it. `onnx_export` writes no text tower where these tokens are others.
"""

import html
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import ftfy
import numpy as np
import regex
from jaxtyping import Int64

from cladescope.embedding.clip_merges import END_OF_WORD, N_MERGES, merges

SPECIAL = ("<start_of_text>", "<end_of_text>")

_WORD = regex.compile(
    "|".join(SPECIAL) + r"|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", regex.IGNORECASE
)


class ClipTokens:
    """Texts to rows of tokens, cut or filled with zeros to `length` tokens.

    >>> ClipTokens(77)(["a photo of Parus major."])[0, :7].tolist()
    [49406, 320, 1125, 539, 699, 718, 3350]
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self._ranks, self._codes = _tables()
        self._known: dict[str, tuple[int, ...]] = {word: (self._codes[word],) for word in SPECIAL}

    def __call__(self, texts: Sequence[str]) -> Int64[np.ndarray, "t length"]:
        """One row a text: the start, its tokens, the end; a longer text is cut before its end."""
        start, end = (self._codes[word] for word in SPECIAL)
        rows = np.zeros((len(texts), self.length), np.int64)
        for row, text in zip(rows, texts, strict=True):
            tokens = [start, *self._encode(text)[: self.length - 2], end]
            row[: len(tokens)] = tokens
        return rows

    def _encode(self, text: str) -> list[int]:
        cleaned = " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split()).lower()
        return [code for word in _WORD.findall(cleaned) for code in self._word(word)]

    def _word(self, word: str) -> tuple[int, ...]:
        """Tokens of one word: its bytes, of which neighbours are merged, the commonest pair first."""
        if word not in self._known:
            letters = [_LETTERS[byte] for byte in word.encode()]
            parts = [*letters[:-1], letters[-1] + END_OF_WORD]
            while len(parts) > 1:
                pair = min(pairwise(parts), key=lambda pair: self._ranks.get(pair, N_MERGES))
                if pair not in self._ranks:
                    break
                parts = _merged(parts, pair)
            self._known[word] = tuple(self._codes[part] for part in parts)
        return self._known[word]


def _merged(parts: Sequence[str], pair: tuple[str, str]) -> list[str]:
    """The parts with every occurrence of a pair as one, from the left.

    >>> _merged(["a", "a", "a", "b"], ("a", "a"))
    ['aa', 'a', 'b']
    """
    found: list[str] = []
    for part in parts:
        if found and (found[-1], part) == pair:
            found[-1] += part
        else:
            found.append(part)
    return found


def _byte_letters() -> dict[int, str]:
    """A printable letter for every byte, as CLIP's file of merges writes them."""
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {byte: chr(byte) for byte in shown} | {byte: chr(256 + place) for place, byte in enumerate(hidden)}


_LETTERS = _byte_letters()


@lru_cache(maxsize=1)
def _tables() -> tuple[dict[tuple[str, str], int], dict[str, int]]:
    """Rank of each merge, and the code of each token."""
    letters = list(_LETTERS.values())
    tokens = [*letters, *(letter + END_OF_WORD for letter in letters), *map("".join, merges()), *SPECIAL]
    return {pair: rank for rank, pair in enumerate(merges())}, {token: code for code, token in enumerate(tokens)}
