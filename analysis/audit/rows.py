"""What every table of an audit says of a picture: its id, where it lies and its lineage."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from cladescope.analysis.pictures import Pictures

Row = dict[str, Any]


def named(pictures: Pictures, rows: Int[np.ndarray, " m"]) -> list[Row]:
    """image_id, uri and the recorded names from the kingdom down, or the label, of the pictures in some rows.

    >>> table = pa.table({"image_id": ["a"], "uri": ["/a.jpg"], "class": ["Aves"], "order": [None], "family": ["Paridae"]})
    >>> named(Pictures(np.eye(1), table), np.array([0]))
    [{'image_id': 'a', 'uri': '/a.jpg', 'lineage': 'Aves > Paridae'}]
    """
    bare = np.empty((len(rows), 0), np.float32)
    some = replace(pictures, vectors=bare, table=pictures.table.take(pa.array(rows, pa.int64())))
    columns = [some.texts("image_id"), some.texts("uri"), some.paths()]
    return [
        {"image_id": image_id, "uri": uri, "lineage": lineage}
        for image_id, uri, lineage in zip(*(column.to_pylist() for column in columns), strict=True)
    ]
