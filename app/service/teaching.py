"""Teaching a store's pictures by hand: what the classes of a request say of all of them, as plain values. Nothing is written."""

from typing import Any

from cladescope.analysis.classify.taught import Taught, Whole, teach
from cladescope.app.service.asked_models import TeachAsked
from cladescope.app.service.served_store import ServedStore
from cladescope.errors import TaxonError
from cladescope.index.store import Store
from cladescope.taxonomy import Taxon


def taught(served: ServedStore, asked: TeachAsked) -> tuple[Whole, Taught]:
    """The pictures, and what the classes say of them. Vectors are read once a version of the store.

    Where every class is called like a taxon of the store, and each like another, classes are these taxa, and pictures are named as deep as is sure enough.

    Raises RefusalError for a picture in two classes.
    """
    with served.reading() as store:
        whole = served.of_version("teaching", Whole.of)
        return whole, teach(
            whole,
            asked.classes,
            taxa=_taxa(store, list(asked.classes)),
            risk=asked.risk,
            n_next=asked.next,
            method=asked.method,
        )


def shown(found: Taught) -> dict[str, Any]:
    """What is answered."""
    named = found.counts
    accuracy, level = found.accuracy, found.level
    return {
        "classes": [{"label": label, "images": n} for label, n in zip(found.labels, found.given, strict=True)],
        "accuracy": None
        if accuracy is None
        else {**dict(zip(("value", "low", "high"), accuracy, strict=True)), "asked": found.asked},
        "said": list(found.said),
        "next": [
            {
                "image_id": one.image_id,
                "label": one.label,
                "score": one.score,
                "second": one.second,
                "second_score": one.second_score,
            }
            for one in found.next
        ],
        "counts": [{"label": label, "images": n} for label, n in zip(found.labels, named, strict=True)],
        "unsure": len(found.codes) - sum(named),
        "total": len(found.codes),
        "level": None if level is None else {"rank": level[0], "share": level[1]},
    }


def _taxa(store: Store, labels: list[str]) -> list[Taxon] | None:
    """The taxa that labels are called like; None where one is not, or two are one taxon."""
    found: list[Taxon] = []
    try:
        for label in labels:
            (taxon,) = store.taxonomy.resolve(label)
            found.append(taxon)
    except (TaxonError, ValueError):
        return None
    return found if len(set(found)) == len(found) else None
