"""What one encoder scores on a task: the measures of the protocol, and what lies behind them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int

from cladescope.analysis.benchmark import class_texts, field_scoring
from cladescope.analysis.benchmark.details import Details, details_of
from cladescope.analysis.benchmark.discovery import score_discovery
from cladescope.analysis.benchmark.field_tasks import BELUGA, ECDYSIS, FIELD_TASKS
from cladescope.analysis.benchmark.fungi_scoring import score_observations
from cladescope.analysis.benchmark.linear_probe import probe_answers
from cladescope.analysis.benchmark.protocol import (
    FEW_SHOT,
    LINEAR_PROBE,
    ZERO_SHOT,
    ProtocolConfig,
    needs_text,
    possible_shots,
    test_part,
)
from cladescope.analysis.benchmark.questions import (
    Choices,
    Clips,
    Discovery,
    Observations,
    Queries,
    Question,
    Reranking,
    Subtasks,
    Traits,
    of_rows,
)
from cladescope.analysis.benchmark.reranking import score_reranking
from cladescope.analysis.benchmark.stores import stored_vectors
from cladescope.analysis.benchmark.tasks import Task
from cladescope.analysis.benchmark.whole_clips import pooled_clips
from cladescope.analysis.classify.templates import name_vectors
from cladescope.analysis.measures.answers import Answers
from cladescope.analysis.measures.macro_f1 import MacroF1
from cladescope.analysis.measures.outcomes import Measured, Outcome
from cladescope.analysis.measures.retrieval import retrieval
from cladescope.analysis.measures.simple_shot import few_shot_answers
from cladescope.analysis.measures.zero_shot import zero_shot, zero_shot_answers
from cladescope.embedding.encoder import Encoder, EncoderCard
from cladescope.errors import InputError
from cladescope.index.store import Store


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
    outcomes: Mapping[str, Measured]
    """By name of the measure."""
    not_applicable: Mapping[str, str] = field(default_factory=dict)
    """Measures that the task or encoder does not allow, each with the reason."""
    details: Mapping[str, Details] = field(default_factory=dict)
    """Of the measures that give each picture one class, what lies behind them."""


@dataclass(frozen=True, eq=False)
class _Questions:
    """The pictures of a task that are used, as every encoder is asked for them."""

    task: Task
    rows: Int[np.ndarray, " n"]
    """Their places in the task."""
    classes: Int[np.ndarray, " n"]
    is_test: Bool[np.ndarray, " n"] | None

    def details(self, answers: Answers, number: Int[np.ndarray, " c"] | None = None) -> Details:
        """What lies behind some answers; `number` says which answer is that of each class, where classes share one."""
        codes = self.task.class_codes
        learnt = self.classes if self.is_test is None else self.classes[~self.is_test]
        n_training = np.bincount(learnt, minlength=len(codes))[self.classes]
        own = self.classes if number is None else number[self.classes]
        return details_of(
            answers,
            own,
            n_training,
            answer_codes=codes if number is None else shared_codes(codes, number),
            own_codes=codes[self.classes],
        )


def shared_codes(codes: Int[np.ndarray, "c ranks"], number: Int[np.ndarray, " c"]) -> Int[np.ndarray, "a ranks"]:
    """The taxon at each rank that all classes of one answer share, -1 where they differ: `number` is each class's answer.

    >>> shared_codes(np.array([[0, 3], [0, 4], [1, 5]]), np.array([0, 0, 1]))
    array([[ 0, -1],
           [ 1,  5]])
    """
    low, high = (np.full((number.max() + 1, codes.shape[1]), start) for start in (np.iinfo(np.int64).max, -1))
    np.minimum.at(low, number, codes)
    np.maximum.at(high, number, codes)
    return np.where(low == high, low, -1)


def score(task: Task, contender: Contender, config: ProtocolConfig, used: Bool[np.ndarray, " n"]) -> Result:
    """What one encoder scores; outcomes have a place for each picture that is used.

    Raises InputError where no training or no test picture is left, or the protocol cannot be asked of what is left.
    """
    rows = np.flatnonzero(used)
    classes = task.class_numbers[rows]
    is_test = test_part(task, config, rows)
    if is_test is not None and (not is_test.any() or is_test.all()):
        missing = "training" if is_test.all() else "test"
        own_parts = "check that its pictures are there, and none in both parts"
        use = own_parts if config.protocol in FIELD_TASKS else "pool the parts (parts: all)"
        raise InputError(f"no {missing} picture of {task.address} could be used: {use}")
    card = contender.card
    if needs_text(config.protocol) and not card.has_text:
        return Result(card=card, outcomes={}, not_applicable={"all": "the encoder has no text side"})
    vectors = stored_vectors(contender.store, task.image_ids.take(pa.array(rows)))
    asked = None if task.question is None else of_rows(task.question, rows, len(task))
    if isinstance(asked, Clips) and is_test is not None:
        pooled, first, lacking = pooled_clips(vectors, asked, is_test)
        of_clips = _Questions(task, rows[first], classes[first], is_test[first])
        measured, behind = _probe(of_clips, pooled, str(config.learnt_by), n_classes=asked.n_classes)
        return Result(card=card, outcomes=measured, details=behind, not_applicable=lacking)
    if asked is not None:
        scored, refused = _of_the_field(task, asked, classes, is_test, vectors, contender, config)
        return Result(card=card, outcomes=scored, not_applicable=refused)
    questions = _Questions(task, rows, classes, is_test)
    if config.protocol == ZERO_SHOT:
        outcomes, details = _name_all(questions, contender, config, vectors)
        return Result(card=card, outcomes=outcomes, details=details)
    if config.protocol in (LINEAR_PROBE, ECDYSIS, BELUGA):
        measured, behind = _probe(questions, vectors, str(config.learnt_by))
        return Result(card=card, outcomes=measured, details=behind)
    if config.protocol == FEW_SHOT:
        possible, refused = possible_shots(task, config, classes, is_test)
        kin = None if task.kin is None else task.kin[rows]
        answers = few_shot_answers(vectors, classes, possible, is_test=is_test, kin=kin, v1=config.v1_folds)
        return Result(
            card=card,
            outcomes={name: one.outcome(classes) for name, one in answers.items()},
            not_applicable=refused,
            details={name: questions.details(one) for name, one in answers.items()},
        )
    outcomes, details = _find_again(questions, vectors)
    return Result(card=card, outcomes=outcomes, details=details)


def _of_the_field(
    task: Task,
    asked: Question,
    classes: Int[np.ndarray, " n"],
    is_test: Bool[np.ndarray, " n"] | None,
    vectors: Float[np.ndarray, "n d"],
    contender: Contender,
    config: ProtocolConfig,
) -> field_scoring.Scored:
    """The measures of a task of the field on the pictures that are used, which `asked` is of."""
    if isinstance(asked, Queries | Reranking | Choices):
        encoder = contender.encoder if contender.encoder is not None else contender.store.encoder
        if isinstance(asked, Queries):
            return field_scoring.score_queries(vectors, asked, encoder)
        if isinstance(asked, Reranking):
            return score_reranking(vectors, encoder.encode_texts(asked.texts), asked)
        return field_scoring.score_choices(vectors, asked, classes, [one.label for one in task.classes], encoder)
    tested = np.ones(len(classes), bool) if is_test is None else is_test
    if isinstance(asked, Discovery):
        return score_discovery(vectors, classes, tested, asked)
    if isinstance(asked, Observations):
        return score_observations(vectors, asked, classes, tested)
    head = str(config.learnt_by)
    if isinstance(asked, Traits):
        return field_scoring.score_traits(vectors, asked, tested, head=head, protocol=config.protocol)
    assert isinstance(asked, Subtasks), "clips are scored by their heads"
    return field_scoring.score_subtasks(vectors, asked, tested, head=head)


def _name_all(
    questions: _Questions, contender: Contender, config: ProtocolConfig, vectors: Float[np.ndarray, "n d"]
) -> tuple[dict[str, Outcome], dict[str, Details]]:
    """Zero-shot by each kind of text, `clean` beside `asis`; kinds that say the same are asked once."""
    encoder = contender.encoder if contender.encoder is not None else contender.store.encoder
    asked = np.ones(len(vectors), bool) if questions.is_test is None else questions.is_test
    kinds = [kind for text in config.texts for kind in ((text, class_texts.CLEAN) if text == "asis" else (text,))]
    made: dict[tuple[str, ...], Float[np.ndarray, "c d"]] = {}
    outcomes: dict[str, Outcome] = {}
    details: dict[str, Details] = {}
    for kind in kinds:
        texts, number = class_texts.different_texts(
            [class_texts.class_text(one, kind) for one in questions.task.classes]
        )
        if is_new := tuple(texts) not in made:
            made[tuple(texts)] = name_vectors(encoder, texts)
        told = made[tuple(texts)]
        outcomes |= zero_shot(vectors, number[questions.classes], asked, told, kind=kind)
        if is_new:
            answers = zero_shot_answers(vectors, asked, told, scale=encoder.text_scale)
            details[f"{kind} top-1"] = questions.details(answers, number)
    return outcomes, details


def _probe(
    questions: _Questions, vectors: Float[np.ndarray, "n d"], head: str, *, n_classes: int = 0
) -> tuple[dict[str, Measured], dict[str, Details]]:
    """What a linear head says: the share of right answers, and macro-F1 over the classes that are asked or named.

    Where some class has no picture that is asked, also macro-F1 over all, in which one that is not named counts 0 (biobench's way);
    `n_classes` is how many are published, where the task has fewer.
    """
    task, classes = questions.task, questions.classes
    kin = None if task.kin is None else task.kin[questions.rows]
    answers = probe_answers(vectors, classes, head=head, is_test=questions.is_test, kin=kin)
    order = np.argsort(answers.rows)
    truth, named = classes[answers.rows[order]], answers.named[order]
    found: dict[str, Measured] = {
        "top-1": answers.outcome(classes),
        "macro F1": MacroF1.of_classes(truth, named),
    }
    if len(np.unique(truth)) < (n_classes := max(n_classes, len(task.classes))):
        found["macro F1 over all classes"] = MacroF1.of_classes(truth, named, n_classes=n_classes)
    return found, {"top-1": questions.details(answers)}


def _find_again(
    questions: _Questions, vectors: Float[np.ndarray, "n d"]
) -> tuple[dict[str, Outcome], dict[str, Details]]:
    """Retrieval among the pictures of the test part, or among all where there are no parts."""
    n = len(vectors)
    place = np.arange(n) if questions.is_test is None else np.flatnonzero(questions.is_test)
    codes = {rank: of_rank[questions.rows[place]] for rank, of_rank in questions.task.codes.items()}
    classes = questions.classes[place]
    kin = None if questions.task.kin is None else questions.task.kin[questions.rows[place]]
    found = retrieval(vectors[place], {"label": classes, **codes}, kin=kin)
    outcomes = {}
    for name, outcome in found.outcomes.items():
        scored, asked = np.zeros(n), np.zeros(n)
        scored[place], asked[place] = outcome.scored, outcome.asked
        outcomes[name] = Outcome(scored, asked)
    if "label recall@1" not in outcomes:
        return outcomes, {}
    chosen = np.flatnonzero(found.outcomes["label recall@1"].asked)
    answers = Answers(place[chosen], classes[found.first[chosen]])
    return outcomes, {"label recall@1": questions.details(answers)}
