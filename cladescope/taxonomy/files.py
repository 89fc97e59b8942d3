"""A taxonomy on disk: the rank columns of a CSV or Parquet file."""

from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from cladescope.delimited import DelimitedText, local_opener
from cladescope.delimited.headers import spelled
from cladescope.errors import InputError
from cladescope.taxonomy.taxon import RANKS


def read_rank_columns(path: Path) -> pa.Table:
    """A table with at least one column named as a rank, as text.

    Raises InputError if the file is missing, of another kind, damaged or without any rank column.
    """
    if not path.is_file():
        raise InputError(f"{path} is not a file, expected a taxonomy as CSV or Parquet")
    try:
        match path.suffix.lower():
            case ".parquet":
                columns = parquet.read_schema(path).names
                table = parquet.read_table(path, columns=[rank for rank in RANKS if rank in columns])
            case ".csv" | ".tsv" | ".txt":
                table = DelimitedText(str(path), local_opener(path)).table(missing=("NA", r"\N"), keep_quoted=True)
                found = {
                    rank: next(iter(spelled(table.column_names, (rank,), order=table.column_names)), None)
                    for rank in RANKS
                }
                table = table.rename_columns({column: rank for rank, column in found.items() if column is not None})
                columns = table.column_names
            case suffix:
                raise InputError(f"{path} ends in {suffix!r}, expected a taxonomy as .csv or .parquet")
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} cannot be read as a table ({error}): save it again as CSV or Parquet") from error
    if not set(RANKS) & set(columns):
        raise InputError(f"{path} has the columns {', '.join(columns)}, expected some of {', '.join(RANKS)}")
    return table
