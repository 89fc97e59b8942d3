"""Leaks: one picture, its copy, or pictures of one observation on both sides of a split, or in two sets."""

import numpy as np
import pyarrow.compute as pc
from jaxtyping import Int

from cladescope.analysis.audit import duplicates
from cladescope.analysis.audit.rows import Row, named
from cladescope.analysis.pictures import Pictures
from cladescope.embedding.kin import numbers_of, parents_of
from cladescope.index import exact
from cladescope.index.clusters import groups


def split_leaks(
    pictures: Pictures,
    split: str,
    exact_pairs: Int[np.ndarray, "pairs 2"],
    near_pairs: Int[np.ndarray, "others 2"],
) -> list[Row]:
    """Groups of pictures whose values in the column `split` differ: exact copies, near-duplicates, one observation, boxes of one
    picture (`parent`).

    A picture without a value lies on no side, and is shown in its group all the same.
    """
    sides, side_names = pictures.numbered(split), pictures.texts(split)
    observed = duplicates.same_value(pictures.numbered("observation_id"))
    parents = duplicates.same_value(numbers_of(parents_of(pictures.texts("uri"))))
    table: list[Row] = []
    ways = {"content_hash": exact_pairs, "near_duplicate": near_pairs, "observation_id": observed, "parent": parents}
    for by, pairs in ways.items():
        mixed = [
            (number, group)
            for number, group in enumerate(groups(len(pictures), pairs))
            if duplicates.is_mixed(group, sides)
        ]
        rows = np.concatenate([*(group for _, group in mixed), np.empty(0, np.int64)])
        numbers = np.repeat([number for number, _ in mixed], [len(group) for _, group in mixed])
        table += [
            {"by": by, "group": number, "side": side_names[row].as_py(), **about}
            for number, row, about in zip(numbers.tolist(), rows.tolist(), named(pictures, rows), strict=True)
        ]
    return table


def leaks_against(pictures: Pictures, other: Pictures, least: float) -> list[Row]:
    """Pictures of this set that the other set holds too: one group a picture and a way of knowing.

    Near-duplicates score `least` or more.
    """
    table: list[Row] = []
    for by in ("content_hash", "observation_id", "parent"):
        mine, their = (parents_of(one.texts("uri")) if by == "parent" else one.texts(by) for one in (pictures, other))
        # Of pictures of one value in the other set, the last is shown.
        theirs = pc.index_in(mine, value_set=their.take(_backwards(other)), skip_nulls=True)
        place = pc.fill_null(theirs, -1).to_numpy().astype(np.int64)
        rows = np.flatnonzero(place >= 0)
        table += _pairs(by, pictures, rows, other, len(other) - 1 - place[rows])
    if len(other):
        scores, found = exact.search([(np.arange(len(other)), other.vectors)], pictures.vectors, 1)
        rows = np.flatnonzero(scores[:, 0] >= least)
        table += _pairs("near_duplicate", pictures, rows, other, found[rows, 0])
    return table


def _backwards(pictures: Pictures) -> Int[np.ndarray, " n"]:
    return np.arange(len(pictures))[::-1].copy()


def _pairs(
    by: str, pictures: Pictures, rows: Int[np.ndarray, " p"], other: Pictures, theirs: Int[np.ndarray, " p"]
) -> list[Row]:
    return [
        {"by": by, "group": f"against-{row}", "side": side, **about}
        for row, mine, their in zip(rows.tolist(), named(pictures, rows), named(other, theirs), strict=True)
        for side, about in (("store", mine), ("against", their))
    ]
