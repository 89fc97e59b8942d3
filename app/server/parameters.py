"""Parameters that several routes take, worded once."""

from typing import Annotated

from fastapi import Depends, Header, Query, Request

from cladescope.app.service.asked_models import MOST_HITS
from cladescope.app.service.refusal import RefusalError
from cladescope.app.service.served_store import ServedStore
from cladescope.app.service.service import Service
from cladescope.index.defaults import K

MOST_ROWS, MOST_ARROW_ROWS = 1000, 100_000
"""Rows of a page, as JSON and as Arrow."""
MOST_CHILDREN = 10_000


async def service_of(request: Request) -> Service:
    """The service that answers a request."""
    service: Service = request.app.state.service
    return service


AnyService = Annotated[Service, Depends(service_of)]


async def served_of(name: str, service: AnyService) -> ServedStore:
    """The store that a path names."""
    return service.served(name)


AnyServed = Annotated[ServedStore, Depends(served_of)]


async def may_write(
    request: Request,
    asked: Annotated[
        str | None, Header(alias="X-Cladescope", description="`1`: no form of another site can send it.")
    ] = None,
) -> None:
    """Raise RefusalError for a change where the service only reads, and for one without the header that pages of other sites cannot send."""
    if request.app.state.rules.read_only:
        raise RefusalError(403, "this service is read-only: start it so that it may write, and ask again")
    if asked != "1":
        raise RefusalError(403, "a request that changes something bears the header `X-Cladescope: 1`: send it too")


Writes = Depends(may_write)
"""Stands in the `dependencies` of every route that changes a store or a file."""
KQuery = Annotated[int, Query(ge=1, le=MOST_HITS, description="Number of hits.")]
WithinQuery = Annotated[
    list[str] | None, Query(description="Only this clade; repeat it for a union.", examples=[["Aves"]])
]
WhereQuery = Annotated[
    list[str] | None,
    Query(
        description="A filter: column, operator (= != < <= > >= in), value. Repeat it: all must hold.",
        examples=[["width>=500", "genus in Parus,Pica"]],
    ),
]
ExactQuery = Annotated[bool, Query(description="Compare every picture, without the index.")]
DEFAULT_K = K
