"""What an encoder scores on a task of the field: each kind of question by its published head and measure."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from cladescope.analysis.benchmark.attributes import PUBLISHED_THRESHOLD
from cladescope.analysis.benchmark.field_tasks import AWA2
from cladescope.analysis.benchmark.questions import Choices, Queries, Subtasks, Traits
from cladescope.analysis.benchmark.svm_heads import svm_answers
from cladescope.analysis.benchmark.trait_heads import MLP, RATES, SEEDS, mlp_logits, ridge_logits
from cladescope.analysis.classify.templates import name_vectors
from cladescope.analysis.measures.by_class import macro
from cladescope.analysis.measures.macro_f1 import MacroF1
from cladescope.analysis.measures.outcomes import Measured, Outcome
from cladescope.analysis.measures.top_hits import gain_of_top, precision_of_top, reciprocal_rank
from cladescope.arrays import normalise
from cladescope.embedding.encoder import Encoder
from cladescope.errors import InputError
from cladescope.index.gallery import Gallery
from cladescope.steps import counted

TOP = 50
"""How many pictures of a query are looked at."""
Scored = tuple[dict[str, Measured], dict[str, str]]
"""Measures by name, and those that could not be asked, with the reason."""


def score_subtasks(
    vectors: Float[np.ndarray, "n d"],
    asked: Subtasks,
    is_test: Bool[np.ndarray, " n"],
    *,
    head: str,
    answers: Callable[..., Int[np.ndarray, " m"]] = svm_answers,
) -> Scored:
    """The mean accuracy over tasks of two classes, that over all test pictures, and the mean over the tasks of each cluster.

    A task of which a class has no training picture, or no test picture is left, is not asked. `asked` is of the rows of `vectors`.

    Raises InputError where none can be asked.
    """
    right, once = np.zeros(len(vectors)), np.zeros(len(vectors))
    not_asked = []
    for task in counted(range(len(asked.names)), "fitting a head to each task", len(asked.names)):
        own = asked.number == task
        given, tested = np.flatnonzero(own & ~is_test), np.flatnonzero(own & is_test)
        if len(np.unique(asked.positive[given])) < 2 or not len(tested):
            not_asked.append(asked.names[task])
            continue
        said = answers(vectors[given], asked.positive[given], vectors[tested], head=head)
        right[tested], once[tested] = said == asked.positive[tested], 1.0
    if not once.any():
        raise InputError(
            "no task has training pictures of both classes and a test picture: check where the paths start"
        )
    all_pictures = Outcome(right, once)
    found: dict[str, Measured] = {"mean over tasks": macro(all_pictures, asked.number), "all pictures": all_pictures}
    clusters = np.array(asked.clusters)[asked.number]
    for cluster in dict.fromkeys(asked.clusters):
        inside = clusters == cluster
        if (once[inside] > 0).any():
            found[f"{cluster}, mean over tasks"] = macro(Outcome(right * inside, once * inside), asked.number)
    listed = ", ".join(not_asked[:3]) + (", ..." if len(not_asked) > 3 else "")
    reason = f"they lack training pictures of a class, or test pictures ({listed})"
    return found, {f"{len(not_asked)} of {len(asked.names)} tasks": reason} if not_asked else {}


def score_traits(
    vectors: Float[np.ndarray, "n d"],
    asked: Traits,
    is_test: Bool[np.ndarray, " n"],
    *,
    head: str,
    protocol: str,
    seeds: Sequence[int] = SEEDS,
) -> Scored:
    """Macro-F1 over traits, the share of pictures all of whose traits are right, and both as the published code counts them.

    `mlp` is trained once from each seed, and its figures are means over these.
    """
    train, test, truth = vectors[~is_test], vectors[is_test], asked.values[is_test]
    if head == MLP:
        runs = [
            mlp_logits(train, asked.values[~is_test], test, rate=RATES[protocol], seed=seed)
            for seed in counted(seeds, f"training the head {head}", len(seeds))
        ]
    else:
        runs = [ridge_logits(train, asked.values[~is_test], test)]
    present = [(logits > 0).astype(np.int64) for logits in runs]
    above = [(logits > PUBLISHED_THRESHOLD).astype(np.int64) for logits in runs]
    found: dict[str, Measured] = {
        "macro F1": MacroF1.of_traits(truth, present),
        "all traits right": _all_right(truth, present, is_test),
    }
    if head == MLP:
        found["all traits right, threshold as published"] = _all_right(truth, above, is_test)
        found["macro F1, threshold as published"] = MacroF1.of_traits(truth, above)
        if protocol == AWA2 and asked.values.shape[1] > 2:
            two = [values[:, :2] for values in above]
            found["macro F1 of two traits, as published"] = MacroF1.of_traits(truth[:, :2], two)
    return found, {}


def _all_right(
    truth: Int[np.ndarray, "m a"], runs: Sequence[Int[np.ndarray, "m a"]], is_test: Bool[np.ndarray, " n"]
) -> Outcome:
    each = np.array([(said == truth).all(axis=1) for said in runs], np.float64)
    scored = np.zeros(len(is_test))
    scored[is_test] = each.sum(axis=0)
    folds = tuple(each.mean(axis=1).tolist()) if len(runs) > 1 else ()
    return Outcome(scored, is_test * float(len(runs)), folds)


def score_queries(vectors: Float[np.ndarray, "n d"], asked: Queries, encoder: Encoder, *, k: int = TOP) -> Scored:
    """AP@k, nDCG@k and reciprocal rank of texts among all pictures, over queries with an answer there, and AP@k of each kind.

    A text is encoded as it stands; of equally near pictures the first comes first. Memory: 4 q d bytes and what `Gallery.search` takes.
    """
    k = min(k, len(vectors))
    texts = normalise(encoder.encode_texts(asked.texts)).astype(np.float32)
    _, rows = Gallery(np.arange(len(vectors)), normalise(vectors).astype(np.float32)).search(texts, k)
    n_relevant = np.bincount(asked.query, minlength=len(texts))
    there = np.flatnonzero(n_relevant)
    answer = set(zip(asked.query.tolist(), asked.picture.tolist(), strict=True))
    hits = np.array([[(query, row) in answer for row in rows[query].tolist()] for query in there.tolist()])
    once = (n_relevant > 0).astype(np.float64)

    def outcome(values: Float[np.ndarray, " q"]) -> Outcome:
        scored = np.zeros(len(texts))
        scored[there] = values
        return Outcome(scored, once)

    precision = outcome(precision_of_top(hits, n_relevant[there]))
    found: dict[str, Measured] = {
        f"AP@{TOP}": precision,
        f"nDCG@{TOP}": outcome(gain_of_top(hits, n_relevant[there])),
        "reciprocal rank": outcome(reciprocal_rank(hits)),
    }
    kinds = np.array(asked.kinds)
    for kind in dict.fromkeys(asked.kinds):
        inside = kinds == kind
        if (once[inside] > 0).any():
            found[f"{kind} AP@{TOP}"] = Outcome(precision.scored * inside, once * inside)
    return found, {}


def score_choices(
    vectors: Float[np.ndarray, "n d"],
    asked: Choices,
    classes: Int[np.ndarray, " n"],
    labels: Sequence[str],
    encoder: Encoder,
) -> Scored:
    """Whether the nearest text is a picture's own: among the classes of its set, and, where classes have facets, among all.

    The value over sets weighs them alike; a set of one class is not asked. Of equally near texts the one of the smaller number is taken.
    """
    scores = normalise(vectors) @ name_vectors(encoder, labels).T
    may = np.zeros((len(asked.sets), len(labels)), bool)
    for row, members in enumerate(asked.sets):
        may[row, list(members)] = True
    once = np.ones(len(vectors))
    chosen = np.where(may[asked.number], scores, -np.inf).argmax(axis=1)
    several = np.array([len(members) > 1 for members in asked.sets])[asked.number]
    among = Outcome(((chosen == classes) & several).astype(np.float64), several.astype(np.float64))
    found: dict[str, Measured] = {}
    if asked.facets:
        said = scores.argmax(axis=1)
        found["top-1"] = Outcome((said == classes).astype(np.float64), once)
        for facet, values in asked.facets.items():
            _, value = np.unique(values, return_inverse=True)
            found[f"right {facet}"] = Outcome((value[said] == value[classes]).astype(np.float64), once)
    if not several.any():
        return found, {asked.among: "each picture has one class to choose from"}
    found[asked.among] = among
    found[f"{asked.among}, mean over sets"] = macro(among, asked.number)
    for number, name in enumerate(asked.names):
        inside = several & (asked.number == number)
        if inside.any() and len(asked.names) <= TOP:
            found[name] = Outcome(among.scored * inside, inside.astype(np.float64))
    return found, {}
