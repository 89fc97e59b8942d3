"""What a task may ask beside the class of each picture: many small tasks, traits, texts to search by, choices among few, whole clips, whole finds.

A task of the field carries one of these (`Task.question`); the readers of published files make them.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

TEST_QUERIES, VALIDATION_QUERIES = "test", "validation"


@dataclass(frozen=True, eq=False, kw_only=True)
class Subtasks:
    """Tasks of two classes, each picture in one of them (NeWT)."""

    names: tuple[str, ...]
    clusters: tuple[str, ...]
    """What kind of task each is."""
    number: Int[np.ndarray, " n"]
    """The task of each picture."""
    positive: Int[np.ndarray, " n"]
    """Its label there, 0 or 1."""

    def told(self) -> dict[str, Any]:
        """What tells this question from others."""
        return {"names": self.names, "number": self.number.tolist(), "positive": self.positive.tolist()}


@dataclass(frozen=True, eq=False, kw_only=True)
class Traits:
    """Traits of each picture: 1 present, 0 absent (FishNet, AwA2)."""

    names: tuple[str, ...]
    values: Int[np.ndarray, "n a"]

    def told(self) -> dict[str, Any]:
        """What tells this question from others."""
        return {"names": self.names, "values": self.values.tolist()}


@dataclass(frozen=True, eq=False, kw_only=True)
class Queries:
    """Texts, each with the pictures that answer it (INQUIRE)."""

    texts: tuple[str, ...]
    kinds: tuple[str, ...]
    """What each text asks for, in a word."""
    query: Int[np.ndarray, " m"]
    picture: Int[np.ndarray, " m"]
    """Pairs: the place of a text, and that of a picture that answers it."""
    n_published: Int[np.ndarray, " q"]
    """How many pictures the published list has for each text."""

    def told(self) -> dict[str, Any]:
        """What tells this question from others."""
        return {"texts": self.texts, "query": self.query.tolist(), "picture": self.picture.tolist()}


@dataclass(frozen=True, eq=False, kw_only=True)
class Reranking:
    """Texts, each with pictures of its own that are to be put in order (INQUIRE-Rerank)."""

    texts: tuple[str, ...]
    kinds: tuple[str, ...]
    """What each text asks for, in a word."""
    splits: tuple[str, ...]
    """`test` or `validation`, of each text."""
    query: Int[np.ndarray, " m"]
    picture: Int[np.ndarray, " m"]
    """Pairs: the place of a text, and that of one of its candidates."""
    relevant: Bool[np.ndarray, " m"]
    """Whether the candidate answers the text."""

    def told(self) -> dict[str, Any]:
        """What tells this question from others."""
        pairs = {name: getattr(self, name).tolist() for name in ("query", "picture", "relevant")}
        return {"texts": self.texts, "splits": self.splits, **pairs}


@dataclass(frozen=True, eq=False, kw_only=True)
class Choices:
    """The classes among which each picture's is to be found, by their texts (BioTrove)."""

    sets: tuple[tuple[int, ...], ...]
    """Numbers of classes."""
    names: tuple[str, ...]
    """What each set is called."""
    number: Int[np.ndarray, " n"]
    """The set of each picture."""
    among: str
    """What it means to find the own class among the set."""
    facets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Parts of what a class says, such as its species and its stage: a value for each class."""

    def told(self) -> dict[str, Any]:
        """What tells this question from others."""
        return {"sets": self.sets, "number": self.number.tolist(), "facets": dict(self.facets)}


@dataclass(frozen=True, eq=False, kw_only=True)
class Clips:
    """Frames of videos, of which each clip has one class (KABR, MammalNet)."""

    names: tuple[str, ...]
    """What each clip is called."""
    number: Int[np.ndarray, " n"]
    """The clip of each picture."""
    n_frames: int
    """Pictures of every clip; one that has lost any cannot be used."""
    n_classes: int
    """Classes that are published, also those that no clip has."""

    def told(self) -> dict[str, Any]:
        """What tells this question from others."""
        return {"names": self.names, "number": self.number.tolist(), "n_classes": self.n_classes}


@dataclass(frozen=True, eq=False, kw_only=True)
class Observations:
    """Pictures of one find, which are named together; some finds are of classes that are not taught (FungiCLEF)."""

    number: Int[np.ndarray, " n"]
    """The observation of each picture of the test part; -1 in the training part, where each picture stands alone."""
    n_observations: int
    taught: tuple[bool, ...]
    """For each class whether the training part has it; the others are to be told as unknown."""
    poisonous: tuple[bool, ...] | None = None
    """The same for poison; None where that is not known."""

    def told(self) -> dict[str, Any]:
        """What tells this question from others."""
        return {"number": self.number.tolist(), "taught": self.taught, "poisonous": self.poisonous}


@dataclass(frozen=True, eq=False, kw_only=True)
class Discovery:
    """Classes of which some are known and others are to be discovered (Herbarium19)."""

    old: tuple[bool, ...]
    """Whether each class is known."""
    n_groups: int
    """Into how many groups the pictures are put."""

    def told(self) -> dict[str, Any]:
        """What tells this question from others."""
        return {"old": self.old, "n_groups": self.n_groups}


Question = Subtasks | Traits | Queries | Reranking | Choices | Clips | Observations | Discovery


def of_rows(question: Question, rows: Int[np.ndarray, " m"], n: int) -> Question:
    """The question of some of n pictures, which are numbered anew in the order of `rows`.

    >>> of_rows(Traits(names=("swims",), values=np.array([[1], [0]])), np.array([1]), 2).values
    array([[0]])
    """
    if isinstance(question, Discovery):
        return question
    if isinstance(question, Traits):
        return replace(question, values=question.values[rows])
    if isinstance(question, Subtasks):
        return replace(question, number=question.number[rows], positive=question.positive[rows])
    if isinstance(question, Choices | Clips | Observations):
        return replace(question, number=question.number[rows])
    place = np.full(n, -1)
    place[rows] = np.arange(len(rows))
    kept = place[question.picture] >= 0
    left: dict[str, Any] = {"query": question.query[kept], "picture": place[question.picture[kept]]}
    if isinstance(question, Reranking):
        left["relevant"] = question.relevant[kept]
    return replace(question, **left)


def question_hash(question: Question) -> str:
    """SHA-256 of what a question asks.

    >>> len(question_hash(Traits(names=("swims",), values=np.array([[1]]))))
    64
    """
    told = json.dumps({"kind": type(question).__name__, **question.told()}, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()
