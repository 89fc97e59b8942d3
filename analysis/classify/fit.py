"""A classifier learnt from a store's labelled pictures: read, drawn, fitted, calibrated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from cladescope.analysis.classify import taxon_lists, zero_shot
from cladescope.analysis.classify.calibrate import Calibrated, fit_calibrated
from cladescope.analysis.classify.calibration_kinds import CROSS, Calibration, share_of
from cladescope.analysis.classify.classifier_file import Classifier
from cladescope.analysis.classify.draws import draw_shots
from cladescope.analysis.classify.fitting import SETTINGS
from cladescope.analysis.classify.known import DOUBT
from cladescope.analysis.classify.labelled import (
    Labelled,
    by_column,
    by_csv,
    by_label,
    by_rank,
    of_several_folders,
    of_several_lineages,
)
from cladescope.analysis.classify.linear_models import C_USUAL
from cladescope.analysis.classify.made_with import picture_numbers
from cladescope.analysis.classify.settings import AUTO, given_setting
from cladescope.analysis.measures.bootstrap import bootstrap_interval
from cladescope.analysis.measures.calibration import calibration_error
from cladescope.analysis.numbers import check_at_least
from cladescope.analysis.pictures import Pictures
from cladescope.embedding.backboned import BackboneLabels
from cladescope.embedding.kin import kin_of
from cladescope.embedding.prompts import prompt
from cladescope.errors import InputError, TaxonError
from cladescope.index.named_by import differing, named_by
from cladescope.index.store import Store
from cladescope.schema import LABEL
from cladescope.shown import counted
from cladescope.steps import step

_FEW = 3


@dataclass(frozen=True, eq=False, kw_only=True)
class Fitted:
    """A classifier, and what pictures that it has not learnt from said of it."""

    classifier: Classifier
    calibrated: Calibrated
    left_out: Mapping[str, int]
    """Pictures that were asked for and not learnt from, by reason."""
    without_label: int
    """Those of them that have no label, or lack the rank."""
    missing: tuple[str, ...]
    """Pictures with a label that the store does not have."""
    notes: tuple[str, ...] = ()
    """What the user should know, a sentence each."""

    @property
    def held_out(self) -> int:
        """How many pictures were asked about classes that were not learnt from them."""
        return len(self.calibrated.right)

    @property
    def accuracy(self) -> float | None:
        """Share of these that were named correctly; None where there are none."""
        return float(self.calibrated.right.mean()) if self.held_out else None

    @cached_property
    def accuracy_interval(self) -> tuple[float, float] | None:
        """Its 95 % interval, over resampled pictures; kin (`embedding.kin`) are drawn together."""
        return bootstrap_interval(self.calibrated.right, groups=self.calibrated.kin) if self.held_out else None

    @property
    def calibration_error(self) -> dict[str, float]:
        """For each rank that an answer can have, how far probabilities lie from shares of right answers."""
        return {rank: calibration_error(*answered) for rank, answered in self.calibrated.by_rank().items()}

    @property
    def summary(self) -> dict[str, Any]:
        """As plain values that JSON knows."""
        made, interval = self.calibrated, self.accuracy_interval
        return {
            "vectors": self.classifier.vectors,
            "method": self.classifier.method,
            "target": self.classifier.target,
            "classes": len(self.classifier.labels),
            "pictures": int(made.counts.sum()),
            "without_label": self.without_label,
            "left_out": dict(self.left_out),
            "not_in_store": list(self.missing),
            "kappa": made.kappa,
            "setting": None if made.setting is None else made.setting.to_dict(),
            "text_weight": made.text_weight,
            "scale": made.classes.scale,
            "held_out": self.held_out,
            "asked_in_turn": made.in_turn,
            "accuracy": self.accuracy,
            "accuracy_interval": None if interval is None else list(interval),
            "kept_at_usual_risk": made.kept,
            "calibration_error": self.calibration_error,
        }


def fit_store(
    store: Store,
    *,
    rank: str | None = None,
    labels: str | Path | Mapping[str, str] | None = None,
    within: str | Sequence[str] | None = None,
    method: str = "simpleshot",
    shots: int | None = None,
    shrinkage: float | str = 0.0,
    text_weight: float | str = 0.0,
    k: int | str = AUTO,
    C: int | float | str = C_USUAL,
    alpha: int | float | str = AUTO,
    calibration: float | Calibration = CROSS,
    backbone: BackboneLabels | None = None,
    seed: int = 0,
) -> Fitted:
    """Learn the taxa of a rank or, where they are given, `labels`: a CSV, or a label for each image_id.

    The rank `label` stands for the store's column of that name, in which the names of folders are (`by_column`). Without a rank
    it is `Pictures.narrowest`.

    `shots` draws at most so many pictures of each class. `shrinkage` is in pseudo-pictures by which a class leans on the taxon
    above it, `text_weight` how much the names of classes count beside their pictures; "auto" lets the pictures choose.
    A `backbone` names the pictures, or the labels; else the classifier notes the one that named the store.
    `calibration` says which pictures tell how sure answers are: `cross` all in turn, in parts, each asked about classes of the others, so that the
    classifier learns from every picture; `split` a fifth of each class that is held out for good, a number another share, 0 none. With `shots`
    those that were not drawn. `k` are the neighbours of method knn, `C` and `alpha` the inverse strength of logistic and the strength of ridge
    regression; "auto" lets the pictures that are learnt from choose. See `fit_calibrated`.

    Memory: 2 n d bytes for n pictures, as stored, and once again for those that are learnt from.

    Raises TaxonError for an unknown rank or clade; InputError for an unknown method, fewer than two classes, labels that
    cannot be read, or a number that is none; EncoderError for a text weight where the encoder has no text side.

        fitted = fit_store(Store.open("photos.store"), rank="genus", method="logistic")
        fitted.accuracy, fitted.classifier.probabilities(vectors)
        save_classifier(fitted.classifier, "genus.safetensors")
    """
    share = share_of(calibration)
    kappa, weight = _number("shrinkage", shrinkage), _number("text_weight", text_weight)
    check_at_least(1, shots=shots)
    given_setting("k", k, whole=True)
    for name, number in (("C", C), ("alpha", alpha)):
        given_setting(name, number)
    check_at_least(0, seed=seed)
    pictures = _pictures(store, within, ["image_id", "uri", "observation_id", "content_hash"], backbone)
    if not len(pictures) and not pictures.n_left_out:
        where = "" if within is None else f" in {within if isinstance(within, str) else ', '.join(within)}"
        raise InputError(f"{store.path} has no picture{where}: embed some first")
    if backbone is not None and labels is None:
        pictures = replace(pictures, table=backbone.table(pictures.table))
    asked, rank = rank, rank or pictures.narrowest
    target = rank if labels is None else LABEL
    labelled = _labelled(pictures, rank, labels)
    if backbone is not None and labels is not None:
        labelled = labelled.renamed([backbone.accepted(label) for label in labelled.labels])
    if len(labelled.labels) == 1:
        raise InputError(
            f"{_every(len(labelled.classes))} of one class, {labelled.labels[0]!r}: a classifier chooses among two or more, so "
            "label pictures of another class too"
        )
    notes = _notes(labelled, target, of_folders=labels is None and target == LABEL)
    if labels is None and asked is None and rank == LABEL:
        notes.insert(0, "most pictures have a label and no species: the labels, the names of folders, are learnt")
    if backbone is not None:
        notes += [
            *backbone.told("pictures named" if labels is None else "labels named"),
            *differing(store, backbone.named_by),
        ]
    given = None
    if shots is not None:
        given = draw_shots(labelled.classes, shots, seed=seed)
        if given.all():
            notes.append(f"no class has more than {shots} pictures: all are given")
            given = None
        else:
            use = "are left out" if share == 0 else "say how sure answers are"
            notes.append(
                f"{int(given.sum()):,} pictures are drawn to learn from; the other {int((~given).sum()):,} {use}"
            )
            if share == 0:
                labelled, given = labelled.take(np.flatnonzero(given)), None
    kin = kin_of(*(labelled.pictures.texts(column) for column in ("uri", "observation_id", "content_hash")))
    with step(f"learning {counted(len(labelled.labels), 'class', 'classes')}, and how sure they are"):
        made = fit_calibrated(
            labelled.pictures.vectors,
            labelled.classes,
            labelled.labels,
            method=method,
            tree=labelled.tree,
            kappa=kappa,
            texts=None if weight == 0 else _name_vectors(store, labelled),
            text_weight=weight,
            share=share,
            given=given,
            kin=kin,
            k=k,
            C=C,
            alpha=alpha,
            seed=seed,
        )
    learnt = len(labelled.classes) if given is None else int(given.sum())
    if made.setting is not None and made.setting.name == "k" and made.setting.value > learnt:
        notes.append(f"k is {made.setting} and {counted(learnt, 'picture')} are learnt from: all of them vote")
    notes += [*_kin_notes(kin, made, share), *_few_notes(labelled, made), *_long_tail_notes(labelled, made, method)]
    known = made.known
    if known is None or not known.can_tell(DOUBT):
        notes.append(
            f"{0 if known is None else len(known.held):,} pictures are too few to tell what is far from everything known: "
            f"predict will name every picture; {round(1 / DOUBT):,} pictures, at least two of a class, would do"
        )
    classifier = Classifier(
        classes=made.classes,
        method=method,
        target=target,
        card=store.card,
        store=str(store.path.absolute()),
        vectors=store.vectors_name,
        data_version=store.version,
        counts=made.counts,
        back_off=made.back_off,
        known=known,
        made_with=np.unique(picture_numbers(labelled.pictures.table)),
        kappa=made.kappa,
        setting=made.setting,
        text_weight=made.text_weight,
        backbone=(named_by(store) if labels is None else None) or {} if backbone is None else backbone.named_by,
    )
    return Fitted(
        classifier=classifier,
        calibrated=made,
        left_out=labelled.pictures.left_out,
        without_label=labelled.without_label,
        missing=labelled.missing,
        notes=tuple(notes),
    )


def _pictures(
    store: Store, within: str | Sequence[str] | None, columns: Sequence[str], backbone: BackboneLabels | None
) -> Pictures:
    """Those in some clades; a clade that the store does not know may be a synonym of one that it does."""
    try:
        return Pictures.of_store(store, within=within, columns=columns, as_stored=True)
    except TaxonError:
        names = [within] if isinstance(within, str) else list(within or ())
        accepted = names if backbone is None else [backbone.accepted(name) for name in names]
        if accepted == names:
            raise
        return Pictures.of_store(store, within=accepted, columns=columns, as_stored=True)


def _labelled(pictures: Pictures, rank: str, labels: str | Path | Mapping[str, str] | None) -> Labelled:
    if labels is None:
        return by_column(pictures) if rank == LABEL else by_rank(pictures, rank)
    return by_label(pictures, labels) if isinstance(labels, Mapping) else by_csv(pictures, Path(labels))


def _notes(labelled: Labelled, target: str, *, of_folders: bool) -> list[str]:
    notes = []
    if labelled.unfilled:
        notes.append(
            f"{counted(labelled.unfilled, 'row')} of the labels without a label, or without a picture: not used"
        )
    if several := of_several_folders(labelled) if of_folders else []:
        some = ", ".join(several[:5]) + (", ..." if len(several) > 5 else "")
        notes.append(
            f"{counted(len(several), 'label is the name', 'labels are names')} of several folders, which are one class each: {some}"
        )
    if twice := [] if labelled.tree is None else of_several_lineages(labelled.tree):
        some = "; ".join(twice[:3]) + ("; ..." if len(twice) > 3 else "")
        notes.append(
            f"{counted(len(twice), 'name stands', 'names stand')} under several lineages, each a taxon of its own: {some}: mend the labels where that is a slip"
        )
    if n_missing := len(labelled.missing):
        some = ", ".join(labelled.missing[:5]) + (", ..." if n_missing > 5 else "")
        notes.append(f"{counted(n_missing, 'label is', 'labels are')} of pictures that are not in the store: {some}")
    if labelled.without_label:
        notes.append(
            f"{counted(labelled.without_label, f'picture has no {target} and is', f'pictures have no {target} and are')} left out"
        )
    return notes + labelled.pictures.vector_notes


def _every(n: int) -> str:
    return "the only labelled picture is" if n == 1 else f"all {n:,} labelled pictures are"


def _kin_notes(kin: Int[np.ndarray, " n"], made: Calibrated, share: float | None) -> list[str]:
    """What it means that some pictures are kin."""
    _, sizes = np.unique(kin, return_counts=True)
    if not (sizes > 1).any() or share == 0:
        return []
    notes = [
        f"{int(sizes[sizes > 1].sum()):,} pictures are copies or boxes of one photograph, or share an observation with others: "
        "those that do are asked about together, or told together"
    ]
    if not len(made.right):
        notes.append("nothing could be held out: the pictures of each class are all of one photograph or observation")
    return notes


def _long_tail_notes(labelled: Labelled, made: Calibrated, method: str) -> list[str]:
    """Where pictures that are asked in turn are surer than new ones will be, as simulations say (docs/statistics.md)."""
    few = np.bincount(labelled.classes) < _FEW
    if method not in SETTINGS or not made.in_turn or 2 * few.sum() < len(few):
        return []
    return [
        f"{int(few.sum()):,} of {len(few):,} classes have fewer than {_FEW} pictures: with {method} a risk is then not kept (in a simulation 0.12 to 0.15 where 0.1 was "
        "asked for); simpleshot keeps it"
    ]


def _few_notes(labelled: Labelled, made: Calibrated) -> list[str]:
    """How many classes had no part in what decides how sure is enough: it speaks of pictures like those that were held out."""
    n_unasked = len(labelled.classes) - len(made.right)
    if made.in_turn and made.in_turn == len(made.right) and n_unasked:
        return [
            f"{counted(n_unasked, 'picture')} could not be asked: without the part that {'it is' if n_unasked == 1 else 'they are'} in, one class alone would be left"
        ]
    if made.alone:
        can_tell = made.known is not None and made.known.can_tell(DOUBT)
        return [
            f"{counted(made.alone, 'picture is the only one of its class', 'pictures are the only ones of their classes')}: asked about the others without it, "
            "and so counted as named wrongly unless the name stops above the class"
            + (
                "; how far from everything known is usual was told by the others, so that new pictures of classes of one picture are called not known "
                "more often than asked"
                if can_tell
                else ""
            )
        ]
    unasked = np.bincount(labelled.classes, minlength=len(made.counts)) == made.counts
    if made.in_turn or not len(made.right) or not unasked.any():
        return []
    return [
        f"{int(unasked.sum()):,} of {len(unasked):,} classes, with {int(made.counts[unasked].sum()):,} pictures, have too few to hold one out: "
        "the others decide how sure a name must be, and names of these classes may be wrong more often"
    ]


def _number(name: str, value: float | str) -> float | None:
    """A number from 0 on; None for "auto"."""
    if value == AUTO:
        return None
    if isinstance(value, str) or not 0 <= value < np.inf:
        raise InputError(f"{name} is {value!r}, expected a number from 0 on, or {AUTO!r}")
    return float(value)


def _name_vectors(store: Store, labelled: Labelled) -> Float[np.ndarray, "c d"]:
    """Vectors of the classes' names: of taxa with their lineage and common name, of plain labels in 81 sentences."""
    tree = labelled.tree
    if tree is None:
        return zero_shot.label_gallery(store.encoder, labelled.labels).vectors
    listed = taxon_lists.store_taxa(store)
    names = dict(zip(taxon_lists.taxa_of(listed), listed["common_name"].to_pylist(), strict=True))
    taxa = [tree.class_taxon(row) for row in range(tree.n_classes)]
    texts = [prompt(taxon, zero_shot.TEXT_TYPE, common_name=names.get(taxon)) for taxon in taxa]
    return zero_shot.text_vectors(store.encoder, texts, cache=zero_shot.default_cache())
