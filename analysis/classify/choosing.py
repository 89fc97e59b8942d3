"""What a picture may be called: the classes to choose from, told by texts or fitted before, for one encoder's vectors.

`predict` chooses first and names then (`naming`). Nothing here reads a picture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa
from jaxtyping import UInt64

from cladescope.analysis.classify import name_lists, taxon_lists, zero_shot
from cladescope.analysis.classify.back_off import BackOff
from cladescope.analysis.classify.class_gallery import Classes, ClassGallery
from cladescope.analysis.classify.classifier_file import Classifier, load_classifier
from cladescope.analysis.classify.encoder_known import read_known
from cladescope.analysis.classify.known import Known
from cladescope.analysis.classify.named_classes import class_table, named_classes, named_labels
from cladescope.analysis.classify.precomputed import is_precomputed, read_precomputed
from cladescope.embedding.backboned import BackboneLabels
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.text_scale import stored_text_scale
from cladescope.errors import InputError, TaxonError
from cladescope.index.named_by import shown
from cladescope.paths import local_path
from cladescope.shown import counted
from cladescope.taxonomy.rank_table import rank_table
from cladescope.taxonomy.taxon import RANKS, Taxon

if TYPE_CHECKING:
    from cladescope.index.store import Store

SHOWN = 5
"""Unknown names that a note tells one by one."""

Taxa: TypeAlias = str | Path | pa.Table
"""Taxa to choose from: a file as `taxon_lists.read_taxa` and `precomputed` read it, or a table with columns for ranks."""
Labels: TypeAlias = str | Path | Sequence[str]
"""Labels to choose from: a file as `taxon_lists.read_labels` reads it, or the labels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """Classes, and how their answers are put."""

    classes: Classes
    bins: tuple[str, ...] | None = None
    """For plain labels what each counts towards, where that was given."""
    back_off: BackOff | None = None
    """Where answers stop; None where nothing has decided it."""
    known: Known | None = None
    """How far from these classes a picture may be; None where nothing tells."""
    made_with: UInt64[np.ndarray, " m"] | None = None
    """Numbers of the pictures that the classes were made with; None where that is not known."""
    notes: tuple[str, ...] = ()
    """What the user should know of the choice: taxa that were left out, names that are unknown."""

    def check_rank(self, rank: str) -> None:
        """Raise InputError where plain labels are asked for by a rank."""
        if self.classes.tree is None and rank != RANKS[-1]:
            raise InputError(
                f"found rank {str(rank)!r}, and classes that are plain labels and have no ranks: leave it out"
            )


def fitted(classifier: str | Path | Classifier) -> Classifier:
    """A classifier, or the one in a file of `cladescope fit`. Raises InputError where the file cannot be read."""
    return classifier if isinstance(classifier, Classifier) else load_classifier(local_path(classifier))


def fitted_choice(
    classifier: Classifier,
    asked: "Store | Encoder",
    backbone: BackboneLabels | None = None,
    within: Sequence[str] = (),
    *,
    decided_anew: bool = False,
) -> Choice:
    """The classes of `cladescope fit`, named by a `backbone` where one is given; with `within` those in one of some clades.

    `decided_anew` where other pictures will decide how sure is enough, among the classes that are left.

    Raises StoreError unless they were fitted to vectors of the encoder that is asked, InputError for clades beside plain labels,
    TaxonError for an unknown clade.
    """
    classifier.check(asked.card)
    notes: list[str] = []
    if within:
        if classifier.tree is None:
            raise InputError(
                "the classes of this classifier are plain labels, which lie within no clade: leave out within"
            )
        chosen = _within(class_table(classifier.classes, classifier.tree), within, backbone, notes)
        notes += [] if decided_anew else _among_all(chosen, classifier.back_off)
        classifier = classifier.only(chosen)
    choice = Choice(
        classes=classifier.classes,
        back_off=classifier.back_off,
        known=classifier.known,
        made_with=classifier.made_with,
        notes=tuple(notes),
    )
    if backbone is None:
        return choice
    before = classifier.backbone
    if before and before.get("hash") != backbone.hash:
        notes.append(
            f"the classifier is named by the backbone {shown(before)}, and the answers by {shown(backbone.named_by)}"
        )
    named = named_classes(choice.classes, backbone)
    return replace(choice, classes=named.classes, bins=named.bins, notes=(*notes, *backbone.told("classes named")))


def told_choice(
    asked: "Store | Encoder",
    *,
    taxa: Taxa | None = None,
    labels: Labels | None = None,
    within: Sequence[str] = (),
    prior: str | Path | None = None,
    rank: str = "species",
    text_type: str = zero_shot.TEXT_TYPE,
    templates: bool = False,
    backbone: BackboneLabels | None = None,
    cache: Path | None = None,
    decided_anew: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Choice:
    """Classes told to the encoder by texts: taxa, or plain labels; without either the taxa of the store or, where it has none, of the encoder.

    `within` are clades, of which every taxon in one is a class. Published text vectors beside a list of taxa are read and
    not made again. A `backbone` turns synonyms among taxa, labels, bins, clades and the prior's names into accepted names; texts
    of labels stay. `progress` is given how many class vectors are there, and of how many.

    Raises InputError for files that cannot be used, clades or a prior beside plain labels, and where nothing says what to
    choose from; TaxonError for an unknown clade; EncoderError for an encoder without a text side.
    """
    notes: list[str] = []
    known: Known | None = None
    back_off: BackOff | None = None
    if taxa is None and labels is None:
        asked = _with_taxa(asked, notes)
    if isinstance(taxa, str | Path) and is_precomputed(Path(taxa)):
        gallery, table = _precomputed(asked, Path(taxa), within, notes, backbone)
    else:
        encoder = _encoder(asked)
        table = None if labels is None else _labels(labels)
        if isinstance(table, taxon_lists.LabelList):
            if within or prior:
                raise InputError("within and prior are for taxa: give taxa, or labels with columns for ranks")
            named = named_labels(zero_shot.label_gallery(encoder, table.labels), table.bins, backbone)
            return Choice(
                classes=named.classes, bins=named.bins, notes=backbone.told("labels named") if backbone else ()
            )
        if table is None:
            table = _taxa(asked, taxa, rank, backbone, notes)
        n_listed = table.num_rows
        if backbone is not None:
            table = taxon_lists.taxa_table(backbone.table(table))
        if taxa is None and labels is None and isinstance(asked, Encoder) and asked.taxa_file is not None:
            found = read_known(asked.taxa_file, asked.card, n_listed)
            known, back_off = (None, None) if found is None else (found.known, found.back_off)
        if within:
            chosen = _within(table, within, backbone, notes)
            notes += [] if decided_anew else _among_all(chosen, back_off)
            table = table.filter(pa.array(chosen))
            if known is not None and len(chosen) == len(known.means) and chosen.any():
                known = known.only(chosen)
        gallery = zero_shot.taxon_gallery(
            encoder,
            table,
            text_type=text_type,
            templates=templates,
            cache=cache or zero_shot.default_cache(),
            progress=progress,
        )
    if prior is not None:
        log_prior, unknown = taxon_lists.read_prior(Path(prior), table, accepted=backbone.accepted if backbone else str)
        if unknown:
            some = ", ".join(unknown[:SHOWN])
            notes.append(
                f"{counted(len(unknown), f'name of {prior} is', f'names of {prior} are')} unknown or ambiguous here: {some}"
            )
        gallery = replace(gallery, log_prior=log_prior)
    if backbone is not None:
        notes += backbone.told("taxa named")
    return Choice(classes=gallery, known=known, back_off=back_off, notes=tuple(notes))


def _encoder(asked: "Store | Encoder") -> Encoder:
    return asked if isinstance(asked, Encoder) else asked.encoder


def _with_taxa(asked: "Store | Encoder", notes: list[str]) -> "Store | Encoder":
    """What the taxa are of: of a store whose pictures have none the encoder, where that has a list of its own."""
    if isinstance(asked, Encoder) or len(asked.taxonomy) or not asked.count() or asked.encoder.taxa_file is None:
        return asked
    notes.append(f"no picture in {asked.path} has a taxon")
    return asked.encoder


def _labels(labels: Labels) -> taxon_lists.LabelList | pa.Table:
    if isinstance(labels, str | Path):
        return taxon_lists.read_labels(Path(labels))
    return taxon_lists.LabelList(tuple(labels))


def _taxa(
    asked: "Store | Encoder", taxa: Taxa | None, rank: str, backbone: BackboneLabels | None, notes: list[str]
) -> pa.Table:
    if isinstance(taxa, pa.Table):
        return taxon_lists.taxa_table(taxa)
    if taxa is not None:
        return _listed(asked, Path(taxa), rank, backbone, notes)
    table = _known(asked)
    if table is None:
        raise InputError("nothing says what to choose from: give taxa, labels or a classifier")
    if isinstance(asked, Encoder):
        notes.append(
            f"choosing among the {table.num_rows:,} taxa that {asked.card.name} was trained on; give taxa to choose among others"
        )
    return table


def _known(asked: "Store | Encoder") -> pa.Table | None:
    """The taxa of a store, or those that an encoder was trained on."""
    if not isinstance(asked, Encoder):
        return taxon_lists.store_taxa(asked)
    return None if asked.taxa_file is None else taxon_lists.read_taxa(asked.taxa_file)


def _listed(
    asked: "Store | Encoder", path: Path, rank: str, backbone: BackboneLabels | None, notes: list[str]
) -> pa.Table:
    """The taxa of a file: names are those of known taxa, and a taxon above the rank stands for its known members."""
    listed, known = name_lists.read_listed(path), cache(partial(_known_or_none, asked))
    table = listed.table
    if listed.names:
        there = known()
        mask, others, missing = name_lists.find_names(listed.names, there, backbone)
        parts = [table, rank_table(others).append_column("common_name", pa.nulls(len(others), pa.large_string()))]
        if there is not None:
            parts.append(there.filter(pa.array(mask)))
        if missing:
            notes.append(name_lists.not_found(path, missing, len(listed.names)))
        if not any(part.num_rows for part in parts):
            raise InputError(
                f"none of {len(listed.names):,} names of {path} ({listed.names[0]!r}, ...) is known: give a list with ranks, a "
                "backbone, or pictures of a store that has these taxa"
            )
        table = taxon_lists.taxa_table(pa.concat_tables(parts))
    table, note = name_lists.with_members(table, rank, known, backbone)
    notes += filter(None, [note])
    return table


def _known_or_none(asked: "Store | Encoder") -> pa.Table | None:
    """The taxa that are known, where any are."""
    try:
        return _known(asked)
    except InputError:
        return None


def _within(table: pa.Table, clades: Sequence[str], backbone: BackboneLabels | None, notes: list[str]) -> np.ndarray:
    """Which taxa lie in one of some clades, or in one that a file lists; a clade that is not there may be a synonym."""
    kept = np.zeros(table.num_rows, bool)
    for clade in clades:
        if name_lists.is_list(clade):
            kept |= _within_listed(table, Path(clade), backbone, notes)
            continue
        try:
            kept |= taxon_lists.within(table, clade)
        except TaxonError:
            accepted = clade if backbone is None else backbone.accepted(clade)
            if accepted == clade:
                raise
            kept |= taxon_lists.within(table, accepted)
    return kept


def _among_all(chosen: np.ndarray, back_off: BackOff | None) -> list[str]:
    """What to say where answers stop as more classes decided it than are chosen."""
    if back_off is None or chosen.all():
        return []
    return [
        f"choosing among {counted(int(chosen.sum()), 'class', 'classes')} of {len(chosen):,}; how sure is enough was decided among all of them, "
        "so that for these alone no risk is promised: fit within the clade for that"
    ]


def _within_listed(table: pa.Table, path: Path, backbone: BackboneLabels | None, notes: list[str]) -> np.ndarray:
    listed = name_lists.read_listed(path)
    names: list[str | Taxon] = [*taxon_lists.taxa_of(listed.table), *listed.names]
    mask, others, missing = name_lists.find_names(names, table, backbone)
    missing += [taxon.name for taxon in others]
    if missing:
        notes.append(name_lists.not_found(path, missing, len(names)))
    if not mask.any():
        raise InputError(f"none of {len(names):,} names of {path} is among the {table.num_rows:,} taxa to choose from")
    return mask


def _precomputed(
    asked: "Store | Encoder", taxa: Path, within: Sequence[str], notes: list[str], backbone: BackboneLabels | None
) -> tuple[ClassGallery, pa.Table]:
    """Classes whose texts were encoded elsewhere, and their names. For a store's vectors no encoder is needed then."""
    scale = None if isinstance(asked, Encoder) else stored_text_scale(asked.card)
    if scale is None:
        scale = _encoder(asked).text_scale
    ready = read_precomputed(taxa, dim=asked.card.dim)
    if ready.n_empty:
        notes.append(f"{ready.n_empty:,} taxa of {taxa} have no vector and are left out")
    if backbone is not None:
        ready = replace(ready, table=backbone.table(ready.table))
    if within:
        ready = ready.only(_within(ready.table, within, backbone, notes))
    return zero_shot.gallery_of(ready.vectors, ready.table, scale), ready.table
