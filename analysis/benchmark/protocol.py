"""What is asked of a task, and whether it can be: the protocols and their settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int

from cladescope.analysis.benchmark import class_texts, linear_probe
from cladescope.analysis.benchmark.biobench_heads import LAYER_NORM, NEIGHBOURS
from cladescope.analysis.benchmark.discovery import SEMI_KMEANS
from cladescope.analysis.benchmark.field_scoring import TOP
from cladescope.analysis.benchmark.field_tasks import (
    AWA2,
    BELUGA,
    ECDYSIS,
    FIELD_TASKS,
    FISHNET,
    FUNGICLEF,
    HERBARIUM19,
    INQUIRE,
    INQUIRE_RERANK,
    KABR,
    MAMMALNET,
    NEWT,
)
from cladescope.analysis.benchmark.logistic_search import LOGISTIC_SEARCH
from cladescope.analysis.benchmark.open_set import OPEN_SET
from cladescope.analysis.benchmark.questions import Clips
from cladescope.analysis.benchmark.svm_heads import LINEAR_SVM, SVM_SEARCH
from cladescope.analysis.benchmark.tasks import Task
from cladescope.analysis.benchmark.trait_heads import MLP, RIDGE, SEEDS
from cladescope.analysis.classify.templates import templates
from cladescope.analysis.measures import folds, retrieval
from cladescope.embedding.encoder import EncoderCard
from cladescope.errors import EncoderError, InputError, UsageError

Protocol = Literal[
    "zero-shot",
    "few-shot",
    "retrieval",
    "linear-probe",
    "ecdysis",
    "beluga",
    "fungiclef",
    "kabr",
    "mammalnet",
    "herbarium19",
    "newt",
    "fishnet",
    "awa2",
    "inquire",
    "inquire-rerank",
    "life-stages",
    "confusable",
]
ZERO_SHOT, FEW_SHOT, RETRIEVAL, LINEAR_PROBE = "zero-shot", "few-shot", "retrieval", "linear-probe"
HEADS: Mapping[str, tuple[str, ...]] = {
    LINEAR_PROBE: linear_probe.HEADS,
    ECDYSIS: (LAYER_NORM, *(head for head in linear_probe.HEADS if head != LAYER_NORM)),
    BELUGA: (NEIGHBOURS,),
    FUNGICLEF: (OPEN_SET,),
    KABR: (LOGISTIC_SEARCH, *linear_probe.HEADS),
    MAMMALNET: (LOGISTIC_SEARCH, *linear_probe.HEADS),
    HERBARIUM19: (SEMI_KMEANS,),
    NEWT: (LINEAR_SVM, SVM_SEARCH),
    FISHNET: (MLP, RIDGE),
    AWA2: (MLP, RIDGE),
}
"""By protocol: what may learn from the training part, the usual one first."""


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
    head: str | None = None
    """What learns from the training part, one of the protocol's `HEADS`; None for the usual one, and where there is none."""

    def __post_init__(self) -> None:
        if not self.shots or min(self.shots) < 1 or len(set(self.shots)) < len(self.shots):
            raise UsageError(f"found the shots {self.shots}, expected different numbers of at least 1, such as 1,5")
        if not self.texts or len(set(self.texts)) < len(self.texts) or not {*self.texts} <= {*class_texts.TEXT_KINDS}:
            raise UsageError(
                f"found the text kinds {', '.join(self.texts)}, expected different ones of {', '.join(class_texts.TEXT_KINDS)}"
            )

        if self.head is not None and self.head not in HEADS.get(self.protocol, ()):
            expected = ", ".join(HEADS.get(self.protocol, ())) or "none"
            raise UsageError(f"found the head {self.head!r}, expected for {self.protocol}: {expected}")

    @property
    def learnt_by(self) -> str | None:
        """The head that is used; None where the protocol has none."""
        return self.head or next(iter(HEADS.get(self.protocol, ())), None)

    def settings(self, task: Task) -> dict[str, object]:
        """What of this matters for a task, for its result."""
        parts = {"parts": "all" if self.pool_parts else "official"} if task.has_parts else {}
        if self.protocol == ZERO_SHOT:
            return {**parts, "texts": list(self.texts), "templates": len(templates())}
        if self.protocol == RETRIEVAL:
            return {**parts, "k": list(retrieval.K)}
        if self.protocol == LINEAR_PROBE:
            by_parts = task.has_parts and not self.pool_parts
            return {
                **parts,
                "head": self.learnt_by,
                **({} if by_parts else {"folds": linear_probe.fold_count(task.class_numbers, task.kin)}),
            }
        if self.protocol in FIELD_TASKS:
            if self.learnt_by is None:
                by_queries = self.protocol in (INQUIRE, INQUIRE_RERANK)
                return {"k": TOP} if by_queries else {"templates": len(templates())}
            if isinstance(task.question, Clips):
                return {"head": self.learnt_by, "frames": task.question.n_frames, "pooled by": "the largest"}
            return {"head": self.learnt_by, **({"seeds": list(SEEDS)} if self.learnt_by in (MLP, SEMI_KMEANS) else {})}
        draws = "v1" if self.v1_folds else "v2"
        return {**parts, "shots": list(self.shots), "folds": folds.N_FOLDS, "draws": draws}


def check_encoders(cards: Sequence[EncoderCard], config: ProtocolConfig) -> None:
    """Raise InputError for an encoder that is given twice, EncoderError where a protocol needs texts and none has them."""
    for place, card in enumerate(cards):
        if twin := next((one for one in cards[:place] if one.to_dict() == card.to_dict()), None):
            raise InputError(f"the encoder {twin.name!r} is given twice: name each one once")
    if needs_text(config.protocol) and not any(card.has_text for card in cards):
        raise EncoderError(
            f"{config.protocol} needs texts, and {cards[0].name!r} has no text side: use an encoder that has one, such as tiny or "
            "hf-hub:imageomics/bioclip-2, or few-shot, which needs none"
        )


def needs_text(protocol: str) -> bool:
    """Whether a protocol asks by texts.

    >>> needs_text("zero-shot"), needs_text("newt")
    (True, False)
    """
    return protocol == ZERO_SHOT or (protocol in FIELD_TASKS and FIELD_TASKS[protocol].needs_text)


def check_task(task: Task, config: ProtocolConfig) -> None:
    """Raise InputError for a question that the task does not allow, as far as its list of pictures tells: before any work."""
    if config.protocol == ZERO_SHOT:
        for kind in config.texts:
            for one in task.classes:
                class_texts.class_text(one, kind)
    if config.protocol == FEW_SHOT:
        asked_of = test_part(task, config, np.arange(len(task)))
        possible_shots(task, config, task.class_numbers, asked_of)


def test_part(task: Task, config: ProtocolConfig, rows: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"] | None:
    """Whether each of some pictures is of the test part; None where there are no parts, or they are pooled."""
    if not task.has_parts or config.pool_parts:
        return None
    asked: Bool[np.ndarray, " n"] = task.is_test[rows]
    return asked


def possible_shots(
    task: Task, config: ProtocolConfig, classes: Int[np.ndarray, " n"], is_test: Bool[np.ndarray, " n"] | None
) -> tuple[list[int], dict[str, str]]:
    """The shots that can be drawn, and why the others cannot. Raises InputError where none can."""
    refused = {k: folds.check_shots(k, classes, is_test=is_test) for k in config.shots}
    possible = [k for k, reason in refused.items() if reason is None]
    if not possible:
        raise InputError(f"{task.address}: {refused[config.shots[0]]}: ask for fewer shots than {config.shots[0]}")
    return possible, {f"{k}-shot": reason for k, reason in refused.items() if reason is not None}
