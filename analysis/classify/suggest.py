"""What to label next among the pictures of a store: read, told apart from what is labelled, and ordered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from cladescope.analysis.classify.class_gallery import probability_blocks
from cladescope.analysis.classify.classifier_file import Classifier
from cladescope.analysis.classify.labelled import by_column, by_rank
from cladescope.analysis.classify.learning_curve import LearningCurve, learning_curve
from cladescope.analysis.classify.made_with import picture_numbers
from cladescope.analysis.classify.next_pictures import next_pictures
from cladescope.analysis.numbers import check_at_least
from cladescope.analysis.pictures import Pictures
from cladescope.arrays import normalise
from cladescope.embedding.kin import kin_of
from cladescope.errors import InputError
from cladescope.index.store import Store
from cladescope.schema import LABEL, LEVELS
from cladescope.shown import counted
from cladescope.steps import step

COLD, WARM = "typical", "both"
"""Strategies without and with a classifier, unless one is asked for: what needed the fewest labels (docs/suggest.md)."""
MOST = 20_000
"""Pictures that are looked at, unless told otherwise: of more as many are drawn at random."""
KEYS = ("image_id", "uri", "observation_id", "content_hash")


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A picture to label."""

    image_id: str
    uri: str
    guess: str = ""
    """What the classifier takes it for; empty without one."""
    chance: float | None = None
    margin: float | None = None
    """Between the probabilities of the guess and of the next class."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {name: getattr(self, name) for name in ("image_id", "uri", "guess", "chance", "margin")}


@dataclass(frozen=True, kw_only=True)
class Suggested:
    """Pictures to label next, the most wanted first."""

    suggestions: tuple[Suggestion, ...]
    strategy: str
    column: str
    """What is to be filled in: a rank, or `label`."""
    labelled: int
    """Pictures of the store that are labelled, or that the classifier was made with: none of them is proposed."""
    looked_at: int
    notes: tuple[str, ...] = ()
    """What the user should know, a sentence each."""
    curve: LearningCurve | None = None
    """What suggestions would have saved among the pictures that are labelled, where that was asked for; nothing is proposed then."""

    @property
    def summary(self) -> dict[str, Any]:
        """As plain values that JSON knows."""
        return {
            "strategy": self.strategy,
            "column": self.column,
            "labelled": self.labelled,
            "looked_at": self.looked_at,
            "suggested": len(self.suggestions),
        }


def suggest_in_store(
    store: Store,
    classifier: Classifier | None = None,
    *,
    n: int = 50,
    strategy: str | None = None,
    rank: str | None = None,
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    most: int = MOST,
    seed: int = 0,
) -> Suggested:
    """Pictures to label next; see `next_pictures` for the strategies. By default `COLD` without a classifier, else `WARM`.

    Not proposed are pictures that the classifier was made with, by their content, and those that have a name at the `rank` already (by default the
    classifier's, else what the store's pictures are told apart by): the proposed ones are to be unlike these. A classifier of labels may have these from a
    table: what the store says under `label` then counts for nothing. What `within` and `where` leave out is not looked at.

    Memory: 4 d bytes for each picture looked at, at most `most`, and for each that is labelled.

    Raises InputError where no picture is left to label, for an unknown strategy, and for one that needs a classifier without one; StoreError for a classifier of
    another encoder.
    """
    check_at_least(1, n=n, most=most)
    check_at_least(0, seed=seed)
    if classifier is not None:
        classifier.check(store.card)
    columns = [name for name in KEYS if name in store.schema.names or name == "image_id"]
    pictures = Pictures.of_store(store, within=within, where=where, columns=columns)
    if not len(pictures):
        raise InputError(f"{store.path} has no such picture: embed some first, or widen the selection")
    column = rank or (_target(classifier) if classifier is not None else pictures.narrowest)
    labelled = _labelled(pictures, column, classifier)
    notes = list(pictures.vector_notes)
    if classifier is not None and classifier.made_with is None:
        notes.append(
            "the classifier, of an earlier version, does not know its pictures, some of which may be proposed: fit it anew"
        )
    rest = np.flatnonzero(~labelled)
    if not len(rest):
        raise InputError(
            f"all {len(pictures):,} pictures of {store.path} have a {column}, or the classifier was made with them: nothing is left to label; "
            f"embed new pictures, or choose another rank: {', '.join(LEVELS)}"
        )
    if len(rest) > most:
        notes.append(f"{most:,} of {len(rest):,} pictures without a {column} are looked at, drawn at random")
        rest = np.sort(np.random.default_rng([seed, 16]).choice(rest, most, replace=False))
    strategy = strategy or (COLD if classifier is None else WARM)
    known = None if classifier is None else _asked(classifier, pictures.vectors[rest])
    kin = kin_of(*(pictures.texts(name) for name in KEYS[1:]))
    with step(f"choosing among {counted(len(rest), 'picture')}"):
        found = next_pictures(
            pictures.vectors[rest],
            n,
            strategy=strategy,
            margin=None if known is None else known[2],
            labelled=pictures.vectors[labelled],
            kin=kin[rest],
            seed=seed,
        )
    if len(found) < min(n, len(rest)):
        notes.append(
            f"{len(found):,} are proposed, and not {min(n, len(rest)):,}: the others are copies of these or of labelled pictures, or of the same observations"
        )
    ids, uris = (pictures.texts(name).take(rest[found]).to_pylist() for name in ("image_id", "uri"))
    suggestions = []
    for place, row in enumerate(found):
        told: dict[str, Any] = {}
        if known is not None and classifier is not None:
            told = {
                "guess": classifier.labels[known[0][row]],
                "chance": float(known[1][row]),
                "margin": float(known[2][row]),
            }
        suggestions.append(Suggestion(image_id=ids[place], uri=uris[place] or "", **told))
    return Suggested(
        suggestions=tuple(suggestions), strategy=strategy, column=column, labelled=int(labelled.sum()), looked_at=len(rest),
        notes=tuple(notes),
    )  # fmt: skip


def curve_in_store(
    store: Store,
    *,
    n: int = 50,
    strategy: str | None = None,
    rank: str | None = None,
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    seed: int = 0,
) -> Suggested:
    """What suggestions of n pictures at a time would have saved among the pictures that have a name at a rank; see `learning_curve`.

    `strategy` is `WARM` unless told otherwise. Raises InputError where too few have a name.
    """
    check_at_least(1, n=n)
    columns = [name for name in KEYS if name in store.schema.names or name == "image_id"]
    pictures = Pictures.of_store(store, within=within, where=where, columns=columns)
    if not len(pictures):
        raise InputError(f"{store.path} has no such picture: embed some first, or widen the selection")
    column = rank or pictures.narrowest
    named = by_column(pictures) if column == LABEL else by_rank(pictures, column)
    notes = list(pictures.vector_notes)
    if named.without_label:
        notes.append(f"{counted(named.without_label, 'picture')} without a {column}: they have no part in the curve")
    rows = np.arange(len(named.classes))
    if len(rows) > MOST:
        notes.append(f"{MOST:,} of {len(rows):,} pictures with a {column} take part, drawn at random")
        rows = np.sort(np.random.default_rng([seed, 17]).choice(rows, MOST, replace=False))
    kin = kin_of(*(named.pictures.texts(name) for name in KEYS[1:]))
    strategy = strategy or WARM
    with step(f"naming {counted(len(rows), 'picture')} as they are suggested, and at random"):
        curve = learning_curve(
            normalise(named.pictures.vectors[rows]).astype(np.float32, copy=False), named.classes[rows],
            strategy=strategy, step=n, kin=kin[rows], seed=seed,
        )  # fmt: skip
    return Suggested(
        suggestions=(), strategy=strategy, column=column, labelled=len(named.classes), looked_at=len(rows), notes=tuple(notes), curve=curve
    )  # fmt: skip


def _target(classifier: Classifier) -> str:
    return classifier.target if classifier.target in LEVELS else LABEL


def _labelled(pictures: Pictures, column: str, classifier: Classifier | None) -> Bool[np.ndarray, " n"]:
    """Which pictures need no label. Labels that a classifier has from a table are not the store's: then only what it was made with counts."""
    found = np.zeros(len(pictures), bool)
    if column != LABEL or classifier is None:
        found |= pictures.labels(column) >= 0
    if classifier is not None and classifier.made_with is not None:
        found |= np.isin(picture_numbers(pictures.table), classifier.made_with)
    return found


def _asked(
    classifier: Classifier, vectors: Float[np.ndarray, "n d"]
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """The likeliest class of each picture, its probability, and by how much that is above the next."""
    best, chance, margin = [], [], []
    for _, _, block in probability_blocks(classifier.classes, vectors):
        two = np.partition(block, -2, axis=1)[:, -2:]
        best.append(block.argmax(axis=1))
        chance.append(two[:, 1])
        margin.append(two[:, 1] - two[:, 0])
    return np.concatenate(best), np.concatenate(chance), np.concatenate(margin)
