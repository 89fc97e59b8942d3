"""The maps of the stores that are served: made in the background once they are asked for, kept on the disk, and made anew on demand."""

import logging
import re
import threading
from pathlib import Path

from cladescope.app.service.map_layout import laid_out
from cladescope.app.service.map_made import MadeMap
from cladescope.app.service.map_rows import MapRows
from cladescope.app.service.refusal import RefusalError
from cladescope.app.service.served_store import ServedStore
from cladescope.app.service.thumbnails import folder_for
from cladescope.app.service.work import Job, Work
from cladescope.index.store import Store

logger = logging.getLogger(__name__)

FOLDER = "maps"
"""Within a store's folder; it may be deleted at any time."""
OWN = "own"
"""The file of the map of a store's own vectors; names of others stand behind `of-`."""


class Maps:
    """Maps by the name of their store and of the vectors that are laid out."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._held: dict[tuple[str, str], tuple[Store, MadeMap]] = {}
        self._rows: dict[tuple[str, str], MapRows] = {}
        self._lock = threading.Lock()

    def state(self, served: ServedStore, vectors: str | None) -> MadeMap | Job:
        """The map as it is kept; or the job that makes it, which begins with the first call, or that failed.

        It is made anew where the store has more than twice the pictures that it shows, so that one begun while a store grows does not stay a map of its beginning.
        """
        store = served.with_vectors(vectors)
        job = self._work.find("map", served.name, _key(store))
        if job is not None and job.state == "running":
            return job
        held = self._find(served, store)
        if held is not None and self.rows_of(served, store, held).n_more <= len(held):
            return held
        if job is not None and job.state == "failed":
            return job if held is None else held
        return self.remake(served, vectors)

    def remake(self, served: ServedStore, vectors: str | None) -> Job:
        """Make the map of the store as it is now; until it is there, the one before is the map."""
        store = served.with_vectors(vectors)
        return self._work.begin("map", served.name, _key(store), lambda job: self._make(served, store, job), again=True)

    def rows(self, served: ServedStore, vectors: str | None, key: str) -> MapRows:
        """The map of a key, beside the rows of the store as they are now.

        Raises RefusalError where there is none, or another one has taken its place.
        """
        store = served.with_vectors(vectors)
        made = self._find(served, store)
        if made is None:
            raise RefusalError(409, f"there is no map of {served.name}: ask for the map itself, which makes it")
        if made.key != key:
            raise RefusalError(
                409, f"the map {key[:40]!r} of {served.name} was replaced by another: ask for the map again"
            )
        return self.rows_of(served, store, made)

    def rows_of(self, served: ServedStore, store: Store, made: MadeMap) -> MapRows:
        """A map beside the rows of its store as they are now."""
        place = (served.name, _key(store))
        with served.reading():
            version = store.version
            with self._lock:
                held = self._rows.get(place)
                if held is None or held.made is not made or held.version != version:
                    held = self._rows[place] = MapRows(made, store)
                return held

    def _find(self, served: ServedStore, store: Store) -> MadeMap | None:
        """The map that is kept of a store's vectors: none of another store that lay in its place, none by another encoder."""
        place = (served.name, _key(store))
        with self._lock:
            if place in self._held and self._held[place][0] is store:
                return self._held[place][1]
            self._held.pop(place, None)
            made = MadeMap.load(_file(store))
            if made is None or made.about.card != store.card.to_dict():
                return None
            self._held[place] = (store, made)
            return made

    def _make(self, served: ServedStore, store: Store, job: Job) -> str:
        with served.reading():
            made = laid_out(store, job)
        try:
            made.save(_file(store))
        except OSError as error:
            logger.info("the map of %s is not kept: %s", served.name, error)
        with self._lock:
            self._held[served.name, _key(store)] = (store, made)
        return made.key


def _key(store: Store) -> str:
    return store.vectors_name or ""


def _file(store: Store) -> Path:
    name = OWN if store.vectors_name is None else "of-" + re.sub(r"[^\w-]+", "-", store.vectors_name)
    return folder_for(store.path, FOLDER) / f"{name}.arrow"
