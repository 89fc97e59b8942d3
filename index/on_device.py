"""Exact search by a GPU, where there is one and the vectors fit: they go there once so many searches were asked for that it pays.

Nothing here imports torch before that, and nothing at all on a machine without an NVIDIA card.
"""

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float32, Int64

from cladescope.embedding.driver import has_driver
from cladescope.errors import InputError
from cladescope.index.resident.flat import COPY, PRODUCT, SCAN, Flat, filled
from cladescope.index.resident.selection import Selection

if TYPE_CHECKING:
    from cladescope.index.torch_exact import TorchGallery
    from cladescope.index.torch_rows import SearchedRows

START_SECONDS = 3.0
"""What it takes to import torch and to wake the card."""
LOAD_RATE = 3e9
"""Bytes a second that reach the card."""
CALL_SECONDS = 5e-4
"""What a search on the card takes however few rows are compared; the processor does what it can do sooner."""
KEPT_SELECTIONS = 4
"""Filters that are kept on the card; each takes up to 4 n bytes."""


class OnDevice:
    """Exact search over the vectors of a `Flat`: by the processor, and by a GPU once that pays.

    It pays when the searches asked for so far, with the next one, would have taken the processor longer than torch takes to
    start and the vectors to be copied: so hardly ever for a single search of the command line, soon for a long run, and at once
    for a large batch; whatever is asked for, that takes about twice the time of the better choice at most. The answers are
    exact on both. Memory on the card: 2 n d bytes, 16 n for filters, and what `TorchGallery.search` says.
    """

    def __init__(self, flat: Flat, *, device: str | None = None) -> None:
        """`device` is `cuda` or `cpu`; None takes the GPU if there is one, and only if the vectors fit."""
        self.flat = flat
        self.note: str | None = None
        """Why the card does not answer any more; None while nothing is wrong."""
        self._device = device or ("cuda" if has_driver() else None)
        self._asked_for = 0.0
        self._gallery: TorchGallery | None = None
        self._rows: WeakKeyDictionary[Selection, SearchedRows] = WeakKeyDictionary()

    def is_there(self, n_queries: int, selection: Selection | None = None) -> bool:
        """Whether the vectors are on the card, as they are from this search on if it pays; to be asked before each search."""
        if self._device is None or self._gallery is not None:
            return self._gallery is not None
        self._asked_for += self._seconds(n_queries, selection)
        if self._asked_for < START_SECONDS + self.flat.vectors.nbytes / LOAD_RATE:
            return False
        self._load()
        return self._gallery is not None

    def search(
        self, queries: Float32[np.ndarray, "q d"], k: int, selection: Selection | None = None
    ) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
        """Scores and positions of the k best for each query among those selected, as `Flat.search` gives them."""
        if self._gallery is not None and self._seconds(len(queries), selection) >= CALL_SECONDS:
            try:
                return self._on_card(self._gallery, queries, k, selection)
            except RuntimeError as error:
                self._give_up(error)
        return self.flat.search(queries, k, selection)

    def _on_card(
        self, gallery: "TorchGallery", queries: Float32[np.ndarray, "q d"], k: int, selection: Selection | None
    ) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
        if selection is None:
            return filled(*gallery.search(queries, k), k)
        if selection.is_range:
            assert selection.ranges is not None
            return filled(*gallery.part(*selection.ranges[0]).search(queries, k), k)
        if selection not in self._rows:
            while len(self._rows) >= KEPT_SELECTIONS:
                del self._rows[next(iter(self._rows))]
            self._rows[selection] = gallery.rows(selection.mask)
        return filled(*gallery.search(queries, k, mask=self._rows[selection]), k)

    def _load(self) -> None:
        from cladescope.index.torch_exact import TorchGallery, fits

        n, d = self.flat.vectors.shape
        assert self._device is not None
        # Eight numbers more a row stand for the filters.
        if self._device == "cuda" and not fits(n, d + 8):
            self._device = None
            return
        try:
            self._gallery = TorchGallery.load(np.arange(n), self.flat.vectors, device=self._device)
        except (RuntimeError, InputError) as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        first = str(error).strip().partition("\n")[0]
        self.note = f"the GPU does not search ({first[:200]}): the processor does"
        self._device = self._gallery = None
        self._rows.clear()

    def _seconds(self, n_queries: int, selection: Selection | None) -> float:
        """About what the processor takes for a search."""
        n = len(self.flat) if selection is None else selection.n
        numbers: int = n * self.flat.vectors.shape[1]
        return 1e-9 * numbers * min(n_queries * SCAN, COPY + n_queries * PRODUCT)
