"""The pairs of letters that CLIP's tokenizer joins, and with them the words that were common on the web: read from open_clip's file of merges.

The file is found without importing open_clip, which loads torch.
"""

import gzip
import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Final

from cladescope.errors import EncoderError

MERGES_FILE: Final = "bpe_simple_vocab_16e6.txt.gz"
N_MERGES: Final = 49152 - 256 - 2
END_OF_WORD: Final = "</w>"


@lru_cache(maxsize=1)
def merges() -> tuple[tuple[str, str], ...]:
    """Pairs, the commonest first.

    Raises EncoderError where open_clip's file cannot be read.
    """
    spec = importlib.util.find_spec("open_clip")
    path = Path(str(spec.origin)).parent / MERGES_FILE if spec is not None else Path(MERGES_FILE)
    try:
        lines = gzip.decompress(path.read_bytes()).decode().split("\n")[1 : N_MERGES + 1]
    except OSError as error:
        raise EncoderError(f"{path} cannot be read ({error}): install open_clip_torch anew") from error
    pairs = (line.split() for line in lines)
    return tuple((first, second) for first, second in pairs)


def is_common(word: str) -> bool:
    """Whether a word, in small letters, is one of some 34,000 that stand for one token: ordinary English ones, names, a few of other
    languages. Where open_clip is not installed every word may be one.

    >>> is_common("barn"), is_common("robur")
    (True, False)
    """
    try:
        return word in _words()
    except EncoderError:
        return True


@lru_cache(maxsize=1)
def _words() -> frozenset[str]:
    joined = (first + second for first, second in merges())
    return frozenset(word.removesuffix(END_OF_WORD) for word in joined if word.endswith(END_OF_WORD))
