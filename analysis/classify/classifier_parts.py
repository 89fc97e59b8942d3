"""What the parts of a classifier file must be, and the hash over all of them; the file itself is `classifier_file`."""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from cladescope.taxonomy import RANKS

_NUMBERS = {"scale": (0.0, False), "kappa": (0.0, True), "text_weight": (0.0, True)}
"""Least value of each number, and whether the number itself may be it."""
_TEXTS = ("method", "target", "store", "created", "cladescope")
_ARRAYS: dict[str, tuple[str, tuple[str | int, ...], str]] = {
    "vectors": ("f", ("rows", "dim"), "finite"),
    "counts": ("iu", ("classes",), "at least 0"),
    "classes": ("iu", ("rows",), "at least 0"),
    "bias": ("f", ("rows",), "finite"),
    "centre": ("f", ("dim",), "finite"),
    "log_prior": ("f", ("rows",), "logarithms"),
    "critical_seen": ("f", ("any",), "shares"),
    "critical_unseen": ("f", ("any",), "shares"),
    "confidence": ("f", (2, len(RANKS)), "finite"),
    "confidence_weights": ("f", (len(RANKS),), "finite"),
    "known_means": ("f", ("any", "any"), "finite"),
    "known_axes": ("f", ("dim", "any"), "finite"),
    "known_held": ("f", ("any",), "finite"),
    "made_with": ("u", ("any",), "at least 0"),
}
"""Kind of numpy's type, shape, and range of each array."""
_MOST_SHARE = 1 + 1e-5


def hash_parts(about: str, arrays: Mapping[str, np.ndarray]) -> str:
    """BLAKE2b (16 bytes, hexadecimal) over the text of a classifier and its arrays: names, types, shapes and values.

    >>> hash_parts("{}", {"counts": np.array([1, 2])}) == hash_parts("{}", {"counts": np.array([1, 3])})
    False
    """
    digest = hashlib.blake2b(about.encode(), digest_size=16)
    for name, array in sorted(arrays.items()):
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def check_parts(about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Raise ValueError, or KeyError for a part that is missing, unless the parts are those of a classifier and fit together."""
    for name, (least, may_be) in _NUMBERS.items():
        value = about[name]
        if not _is_number(value) or not (value > least or (may_be and value == least)):
            raise ValueError(f"{name} is {value!r}")
    for name in _TEXTS:
        if not isinstance(about[name], str):
            raise ValueError(f"{name} is {about[name]!r}")
    for name, low in (("format_version", 1), ("data_version", 0)):
        if not _is_whole(about[name], low):
            raise ValueError(f"{name} is {about[name]!r}")
    n_classes = _check_names(about)
    is_vote = "classes" in arrays
    if is_vote and not _is_whole(about["k"], 1):
        raise ValueError(f"k is {about['k']!r}")
    dim = about["encoder"]["dim"]
    rows = len(arrays["vectors"]) if is_vote else n_classes
    lengths: dict[str | int, int] = {"rows": rows, "dim": dim, "classes": n_classes}
    for name in ("counts", *arrays):
        if name in _ARRAYS:
            _check_array(name, arrays[name], lengths)
    if is_vote and arrays["classes"].max(initial=0) >= n_classes:
        raise ValueError(f"classes has the number {arrays['classes'].max()}, of {n_classes}")


def _check_names(about: Mapping[str, Any]) -> int:
    """Check labels, taxa and common names; return how many classes there are."""
    labels, taxa, common = about["labels"], about["taxa"], about["common_names"]
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) for label in labels):
        raise ValueError("labels are no list of names")
    if taxa is not None:
        paths = all(isinstance(path, list) and 0 < len(path) <= len(RANKS) and path[-1] for path in taxa)
        if len(taxa) != len(labels) or not paths or not all(_is_name(name) for path in taxa for name in path):
            raise ValueError(f"taxa are no {len(labels)} lists of names")
    if common is not None and (len(common) != len(labels) or not all(map(_is_name, common))):
        raise ValueError(f"common_names are no {len(labels)} names")
    return len(labels)


def _check_array(name: str, array: np.ndarray, lengths: Mapping[str | int, int]) -> None:
    kinds, shape, span = _ARRAYS[name]
    wanted = tuple(lengths.get(size, size) for size in shape)
    fits = array.ndim == len(wanted) and all(
        size in ("any", found) for size, found in zip(wanted, array.shape, strict=True)
    )
    if array.dtype.kind not in kinds or not fits:
        raise ValueError(f"{name} is {array.dtype} of shape {array.shape}, expected {wanted}")
    if span == "finite":
        inside = np.isfinite(array)
    elif span == "logarithms":
        inside = np.isfinite(array) | (array == -np.inf)
    else:
        inside = (array >= 0) & (array <= (_MOST_SHARE if span == "shares" else np.inf))
    if not inside.all():
        raise ValueError(f"{name} has the value {array[~inside][0]}, expected {span}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_name(value: object) -> bool:
    return value is None or isinstance(value, str)
