"""Tasks from folders of pictures, one folder a class, perhaps below `train/` and `test/`.

`labels.csv` beside the folders may say what the classes are: its first column is the folder's name, the others ranks and
`common_name` in any spelling that a manifest may use.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from cladescope.analysis.benchmark.file_task import LABEL_SCHEMA, file_task
from cladescope.analysis.benchmark.tasks import TEST, TRAIN, Task
from cladescope.delimited import DelimitedText, local_opener
from cladescope.embedding.columns import plan_columns
from cladescope.embedding.folder_labels import FolderLabels
from cladescope.embedding.labels import clean_labels
from cladescope.embedding.sources.folder import FolderSource
from cladescope.errors import InputError
from cladescope.schema import LABEL
from cladescope.taxonomy.taxon import RANKS

logger = logging.getLogger(__name__)

LABELS = "labels.csv"
_TEST_NAMES = ("test", "val", "validation")


class _File(NamedTuple):
    """A picture below a class folder."""

    uri: str
    label: str
    labels: Mapping[str, str]
    problem: str | None


def read_class_folders(root: Path, *, labels_from: str | None = None) -> Task:
    """The task of a folder, class by class in the order of their names, the training part first.

    Parts are `train` and `test` (else `val`, else `validation`) where the folder has both; other folders beside them are left out. A class
    is the first folder below the root or part; pictures in folders below it belong to it, pictures outside any class
    are left out. With `labels_from` (as `open_source` takes it) the class is what that rule says of the path below the root or part: the
    `label`, else the narrowest taxon; pictures of which it says nothing are left out. No picture is opened. Memory: some 1 KB a picture.

    Raises InputError for a folder without pictures, a class without pictures, fewer than two classes, a labels.csv
    that cannot be read, and for a rule that is none or gives no picture a class.
    """
    root = root.resolve()
    parts = _parts(root)
    known = _class_labels(root / LABELS)
    found: dict[str | None, list[_File]] = {part: [] for part in parts}
    left_out = []
    rule = None if labels_from is None else FolderLabels(labels_from)
    for record in FolderSource(str(root), name=root.name).records():
        names = record.uri.removeprefix(f"{root}/").split("/")
        place = next((part for part, folder in parts.items() if part is None or folder.name == names[0]), "")
        inner = names if place is None else names[1:]
        if place == "" or (len(inner) < 2 and rule is None):
            left_out.append(f"{record.uri} lies in no class folder")
            continue
        if rule is None:
            label: str | None = inner[0]
            ranks = {name: value for name, value in record.labels.items() if value is not None}
        else:
            said = rule.of(str(root), inner)
            ranks = dict(said.labels)
            label = said.extra[LABEL] or next((ranks[rank] for rank in reversed(RANKS) if rank in ranks), None)
        if label is None:
            left_out.append(f"{record.uri} has no class by the rule {labels_from!r}")
            continue
        found[place].append(_File(record.uri, label, known.get(label, ranks), record.problem))
    for part, folder in parts.items() if rule is None else ():
        _check_classes(folder, {file.label for file in found[part]})
    if rule is not None:
        _check_rule(root, rule, found)
    files = [file for of_part in found.values() for file in of_part]
    if strangers := sorted(known.keys() - {file.label for file in files}):
        logger.info("%s: %d classes have no folder, the first is %r", root / LABELS, len(strangers), strangers[0])
    return file_task(
        [file.uri for file in files],
        pa.array([file.label for file in files], pa.string()),
        pa.Table.from_pylist([file.labels for file in files], schema=LABEL_SCHEMA),
        name=root.name,
        address=str(root),
        parts=[part for part, of_part in found.items() for _ in of_part],
        problems=[file.problem for file in files],
        left_out=left_out,
        root=str(root),
    )


def _parts(root: Path) -> dict[str | None, Path]:
    """Folder of each part, training first; the root itself under None where it has no parts."""
    test = next((root / name for name in _TEST_NAMES if (root / name).is_dir()), None)
    if test is None or not (root / TRAIN).is_dir():
        return {None: root}
    return {TRAIN: root / TRAIN, TEST: test}


def _check_rule(root: Path, rule: FolderLabels, found: Mapping[str | None, Sequence[_File]]) -> None:
    """Say how names were read. Raises InputError where they give no class, or a part none."""
    for note in rule.notes:
        logger.info("%s: %s", root, note)
    for part, files in found.items():
        if not files:
            of = "the folder" if part is None else f"the part {part}"
            raise InputError(
                f"labels from {rule.rule!r} give no picture of {of} in {root} a class: take another rule, or none for a folder a class"
            )


def _check_classes(folder: Path, labels: set[str]) -> None:
    """Raise InputError for a class folder that holds no picture."""
    folders = {path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))}
    if empty := sorted(folders - labels):
        others = f" (and {len(empty) - 1} more)" if len(empty) > 1 else ""
        raise InputError(f"the class {empty[0]!r}{others} has no pictures in {folder}: add some, or remove its folder")


def _class_labels(path: Path) -> Mapping[str, dict[str, str]]:
    """Ranks and common name of each class that labels.csv lists; none where there is no such file."""
    if not path.is_file():
        return {}
    text = DelimitedText(str(path), local_opener(path))
    names = text.columns
    first, *others = names
    roles = plan_columns(pa.schema([(name, pa.string()) for name in others]), needs_picture=False).labels
    if not roles:
        raise InputError(
            f"{path} says nothing of its classes (columns {', '.join(map(repr, names))}): "
            "expected the folder's name first, then ranks such as 'species', or 'common_name'"
        )
    known: dict[str, dict[str, str]] = {}
    for batch in text.batches():
        for row in batch.to_pylist():
            known[(row[first] or "").strip()] = clean_labels({role: row[column] for role, column in roles.items()})
    return known
