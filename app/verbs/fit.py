"""Learning a classifier from labelled pictures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from cladescope.analysis.classify.calibration_kinds import CROSS, Calibration
from cladescope.analysis.classify.classifier_file import save_classifier
from cladescope.analysis.classify.fit import Fitted, fit_store
from cladescope.analysis.classify.linear_models import C_USUAL
from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.backboned import labels_by, write_conflicts
from cladescope.app.verbs.encoded_pictures import opened_or_encoded
from cladescope.app.verbs.given import AnyStore, within_of
from cladescope.embedding.encoder import Encoder, Runtime
from cladescope.embedding.summary import Progress
from cladescope.errors import InputError
from cladescope.outputs import check_out_file
from cladescope.paths import local_path

Method = Literal["simpleshot", "prototypes", "logistic", "ridge", "knn"]
Auto = Literal["auto"]
Weight = float | Auto


@checked
def fit(
    store: AnyStore,
    *,
    vectors: str | None = None,
    encoder: str | Encoder | None = None,
    runtime: Runtime = "auto",
    rank: str | None = None,
    labels_from: str | None = None,
    labels: str | Path | Mapping[str, str] | None = None,
    within: str | Sequence[str] | None = None,
    method: Method = "simpleshot",
    shots: int | None = None,
    shrinkage: Weight = 0.0,
    text_weight: Weight = 0.0,
    k: int | Auto = "auto",
    C: float | Auto = C_USUAL,
    alpha: float | Auto = "auto",
    calibration: float | Calibration = CROSS,
    backbone: str | Path | None = None,
    conflicts: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
) -> Fitted:
    """Learn a classifier from a store's labelled pictures; `predict(..., classifier=...)` takes it, or the file `out`.

    `store` may also be a folder of pictures, or another source of `embed`: it is encoded by `encoder` (`tiny` unless given), which
    `runtime` (`torch`, `compiled`, `onnx`, `openvino`) computes, and nothing is stored. `labels_from` says how labels are read from the names of its folders, as for `embed`.
    `vectors` names those of a further encoder of the store, by which `predict` then encodes pictures.

    It learns the taxa of a `rank` (default species), the names of folders (the rank `label`, and the default where most
    pictures have one and no species) or `labels`: a CSV of pictures and labels, or a label for each
    `image_id`. `within` keeps a clade or the union of several; `shots` is the most pictures per class, drawn with `seed`.
    `shrinkage` pulls each class mean towards the taxon above it, with the weight of that many pictures; `text_weight` is the
    weight of the text vectors of the class names; "auto" chooses either from the data. `k` neighbours vote with `knn`, `C` is the inverse strength of `logistic`, `alpha` the strength of `ridge`
    regression; "auto" lets the pictures that are learnt from choose. The
    pictures that `calibration` says tell how sure answers are and how many are right: `cross` all in turn, `split` a fifth that is held out for good, a number another share, 0 none. `backbone`, a folder of
    `cladescope.backbone`, names the pictures or labels; what it is not sure of stays, and is written to the CSV file `conflicts`.

    Returns the `classifier` and its results on the pictures that were asked.

    Raises TaxonError for an unknown rank or clade; InputError for fewer than two classes, labels or numbers that cannot be
    used, or an `out` that exists without `overwrite`; EncoderError for a text weight if the encoder does not encode text.

    >>> import cladescope
    >>> fitted = cladescope.fit("photos.store", rank="genus", out="genus.safetensors")
    >>> fitted.accuracy, fitted.accuracy_interval
    (0.875, (0.75, 1.0))
    """
    if rank is not None and labels is not None:
        raise InputError("give one of rank and labels")
    file = None if out is None else local_path(out)
    if file is not None:
        check_out_file(file, overwrite=overwrite)
    named = labels_by(backbone, conflicts)
    with opened_or_encoded(
        store, encoder, progress, runtime,
        vectors=vectors, labels_from=labels_from, backbone=None if named is None else named.backbone,
    ) as (held, place, notes):  # fmt: skip
        fitted = fit_store(
            held, rank=rank, labels=labels, within=within_of(within), method=method, shots=shots,
            shrinkage=shrinkage, text_weight=text_weight, k=k, C=C, alpha=alpha, calibration=calibration, backbone=named, seed=seed,
        )  # fmt: skip
    if place is not None:
        fitted = replace(fitted, classifier=replace(fitted.classifier, store=place), notes=(*notes, *fitted.notes))
    write_conflicts(named, conflicts)
    if file is not None:
        save_classifier(fitted.classifier, file, overwrite=overwrite)
    return fitted
