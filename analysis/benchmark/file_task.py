"""The task of picture files: what a CSV or folders say of them becomes a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from cladescope.analysis.benchmark.questions import Question
from cladescope.analysis.benchmark.tasks import LABELS, TASK_SCHEMA, Task, TaskClass
from cladescope.embedding.locations import file_of
from cladescope.embedding.records import id_of_uri
from cladescope.taxonomy.taxon import Taxon

LABEL_SCHEMA = pa.schema([(name, pa.string()) for name in LABELS])


def file_task(
    uris: Sequence[str],
    classes: pa.StringArray,
    labels: pa.Table | None = None,
    *,
    name: str,
    address: str,
    parts: Sequence[str | None] | None = None,
    problems: Sequence[str | None] | None = None,
    left_out: Sequence[str] = (),
    question: Question | None = None,
    root: str = "",
) -> Task:
    """The task of some files: the class of each, and its ranks and common name (a table with `LABEL_SCHEMA`); None where none are known.

    A binomial gives the genus where none is given. What a class is called comes from its first picture.

    Raises InputError if there are no files, or files of one class only.
    """
    coded = classes.dictionary_encode()
    if labels is None:
        labels = pa.table({name: pa.nulls(len(uris), pa.string()) for name in LABELS})
    genus = pc.list_element(pc.split_pattern(labels["species"], " ", max_splits=1), 0)
    labels = labels.set_column(
        labels.column_names.index("genus"), "genus", pc.coalesce(labels["genus"], genus).cast(pa.string())
    )
    nothing = [None] * len(uris)
    columns = {
        "image_id": pa.array(map(id_of_file, uris), pa.string()),
        "uri": pa.array(uris, pa.string()),
        "class_number": coded.indices.cast(pa.int64()),
        "part": pa.array(nothing if parts is None else parts, pa.string()),
        "problem": pa.array(nothing if problems is None else problems, pa.string()),
        **{column: labels[column] for column in LABELS},
    }
    first = pc.index_in(pa.array(range(len(coded.dictionary))), value_set=coded.indices.cast(pa.int64()))
    known = zip(coded.dictionary.to_pylist(), labels.take(first).to_pylist(), strict=True)
    return Task(
        name=name,
        address=address,
        table=pa.table(columns, schema=TASK_SCHEMA),
        classes=tuple(_class(label, ranks) for label, ranks in known),
        left_out=tuple(left_out),
        question=question,
        root=root,
    )


def _class(label: str, ranks: Mapping[str, str | None]) -> TaskClass:
    named = {name: text for name, text in ranks.items() if text}
    return TaskClass(label=label, taxon=Taxon.from_ranks(named), common_name=named.get("common_name"))


def id_of_file(uri: str) -> str:
    """Key of a picture as it is now: one whose file, or the shard or table around it, was changed gets another, and so is embedded anew.

    >>> id_of_file("/nowhere/tit.jpg") == id_of_uri("/nowhere/tit.jpg")
    True
    """
    place = file_of(uri)
    try:
        found = None if place is None else Path(place).stat()
    except (OSError, ValueError):
        found = None
    return id_of_uri(uri if found is None else f"{uri}\n{found.st_size}\n{found.st_mtime_ns}")
