"""What an encoder scores on FungiCLEF: observations by name, strangers told as unknown, and what mistakes cost who eats."""

import numpy as np
from jaxtyping import Bool, Float, Int

from cladescope.analysis.benchmark.field_scoring import Scored
from cladescope.analysis.benchmark.open_set import open_set_answers
from cladescope.analysis.benchmark.questions import Observations
from cladescope.analysis.measures.class_sums import class_sums
from cladescope.analysis.measures.macro_f1 import MacroF1
from cladescope.analysis.measures.outcomes import Measured, Outcome
from cladescope.errors import InputError

MISSED_STRANGER, KNOWN_AS_UNKNOWN, MISTAKE = 10.0, 0.1, 1.0
"""Cost of a stranger that is given a name, of a known species that is called unknown, and of another wrong name."""
POISON_MISSED, EDIBLE_REFUSED = 100.0, 1.0
"""Further cost where a poisonous species is not named as one, and where another is."""
USER_SCORE = "user score"


def score_observations(
    vectors: Float[np.ndarray, "n d"],
    asked: Observations,
    classes: Int[np.ndarray, " n"],
    is_test: Bool[np.ndarray, " n"],
) -> Scored:
    """Top-1, macro-F1, the share of strangers that are told as unknown, and the user score; each by the head as meant and as published.

    An observation is the mean of its pictures' vectors, and one question; `unknown` is a class like the others. `asked` is of the rows of
    `vectors`.

    Raises InputError where no picture is left to learn from or to ask.
    """
    taught, stranger = np.array(asked.taught), len(asked.taught)
    if is_test.all() or not is_test.any():
        raise InputError(
            f"no picture to {'learn from' if is_test.all() else 'ask'} is left: check where the paths start"
        )
    rows = np.flatnonzero(is_test)
    present, first, place = np.unique(asked.number[rows], return_index=True, return_inverse=True)
    sums, counts = class_sums(vectors[rows], place)
    own = classes[rows[first]]
    truth = np.where(taught[own], own, stranger)
    said = open_set_answers(vectors[~is_test], classes[~is_test], (sums / counts[:, None]).astype(vectors.dtype))
    found: dict[str, Measured] = {}
    refused: dict[str, str] = {}
    for ending, far in (("", said.far), (", as published", said.far_as_published)):
        named = np.where(far, stranger, said.named)
        right = (named == truth).astype(np.float64)
        if asked.poisonous is None:
            refused[f"{USER_SCORE}{ending}"] = "there is no poison_status_list.csv beside the tables"
        else:
            found[f"{USER_SCORE}{ending}"] = user_score(truth, named, np.array([*asked.poisonous, False]))
        found[f"top-1{ending}"] = Outcome(right, np.ones(len(right)))
        found[f"macro F1{ending}"] = MacroF1.of_classes(truth, named)
        if (strange := truth == stranger).any():
            found[f"unknown told{ending}"] = Outcome(right * strange, strange.astype(np.float64))
        else:
            refused[f"unknown told{ending}"] = "no observation is of a species that is not taught"
    if lost := asked.n_observations - len(present):
        refused[f"{lost:,} of {asked.n_observations:,} observations"] = "none of their pictures has a vector"
    return found, refused


def user_score(
    truth: Int[np.ndarray, " m"], named: Int[np.ndarray, " m"], poisonous: Bool[np.ndarray, " c"]
) -> Outcome:
    """1 less the cost of all answers over the most that they could cost: FungiCLEF's user-focused loss, as biobench makes it a score.

    The last of the `c` classes is `unknown`, which is not poisonous. Picek et al. 2024, Overview of FungiCLEF 2024: Revisiting Fungi Species
    Recognition Beyond 0-1 Cost, https://ceur-ws.org/Vol-3740/paper-185.pdf; `src/biobench/fungiclef/metrics.py`.

    >>> poisonous = np.array([True, False, False])
    >>> round(user_score(np.array([0, 1, 2]), np.array([0, 1, 0]), poisonous).value, 4)
    0.9035
    """
    stranger = len(poisonous) - 1
    unknown = truth == stranger
    wrong = np.where(unknown, MISSED_STRANGER, np.where(named == stranger, KNOWN_AS_UNKNOWN, MISTAKE))
    cost = np.where(named == truth, 0.0, wrong)
    kills, feared = poisonous[truth], poisonous[named]
    cost += POISON_MISSED * (kills & ~feared) + EDIBLE_REFUSED * (~kills & feared)
    most = np.where(unknown, MISSED_STRANGER, MISTAKE) + np.where(kills, POISON_MISSED, EDIBLE_REFUSED)
    return Outcome(most - cost, most)
