"""`cladescope predict`: name the organisms on pictures."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from cladescope.app.cli import predict_options as of
from cladescope.app.cli.answers import as_options, write
from cladescope.app.cli.options import (
    AllowOption,
    BackboneOption,
    ConflictsOption,
    ContactOption,
    CsvOption,
    JsonOption,
    OverwriteOption,
    RankName,
    RowsOutOption,
    RuntimeName,
    RuntimeOption,
    SafeCsvOption,
    TextTypeName,
    VectorsOption,
    WhereOption,
    clades,
    printed,
)
from cladescope.app.cli.output import printing_to, say
from cladescope.embedding.encoder import DEFAULT_ENCODER
from cladescope.errors import InputError

CACHE = "~/.cache/cladescope/class-vectors"
ENCODER = f"the store's or classifier's, else {DEFAULT_ENCODER}"
LONG = 10_000
"""Classes from which on their making is told."""


def predict(
    pictures: Annotated[
        list[str],
        typer.Argument(metavar="STORE | IMAGE...", help="A store, or pictures, folders, quoted patterns and URLs."),
    ],
    rank: Annotated[RankName, typer.Option(help="Rank of the answers.")] = RankName.SPECIES,
    taxa: of.TaxaOption = None,
    labels: of.LabelsOption = None,
    within: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TAXON|FILE",
            help="Only names of this clade, or of those that a file lists as for --taxa; repeat for a union.",
        ),
    ] = None,
    classifier: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A classifier from `cladescope fit`, instead of texts.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Answers for each picture.")] = 5,
    risk: of.RiskOption = None,
    calibrate_on: of.CalibrateOnOption = None,
    closed_set: of.ClosedSetOption = False,
    doubt: of.DoubtOption = 0.03,
    prior: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Prior odds: columns taxon, weight; `*`: all other taxa (default 1)."),
    ] = None,
    backbone: BackboneOption = None,
    conflicts: ConflictsOption = None,
    text_type: Annotated[TextTypeName, typer.Option(help="How a taxon is written in a text.")] = TextTypeName.TAXON_COM,
    templates: Annotated[
        bool, typer.Option("--templates", help="Describe each taxon by 81 sentences instead of one (slower).")
    ] = False,
    vectors: VectorsOption = None,
    where: WhereOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N pictures.")] = None,
    encoder: Annotated[str | None, typer.Option(help="Encoder of the pictures.", show_default=ENCODER)] = None,
    runtime: RuntimeOption = RuntimeName.AUTO,
    contact: ContactOption = None,
    allow: AllowOption = None,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where class vectors are kept.", show_default=CACHE)
    ] = None,
    sort_into: of.SortIntoOption = None,
    by: of.ByOption = of.ByName.LINK,
    write_to: of.WriteToOption = None,
    out: RowsOutOption = None,
    sheet: of.PredictedSheetOption = None,
    xmp: of.XmpOption = False,
    overwrite: OverwriteOption = False,
    csv: CsvOption = False,
    safe_csv: SafeCsvOption = False,
    json: JsonOption = False,
) -> None:
    """Name the organisms on pictures, or on the pictures of a store.

    Example: cladescope predict photos/ --taxa taxa.csv --rank family --csv
    """
    how = printed(csv=csv, safe_csv=safe_csv, json=json, out=out)
    if sum(value is not None for value in (taxa, labels, classifier)) > 1:
        raise typer.BadParameter("give one of --taxa, --labels and --classifier")
    if classifier is not None and (prior or templates or text_type is not TextTypeName.TAXON_COM):
        raise typer.BadParameter("--prior, --text-type, --templates: for texts, so leave out --classifier")
    of.check_given(risk=risk, calibrate_on=calibrate_on, doubt=doubt, by=by, sort_into=sort_into)
    from cladescope.app.verbs import predict as verb
    from cladescope.app.verbs.act_on import Acts
    from cladescope.app.verbs.given import is_store
    from cladescope.outputs import check_out_file

    if (where is not None or vectors is not None) and not (len(pictures) == 1 and is_store(pictures[0])):
        raise typer.BadParameter("--where and --vectors are for a store")
    if out is not None:
        check_out_file(out, overwrite=overwrite)
    acts = Acts(sort_into=sort_into, by=by.value, write_to=write_to, xmp=xmp, sheet=sheet, overwrite=overwrite)
    found = verb.predict(
        pictures, rank=rank, taxa=taxa, labels=labels, classifier=classifier, within=clades(within), k=k, risk=risk,
        calibrate_on=calibrate_on, closed_set=closed_set, doubt=doubt, prior=prior, backbone=backbone, conflicts=conflicts,
        text_type=text_type, templates=templates, vectors=vectors, where=where,
        limit=limit, encoder=encoder, runtime=runtime.value, contact=contact, allow=allow or (), cache=cache, progress=_tell,
    )  # fmt: skip
    for note in found.notes:
        say(as_options(note))
    found = acts.noting(found)
    written = 0
    with suppress(_NothingError), printing_to(out, overwrite=overwrite):
        written = write(found, how, after=lambda: acts.done(found).to_dict())
        if not written:
            raise _NothingError
    for line in found.why:
        say(as_options(line))
    of.tell_failures(found.failures, written)
    of.tell(acts.acted)
    if not written:
        raise InputError("no picture was named: widen the selection, or name pictures that can be read")


class _NothingError(Exception):
    """No picture was named: no file is written."""


def _tell(done: int, total: int) -> None:
    if total > LONG:
        say(f"class vectors {done:,} of {total:,}")
