"""Labelled pictures of a store: by a rank of their lineage, or by a CSV of labels."""

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.errors import InputError, TaxonError
from cladescope.index.store import Store
from cladescope.taxonomy.rank_table import rank_codes
from cladescope.taxonomy.taxon import RANK_INDEX, RANKS, Taxon

KEYS = ("image_id", "uri", "file", "file_name", "filename", "path")
"""Columns by which a CSV may name pictures, the first that is there."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """n pictures of c classes, and what was left out."""

    vectors: Float[np.ndarray, "n d"]
    """float16, as stored: 2 n d bytes."""
    classes: Int[np.ndarray, " n"]
    labels: tuple[str, ...]
    tree: ClassTree | None
    without_label: int
    """Pictures of the store that have no label."""
    missing: tuple[str, ...] = ()
    """Pictures with a label that the store does not have."""

    def take(self, chosen: np.ndarray) -> "Labelled":
        """Some of the pictures; every class must keep one."""
        return Labelled(
            self.vectors[chosen], self.classes[chosen], self.labels, self.tree, self.without_label, self.missing
        )


def by_rank(store: Store, rank: str, *, within: str | None = None) -> Labelled:
    """Pictures by their taxon at a rank; those whose lineage ends above it, or lacks it, are left out and counted.

    A label is the taxon's name, or its path where two taxa have one name.

    Raises TaxonError for an unknown rank or clade, InputError where no picture has the rank.
    """
    if rank not in RANK_INDEX:
        raise TaxonError(f"found {rank!r}, expected a rank: {', '.join(RANKS)}")
    depth = RANK_INDEX[rank] + 1
    ranks, vectors = _read(store, RANKS[:depth], within)
    names, codes = rank_codes(ranks)
    has = codes[:, depth - 1] > 0
    if not has.any():
        where = f" in {within}" if within else ""
        raise InputError(f"none of {len(has)} pictures{where} has a {rank}: choose another --rank, or give --labels")
    paths, classes = np.unique(codes[has, :depth], axis=0, return_inverse=True)
    taxa = [Taxon(tuple(names[code - 1] if code else None for code in path)) for path in paths.tolist()]
    often = Counter(taxon.name for taxon in taxa)
    labels = tuple(taxon.name if often[taxon.name] == 1 else str(taxon) for taxon in taxa)
    return Labelled(vectors[has], classes.ravel(), labels, ClassTree.from_taxa(taxa), int((~has).sum()))


def by_csv(store: Store, path: Path, *, within: str | None = None) -> Labelled:
    """Pictures by a CSV with a column that names them (one of `KEYS`) and one of labels.

    The labels' column is `label`, or the only other one. Pictures are named by image_id, or by their uri or the end of it
    (a file name). Labels keep the order of the file; a picture without a label is left out.

    Raises InputError where the columns are not there, a picture has two labels, or no picture of the file is in the store.
    """
    key, wanted = _read_labels(path)
    keys, vectors = _read(store, ("image_id" if key == "image_id" else "uri",), within)
    chosen, found, used = [], [], set()
    for row, name in enumerate(keys.column(0).to_pylist()):
        match = name if key == "image_id" else _end_of(name, wanted)
        if match in wanted:
            chosen.append(row)
            found.append(wanted[match])
            used.add(match)
    missing = tuple(name for name in wanted if name not in used)
    if not chosen:
        some = next(iter(wanted), "none")
        raise InputError(f"none of the {len(wanted)} pictures of {path} (such as {some!r}) is in {store.path}")
    labels = tuple(dict.fromkeys(wanted.values()))
    number = {label: place for place, label in enumerate(labels)}
    classes = np.array([number[label] for label in found])
    empty = [label for label in labels if label not in set(found)]
    if empty:
        raise InputError(
            f"class {empty[0]!r} of {path} has no picture in {store.path} ({len(empty)} such class(es)): "
            "embed its pictures, or leave it out"
        )
    return Labelled(vectors[chosen], classes, labels, None, len(vectors) - len(chosen), missing)


def _read(store: Store, columns: tuple[str, ...], within: str | None) -> tuple[pa.Table, Float[np.ndarray, "n d"]]:
    """Columns and vectors of a store or a clade."""
    batches = list(store.scan([*columns, "vector"], condition=store.condition(within=within)))
    rows = sum(batch.num_rows for batch in batches)
    if not rows:
        raise InputError(f"{store.path} has no picture{f' in {within}' if within else ''}: embed some first")
    flat = [batch.column("vector").flatten().to_numpy(zero_copy_only=False) for batch in batches]
    vectors = np.concatenate(flat).reshape(rows, store.card.dim)
    return pa.Table.from_batches(batches).select(list(columns)), vectors


def _read_labels(path: Path) -> tuple[str, dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = list(reader.fieldnames or [])
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as CSV ({error}): expected columns such as image_id,label") from error
    key = next((name for name in KEYS if name in columns), None)
    others = [name for name in columns if name not in KEYS]
    column = "label" if "label" in columns else others[0] if len(others) == 1 else None
    if key is None or column is None:
        raise InputError(
            f"{path} has the columns {', '.join(columns) or 'none'}: expected one of {', '.join(KEYS)} and `label`"
        )
    wanted: dict[str, str] = {}
    for row in rows:
        name, label = (row[key] or "").strip(), (row[column] or "").strip()
        if not name or not label:
            continue
        if wanted.setdefault(name, label) != label:
            raise InputError(f"{path} calls {name!r} both {wanted[name]!r} and {label!r}: keep one label a picture")
    return key, wanted


def _end_of(uri: str, wanted: dict[str, str]) -> str | None:
    """The longest end of a uri, cut at slashes, that is wanted."""
    end = uri
    while end not in wanted:
        _, slash, end = end.partition("/")
        if not slash:
            return None
    return end
