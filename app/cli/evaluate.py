"""`cladescope evaluate`: score encoders on labelled pictures."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cladescope.app.cli import evaluate_options as of
from cladescope.app.cli.options import (
    DeviceName,
    JsonOption,
    LevelName,
    RuntimeName,
    RuntimeOption,
    VectorsOption,
)
from cladescope.app.cli.output import print_json, print_line, print_table, say
from cladescope.app.cli.progress import job_progress
from cladescope.app.cli.signals import stop_on_signals
from cladescope.embedding.encoder import DEFAULT_ENCODER

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from cladescope.embedding.pipeline import EmbedSummary, Progress
    from cladescope.index.store import Store


def evaluate(
    protocol: Annotated[of.ProtocolName, typer.Argument(metavar="PROTOCOL", help=of.PROTOCOLS)],
    tasks: Annotated[
        list[Path],
        typer.Argument(
            metavar="TASK|STORE...",
            help="Annotation CSVs (filepath, class), folders with a subfolder per class, one store with ranks, or files of a published task.",
        ),
    ],
    encoder: Annotated[
        list[str] | None,
        typer.Option(help="As for embed; repeat for several.", show_default=f"a store's own, else {DEFAULT_ENCODER}"),
    ] = None,
    shots: Annotated[
        str | None, typer.Option(metavar="K,...", help="few-shot: labelled pictures of each class.", show_default="1,5")
    ] = None,
    v1_folds: of.V1FoldsOption = False,
    text: of.TextOption = None,
    parts: of.PartsOption = of.PartsName.OFFICIAL,
    rank: Annotated[
        LevelName | None,
        typer.Option(
            help="For a store: the rank whose taxa are the classes; or label: the names of folders.",
            show_default="species, of pictures without species label",
        ),
    ] = None,
    images: of.ImagesOption = None,
    head: of.HeadOption = None,
    store: of.TaskStoreOption = None,
    labels_from: of.LabelsFromOption = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for results.json, results.md and the stores of vectors.")
    ] = Path("evaluation"),
    device: Annotated[DeviceName, typer.Option(help="Where to compute.")] = DeviceName.AUTO,
    runtime: RuntimeOption = RuntimeName.AUTO,
    vectors: VectorsOption = None,
    json: JsonOption = False,
) -> None:
    """Score encoders by BioCLIP's protocols or on published tasks, with confidence intervals, next to published scores. Vectors are kept in --out.

    Example: cladescope evaluate few-shot birds/ plants.csv --encoder tiny --encoder pixels --shots 1,5 --out scores
    """
    from cladescope.app.verbs.evaluate import StoppedError, contradiction
    from cladescope.app.verbs.evaluate import evaluate as run

    if (reason := contradiction(
        protocol.value, tasks, encoder or [], shots=shots, texts=text, v1_folds=v1_folds, rank=rank, images=images, vectors=vectors,
        labels_from=labels_from, head=head, store=store, pool_parts=parts is of.PartsName.ALL,
    )) is not None:  # fmt: skip
        raise typer.BadParameter(reason)
    try:
        report = run(
            protocol.value, tasks, encoders=encoder, shots=None if shots is None else _numbers(shots), v1_folds=v1_folds,
            texts=None if text is None else [kind.strip() for kind in text.split(",")],
            pool_parts=parts is of.PartsName.ALL, rank=None if rank is None else rank.value, images=images, labels_from=labels_from, head=head, store=store, out=out,
            device=device.value, runtime=runtime.value, vectors=vectors, watch=_watch, embedded=_say_embedded,
        )  # fmt: skip
    except StoppedError as stopped:
        say(str(stopped))
        raise typer.Exit(1) from None
    if json:
        print_json(report.to_dict())
        return
    for document in report.documents:
        _show(document)
    print_line(f"beside published rows, where there are any: {report.page_path}")


def _numbers(text: str) -> tuple[int, ...]:
    """The shots that were asked for."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"found --shots {text!r}, expected whole numbers such as 1,5") from None


@contextmanager
def _watch(name: str) -> "Iterator[tuple[Callable[[Progress], None], threading.Event]]":
    with job_progress(f"{name}: embedded") as progress, stop_on_signals() as stop:
        yield progress, stop


def _say_embedded(name: str, summary: "EmbedSummary", store: "Store") -> None:
    failed = f", failed {summary.failed:,} (cladescope info {store.path} --failures)" if summary.failed else ""
    say(f"{name}: embedded {summary.embedded:,}, already stored {summary.already_stored:,}{failed}")
    for note in summary.notes:
        say(f"{name}: {note}")


def _show(document: dict[str, Any]) -> None:
    from cladescope.analysis.benchmark import tables

    left_out = document["task"]["left_out"]
    for entry in left_out[:3]:
        say(f"left out: {entry}" + (f" (and {len(left_out) - 1:,} more)" if len(left_out) > 3 else ""))
    print_line(tables.heading(document))
    for table in filter(None, (tables.figures(document), tables.differences(document), *tables.details(document))):
        print_table(table.head, table.rows)
        print_line()
    for line in (*tables.not_applicable(document), *tables.notes(document)):
        print_line(line)
