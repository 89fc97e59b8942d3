"""Vectors that others wrote, made usable: of unit length, and what is wrong with those that cannot be."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float

from cladescope.arrays import NO_DIRECTION, has_direction, normalise


def unit_vectors(
    vectors: pa.Array, dim: int
) -> tuple[Float[np.ndarray, "k d"], Bool[np.ndarray, " n"], dict[int, str]]:
    """Lists of numbers scaled to unit length, the rows that have one, and why the others have none.

    >>> given = pa.array([[3.0, 4.0], None, [1.0], [0.0, 0.0]])
    >>> units, usable, reasons = unit_vectors(given, 2)
    >>> units, usable.tolist(), reasons[2]
    (array([[0.6, 0.8]]), [True, False, False, False], 'vector of another length: 1 numbers, others have 2')
    """
    lengths = pc.list_value_length(vectors)
    whole = pc.equal(lengths, dim).fill_null(False)
    reasons = {}
    for row in np.flatnonzero(~whole.to_numpy(zero_copy_only=False)).tolist():
        length = lengths[row].as_py()
        another = f"vector of another length: {length} numbers, others have {dim}"
        reasons[row] = "no vector: the row's is null" if length is None else another
    flat = vectors.filter(whole).flatten().to_numpy(zero_copy_only=False)  # a number that is null becomes NaN
    matrix = flat.reshape(-1, dim)
    good = has_direction(matrix)
    usable = whole.to_numpy(zero_copy_only=False).copy()
    rows = np.flatnonzero(usable)
    for row in rows[~good].tolist():
        reasons[row] = f"vector has no direction: {NO_DIRECTION}"
    usable[rows[~good]] = False
    return normalise(matrix[good]), usable, reasons
