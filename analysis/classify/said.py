"""What an answer says, in one name."""

from collections.abc import Mapping, Sequence
from typing import Final

from cladescope.schema import NOT_KNOWN

NAMED: Final = "named"
EMPTY: Final = "empty"
NOT_SURE: Final = "not sure"
"""Verdicts beside `NOT_KNOWN`: the answer names the picture; it shows nothing; no name is sure enough."""
ASIDE = ("verdict", "nearest", "nearest_score")
"""Columns of an answer behind its names: its verdict and, where that is not `named`, the guess that was not taken, with its score."""
BESIDE = ("score", "common_name", "species_epithet", *ASIDE)
"""Columns of an answer that do not name a taxon by themselves."""
_SURE = ((0.95, "almost sure"), (0.8, "likely"), (0.5, "perhaps"))


def name_said(answer: Mapping[str, object]) -> str:
    """The narrowest name in an answer; its verdict where it names nothing.

    >>> name_said({"class": "Aves", "species_epithet": "major", "species": "Parus major", "score": 0.9})
    'Parus major'
    >>> name_said({"class": "", "score": 0.01, "verdict": "empty", "nearest": "Aves", "nearest_score": 0.9})
    'empty'
    """
    names = [str(value) for column, value in answer.items() if column not in BESIDE and value]
    return names[-1] if names else str(answer.get("verdict") or NOT_KNOWN)


def is_named(answer: Mapping[str, object]) -> bool:
    """Whether an answer names anything.

    >>> is_named({"class": "Aves", "verdict": "named"}), is_named({"class": "", "verdict": "empty"})
    (True, False)
    """
    return answer.get("verdict", NAMED) == NAMED and any(
        value for column, value in answer.items() if column not in BESIDE
    )


def first_said(answers: Sequence[Mapping[str, object]]) -> str:
    """The name in the best of several answers; that nothing is known where there is none."""
    return name_said(answers[0]) if answers else NOT_KNOWN


def sureness(score: float) -> str:
    """How sure an answer of a probability is, in words.

    >>> sureness(0.97), sureness(0.3)
    ('almost sure', 'a guess')
    """
    return next((words for least, words in _SURE if score >= least), "a guess")


def in_words(score: float) -> str:
    """How sure an answer is, in words and as a number.

    >>> in_words(0.97), in_words(0.0006)
    ('almost sure (0.97)', 'a guess (under 0.01)')
    """
    return f"{sureness(score)} ({'under 0.01' if score < 0.005 else f'{score:.2f}'})"
