"""An index on disk: the graph, the row id of each of its vectors, and the card that names both files with their hashes.

`card.json` is the one place that says which files are the index. It is replaced in one step, after the files that it names
are there, and files that it no longer names are deleted after that: a reader finds the earlier index or the new one.
"""

import io
import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from jaxtyping import Float, Float32, Int64

from cladescope.errors import StoreError
from cladescope.files import PART, hash_file, replacing, sealed, write_json
from cladescope.index.card import IndexCard

KIND = "hnsw"
CARD, PAGE = "card.json", "card.md"
_GRAPH, _ROW_IDS = "index.faiss", "row_ids.npy"
"""What the files were called before the card named them."""
_TRIES = 10


class AnnIndex:
    """An index as it lies on disk, read and checked."""

    def __init__(self, graph: Any, row_ids: Int64[np.ndarray, " n"], card: IndexCard) -> None:
        self.graph, self.row_ids, self.card = graph, row_ids, card

    @classmethod
    def find(cls, store_path: Path) -> "AnnIndex | None":
        """The index of a store, or None where it has none; read and checked once, until it is built anew.

        Raises StoreError where its files are damaged.
        """
        path = folder(store_path)
        for attempt in range(_TRIES):
            stamp = _stamp(path)
            if stamp is None:
                return None
            try:
                return cls(*_read(path, stamp))
            except StoreError:
                # Built anew meanwhile: the files that the earlier card named are gone.
                if _stamp(path) == stamp or attempt == _TRIES - 1:
                    raise
        return None

    def search(
        self, query: Float[np.ndarray, " d"], k: int
    ) -> tuple[Float32[np.ndarray, " m"], Int64[np.ndarray, " m"]]:
        """Scores and row ids of about the k best, best first; m may fall short of k."""
        breadth = max(k, self.card.parameters["efSearch"])
        scores, places = self.graph.search(
            np.ascontiguousarray(query[None], np.float32),
            k,
            params=faiss.SearchParametersHNSW(efSearch=breadth),
        )
        found = places[0] >= 0
        return scores[0][found], self.row_ids[places[0][found]]


def folder(store_path: Path) -> Path:
    """Where the index of a store lies."""
    return store_path / "indexes" / KIND


def read_card(path: Path) -> IndexCard:
    """The card in the folder of an index. Raises StoreError where it is damaged or of another make."""
    try:
        return IndexCard.from_dict(json.loads((path / CARD).read_text()), path / CARD)
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error


def write(store_path: Path, graph: Any, row_ids: Int64[np.ndarray, " n"], card: IndexCard) -> IndexCard:
    """Put the files of an index in place of an earlier one, whole or not at all; return the card with their hashes.

    Raises StoreError where they cannot be written; the earlier index then stays.
    """
    path = folder(store_path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        # A folder of drafts that earlier versions left when they were killed.
        shutil.rmtree(path.with_name(path.name + ".new"), ignore_errors=True)
        _clear(path, keep=_named(path))
        graph_path = _place(path, _GRAPH, lambda draft: faiss.write_index(graph, str(draft)))
        rows_path = _place(path, _ROW_IDS, lambda draft: np.save(draft, row_ids))
        card = replace(
            card,
            bytes_per_vector=round(graph_path.stat().st_size / len(row_ids), 1),
            files={one.name: one.stem.rpartition("-")[2] for one in (graph_path, rows_path)},
        )
        write_json(path / CARD, sealed(card.to_dict()))
        with replacing(path / PAGE) as draft:
            draft.write_text(card.to_markdown())
        _clear(path, keep=card.files)
    except (OSError, RuntimeError) as error:
        if path.is_dir():
            _clear(path, keep=_named(path))
        found = getattr(error, "strerror", None) or "the disk is full, or failed"
        raise StoreError(
            f"the index could not be written to {path} ({found}): free some space and try again"
        ) from error
    return card


def remove(store_path: Path) -> bool:
    """Delete the index of a store, so that every search is exact; whether there was one."""
    path = folder(store_path)
    if not path.exists():
        return False
    (path / CARD).unlink(missing_ok=True)
    shutil.rmtree(path)
    return True


def _stamp(path: Path) -> tuple[int, int] | None:
    """What tells one card from the next; None where there is none."""
    try:
        found = (path / CARD).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


@lru_cache(maxsize=4)
def _read(path: Path, stamp: tuple[int, int]) -> tuple[Any, Int64[np.ndarray, " n"], IndexCard]:
    card = read_card(path)
    names = sorted(card.files) or [_GRAPH, _ROW_IDS]
    try:
        for name, wanted in card.files.items():
            if hash_file(path / name) != wanted:
                raise _damaged(path, f"{name} is not as it was written")
        graph = faiss.read_index(str(path / names[0]))
        row_ids = np.load(io.BytesIO((path / names[1]).read_bytes()), allow_pickle=False)
    except (OSError, RuntimeError, ValueError, EOFError, MemoryError) as error:
        raise _damaged(path, str(error)) from error
    if row_ids.dtype != np.int64 or row_ids.ndim != 1 or not isinstance(graph, faiss.IndexHNSWSQ):
        raise _damaged(path, "its parts are of another kind")
    if not graph.ntotal == len(row_ids) == card.n_vectors or graph.d != card.dim:
        raise _damaged(path, "its parts differ in length")
    return graph, row_ids, card


def _damaged(path: Path, found: str) -> StoreError:
    return StoreError(f"the index in {path} is damaged ({found[:120]}): build the index again")


def _named(path: Path) -> list[str]:
    """Files of the index that is there: those of its card, or of a time before cards named them."""
    try:
        return [*read_card(path).files] or [_GRAPH, _ROW_IDS]
    except StoreError:
        return []


def _place(path: Path, name: str, save: Callable[[Path], object]) -> Path:
    """Write a file under a name that ends in its hash."""
    draft = path / f"{PART}{name}"
    save(draft)
    stem, _, kind = name.partition(".")
    return draft.replace(path / f"{stem}-{hash_file(draft)}.{kind}")


def _clear(path: Path, *, keep: Iterable[str]) -> None:
    """Delete graphs and row ids that no card names, and drafts: the store's lock is held, so no job writes them."""
    kept = {*keep}
    for entry in path.iterdir():
        if entry.name not in kept and (entry.suffix in (".faiss", ".npy") or entry.name.startswith(PART)):
            entry.unlink()
