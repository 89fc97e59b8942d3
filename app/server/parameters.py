"""Parameters that several routes take, worded once."""

from typing import Annotated

from fastapi import Depends, Query, Request

from cladescope.app.server.served_store import ServedStore
from cladescope.app.server.service import Service
from cladescope.index.defaults import K

MOST_HITS = 1000
MOST_ROWS = 1000
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
