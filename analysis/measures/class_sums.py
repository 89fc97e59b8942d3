"""The sum of the vectors of each class, of which every class mean is made."""

import numpy as np
from jaxtyping import Float, Float64, Int

from cladescope.arrays import blocks

_ROWS = 1 << 15


def class_sums(
    vectors: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"]
) -> tuple[Float64[np.ndarray, "c d"], Int[np.ndarray, " c"]]:
    """Sum of the vectors and number of rows of labels 0 .. c - 1, added up row by row in float64.

    Memory: 8 c d bytes, and 8 d bytes for each of 32,768 rows at a time.

    >>> class_sums(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), np.array([1, 0, 1]))
    (array([[0., 1.],
           [2., 1.]]), array([1, 2]))
    """
    from scipy.sparse import csr_matrix  # takes a tenth of a second, which naming one picture does not need

    counts = np.bincount(labels)
    sums = np.zeros((len(counts), vectors.shape[1]))
    for start, stop in blocks(len(labels), size=_ROWS):
        present, place = np.unique(labels[start:stop], return_inverse=True)
        rows = np.arange(stop - start)
        member = csr_matrix((np.ones(len(rows)), (place, rows)), shape=(len(present), len(rows)))
        sums[present] += member @ vectors[start:stop]
    return sums, counts
