"""A task: pictures, each with a class, in a fixed order, perhaps in a training and a test part.

Where tasks come from is in `annotations` (CSV), `class_folders` and `store_task`; nothing here reads files.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
from jaxtyping import Int64

from cladescope.embedding.records import Record, id_of_uri
from cladescope.errors import InputError
from cladescope.taxonomy.taxon import RANKS, Taxon

TRAIN, TEST = "train", "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskClass:
    """What is known of a class."""

    label: str
    """Its name as the task writes it."""
    taxon: Taxon | None = None
    """None where the task gives no ranks."""
    common_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPicture:
    """One picture of a task, before it is read."""

    image_id: str
    uri: str
    class_number: int
    """Place of its class in `Task.classes`."""
    part: str | None = None
    """`train` or `test`, where the task has parts."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Ranks and `common_name`, cleaned."""
    problem: str | None = None
    """Why there is no picture to read."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Task:
    """Pictures with classes. Classes are numbered in the order of their first pictures."""

    name: str
    address: str
    """Where it was read from: the path of a CSV, folder or store."""
    pictures: tuple[TaskPicture, ...]
    classes: tuple[TaskClass, ...]
    left_out: tuple[str, ...] = ()
    """Entries that belong to no class, each with the reason."""

    def __post_init__(self) -> None:
        if not self.pictures:
            raise InputError(f"{self.address} holds no picture of a class: expected pictures of at least two classes")
        if len(self.classes) < 2:
            raise InputError(
                f"{self.address} holds one class only, {self.classes[0].label!r}: expected at least two to tell apart"
            )

    @property
    def has_parts(self) -> bool:
        """Whether its pictures lie in a training and a test part."""
        return self.pictures[0].part is not None

    @property
    def class_numbers(self) -> Int64[np.ndarray, " n"]:
        """Class of each picture."""
        return np.array([picture.class_number for picture in self.pictures], np.int64)

    @cached_property
    def codes(self) -> dict[str, Int64[np.ndarray, " n"]]:
        """For each rank at which some picture has a name: number of each picture's taxon, -1 where it has none.

        Taxa are told apart by their full paths.
        """
        codes = _taxon_codes([picture.labels for picture in self.pictures])
        return {rank: codes[:, place] for place, rank in enumerate(RANKS) if (codes[:, place] >= 0).any()}

    @cached_property
    def class_codes(self) -> Int64[np.ndarray, "c ranks"]:
        """Number of each class's taxon at each of the seven ranks, -1 where it has none."""
        taxa = [() if one.taxon is None else one.taxon.path for one in self.classes]
        return _taxon_codes([{rank: name for rank, name in zip(RANKS, path, strict=False) if name} for path in taxa])


def _taxon_codes(labels: Sequence[Mapping[str, str]]) -> Int64[np.ndarray, "n ranks"]:
    """Taxa numbered at each rank in the order in which they come first; each is its full path."""
    codes = np.full((len(labels), len(RANKS)), -1, np.int64)
    for place, rank in enumerate(RANKS):
        number: dict[tuple[str | None, ...], int] = {}
        for row, known in enumerate(labels):
            if rank in known:
                path = tuple(known.get(above) for above in RANKS[: place + 1])
                codes[row, place] = number.setdefault(path, len(number))
    return codes


class TaskSource:
    """A task as a source of the embedding job: ranks as the task gives them, its class as `label`, and its part."""

    extra_fields: tuple[pa.Field, ...] = (pa.field("label", pa.string()), pa.field("part", pa.string()))

    def __init__(self, task: Task) -> None:
        self.name = task.name
        self._task = task

    def count(self) -> int | None:
        """Number of pictures."""
        return len(self._task.pictures)

    def records(self) -> Iterator[Record]:
        """A record a picture, in the task's order."""
        for picture in self._task.pictures:
            label = self._task.classes[picture.class_number].label
            yield Record(
                image_id=picture.image_id,
                uri=picture.uri,
                source=self.name,
                labels=picture.labels,
                extra={"label": label, "part": picture.part},
                problem=picture.problem,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a CSV or folder says of one picture."""

    uri: str
    label: str
    labels: Mapping[str, str]
    part: str | None = None
    problem: str | None = None


def task_of(entries: Iterable[Entry], *, name: str, address: str, left_out: Iterable[str] = ()) -> Task:
    """The task of some entries, whose classes are their labels. What a class is called comes from its first picture.

    Raises InputError if there are no entries, or entries of one class only.
    """
    numbers: dict[str, int] = {}
    classes: list[TaskClass] = []
    pictures = []
    for entry in entries:
        labels = with_genus(entry.labels)
        if entry.label not in numbers:
            numbers[entry.label] = len(classes)
            taxon, common = Taxon.from_ranks(labels), labels.get("common_name")
            classes.append(TaskClass(label=entry.label, taxon=taxon, common_name=common))
        pictures.append(
            TaskPicture(
                image_id=id_of_file(entry.uri),
                uri=entry.uri,
                class_number=numbers[entry.label],
                part=entry.part,
                labels=labels,
                problem=entry.problem,
            )
        )
    return Task(name=name, address=address, pictures=tuple(pictures), classes=tuple(classes), left_out=tuple(left_out))


def with_genus(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels with the genus that the binomial names, where none is given.

    >>> with_genus({"species": "Vanessa atalanta"})
    {'species': 'Vanessa atalanta', 'genus': 'Vanessa'}
    """
    found = dict(labels)
    if "species" in found and "genus" not in found:
        found["genus"] = found["species"].partition(" ")[0]
    return found


def id_of_file(uri: str) -> str:
    """Key of a picture file as it is now: a file that was changed gets another, and so is embedded anew.

    >>> id_of_file("/nowhere/tit.jpg") == id_of_uri("/nowhere/tit.jpg")
    True
    """
    try:
        found = os.stat(uri)  # noqa: PTH116 - an address may also be a URL
    except (OSError, ValueError):
        return id_of_uri(uri)
    return id_of_uri(f"{uri}\n{found.st_size}\n{found.st_mtime_ns}")


def task_hash(task: Task, contents: Iterable[str | None], used: Iterable[bool]) -> str:
    """SHA-256 of what was evaluated: class, part and content of each picture used, in order.

    Independent of where the pictures lie. `contents` are hashes of the files, one a picture.
    """
    digest = hashlib.sha256()
    for picture, content, taken in zip(task.pictures, contents, used, strict=True):
        if taken:
            line = f"{task.classes[picture.class_number].label}\t{picture.part or ''}\t{content or picture.uri}\n"
            digest.update(line.encode())
    return digest.hexdigest()
