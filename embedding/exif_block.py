"""Whether a block of EXIF is whole, judged by its directories: Pillow reads what it can of a damaged one, and only warns."""

import struct

_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
"""Bytes of a value of each type of TIFF 6.0."""
_FURTHER = (0x8769, 0x8825)
"""Tags that lead to the directories of the camera and of the place."""


def is_whole(block: bytes) -> bool:
    r"""Whether all values of a block's own directory and of those of camera and place lie within it.

    >>> is_whole(b"II*\0\x08\0\0\0\0\0\0\0\0\0"), is_whole(b"Exif\0\0MM\0*\0\0\0\x08\0\x02\0")
    (True, False)
    """
    text = block.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(text[:2])
    if order is None:
        return False
    try:
        waiting = list(struct.unpack_from(f"{order}I", text, 4))
        for place in waiting:
            (n_entries,) = struct.unpack_from(f"{order}H", text, place)
            for number in range(n_entries):
                tag, kind, n_values, value = struct.unpack_from(f"{order}HHII", text, place + 2 + 12 * number)
                n_bytes = _BYTES.get(kind, 0) * n_values
                if n_bytes > 4 and value + n_bytes > len(text):
                    return False
                if tag in _FURTHER and len(waiting) < 1 + len(_FURTHER):
                    waiting.append(value)
    except struct.error:
        return False
    return True
