"""Stores served over HTTP."""

import ipaddress
import secrets
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType

from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, opened
from cladescope.errors import InputError, UsageError
from cladescope.packages import is_known, not_installed

HOST, PORT = "127.0.0.1", 8000
AUTO = "auto"
"""The word for a token that is drawn."""
SHORTEST_TOKEN = 16
_LETTERS = frozenset(string.ascii_letters + string.digits + "-._~+/=")


@dataclass(frozen=True, kw_only=True)
class Serving:
    """A service that takes requests."""

    address: str
    """Where, as `http://127.0.0.1:8000`."""
    stores: tuple[str, ...]
    """Names of its stores."""
    token: str | None
    """What requests must bear, if anything."""


@checked
def serve(
    stores: AnyStore | Sequence[AnyStore],
    *,
    host: str = HOST,
    port: int = PORT,
    token: str | None = None,
    write: bool = False,
    started: Callable[[Serving], None] | None = None,
) -> Serving:
    """Answer searches, rows and pictures of stores over HTTP, as docs/serve.md describes, until SIGINT or SIGTERM; return what was served.

    `stores` are folders, or open stores; each is served by its folder's name. `host` is this machine alone by default. Another one needs
    a `token` of at least 16 letters, or `auto` for one that is drawn; requests then bear it. `port` 0 takes a free one. Nothing in a store is changed, unless `write` lets requests do so. `started` is called once
    requests are taken; encoders load in the background from then on. Thumbnails and maps are written into the folders `thumbnails` and `maps` of a store, or
    into the user's cache where that cannot be.

    Raises InputError where the port is taken or the extra `serve` is not installed, UsageError for a host without a token or a bad token, StoreError
    where there is no store.

    >>> import cladescope  # doctest: +SKIP
    >>> cladescope.serve("photos.store", port=8000)  # doctest: +SKIP
    """
    several = list(stores) if isinstance(stores, Sequence) and not isinstance(stores, str) else [stores]
    if not several:
        raise UsageError("no store is given: name one or several")
    held = _token_of(token, host)
    if not 0 <= port < 2**16:
        raise UsageError(f"port is {port}: expected a whole number from 0 to {2**16 - 1}")
    running = server()
    service = running.Service([opened(one) for one in several])

    def at(address: str) -> Serving:
        return Serving(address=address, stores=tuple(service.stores), token=held)

    def tell(address: str) -> None:
        if started is not None:
            started(at(address))

    rules = running.Rules(token=held, read_only=not write)
    return at(running.run(service, host=host, port=port, rules=rules, started=tell))


def server() -> ModuleType:
    """The module that runs a service. Raises InputError where the extra `serve` is not installed."""
    try:
        from cladescope.app.server import running
    except ModuleNotFoundError as error:
        if error.name is None or not is_known(error.name):
            raise
        raise InputError(not_installed(error.name)) from error
    return running


def _token_of(token: str | None, host: str) -> str | None:
    """The token that requests must bear. Raises UsageError where others could reach the service without one, and for one that is none."""
    if token == AUTO:
        return secrets.token_urlsafe(32)
    if token is None:
        if not _is_loopback(host):
            raise UsageError(
                f"at {host} others can reach the service: give a token, or auto for one that is drawn, or leave out the host"
            )
        return None
    if len(token) < SHORTEST_TOKEN or not _LETTERS.issuperset(token):
        raise UsageError(
            f"the token has {len(token)} letters: expected at least {SHORTEST_TOKEN} of a-z, A-Z, 0-9 and -._~+/=, or auto"
        )
    return token


def _is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    >>> _is_loopback("localhost"), _is_loopback("127.0.0.2"), _is_loopback("::1"), _is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
