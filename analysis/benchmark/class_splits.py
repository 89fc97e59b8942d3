"""Which classes of a task are known and which are to be discovered, read from the pickle that lists them, and nothing else from it.

`herbarium_19_class_splits.pkl` of github.com/sgvaze/generalized-category-discovery (`data/ssb_splits`) and of
github.com/Imageomics/bioclip-2 (`src/evaluation`): a dictionary of two lists of numbers, `Old` and `New`.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from cladescope.errors import InputError

OLD, NEW = "Old", "New"
MAX_BYTES = 2**20
_ARRAYS = {
    "multiarray._reconstruct": np.empty(0).__reduce__()[0],
    "multiarray.scalar": np.int64(0).__reduce__()[0],
    "numeric._frombuffer": np.empty(0).__reduce_ex__(5)[0],
}
_ALLOWED: dict[str, Any] = {
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    **{f"{module}.{name}": found for module in ("numpy.core", "numpy._core") for name, found in _ARRAYS.items()},
    "_codecs.encode": lambda text, encoding: text.encode("latin-1"),  # how pickles of Python 2 write bytes
}
"""What a pickle of numbers may name; a pickle that names anything else is not read further."""


class _Numbers(pickle.Unpickler):
    """Reads lists and arrays of numbers, and runs nothing that a pickle names."""

    def find_class(self, module: str, name: str, /) -> Any:
        if (asked := f"{module}.{name}") not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {asked}")
        return _ALLOWED[asked]


def read_class_splits(path: Path) -> tuple[Int64[np.ndarray, " o"], Int64[np.ndarray, " n"]]:
    """Numbers of the known classes, and of the new ones, in the order of the file.

    Only numbers are read from the pickle: one that would run code, or that is larger than `MAX_BYTES`, is refused.

    Raises InputError for what is no such file, and where the two lists do not number the classes 0, 1, 2, ... once each.
    """
    expected = f"expected a pickle of {{'{OLD}': numbers, '{NEW}': numbers}}, as it is published"
    content = path.read_bytes() if path.stat().st_size <= MAX_BYTES else b""
    try:
        found = _Numbers(io.BytesIO(content)).load()
        old, new = (np.array([int(number) for number in found[name]], np.int64) for name in (OLD, NEW))
    except (
        pickle.UnpicklingError,
        EOFError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        ArithmeticError,
        MemoryError,
    ) as error:
        raise InputError(
            f"{path} holds no list of known and new classes ({error or 'it ends early'}): {expected}"
        ) from error
    both = np.sort(np.concatenate([old, new]))
    if not len(old) or not len(new) or not np.array_equal(both, np.arange(len(both))):
        raise InputError(
            f"{path} lists {len(old)} known and {len(new)} new classes that do not number 0 ... {len(both) - 1} once each: {expected}"
        )
    return old, new
