"""Tasks from annotation CSVs in BioCLIP's format.

Columns: `filepath` (relative to the folder of the pictures), `class` (the label, whatever it is), and where known the ranks
`kingdom, phylum, cls, order, family, genus, species` (epithet or binomial) and `common_name`. An index column and any
other are passed over.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cladescope.analysis.benchmark.file_task import LABEL_SCHEMA, file_task
from cladescope.analysis.benchmark.tasks import Task
from cladescope.delimited import DelimitedText, local_opener
from cladescope.delimited.headers import spelled
from cladescope.embedding.columns import plan_columns
from cladescope.embedding.labels import clean_labels
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
    text = DelimitedText(uri, local_opener(path))
    names = text.columns
    found: dict[str, str] = {}
    for column in (_PATH, _LABEL):
        if not (spellings := spelled(names, (column,), order=names)):
            listed = ", ".join(repr(name) for name in names[:12])
            raise InputError(f"{path} has no column {column!r} (it has {listed}): expected {_PATH!r} and {_LABEL!r}")
        found[column] = spellings[0]
    others = [column for column in names if column not in found.values()]
    roles = plan_columns(pa.schema([(column, pa.string()) for column in others]), needs_picture=False).labels
    rows = text.table()
    paths, labels = (pc.utf8_trim_whitespace(rows[column].fill_null("")) for column in found.values())
    lacks_path, lacks_label = (pc.equal(column, "") for column in (paths, labels))
    lacks = pc.or_(lacks_path, lacks_label).combine_chunks()
    left_out = [
        f"row {row + 1} of {uri} has no {_LABEL if paths[row].as_py() else _PATH}"
        for row in pc.indices_nonzero(lacks).to_pylist()
    ]
    kept = pc.invert(lacks)
    name = path.resolve().parent.name if path.stem.lower() in _PLAIN_STEMS else path.stem
    return file_task(
        [str(folder / written) for written in paths.filter(kept).to_pylist()],
        labels.filter(kept).combine_chunks(),
        cleaned(rows.filter(kept).select(list(roles.values())), list(roles)),
        name=name,
        address=uri,
        left_out=left_out,
        root=str(folder),
    )


def cleaned(rows: pa.Table, roles: Sequence[str]) -> pa.Table:
    """Ranks and common names of rows whose columns have these roles; rows that say the same are cleaned once.

    >>> rows = pa.table({"Genus": ["vanessa", "vanessa"], "epithet": ["atalanta", "atalanta"]})
    >>> cleaned(rows, ["genus", "species"])["species"].to_pylist()
    ['Vanessa atalanta', 'Vanessa atalanta']
    """
    if not roles:
        return pa.table([pa.nulls(rows.num_rows, pa.string())] * len(LABEL_SCHEMA), schema=LABEL_SCHEMA)
    coded = [column.combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy() for column in rows.columns]
    _, first, place = np.unique(np.stack(coded, axis=1), axis=0, return_index=True, return_inverse=True)
    different = [clean_labels(dict(zip(roles, row.values(), strict=True))) for row in rows.take(first).to_pylist()]
    return pa.Table.from_pylist(different, schema=LABEL_SCHEMA).take(place.ravel())
