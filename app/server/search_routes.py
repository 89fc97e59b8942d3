"""Routes that search: by an uploaded picture, a text, stored pictures and taxa."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool

from cladescope.app.server.encoding import Vector
from cladescope.app.server.models import SearchAnswer
from cladescope.app.server.parameters import (
    DEFAULT_K,
    AnyServed,
    AnyService,
    ExactQuery,
    KQuery,
    WhereQuery,
    WithinQuery,
)
from cladescope.app.server.plain import plain
from cladescope.app.server.refusal import RefusalError
from cladescope.app.server.served_store import ServedStore
from cladescope.app.server.service import Service
from cladescope.app.server.uploads import FIELD, uploaded_picture

router = APIRouter(tags=["search"])
_BINARY = {"type": "string", "format": "binary"}
_FORM = {"type": "object", "properties": {FIELD: _BINARY}, "required": [FIELD]}
UPLOAD = {
    "requestBody": {
        "required": True,
        "description": "One picture: JPEG, PNG, GIF, WebP, TIFF, BMP, HEIF, AVIF or JPEG 2000, of at most 20 MB.",
        "content": {"multipart/form-data": {"schema": _FORM}, "application/octet-stream": {"schema": _BINARY}},
    }
}


@router.post("/stores/{name}/search/image", response_model=SearchAnswer, openapi_extra=UPLOAD)
async def search_by_image(
    served: AnyServed,
    service: AnyService,
    request: Request,
    k: KQuery = DEFAULT_K,
    within: WithinQuery = None,
    where: WhereQuery = None,
    exact: ExactQuery = False,
) -> Any:
    """The stored pictures most similar to an uploaded one."""
    vector = await _encoded(served, service, await uploaded_picture(request))
    return await _found(served, vector=vector, k=k, within=within or (), filters=where or (), exact=exact)


@router.get("/stores/{name}/search", response_model=SearchAnswer)
async def search_by_words(
    served: AnyServed,
    service: AnyService,
    text: Annotated[
        str | None,
        Query(max_length=2000, description="Words that describe a picture.", examples=["a bird on a branch"]),
    ] = None,
    id: Annotated[list[str] | None, Query(description="Ids of stored pictures; they are no hits themselves.")] = None,
    taxon: Annotated[list[str] | None, Query(description="Taxa, each for the middle of its pictures.")] = None,
    k: KQuery = DEFAULT_K,
    within: WithinQuery = None,
    where: WhereQuery = None,
    exact: ExactQuery = False,
) -> Any:
    """The stored pictures most similar to a text, stored pictures or taxa; what is given together is one query, their mean."""
    if text is None and not id and not taxon:
        raise RefusalError(422, "the query is empty: give text, id or taxon")
    if text is not None and not text.strip():
        raise RefusalError(422, "the text of the query is empty: give some words, or leave it out")
    vector = None if text is None else await _encoded(served, service, text)
    return await _found(
        served,
        vector=vector,
        image_ids=id or (),
        taxa=taxon or (),
        k=k,
        within=within or (),
        filters=where or (),
        exact=exact,
    )


async def _encoded(served: ServedStore, service: Service, content: bytes | str) -> Vector:
    """The vector of a picture or text; no thread waits for it, so that as many requests as come can be one batch."""
    with served.reading() as store:
        return await asyncio.wrap_future(service.encoding_of(store).submit(content))


async def _found(served: ServedStore, **query: Any) -> object:
    """The answer to a query, in a thread of its own."""
    return plain(await run_in_threadpool(served.search, **query))
