"""`cladescope fit`: a classifier learnt from labelled pictures."""

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cladescope.app.cli.options import JsonOption, StoreArgument
from cladescope.app.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    import numpy as np

    from cladescope.analysis.classify.confidence_figures import Answered
    from cladescope.analysis.classify.labelled import Labelled
    from cladescope.index.store import Store


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
    text_weight: Annotated[
        str,
        typer.Option(
            metavar="WEIGHT|auto", help="How much the classes' names count beside their pictures; auto chooses."
        ),
    ] = "0",
    k: Annotated[int, typer.Option("-k", min=1, help="Neighbours that vote, with knn.")] = 5,
    calibration: Annotated[
        float, typer.Option(help="Share of each class held out to calibrate; one picture a class always stays.")
    ] = 0.2,
    figures: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Draw reliability.svg and risk-coverage.svg of the held-out pictures."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 0,
    json: JsonOption = False,
) -> None:
    """Learn a classifier from a store's labelled pictures, to be used with `predict --classifier`.

    Example: cladescope fit photos.store --rank species --out species.safetensors
    """
    from cladescope.analysis.classify.classifier_file import Classifier, check_free, save_classifier
    from cladescope.analysis.classify.fitting import drawn, fit_calibrated
    from cladescope.analysis.classify.labelled import by_csv, by_rank
    from cladescope.analysis.measures.bootstrap import bootstrap_interval
    from cladescope.analysis.measures.calibration import calibration_error
    from cladescope.index.store import Store

    if rank is not None and labels is not None:
        raise typer.BadParameter("give one of --rank and --labels")
    kappa, weight = _number_or_auto("--shrinkage", shrinkage), _number_or_auto("--text-weight", text_weight)
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
        kappa=kappa,
        texts=None if weight == 0 else _texts(opened, data),
        text_weight=weight,
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
        text_weight=found.text_weight,
    )
    save_classifier(classifier, out)
    answered = found.by_rank()
    if figures is not None:
        _draw(answered, figures, f"{method.value} by {classifier.target}, {len(found.right):,} pictures held out")
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
                "text_weight": found.text_weight,
                "scale": found.classes.scale,
                "held_out": tested,
                "accuracy": accuracy,
                "accuracy_interval": None if low is None else [low, high],
                "calibration_error": {name: calibration_error(*one) for name, one in answered.items()},
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
    if found.text_weight:
        rows.append(("weight of the names", f"{found.text_weight:g}"))
    if answered:
        errors = ", ".join(f"{name} {calibration_error(*one):.3f}" for name, one in answered.items())
        rows.append(("calibration error", errors))
    print_table([f"{method.value} by {classifier.target}", ""], rows)
    say(f"next: cladescope predict PICTURES --classifier {out}")


def _number_or_auto(option: str, text: str) -> float | None:
    if text == "auto":
        return None
    if re.fullmatch(r"\d+(\.\d+)?", text) is None:
        raise typer.BadParameter(f"{option} is {text!r}: give a number from 0 on, or auto")
    return float(text)


def _texts(store: "Store", data: "Labelled") -> "np.ndarray":
    """Vectors of the classes' names: of taxa with their lineage and common name, of plain labels in 81 sentences."""
    from cladescope.analysis.classify import taxon_lists, zero_shot
    from cladescope.embedding.prompts import prompt

    cache = zero_shot.default_cache()
    tree = data.tree
    if tree is None:
        return zero_shot.label_gallery(store.encoder, data.labels).vectors
    listed = taxon_lists.store_taxa(store)
    names = dict(zip(taxon_lists.taxa_of(listed), listed["common_name"].to_pylist(), strict=True))
    taxa = [tree.class_taxon(row) for row in range(tree.n_classes)]
    texts = [prompt(taxon, zero_shot.TEXT_TYPE, common_name=names.get(taxon)) for taxon in taxa]
    return zero_shot.text_vectors(store.encoder, texts, cache=cache)


def _draw(by_rank: "Answered", folder: Path, title: str) -> None:
    from cladescope.analysis.classify.confidence_figures import draw_reliability, draw_risk_coverage
    from cladescope.index.files import disk_errors

    if not by_rank:
        say("no picture was held out: there is nothing to draw")
        return
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        draw_reliability(by_rank, title=title).savefig(folder / "reliability.svg")
        draw_risk_coverage(by_rank, title=title).savefig(folder / "risk-coverage.svg")
    say(f"drawn: {folder / 'reliability.svg'} and {folder / 'risk-coverage.svg'}")
