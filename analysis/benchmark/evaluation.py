"""Evaluating encoders on one task under one protocol: the same pictures, classes, draws and questions for each.

Only pictures of which every encoder has a vector are used, so that encoders can be compared picture by picture; what is
left out is counted and listed.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Bool

from cladescope.analysis.benchmark.protocol import ProtocolConfig, check_encoders
from cladescope.analysis.benchmark.scoring import Contender, Result, score
from cladescope.analysis.benchmark.stores import reasons, stored_contents
from cladescope.analysis.benchmark.tasks import Task, task_hash
from cladescope.errors import InputError
from cladescope.steps import counted

logger = logging.getLogger(__name__)


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


def evaluate_task(task: Task, contenders: Sequence[Contender], config: ProtocolConfig) -> Evaluation:
    """Results of all contenders on a task, in their order.

    Memory: the vectors of one encoder at a time, 12 n d bytes, and what `few_shot`, `retrieval` or `zero_shot` takes.

    Raises InputError where fewer than two classes are left, an encoder is given twice, or the protocol cannot be asked of
    the task; EncoderError where texts are needed and no encoder has a text side.
    """
    check_encoders([one.card for one in contenders], config)
    ids = task.image_ids
    used = np.ones(len(ids), bool)
    failed: dict[str, str] = {}
    for contender in contenders:
        there, contents = stored_contents(contender.store, ids)
        there = there & _first_of_each(ids)
        failed |= reasons(contender.store, task, used & ~there)
        used &= there
    left = len(np.unique(task.class_numbers[used]))
    if left < 2:
        why = next(iter(failed.values()), "none")
        raise InputError(
            f"{int(used.sum())} of {len(ids)} pictures of {task.address} could be used, of {left} classes "
            f"(the first reason: {why}): expected pictures of at least two, so check where the paths start"
        )
    asked = counted(contenders, f"{task.name}: scoring encoders", len(contenders))
    results = tuple(score(task, contender, config, used) for contender in asked)
    evaluation = Evaluation(
        task=task,
        config=config,
        used=used,
        task_hash=task_hash(task, contents, used),
        failed=failed,
        results=results,
    )
    logger.info("%s: %d of %d pictures, %d classes", task.name, used.sum(), len(ids), left)
    return evaluation


def _first_of_each(ids: pa.StringArray) -> Bool[np.ndarray, " n"]:
    """Whether an id comes for the first time: a picture that is listed twice is used once."""
    _, first = np.unique(ids.dictionary_encode().indices.to_numpy(), return_index=True)
    found = np.zeros(len(ids), bool)
    found[first] = True
    return found
