"""Made-up tables of stages, for tests of what comes after them."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from cladescope.training.curation.columns import SCHEMAS
from cladescope.training.curation.config import CurateConfig
from cladescope.training.curation.flow import Flow
from cladescope.training.curation.gather import settings_of
from cladescope.training.curation.job import Job


def table_of(stage: str, rows: list[dict[str, Any]]) -> pa.Table:
    """A stage's table from dictionaries; what they do not say is null, `row` their number."""
    schema = SCHEMAS[stage]
    columns = []
    for field in schema:
        values = [row.get(field.name, number if field.name == "row" else None) for number, row in enumerate(rows)]
        is_word = pa.types.is_dictionary(field.type)
        array = pa.array(values, pa.string() if is_word else field.type)
        columns.append(array.dictionary_encode() if is_word else array)
    return pa.table(columns, names=schema.names)


def put_stage(job: Job, stage: str, rows: list[dict[str, Any]], changed: Flow | None = None) -> None:
    """Write a whole stage, `job.part_rows` records a part; `changed` is counted in the first."""
    with job.stage(stage, settings_of(job) if stage == "gather" else {}) as written:
        table = table_of(stage, rows)
        for part, start in enumerate(range(0, len(rows), job.part_rows)):
            written.write(part, table.slice(start, job.part_rows), changed if part == 0 else None)


def put_stages(config: CurateConfig, out: Path, rows: list[dict[str, Any]], *, part_rows: int = 50_000) -> Job:
    """A job whose stages all say what `rows` say; `dropped` is in force from its own stage on."""
    job = Job(config, out, part_rows=part_rows)
    stages = list(job.stages)
    for number, stage in enumerate(stages):
        told = [
            {**row, "dropped": row["dropped"] if stages.index(row["dropped"].split(": ")[0]) <= number else None}
            if row.get("dropped")
            else row
            for row in rows
        ]
        put_stage(job, stage, told)
    return job
