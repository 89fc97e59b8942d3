"""The backbone that a verb is given: opened, fitted to the store, its conflicts written."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cladescope.embedding.backboned import BackboneLabels, BackboneSource
from cladescope.embedding.conflicts import check_place
from cladescope.embedding.records import Source
from cladescope.embedding.summary import EmbedSummary
from cladescope.errors import InputError
from cladescope.paths import local_path
from cladescope.taxonomy.backbone import Backbone

if TYPE_CHECKING:
    from cladescope.analysis.classify.classifier_file import Classifier
    from cladescope.index.store import Store


def labels_by(backbone: str | Path | None, conflicts: str | Path | None) -> BackboneLabels | None:
    """Labels as a backbone has them, None without one.

    Raises InputError where it cannot be opened, for conflicts without a backbone, and where these cannot be written, or only in place of another file.
    """
    if conflicts is not None:
        if backbone is None:
            raise InputError("conflicts are those with a backbone: name one, or leave the file of conflicts out")
        check_place(local_path(conflicts))
    return None if backbone is None else BackboneLabels(Backbone.open(local_path(backbone)))


def write_conflicts(labels: BackboneLabels | None, conflicts: str | Path | None) -> None:
    """Write what the backbone was not sure of, where a file for it is named, in place of an earlier one."""
    if labels is not None and conflicts is not None:
        labels.conflicts.write(local_path(conflicts))


def naming_of(
    labels: BackboneLabels | None, classifier: "Classifier | None", store: "Store | None", *, own_taxa: bool
) -> tuple[Mapping[str, str] | None, tuple[str, ...]]:
    """Which backbone gave answers their names, and what to say where another one named the store.

    It is the one that is given, else that of the classifier or, where the classes are a store's `own_taxa`, of the store.
    """
    asked = labels.named_by if labels is not None else classifier.backbone if classifier is not None else None
    if store is None:
        return asked, ()
    from cladescope.index.named_by import differing, named_by

    own = named_by(store) if own_taxa and classifier is None else None
    return asked or own, differing(store, asked or None)


class NamingJob:
    """What a backbone does in a job that fills a store; nothing where none is given."""

    def __init__(self, backbone: str | Path | None, conflicts: str | Path | None, *, change: bool) -> None:
        """`change` lets a backbone other than the store's name its pictures. Raises as `labels_by`."""
        if change and backbone is None:
            raise InputError("to change the backbone is to name another: name one, or leave the change out")
        self.labels = labels_by(backbone, conflicts)
        self._conflicts, self._change = conflicts, change
        self._notes: tuple[str, ...] = ()

    @property
    def backbone(self) -> Backbone | None:
        """Where names are looked up; None where none is given."""
        return None if self.labels is None else self.labels.backbone

    @property
    def settings(self) -> dict[str, object] | None:
        """What the run's manifest tells of it."""
        return None if self.labels is None else self.labels.to_dict()

    def source(self, source: Source) -> Source:
        """The source with the labels that the backbone gives."""
        return source if self.labels is None else BackboneSource(source, self.labels)

    def check(self, store: "Store") -> None:
        """Raises InputError where another backbone named the store's pictures, unless it may be changed."""
        from cladescope.index.named_by import check_backbone

        named_by = None if self.labels is None else self.labels.named_by
        self._notes = check_backbone(store, named_by, change=self._change)

    def finish(self, summary: EmbedSummary) -> None:
        """Write the conflicts, and tell in the summary what the user should know."""
        write_conflicts(self.labels, self._conflicts)
        told = () if self.labels is None else self.labels.told("records of the source named")
        summary.notes += (*self._notes, *told)
