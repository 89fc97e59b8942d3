"""What predictions a store keeps of its pictures, in the columns that `analysis.classify.predicted_columns` writes."""

from collections import Counter
from typing import Any

from cladescope.index.store_reader import StoreReader
from cladescope.schema import NOT_KNOWN, PREDICTED

BY = f"{PREDICTED}_by"


def describe_predicted(store: StoreReader) -> dict[str, Any] | None:
    """How many pictures have a prediction, of how many names, how many are not known, and what made how many; None where none has one."""
    if not {PREDICTED, BY} <= set(store.schema.names):
        return None
    names: Counter[str] = Counter()
    makers: Counter[str] = Counter()
    for batch in store.scan([PREDICTED, BY]):
        for row in batch.to_pylist():
            if row[PREDICTED] is not None:
                names[row[PREDICTED]] += 1
                makers[row[BY] or "unknown"] += 1
    if not names:
        return None
    known = names.total() - names[NOT_KNOWN]
    return {
        "images": names.total(),
        "not_known": names.total() - known,
        "names": len(names.keys() - {NOT_KNOWN}),
        "by": dict(makers),
    }
