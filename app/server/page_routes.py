"""Routes of the page: its files, which hold nothing of any store, and the cookie that stands for the token in a browser."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from cladescope.app.server.refusal import RefusalError

session_router = APIRouter(include_in_schema=False)
FOLDER = Path(__file__).parent / "static"
COOKIE = "cladescope_session"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What a browser may load for the page: its own files and the service's answers; no script inside the page, nothing from elsewhere."""
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@cache
def page_files() -> dict[str, Path]:
    """The files of the page by their paths in an address; only these are ever sent."""
    found = {f"/{path.relative_to(FOLDER).as_posix()}": path for path in FOLDER.rglob("*") if path.suffix in _TYPES}
    return {"/": found["/index.html"], **found}


def sender(file: Path) -> Callable[[], FileResponse]:
    """A route that sends one file of the page; names of those below `assets/` change with what they hold."""
    kept = "public, max-age=31536000, immutable" if file.parent.name == "assets" else "no-cache"
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": kept}

    def send() -> FileResponse:
        return FileResponse(file, media_type=_TYPES[file.suffix], headers=headers)

    return send


@session_router.post("/session", status_code=204)
def enter(request: Request) -> Response:
    """Give a browser that bears the token a cookie that stands for it, so that its pictures can be shown; it holds until the service stops."""
    session: str | None = request.app.state.session
    if session is None:
        raise RefusalError(404, "this service has no token, so that there is nothing to enter")
    answer = Response(status_code=204)
    answer.set_cookie(COOKIE, session, httponly=True, samesite="strict", path="/")
    return answer
