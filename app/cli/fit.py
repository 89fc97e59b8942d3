"""`cladescope fit`: a classifier learnt from labelled pictures."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cladescope.app.cli.options import JsonOption, StoreArgument
from cladescope.app.cli.output import print_json, print_table, say


class MethodName(StrEnum):
    """How classes are learnt."""

    SIMPLESHOT = "simpleshot"
    PROTOTYPES = "prototypes"
    LOGISTIC = "logistic"
    RIDGE = "ridge"
    KNN = "knn"


def fit(
    store: StoreArgument,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to write the classifier (.safetensors).")],
    rank: Annotated[str | None, typer.Option(help="Learn the taxa of this rank.  [default: species]")] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="Learn these labels: a column image_id, uri or file, and a column label."),
    ] = None,
    within: Annotated[str | None, typer.Option(metavar="TAXON", help="Only this clade.")] = None,
    method: Annotated[MethodName, typer.Option(help="How.")] = MethodName.SIMPLESHOT,
    shots: Annotated[int | None, typer.Option(min=1, help="At most so many pictures a class, drawn at random.")] = None,
    shrinkage: Annotated[
        str,
        typer.Option(
            metavar="KAPPA|auto", help="Pseudo-pictures by which a class leans on the taxon above it; auto chooses."
        ),
    ] = "0",
    k: Annotated[int, typer.Option("-k", min=1, help="Neighbours that vote, with knn.")] = 5,
    calibration: Annotated[
        float, typer.Option(help="Share of each class held out to calibrate; one picture a class always stays.")
    ] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 0,
    json: JsonOption = False,
) -> None:
    """Learn a classifier from a store's labelled pictures, to be used with `predict --classifier`.

    Example: cladescope fit photos.store --rank species --out species.safetensors
    """
    from cladescope.analysis.classifier_file import Classifier, check_free, save_classifier
    from cladescope.analysis.fitting import drawn, fit_calibrated
    from cladescope.analysis.labelled import by_csv, by_rank
    from cladescope.analysis.metrics import bootstrap_interval
    from cladescope.index.store import Store

    if rank is not None and labels is not None:
        raise typer.BadParameter("give one of --rank and --labels")
    if shrinkage != "auto" and re.fullmatch(r"\d+(\.\d+)?", shrinkage) is None:
        raise typer.BadParameter(f"--shrinkage is {shrinkage!r}: give a number from 0 on, or auto")
    check_free(out)
    opened = Store.open(store)
    target = rank or "species"
    data = by_rank(opened, target, within=within) if labels is None else by_csv(opened, labels, within=within)
    kept_out = data.without_label
    if data.missing:
        some = ", ".join(data.missing[:5]) + (", ..." if len(data.missing) > 5 else "")
        say(f"{len(data.missing):,} labels are of pictures that are not in {store}: {some}")
    if kept_out:
        say(f"{kept_out:,} pictures have no {target if labels is None else 'label'} and are left out")
    if shots is not None:
        chosen = drawn(data.classes, shots=shots, seed=seed)
        if chosen.all():
            say(f"no class has more than {shots} pictures: all are given")
        data = data.take(chosen)
    found = fit_calibrated(
        data.vectors,
        data.classes,
        data.labels,
        method=method.value,
        tree=data.tree,
        kappa=None if shrinkage == "auto" else float(shrinkage),
        share=calibration,
        k=k,
        seed=seed,
    )
    classifier = Classifier(
        classes=found.classes,
        method=method.value,
        target=target if labels is None else "label",
        card=opened.card,
        store=str(store.absolute()),
        data_version=opened.version,
        counts=found.counts,
        back_off=found.back_off,
        kappa=found.kappa,
    )
    save_classifier(classifier, out)
    tested = len(found.right)
    accuracy = float(found.right.mean()) if tested else None
    low, high = bootstrap_interval(found.right) if tested else (None, None)
    if json:
        print_json(
            {
                "store": str(store),
                "classifier": str(out),
                "method": method.value,
                "target": classifier.target,
                "classes": len(data.labels),
                "pictures": int(found.counts.sum()),
                "without_label": kept_out,
                "not_in_store": list(data.missing),
                "kappa": found.kappa,
                "scale": found.classes.scale,
                "held_out": tested,
                "accuracy": accuracy,
                "accuracy_interval": None if low is None else [low, high],
            }
        )
        return
    said = "nothing held out" if accuracy is None else f"{accuracy:.3f} ({low:.3f} to {high:.3f})"
    rows: list[tuple[str, object]] = [
        ("classes", len(data.labels)),
        ("pictures learnt from", int(found.counts.sum())),
        ("pictures held out", tested),
        ("named correctly of these", said),
        ("scale of probabilities", f"{found.classes.scale:.1f}" + ("" if tested else ", not calibrated")),
    ]
    if found.kappa:
        rows.append(("pseudo-pictures of the taxon above", f"{found.kappa:.2f}"))
    print_table([f"{method.value} by {classifier.target}", ""], rows)
    say(f"next: cladescope predict PICTURES --classifier {out}")
