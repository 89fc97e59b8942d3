"""What `predict` does with a picture's vector, as nodes of an ONNX graph: classes, the way down the tree, where it stops, and what is too far.

Each function is the twin in another language of what its docstring names, and is tested to give the same; the arithmetic is explained there.
"""

from dataclasses import dataclass

import numpy as np

from cladescope.analysis.classify.answers import Answers
from cladescope.analysis.classify.class_gallery import ClassGallery
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.known import FARTHEST, Known
from cladescope.analysis.classify.neighbour_vote import NeighbourVote
from cladescope.analysis.field_kit.nodes import Nodes
from cladescope.analysis.field_kit.texts import VERDICTS
from cladescope.errors import InputError
from cladescope.taxonomy.taxon import RANK_INDEX, RANKS

_NONE = -1
_ZERO = 1e-6
"""Length from which on a moved vector has a direction, and what rounding may do to a nearness, as in `simple_shot` and `known`."""
_LEAST_CHANCE = 1e-6
NAMED, NOT_SURE, NOT_KNOWN, EMPTY = range(len(VERDICTS))


@dataclass(frozen=True)
class Said:
    """What is said of each picture; names of values."""

    node: str
    """Number of what names it, -1 for nothing."""
    score: str
    guess: str
    """Number of the narrowest guess."""
    guess_score: str
    verdict: str
    """Place in `VERDICTS`."""


def add_head(nodes: Nodes, features: str, answers: Answers) -> Said:
    """From features of any length to what `Answers.of` says first of each picture. Raises InputError for classes of another kind."""
    unit = nodes.unit(features)
    chances = _probabilities(nodes, unit, answers)
    near = None if answers.known is None else _nearness(nodes, unit, answers.known)
    said = _best(nodes, chances, answers) if answers.risk is None else _sure(nodes, chances, near, answers)
    if answers.known is None or answers.doubt is None or near is None:
        return said
    return _not_far(nodes, unit, near, said, answers.known, answers.doubt)


def _probabilities(nodes: Nodes, unit: str, answers: Answers) -> str:
    """`ClassGallery.probabilities`, `NeighbourVote.probabilities`."""
    classes = answers.classes
    if isinstance(classes, NeighbourVote):
        return _votes(nodes, unit, classes)
    if not isinstance(classes, ClassGallery):
        raise InputError(f"classes of kind {type(classes).__name__} cannot be packed: fit a classifier")
    compared = unit if classes.centre is None else _centred(nodes, unit, classes.centre)
    scores = nodes.node("MatMul", compared, _widened(nodes, classes.vectors.T))
    if classes.bias is not None:
        scores = nodes.node("Add", scores, nodes.constant(classes.bias))
    scores = nodes.node("Mul", scores, nodes.constant(classes.scale))
    if classes.log_prior is not None:
        scores = nodes.node("Add", scores, nodes.constant(classes.log_prior))
    return nodes.node("Softmax", scores, axis=1)


def _centred(nodes: Nodes, unit: str, centre: np.ndarray) -> str:
    """`measures.simple_shot.centred`."""
    moved = nodes.node("Sub", unit, nodes.constant(centre))
    length = nodes.length(moved)
    away = nodes.node("Greater", length, nodes.constant(_ZERO))
    return nodes.node("Where", away, nodes.node("Div", moved, length), nodes.constant(0.0))


def _votes(nodes: Nodes, unit: str, vote: NeighbourVote) -> str:
    scores = nodes.node("MatMul", unit, _widened(nodes, vote.vectors.T))
    k = min(vote.k, len(vote.vectors))
    nodes.node("TopK", scores, nodes.whole([k]), output="kit.top", axis=1)
    nodes.nodes[-1].output.append("kit.voters")
    top = nodes.node("Slice", "kit.top", nodes.whole([0]), nodes.whole([1]), nodes.whole([1]))
    weights = nodes.node("Mul", nodes.node("Sub", "kit.top", top), nodes.constant(vote.scale))
    shares = nodes.node("Softmax", weights, axis=1)
    voted = nodes.node("Gather", nodes.whole(vote.classes), "kit.voters")
    return nodes.added(shares, voted, len(vote.labels))


def _widened(nodes: Nodes, matrix: np.ndarray) -> str:
    """A constant in float32, kept as float16 where it is that."""
    if matrix.dtype == np.float16:
        return nodes.cast(nodes.constant(matrix, np.float16), np.float32)
    return nodes.constant(matrix)


def _best(nodes: Nodes, chances: str, answers: Answers) -> Said:
    """The likeliest taxon of the rank, or label, however likely: `best_taxa` with k = 1."""
    tree = answers.tree
    if tree is not None:
        assert answers.rank is not None
        places = tree.at(answers.rank)
        summed = nodes.node("Gather", _rolled_up(nodes, chances, tree), nodes.whole(places), axis=1)
    else:
        bins = answers.bins
        places = np.arange(len(answers.labels))
        summed = chances if bins is None else nodes.added_by(chances, bins, len(places))
    best = nodes.node("ArgMax", summed, axis=1, keepdims=0)
    node = nodes.node("Gather", nodes.whole(places), best)
    score = nodes.node("ReduceMax", summed, axes=[1], keepdims=0)
    verdict = nodes.node("Sub", best, best)
    return Said(node, score, node, score, verdict)


def _rolled_up(nodes: Nodes, chances: str, tree: ClassTree) -> str:
    """`ClassTree.roll_up`."""
    node, row = tree.class_pairs(np.arange(len(tree)))
    return nodes.added_by(nodes.node("Gather", chances, nodes.whole(row), axis=1), node, len(tree))


def _sure(nodes: Nodes, chances: str, near: str | None, answers: Answers) -> Said:
    """The narrowest taxon that is sure enough, none below the rank: `ClassTree.descend`, `BackOff.paths` and `Answers`."""
    tree, back_off = answers.paths, answers.back_off
    assert tree is not None
    assert back_off is not None
    assert answers.risk is not None
    summed = _rolled_up(nodes, chances, tree)
    threshold = nodes.constant(back_off.threshold(answers.risk), name="threshold", may_be_given=True)
    deepest = len(RANKS) if answers.rank is None else RANK_INDEX[answers.rank] + 1
    is_told = nodes.constant(tree.rank < deepest, np.bool_)
    confidence = back_off.confidence
    parents = nodes.whole(tree.parent[None])
    none = nodes.whole(_NONE)
    here = nodes.node("Expand", none, nodes.size(summed, 0))
    standing = None
    if confidence is not None and confidence.weights is not None:
        if near is None or answers.known is None:
            raise InputError("how sure an answer is depends on how near the picture lies, which is not known")
        standing = _standing(nodes, near, answers.known)
    node, guess, score, guess_score, sure = none, none, nodes.constant(1.0), nodes.constant(0.0), ""
    for level in range(int(_depths(tree).max()) + 1):
        below = nodes.node("Equal", parents, nodes.node("Unsqueeze", here, nodes.whole([1])))
        offered = nodes.node("Where", below, summed, nodes.constant(-1.0))
        chance = nodes.node("ReduceMax", offered, axes=[1], keepdims=0)
        is_met = nodes.node("GreaterOrEqual", chance, nodes.constant(0.0))
        met = nodes.node("ArgMax", offered, axis=1, keepdims=0)
        found = chance
        if confidence is not None:
            logit = _logit(nodes, chance)
            slope = nodes.node("Gather", nodes.constant(confidence.slopes[tree.rank]), met)
            line = nodes.node("Mul", slope, logit)
            line = nodes.node("Add", line, nodes.node("Gather", nodes.constant(confidence.offsets[tree.rank]), met))
            if standing is not None and confidence.weights is not None:
                weight = nodes.node("Gather", nodes.constant(confidence.weights[tree.rank]), met)
                line = nodes.node("Add", line, nodes.node("Mul", weight, standing))
            found = nodes.node("Sigmoid", line)
            found = found if not sure else nodes.node("Min", sure, found)
        sure = found
        told = nodes.node("And", is_met, nodes.node("Gather", is_told, met))
        # Where no node of the path may be told the first one is the guess.
        guessed = told if level else is_met
        guess, guess_score = nodes.node("Where", guessed, met, guess), nodes.node("Where", guessed, found, guess_score)
        is_sure = nodes.node("And", told, nodes.node("GreaterOrEqual", found, threshold))
        node, score = nodes.node("Where", is_sure, met, node), nodes.node("Where", is_sure, found, score)
        here = nodes.node("Where", is_met, met, here)
    is_none = nodes.node("Equal", node, none)
    verdict = nodes.node("Where", is_none, nodes.whole(NOT_SURE), nodes.whole(NAMED))
    return Said(node, score, guess, guess_score, verdict)


def _logit(nodes: Nodes, chance: str) -> str:
    """Of a probability that is cut, in float64: close to 1 float32 has few numbers."""
    wide, one = nodes.cast(chance, np.float64), nodes.constant(1.0, np.float64)
    least, most = nodes.constant(_LEAST_CHANCE, np.float64), nodes.constant(1 - _LEAST_CHANCE, np.float64)
    safe = nodes.node("Clip", wide, least, most)
    return nodes.cast(nodes.node("Log", nodes.node("Div", safe, nodes.node("Sub", one, safe))), np.float32)


def _depths(tree: ClassTree) -> np.ndarray:
    """How many nodes lie above each."""
    above: np.ndarray = (tree.lineage >= 0).sum(axis=1) - 1
    return above


def _nearness(nodes: Nodes, unit: str, known: Known) -> str:
    """`Known.nearness`."""
    moved = nodes.node("MatMul", unit, _widened(nodes, known.axes))
    means = known.means.astype(np.float32)
    lengths = nodes.constant(np.einsum("cm,cm->c", means, means))
    products = nodes.node("MatMul", moved, _widened(nodes, known.means.T))
    offered = nodes.node("Sub", nodes.node("Mul", products, nodes.constant(2.0)), lengths)
    own = nodes.node("ReduceSumSquare", moved, axes=[1], keepdims=0)
    return nodes.node("Sub", nodes.node("ReduceMax", offered, axes=[1], keepdims=0), own)


def _standing(nodes: Nodes, near: str, known: Known) -> str:
    """`Known.standing_of`."""
    quarter, median = np.quantile(known.held.astype(np.float64), (0.25, 0.5))
    apart = nodes.node("Sub", near, nodes.constant(median))
    width = nodes.constant(max(median - quarter, _ZERO))
    return nodes.node("Clip", nodes.node("Div", apart, width), nodes.constant(-FARTHEST), nodes.constant(FARTHEST))


def _not_far(nodes: Nodes, unit: str, near: str, said: Said, known: Known, doubt: float) -> Said:
    """What was said, unless a picture is too far for a name: `Known.chances` and `Known.looks_empty`."""
    reached = nodes.node("Unsqueeze", nodes.node("Add", near, nodes.constant(_ZERO)), nodes.whole([1]))
    below = nodes.node("LessOrEqual", nodes.constant(known.held[None]), reached)
    n_below = nodes.node("ReduceSum", nodes.cast(below, np.float32), nodes.whole([1]), keepdims=0)
    one = nodes.constant(1.0)
    chance = nodes.node("Div", nodes.node("Add", n_below, one), nodes.constant(len(known.held) + 1))
    is_far = nodes.node("LessOrEqual", chance, nodes.constant(doubt, name="doubt", may_be_given=True))
    kind = nodes.whole(NOT_KNOWN)
    if known.empty is not None:
        side = nodes.node("MatMul", unit, nodes.constant(known.empty[:-1, None]))
        side = nodes.node("Squeeze", side, nodes.whole([1]))
        is_empty = nodes.node("Greater", side, nodes.constant(-known.empty[-1]))
        kind = nodes.node("Where", is_empty, nodes.whole(EMPTY), kind)
    return Said(
        node=nodes.node("Where", is_far, nodes.whole(_NONE), said.node),
        score=nodes.node("Where", is_far, chance, said.score),
        guess=said.guess,
        guess_score=said.guess_score,
        verdict=nodes.node("Where", is_far, kind, said.verdict),
    )
