"""Requests to a service, and what becomes of its refusals."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pyarrow as pa
import urllib3

from cladescope.errors import CladescopeError, EncoderError, InputError, StoreError, TakenError

PREFIX = "/api/v1"
ARROW = "application/vnd.apache.arrow.stream"
TIMEOUT = urllib3.Timeout(connect=10, read=600)
"""Learning a classifier of a large store takes minutes."""
_ERRORS: dict[int, type[CladescopeError]] = {409: TakenError, 410: StoreError, 500: CladescopeError, 503: EncoderError}
"""Which error a status becomes; others of 400 and more become InputError."""

Picture = bytes | str | Path
"""A picture: its encoded bytes, or its file."""


class Asking:
    """Asks one service."""

    def __init__(self, address: str, token: str | None = None) -> None:
        """For the service at an address, as `http://127.0.0.1:8000`. Raises InputError for what is no address of http or https."""
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"{address!r} is no address of a service: expected one as http://127.0.0.1:8000")
        self.address = address.rstrip("/").removesuffix(PREFIX)
        self._pool = urllib3.PoolManager(timeout=TIMEOUT, retries=False)
        self._headers = {"X-Cladescope": "1"} | ({} if token is None else {"Authorization": f"Bearer {token}"})

    def data(
        self, path: str, asked: Mapping[str, object] | None = None, *, method: str = "GET", body: object = None,
        pictures: Sequence[Picture] = (), accept: str | None = None,
    ) -> bytes:  # fmt: skip
        """What is answered to a request, as bytes. `asked` are parameters, of which None is left out; `body` is sent as JSON, or bytes as they are; `accept` is the form that is asked for.

        Raises the error of this package that the status stands for, with the service's own sentence; InputError where no service answers, or not to the end.
        """
        url = f"{self.address}{PREFIX}{path}"
        headers = dict(self._headers) | ({} if accept is None else {"Accept": accept})
        if query := urlencode([pair for name, value in (asked or {}).items() for pair in _pairs(name, value)]):
            url += f"?{query}"
        given: dict[str, Any] = {}
        if pictures:
            given["fields"] = [("file", _named(one)) for one in pictures]
        elif isinstance(body, bytes):
            given["body"], headers["Content-Type"] = body, "application/octet-stream"
        elif body is not None:
            given["body"], headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        try:
            answer = self._pool.request(method, url, headers=headers, redirect=False, **given)
        except urllib3.exceptions.ProtocolError as error:
            raise InputError(f"the answer of {self.address} breaks off ({_first_line(error)}): ask again") from error
        except urllib3.exceptions.HTTPError as error:
            raise InputError(
                f"no service answers at {self.address} ({_first_line(error)}): is it started there?"
            ) from error
        if answer.status >= 300:
            raise _ERRORS.get(answer.status, InputError)(_sentence(answer.data, answer.status))
        return answer.data

    def table(self, path: str, asked: Mapping[str, object]) -> pa.Table:
        """What is answered to a request, read as an Arrow stream; the schema's metadata stays. Raises as `data`."""
        data = self.data(path, asked, accept=ARROW)
        try:
            return pa.ipc.open_stream(data).read_all()
        except pa.ArrowInvalid as error:
            raise InputError(f"{self.address} answers with no Arrow stream: is it a service of cladescope?") from error

    def json(self, path: str, asked: Mapping[str, object] | None = None, **given: Any) -> Any:
        """What is answered to a request, read as JSON. Raises as `data`."""
        data = self.data(path, asked, **given)
        try:
            return json.loads(data)
        except ValueError as error:
            raise InputError(f"{self.address} answers with no JSON: is it a service of cladescope?") from error


def address_of(store: str, *parts: str) -> str:
    """The path of a request about a store.

    >>> address_of("photos", "rows", "a/b")
    '/stores/photos/rows/a%2Fb'
    """
    return "/".join(["/stores", *map(escaped, (store, *parts))])


def escaped(part: str) -> str:
    """A part of a path.

    >>> escaped("a/b c")
    'a%2Fb%20c'
    """
    return quote(part, safe="", errors="surrogatepass")


def _pairs(name: str, value: object) -> list[tuple[str, str]]:
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return [(name, str(one)) for one in value]
    return [(name, str(value).lower() if isinstance(value, bool) else str(value))]


def _named(picture: Picture) -> tuple[str, bytes]:
    if isinstance(picture, bytes):
        return "picture", picture
    try:
        return Path(picture).name, Path(picture).read_bytes()
    except OSError as error:
        raise InputError(f"{picture} cannot be read ({error.strerror or error}): give the path of a picture") from error


def _sentence(data: bytes, status: int) -> str:
    try:
        return str(json.loads(data)["error"])
    except (ValueError, KeyError, TypeError):
        return f"status {status} is answered, and no sentence that says why: is it a service of cladescope?"


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:200]
