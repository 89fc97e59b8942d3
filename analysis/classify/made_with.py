"""Which pictures a classifier was made with, as numbers that travel with it: they can say nothing of how often it is wrong."""

import hashlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from jaxtyping import UInt64


def picture_numbers(table: pa.Table) -> UInt64[np.ndarray, " n"]:
    """A number for the content of each picture of a table with `image_id` and `content_hash`, of 64 bits; of its id where the content is not known.

    Of two pictures of different content one in 10^19 has the same, and equal pictures in different stores do.

    >>> table = pa.table({"image_id": ["a", "b"], "content_hash": ["00000000000000ff", None]})
    >>> picture_numbers(table)[0]
    np.uint64(255)
    """
    ids = table["image_id"].to_pylist()
    hashes: Iterable[str | None] = (
        table["content_hash"].to_pylist() if "content_hash" in table.column_names else [None] * len(ids)
    )
    return np.array([_number(found, own) for found, own in zip(hashes, ids, strict=True)], np.uint64)


def _number(content_hash: str | None, image_id: str) -> int:
    text = content_hash or hashlib.blake2b(image_id.encode(), digest_size=8).hexdigest()
    try:
        return int(text[:16], 16)
    except ValueError:  # a hash of another kind, in a store that others wrote
        return int(hashlib.blake2b(text.encode(), digest_size=8).hexdigest(), 16)
