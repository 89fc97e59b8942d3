"""One vector for each clip of a video: in each dimension the largest value of its frames, as biobench's KABR and MammalNet have it."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int

from cladescope.analysis.benchmark.questions import Clips
from cladescope.errors import InputError


def pooled_clips(
    vectors: Float[np.ndarray, "n d"], asked: Clips, is_test: Bool[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "m d"], Int[np.ndarray, " m"], Mapping[str, str]]:
    """The vectors of the clips of which every frame has one, the row of the first frame of each, and why others are left out.

    `asked` is of the rows of `vectors`. Memory: 4 n d bytes.

    Raises InputError where no whole clip to learn from, or none to ask, is left.

    >>> clips = Clips(names=("a", "b"), number=np.array([0, 0, 1, 1]), n_frames=2, n_classes=2)
    >>> vectors = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.2, 0.9]])
    >>> pooled_clips(vectors, clips, np.array([False, False, True, True]))[:2]
    (array([[1. , 0.5],
           [0.2, 1. ]]), array([0, 2]))
    """
    whole = np.bincount(asked.number, minlength=len(asked.names)) == asked.n_frames
    kept = np.flatnonzero(whole[asked.number])
    rows = kept[np.argsort(asked.number[kept], kind="stable")]
    first = rows[:: asked.n_frames]
    for part, wanted in (("to learn from", False), ("to ask", True)):
        if not (is_test[first] == wanted).any():
            raise InputError(
                f"no clip {part} has a vector for each of its {asked.n_frames} frames: check where the paths start"
            )
    pooled = vectors[rows].reshape(len(first), asked.n_frames, vectors.shape[1]).max(axis=1)
    lacking = [name for name, there in zip(asked.names, whole.tolist(), strict=True) if not there]
    if not lacking:
        return pooled, first, {}
    listed = ", ".join(lacking[:3]) + (", ..." if len(lacking) > 3 else "")
    reason = f"some of their {asked.n_frames} frames have no vector ({listed})"
    return pooled, first, {f"{len(lacking)} of {len(asked.names)} clips": reason}
