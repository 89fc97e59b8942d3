"""The hash by which an encoder's weights are known: of what they are, whatever file or library holds them."""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np


def weight_hash(tensors: Iterable[tuple[str, str, Sequence[int], np.ndarray]]) -> str:
    """SHA-256 over the name, type, shape and bytes of each tensor, which come in the order of their names.

    Types are written as torch writes them. Two files that hold the same weights in other formats have one hash.

    >>> weight_hash([("bias", "torch.float32", (1,), np.zeros(1, np.float32))])[:12]
    'ab4ac06416fe'
    """
    digest = hashlib.sha256()
    for name, dtype, shape, values in tensors:
        digest.update(f"{name} {dtype} {tuple(shape)}\n".encode())
        digest.update(values.data)
    return digest.hexdigest()
