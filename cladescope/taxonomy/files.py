"""A taxonomy on disk: the rank columns of a CSV or Parquet file."""

from pathlib import Path

import pyarrow as pa
from pyarrow import csv, parquet

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
            case ".csv":
                as_text = csv.ConvertOptions(column_types=dict.fromkeys(RANKS, pa.large_string()))
                table = csv.read_csv(path, convert_options=as_text)
                columns = table.column_names
            case suffix:
                raise InputError(f"{path} ends in {suffix!r}, expected a taxonomy as .csv or .parquet")
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} cannot be read as a table ({error}): save it again as CSV or Parquet") from error
    if not set(RANKS) & set(columns):
        raise InputError(f"{path} has the columns {', '.join(columns)}, expected some of {', '.join(RANKS)}")
    return table
