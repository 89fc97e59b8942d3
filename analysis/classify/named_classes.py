"""Classes under the names that a backbone gives them: synonyms become accepted names, and classes of one name are one answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from cladescope.analysis.classify.class_gallery import Classes, ClassGallery
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.embedding.backboned import BackboneLabels
from cladescope.taxonomy.rank_table import rank_table


@dataclass(frozen=True, eq=False)
class NamedClasses:
    """Classes, and what plain labels count towards."""

    classes: Classes
    bins: tuple[str, ...] | None = None


def named_classes(classes: Classes, backbone: BackboneLabels) -> NamedClasses:
    """The classes of a classifier under a backbone's names; vectors and probabilities stay."""
    tree = classes.tree
    if tree is None:
        return named_labels(classes, None, backbone)
    named = backbone.table(class_table(classes, tree))
    own = ClassTree.from_table(named)
    changed: Any = {"tree": own, "labels": tuple(own.names())}
    if isinstance(classes, ClassGallery):
        changed["common_names"] = named["common_name"].to_pylist()
    return NamedClasses(replace(classes, **changed))  # type: ignore[type-var]


def class_table(classes: Classes, tree: ClassTree) -> pa.Table:
    """A row for each class, in their order: its ranks and `common_name`, null where unknown."""
    table = rank_table(tree.class_taxon(row) for row in range(tree.n_classes))
    common = getattr(classes, "common_names", None)
    names = pa.array([None] * tree.n_classes if common is None else list(common), pa.large_string())
    return table.append_column("common_name", names)


def named_labels(classes: Classes, bins: Sequence[str] | None, backbone: BackboneLabels | None) -> NamedClasses:
    """Plain labels, or what they count towards, under a backbone's names: those of one accepted name are summed."""
    if backbone is None:
        return NamedClasses(classes, None if bins is None else tuple(bins))
    shown = tuple(classes.labels if bins is None else bins)
    named = tuple(map(backbone.accepted, shown))
    return NamedClasses(classes, named if bins is not None or named != shown else None)
