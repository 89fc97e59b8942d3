"""What stands before every request: who may ask, how often, how much may be sent, and what every answer says to a browser.

It is plain ASGI, so that it also sees what no route takes, and it counts each answer.
"""

import hmac
import ipaddress
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cladescope.app.server.page_routes import page_files
from cladescope.app.server.rate import RateLimit
from cladescope.app.server.sessions import Sessions, session_in
from cladescope.app.service.refusal import RefusalError
from cladescope.app.service.tally import Tally

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

MAX_BODY_BYTES = 20_000_000
"""Most bytes of a request's body."""
WRONG = "something went wrong inside the service: its log says more"
OPEN_PATHS = frozenset({"/api/v1/health", "/api/v1/session"})
"""What may be asked without the token, beside the files of the page: whether the service is ready, and what takes the token. They say nothing of the stores."""
HEADERS = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""Of every answer. There is none that lets pages of other origins read an answer (CORS)."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a guard holds requests to."""

    token: str | None = None
    """What each must bear; None where the service is for this machine alone."""
    read_only: bool = True
    """Whether requests that change a store or a file are refused."""
    rate: float = 200.0
    """Requests a second of one client in the long run."""
    burst: int = 1000
    """Requests of one client at once: a page of thumbnails is some hundred."""
    max_body_bytes: int = MAX_BODY_BYTES
    max_held_bytes: int = 25 * MAX_BODY_BYTES
    """Of the bodies of all requests that are being answered; they are held in memory."""


class Guard:
    """Lets those requests through to an application that keep the rules."""

    def __init__(self, app: App, rules: Rules, tally: Tally) -> None:
        self._app, self.rules, self._tally = app, rules, tally
        self.sessions = Sessions()
        self._limit = RateLimit(rules.rate, rules.burst)
        self._open = OPEN_PATHS | page_files().keys()
        self._held_bytes = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, is_whole, n_bytes = time.perf_counter(), 0, False, 0

        async def receiving() -> Message:
            """Receive a part of the body, and refuse it once there is too much, whatever its header said."""
            nonlocal n_bytes
            message = await receive()
            n_more = len(message.get("body", b""))
            n_bytes += n_more
            self._held_bytes += n_more
            if n_bytes > self.rules.max_body_bytes:
                raise self._too_large()
            if self._held_bytes > self.rules.max_held_bytes:
                raise RefusalError(503, "too many pictures are sent at once: ask again", headers={"Retry-After": "1"})
            return message

        async def sending(message: Message) -> None:
            nonlocal status, is_whole
            is_whole = message["type"] == "http.response.body" and not message.get("more_body", False)
            if message["type"] == "http.response.start":
                status = message["status"]
                own = list(message.get("headers", ()))
                names = {name for name, _ in own}
                message = {**message, "headers": [*own, *(one for one in HEADERS if one[0] not in names)]}
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, receiving, sending)
        except RefusalError as refusal:
            await answer(refusal, sending)
        except Exception:
            logger.exception("a request of %s failed", scope["path"])
            if not status:
                await answer(RefusalError(500, WRONG), sending)
            elif not is_whole:
                raise
        finally:
            self._held_bytes -= n_bytes
            route = getattr(scope.get("route"), "path", "none")
            self._tally.request(str(route), _method(scope), status, time.perf_counter() - began)

    def _check(self, scope: MutableMapping[str, Any]) -> None:
        """Raise RefusalError for a request that may not pass."""
        headers = {name.lower(): value for name, value in scope["headers"]}
        client = scope.get("client") or ("unknown", 0)
        if seconds := self._limit.wait(str(client[0])):
            more = f"more than {self.rules.rate:g} requests a second came from {client[0]}: wait a little"
            raise RefusalError(429, more, headers={"Retry-After": str(max(1, round(seconds)))})
        if self.rules.token is None:
            _check_host(headers.get(b"host", b"").decode("latin-1"))
        elif not self._may_ask(scope["path"], headers, self.rules.token):
            raise RefusalError(
                401,
                "the token is missing or another one: send it as `Authorization: Bearer TOKEN`",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            _check_origin(headers)
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and len(length) < 20 and int(length) > self.rules.max_body_bytes:
            raise self._too_large()

    def _may_ask(self, path: str, headers: Mapping[bytes, bytes], token: str) -> bool:
        """Whether a request is for what anyone may ask, or bears the token or the cookie of a session."""
        if path in self._open or _bears(headers.get(b"authorization", b""), token):
            return True
        return self.sessions.holds(session_in(headers.get(b"cookie", b"").decode("latin-1")))

    def _too_large(self) -> RefusalError:
        return RefusalError(413, f"the body has more than {self.rules.max_body_bytes:,} bytes: send a smaller picture")


async def answer(refusal: RefusalError, send: Send) -> None:
    """Send a refusal as JSON."""
    body = json.dumps({"error": refusal.sentence}).encode()
    own = [(name.lower().encode(), value.encode("latin-1")) for name, value in refusal.headers.items()]
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *own]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _bears(header: bytes, token: str) -> bool:
    """Whether a header bears the token; it takes as long for a wrong one that begins well."""
    return hmac.compare_digest(header, b"Bearer " + token.encode())


def _check_host(host: str) -> None:
    """Raise RefusalError where a page of another site had its own name lead to this machine (DNS rebinding)."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name == "localhost" or ipaddress.ip_address(name):
            return
    except ValueError:
        pass
    raise RefusalError(403, "without a token only requests to localhost or to an address in numbers are answered")


def _check_origin(headers: Mapping[bytes, bytes]) -> None:
    """Raise RefusalError where a page of another site sends a request that is more than a question (CSRF)."""
    origin, host = headers.get(b"origin"), headers.get(b"host", b"").lower()
    is_own = origin is None or (host != b"" and origin.lower().partition(b"://")[2] == host)
    if not is_own or headers.get(b"sec-fetch-site") == b"cross-site":
        raise RefusalError(403, "a page of another site may not send this: open the service's own page")


def _method(scope: MutableMapping[str, Any]) -> str:
    """The method as it is counted: whatever a client invents is one."""
    known = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
    return scope["method"] if scope["method"] in known else "other"
