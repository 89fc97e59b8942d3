"""What every table of an audit says of a picture: its id, where it lies and its lineage."""

from typing import Any

import numpy as np
from jaxtyping import Int

from cladescope.analysis.pictures import Pictures

Row = dict[str, Any]


def named(pictures: Pictures, rows: Int[np.ndarray, " m"]) -> list[Row]:
    """image_id, uri and the recorded names from the kingdom down, of the pictures in some rows.

    >>> import pyarrow as pa
    >>> table = pa.table({"image_id": ["a"], "uri": ["/a.jpg"], "class": ["Aves"], "order": [None], "family": ["Paridae"]})
    >>> named(Pictures(np.eye(1), table), np.array([0]))
    [{'image_id': 'a', 'uri': '/a.jpg', 'lineage': 'Aves > Paridae'}]
    """
    some = pictures.take(rows)
    columns = [some.texts("image_id"), some.texts("uri"), some.paths()]
    return [
        {"image_id": image_id, "uri": uri, "lineage": lineage}
        for image_id, uri, lineage in zip(*(column.to_pylist() for column in columns), strict=True)
    ]
