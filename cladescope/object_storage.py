"""Object storage, as S3 and Google's: reached through obstore, which reads the usual variables of the environment.

Credentials are those of `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`, of a
machine's role, or `GOOGLE_APPLICATION_CREDENTIALS`, with `GOOGLE_BASE_URL` for another server than Google's. Requests that are refused
for a while (500, 503 SlowDown) are sent again, ever later.
"""

import os
import re
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from cladescope.errors import InputError, StoreError
from cladescope.packages import not_installed

SCHEMES = ("s3", "gs")
RETRIES, RETRY_SECONDS = 10, 180
_ADDRESS = re.compile(rf"(?P<scheme>{'|'.join(SCHEMES)}):/+(?P<bucket>[^/]+)/*(?P<key>.*)", re.IGNORECASE)


def object_url(path: str | os.PathLike[str]) -> str | None:
    """The address of a place on object storage, in one spelling; None for any other place.

    >>> object_url("s3:/photos/birds.store/"), object_url("photos.store"), object_url("s3.store")
    ('s3://photos/birds.store', None, None)
    """
    text = os.fspath(path)
    found = _ADDRESS.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    return f"{found['scheme'].lower()}://{found['bucket']}/{found['key'].rstrip('/')}".rstrip("/")


def client_options(url: str) -> dict[str, str]:
    """What Lance is told beside the environment: how often it tries again, and that an endpoint without TLS is meant so."""
    options = {"client_max_retries": str(RETRIES), "client_retry_timeout": str(RETRY_SECONDS)}
    given = os.environ.get
    if url.startswith("gs:"):
        endpoint, region = given("GOOGLE_BASE_URL"), None
        options |= {"google_base_url": endpoint} if endpoint else {}
    else:
        endpoint = given("AWS_ENDPOINT_URL_S3") or given("AWS_ENDPOINT_URL") or given("AWS_ENDPOINT")
        region = given("AWS_REGION") or given("AWS_DEFAULT_REGION")
        options |= {"aws_endpoint": endpoint} if endpoint else {}
    if endpoint:
        options["allow_http"] = str(endpoint.startswith("http://")).lower()
    return options | ({"aws_region": region} if region else {})


def bucket(url: str) -> Any:
    """The client of obstore for what lies below an address of `SCHEMES`.

    Raises InputError where obstore is not installed.
    """
    try:
        return _bucket(url, *sorted(client_options(url).items()))
    except ImportError as error:
        raise InputError(f"{url} cannot be reached: {not_installed('obstore')}") from error


@lru_cache(maxsize=64)
def _bucket(url: str, *options: tuple[str, str]) -> Any:
    from obstore.store import from_url

    return from_url(url, **_settings(dict(options)))


def filesystem(url: str) -> Any:
    """What lists and opens files of object storage as fsspec does, over obstore. Raises InputError where that is not installed."""
    try:
        from obstore.fsspec import FsspecStore
    except ImportError as error:
        raise InputError(f"{url} cannot be reached: {not_installed('obstore')}") from error
    make: Any = FsspecStore
    return make(url.partition("://")[0].lower(), **_settings(client_options(url)))


def _settings(options: dict[str, str]) -> dict[str, Any]:
    """Options as obstore takes them."""
    from datetime import timedelta

    known = {name.partition("_")[2]: value for name, value in options.items() if name.startswith(("aws_", "google_"))}
    retries = {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)}
    allow = options.get("allow_http") == "true"
    return {
        **known,
        "client_options": {"allow_http": allow},
        "retry_config": retries,
    }


def has_client() -> bool:
    """Whether obstore is installed; where it is not, sources are opened by the clients that fsspec knows."""
    return find_spec("obstore") is not None


def get(url: str, name: str) -> Any:
    """An object below an address, opened: its `meta` and `bytes()`. Raises FileNotFoundError, StoreError."""
    import obstore

    try:
        return obstore.get(bucket(url), name)
    except FileNotFoundError:
        raise
    except (OSError, obstore.exceptions.BaseError) as error:
        raise unanswered(url, error) from error


def whole(uri: str, *, most: int) -> bytes:
    """A whole object. Raises OverflowError with its size where that is more than `most`, else as `get`."""
    scheme, _, place = uri.partition("://")
    name, _, key = place.partition("/")
    found = get(f"{scheme}://{name}", key)
    if found.meta["size"] > most:
        raise OverflowError(found.meta["size"])
    return bytes(found.bytes())


def read(url: str, name: str) -> bytes | None:
    """An object below an address, None where there is none. Raises StoreError where the storage does not answer or refuses."""
    try:
        return bytes(get(url, name).bytes())
    except FileNotFoundError:
        return None


def write(url: str, name: str, content: bytes, *, new: bool = False) -> bool:
    """Write an object below an address, whole or not at all; with `new` only where there is none. Whether it is there now.

    A write of which the answer was lost is sent again, and meets itself. Raises StoreError where the storage does not answer or refuses.
    """
    import obstore

    try:
        obstore.put(bucket(url), name, content, mode="create" if new else "overwrite", use_multipart=False)
    except obstore.exceptions.AlreadyExistsError:
        return read(url, name) == content
    except (OSError, obstore.exceptions.BaseError) as error:
        raise unanswered(url, error) from error
    return True


def names(url: str, prefix: str = "") -> list[str]:
    """Names of the objects below an address that begin so. Raises as `read`."""
    return sorted(one["path"] for one in _listed(url, prefix))


def sizes(url: str) -> dict[str, int]:
    """Bytes of the objects below an address, by name. Raises as `read`."""
    return {one["path"]: one["size"] for one in _listed(url)}


def times(url: str) -> dict[str, float]:
    """When the objects below an address were written, by the storage's own clock, in seconds since 1970. Raises as `read`."""
    return {one["path"]: one["last_modified"].timestamp() for one in _listed(url)}


def _listed(url: str, prefix: str = "") -> list[Any]:
    """What the storage tells of the objects below an address that begin so."""
    import obstore

    try:
        return [one for batch in obstore.list(bucket(url), prefix or None) for one in batch]
    except (OSError, obstore.exceptions.BaseError) as error:
        raise unanswered(url, error) from error


def delete(url: str, paths: list[str]) -> None:
    """Delete objects below an address; those that are gone are no error. Raises as `read`."""
    import obstore

    try:
        obstore.delete(bucket(url), paths)
    except FileNotFoundError:
        pass
    except (OSError, obstore.exceptions.BaseError) as error:
        raise unanswered(url, error) from error


def unanswered(url: str, error: Exception) -> StoreError:
    """One line on what the storage said.

    >>> str(unanswered("s3://photos", OSError("no route <Error><Code>NoSuchBucket</Code></Error>")))
    's3://photos cannot be reached or used: NoSuchBucket: check the address, its region and the credentials of the environment'
    """
    text = " ".join(str(error).split())
    found = re.search(r"<Code>(\w+)</Code>", text)
    said = found[1] if found else "no credentials were found" if "169.254.169.254" in text else text[:200]
    return StoreError(
        f"{url} cannot be reached or used: {said}: check the address, its region and the credentials of the environment"
    )
