"""Numbers of pictures that their classes have: a row a class, not a row a picture."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int


@dataclass(frozen=True, eq=False)
class ByClass:
    """What a table says of the class of each picture.

    >>> ByClass(np.array([10, 20]), np.array([1, 0, 1]))[np.array([2, 1])]
    array([20, 10])
    """

    table: Int[np.ndarray, "classes ..."]
    classes: Int[np.ndarray, " n"]
    """Class of each picture."""

    def __getitem__(self, rows: Int[np.ndarray, " m"]) -> Int[np.ndarray, "m ..."]:
        """The numbers of some pictures."""
        found: Int[np.ndarray, "m ..."] = self.table[self.classes[rows]]
        return found
