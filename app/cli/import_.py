"""`cladescope import`: vectors that were made elsewhere into a store."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cladescope.app.cli.jobs import conclude
from cladescope.app.cli.options import JsonOption, StoreOption
from cladescope.app.cli.output import job_progress, stop_on_ctrl_c


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
        typer.Option(metavar="TABLE", help="What the rows of a .npy array are: CSV, TSV or Parquet."),
    ] = None,
    column: Annotated[str | None, typer.Option(help="Column of the vectors, where the table has several.")] = None,
    json: JsonOption = False,
) -> None:
    """Fill a store with vectors made elsewhere; they are scaled to unit length on the way in.

    Example: cladescope import emb.parquet --store found.store --encoder hf-hub:imageomics/bioclip-2
    """
    from cladescope.embedding.encoder import UNKNOWN_ENCODER, EncoderCard
    from cladescope.index.importing import import_vectors, open_vectors
    from cladescope.index.store import Store

    there = (store / "store.json").exists()
    if encoder is None and not there:
        raise typer.BadParameter(
            f"name the encoder that made the vectors, for instance --encoder hf-hub:imageomics/bioclip-2, or --encoder {UNKNOWN_ENCODER}"
        )
    source = open_vectors(vectors, metadata=metadata, column=column)
    name = encoder or Store.open(store).card.name
    card = EncoderCard(name=name, dim=source.dim, weight_hash=None, transform=None, has_text=False)
    sink = Store.open_or_create(store, card)
    started = datetime.now(UTC)
    with job_progress("imported") as progress, stop_on_ctrl_c() as stop:
        summary = import_vectors(source, sink, progress=progress, stop=stop)
    conclude(
        summary,
        sink,
        verb="import",
        source=str(vectors),
        started=started,
        settings={"metadata": metadata, "column": column},
        json=json,
    )
