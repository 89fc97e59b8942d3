"""Scoring encoders on labelled pictures: `cladescope evaluate`, and `cladescope.evaluate` in Python."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast, get_args

import pyarrow as pa

from cladescope.analysis.benchmark import results
from cladescope.analysis.benchmark.evaluation import Evaluation, evaluate_task
from cladescope.analysis.benchmark.field_tasks import FIELD_TASKS
from cladescope.analysis.benchmark.open_task import is_store, open_task
from cladescope.analysis.benchmark.page import page
from cladescope.analysis.benchmark.protocol import (
    FEW_SHOT,
    HEADS,
    ZERO_SHOT,
    Protocol,
    ProtocolConfig,
    check_encoders,
    check_task,
)
from cladescope.analysis.benchmark.scoring import Contender
from cladescope.analysis.benchmark.stores import fill_store, short_name
from cladescope.analysis.benchmark.tables import label_of
from cladescope.analysis.benchmark.tasks import Task
from cladescope.analysis.benchmark.trained_on import trained_note
from cladescope.analysis.measures.folds import SHOTS
from cladescope.embedding.encoder import DEFAULT_ENCODER, Device, Encoder, Runtime
from cladescope.embedding.pipeline import EmbedSummary, Progress
from cladescope.embedding.trained_on import trained_on
from cladescope.errors import CladescopeError, InputError
from cladescope.files import write_text
from cladescope.index.store import Store
from cladescope.paths import local_path

logger = logging.getLogger(__name__)

TEXTS = ("asis",)
OUT = Path("evaluation")

Watch = Callable[[str], AbstractContextManager[tuple[Callable[[Progress], None] | None, threading.Event | None]]]
"""From the name of a job to a context that follows it: what is told of its progress, and what stops it when set."""


class StoppedError(CladescopeError):
    """The embedding was asked to stop; what is embedded stays, and the same call goes on from there."""


@dataclass(frozen=True, eq=False, kw_only=True)
class EvaluationReport:
    """What `evaluate` found."""

    evaluations: tuple[Evaluation, ...]
    """One a task, with what every picture scored."""
    documents: tuple[dict[str, Any], ...]
    """The same described: figures with intervals, what lies behind them, differences, published figures."""
    results_path: Path
    """results.json: these, and what was evaluated into this folder before."""
    page_path: Path
    """The same as a page, in Markdown."""

    @property
    def table(self) -> pa.Table:
        """A row for each task, encoder and measure: value, low, high (shares of 1), std over folds, n pictures."""
        rows = [
            {
                "task": document["task"]["name"],
                "protocol": document["protocol"],
                "encoder": label_of(result),
                "measure": measure,
                **{key: figure[key] for key in ("value", "low", "high", "std", "n")},
            }
            for document in self.documents
            for result in document["results"]
            for measure, figure in result["figures"].items()
        ]
        return pa.Table.from_pylist(rows)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values for JSON."""
        paths = {"results": str(self.results_path), "page": str(self.page_path)}
        return {**paths, "evaluations": list(self.documents)}


def evaluate(
    protocol: str,
    tasks: str | Path | Sequence[str | Path],
    *,
    encoders: str | Encoder | Sequence[str | Encoder] | None = None,
    shots: Sequence[int] | None = None,
    v1_folds: bool = False,
    texts: Sequence[str] | None = None,
    pool_parts: bool = False,
    rank: str | None = None,
    vectors: str | None = None,
    images: str | Path | None = None,
    labels_from: str | None = None,
    head: str | None = None,
    store: str | Path | None = None,
    out: str | Path = OUT,
    device: Device = "auto",
    runtime: Runtime = "auto",
    watch: Watch | None = None,
    embedded: Callable[[str, EmbedSummary, Store], None] | None = None,
) -> EvaluationReport:
    """Score encoders on labelled pictures by BioCLIP's protocols, `zero-shot`, `few-shot` or `retrieval`, by a `linear-probe`, or on a published task of the field.

    `tasks` are annotation CSVs (filepath, class), folders with a folder for each class, or stores, whose own vectors are
    scored. Other pictures are embedded by each of `encoders` (`tiny` unless given) into stores under `out`, where also
    results.json and results.md are written; what is embedded there already is not embedded again. `shots` are 1 and 5
    unless given, `texts` the task's own labels (`asis`), `rank` is a store's (species or, where most pictures have a label and no species, `label`). `vectors` names those of a further
    encoder of the stores. `labels_from` says how classes are read from the names of folders, as for `embed`; unless given, each first folder is one. docs/evaluation.md says what each
    figure means.

    The tasks of the field, `newt`, `fishnet`, `awa2`, `ecdysis`, `beluga`, `fungiclef`, `kabr`, `mammalnet`, `herbarium19`, `inquire`, `inquire-rerank`, `life-stages` and
    `confusable`, are read from their published files; `head` is what learns from their training part. The pictures of a task may be in a `store` that is there already: its vectors are scored then.

    `watch` follows each embedding and may stop it, `embedded` is told what it did.

    Raises InputError for what is no task, settings that contradict each other, and a task that the protocol cannot be asked
    of; EncoderError for an encoder that is not there, or zero-shot where none has a text side; StoppedError
    where `watch` asked for it.

    >>> from tempfile import mkdtemp
    >>> from cladescope.simulation import SimulationConfig, simulate
    >>> folder = Path(mkdtemp())
    >>> _ = simulate(folder / "clades", SimulationConfig(species=4, images=3, size=64))
    >>> report = evaluate("few-shot", folder / "clades/images", encoders="pixels", shots=[1], out=folder / "scores")
    >>> report.table.column("measure").to_pylist()
    ['1-shot']
    """
    if not isinstance(tasks, str | Path | Sequence):
        raise InputError(f"found tasks of type {type(tasks).__name__}, expected a path or several")
    paths = [local_path(path) for path in ([tasks] if isinstance(tasks, str | Path) else tasks)]
    chosen = [encoders] if isinstance(encoders, str | Encoder) else list(encoders or [])
    if (reason := contradiction(
        protocol, paths, chosen, shots=shots, texts=texts, v1_folds=v1_folds, rank=rank, images=images, vectors=vectors,
        labels_from=labels_from, head=head, store=store, pool_parts=pool_parts,
    )) is not None:  # fmt: skip
        raise InputError(reason)
    config = ProtocolConfig(
        protocol=cast(Protocol, protocol),
        shots=tuple(shots or SHOTS),
        v1_folds=v1_folds,
        texts=tuple(texts or TEXTS),
        pool_parts=pool_parts,
        head=head,
    )
    opened = [
        open_task(
            path,
            rank=rank,
            vectors=vectors,
            images=None if images is None else local_path(images),
            labels_from=labels_from if path.is_dir() else None,
            protocol=protocol,
            store=None if store is None else local_path(store),
        )
        for path in paths
    ]
    for task, _ in opened:
        check_task(task, config)
    folder = local_path(out)
    results.check_folder(folder)
    loaded: list[Encoder] = []
    if any(store is None for _, store in opened):
        loaded = [
            one if isinstance(one, Encoder) else Encoder.load(one, device=device, runtime=runtime)
            for one in chosen or [DEFAULT_ENCODER]
        ]
        check_encoders([one.card for one in loaded], config)
    evaluations = []
    for task, own in opened:
        contenders = [Contender(store=own)] if own is not None else []
        for encoder in loaded if own is None else []:
            filled = _filled(task, encoder, folder / "stores", watch, embedded)
            contenders.append(Contender(store=filled, encoder=encoder))
        evaluations.append(evaluate_task(task, contenders, config))
        for one in contenders:
            _warn_of_trained(task, one.store)
    documents = [results.describe(evaluation) for evaluation in evaluations]
    write_text(folder / results.PAGE, page(results.save(documents, folder)))
    return EvaluationReport(
        evaluations=tuple(evaluations),
        documents=tuple(documents),
        results_path=folder / results.RESULTS,
        page_path=folder / results.PAGE,
    )


def _warn_of_trained(task: Task, store: Store) -> None:
    """Say where an encoder was trained on what a task asks for, and where that is not known."""
    name = store.card.name
    contents = frozenset(filter(None, store.table(["content_hash"])["content_hash"].to_pylist()))
    if (note := trained_note(name, trained_on(name), task, contents)) is not None:
        logger.warning("%s", note)


def contradiction(
    protocol: str,
    tasks: Sequence[Path],
    encoders: Sequence[str | Encoder],
    *,
    shots: object = None,
    texts: object = None,
    v1_folds: bool = False,
    rank: str | None = None,
    images: object = None,
    vectors: str | None = None,
    labels_from: str | None = None,
    head: str | None = None,
    store: object = None,
    pool_parts: bool = False,
) -> str | None:
    """Why settings of `evaluate` contradict the protocol or each other, or None; None stands for what was not given.

    >>> contradiction("retrieval", [Path("birds.csv")], [], shots=[1])
    'shots has no meaning for retrieval: leave it out'
    """
    if protocol not in get_args(Protocol):
        return f"found the protocol {protocol!r}, expected one of {', '.join(get_args(Protocol))}"
    for flag, given, fits in (
        ("shots", shots is not None, FEW_SHOT),
        ("v1_folds", v1_folds, FEW_SHOT),
        ("texts", texts is not None, ZERO_SHOT),
    ):
        if given and protocol != fits:
            return f"{flag} has no meaning for {protocol}: leave it out"
    if head is not None and head not in HEADS.get(protocol, ()):
        if protocol in HEADS:
            return f"found the head {head!r}, expected one of {', '.join(HEADS[protocol])}"
        return f"head has no meaning for {protocol}: leave it out"
    if pool_parts and protocol in FIELD_TASKS:
        return f"the parts of {protocol} are its own: leave parts out"
    names = [one for one in encoders if isinstance(one, str)]
    for name, values in (("encoder", names), ("task", list(map(str, tasks)))):
        if twice := next((value for place, value in enumerate(values) if value in values[:place]), None):
            return f"the {name} {twice!r} is given twice: name each one once"
    stores = [path for path in tasks if is_store(path)]
    if stores and protocol in FIELD_TASKS:
        return f"{protocol} is read from its published files: name their folder or table, and {stores[0]} as the store"
    if stores and store is not None:
        return f"{stores[0]} is a store itself: leave the other store out"
    if store is not None and encoders:
        return f"{store} has its encoder's vectors: leave the encoder out"
    if stores and encoders:
        return (
            f"{stores[0]} is a store, which has its encoder's vectors: leave the encoder out, or give the pictures' "
            "folder or CSV"
        )
    if rank is not None and not stores:
        return "a rank is for stores: the classes of a CSV or folder are its own"
    if vectors is not None and not stores and store is None:
        return "vectors are of stores: pictures are embedded by the encoders that are given"
    if images is not None and protocol not in FIELD_TASKS and not any(path.suffix.lower() == ".csv" for path in tasks):
        return "images is for CSVs: give one"
    if labels_from is not None and (
        protocol in FIELD_TASKS or not any(path.is_dir() and not is_store(path) for path in tasks)
    ):
        return "labels_from is for folders of pictures, whose names are read: give one"
    return None


def _filled(
    task: Task,
    encoder: Encoder,
    folder: Path,
    watch: Watch | None,
    embedded: Callable[[str, EmbedSummary, Store], None] | None,
) -> Store:
    """The store of a task's vectors, completed by what it lacks, with the job in its ledger. Raises StoppedError."""
    started = datetime.now(UTC)
    name = f"{task.name}, {short_name(encoder.card.name)}"
    with nullcontext((None, None)) if watch is None else watch(name) as (progress, stop):
        store, summary = fill_store(task, encoder, folder, progress=progress, stop=stop)
    status = "stopped" if summary.stopped else "done"
    store.record_run(verb="evaluate", source=task.address, started=started, status=status, manifest=summary.to_dict())
    if embedded is not None:
        embedded(name, summary, store)
    if summary.stopped:
        raise StoppedError("stopped, nothing is lost: run the same command to go on")
    return store
