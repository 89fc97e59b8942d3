"""`cladescope evaluate`: how good is an encoder on labelled pictures?"""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cladescope.app.cli.options import DeviceName, JsonOption
from cladescope.app.cli.output import job_progress, print_json, print_line, print_table, say, stop_on_ctrl_c
from cladescope.app.verbs.jobs import describe as describe_job
from cladescope.embedding.encoder import DEFAULT_ENCODER
from cladescope.errors import InputError
from cladescope.taxonomy.taxon import RANKS

if TYPE_CHECKING:
    from cladescope.analysis.benchmark.evaluation import Contender
    from cladescope.analysis.benchmark.tasks import Task
    from cladescope.embedding.encoder import Encoder

SHOTS, TEXTS = "1,5", "asis"


class ProtocolName(StrEnum):
    """What is asked."""

    ZERO_SHOT = "zero-shot"
    FEW_SHOT = "few-shot"
    RETRIEVAL = "retrieval"


class PartsName(StrEnum):
    """Which pictures of a task with parts are given and asked."""

    OFFICIAL = "official"
    ALL = "all"


class RankName(StrEnum):
    """The seven ranks."""

    KINGDOM, PHYLUM, CLASS, ORDER, FAMILY, GENUS, SPECIES = RANKS


def evaluate(
    protocol: Annotated[ProtocolName, typer.Argument(metavar="PROTOCOL", help="zero-shot, few-shot or retrieval.")],
    tasks: Annotated[
        list[Path],
        typer.Argument(
            metavar="TASK|STORE...",
            help="Annotation CSVs (filepath, class), folders with a folder a class, or one store with ranks.",
        ),
    ],
    encoder: Annotated[
        list[str] | None,
        typer.Option(help="As for embed; repeatable.", show_default=f"a store's own, else {DEFAULT_ENCODER}"),
    ] = None,
    shots: Annotated[
        str | None, typer.Option(metavar="K,...", help="few-shot: pictures given of each class.", show_default=SHOTS)
    ] = None,
    v1_folds: Annotated[
        bool, typer.Option("--v1-folds", help="few-shot: draw as BioCLIP's first evaluation, each fold after the last.")
    ] = False,
    text: Annotated[
        str | None,
        typer.Option(
            metavar="KIND,...",
            help="zero-shot: asis, sci, com, taxon, sci_com, taxon_com; asis is also asked with cleaned names.",
            show_default=TEXTS,
        ),
    ] = None,
    parts: Annotated[
        PartsName,
        typer.Option(help="Of tasks with train/ and test/: give from train and ask test, or pool both."),
    ] = PartsName.OFFICIAL,
    rank: Annotated[
        RankName | None, typer.Option(help="Of a store: the rank whose taxa are the classes.", show_default="species")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Of a CSV: where its paths start.", show_default="the CSV's folder"),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of results.json, results.md and the stores of vectors.")
    ] = Path("evaluation"),
    device: Annotated[DeviceName, typer.Option(help="Where to compute.")] = DeviceName.AUTO,
    json: JsonOption = False,
) -> None:
    """Score encoders by BioCLIP's protocols, with intervals, beside the published rows. What is embedded stays in --out.

    Example: cladescope evaluate few-shot birds/ plants.csv --encoder tiny --encoder pixels --shots 1,5 --out scores
    """
    _check_usage(protocol, tasks, encoder, shots=shots, text=text, v1_folds=v1_folds, rank=rank, images=images)
    from cladescope.analysis.benchmark import results
    from cladescope.analysis.benchmark.evaluation import ProtocolConfig, check_encoders, check_task
    from cladescope.analysis.benchmark.evaluation import evaluate as run
    from cladescope.analysis.benchmark.page import page
    from cladescope.embedding.encoder import Encoder

    config = ProtocolConfig(
        protocol=protocol.value,
        shots=_numbers(shots or SHOTS),
        v1_folds=v1_folds,
        texts=tuple(kind.strip() for kind in (text or TEXTS).split(",")),
        pool_parts=parts is PartsName.ALL,
    )
    opened = [_open(path, rank, images) for path in tasks]
    for task, _ in opened:
        check_task(task, config)
    results.check_folder(out)
    encoders: list[Encoder] = []
    if any(store is None for _, store in opened):
        encoders = [Encoder.load(name, device=device.value) for name in encoder or [DEFAULT_ENCODER]]
        check_encoders([one.card for one in encoders], config)
    documents = []
    for task, contender in opened:
        contenders = _embed(task, encoders, out / "stores") if contender is None else [contender]
        documents.append(results.describe(run(task, contenders, config)))
    evaluations = results.save(documents, out)
    (out / results.PAGE).write_text(page(evaluations), encoding="utf-8")
    if json:
        print_json({"results": str(out / results.RESULTS), "page": str(out / results.PAGE), "evaluations": documents})
        return
    for document in documents:
        _show(document)
    print_line(f"beside the published rows: {out / results.PAGE}")


def _check_usage(
    protocol: ProtocolName,
    tasks: list[Path],
    encoder: list[str] | None,
    *,
    shots: str | None,
    text: str | None,
    v1_folds: bool,
    rank: RankName | None,
    images: Path | None,
) -> None:
    """Raise BadParameter for options that contradict each other or the protocol."""
    few_shot = protocol is ProtocolName.FEW_SHOT
    for flag, given, fits in (
        ("--shots", shots is not None, few_shot),
        ("--v1-folds", v1_folds, few_shot),
        ("--text", text is not None, protocol is ProtocolName.ZERO_SHOT),
    ):
        if given and not fits:
            raise typer.BadParameter(f"{flag} has no meaning for {protocol.value}: leave it out")
    for name, values in (("encoder", encoder or []), ("task", list(map(str, tasks)))):
        if twice := next((value for place, value in enumerate(values) if value in values[:place]), None):
            raise typer.BadParameter(f"the {name} {twice!r} is given twice: name each one once")
    stores = [path for path in tasks if _is_store(path)]
    if stores and encoder:
        raise typer.BadParameter(
            f"{stores[0]} is a store, which has its encoder's vectors: leave --encoder out, or give the pictures' folder or CSV"
        )
    if rank is not None and not stores:
        raise typer.BadParameter("--rank is for stores: the classes of a CSV or folder are its own")
    if images is not None and not any(path.suffix.lower() == ".csv" for path in tasks):
        raise typer.BadParameter("--images is for CSVs: give one")


def _numbers(text: str) -> tuple[int, ...]:
    """The shots that were asked for."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"found --shots {text!r}, expected whole numbers such as 1,5") from None


def _is_store(path: Path) -> bool:
    return (path / "store.json").is_file()


def _open(path: Path, rank: RankName | None, images: Path | None) -> "tuple[Task, Contender | None]":
    """A task, and where it is a store its own vectors."""
    from cladescope.analysis.benchmark.annotations import read_annotations
    from cladescope.analysis.benchmark.class_folders import read_class_folders
    from cladescope.analysis.benchmark.evaluation import Contender
    from cladescope.analysis.benchmark.store_task import read_store
    from cladescope.index.store import Store

    if _is_store(path):
        store = Store.open(path)
        return read_store(store, rank=(rank or RankName.SPECIES).value), Contender(store=store)
    if path.is_dir():
        return read_class_folders(path), None
    if path.is_file() and path.suffix.lower() == ".csv":
        return read_annotations(path, images=images), None
    found = "is no CSV" if path.exists() else "does not exist"
    raise InputError(
        f"{path} {found}: expected an annotation CSV (filepath, class), a folder with a folder a class, or a store"
    )


def _embed(task: "Task", encoders: "list[Encoder]", folder: Path) -> "list[Contender]":
    """The stores of a task, completed by what they lack; exits with 1 where Ctrl-C stops it."""
    from cladescope.analysis.benchmark.evaluation import Contender
    from cladescope.analysis.benchmark.stores import fill_store, short_name

    contenders = []
    for entry in task.left_out[:3]:
        say(f"left out: {entry}" + (f" (and {len(task.left_out) - 1:,} more)" if len(task.left_out) > 3 else ""))
    for encoder in encoders:
        started = datetime.now(UTC)
        name = f"{task.name}, {short_name(encoder.card.name)}:"
        with job_progress(f"{name} embedded") as progress, stop_on_ctrl_c() as stop:
            store, summary = fill_store(task, encoder, folder, progress=progress, stop=stop)
        status = "stopped" if summary.stopped else "done"
        store.record_run(
            verb="evaluate", source=task.address, started=started, status=status, manifest=describe_job(summary)
        )
        failed = f", failed {summary.failed:,} (cladescope info {store.path} --failures)" if summary.failed else ""
        say(f"{name} embedded {summary.embedded:,}, already stored {summary.already_stored:,}{failed}")
        if summary.stopped:
            say("stopped, nothing is lost: run the same command to go on")
            raise typer.Exit(1)
        contenders.append(Contender(store=store, encoder=encoder))
    return contenders


def _show(document: dict[str, Any]) -> None:
    """The figures of a task: a measure a row, an encoder a column."""
    from cladescope.analysis.benchmark.page import cell, measures, settings_line
    from cladescope.analysis.benchmark.results import label_of

    task = document["task"]
    failed = f", {n:,} more could not be used" if (n := task["n_images"] - task["n_used"]) else ""
    print_line(
        f"{task['name']}: {task['n_used']:,} pictures of {task['n_classes']:,} classes{failed}; "
        f"{document['protocol']}, {settings_line(document['settings'])}"
    )
    rows = [
        (measure, *(cell(result["figures"].get(measure)) for result in document["results"]))
        for measure in measures(document)
    ]
    print_table(["percent", *(label_of(result) for result in document["results"])], rows)
    for result in document["results"]:
        for measure, reason in result["not_applicable"].items():
            what = label_of(result) if measure == "all" else measure
            print_line(f"{what}: not applicable, {reason}")
