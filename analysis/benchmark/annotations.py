"""Tasks from annotation CSVs in BioCLIP's format.

Columns: `filepath` (relative to the folder of the pictures), `class` (the label, whatever it is), and where known the ranks
`kingdom, phylum, cls, order, family, genus, species` (epithet or binomial) and `common_name`. An index column and any
other are passed over.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from cladescope.analysis.benchmark.tasks import Entry, Task, task_of
from cladescope.embedding.columns import plan_columns
from cladescope.embedding.labels import clean_labels
from cladescope.embedding.sources import delimited
from cladescope.errors import InputError

_PATH, _LABEL = "filepath", "class"
_PLAIN_STEMS = frozenset({"annotation", "annotations", "labels", "metadata", "test", "train"})
"""Names of files that say nothing of the task: the folder's name does."""


def read_annotations(path: Path, *, images: Path | None = None) -> Task:
    """The task of an annotation CSV, in its order; relative paths start at `images`, by default the CSV's folder.

    Rows without path or class are left out and listed. No picture is opened. Memory: some 1 KB a row.

    Raises InputError where the file cannot be read or lacks one of the two columns, and for fewer than two classes.
    """
    uri = str(path.resolve())
    folder = (images or path.parent).resolve()
    if not folder.is_dir():
        raise InputError(f"no such folder of pictures: {folder}; give the one that the paths in {path} start from")
    names = delimited.header(uri).names
    for column in (_PATH, _LABEL):
        if column not in names:
            listed = ", ".join(repr(name) for name in names[:12])
            raise InputError(f"{path} has no column {column!r} (it has {listed}): expected {_PATH!r} and {_LABEL!r}")
    left_out: list[str] = []
    entries = list(_entries(uri, names, folder, left_out))
    name = path.resolve().parent.name if path.stem.lower() in _PLAIN_STEMS else path.stem
    return task_of(entries, name=name, address=uri, left_out=left_out)


def _entries(uri: str, names: list[str], folder: Path, left_out: list[str]) -> Iterator[Entry]:
    """Entries of the rows; what cannot be one is added to `left_out`."""
    others = [name for name in names if name not in (_PATH, _LABEL)]
    roles = plan_columns(pa.schema([(name, pa.string()) for name in others]), needs_picture=False).labels
    number = 0
    for batch in delimited.read_batches(uri, {name: pa.string() for name in names}):
        for row in batch.to_pylist():
            number += 1
            path, label = ((row[name] or "").strip() for name in (_PATH, _LABEL))
            if not path or not label:
                left_out.append(f"row {number} of {uri} has no {_LABEL if path else _PATH}")
                continue
            labels = clean_labels({role: row[column] for role, column in roles.items()})
            yield Entry(uri=str(folder / path), label=label, labels=labels)
