"""The page and its files, which hold no data; and the session with which it bears the token."""

import hmac
from functools import cache
from pathlib import Path
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Body, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from cladescope.app.server.refusal import RefusalError
from cladescope.app.server.sessions import COOKIE, session_in

page = APIRouter(include_in_schema=False)
session = APIRouter(tags=["session"])
STATIC = Path(__file__).parent / "static"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""Kinds of files that are sent; others are not."""


class _File(NamedTuple):
    data: bytes
    media_type: str


class Token(BaseModel):
    """The token of the service."""

    token: str = Field(max_length=1000)


@page.get("/")
async def index() -> Response:
    """The page."""
    file = _files()["index.html"]
    return Response(file.data, media_type=file.media_type, headers={"Cache-Control": "no-cache"})


@page.get("/assets/{path:path}")
async def asset(path: str) -> Response:
    """A file of the page. Its name changes with what it holds, so that a browser keeps it."""
    if (file := _files().get(f"assets/{path}")) is None:
        raise RefusalError(404, "the page has no such file")
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(file.data, media_type=file.media_type, headers=headers)


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


@cache
def _files() -> dict[str, _File]:
    """The files of the page by their paths, in memory: no path of a request is ever opened."""
    return {
        file.relative_to(STATIC).as_posix(): _File(file.read_bytes(), MEDIA_TYPES[file.suffix])
        for file in sorted(STATIC.rglob("*"))
        if file.is_file() and file.suffix in MEDIA_TYPES
    }
