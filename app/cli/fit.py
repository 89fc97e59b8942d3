"""`cladescope fit`: a classifier learnt from labelled pictures."""

from pathlib import Path
from typing import Annotated

import typer

from cladescope.app.cli.fit_answers import rows_of
from cladescope.app.cli.fit_options import (
    InverseStrengthOption,
    NeighboursOption,
    StrengthOption,
    calibration_of,
    number_or_auto,
    settings_of,
)
from cladescope.app.cli.options import (
    BackboneOption,
    ConflictsOption,
    JsonOption,
    LabelsFromOption,
    LevelName,
    MethodName,
    OverwriteOption,
    RuntimeName,
    RuntimeOption,
    VectorsOption,
    WithinOption,
    clades,
)
from cladescope.app.cli.output import print_json, print_table, say, to_copy
from cladescope.app.cli.progress import job_progress
from cladescope.embedding.encoder import DEFAULT_ENCODER


def fit(
    store: Annotated[
        Path, typer.Argument(metavar="STORE | PICTURES", help="A store, or a folder, which is encoded and not stored.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.safetensors", help="File for the classifier.")],
    rank: Annotated[
        LevelName | None,
        typer.Option(
            help="Learn the taxa of this rank; or label: the names of the folders in which the pictures lie.",
            show_default="species, of pictures without species label",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", help="Learn these labels: a table with a column image_id, uri or file, and a column label."
        ),
    ] = None,
    labels_from: LabelsFromOption = None,
    within: WithinOption = None,
    method: Annotated[MethodName, typer.Option(help="Kind of classifier.")] = MethodName.SIMPLESHOT,
    shots: Annotated[int | None, typer.Option(min=1, help="At most N pictures of each class, drawn at random.")] = None,
    shrinkage: Annotated[
        str,
        typer.Option(
            metavar="KAPPA|auto",
            help="Pull class means towards the taxon above, with the weight of KAPPA pictures; auto chooses.",
        ),
    ] = "0",
    text_weight: Annotated[
        str,
        typer.Option(metavar="WEIGHT|auto", help="Weight of the text vectors of the class names; auto chooses."),
    ] = "0",
    k: NeighboursOption = None,
    C: InverseStrengthOption = None,
    alpha: StrengthOption = None,
    calibration: Annotated[
        str,
        typer.Option(
            metavar="cross|split|SHARE",
            help="Pictures that say how sure answers are: cross all, in turn; split a fifth, held out for good; or a share.",
        ),
    ] = "cross",
    backbone: BackboneOption = None,
    conflicts: ConflictsOption = None,
    figures: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Draw reliability.svg and risk-coverage.svg for the pictures that say how sure answers are.",
        ),
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Encoder of PICTURES, as for embed.", show_default=DEFAULT_ENCODER)
    ] = None,
    runtime: RuntimeOption = RuntimeName.AUTO,
    vectors: VectorsOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Learn a classifier from labelled pictures of a store or a folder of folders, for `predict --classifier`.

    Example: cladescope fit photos.store --rank species --out species.safetensors
    """
    if rank is not None and labels is not None:
        raise typer.BadParameter("give one of --rank and --labels")
    numbers = settings_of(method, k=k, C=C, alpha=alpha)
    share = calibration_of(calibration)
    kappa, weight = number_or_auto("--shrinkage", shrinkage), number_or_auto("--text-weight", text_weight)
    from cladescope.analysis.classify.confidence_figures import FIGURES, told, write_confidence_figures
    from cladescope.app.verbs import fit as verb
    from cladescope.app.verbs.given import is_store
    from cladescope.outputs import check_out_folder

    if figures is not None:
        check_out_folder(figures, what="figure", names=list(FIGURES), overwrite=overwrite)
    with job_progress("encoded") as progress:
        fitted = verb.fit(
            store, vectors=vectors, encoder=encoder, runtime=runtime.value, rank=rank, labels_from=labels_from, labels=labels,
            within=clades(within), method=method.value, shots=shots,
            shrinkage=kappa, text_weight=weight, calibration=share, **numbers, backbone=backbone, conflicts=conflicts,
            progress=None if is_store(store) else progress, seed=seed, out=out, overwrite=overwrite,
        )  # fmt: skip
    for note in fitted.notes:
        say(note)
    if figures is not None:
        title = f"{method.value} by {fitted.classifier.target}, {fitted.held_out:,} pictures asked"
        drawn = write_confidence_figures(fitted.calibrated.by_rank(), figures, title=title)
        say(told(drawn))
    if json:
        return print_json({"store": str(store), "classifier": str(out), **fitted.summary})
    print_table([f"{method.value} by {fitted.classifier.target}", ""], rows_of(fitted))
    say(f"next: cladescope predict PICTURES --classifier {to_copy(out)}")
