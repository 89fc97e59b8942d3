"""A store as a source of pictures: its rows as records, vectors left out. Loads LanceDB, which a training machine may lack."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa

from cladescope.embedding.records import Record
from cladescope.schema import LABEL_FIELDS, NAME_COLUMNS, OPTIONAL_FIELDS, PREDICTED, STORED_COLUMNS

_LABELS: Final = (*(one.name for one in (*LABEL_FIELDS, *OPTIONAL_FIELDS)), *sorted(NAME_COLUMNS))


def is_store(path: str) -> bool:
    """Whether a place is a store of this machine.

    >>> is_store("/nowhere")
    False
    """
    return Path(path, "store.json").is_file()


class StoreSource:
    """The pictures of a store, in its order. What was predicted of them is no label, and is left out."""

    def __init__(self, path: str, *, name: str) -> None:
        """Raises StoreError where it cannot be opened."""
        from cladescope.index.store import Store

        self.name = name
        self._store = Store.open(Path(path))
        self._own = [
            field
            for field in self._store.schema
            if field.name not in STORED_COLUMNS | NAME_COLUMNS
            and not field.name.startswith(PREDICTED)
            and not pa.types.is_fixed_size_list(field.type)
        ]
        self.extra_fields = tuple(self._own)

    def count(self) -> int:
        """Number of pictures."""
        return self._store.count()

    def records(self) -> Iterator[Record]:
        """Every picture."""
        labels = [name for name in _LABELS if name in self._store.schema.names]
        own = [field.name for field in self._own]
        for batch in self._store.scan(["image_id", "uri", "source", *labels, *own]):
            for row in batch.to_pylist():
                yield Record(
                    image_id=row["image_id"],
                    uri=row["uri"],
                    source=row["source"],
                    labels={name: row[name] for name in labels if row[name] is not None},
                    extra={name: row[name] for name in own},
                )
