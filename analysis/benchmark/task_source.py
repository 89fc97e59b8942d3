"""A task as a source of the embedding job."""

from collections.abc import Iterator

import pyarrow as pa

from cladescope.analysis.benchmark.tasks import LABELS, Task
from cladescope.embedding.records import Record

_ROWS = 4096


class TaskSource:
    """A record for each picture of a task: ranks as the task gives them, its class as `label`, and its part."""

    extra_fields: tuple[pa.Field, ...] = (pa.field("label", pa.string()), pa.field("part", pa.string()))

    def __init__(self, task: Task) -> None:
        self.name = task.name
        self._task = task

    def count(self) -> int | None:
        """Number of pictures."""
        return len(self._task)

    def records(self) -> Iterator[Record]:
        """A record a picture, in the task's order."""
        for batch in self._task.table.to_batches(max_chunksize=_ROWS):
            for row in batch.to_pylist():
                yield Record(
                    image_id=row["image_id"],
                    uri=row["uri"],
                    source=self.name,
                    labels={name: row[name] for name in LABELS if row[name] is not None},
                    extra={"label": self._task.classes[row["class_number"]].label, "part": row["part"]},
                    problem=row["problem"],
                )
