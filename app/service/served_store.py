"""A store as it is served: opened once, opened anew where another lies in its place, and told apart from one that was deleted."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from cladescope.app.service.conditions import condition
from cladescope.app.service.encoding import Vector
from cladescope.app.service.refusal import RefusalError
from cladescope.errors import CladescopeError, EncoderError, InputError, InUseError, StoreError, TakenError, TaxonError
from cladescope.index import identity, named_vectors
from cladescope.index.literals import is_one_of
from cladescope.index.store import Store

T = TypeVar("T")
GONE = 410
IDS_AT_ONCE = 4096
"""Pictures that are looked up together: a condition takes some 3 KB a picture."""


class ServedStore:
    """One store by its name. Threads share it: searches come one after another, reads of rows do not wait for each other."""

    def __init__(self, name: str, store: Store) -> None:
        self.name = name
        self._store = store
        self._stamp = _stamp(store.path)
        self._lock = threading.RLock()
        self._writing = threading.Lock()
        self._audited: dict[int, int] = {}
        self._kept: dict[str, tuple[int, Any]] = {}
        self._by_vectors: dict[str, Store] = {}
        self._making: dict[str, threading.Lock] = {}

    @property
    def path(self) -> Path:
        """The store's folder."""
        return self._store.path

    @property
    def encoder_name(self) -> str:
        """The encoder that its vectors were made by when it was opened last."""
        return self._store.card.name

    @property
    def store(self) -> Store:
        """The store as it is now.

        Raises RefusalError where it was deleted since, StoreError where another lies in its place that cannot be opened.
        """
        found = _stamp(self.path)
        if found is None:
            raise RefusalError(GONE, f"the store {self.name} was deleted: it is no longer served")
        if found != self._stamp:
            with self._lock:
                if found != self._stamp:
                    self._store, self._kept, self._stamp = Store.open(self.path), {}, found
                    self._by_vectors = {}
        return self._store

    def with_vectors(self, name: str | None) -> Store:
        """The store, open for the vectors of a further encoder; None and the name of its own stand for its own.

        Raises RefusalError where it has none of that name.
        """
        with self.reading() as store:
            chosen = None if name is None else named_vectors.chosen(name, store.card, store.named)
            if chosen is None:
                return store
            with self._lock:
                if chosen not in self._by_vectors:
                    self._by_vectors[chosen] = Store.open(self.path, vectors=chosen)
                return self._by_vectors[chosen]

    def refresh(self) -> None:
        """Look at once for what was committed; without it, what others write is seen a second later."""
        with self.reading() as store:
            for one in (store, *self._by_vectors.values()):
                one.refresh()

    @contextmanager
    def reading(self) -> Iterator[Store]:
        """The store, while a request reads it; what is wrong becomes a RefusalError that names no folder of this machine."""
        try:
            yield self.store
        except CladescopeError as error:
            if isinstance(error, StoreError) and _stamp(self.path) is None:
                raise RefusalError(GONE, f"the store {self.name} was deleted: it is no longer served") from error
            sentence = str(error).replace(str(self.path), self.name)
            raise RefusalError(_status(error), sentence) from error

    @contextmanager
    def writing(self) -> Iterator[Store]:
        """The store, held as its one writer; what is wrong becomes a RefusalError, of status 409 where another writes.

        Who reads meanwhile sees what is committed.
        """
        with self._writing, self.reading() as store, store.writing():
            yield store

    def audited(self, version: int) -> int:
        """The version whose audit serves for a version: its own, or that of which only decisions about the audit came since."""
        return self._audited.get(version, version)

    def carry_audit(self, before: int, after: int) -> None:
        """Let the audit of a version serve for the version that decisions made of it."""
        self._audited[after] = self.audited(before)

    def warm(self) -> None:
        """Read the rows that are searched, so that the first search need not."""
        with self._lock, self.reading() as store:
            _ = store.searcher.gallery

    def search(
        self,
        *,
        vectors: Sequence[Vector] = (),
        image_ids: Sequence[str] = (),
        not_image_ids: Sequence[str] = (),
        taxa: Sequence[str] = (),
        k: int,
        within: Sequence[str] = (),
        filters: Sequence[str] = (),
        exact: bool = False,
        named: str | None = None,
    ) -> dict[str, Any]:
        """What `Store.search` answers to the same query, as plain values. `vectors` are those of pictures and texts, by the encoder of the vectors that are `named`; None stands for its own.

        Raises RefusalError for what is not there and what cannot be used.
        """
        with self.reading():
            store = self.with_vectors(named)
            where = condition(filters, store.schema)
            try:
                with self._lock:
                    found = store.search(
                        vector=np.stack(list(vectors)) if len(vectors) else None,
                        image_id=list(image_ids) or None,
                        not_image_id=list(not_image_ids) or None,
                        taxon=list(taxa) or None,
                        k=k,
                        within=list(within) or None,
                        where=where,
                        exact=exact,
                    )
                    return found.to_dict()
            except InputError:
                self.check_ids([*image_ids, *not_image_ids])
                raise

    def check_ids(self, image_ids: Sequence[str]) -> None:
        """Raise RefusalError for an id that the store does not have."""
        if image_ids:
            there = self.rows_of(image_ids, ["image_id"])
            if unknown := [one for one in image_ids if one not in there]:
                raise RefusalError(404, f"no image_id {unknown[0]!r} in {self.name}: every hit of a search has one")

    def rows_of(self, image_ids: Sequence[str], columns: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Some columns of some pictures, by their ids; an id that no column can hold is of no picture."""
        possible = [one for one in image_ids if one.isprintable()]
        if not possible:
            return {}
        with self.reading() as store:
            names = list(dict.fromkeys(["image_id", *columns]))
            found: dict[str, dict[str, Any]] = {}
            for start in range(0, len(possible), IDS_AT_ONCE):
                condition_ = is_one_of("image_id", possible[start : start + IDS_AT_ONCE])
                found |= {
                    row["image_id"]: row
                    for batch in store.scan(names, condition=condition_)
                    for row in batch.to_pylist()
                }
            return found

    def row(self, image_id: str, columns: Sequence[str] | None = None) -> dict[str, Any]:
        """Some columns of one picture, or all but the vector. Raises RefusalError where the store has no such picture."""
        with self.reading() as store:
            names = [name for name in store.schema.names if name != "vector"] if columns is None else columns
            if (found := self.rows_of([image_id], names).get(image_id)) is None:
                raise RefusalError(404, f"no image_id {image_id!r} in {self.name}: every hit of a search has one")
            return found

    def of_version(self, name: str, make: Callable[[Store], T]) -> T:
        """What is made of the store once a version of it; who else asks for it meanwhile waits."""
        with self._lock:
            making = self._making.setdefault(name, threading.Lock())
        with making, self.reading() as store:
            version, kept = store.version, self._kept.get(name)
            if kept is None or kept[0] != version:
                kept = self._kept[name] = (version, make(store))
            made: T = kept[1]
            return made


def _stamp(folder: Path) -> tuple[int, int] | None:
    """What tells a store's description from another one; None where there is none."""
    try:
        found = os.stat(folder / identity.NAME)  # noqa: PTH116 - a path is asked for
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _status(error: CladescopeError) -> int:
    if isinstance(error, TaxonError):
        return 404
    if isinstance(error, TakenError | InUseError):
        return 409
    return 422 if isinstance(error, InputError | EncoderError) else 500
