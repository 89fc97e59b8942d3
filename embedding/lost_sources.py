"""Sources of a store that are not there any more, as a folder that was moved."""

import os

import pyarrow.compute as pc

from cladescope.embedding.job import SyncSink
from cladescope.embedding.locations import local_path


def lost_addresses(sink: SyncSink, own: str) -> frozenset[str]:
    """Other local sources of the store that are not there any more, by what is known of them."""
    addresses: set[str] = set()
    for batch in sink.origins(["address"]):
        addresses |= set(pc.unique(batch.column("address")).to_pylist())
    return frozenset(address for address in addresses - {own} if _is_lost(address))


def _is_lost(address: str) -> bool:
    """Whether a source lay on this machine's disk and does not now; of a pattern that is not asked."""
    path = local_path(address)
    if path is None or any(mark in path for mark in "*?[{"):
        return False
    return not os.path.lexists(path)
