"""The page and its files, which hold no data; and the session with which it bears the token."""

import hmac
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Body, Request
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, Field

from cladescope.app.server.sessions import COOKIE, session_in
from cladescope.app.service.refusal import RefusalError

session = APIRouter(tags=["session"])
STATIC = Path(__file__).parent / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What a browser may load for the page: its own files and the service's answers; no script inside the page, nothing from elsewhere."""
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@cache
def page_files() -> dict[str, Path]:
    """The files of the page by their paths in an address; only these are ever sent."""
    found = {f"/{path.relative_to(STATIC).as_posix()}": path for path in STATIC.rglob("*") if path.suffix in _TYPES}
    return {"/": found["/index.html"], **found}


def sender(file: Path) -> Callable[[], FileResponse]:
    """A route that sends one file of the page; names of those below `assets/` change with what they hold."""
    kept = "public, max-age=31536000, immutable" if file.parent.name == "assets" else "no-cache"
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": kept}

    def send() -> FileResponse:
        return FileResponse(file, media_type=_TYPES[file.suffix], headers=headers)

    return send


class Token(BaseModel):
    """The token of the service."""

    token: str = Field(max_length=1000)


@session.post("/session", status_code=204, response_class=Response)
async def begin(request: Request, given: Annotated[Token, Body()]) -> Response:
    """Begin a session: the answer sets a cookie that stands for the token. It needs no token beside the one in its body."""
    token = request.app.state.rules.token
    answer = Response(status_code=204)
    if token is None:
        return answer
    if not hmac.compare_digest(given.token.encode("utf-8", "surrogatepass"), token.encode()):
        raise RefusalError(401, "this is not the token that the service was started with")
    answer.set_cookie(COOKIE, request.app.state.sessions.begin(), httponly=True, samesite="strict", path="/")
    return answer


@session.delete("/session", status_code=204, response_class=Response)
async def end(request: Request) -> Response:
    """End the session that the cookie stands for."""
    request.app.state.sessions.end(session_in(request.headers.get("cookie", "")))
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict", path="/")
    return answer
