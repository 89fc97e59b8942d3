"""Files of the web, one GET each, by the manners that servers ask for: a named agent, patience, few requests at once.

All of a process's requests go through `current`, so that pictures, tables, shards, queries and sheets share what a server asked for.
"""

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

import urllib3

import cladescope
from cladescope.embedding.web_address import pools
from cladescope.embedding.web_answer import BUSY, Body, refusal_of, refuse_page, retry_after, whole_body, words_of
from cladescope.errors import InputError, PictureError

MAX_TRIES = 4
"""Requests for one picture, redirects apart, before it is given up."""
MAX_REDIRECTS = 5
MAX_WAIT = 60.0
"""Longest wait in seconds that a server may ask for; a longer one is a failure, to be tried in another run."""
REQUESTS_A_HOST = 4
"""Requests to one host at the same time."""
_TIMEOUT = urllib3.Timeout(connect=10, read=30)
_MOVED = frozenset({301, 302, 303, 307, 308})


def user_agent(contact: str | None = None) -> str:
    """What requests call themselves; `contact` is an address at which a server's owner reaches you.

    Raises InputError for a contact that cannot stand in a header.

    >>> user_agent("me@museum.org")
    'cladescope/0.1.0 (me@museum.org)'
    """
    name = f"cladescope/{cladescope.__version__}"
    if contact is None:
        return name
    if not contact.isascii() or not contact.isprintable() or not contact.strip():
        raise InputError(f"found {contact!r} for a contact: expected an e-mail or web address of plain letters")
    return f"{name} ({contact.strip()})"


@dataclass(slots=True)
class _Host:
    """What is known of a server."""

    slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(REQUESTS_A_HOST))
    open_at: float = 0.0
    """Time, of the monotonic clock, before which it wants no request."""


class Web:
    """Fetches files; threads share it, and with it what a server asked for.

    Memory: one encoded picture a call of `fetch`, a megabyte while a file is `opened`.
    """

    def __init__(self, contact: str | None = None, *, pause: float = 1.0) -> None:
        """`pause` is the wait in seconds after a first busy answer that names none; it doubles with each further one."""
        self.agent = user_agent(contact)
        self._headers = {
            "User-Agent": self.agent,
            "Accept": "image/*,*/*;q=0.5",
            "Accept-Encoding": "identity",
        }
        self._pause = pause
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}
        self._pools, self._public_pools = (
            pools(public_only=only, n_a_host=REQUESTS_A_HOST, timeout=_TIMEOUT) for only in (False, True)
        )

    def fetch(self, url: str, *, public_only: bool = False, span: tuple[int, int] | None = None) -> bytes:
        """The content at `url`, whole, or of a `span` its bytes: where it starts and how many.

        With `public_only` an address of this machine or of its own network is refused; a redirect to another host must
        always lead to a public one. Raises PictureError with a one-line reason.
        """
        more = {} if span is None else {"Range": f"bytes={span[0]}-{span[0] + span[1] - 1}"}
        with self._answer(url, more, public_only=public_only) as answer, _told(url):
            content = whole_body(answer)
        return content if span is None or answer.status == 206 else content[span[0] : sum(span)]

    @contextmanager
    def opened(self, url: str, *, public_only: bool = False) -> Iterator[BinaryIO]:
        """The content at `url` as it comes, from its start to its end, of any length. Raises PictureError as `fetch`."""
        with self._answer(url, {}, public_only=public_only) as answer:
            stream = io.BufferedReader(Body(answer), 2**20)
            with _told(url):
                refuse_page(stream.peek(256)[:256])
            yield stream

    @contextmanager
    def _answer(self, url: str, more: dict[str, str], *, public_only: bool) -> Iterator[urllib3.BaseHTTPResponse]:
        """The answer to a request with some headers `more`, once a server gives the file."""
        first_host, place = _host(url), url
        tries = redirects = 0
        while True:
            with self._slot(_host(place)) as host:
                with _told(url):
                    answer = self._ask(place, more, public_only=public_only or _host(place) != first_host)
                try:
                    if answer.status in (200, 206):
                        yield answer
                        return
                finally:
                    answer.close()
                if answer.status in _MOVED and answer.headers.get("Location"):
                    redirects += 1
                    place = _moved(url, place, answer.headers["Location"], redirects)
                    continue
                tries += 1
                if answer.status not in BUSY or tries == MAX_TRIES:
                    raise PictureError(f"{refusal_of(answer.status, tries)}: {url}")
                wait = retry_after(answer.headers.get("Retry-After")) or self._pause * 2 ** (tries - 1)
                if wait > MAX_WAIT:
                    raise PictureError(f"the server asks for {wait:.0f} s of patience ({answer.status}): {url}")
                host.open_at = max(host.open_at, time.monotonic() + wait)

    @contextmanager
    def _slot(self, name: str) -> Iterator[_Host]:
        """One of the requests that a host may have at the same time, when it wants one again."""
        with self._lock:
            host = self._hosts.setdefault(name, _Host())
        with host.slots:
            while (wait := host.open_at - time.monotonic()) > 0:
                time.sleep(min(wait, 1.0))
            yield host

    def _ask(self, url: str, more: dict[str, str], *, public_only: bool) -> urllib3.BaseHTTPResponse:
        pools = self._public_pools if public_only else self._pools
        headers = self._headers | more
        login = urllib3.util.parse_url(url).auth
        if login:
            headers |= urllib3.make_headers(basic_auth=login)
        return pools.request("GET", url, headers=headers, redirect=False, preload_content=False)


_shared: dict[str | None, Web] = {}


def current() -> Web:
    """What fetches the files of this process; see `introduce`."""
    if not _shared:
        _shared[None] = Web()
    return next(iter(_shared.values()))


def introduce(contact: str | None) -> Web:
    """Name a contact in all requests of this process from now on; None leaves what was named before.

    Raises InputError for a contact that cannot stand in a header.
    """
    if contact is not None and contact not in _shared:
        made = Web(contact)
        _shared.clear()
        _shared[contact] = made
    return current()


def _moved(url: str, place: str, location: str, n_redirects: int) -> str:
    """Where a redirect leads. Raises PictureError where it may not be followed."""
    if n_redirects > MAX_REDIRECTS:
        raise PictureError(f"more than {MAX_REDIRECTS} redirects: {url}")
    try:
        other = urljoin(place, location)
        scheme = urlsplit(other).scheme
    except ValueError as error:
        raise PictureError(f"redirected to what is no web address ({error}): {url}") from error
    if scheme not in ("http", "https"):
        raise PictureError(f"redirected to what is no web address: {url}")
    if scheme == "http" and place.lower().startswith("https:"):
        raise PictureError(f"redirected from https to http, where anybody may change it: {url}")
    return other


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Whatever goes wrong between here and a server as a PictureError that names the address."""
    try:
        yield
    except PictureError as error:
        raise PictureError(f"{error}: {url}") from error
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise PictureError(f"cannot reach {url}: {words_of(error)}") from error


def _host(url: str) -> str:
    """Name and port of a server. Raises PictureError for what is no web address."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError as error:
        raise PictureError(f"is no web address ({error}): {url}") from error
