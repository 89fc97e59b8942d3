"""An index on disk: the structure, its rows, and the card that names all files with their hashes.

`card.json` is the one place that says which files are the index. It is replaced in one step, after the files that it names
are there, and files that it no longer names are deleted after that: a reader finds the earlier index or the new one.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from cladescope.errors import StoreError
from cladescope.files import PART, hash_file, replacing, sealed, write_json
from cladescope.index import identity
from cladescope.index.ann.card import IndexCard
from cladescope.index.ann.curve import draw_curve
from cladescope.index.ann.engine import Engine
from cladescope.index.ann.page import page
from cladescope.index.ann.tuned import TunedIndex
from cladescope.index.files import locked
from cladescope.index.late_faiss import faiss
from cladescope.index.resident.rows import FILES, Rows, read_rows, write_rows

FOLDER = "ann"
EARLIER_FOLDER = "hnsw"
"""Where indexes of 0.1.0 lie: they kept no vectors for exact search and no card that this version reads."""
CARD, PAGE, CHECKED, CURVE = "card.json", "card.md", "checked.json", "tradeoff.png"
INDEX = "index.faiss"
_TRIES = 10


class EarlierIndexError(StoreError):
    """An index that is whole, and of a version that this one does not read."""


class AnnIndex(TunedIndex):
    """The index of a store, read from its folder."""

    stamp: tuple[int, int]
    """What tells it from the index that was there before, and from the next."""

    @staticmethod
    def stamp_of(store_path: Path, vectors: str | None = None) -> tuple[int, int] | None:
        """The stamp of the index that is there now, of the vectors of a name or the store's own; None where there is none."""
        return _stamp_at(_card_path(store_path, vectors))

    @classmethod
    def find(cls, store_path: Path, vectors: str | None = None) -> "AnnIndex | None":
        """The index of a store's vectors, or None where it has none; opened once, until it is built anew.

        Its files are mapped into memory, not read, save for their hashes where they are not the files that were hashed last.

        Raises StoreError where it is damaged, or of an earlier make.
        """
        path = folder(store_path, vectors)
        for attempt in range(_TRIES):
            stamp = _stamp(path)
            if stamp is None:
                if vectors is None and (earlier := path.with_name(EARLIER_FOLDER)).is_dir():
                    raise EarlierIndexError(f"the index in {earlier} is of an earlier version: build the index again")
                if any(path.glob("index-*.faiss")):
                    raise _damaged(path, f"it has no {CARD}")
                return None
            try:
                return _read(path, stamp)
            except StoreError:
                # Built anew meanwhile: the files that the earlier card named are gone.
                if _stamp(path) == stamp or attempt == _TRIES - 1:
                    raise
        return None


def folder(store_path: Path, vectors: str | None = None) -> Path:
    """Where the index of a store's own vectors lies, or that of the vectors of a name.

    >>> folder(Path("photos.store")).name, folder(Path("photos.store"), "tiny").name
    ('ann', 'ann-tiny')
    """
    return store_path / "indexes" / (FOLDER if vectors is None else f"{FOLDER}-{vectors}")


def read_card(path: Path) -> IndexCard:
    """The card in the folder of an index. Raises StoreError where it is damaged or of another make."""
    try:
        return IndexCard.from_dict(json.loads((path / CARD).read_text()), path / CARD)
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error


def index_file(path: Path, card: IndexCard) -> Path:
    """Where FAISS's own file lies."""
    return next(path / name for name in card.files if _role(name) == INDEX)


@contextlib.contextmanager
def building(store_path: Path, vectors: str | None = None) -> Iterator[Path]:
    """Hold the folder of a store's index for one builder; the store itself may be written meanwhile.

    Raises StoreError where another builds, or the folder cannot be written.
    """
    path = folder(store_path, vectors)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritten(path, error) from error
    with locked(path, timeout=0.0):
        _clear(path, keep=_named(path))
        try:
            yield path
        finally:
            if path.is_dir():
                _clear(path, keep=_named(path))


def write(path: Path, engine: Engine, rows: Rows, card: IndexCard) -> IndexCard:
    """Put the files of an index in place of an earlier one, whole or not at all; return the card with their hashes.

    Call it while `building`. Raises StoreError where they cannot be written; the earlier index then stays.
    """
    try:
        drafts = {name: path / f"{PART}{name}" for name in (INDEX, *FILES)}
        faiss.write_index(engine.index, str(drafts[INDEX]))
        write_rows(drafts, rows)
        placed = {name: _place(draft, name) for name, draft in drafts.items()}
        card = replace(
            card,
            bytes_per_vector=round(placed[INDEX].stat().st_size / len(engine), 1),
            files={one.name: one.stem.rpartition("-")[2] for one in placed.values()},
            store_created=identity.created(path.parent.parent),
            version_hash=identity.version_hash(path.parent.parent, card.store_version),
        )
        _note_checked(path, card)
        write_json(path / CARD, sealed(card.to_dict()))
        with replacing(path / PAGE) as draft:
            draft.write_text(page(card))
        if card.curve:
            title = f"{card.kind}, {card.n_vectors:,} vectors, {card.bytes_per_vector:.0f} bytes each"
            draw_curve(path / CURVE, card.curve, card.target_recall, title)
        else:
            (path / CURVE).unlink(missing_ok=True)
        if path.name == FOLDER:
            shutil.rmtree(path.with_name(EARLIER_FOLDER), ignore_errors=True)
    except (OSError, RuntimeError) as error:
        raise _unwritten(path, error) from error
    return card


def remove(store_path: Path, vectors: str | None = None) -> bool:
    """Delete the index of a store, so that every search is exact; whether there was one."""
    path = folder(store_path, vectors)
    places = [path] if vectors is not None else [path, path.with_name(EARLIER_FOLDER)]
    there = [one for one in places if one.is_dir()]
    with building(store_path, vectors) if path.is_dir() else contextlib.nullcontext():
        found = any((one / CARD).exists() for one in there)
        for one in there:
            (one / CARD).unlink(missing_ok=True)
            shutil.rmtree(one)
    return found


def check_hashes(path: Path, card: IndexCard) -> None:
    """Raise StoreError unless every file of an index is as it was written; reads them all."""
    for name, wanted in card.files.items():
        try:
            found = hash_file(path / name)
        except OSError as error:
            raise _damaged(path, str(error)) from error
        if found != wanted:
            raise _damaged(path, f"{name} is not as it was written")


def _stamp(path: Path) -> tuple[int, int] | None:
    """What tells one card from the next; None where there is none."""
    return _stamp_at(str(path / CARD))


def _stamp_at(card_path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(card_path)  # noqa: PTH116  asked at every query, and a Path costs more than the question
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


@lru_cache(maxsize=64)
def _card_path(store_path: Path, vectors: str | None) -> str:
    return str(folder(store_path, vectors) / CARD)


@lru_cache(maxsize=4)
def _read(path: Path, stamp: tuple[int, int]) -> AnnIndex:
    card = read_card(path)
    if _states(path, card) != _checked(path):
        check_hashes(path, card)
        with contextlib.suppress(OSError):  # a store on a disk that is read only
            _note_checked(path, card)
    named = {_role(name): path / name for name in card.files}
    try:
        engine = Engine(faiss.read_index(str(named[INDEX]), faiss.IO_FLAG_MMAP_IFC))
        rows = read_rows(named)
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, EOFError, MemoryError) as error:
        raise _damaged(path, " ".join(str(error).split())) from error
    if not len(engine) == len(rows) == card.n_vectors or engine.index.d != card.dim:
        raise _damaged(path, "its parts differ in length")
    index = AnnIndex(card, rows, engine)
    index.stamp = stamp
    return index


def _role(name: str) -> str:
    """What a file was called before its hash was put into its name."""
    stem, _, kind = name.partition(".")
    return f"{stem.rpartition('-')[0]}.{kind}"


def _states(path: Path, card: IndexCard) -> dict[str, list[int]] | None:
    """Size, time and place on disk of each file, by which a file that was changed is known; None where one is gone."""
    try:
        found = {name: (path / name).stat() for name in card.files}
    except OSError:
        return None
    return {name: [one.st_size, one.st_mtime_ns, one.st_ino] for name, one in found.items()}


def _checked(path: Path) -> Any:
    """The states of the files whose hashes were right when they were last read; a hint, kept beside them."""
    try:
        return json.loads((path / CHECKED).read_text())
    except (OSError, ValueError):
        return {}


def _note_checked(path: Path, card: IndexCard) -> None:
    write_json(path / CHECKED, dict(_states(path, card) or {}))


def _damaged(path: Path, found: str) -> StoreError:
    return StoreError(f"the index in {path} is damaged ({found[:120]}): build the index again")


def _unwritten(path: Path, error: Exception) -> StoreError:
    found = getattr(error, "strerror", None) or "the disk is full, or failed"
    return StoreError(
        f"the index could not be written to {path} ({found}): free some space, or see to its rights, and try again"
    )


def _named(path: Path) -> list[str]:
    """Files of the index that is there."""
    try:
        return [*read_card(path).files]
    except StoreError:
        return []


def _place(draft: Path, name: str) -> Path:
    """Give a draft the name that ends in its hash."""
    stem, _, kind = name.partition(".")
    return draft.replace(draft.with_name(f"{stem}-{hash_file(draft)}.{kind}"))


def _clear(path: Path, *, keep: Iterable[str]) -> None:
    """Delete files that no card names, and drafts: the folder is held, so no job writes them. A reader may finish one of its own meanwhile."""
    kept = {*keep}
    for entry in path.iterdir():
        if entry.name not in kept and (entry.suffix in (".faiss", ".npy", ".arrow") or entry.name.startswith(PART)):
            entry.unlink(missing_ok=True)
