"""A store on object storage, `s3://bucket/photos.store`: its tables and its description lie there, and here a folder stands in for it.

The folder, below the user's cache, holds what is of this machine alone: an index and a copy of the description. It is named by the
address, and says it in `remote.json`. So whatever takes the folder of a store takes this one; only what reads tables asks here
where they are. Without it nothing is lost.
"""

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_cache_path

from cladescope import object_storage
from cladescope.errors import StoreError
from cladescope.files import hash_file, write_json, write_text
from cladescope.index import lease
from cladescope.object_storage import client_options, object_url
from cladescope.paths import local_path

if TYPE_CHECKING:
    import lance

NAME = "remote.json"
DESCRIPTION = "store.json"


def folder_of(path: str | os.PathLike[str]) -> Path:
    """The folder of a store: itself, or for one on object storage that which stands in for it, with the description that lies there.

    Raises InputError for what is neither, StoreError where the storage does not answer.
    """
    url = object_url(path) if isinstance(path, str | os.PathLike) else None
    if url is None:
        return local_path(path)
    digest = hashlib.blake2b(url.encode(), digest_size=8).hexdigest()
    folder = user_cache_path("cladescope") / "stores" / f"{url.rpartition('/')[2]}-{digest}"
    description = object_storage.read(url, DESCRIPTION)
    folder.mkdir(parents=True, exist_ok=True)
    if url_of(folder) is None:
        write_json(folder / NAME, {"url": url})
    _mirror(folder, description)
    return folder


def _mirror(folder: Path, description: bytes | None) -> None:
    """The description as it is there; what was of another store under this address goes."""
    path = folder / DESCRIPTION
    held = path.read_bytes() if path.exists() else None
    if held == description:
        return
    if held is not None and (description is None or _created(held) != _created(description)):
        path.unlink()
        shutil.rmtree(folder / "indexes", ignore_errors=True)
    if description is not None:
        write_text(path, description.decode())


def _created(description: bytes) -> object:
    try:
        return json.loads(description).get("created")
    except (ValueError, AttributeError):
        return None


def url_of(folder: Path) -> str | None:
    """What a folder stands in for; None where it is a store itself."""
    try:
        return str(json.loads((folder / NAME).read_text())["url"])
    except FileNotFoundError:
        return None


def shown(folder: Path) -> str:
    """A store's folder as messages name it."""
    return url_of(folder) or str(folder)


def joined(folder: Path, *names: str) -> str:
    """Path or address of what lies in a store."""
    return "/".join([shown(folder), *names])


def stores_in(folder: Path, name: str) -> list[str]:
    """Stores two levels below a folder of a store, by their paths in it."""
    url = url_of(folder)
    if url is not None:
        found = object_storage.names(url, name)
    else:
        found = [path.relative_to(folder).as_posix() for path in (folder / name).glob(f"*/*/{DESCRIPTION}")]
    return sorted(
        one.removesuffix(f"/{DESCRIPTION}") for one in found if one.count("/") == 3 and one.endswith(f"/{DESCRIPTION}")
    )


def sizes_in(folder: Path, name: str) -> dict[str, int]:
    """Bytes of the files in a folder of a store, by their paths in it."""
    url = url_of(folder)
    if url is not None:
        return object_storage.sizes(f"{url}/{name}")
    place = folder / name
    return {path.relative_to(place).as_posix(): path.stat().st_size for path in place.glob("*/*") if path.is_file()}


def times_in(folder: Path, name: str) -> dict[str, float]:
    """When the files in a folder of a store were written, in seconds since 1970, by their names."""
    url = url_of(folder)
    if url is not None:
        return object_storage.times(f"{url}/{name}")
    return {path.name: path.stat().st_mtime for path in (folder / name).glob("*")}


def now(folder: Path) -> float:
    """What the clock says by which files of a store are dated, in seconds since 1970.

    On object storage that is its own, read off the lease of the job that asks: up to `lease.RENEW_SECONDS` behind.
    """
    url = url_of(folder)
    return time.time() if url is None else max(object_storage.times(f"{url}/{lease.FOLDER}").values())


def hash_of(folder: Path, name: str) -> str:
    """Hash of a file of a store. Raises OSError where there is none."""
    url = url_of(folder)
    if url is None:
        return hash_file(folder / name)
    if (content := object_storage.read(url, name)) is None:
        raise FileNotFoundError(name)
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def check(folder: Path) -> None:
    """Raise StoreError where another job took over what a folder stands in for, while this one held it."""
    if (url := url_of(folder)) is not None:
        lease.check(url)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold what a folder stands in for, for one writer; nothing for a store on this machine, which its lock holds.

    Raises InUseError where another writes.
    """
    url = url_of(folder)
    with contextlib.nullcontext() if url is None else lease.leased(url):
        yield


def remove(folder: Path, name: str) -> None:
    """Delete a folder of a store, with all in it."""
    url = url_of(folder)
    if url is None:
        shutil.rmtree(folder / name)
    elif found := object_storage.names(url, name):
        object_storage.delete(url, found)


def describe_new(folder: Path, description: Path) -> None:
    """Put the description of a new store there. Raises StoreError where another one lies there already."""
    url = url_of(folder)
    if url is None:
        return
    try:
        is_ours = object_storage.write(url, DESCRIPTION, description.read_bytes(), new=True)
    except BaseException:
        description.unlink()
        raise
    if not is_ours:  # another job was as quick
        description.unlink()
        raise StoreError(f"{url} was made a store by another job meanwhile: run it again")


def describe_again(folder: Path, description: Path) -> None:
    """Put a store's description there in place of the earlier one."""
    if (url := url_of(folder)) is not None:
        object_storage.write(url, DESCRIPTION, description.read_bytes())


def dataset(folder: Path, table: str) -> "lance.LanceDataset":
    """A table of a store, as Lance's own library has it."""
    import lance

    url = url_of(folder)
    if url is None:
        return lance.dataset(_local(folder) / f"{table}.lance")
    return lance.dataset(f"{url}/lance/{table}.lance", storage_options=client_options(url))


def database(folder: Path) -> tuple[str | Path, dict[str, Any]]:
    """Where the database of a store lies, and what LanceDB must be told to open it."""
    url = url_of(folder)
    return (_local(folder), {}) if url is None else (f"{url}/lance", {"storage_options": client_options(url)})


def _local(folder: Path) -> Path:
    """The folder of a database on this machine: from the root on, for Lance takes a leading `~` for someone's home."""
    return folder.absolute() / "lance"
