"""Which backbone gave the names in a store: release and hash, as the last job that used one noted them."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cladescope.errors import InputError

if TYPE_CHECKING:
    from cladescope.index.store_reader import StoreReader

NamedBy = Mapping[str, str]
"""A backbone's `release` and `hash`."""


def named_by(store: "StoreReader") -> NamedBy | None:
    """The backbone of the last job that named pictures of a store by one; None where none did."""
    for text in store.runs.sort_by([("started", "descending")]).column("manifest").to_pylist():
        told = (json.loads(text).get("settings") or {}).get("backbone")
        if isinstance(told, dict) and told.get("hash"):
            return {"release": str(told.get("release", "")), "hash": str(told["hash"])}
    return None


def check_backbone(store: "StoreReader", asked: NamedBy | None, *, change: bool = False) -> tuple[str, ...]:
    """What to say where pictures are added to a store whose names come from another backbone, or from one and these do not.

    Raises InputError for another backbone than the store's, unless `change`: names of two releases side by side split taxa in two.
    """
    before = named_by(store)
    if before is None or (asked is not None and asked["hash"] == before["hash"]):
        return ()
    if asked is None:
        return (
            f"{store.path} is named by the backbone {shown(before)}, and this job by none: its labels are as the source writes them",
        )
    if not change:
        raise InputError(
            f"{store.path} is named by the backbone {shown(before)}, found {shown(asked)}: take the same one, or another store, "
            "or ask to change the backbone"
        )
    return (
        f"{store.path} was named by the backbone {shown(before)}, this job's names are of {shown(asked)}: "
        "pictures of other sources keep theirs until they are embedded again",
    )


def differing(store: "StoreReader", asked: NamedBy | None) -> tuple[str, ...]:
    """What to say where a store is asked by another backbone than the one that named it."""
    before = named_by(store)
    if before is None or asked is None or asked["hash"] == before["hash"]:
        return ()
    return (f"{store.path} is named by the backbone {shown(before)}, and the answers by {shown(asked)}",)


def shown(backbone: NamedBy) -> str:
    """A backbone as messages call it.

    >>> shown({"release": "GBIF 2023", "hash": "0123456789abcdef"})
    "'GBIF 2023' (01234567)"
    """
    return f"{backbone['release']!r} ({backbone['hash'][:8]})"
