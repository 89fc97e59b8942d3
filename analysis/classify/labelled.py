"""Which picture belongs to which class: by a rank of its lineage, or by a CSV of labels."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int

from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.pictures import Pictures
from cladescope.delimited import DelimitedText, local_opener
from cladescope.delimited.headers import spelled, squash
from cladescope.embedding.columns import ID_NAMES, PATH_NAMES
from cladescope.errors import InputError
from cladescope.schema import LABEL
from cladescope.shown import counted
from cladescope.taxonomy.spelling import fold, in_one_spelling, tidy
from cladescope.taxonomy.taxon import RANKS

logger = logging.getLogger(__name__)

KEYS = ("image_id", "uri", *PATH_NAMES, *ID_NAMES)
"""Columns by which a table may name pictures, in any case and spelling, the first that is there."""
_MISSING = ("NA", r"\N")
"""What R and databases write for a label that is not known."""
_IDS = frozenset(map(squash, ID_NAMES))


@dataclass(frozen=True, eq=False)
class Labelled:
    """n pictures of c classes."""

    pictures: Pictures
    """Those that have a label; what has none is counted in its `left_out`."""
    classes: Int[np.ndarray, " n"]
    """Position of each picture's label in `labels`."""
    labels: tuple[str, ...]
    tree: ClassTree | None
    """The classes as taxa; None where they are plain labels."""
    without_label: int
    """Pictures that have no label, or lack the rank."""
    missing: tuple[str, ...] = ()
    """Pictures with a label that are not among those given."""
    unfilled: int = 0
    """Rows of a table that lack a label, or a picture."""

    def take(self, rows: Int[np.ndarray, " m"]) -> "Labelled":
        """Some of the pictures; every class must keep one."""
        return replace(self, pictures=self.pictures.take(rows), classes=self.classes[rows])

    def renamed(self, labels: Sequence[str]) -> "Labelled":
        """The pictures under other labels, one for each; classes of one label become one.

        >>> found = by_label(Pictures.of_table(np.eye(2), pa.table({"image_id": ["a", "b"]})), {"a": "tit", "b": "titmouse"})
        >>> found.renamed(["tit", "tit"]).classes.tolist()
        [0, 0]
        """
        names = tuple(dict.fromkeys(labels))
        place = np.array([names.index(label) for label in labels])
        return replace(self, classes=place[self.classes], labels=names)


def by_rank(pictures: Pictures, rank: str) -> Labelled:
    """Pictures by their taxon at a rank; those whose lineage ends above it, or lacks it, are left out and counted.

    A label is the taxon's name, or its path where two taxa have one name.

    Raises TaxonError for an unknown rank, InputError where no picture has the rank.

    >>> table = pa.table({"family": ["Paridae", "Paridae", "Corvidae"], "genus": ["Parus", None, "Corvus"]})
    >>> found = by_rank(Pictures.of_table(np.eye(3), table), "genus")
    >>> found.labels, found.classes.tolist(), found.without_label
    (('Corvus', 'Parus'), [1, 0], 1)
    """
    numbers = pictures.labels(rank)
    rows = np.flatnonzero(numbers >= 0)
    if not len(rows):
        raise InputError(
            f"none of {len(pictures):,} pictures has a {rank}: put those of each class into a folder of its own and learn from the rank label, "
            "choose another rank, or give a table of names"
        )
    taxa = pictures.taxa(rank)
    often = Counter(taxon.name for taxon in taxa)
    labels = tuple(taxon.name if often[taxon.name] == 1 else str(taxon) for taxon in taxa)
    return _labelled(pictures, rows, numbers[rows], labels, reason=f"no {rank}", tree=ClassTree.from_taxa(taxa))


def of_several_lineages(tree: ClassTree) -> list[str]:
    """Names of one rank that stand under taxa of different names, so that labels contradict each other or two taxa share a name.

    >>> from cladescope.taxonomy.taxon import Taxon
    >>> tit, slip = (Taxon(("Animalia", "Chordata", "Aves", None, family, "Parus")) for family in ("Paridae", "Corvidae"))
    >>> of_several_lineages(ClassTree.from_taxa([tit, slip]))
    ['the genus Parus (in Corvidae, in Paridae)']
    """
    above: dict[tuple[int, str], set[str]] = {}
    for node in range(len(tree)):
        parent = int(tree.parent[node])
        place = (int(tree.rank[node]), tree.taxon(node).name)
        above.setdefault(place, set()).add(tree.taxon(parent).name if parent >= 0 else "no taxon")
    return [
        f"the {RANKS[rank]} {name} ({', '.join(f'in {one}' for one in sorted(names))})"
        for (rank, name), names in sorted(above.items())
        if len(names) > 1
    ]


def by_column(pictures: Pictures, column: str = LABEL) -> Labelled:
    """Pictures by their value in a column of the store, such as `label`: the name of the folder in which a picture lies.

    A label is no taxon; spellings of one name are one label. Labels are sorted. Those without one are left out and counted.

    Raises InputError where no picture has one, as of a table without such a column.

    >>> table = pa.table({"label": ["tit", "crow", None, "Tit", "tit"]})
    >>> found = by_column(Pictures.of_table(np.eye(5), table))
    >>> found.labels, found.classes.tolist(), found.without_label
    (('Tit', 'crow'), [0, 1, 0, 0], 1)
    """
    texts = pictures.texts(column)
    missing = pc.is_in(texts, value_set=pa.array(_MISSING, texts.type))
    said = pc.and_(pc.is_valid(texts), pc.invert(missing)).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(said)
    if not len(rows):
        raise InputError(
            f"none of {len(pictures)} pictures has a {column}: embed a folder whose folders are the classes (labels from `parent` take "
            "whatever they are called), or give labels"
        )
    names = in_one_spelling(texts.filter(pa.array(said)).to_pylist())
    labels, classes = np.unique(np.array(names, dtype=object), return_inverse=True)
    return _labelled(pictures, rows, classes.astype(np.int64), labels.tolist(), reason=f"no {column}")


def of_several_folders(labelled: Labelled) -> list[str]:
    """Labels whose pictures lie in several folders of that name, as `early` of `tit/early` and `crow/early`.

    >>> table = pa.table({"label": ["early", "early", "x"], "uri": ["/tit/early/a.jpg", "/crow/early/a.jpg", "/x/b/a.jpg"]})
    >>> of_several_folders(by_column(Pictures.of_table(np.eye(3), table)))
    ['early']
    """
    folders = pc.replace_substring_regex(labelled.pictures.texts("uri"), "/[^/]*$", "").to_pylist()
    several = {(number, folder) for number, folder in zip(labelled.classes.tolist(), folders, strict=True) if folder}
    # A label may be the name of a folder further up, as of `tit/2024-05-03`.
    pairs = {(number, _down_to(folder, labelled.labels[number])) for number, folder in several}
    often = Counter(number for number, _ in pairs)
    return [labelled.labels[number] for number in sorted(often) if often[number] > 1]


def _down_to(folder: str, label: str) -> str:
    """The path of the deepest folder of a name, or the whole path where there is none."""
    parts = folder.split("/")
    place = next((i for i in reversed(range(len(parts))) if fold(parts[i]) == fold(label)), len(parts) - 1)
    return "/".join(parts[: place + 1])


def by_csv(pictures: Pictures, path: Path) -> Labelled:
    """Pictures by a CSV with a column that names them (one of `KEYS`) and one of labels: `label`, or the only other one.

    Raises InputError where the columns are not there, a picture has two labels, and as `by_label` does.
    """
    key, wanted, unfilled = _read_labels(path)
    if not wanted:
        raise InputError(
            f"{path} gives no picture a label: {counted(unfilled, 'row')}, none with both a picture and a label"
        )
    return replace(by_label(pictures, wanted, by_id=key in _IDS, source=str(path)), unfilled=unfilled)


def by_label(
    pictures: Pictures, wanted: Mapping[str, str], *, by_id: bool = True, source: str = "the labels"
) -> Labelled:
    """Pictures by a label for each image_id or, without `by_id`, for each uri or the end of it (a file name).

    Labels keep the order in which they are first given; a picture without a label is left out.

    Raises InputError where no picture that has a label is among those given, or a class has none.

    >>> pictures = Pictures.of_table(np.eye(3), pa.table({"image_id": ["a", "b", "c"]}))
    >>> found = by_label(pictures, {"c": "tit", "a": "crow", "z": "tit"})
    >>> found.labels, found.classes.tolist(), found.missing
    (('tit', 'crow'), [1, 0], ('z',))
    """
    names = pa.array(list(wanted), pa.large_string())
    found = (
        pc.fill_null(pc.index_in(pictures.texts("image_id"), value_set=names), -1).to_numpy().astype(np.int64)
        if by_id
        else ends_among(pictures.texts("uri"), names)
    )
    rows = np.flatnonzero(found >= 0)
    if not len(rows):
        some = next(iter(wanted), "none")
        raise InputError(f"none of the {len(wanted)} pictures of {source} (such as {some!r}) is in the store")
    labels = tuple(dict.fromkeys(wanted.values()))
    place = {label: number for number, label in enumerate(labels)}
    classes = np.array([place[label] for label in wanted.values()])[found[rows]]
    counts = np.bincount(classes, minlength=len(labels))
    if (counts == 0).any():
        raise InputError(
            f"class {labels[int(counts.argmin())]!r} of {source} has no picture in the store "
            f"({int((counts == 0).sum())} such class(es)): embed its pictures, or leave it out"
        )
    unused = np.setdiff1d(np.arange(len(names)), found[rows])
    missing = tuple(names.take(pa.array(unused)).to_pylist())
    return _labelled(pictures, rows, classes, labels, reason="no label", missing=missing)


def ends_among(uris: pa.ChunkedArray, names: pa.Array) -> Int[np.ndarray, " n"]:
    """Position in `names` of the longest end of each uri, cut at slashes, that is one of them; -1 where none is.

    >>> ends_among(pa.chunked_array([["/a/b/tit.jpg", "/a/c/tit.jpg", "owl.jpg"]]), pa.array(["tit.jpg", "c/tit.jpg"])).tolist()
    [0, 1, -1]
    """
    found = np.full(len(uris), -1, np.int64)
    ends, rows = uris.combine_chunks(), np.arange(len(uris))
    while len(rows):
        match = pc.fill_null(pc.index_in(ends, value_set=names.cast(ends.type)), -1).to_numpy(zero_copy_only=False)
        found[rows] = match
        # What is not found goes on without its first folder, as long as it has one.
        longer = (match < 0) & pc.fill_null(pc.match_substring(ends, "/"), False).to_numpy(zero_copy_only=False)
        ends = pc.replace_substring_regex(ends.filter(pa.array(longer)), "^[^/]*/", "")
        rows = rows[longer]
    return found


def _labelled(
    pictures: Pictures,
    rows: Int[np.ndarray, " m"],
    classes: Int[np.ndarray, " m"],
    labels: Sequence[str],
    *,
    reason: str,
    tree: ClassTree | None = None,
    missing: tuple[str, ...] = (),
) -> Labelled:
    without = len(pictures) - len(rows)
    left_out = {**pictures.left_out, reason: without} if without else pictures.left_out
    chosen = replace(pictures.take(rows) if without else pictures, left_out=left_out)
    return Labelled(chosen, classes, tuple(labels), tree, without, missing)


def _read_labels(path: Path) -> tuple[str, dict[str, str], int]:
    table = DelimitedText(str(path), local_opener(path)).table(missing=_MISSING, keep_quoted=True)
    columns = table.column_names
    keys = spelled(columns, KEYS, order=columns)
    others = [name for name in columns if name not in keys]
    column = next(iter(spelled(columns, ("label",), order=columns)), others[0] if len(others) == 1 else None)
    if not keys or column is None:
        raise InputError(
            f"{path} has the columns {', '.join(columns) or 'none'}: expected one of {', '.join(KEYS)} and `label`"
        )
    key = keys[0]
    wanted: dict[str, str] = {}
    rows = zip(table[key].to_pylist(), table[column].to_pylist(), strict=True)
    given = [(name.strip(), label) for name, label in rows if name and name.strip() and label and tidy(label)]
    labels = in_one_spelling([label for _, label in given])
    respelt = sum(label != before.strip() for label, (_, before) in zip(labels, given, strict=True))
    if respelt:
        logger.info("%s: %d of %d labels are spelt as others of the same name are", path, respelt, len(given))
    for (name, _), label in zip(given, labels, strict=True):
        if wanted.setdefault(name, label) != label:
            raise InputError(f"{path} calls {name!r} both {wanted[name]!r} and {label!r}: keep one label a picture")
    return squash(key), wanted, table.num_rows - len(given)
