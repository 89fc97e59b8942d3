"""FAISS, loaded when the first of its names is asked for: that takes as long as a search of a few thousand vectors by NumPy."""

from typing import Any


class _Late:
    """Stands for the module until it is needed."""

    def __getattr__(self, name: str) -> Any:
        import faiss

        return getattr(faiss, name)


faiss: Any = _Late()
"""The module; `faiss.knn` loads it."""
