"""What predictions a store keeps of its pictures, in the columns that `analysis.classify.predicted_columns` writes."""

from collections import Counter
from typing import Any

from cladescope.index.store_reader import StoreReader
from cladescope.schema import NAMING, NOT_KNOWN, PREDICTED

BY = f"{PREDICTED}_by"


def describe_predicted(store: StoreReader) -> dict[str, Any] | None:
    """How many pictures have a prediction, of how many names, how many have none and why, and what made how many; None where none has one.

    A picture without a name has its verdict in place of one (`not known`, `empty`, `not sure`), and nothing in the columns of names;
    a class that is called `empty` is a name.
    """
    there = set(store.schema.names)
    if not {PREDICTED, BY} <= there:
        return None
    named = [name for name in NAMING if name in there]
    names: Counter[str] = Counter()
    unnamed: Counter[str] = Counter()
    makers: Counter[str] = Counter()
    for batch in store.scan([PREDICTED, BY, *named]):
        for row in batch.to_pylist():
            if row[PREDICTED] is not None:
                has_name = any(row[name] is not None for name in named)
                (names if has_name else unnamed)[row[PREDICTED]] += 1
                makers[row[BY] or "unknown"] += 1
    if not makers:
        return None
    return {
        "images": makers.total(),
        "not_known": unnamed[NOT_KNOWN],
        "unnamed": dict(unnamed),
        "names": len(names),
        "by": dict(makers),
    }
