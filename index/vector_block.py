"""A column of vectors of some rows of a store, as an array."""

import numpy as np
import pyarrow as pa
from jaxtyping import Float


def vector_block(batch: pa.RecordBatch, name: str = "vector") -> Float[np.ndarray, "b d"]:
    """A column of vectors of some rows of a store as an array, float16 as it is stored, without a copy.

    >>> rows = pa.array([[1.0, 0.0], [0.0, 1.0]], pa.list_(pa.float16(), 2))
    >>> vector_block(pa.record_batch({"vector": rows}))
    array([[1., 0.],
           [0., 1.]], dtype=float16)
    """
    column = batch.column(name)
    flat: Float[np.ndarray, " _"] = column.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(-1, column.type.list_size)
