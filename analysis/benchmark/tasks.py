"""A task: pictures, each with a class, in a fixed order, perhaps in a training and a test part.

Where tasks come from is in `annotations` (CSV), `class_folders`, `store_task` and the readers of tasks of the field (`field_tasks`);
nothing here reads files.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int64

from cladescope.analysis.benchmark.questions import Queries, Question, Reranking, question_hash
from cladescope.errors import InputError
from cladescope.taxonomy.rank_table import in_order_of_rows, rank_codes, rank_table, taxon_codes
from cladescope.taxonomy.taxon import RANKS, Taxon

TRAIN, TEST = "train", "test"
LABELS = (*RANKS, "common_name")
"""What is known of a picture, beside its class."""
TASK_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("class_number", pa.int64(), nullable=False),
        pa.field("part", pa.string()),
        pa.field("problem", pa.string()),
        *(pa.field(name, pa.string()) for name in LABELS),
    ]
)
"""Columns of `Task.table`: place of the class in `Task.classes`; `train` or `test` where the task has parts; why there is
no picture to read; ranks and `common_name`, cleaned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskClass:
    """What is known of a class."""

    label: str
    """Its name as the task writes it."""
    taxon: Taxon | None = None
    """None where the task gives no ranks."""
    common_name: str | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Task:
    """Pictures with classes. Classes are numbered in the order of their first pictures."""

    name: str
    address: str
    """Where it was read from: the path of a CSV, folder or store."""
    table: pa.Table
    """A row for each picture, with the columns of `TASK_SCHEMA`."""
    classes: tuple[TaskClass, ...]
    kin: Int64[np.ndarray, " n"] | None = None
    """Equal for pictures of one photograph or observation (`embedding.kin`), which do not answer for each other; None where all
    are taken to be independent."""
    left_out: tuple[str, ...] = ()
    """Entries that belong to no class, each with the reason."""
    question: Question | None = None
    """What else is asked of the pictures, in a task of the field."""
    root: str = ""
    """The folder below which the published paths lie, where pictures are files."""

    def __post_init__(self) -> None:
        if not len(self):
            raise InputError(f"{self.address} holds no picture of a class: expected pictures of at least two classes")
        if len(self.classes) < 2 and not isinstance(
            self.question, Queries | Reranking
        ):  # whose classes are no question
            raise InputError(
                f"{self.address} holds one class only, {self.classes[0].label!r}: expected at least two to tell apart"
            )

    def __len__(self) -> int:
        """Number of pictures."""
        return int(self.table.num_rows)

    @property
    def has_parts(self) -> bool:
        """Whether its pictures lie in a training and a test part."""
        return bool(self.table["part"][0].is_valid)

    @cached_property
    def image_ids(self) -> pa.StringArray:
        """The key of each picture."""
        return self.table["image_id"].combine_chunks()

    @cached_property
    def class_numbers(self) -> Int64[np.ndarray, " n"]:
        """Class of each picture."""
        numbers: Int64[np.ndarray, " n"] = self.table["class_number"].to_numpy()
        return numbers

    @property
    def is_test(self) -> Bool[np.ndarray, " n"]:
        """Whether each picture is of the test part."""
        found: Bool[np.ndarray, " n"] = pc.equal(self.table["part"], TEST).fill_null(False).to_numpy()
        return found

    @property
    def labels(self) -> list[str]:
        """The class of each picture, as the task writes it."""
        return [self.classes[number].label for number in self.class_numbers.tolist()]

    @cached_property
    def codes(self) -> dict[str, Int64[np.ndarray, " n"]]:
        """For each rank at which some picture has a name: number of each picture's taxon, -1 where it has none.

        Taxa are told apart by their full paths.
        """
        codes = in_order_of_rows(taxon_codes(rank_codes(self.table)[1]))
        return {rank: codes[:, place] for place, rank in enumerate(RANKS) if (codes[:, place] >= 0).any()}

    @cached_property
    def class_codes(self) -> Int64[np.ndarray, "c ranks"]:
        """Number of each class's taxon at each of the seven ranks, -1 where it has none."""
        known = [one.taxon for one in self.classes if one.taxon is not None]
        codes = np.full((len(self.classes), len(RANKS)), -1, np.int64)
        codes[[one.taxon is not None for one in self.classes]] = taxon_codes(rank_codes(rank_table(known))[1])
        return codes


def task_hash(task: Task, contents: pa.StringArray, used: Bool[np.ndarray, " n"]) -> str:
    """SHA-256 of what was evaluated: class, part and content of each picture used, in order.

    Independent of where the pictures lie. `contents` are hashes of the files, one a picture, null where none is known.
    """
    text = pa.large_string()
    labels = pa.array([one.label for one in task.classes], text).take(task.table["class_number"].combine_chunks())
    columns = [
        labels,
        task.table["part"].cast(text).combine_chunks().fill_null(""),
        pc.coalesce(contents.cast(text), task.table["uri"].cast(text).combine_chunks()),
    ]
    kept = [column.filter(pa.array(used)) for column in columns]
    tab, end = (pa.scalar(character, text) for character in "\t\n")
    lines = pc.binary_join_element_wise(pc.binary_join_element_wise(*kept, tab), pa.scalar("", text), end)
    # The texts of an Arrow array lie one after another.
    total = pc.sum(pc.binary_length(lines)).as_py() or 0
    told = hashlib.sha256(lines.buffers()[2].slice(0, total))
    if task.question is not None:
        told.update(question_hash(task.question).encode())
    return told.hexdigest()
