"""Building an index, so that a large store is searched fast."""

import re
from math import log10

from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, opened
from cladescope.errors import InputError, UsageError
from cladescope.index.ann import kinds
from cladescope.index.ann.build import build, check_target
from cladescope.index.ann.card import IndexCard
from cladescope.index.ann.compare import Limits
from cladescope.index.ann.files import remove
from cladescope.index.ann.refresh import refresh as refreshed
from cladescope.index.defaults import AUTO, TARGET_RECALL

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


@checked
def build_index(
    store: AnyStore,
    *,
    kind: str = AUTO,
    target_recall: float = TARGET_RECALL,
    max_memory: str | None = None,
    max_minutes: float | None = None,
    refresh: bool = False,
    vectors: str | None = None,
) -> IndexCard | None:
    """Build a store's index, measure how often it finds what exact search finds, and return its card.

    `kind` is `auto`, `flat` (every vector is compared, from a file that is mapped into memory), `hnsw`, `hnsw-sq8`, `ivf-flat`,
    `ivf-pq`, `ivf-rabitq`, or any FAISS factory string, such as `IVF1024,PQ48x4fs`. `auto` is `flat` below 20,000 pictures and the
    fastest of these that meets the target above; `max_memory` (`2GB`; vectors and all) and `max_minutes` limit it. `none`
    removes the index, and None is returned. `target_recall` is the share of the exact 10 nearest to be found, for every kind of
    query; if it cannot be reached, the card's `target_met` is False and `failing` names the kinds. `refresh` adds to the index
    that is there what the store took in since, and builds nothing. `vectors` names those of a further encoder, which have an index of their own.

    The store may be read and written meanwhile.

    Raises InputError for a share outside 0 to 1, an unknown kind, one beyond the limits or a store of fewer than two pictures; StoreError
    if the index cannot be written, or another is built.

    >>> import cladescope
    >>> cladescope.build_index("photos.store", kind="hnsw").ann_recall["10"]
    1.0
    """
    limits = asked_limits(kind, target_recall, max_memory, max_minutes)
    if refresh and (kind != AUTO or limits or target_recall != TARGET_RECALL):
        raise InputError("refresh keeps the index as it was built: leave out kind, target recall and limits")
    held = opened(store, vectors=vectors)
    if refresh:
        return refreshed(held)
    if kind == kinds.NONE or (kind == AUTO and held.count() < 2):
        remove(held.path, held.vectors_name)
        return None
    return build(held, kind=kind, target_recall=target_recall, limits=limits)


def asked_limits(kind: str, target_recall: float, max_memory: str | None, max_minutes: float | None) -> Limits:
    """The limits, once all that is asked is checked, before any store is opened. Raises UsageError for what is never taken."""
    check_target(target_recall)
    kinds.check_word(kind)
    return Limits(memory=None if max_memory is None else bytes_of(max_memory), seconds=_seconds(max_minutes))


def bytes_of(text: str) -> int:
    """A number of bytes as people write it. Raises UsageError for anything else.

    >>> bytes_of("2GB"), bytes_of("500 MB"), bytes_of("1.5g"), bytes_of("2GiB")
    (2000000000, 500000000, 1500000000, 2147483648)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:([kmgt]?)(i?)b?)\s*", text, re.IGNORECASE)
    if found is None or not float(found[1]):
        raise UsageError(f"found the size {text!r}, expected a number of bytes such as 500MB or 2GB")
    unit = _UNITS[found[2].lower()]
    return int(float(found[1]) * (unit if not found[3] else 2 ** (10 * round(log10(unit) / 3))))


def _seconds(minutes: float | None) -> float | None:
    if minutes is not None and not 0 < minutes < float("inf"):
        raise UsageError(f"max_minutes is {minutes}: it must be above 0, for instance 10")
    return None if minutes is None else 60 * minutes
