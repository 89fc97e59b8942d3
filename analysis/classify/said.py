"""What an answer says, in one name."""

from collections.abc import Mapping, Sequence

from cladescope.schema import NOT_KNOWN

BESIDE = ("score", "common_name", "species_epithet")
"""Columns of an answer that do not name a taxon by themselves."""
_SURE = ((0.95, "almost sure"), (0.8, "likely"), (0.5, "perhaps"))


def name_said(answer: Mapping[str, object]) -> str:
    """The narrowest name in an answer.

    >>> name_said({"class": "Aves", "species_epithet": "major", "species": "Parus major", "score": 0.9})
    'Parus major'
    >>> name_said({"class": "", "score": 1.0})
    'not known'
    """
    names = [str(value) for column, value in answer.items() if column not in BESIDE and value]
    return names[-1] if names else NOT_KNOWN


def first_said(answers: Sequence[Mapping[str, object]]) -> str:
    """The name in the best of several answers; that nothing is known where there is none."""
    return name_said(answers[0]) if answers else NOT_KNOWN


def in_words(score: float) -> str:
    """How sure an answer is, in words and as a number.

    >>> in_words(0.97), in_words(0.3)
    ('almost sure (0.97)', 'a guess (0.30)')
    >>> in_words(0.0006)
    'a guess (under 0.01)'
    """
    words = next((words for least, words in _SURE if score >= least), "a guess")
    return f"{words} ({'under 0.01' if score < 0.005 else f'{score:.2f}'})"
