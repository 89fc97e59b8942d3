"""Evaluating encoders on one task under one protocol: the same pictures, classes, draws and questions for each.

Only pictures of which every encoder has a vector are used, so that encoders can be compared picture by picture; what is
left out is counted and listed.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from cladescope.analysis.benchmark import class_texts
from cladescope.analysis.benchmark.stores import reasons, stored_contents, stored_vectors
from cladescope.analysis.benchmark.tasks import TEST, Task, task_hash
from cladescope.analysis.classify.templates import name_vectors, templates
from cladescope.analysis.measures import folds, retrieval, simple_shot
from cladescope.analysis.measures.outcomes import Outcome
from cladescope.analysis.measures.zero_shot import zero_shot
from cladescope.embedding.encoder import Encoder, EncoderCard
from cladescope.errors import EncoderError, InputError
from cladescope.index.store import Store

logger = logging.getLogger(__name__)

Protocol = Literal["zero-shot", "few-shot", "retrieval"]
ZERO_SHOT, FEW_SHOT, RETRIEVAL = "zero-shot", "few-shot", "retrieval"


@dataclass(frozen=True, kw_only=True)
class ProtocolConfig:
    """What is asked, and how; all of it is part of a result."""

    protocol: Protocol
    shots: tuple[int, ...] = folds.SHOTS
    """Pictures given of each class, for few-shot."""
    v1_folds: bool = False
    """Whether draws depend on those before them, as in BioCLIP's first evaluation."""
    texts: tuple[str, ...] = ("asis",)
    """Kinds of text, for zero-shot."""
    pool_parts: bool = False
    """Whether the parts of a task are taken as one."""

    def __post_init__(self) -> None:
        if not self.shots or min(self.shots) < 1 or len(set(self.shots)) < len(self.shots):
            raise InputError(f"found the shots {self.shots}, expected different numbers of at least 1, such as 1,5")
        if not self.texts or len(set(self.texts)) < len(self.texts) or not {*self.texts} <= {*class_texts.TEXT_KINDS}:
            raise InputError(
                f"found the text kinds {', '.join(self.texts)}, expected different ones of {', '.join(class_texts.TEXT_KINDS)}"
            )

    def settings(self, task: Task) -> dict[str, object]:
        """What of this matters for a task, for its result."""
        parts = {"parts": "all" if self.pool_parts else "official"} if task.has_parts else {}
        if self.protocol == ZERO_SHOT:
            return {**parts, "texts": list(self.texts), "templates": len(templates())}
        if self.protocol == RETRIEVAL:
            return {**parts, "k": list(retrieval.K)}
        draws = "v1" if self.v1_folds else "v2"
        return {**parts, "shots": list(self.shots), "folds": folds.N_FOLDS, "draws": draws}


@dataclass(frozen=True, eq=False, kw_only=True)
class Contender:
    """An encoder and the store of its vectors."""

    store: Store
    encoder: Encoder | None = None
    """Needed for texts only."""

    @property
    def card(self) -> EncoderCard:
        """Identity of the encoder."""
        return self.store.card


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """What one encoder scored."""

    card: EncoderCard
    outcomes: Mapping[str, Outcome]
    """By name of the measure."""
    not_applicable: Mapping[str, str] = field(default_factory=dict)
    """Measures that the task or encoder does not allow, each with the reason."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """Results of several encoders on the same pictures of a task."""

    task: Task
    config: ProtocolConfig
    used: Bool[np.ndarray, " n"]
    """Pictures of the task that every encoder has a vector of."""
    task_hash: str
    failed: Mapping[str, str]
    """Reason for each picture that is not used, by address."""
    results: tuple[Result, ...]

    @property
    def n_classes(self) -> int:
        """Classes with a picture that is used."""
        return len(np.unique(self.task.class_numbers[self.used]))

    @property
    def lost_classes(self) -> tuple[str, ...]:
        """Classes none of whose pictures could be used."""
        left = set(self.task.class_numbers[self.used].tolist())
        return tuple(one.label for number, one in enumerate(self.task.classes) if number not in left)


def evaluate(task: Task, contenders: Sequence[Contender], config: ProtocolConfig) -> Evaluation:
    """Results of all contenders on a task, in their order.

    Memory: the vectors of one encoder at a time, 12 n d bytes, and what `few_shot`, `retrieval` or `zero_shot` takes.

    Raises InputError where fewer than two classes are left, an encoder is given twice, or the protocol cannot be asked of
    the task; EncoderError where texts are needed and no encoder has a text side.
    """
    check_encoders([one.card for one in contenders], config)
    ids = [picture.image_id for picture in task.pictures]
    used = np.ones(len(ids), bool)
    failed: dict[str, str] = {}
    for contender in contenders:
        contents = stored_contents(contender.store, ids)
        there = np.array([id_ in contents for id_ in ids])
        there &= _first_of_each(ids)
        failed |= reasons(contender.store, task, used & ~there)
        used &= there
    left = len(np.unique(task.class_numbers[used]))
    if left < 2:
        why = next(iter(failed.values()), "none")
        raise InputError(
            f"{int(used.sum())} of {len(ids)} pictures of {task.address} could be used, of {left} classes "
            f"(the first reason: {why}): expected pictures of at least two, so check where the paths start"
        )
    results = tuple(_result(task, contender, config, used) for contender in contenders)
    taken = [contents.get(id_) for id_ in ids]
    evaluation = Evaluation(
        task=task,
        config=config,
        used=used,
        task_hash=task_hash(task, taken, used.tolist()),
        failed=failed,
        results=results,
    )
    logger.info("%s: %d of %d pictures, %d classes", task.name, used.sum(), len(ids), left)
    return evaluation


def check_encoders(cards: Sequence[EncoderCard], config: ProtocolConfig) -> None:
    """Raise InputError for an encoder that is given twice, EncoderError where a protocol needs texts and none has them."""
    for place, card in enumerate(cards):
        if twin := next((one for one in cards[:place] if one.to_dict() == card.to_dict()), None):
            raise InputError(f"the encoder {twin.name!r} is given twice: name each one once")
    if config.protocol == ZERO_SHOT and not any(card.has_text for card in cards):
        raise EncoderError(
            f"zero-shot needs texts, and {cards[0].name!r} has no text side: use an encoder that has one, such as tiny or "
            "hf-hub:imageomics/bioclip-2, or few-shot, which needs none"
        )


def check_task(task: Task, config: ProtocolConfig) -> None:
    """Raise InputError for a question that the task does not allow, as far as its list of pictures tells: before any work."""
    if config.protocol == ZERO_SHOT:
        for kind in config.texts:
            for one in task.classes:
                class_texts.class_text(one, kind)
    if config.protocol == FEW_SHOT:
        asked_of = _test_part(task, config, np.arange(len(task.pictures)))
        _possible_shots(task, config, task.class_numbers, asked_of)


def _test_part(task: Task, config: ProtocolConfig, rows: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"] | None:
    """Whether each of some pictures is of the test part; None where there are no parts, or they are pooled."""
    if not task.has_parts or config.pool_parts:
        return None
    return np.array([task.pictures[row].part == TEST for row in rows])


def _possible_shots(
    task: Task, config: ProtocolConfig, classes: Int[np.ndarray, " n"], is_test: Bool[np.ndarray, " n"] | None
) -> tuple[list[int], dict[str, str]]:
    """The shots that can be drawn, and why the others cannot. Raises InputError where none can."""
    refused = {k: folds.check_shots(k, classes, is_test=is_test) for k in config.shots}
    possible = [k for k, reason in refused.items() if reason is None]
    if not possible:
        raise InputError(f"{task.address}: {refused[config.shots[0]]}: ask for fewer --shots than {config.shots[0]}")
    return possible, {f"{k}-shot": reason for k, reason in refused.items() if reason is not None}


def _first_of_each(ids: Sequence[str]) -> Bool[np.ndarray, " n"]:
    """Whether an id comes for the first time: a picture that is listed twice is used once."""
    _, first = np.unique(np.array(ids), return_index=True)
    found = np.zeros(len(ids), bool)
    found[first] = True
    return found


def _result(task: Task, contender: Contender, config: ProtocolConfig, used: Bool[np.ndarray, " n"]) -> Result:
    """What one encoder scores; outcomes have a place for each picture that is used."""
    rows = np.flatnonzero(used)
    classes = task.class_numbers[rows]
    is_test = _test_part(task, config, rows)
    if is_test is not None and (not is_test.any() or is_test.all()):
        missing = "training" if is_test.all() else "test"
        raise InputError(f"no {missing} picture of {task.address} could be used: pool the parts with --parts all")
    if config.protocol == ZERO_SHOT and not contender.card.has_text:
        return Result(card=contender.card, outcomes={}, not_applicable={"all": "the encoder has no text side"})
    vectors = stored_vectors(contender.store, [task.pictures[row].image_id for row in rows])
    if config.protocol == ZERO_SHOT:
        asked = np.ones(len(rows), bool) if is_test is None else is_test
        return Result(card=contender.card, outcomes=_name_all(task, contender, config, vectors, classes, asked))
    if config.protocol == RETRIEVAL:
        codes = {rank: of_rank[rows] for rank, of_rank in task.codes.items()}
        return Result(card=contender.card, outcomes=_find_again(vectors, {"label": classes, **codes}, is_test))
    possible, refused = _possible_shots(task, config, classes, is_test)
    outcomes = simple_shot.few_shot(vectors, classes, possible, is_test=is_test, v1=config.v1_folds)
    return Result(card=contender.card, outcomes=outcomes, not_applicable=refused)


def _name_all(
    task: Task,
    contender: Contender,
    config: ProtocolConfig,
    vectors: Float[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    asked: Bool[np.ndarray, " n"],
) -> dict[str, Outcome]:
    """Zero-shot by each kind of text, `clean` beside `asis`; kinds that say the same are asked once."""
    encoder = contender.encoder if contender.encoder is not None else contender.store.encoder
    kinds = [kind for text in config.texts for kind in ((text, class_texts.CLEAN) if text == "asis" else (text,))]
    made: dict[tuple[str, ...], Float[np.ndarray, "c d"]] = {}
    found: dict[str, Outcome] = {}
    for kind in kinds:
        texts, number = class_texts.different_texts([class_texts.class_text(one, kind) for one in task.classes])
        if tuple(texts) not in made:
            made[tuple(texts)] = name_vectors(encoder, texts)
        found |= zero_shot(vectors, number[classes], asked, made[tuple(texts)], kind=kind)
    return found


def _find_again(
    vectors: Float[np.ndarray, "n d"],
    codes: Mapping[str, Int[np.ndarray, " n"]],
    is_test: Bool[np.ndarray, " n"] | None,
) -> dict[str, Outcome]:
    """Retrieval among the pictures of the test part, or among all where there are no parts."""
    if is_test is None:
        return retrieval.retrieval(vectors, codes)
    inside = retrieval.retrieval(vectors[is_test], {kind: code[is_test] for kind, code in codes.items()})
    found = {}
    for name, outcome in inside.items():
        scored, asked = np.zeros(len(vectors)), np.zeros(len(vectors))
        scored[is_test], asked[is_test] = outcome.scored, outcome.asked
        found[name] = Outcome(scored, asked)
    return found
