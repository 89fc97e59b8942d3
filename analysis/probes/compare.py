"""Two encoders over the same pictures: paired differences of the probes that are means over pictures."""

import numpy as np

from cladescope.analysis.measures.bootstrap import percentiles, resampled_ratios
from cladescope.analysis.probes.pictures import Pictures
from cladescope.analysis.probes.result import Difference
from cladescope.analysis.probes.run import Probed
from cladescope.errors import InputError


def matched(sets: list[Pictures]) -> list[Pictures]:
    """The pictures that every set holds, in one order and with the first set's labels.

    Matched by image_id, else by content_hash. Raises InputError where fewer than 3 are shared.
    """
    for keys in ([one.ids for one in sets], [one.hashes for one in sets]):
        if not all(len(key) == len(one) for key, one in zip(keys, sets, strict=True)):
            continue
        places = [{key: row for row, key in reversed([*enumerate(of_set)]) if key} for of_set in keys]
        shared = [key for key in places[0] if all(key in place for place in places[1:])]
        if len(shared) >= 3:
            rows = sorted(shared, key=places[0].__getitem__)
            first = sets[0].take(np.array([places[0][key] for key in rows]))
            rest = [
                one.take(np.array([place[key] for key in rows]))
                for one, place in zip(sets[1:], places[1:], strict=True)
            ]
            return [
                first,
                *(Pictures(o.vectors, first.codes, first.names, first.lineage, *first_texts(first)) for o in rest),
            ]
    raise InputError("the stores share fewer than 3 pictures by image_id or content_hash: embed the same pictures")


def first_texts(first: Pictures) -> tuple[tuple[str, ...], tuple[str | None, ...], tuple[str | None, ...]]:
    """Ids, hashes and variants, as they stand beside every encoder's vectors."""
    return first.ids, first.hashes, first.variant


def differences(first: Probed, other: Probed, *, name: str, seed: int = 0) -> list[Difference]:
    """Other less first, for each probe of single pictures, over the pictures that both measured.

    Species are resampled (Efron & Tibshirani 1993, chapter 16); the two-sided p-value is twice the smaller share of
    resamples on one side of 0, at least 2 / (resamples + 1).
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
        drawn = resampled_ratios(difference, groups=groups[a], seed=seed)
        low, high = percentiles(drawn)
        side = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
        p = min(1.0, 2 * (side + 1) / (len(drawn) + 1))
        found.append(Difference(probe=key[0], rank=key[1], other=name, difference=float(difference.mean()), low=low, high=high, p_value=p))  # fmt: skip
    return found
