"""Routes that search: by an uploaded picture, a text, stored pictures and taxa."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool

from cladescope.app.server.models import BatchAnswer, SearchAnswer
from cladescope.app.server.parameters import (
    DEFAULT_K,
    AnyServed,
    AnyService,
    ExactQuery,
    KQuery,
    WhereQuery,
    WithinQuery,
)
from cladescope.app.server.uploads import FIELD, uploaded_pictures
from cladescope.app.service.asked_models import BatchAsked, OneQuery
from cladescope.app.service.encoding import Vector
from cladescope.app.service.plain import plain
from cladescope.app.service.refusal import RefusalError
from cladescope.app.service.served_store import ServedStore
from cladescope.app.service.service import Service

router = APIRouter(tags=["search"])
TextQuery = Annotated[
    str | None, Query(max_length=2000, description="Words that describe a picture.", examples=["a bird on a branch"])
]
IdQuery = Annotated[list[str] | None, Query(description="Ids of stored pictures; they are no hits themselves.")]
NotIdQuery = Annotated[
    list[str] | None,
    Query(
        description="Ids of stored pictures that hits shall be unlike: half of their mean is subtracted from the query."
    ),
]
_BINARY = {"type": "string", "format": "binary"}
_FORM = {"type": "object", "properties": {FIELD: _BINARY}, "required": [FIELD]}
_FORM_OF_SEVERAL = {**_FORM, "properties": {FIELD: {"type": "array", "items": _BINARY}}}
UPLOAD = {
    "requestBody": {
        "required": True,
        "description": "One picture: JPEG, PNG, GIF, WebP, TIFF, BMP, HEIF, AVIF or JPEG 2000, of at most 20 MB.",
        "content": {"multipart/form-data": {"schema": _FORM}, "application/octet-stream": {"schema": _BINARY}},
    }
}

UPLOAD_OF_SEVERAL = {
    "requestBody": {
        **UPLOAD["requestBody"],
        "content": {
            "multipart/form-data": {"schema": _FORM_OF_SEVERAL},
            "application/octet-stream": {"schema": _BINARY},
        },
    }
}


@router.post("/stores/{name}/search/image", response_model=SearchAnswer, openapi_extra=UPLOAD_OF_SEVERAL)
async def search_by_image(
    served: AnyServed,
    service: AnyService,
    request: Request,
    text: TextQuery = None,
    id: IdQuery = None,
    not_id: NotIdQuery = None,
    k: KQuery = DEFAULT_K,
    within: WithinQuery = None,
    where: WhereQuery = None,
    exact: ExactQuery = False,
) -> Any:
    """The stored pictures most similar to uploaded ones: several files, stored pictures and a text beside them are one query, their mean."""
    _check_text(text)
    contents: list[bytes | str] = [*await uploaded_pictures(request), *([] if text is None else [text])]
    return await _found(
        served,
        vectors=await _encoded(served, service, contents),
        image_ids=id or (),
        not_image_ids=not_id or (),
        k=k,
        within=within or (),
        filters=where or (),
        exact=exact,
    )


@router.get("/stores/{name}/search", response_model=SearchAnswer)
async def search_by_words(
    served: AnyServed,
    service: AnyService,
    text: TextQuery = None,
    id: IdQuery = None,
    not_id: NotIdQuery = None,
    taxon: Annotated[list[str] | None, Query(description="Taxa, each for the middle of its pictures.")] = None,
    k: KQuery = DEFAULT_K,
    within: WithinQuery = None,
    where: WhereQuery = None,
    exact: ExactQuery = False,
) -> Any:
    """The stored pictures most similar to a text, stored pictures or taxa; what is given together is one query, their mean.

    With `not_id` the query is the mean of what is wanted less half the mean of what is not, of unit length.
    """
    if text is None and not id and not taxon:
        raise RefusalError(422, "the query is empty: give text, id or taxon")
    _check_text(text)
    return await _found(
        served,
        vectors=await _encoded(served, service, [] if text is None else [text]),
        image_ids=id or (),
        not_image_ids=not_id or (),
        taxa=taxon or (),
        k=k,
        within=within or (),
        filters=where or (),
        exact=exact,
    )


@router.post("/stores/{name}/search/batch", response_model=BatchAnswer)
async def search_batch(served: AnyServed, service: AnyService, asked: BatchAsked) -> Any:
    """Several searches at once, answered in their order. Where one of them cannot be answered, none is."""
    for number, query in enumerate(asked.queries, 1):
        if query.text is None and not query.ids and not query.taxa:
            raise RefusalError(422, f"query {number} is empty: give text, ids or taxa")
        with _in_query(number):
            _check_text(query.text)
    texts = list(dict.fromkeys(query.text for query in asked.queries if query.text is not None))
    vectors = dict(zip(texts, await _encoded(served, service, texts), strict=True))
    return plain({"answers": await run_in_threadpool(_answered, served, asked, vectors)})


def _answered(served: ServedStore, asked: BatchAsked, vectors: Mapping[str, Vector]) -> list[dict[str, Any]]:
    return [_one_of_batch(served, asked, *query, vectors) for query in enumerate(asked.queries, 1)]


def _one_of_batch(
    served: ServedStore, asked: BatchAsked, number: int, query: OneQuery, vectors: Mapping[str, Vector]
) -> dict[str, Any]:
    with _in_query(number):
        return served.search(
            vectors=[] if query.text is None else [vectors[query.text]],
            image_ids=query.ids,
            not_image_ids=query.not_ids,
            taxa=query.taxa,
            k=asked.k,
            within=asked.within,
            filters=asked.where,
            exact=asked.exact,
        )


@contextmanager
def _in_query(number: int) -> Iterator[None]:
    """Say of what is refused in which query of several it stands."""
    try:
        yield
    except RefusalError as refusal:
        raise RefusalError(refusal.status, f"query {number}: {refusal.sentence}", headers=refusal.headers) from refusal


def _check_text(text: str | None) -> None:
    if text is not None and not text.strip():
        raise RefusalError(422, "the text of the query is empty: give some words, or leave it out")


async def _encoded(served: ServedStore, service: Service, contents: Sequence[bytes | str]) -> list[Vector]:
    """The vectors of pictures and texts; no thread waits for them, so that as many requests as come can be one batch."""
    if not contents:
        return []
    with served.reading() as store:
        encoding = service.encoding_of(store)
        return await asyncio.gather(*(asyncio.wrap_future(encoding.submit(one)) for one in contents))


async def _found(served: ServedStore, **query: Any) -> object:
    """The answer to a query, in a thread of its own."""
    return plain(await run_in_threadpool(served.search, **query))
