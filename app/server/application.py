"""The application: routes, what becomes of errors, and the guard before them."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

import cladescope
from cladescope.app.server import (
    care_routes,
    map_routes,
    naming_routes,
    page_routes,
    picture_routes,
    search_routes,
    store_routes,
    teach_routes,
)
from cladescope.app.server.guard import WRONG, Guard, Rules
from cladescope.app.server.models import ErrorAnswer
from cladescope.app.service.refusal import RefusalError
from cladescope.app.service.service import Service

PREFIX = "/api/v1"
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": told}
    for status, told in {
        401: "The token is missing or another one.",
        403: "The service is read-only, or the request comes from a page of another site.",
        404: "No such store, picture or taxon.",
        409: "Another map has replaced the one that is asked for.",
        410: "The store was deleted.",
        413: "The picture has too many bytes or pixels.",
        422: "A parameter or picture that cannot be used.",
        429: "Too many requests.",
        503: "The encoder is not loaded.",
    }.items()
}


def application(service: Service, rules: Rules | None = None) -> Guard:
    """The service as an ASGI application, behind its guard."""
    # The pages that show OpenAPI load scripts from elsewhere, which no answer here may.
    app = FastAPI(
        title="Cladescope",
        version=cladescope.__version__,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=_ERRORS,
        redirect_slashes=False,
    )
    app.state.service = service
    for router in (
        store_routes.router,
        search_routes.router,
        picture_routes.router,
        naming_routes.router,
        teach_routes.router,
        care_routes.router,
        map_routes.router,
        page_routes.session,
    ):
        app.include_router(router, prefix=PREFIX)
    for path, file in page_routes.page_files().items():
        app.add_api_route(path, page_routes.sender(file), include_in_schema=False)
    app.add_exception_handler(RefusalError, _refused)
    app.add_exception_handler(RequestValidationError, _misused)
    app.add_exception_handler(HTTPException, _not_answered)
    app.add_exception_handler(Exception, _failed)
    guard = Guard(app, rules or Rules(), service.tally)
    app.state.rules, app.state.sessions = guard.rules, guard.sessions
    return guard


_EXPECTED = {
    "int_parsing": "expected a whole number",
    "int_parsing_size": "expected a smaller number",
    "greater_than_equal": "expected at least {ge}",
    "less_than_equal": "expected at most {le}",
    "bool_parsing": "expected true or false",
    "string_too_long": "it has more than {max_length} letters",
}
"""What to say of a parameter, by pydantic's word for what is wrong with it."""


def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RefusalError)
    return JSONResponse({"error": error.sentence}, error.status, error.headers)


def _misused(request: Request, error: Exception) -> JSONResponse:
    """The first thing that is wrong with a request's parameters, in a sentence."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = str(first["loc"][-1]) if len(first["loc"]) > 1 else "the request"
    known = _EXPECTED.get(first["type"])
    told = first["msg"] if known is None else known.format(**first.get("ctx", {}))
    found = first.get("input")
    shown = f" is {found[:100]!r}" if isinstance(found, str) else ""
    return JSONResponse({"error": f"{name}{shown}: {told}"}, 422)


def _not_answered(request: Request, error: Exception) -> JSONResponse:
    """A path or method that no route takes."""
    assert isinstance(error, HTTPException)
    path = request.url.path[:200]
    told = {
        404: f"there is nothing at {path!r}: {PREFIX}/openapi.json lists what there is",
        405: f"{request.method} is not answered at {path!r}: {PREFIX}/openapi.json lists what is",
    }
    sentence = told.get(error.status_code, str(error.detail))
    return JSONResponse({"error": sentence}, error.status_code, dict(error.headers or {}))


def _failed(request: Request, error: Exception) -> JSONResponse:
    """What no one foresaw; the guard writes it into the log."""
    return JSONResponse({"error": WRONG}, 500)
