"""Which pictures are left out of an index while it is measured: whole groups of kin, rare species among them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int, Int32

from cladescope.embedding.kin import kin_of

MOST = 1000
"""Pictures that are left out at most."""
SHARE = 10
"""No more than one picture in so many, except that `FEW` are wanted."""
FEW = 100
SMALL_SHARE = 4
"""Of a small store one picture in so many at most."""
RARE_IMAGES = 5
"""A species with at most so many pictures is rare."""
FEWEST_GROUPS = 100
"""Where groups are large, as many pictures more are left out as make so many of them: a mean over few groups says little."""
RARE_PART = 0.3
"""Part of those left out that is chosen among rare species."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Rows that are left out, and what for; `kin` numbers the rows' groups."""

    mask: Bool[np.ndarray, " n"]
    """All that are left out."""
    at_random: Bool[np.ndarray, " n"]
    """Those that stand as queries, of groups drawn among all: their mean stands for the store. Of large groups only some do."""
    of_rare: Bool[np.ndarray, " n"]
    """Those of groups drawn among those that hold a rare lineage."""
    kin: Int[np.ndarray, " n"]

    def taken(self, order: Int[np.ndarray, " n"]) -> "HeldOut":
        """The same of rows in another order."""
        return HeldOut(self.mask[order], self.at_random[order], self.of_rare[order], self.kin[order])


def held_out(table: pa.RecordBatch, codes: Int32[np.ndarray, " n"], *, seed: int = 0) -> HeldOut:
    """Draw the rows to leave out; groups are those of `embedding.kin`, joined where pictures have one content.

    A tenth of the rows at most, or a quarter of a store of fewer than 1,000, and 1,000 in all, or more where these are of fewer
    than `FEWEST_GROUPS` groups. `codes` number the rows' lineages. A group of more than 250, or a quarter of what is left out,
    stays in: it would stand for nothing but itself.

    >>> table = pa.RecordBatch.from_pylist([{"uri": f"/{i}", "observation_id": None, "content_hash": None} for i in range(40)])
    >>> int(held_out(table, np.zeros(40, np.int32)).mask.sum())
    10
    """
    n = table.num_rows
    limit = min(MOST, max(n // SHARE, min(FEW, n // SMALL_SHARE)))
    kin = groups_of(table)
    sizes = np.bincount(kin)
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(sizes))
    order = order[sizes[order] <= max(1, limit // 4)]
    rare_rows = np.bincount(codes)[codes] <= RARE_IMAGES
    is_rare = np.zeros(len(sizes), bool)
    is_rare[kin[rare_rows]] = True
    n_rare = min(int(limit * RARE_PART), int(sizes[order[is_rare[order]]].sum()) // 2)
    chosen = _first(order, sizes, limit - n_rare, most=max(limit, n // SHARE) - n_rare)
    rest = order[is_rare[order] & ~np.isin(order, chosen)]
    rare = _first(rest, sizes, n_rare, most=n_rare)
    at_random, of_rare = np.isin(kin, chosen), np.isin(kin, rare)
    return HeldOut(at_random | of_rare, _thinned(at_random, kin, limit - n_rare, generator), of_rare, kin)


def groups_of(table: pa.RecordBatch) -> Int[np.ndarray, " n"]:
    """A number for each row, equal for rows of one photograph, one observation or one content."""
    return kin_of(*(table.column(name).cast(pa.string()) for name in ("uri", "observation_id", "content_hash")))


def _first(order: Int[np.ndarray, " g"], sizes: Int[np.ndarray, " all"], limit: int, *, most: int) -> np.ndarray:
    """The first groups of an order that hold no more than `limit` rows together, or `most` while they are few."""
    rows = np.cumsum(sizes[order])
    n_few = min(FEWEST_GROUPS, int(np.count_nonzero(rows <= most)))
    return order[: max(int(np.count_nonzero(rows <= limit)), n_few)]


def _thinned(
    mask: Bool[np.ndarray, " n"], kin: Int[np.ndarray, " n"], limit: int, generator: np.random.Generator
) -> Bool[np.ndarray, " n"]:
    """A mask of about so many rows, with no more of one group than that takes."""
    rows = np.flatnonzero(mask)
    if len(rows) <= limit:
        return mask
    rows = generator.permutation(rows)
    rows = rows[np.argsort(kin[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(kin[rows], prepend=-1))
    place = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
    kept = np.zeros(len(mask), bool)
    kept[rows[place < max(1, limit // len(starts))]] = True
    return kept
