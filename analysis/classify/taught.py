"""Teaching by hand: what the few pictures that a person has put into classes say of a whole store, quickly enough to be asked after each click.

The classes are those of `fitting`, the order of what to label next that of `suggest`, and where names stop `back_off`. Each labelled picture is asked
about classes of the others; that says how often they are right, how sure they are, and from which probability on a name is given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float, Float32, Int

from cladescope.analysis.classify.answer_paths import trace, walk
from cladescope.analysis.classify.asked_quickly import asked_apart, fit_scale
from cladescope.analysis.classify.back_off import BackOff
from cladescope.analysis.classify.class_gallery import ClassGallery, block_rows, softmax
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.fitting import fit_classes
from cladescope.analysis.classify.known import DOUBT
from cladescope.analysis.classify.next_pictures import next_pictures
from cladescope.analysis.classify.suggest import MOST, WARM
from cladescope.analysis.pictures import Pictures
from cladescope.arrays import blocks
from cladescope.embedding.kin import kin_of
from cladescope.errors import InputError
from cladescope.index.intervals import wilson
from cladescope.index.store import Store
from cladescope.shown import counted
from cladescope.taxonomy.taxon import RANKS, Taxon

UNSURE = -1
"""The class of a picture that has no name."""
METHODS = ("simpleshot", "prototypes")
_KEYS = ("image_id", "uri", "observation_id", "content_hash")
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Whole:
    """The pictures of a store as teaching needs them, read once: 4 d bytes a picture."""

    pictures: Pictures

    @classmethod
    def of(cls, store: Store) -> "Whole":
        """The pictures of a store."""
        names = [name for name in _KEYS if name in store.schema.names]
        return cls(Pictures.of_store(store, columns=names))

    @cached_property
    def ids(self) -> pa.Array:
        """The `image_id` of each picture."""
        return self.pictures.texts("image_id").combine_chunks()

    @cached_property
    def kin(self) -> Int[np.ndarray, " n"]:
        """Equal for pictures that are not independent of each other (`embedding.kin`)."""
        return kin_of(*(self.pictures.texts(name) for name in _KEYS[1:]))

    def rows_of(self, ids: Sequence[str] | pa.Array) -> Int[np.ndarray, " q"]:
        """The row of each picture, -1 where it is not there or has no vector."""
        asked = ids.cast(self.ids.type) if isinstance(ids, pa.Array) else pa.array(ids, self.ids.type)
        found = pc.fill_null(pc.index_in(asked, value_set=self.ids), -1)
        return np.asarray(found.to_numpy(zero_copy_only=False), np.int64)


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """A picture to label next; None where there is no classifier yet."""

    image_id: str
    label: str | None = None
    score: float | None = None
    second: str | None = None
    second_score: float | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Taught:
    """What some classes say of n pictures."""

    labels: tuple[str, ...]
    """All that were given, also those without a picture."""
    given: tuple[int, ...]
    """Pictures of the store that were put into each."""
    codes: Int[np.ndarray, " n"]
    """Position of each picture's class in `labels`, `UNSURE` for one that has no name. Those that were put into a class have that."""
    accuracy: tuple[float, float, float] | None = None
    """Share of labelled pictures named right by classes of the others, and its 95 % interval; None where none could be asked."""
    asked: int = 0
    level: tuple[str | None, float] | None = None
    """The narrowest rank at which half of the pictures that have any name have one, None for plain labels, and the share of all that do; None where no risk can be promised."""
    next: tuple[Proposed, ...] = ()
    said: tuple[str, ...] = ()
    """What is missing, and what the user should know, a sentence each."""

    @property
    def counts(self) -> tuple[int, ...]:
        """Pictures that have each name."""
        return tuple(np.bincount(self.codes[self.codes >= 0], minlength=len(self.labels)).tolist())


def teach(
    whole: Whole,
    classes: Mapping[str, Sequence[str]],
    *,
    taxa: Sequence[Taxon] | None = None,
    risk: float = 0.1,
    n_next: int = 12,
    method: str = "simpleshot",
    seed: int = 0,
) -> Taught:
    """What the pictures of some classes, by their ids, say of all; `taxa` are the classes as taxa, which then name pictures as deep as is sure enough.

    A picture is named where the chance that its name is wrong is at most the `risk`, among pictures of these classes that are like the labelled ones
    (`BackOff`, with pictures asked one by one, or in parts where they are many). Where they are too few to promise that, where the probability is at least 1 - `risk`.

    One class, or none, is no error: `said` says what is missing.

    Raises InputError for an unknown method, a picture in two classes, or a risk outside (0, 1).
    """
    if method not in METHODS:
        raise InputError(f"unknown method {method!r}: expected one of {', '.join(METHODS)}")
    if not 0 < risk < 1:
        raise InputError(f"the risk is {risk}: expected a share above 0 and below 1, such as 0.1")
    labels, said = tuple(classes), list(whole.pictures.vector_notes)
    rows, own = _labelled(whole, classes, said)
    given = np.bincount(own, minlength=len(labels))
    codes = np.full(len(whole.pictures), UNSURE, np.int64)
    codes[rows] = own
    there = np.flatnonzero(given)
    counts = tuple(given.tolist())
    if len(there) < 2:
        said.append(
            "no picture is in a class yet: put some into two classes or more"
            if not len(there)
            else f"all pictures are of one class, {labels[there[0]]!r}: put some into another one, for a classifier chooses between two or more"
        )
        found, more = _next(whole, rows, None, n_next, seed=seed)
        return Taught(labels=labels, given=counts, codes=codes, next=found, said=(*said, *more))
    names, place = [labels[row] for row in there], np.searchsorted(there, own)
    tree = ClassTree.flat(len(names)) if taxa is None else ClassTree.from_taxa([taxa[int(row)] for row in there])
    vectors, kin = _unit(whole, rows), whole.kin[rows]
    scores, asked = asked_apart(vectors, place, kin, n_classes=len(names), method=method, seed=seed)
    if n_alone := int((~asked).sum()):
        said.append(
            f"{counted(n_alone, 'picture is', 'pictures are')} the only one of a class, or its copies: whether such are named right cannot be asked, so label more"
        )
    scale, accuracy, back_off = fit_scale(scores[asked], place[asked]), None, None
    held = np.sort(scores[asked].max(axis=1))
    if asked.any():
        sure = scores[asked].T * np.float32(scale)
        softmax(sure)
        right = scores[asked].argmax(axis=1) == place[asked]
        value, n = float(right.mean()), len(np.unique(kin[asked]))
        accuracy = (value, *wilson(value, float(n)))
        back_off = BackOff(trace(tree, sure.T, [tree.class_taxon(row) for row in place[asked]]).critical)
    gallery = fit_classes(vectors, place, names, method=method, tree=tree, scale=scale)
    assert isinstance(gallery, ClassGallery)
    threshold = 1.0 if back_off is None else back_off.threshold(risk)
    is_promised = back_off is not None and threshold <= 1
    if not is_promised:
        threshold = 1 - risk
        n = 0 if back_off is None else back_off.n_deciding
        said.append(
            f"{counted(n, 'picture')} that could be asked {'is' if n == 1 else 'are'} too few to promise a risk of {risk:g} ({np.ceil(1 / risk - 1 - 1e-9):,.0f} would do): "
            f"a picture is named where its class has a probability of {1 - risk:g} or more"
        )
    known = _known(gallery, tree, whole.pictures.vectors, threshold, held)
    if n_far := int(known.is_far.sum()):
        said.append(
            f"{counted(n_far, 'picture has', 'pictures have')} no name, being farther from every class than the labelled pictures: give other kinds classes of their own"
        )
    codes = np.where(known.named >= 0, there[known.named], UNSURE)
    codes[rows] = own
    found, more = _next(whole, rows, (names, known), n_next, seed=seed)
    level = _level(known.shares, is_taxa=taxa is not None) if is_promised else None
    return Taught(
        labels=labels,
        given=counts,
        codes=codes,
        accuracy=accuracy,
        asked=int(asked.sum()),
        level=level,
        next=found,
        said=(*said, *more),
    )


@dataclass(frozen=True, eq=False)
class _Known:
    """What classes say of n pictures."""

    named: Int[np.ndarray, " n"]
    """The class that is sure enough, -1 for none."""
    two: Int[np.ndarray, "n 2"]
    """The likeliest classes."""
    chances: Float32[np.ndarray, "n 2"]
    is_far: Bool[np.ndarray, " n"]
    """Farther from every class than labelled pictures are, so that it has no name."""
    shares: Float[np.ndarray, " ranks"]
    """Of the pictures that have a name at each rank; NaN where no class has one."""


def _known(
    gallery: ClassGallery,
    tree: ClassTree,
    vectors: Float[np.ndarray, "n d"],
    threshold: float,
    held: Float32[np.ndarray, " m"],
) -> _Known:
    """`held` are the scores of labelled pictures with their nearest class: a picture is far where at most a share `DOUBT` of them, or its own rank among few, is as low.

    So of pictures like the labelled ones no more than that share is called far (conformal p-value, as of `Known`).
    """
    n = len(vectors)
    named, two, chances = np.full(n, -1), np.zeros((n, 2), np.int64), np.zeros((n, 2), np.float32)
    class_of = np.full(len(tree), -1)
    class_of[tree.class_node[::-1]] = np.arange(tree.n_classes - 1, -1, -1)
    reached = np.zeros(len(RANKS), np.int64)
    is_far = np.zeros(n, bool)
    doubt = max(DOUBT, 1 / (len(held) + 1))
    for start, stop in blocks(n, size=block_rows(gallery)):
        block = gallery.scores(vectors[start:stop])
        if len(held):
            below = np.searchsorted(held, block.max(axis=1) + _ROUNDING, side="right")
            is_far[start:stop] = (below + 1) / (len(held) + 1) <= doubt
        columns = block.T
        columns *= np.float32(gallery.scale)
        softmax(columns)
        best = np.argpartition(block, -2, axis=1)[:, -2:]
        values = np.take_along_axis(block, best, axis=1)
        order = np.argsort(-values, axis=1)
        two[start:stop] = np.take_along_axis(best, order, axis=1)
        chances[start:stop] = np.take_along_axis(values, order, axis=1)
        path, sure = walk(tree, block)
        is_sure = (np.nan_to_num(sure, nan=-1.0) >= threshold) & (path >= 0) & ~is_far[start:stop, None]
        reached += is_sure.sum(axis=0)
        node = np.where(is_sure, path, -1).max(axis=1)
        named[start:stop] = np.where(node >= 0, class_of[node], -1)
    there = np.isin(np.arange(len(RANKS)), tree.rank)
    return _Known(named, two, chances, is_far, np.where(there, reached / max(n, 1), np.nan))


def _level(shares: Float[np.ndarray, " ranks"], *, is_taxa: bool) -> tuple[str | None, float]:
    there = np.flatnonzero(~np.isnan(shares))
    deep = [rank for rank in there if shares[rank] >= 0.5 * np.nanmax(shares)]
    rank = int(deep[-1]) if deep else int(there[0])
    return (RANKS[rank] if is_taxa else None), float(shares[rank])


def _labelled(
    whole: Whole, classes: Mapping[str, Sequence[str]], said: list[str]
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Rows of the labelled pictures, and the positions of their classes; what is not there is said."""
    place: dict[str, int] = {}
    for number, (label, ids) in enumerate(classes.items()):
        for image_id in ids:
            if place.setdefault(image_id, number) != number:
                other = list(classes)[place[image_id]]
                raise InputError(
                    f"the picture {image_id!r} is in two classes, {other!r} and {label!r}: leave it in one"
                )
    ids = list(place)
    rows, own = whole.rows_of(ids), np.array(list(place.values()), np.int64)
    if n_missing := int((rows < 0).sum()):
        first = ids[int((rows < 0).argmax())]
        said.append(
            f"{counted(n_missing, 'picture')} of the classes, such as {first!r}, {'is' if n_missing == 1 else 'are'} not in the store: left out"
        )
    rows, own = rows[rows >= 0], own[rows >= 0]
    if empty := [label for number, label in enumerate(classes) if number not in own]:
        some = ", ".join(map(repr, empty[:3])) + (", ..." if len(empty) > 3 else "")
        said.append(
            f"{counted(len(empty), 'class', 'classes')} without a picture ({some}): no picture gets such a name"
        )
    return rows, own


def _next(
    whole: Whole, rows: Int[np.ndarray, " m"], told: tuple[Sequence[str], _Known] | None, n: int, *, seed: int
) -> tuple[tuple[Proposed, ...], list[str]]:
    """The pictures to label next, by the strategy of `suggest`; of classes that there are not yet, those unlike what is labelled."""
    free = np.ones(len(whole.pictures), bool)
    free[rows] = False
    rest, said = np.flatnonzero(free), []
    if not n or not len(rest):
        told_why = "every picture is in a class" if len(free) else "the store has no picture"
        return (), [f"{told_why}: nothing is left to label"] if n else []
    if len(rest) > MOST:
        said.append(f"what to label next is looked for among {MOST:,} of {len(rest):,} pictures, drawn at random")
        rest = np.sort(np.random.default_rng([seed, 16]).choice(rest, MOST, replace=False))
    margin = None if told is None else (told[1].chances[rest, 0] - told[1].chances[rest, 1])
    found = rest[
        next_pictures(
            _unit(whole, rest),
            n,
            strategy="diverse" if margin is None else WARM,
            margin=margin,
            labelled=_unit(whole, rows),
            kin=whole.kin[rest],
            seed=seed,
        )
    ]
    ids = whole.ids.take(pa.array(found)).to_pylist()
    proposed = [Proposed(image_id=one) for one in ids]
    if told is not None:
        names, known = told
        proposed = [
            replace(
                one,
                label=names[known.two[row, 0]],
                score=float(known.chances[row, 0]),
                second=names[known.two[row, 1]],
                second_score=float(known.chances[row, 1]),
            )
            for one, row in zip(proposed, found.tolist(), strict=True)
        ]
    return tuple(proposed), said


def _unit(whole: Whole, rows: Int[np.ndarray, " m"]) -> Float32[np.ndarray, "m d"]:
    vectors: Float32[np.ndarray, "m d"] = whole.pictures.vectors[rows]
    return vectors
