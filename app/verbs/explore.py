"""A store, or a folder of pictures, looked at in a page: the folder is embedded while the page shows how far that is."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.embed import embed
from cladescope.app.verbs.given import AnyStore, is_store, is_there, opened
from cladescope.app.verbs.serve import HOST, PORT, server
from cladescope.errors import InputError, UsageError
from cladescope.paths import local_path
from cladescope.shown import shown

if TYPE_CHECKING:
    from cladescope.app.service.served_store import ServedStore
    from cladescope.app.service.work import Job
    from cladescope.embedding.pipeline import Progress
    from cladescope.index.store import Store

SUFFIX = ".store"


@dataclass(frozen=True, kw_only=True)
class Exploring:
    """A page that can be looked at."""

    address: str
    """Of the page, as `http://127.0.0.1:8000`."""
    store: str
    """The store's name in the page."""
    path: Path
    """Its folder."""
    source: Path | None
    """The folder of pictures that is embedded into it meanwhile."""
    read_only: bool
    notes: tuple[str, ...]
    """What a user should know: where the store is, where that is not beside the pictures."""


@checked
def explore(
    place: AnyStore,
    *,
    port: int | None = None,
    read_only: bool = False,
    started: Callable[[Exploring], None] | None = None,
) -> Exploring:
    """Serve the page of one store to this machine alone, until SIGINT or SIGTERM; return what was served.

    `place` is a store, or a folder of pictures. These are embedded in the background, by `tiny`, or by its encoder where there is a store
    already, into the store beside the folder (`photos.store` for `photos`), or one in the user's cache where nothing may be written there. When it is
    stopped the embedding commits what it has, and goes on the next time. `port` is by default 8000, or a free one where that is taken; 0 is a free one.
    The page can change the store (labels, decisions, classifiers) unless it is `read_only`. `started` is called once requests are taken.

    Raises InputError where the port is taken, the extra `serve` is not installed, or there is neither store nor folder; StoreError where a store cannot be used.

    >>> import cladescope  # doctest: +SKIP
    >>> cladescope.explore("photos")  # doctest: +SKIP
    """
    if port is not None and not 0 <= port < 2**16:
        raise UsageError(f"port is {port}: expected a whole number from 0 to {2**16 - 1}")
    running = server()
    folder: Path | None = None
    notes: tuple[str, ...] = ()
    if isinstance(place, str | Path) and not is_store(place) and local_path(place).is_dir():
        folder = local_path(place)
        store, notes = _store_of(folder)
    elif isinstance(place, str | Path) and not is_store(place):
        raise InputError(f"{shown(str(place))} is neither a store nor a folder of pictures: name one of these")
    else:
        store = opened(place)
    service = running.Service([store])
    (name,) = service.stores

    def at(address: str) -> Exploring:
        return Exploring(address=address, store=name, path=store.path, source=folder, read_only=read_only, notes=notes)

    def tell(address: str) -> None:
        if folder is not None:
            service.work.begin("embed", name, "", lambda job: _embed(folder, service.stores[name], job), aside=True)
        if started is not None:
            started(at(address))

    rules = running.Rules(read_only=read_only)
    chosen = running.port_like(HOST, PORT) if port is None else port
    return at(running.run(service, host=HOST, port=chosen, rules=rules, started=tell))


def _store_of(folder: Path) -> "tuple[Store, tuple[str, ...]]":
    """The store of a folder of pictures, made where there is none; and a note where it is not beside the folder."""
    from platformdirs import user_cache_path

    from cladescope.embedding.encoder import DEFAULT_ENCODER, Encoder
    from cladescope.index.store import Store as _Store

    whole = folder.resolve()
    beside = whole.with_name(whole.name + SUFFIX)
    if is_there(beside):
        return _Store.open(beside), ()
    card = Encoder.load(DEFAULT_ENCODER).card
    try:
        beside.mkdir(exist_ok=True)
    except OSError:
        digest = hashlib.blake2b(str(whole).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        kept = user_cache_path("cladescope") / "stores" / f"{whole.name}-{digest}{SUFFIX}"
        note = f"nothing can be written beside {shown(str(folder))}: its store is {shown(str(kept))}"
        return _Store.open_or_create(kept, card), (note,)
    return _Store.open_or_create(beside, card), ()


def _embed(folder: Path, served: "ServedStore", job: "Job") -> None:
    """Bring the store in step with the folder, as a job that is told how far it is; who hears that it has ended finds all of it."""

    def tell(progress: "Progress") -> None:
        job.told, job.done, job.total = "embedding pictures", progress.done, progress.total

    summary = embed(folder, served.path, progress=tell, stop=job.stopping)
    served.refresh()
    job.result = summary.to_dict()
    job.summary = f"{summary.embedded:,} embedded, {summary.already_stored:,} already stored, {summary.failed:,} failed"
    if summary.stopped:
        job.at(job.summary)  # which ends the job as one that was stopped
