"""A store in a vector database that serves many users."""

import importlib
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, opened, within_of
from cladescope.embedding.summary import Progress
from cladescope.errors import InputError
from cladescope.index.publishing.publish import BATCH_SIZE, Publication, publish_store
from cladescope.index.publishing.target import Target
from cladescope.packages import not_installed
from cladescope.paths import local_path

Database = Literal["qdrant", "milvus"]
PACKAGES = {"qdrant": "qdrant_client", "milvus": "pymilvus"}
"""The client of each database, which installs with the extra of its name."""
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")


@checked
def publish(
    store: AnyStore,
    *,
    to: Database,
    url: str | None = None,
    collection: str | None = None,
    vectors: str | None = None,
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    api_key_env: str | None = None,
    batch_size: int = BATCH_SIZE,
    overwrite: bool = False,
    compare_all: bool = False,
    dry_run: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Publication:
    """Make a collection of a vector database hold what a store holds, and say what was added, updated, left as it was and deleted.

    `to` is `qdrant` or `milvus`; `url` the server's address, by default one on this machine, or a local path for the database's
    own small local mode. `collection` is named as the store unless said otherwise.
    `vectors` names those of a further encoder, in a collection of their own (`STORE_NAME`). `within` keeps a clade or the union of several,
    `where` rows under an SQL condition; what is not among them leaves the collection. The key is read from the environment variable
    `api_key_env`. Again, it sends only what changed; `compare_all` compares every row with the collection. `overwrite` takes over a
    collection that shows another store or another part of it. `dry_run` only counts. Nothing is written to the store.

    Raises InputError for arguments that cannot be used or a client that is not installed, StoreError where the collection holds
    another encoder's vectors or does not answer, TakenError where it shows another store or part.

    >>> import cladescope
    >>> made = cladescope.publish("photos.store", to="qdrant", url="photos.qdrant")
    >>> made.added, made.unchanged
    (24, 0)
    """
    held = opened(store, vectors=vectors)
    target = _target(to, url, collection or _name_of(held.path, held.vectors_name), api_key_env)
    try:
        return publish_store(
            held, target, within=within_of(within), where=where, batch_size=batch_size, overwrite=overwrite,
            compare_all=compare_all, dry_run=dry_run, progress=progress,
        )  # fmt: skip
    finally:
        target.close()


def _target(to: Database, url: str | None, collection: str, api_key_env: str | None) -> Target:
    if not _NAME.fullmatch(collection):
        raise InputError(f"found collection {collection!r}, expected letters, digits and _: name another collection")
    try:
        module = importlib.import_module(f"cladescope.index.publishing.{to}")
        importlib.import_module(PACKAGES[to])  # which a module may load no sooner than it connects
    except ModuleNotFoundError as error:
        if error.name != PACKAGES[to]:
            raise
        raise InputError(f"{to} cannot be reached: {not_installed(PACKAGES[to])}") from error
    place = url or module.URL
    is_local = not _ADDRESS.match(place)
    if is_local:
        place = str(local_path(place).absolute())
    elif urlsplit(place).username or urlsplit(place).password:
        raise InputError("the address holds a name or a key: put the key into an environment variable and name that")
    connected: Target = module.connect(place, collection, api_key=_key(api_key_env), is_local=is_local)
    return connected


def _key(variable: str | None) -> str | None:
    if variable is None:
        return None
    if not (key := os.environ.get(variable)):
        raise InputError(f"the environment variable {variable!r} is not set, expected the key of the database in it")
    return key


def _name_of(path: Path, vectors: str | None) -> str:
    """The name of a store, and of its vectors, as one that a collection may have."""
    name = "_".join(filter(None, (path.absolute().name.removesuffix(".store"), vectors)))
    if not _NAME.fullmatch(name):
        raise InputError(
            f"the store's name {name!r} is none of a collection (letters, digits and _): name a collection"
        )
    return name
