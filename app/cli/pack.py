"""`cladescope pack`: a field kit, one file that names pictures where Cladescope is not."""

from pathlib import Path
from typing import Annotated

import typer

from cladescope.app.cli import predict_options as of
from cladescope.app.cli.answers import as_options
from cladescope.app.cli.options import JsonOption, OverwriteOption, RankName, clades
from cladescope.app.cli.output import print_json, print_table, say, to_copy
from cladescope.embedding.encoder import DEFAULT_ENCODER

LEAST = 0.99


def pack(
    out: Annotated[Path, typer.Option("--out", metavar="FILE.onnx", help="File for the kit; kit.py is put beside it.")],
    encoder: Annotated[
        str | None,
        typer.Option(help="Encoder of the pictures.", show_default=f"the classifier's, else {DEFAULT_ENCODER}"),
    ] = None,
    classifier: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A classifier from `cladescope fit`, instead of texts.")
    ] = None,
    taxa: of.TaxaOption = None,
    labels: of.LabelsOption = None,
    within: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TAXON|FILE", help="Only classes of this clade, or of those that a file lists; repeat for a union."
        ),
    ] = None,
    rank: Annotated[RankName, typer.Option(help="Rank of the names; none is narrower.")] = RankName.SPECIES,
    risk: of.RiskOption = None,
    closed_set: of.ClosedSetOption = False,
    doubt: of.DoubtOption = 0.03,
    calibrate_on: Annotated[
        Path | None,
        typer.Option(
            metavar="STORE|FOLDER",
            help="Pictures for int8: some decide its scales, others measure what it costs. Without, the kit is in fp32.",
        ),
    ] = None,
    least_cosine: Annotated[
        float, typer.Option(metavar="COSINE", help="Mean cosine of int8 to fp32 from which the kit is in int8.")
    ] = LEAST,
    seed: Annotated[int, typer.Option(min=0, help="Random seed, which draws the pictures for int8.")] = 0,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Pack an encoder and its names into one file that names pictures without Cladescope: a field kit.

    Example: cladescope pack --classifier owls.safetensors --within Strigiformes --out owls.onnx
    """
    if sum(value is not None for value in (taxa, labels, classifier)) > 1:
        raise typer.BadParameter("give one of --taxa, --labels and --classifier")
    of.check_given(risk=risk, calibrate_on=None, doubt=doubt, by=of.ByName.LINK, sort_into=None)
    if not 0 < least_cosine <= 1:
        raise typer.BadParameter(f"--least-cosine is {least_cosine:g}: expected a number above 0 and at most 1")
    from cladescope.analysis.field_kit.packing import RUNNER
    from cladescope.app.verbs import pack as verb

    made = verb.pack(
        out, encoder=encoder, classifier=classifier, taxa=taxa, labels=labels, within=clades(within), rank=rank, risk=risk,
        closed_set=closed_set, doubt=doubt, calibrate_on=calibrate_on, least_cosine=least_cosine, seed=seed, overwrite=overwrite,
    )  # fmt: skip
    for note in made.notes:
        say(as_options(note))
    if json:
        return print_json({"kit": str(out), **made.summary})
    about = made.about
    rows = [
        ("encoder", about["encoder"]["name"]),
        ("classes", about["classes"]),
        ("risk of a wrong name", "not bounded" if about["risk"] is None else about["risk"]),
        ("not known", "never" if about["doubt"] is None else f"for {about['doubt']:.2g} of known taxa"),
        ("numbers", about["precision"]),
        ("megabytes", f"{len(made.data) / 1e6:.1f}"),
    ]
    print_table([f"field kit {out}", ""], rows)
    say(f"next: python {to_copy(out.with_name(RUNNER))} {to_copy(out)} PHOTO...")
