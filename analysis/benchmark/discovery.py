"""Classes to be discovered: pictures of known and of new classes are grouped, some pictures of the known ones being labelled (Herbarium19).

Vaze et al. 2022, Generalized Category Discovery, https://arxiv.org/abs/2201.02609 (`methods/clustering/faster_mix_k_means_pytorch.py` of
github.com/sgvaze/generalized-category-discovery), with the settings and the measure of BioCLIP 2 (`src/evaluation/herbarium19.py` of
github.com/Imageomics/bioclip-2; Gu et al. 2025, https://arxiv.org/abs/2505.23883).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int64

from cladescope.analysis.benchmark.field_scoring import Scored
from cladescope.analysis.benchmark.questions import Discovery
from cladescope.analysis.benchmark.trait_heads import SEEDS
from cladescope.analysis.measures import BLOCK_BYTES
from cladescope.analysis.measures.matching import rightly_grouped
from cladescope.analysis.measures.outcomes import Measured, Outcome
from cladescope.arrays import blocks, normalise
from cladescope.errors import InputError
from cladescope.steps import counted

SEMI_KMEANS = "semi-k-means"
N_STEPS, TOLERANCE = 10, 1e-4


def score_discovery(
    vectors: Float[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    is_test: Bool[np.ndarray, " n"],
    asked: Discovery,
    *,
    seeds: Sequence[int] = SEEDS,
) -> Scored:
    """The share of unlabelled pictures (`is_test`) whose group got their class: all, those of known classes and those of new ones, mean over `seeds`.

    As published, groups are matched to known and to new classes apart, so that a group may have a class of both kinds; figures of one matching
    of all classes stand beside. Memory: 16 n d bytes and what `semi_kmeans` takes.

    Raises InputError where no unlabelled picture is of a known class, or none of a new one, and as `semi_kmeans` does.
    """
    unit = normalise(vectors.astype(np.float64))
    of_old = np.array(asked.old)[classes[is_test]]
    if of_old.all() or not of_old.any():
        raise InputError(
            f"the unlabelled pictures are all of {'known' if of_old.all() else 'new'} classes: expected some of each, so check where the paths start"
        )
    own = classes[is_test]
    apart, once = np.zeros((len(seeds), len(own))), np.zeros((len(seeds), len(own)))
    for run, seed in enumerate(counted(seeds, f"grouping by {SEMI_KMEANS}", len(seeds))):
        groups = semi_kmeans(unit[is_test], unit[~is_test], classes[~is_test], n_groups=asked.n_groups, seed=seed)
        once[run] = rightly_grouped(groups, own)
        for part in (of_old, ~of_old):
            apart[run, part] = rightly_grouped(groups[part], own[part])
    found: dict[str, Measured] = {}
    for suffix, right in (("", apart), (", matched once", once)):
        for name, part in (
            ("all pictures", np.ones(len(own), bool)),
            ("known classes", of_old),
            ("new classes", ~of_old),
        ):
            found[f"{name}{suffix}"] = _outcome(right, part, is_test)
    return found, {}


def semi_kmeans(
    vectors: Float64[np.ndarray, "n d"],
    labelled: Float64[np.ndarray, "m d"],
    labels: Int[np.ndarray, " m"],
    *,
    n_groups: int,
    seed: int = 0,
    n_steps: int = N_STEPS,
) -> Int64[np.ndarray, " n"]:
    """The group of each vector by k-means in which labelled vectors stay in the group of their label.

    The first groups are those of the labels, in their order, and start at their means; the others start at vectors drawn as k-means++ draws
    them (Arthur & Vassilvitskii 2007), from those that have no label. The groups are those of the step of the smallest sum of squares, and
    there are at most `n_steps` steps. As in the published code, a group that lost all its vectors ends them. Fewer vectors that differ than groups
    leave some groups without any. Equal seeds give equal groups. Memory: 8 n bytes a group, in blocks of `BLOCK_BYTES`.

    Raises InputError for no vector, no label, and fewer groups than labels.

    >>> vectors = np.array([[0.1, 0.0], [5.0, 5.1], [5.1, 5.0], [0.0, 0.1]])
    >>> semi_kmeans(vectors, np.array([[0.0, 0.0]]), np.array([7]), n_groups=2)
    array([0, 1, 1, 0])
    """
    names, own = np.unique(labels, return_inverse=True)
    if not len(vectors) or not len(names) or n_groups < len(names):
        raise InputError(
            f"found {len(vectors)} unlabelled pictures, {len(names)} labelled classes and {n_groups} groups: expected some pictures of both "
            "kinds, and a group at least for each labelled class"
        )
    centres = _started(vectors, _means(labelled, own, len(names)), n_groups, np.random.RandomState(seed))
    everything = np.concatenate([labelled, vectors])
    best, least = np.zeros(len(vectors), np.int64), np.inf
    for _ in range(n_steps):
        groups, squares = _nearest(vectors, centres)
        total = float(squares.sum() + ((labelled - centres[own]) ** 2).sum())
        if total < least:
            best, least = groups, total
        all_groups = np.concatenate([own, groups])
        if len(np.unique(all_groups)) < len(centres):
            break
        moved = _means(everything, all_groups, len(centres))
        shift = np.sqrt(((moved - centres) ** 2).sum(axis=1)).sum()
        centres = moved
        if shift**2 < TOLERANCE:
            break
    return best


def _started(
    vectors: Float64[np.ndarray, "n d"], known: Float64[np.ndarray, "c d"], n_groups: int, random: np.random.RandomState
) -> Float64[np.ndarray, "k d"]:
    """The known centres and then vectors, each drawn with a chance that grows with its squared distance from the centres so far."""
    lengths = (vectors**2).sum(axis=1)
    _, far = _nearest(vectors, known)
    chosen: list[int] = []
    while len(known) + len(chosen) < n_groups and far.sum() > 1e-12:
        share = np.cumsum(far / far.sum())
        place = min(int(np.searchsorted(share, random.rand())), len(vectors) - 1)
        chosen.append(place)
        away = lengths + lengths[place] - 2 * (vectors @ vectors[place])
        far = np.minimum(far, np.maximum(away, 0.0))
        far[place] = 0.0
    return np.concatenate([known, vectors[chosen]])


def _nearest(
    vectors: Float64[np.ndarray, "n d"], centres: Float64[np.ndarray, "k d"]
) -> tuple[Int64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """The nearest centre of each vector, of equally near ones the first, and the squared distance from it."""
    groups, squares = np.empty(len(vectors), np.int64), np.empty(len(vectors))
    own = (centres**2).sum(axis=1)
    for start, stop in blocks(len(vectors), size=max(1, BLOCK_BYTES // (8 * len(centres)))):
        part = vectors[start:stop]
        away = own - 2 * (part @ centres.T)
        groups[start:stop] = away.argmin(axis=1)
        squares[start:stop] = np.maximum(away.min(axis=1) + (part**2).sum(axis=1), 0.0)
    return groups, squares


def _means(
    vectors: Float64[np.ndarray, "n d"], groups: Int[np.ndarray, " n"], n_groups: int
) -> Float64[np.ndarray, "k d"]:
    """The mean of each group, none of which is empty."""
    from scipy.sparse import csr_matrix

    member = csr_matrix((np.ones(len(groups)), (groups, np.arange(len(groups)))), shape=(n_groups, len(groups)))
    return np.asarray((member @ vectors) / np.bincount(groups, minlength=n_groups)[:, None])


def _outcome(
    right: Float64[np.ndarray, "r t"], part: Bool[np.ndarray, " t"], is_test: Bool[np.ndarray, " n"]
) -> Outcome:
    """What unlabelled pictures of one part scored over all runs; the labelled ones are not asked."""
    scored, asked = np.zeros(len(is_test)), np.zeros(len(is_test))
    scored[is_test], asked[is_test] = (right * part).sum(axis=0), part * float(len(right))
    folds = tuple(right[:, part].mean(axis=1).tolist()) if len(right) > 1 else ()
    return Outcome(scored, asked, folds)
