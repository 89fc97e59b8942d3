"""Pictures of the web, one GET each, by the manners that servers ask for: a named agent, patience, few requests at once.

Limits are constants of this file. Tables and shards of the web are opened elsewhere (`cladescope.embedding.locations`).
"""

import email.utils
import ipaddress
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from socket import socket
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

import cladescope
from cladescope.embedding.locations import MAX_FILE_BYTES, too_large
from cladescope.errors import InputError, PictureError

MAX_TRIES = 4
"""Requests for one picture, redirects apart, before it is given up."""
MAX_REDIRECTS = 5
MAX_WAIT = 60.0
"""Longest wait in seconds that a server may ask for; a longer one is a failure, to be tried in another run."""
MAX_SECONDS = 300.0
"""Longest time in seconds from the start of an answer to its last byte."""
REQUESTS_A_HOST = 4
"""Requests to one host at the same time."""
_TIMEOUT = urllib3.Timeout(connect=10, read=30)
_BLOCK_BYTES = 2**18

_REFUSALS = {
    401: "refused, it wants a login (401)",
    403: "refused (403): the server does not give it to this program; name yourself as the contact",
    404: "no such file (404)",
    410: "gone (410): it was removed",
    451: "refused for legal reasons (451)",
}
_BUSY = frozenset({429, 500, 502, 503, 504})
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
    """Fetches pictures; threads share it, and with it what a server asked for.

    Memory: one encoded picture a call.
    """

    def __init__(self, contact: str | None = None, *, pause: float = 1.0) -> None:
        """`pause` is the wait in seconds after a first busy answer that names none; it doubles with each further one."""
        self._headers = {
            "User-Agent": user_agent(contact),
            "Accept": "image/*,*/*;q=0.5",
            "Accept-Encoding": "identity",
        }
        self._pause = pause
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}
        self._pools = urllib3.PoolManager(maxsize=REQUESTS_A_HOST, timeout=_TIMEOUT, retries=False)
        self._public_pools = urllib3.PoolManager(maxsize=REQUESTS_A_HOST, timeout=_TIMEOUT, retries=False)
        self._public_pools.pool_classes_by_scheme = {"http": _PublicHTTPPool, "https": _PublicHTTPSPool}

    def fetch(self, url: str, *, public_only: bool = False) -> bytes:
        """The content at `url`, whole.

        With `public_only` an address of this machine or of its own network is refused; a redirect to another host must
        always lead to a public one. Raises PictureError with a one-line reason.
        """
        first_host, place = _host(url), url
        tries = redirects = 0
        while True:
            with self._slot(_host(place)) as host:
                try:
                    answer = self._ask(place, public_only=public_only or _host(place) != first_host)
                    if answer.status == 200:
                        return _body(answer)
                except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                    if isinstance(error, PictureError):
                        raise PictureError(f"{error}: {url}") from error
                    raise PictureError(f"cannot reach {url}: {_words(error)}") from error
                answer.close()
                if answer.status in _MOVED and answer.headers.get("Location"):
                    redirects += 1
                    if redirects > MAX_REDIRECTS:
                        raise PictureError(f"more than {MAX_REDIRECTS} redirects: {url}")
                    place = urljoin(place, answer.headers["Location"])
                    if urlsplit(place).scheme not in ("http", "https"):
                        raise PictureError(f"redirected to what is no web address: {url}")
                    continue
                tries += 1
                if answer.status not in _BUSY or tries == MAX_TRIES:
                    raise PictureError(f"{_refusal(answer.status, tries)}: {url}")
                wait = _retry_after(answer.headers.get("Retry-After")) or self._pause * 2 ** (tries - 1)
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

    def _ask(self, url: str, *, public_only: bool) -> urllib3.BaseHTTPResponse:
        pools = self._public_pools if public_only else self._pools
        headers = dict(self._headers)
        login = urllib3.util.parse_url(url).auth
        if login:
            headers |= urllib3.make_headers(basic_auth=login)
        return pools.request("GET", url, headers=headers, redirect=False, preload_content=False)


class _PublicHTTP(HTTPConnection):
    """A connection that is closed before anything is said where the other end is not on the public internet."""

    def _new_conn(self) -> socket:
        return _public(super()._new_conn())


class _PublicHTTPS(HTTPSConnection):
    def _new_conn(self) -> socket:
        return _public(super()._new_conn())


class _PublicHTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PublicHTTP


class _PublicHTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _PublicHTTPS


def _public(opened: socket) -> socket:
    if is_public(opened.getpeername()[0]):
        return opened
    opened.close()
    raise PictureError("refused: a table or redirect from elsewhere may not lead to an address of this network")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet.

    >>> is_public("8.8.8.8"), is_public("192.168.1.1"), is_public("::ffff:127.0.0.1"), is_public("169.254.169.254")
    (True, False, False, False)
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(found, "ipv4_mapped", None) or found
    return bool(inner.is_global and not inner.is_multicast)


def _host(url: str) -> str:
    """Name and port of a server. Raises PictureError for what is no web address."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError as error:
        raise PictureError(f"is no web address ({error}): {url}") from error


def _body(answer: urllib3.BaseHTTPResponse) -> bytes:
    """The whole content of an answer. Raises PictureError where it is too large or too slow."""
    announced = answer.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > MAX_FILE_BYTES:
        answer.close()
        raise PictureError(too_large(int(announced)))
    content, started = bytearray(), time.monotonic()
    for block in answer.stream(_BLOCK_BYTES):
        content += block
        if len(content) > MAX_FILE_BYTES or time.monotonic() - started > MAX_SECONDS:
            answer.close()
            large = len(content) > MAX_FILE_BYTES
            raise PictureError(too_large(len(content)) if large else f"took more than {MAX_SECONDS:.0f} s to come")
    answer.release_conn()
    return bytes(content)


def _refusal(status: int, tries: int) -> str:
    if status in _BUSY:
        what = "too many requests" if status == 429 else "the server is out of order"
        return f"{what} ({status}), asked {tries} times"
    return _REFUSALS.get(status, f"the server answers {status}")


def _retry_after(header: str | None) -> float:
    """Seconds that a server asks to wait, given as such or as a date; 0 where it says nothing that can be read.

    >>> _retry_after("120"), _retry_after("soon"), _retry_after("Thu, 01 Jan 1970 00:00:00 GMT")
    (120.0, 0.0, 0.0)
    """
    if header is None:
        return 0.0
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _words(error: Exception) -> str:
    """One line on a connection that failed, without the objects that urllib3 names."""
    text = " ".join(str(error).split())
    return (text.rpartition(">: ")[2] or text)[:200] or type(error).__name__
