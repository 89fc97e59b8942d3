"""`cladescope import`: vectors computed by other software into a store."""

from pathlib import Path
from typing import Annotated

import typer

from cladescope.app.cli.jobs import run_job
from cladescope.app.cli.options import (
    BackboneOption,
    ChangeBackboneOption,
    ConflictsOption,
    JsonOption,
    MetricsOption,
    MissingOption,
    ProgressOption,
    StoreOption,
    StrictOption,
    TypesOption,
    pairs,
    words,
)
from cladescope.app.cli.watch import AUTO, Watch


def import_(
    vectors: Annotated[
        Path,
        typer.Argument(metavar="VECTORS", help="A .parquet table with a column of vectors, or a .npy array."),
    ],
    store: StoreOption,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Name of the encoder that made the vectors, or `unknown`.",
            show_default="required for a new store",
        ),
    ] = None,
    metadata: Annotated[
        Path | None,
        typer.Option(metavar="TABLE", help="Table with a row for each row of a .npy array: CSV, TSV or Parquet."),
    ] = None,
    column: Annotated[str | None, typer.Option(help="Column of the vectors, if the table has several.")] = None,
    backbone: BackboneOption = None,
    change_backbone: ChangeBackboneOption = False,
    conflicts: ConflictsOption = None,
    types: TypesOption = None,
    missing: MissingOption = None,
    strict: StrictOption = False,
    progress: ProgressOption = AUTO,
    metrics: MetricsOption = None,
    json: JsonOption = False,
) -> None:
    """Fill a store with vectors computed by other software, scaled to unit length.

    Example: cladescope import emb.parquet --store found.store --encoder hf-hub:imageomics/bioclip-2
    """
    if encoder is None and not (store / "store.json").exists():
        raise typer.BadParameter(
            "name the encoder that made the vectors, for instance --encoder hf-hub:imageomics/bioclip-2, or --encoder unknown"
        )
    from cladescope.app.verbs import import_vectors as verb

    run_job(
        lambda progress, stop: verb.import_vectors(
            vectors, store, encoder=encoder, metadata=metadata, column=column, backbone=backbone,
            change_backbone=change_backbone, conflicts=conflicts, types=pairs(types), missing=words(missing), strict=strict,
            progress=progress, stop=stop,
        ),
        Watch(verb="import", source=str(vectors), store=str(store), how=progress, metrics=metrics),
        store, done="imported", json=json,
    )  # fmt: skip
