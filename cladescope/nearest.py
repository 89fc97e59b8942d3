"""Which word was meant: the nearest of those that are known."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question that ends a message about an unknown word, with a blank before it; nothing where no known word is near.

    Capitals are no difference. A word of the same letters in another order is meant before others. Close matches are those of
    `difflib` (Ratcliff and Metzener 1988, Pattern matching: the gestalt approach), at a ratio of 0.6.

    >>> did_you_mean("specis", ["genus", "species"]), did_you_mean("Genus", ["genus", "species"])
    (' (did you mean species?)', ' (did you mean genus?)')
    >>> did_you_mean("tyni", ["tiny", "tin"]), did_you_mean("xyz", ["genus", "species"])
    (' (did you mean tiny?)', '')
    """
    words = {one.lower(): one for one in known}
    letters = sorted(word.lower())
    same = [one for one in words if sorted(one) == letters]
    near = same or get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    return f" (did you mean {words[near[0]]}?)" if near else ""
