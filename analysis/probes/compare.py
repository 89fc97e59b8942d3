"""Two encoders over the same pictures: paired differences of the probes that are means over pictures."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int

from cladescope.analysis.measures.multiple_tests import holm
from cladescope.analysis.measures.sign_flips import sign_flips
from cladescope.analysis.pictures import Pictures
from cladescope.analysis.probes.result import Difference
from cladescope.analysis.probes.run import Probed
from cladescope.errors import InputError


def matched(sets: Sequence[Pictures]) -> list[Pictures]:
    """The pictures that every set holds, in the first set's order and with its rows.

    Matched by image_id, else by content_hash; of several pictures of one key the first is taken. Raises InputError where
    fewer than 3 are shared.
    """
    first = sets[0]
    for column in ("image_id", "content_hash"):
        keys = [one.texts(column) for one in sets]
        places = [_places(keys[0], of_set) for of_set in keys]
        # A key that came before is found at the row where it did.
        shared = np.flatnonzero((places[0] == np.arange(len(first))) & np.all([place >= 0 for place in places], axis=0))
        if len(shared) >= 3:
            kept = first.take(shared)
            rest = [
                replace(one, vectors=one.vectors[place[shared]], table=kept.table, ranks=kept.ranks)
                for one, place in zip(sets[1:], places[1:], strict=True)
            ]
            return [kept, *rest]
    raise InputError("the stores share fewer than 3 pictures by image_id or content_hash: embed the same pictures")


def _places(keys: pa.ChunkedArray, of_set: pa.ChunkedArray) -> Int[np.ndarray, " n"]:
    """For each key its first row in a set, -1 where it is not there."""
    found = pc.index_in(keys, value_set=of_set.combine_chunks(), skip_nulls=True)
    places: Int[np.ndarray, " n"] = pc.fill_null(found, -1).to_numpy().astype(np.int64)
    return places


def differences(first: Probed, other: Probed, *, name: str, seed: int = 0) -> list[Difference]:
    """Other less first, for each probe of single pictures, over the pictures that both measured.

    Whole species change places: see `sign_flips`. p-values are adjusted among all these probes (Holm 1979, A simple sequentially rejective multiple
    test procedure), intervals are of each probe alone.
    """
    found = []
    for key, (values, rows, groups) in first.items.items():
        if key not in other.items:
            continue
        there, other_rows = other.items[key][:2]
        _, a, b = np.intersect1d(rows, other_rows, return_indices=True)
        if not len(a):
            continue
        difference = there[b] - values[a]
        flips = sign_flips(difference, groups[a], seed=seed)
        found.append(Difference(
            probe=key[0], rank=key[1], other=name, difference=float(difference.mean()), n_species=flips.n_groups,
            low=flips.low, high=flips.high, p_value=flips.p_value,
        ))  # fmt: skip
    tested = [one.p_value for one in found if one.p_value is not None]
    adjusted = iter(holm(np.array(tested)).tolist()) if tested else iter(())
    return [one if one.p_value is None else replace(one, p_adjusted=next(adjusted)) for one in found]
