"""Connections to servers: which addresses are of the public internet, and how long a server may take to begin its answer."""

import ipaddress
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socket import SHUT_RDWR, socket
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from cladescope.errors import PictureError

HEAD_SECONDS = 60.0
"""Longest time in seconds from a request to the end of the answer's head, however it trickles in."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def pools(*, public_only: bool, n_a_host: int, timeout: urllib3.Timeout) -> urllib3.PoolManager:
    """Connections that follow no redirect; with `public_only` those that end on the public internet alone."""
    made = urllib3.PoolManager(maxsize=n_a_host, timeout=timeout, retries=False)
    http, https = (_PublicHTTPPool, _PublicHTTPSPool) if public_only else (_HTTPPool, _HTTPSPool)
    made.pool_classes_by_scheme = {"http": http, "https": https}
    return made


@contextmanager
def _in_time(connection: HTTPConnection) -> Iterator[None]:
    """Closes the connection where its answer does not begin in `HEAD_SECONDS`: a server may send a letter at a time."""
    opened, late = connection.sock, threading.Event()

    def close() -> None:
        late.set()
        with suppress(OSError):
            if opened is not None:
                opened.shutdown(SHUT_RDWR)

    timer = threading.Timer(HEAD_SECONDS, close)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if late.is_set():
        raise TimeoutError(f"its answer did not begin in {HEAD_SECONDS:.0f} s")


class _HTTP(HTTPConnection):
    def getresponse(self) -> Any:
        with _in_time(self):
            return super().getresponse()


class _HTTPS(HTTPSConnection):
    def getresponse(self) -> Any:
        with _in_time(self):
            return super().getresponse()


class _PublicHTTP(_HTTP):
    """A connection that is closed before anything is said where the other end is not on the public internet."""

    def _new_conn(self) -> socket:
        return _public(super()._new_conn())


class _PublicHTTPS(_HTTPS):
    def _new_conn(self) -> socket:
        return _public(super()._new_conn())


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTP


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPS


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
    >>> is_public("64:ff9b::7f00:1"), is_public("2002:c0a8:101::"), is_public("fd00::1"), is_public("2606:4700::1111")
    (False, False, False, True)
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    inner: ipaddress.IPv4Address | ipaddress.IPv6Address = found
    if isinstance(found, ipaddress.IPv6Address):
        inside = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if found in _NAT64:
            inside = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        inner = inside or found
    return bool(inner.is_global and not inner.is_multicast)
